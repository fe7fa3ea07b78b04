//! Detection by poll against the emulator: changes, deletions, filters, positions.

use crate::org::{Org, call, drain, drain_by, ids};
use duet_core::intent::{Op, WritePath};
use duet_core::observation::{Absence, ActorClass, Deletion, Presence, Source};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Connector, Detector, Position};
use duet_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

async fn opened(org: &Org, columns: &[&str]) -> Box<dyn Detector> {
    let collection = org.accounts(columns).await;
    org.side.detector(&collection, None).await.expect("a detector")
}

#[tokio::test]
async fn a_change_is_seen_once() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    assert!(drain(&mut *detector).await.is_empty());
    let id = org.account(json!({ "Name": "a" })).await;
    let seen = drain(&mut *detector).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, id);
    assert_eq!((seen[0].1.source, seen[0].1.presence.clone()), (Source::Poll, Presence::Present));
    assert_eq!(seen[0].1.image["Name"], Value::text("a"));
    assert!(drain(&mut *detector).await.is_empty(), "the overlap repeats nothing");
    // Most likely within the same second: only the content tells.
    org.edit(&id, json!({ "Name": "b" })).await;
    let seen = drain(&mut *detector).await;
    assert_eq!(seen[0].1.image["Name"], Value::text("b"));
}

#[tokio::test]
async fn our_own_write_is_seen_as_ours() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    let create = call(7, None, &[("Name", "ours")]);
    org.write(Op::Create, WritePath::Batch, create.clone()).await;
    let seen = drain(&mut *detector).await;
    assert_eq!(seen[0].1.marker, Some(create.intent));
    assert_eq!(seen[0].1.key, Some(create.link));
    assert_eq!(seen[0].1.actor.class, ActorClass::Duet);
}

#[tokio::test]
async fn a_deletion_is_seen() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    let id = org.account(json!({ "Name": "a" })).await;
    drain(&mut *detector).await;
    org.delete(&id).await;
    let seen = drain(&mut *detector).await;
    assert_eq!(ids(&seen), [id]);
    assert_eq!(seen[0].1.presence, Presence::Deleted(Deletion::Soft));
}

#[tokio::test]
async fn leaving_the_filter_is_no_deletion() {
    let org = Org::start().await;
    let mut collection = org.accounts(&["Name"]).await;
    collection.filter = Some("Rating = 'Hot'".to_owned());
    let mut detector = org.side.detector(&collection, None).await.unwrap();
    let id = org.account(json!({ "Name": "a", "Rating": "Hot" })).await;
    assert_eq!(drain(&mut *detector).await[0].1.presence, Presence::Present);
    org.edit(&id, json!({ "Rating": "Cold" })).await;
    let seen = drain(&mut *detector).await;
    assert_eq!(seen[0].1.presence, Presence::OutOfScope(Absence::Filter));
    org.delete(&id).await;
    assert_eq!(drain(&mut *detector).await[0].1.presence, Presence::Deleted(Deletion::Soft));
}

#[tokio::test]
async fn a_soft_deletion_shows_by_its_column() {
    let org = Org::start().await;
    let mut collection = org.accounts(&["Name"]).await;
    collection.soft = Some(("Rating".into(), Value::text("Cold")));
    let mut detector = org.side.detector(&collection, None).await.unwrap();
    org.account(json!({ "Name": "a", "Rating": "Cold" })).await;
    let seen = drain(&mut *detector).await;
    assert_eq!(seen[0].1.presence, Presence::Deleted(Deletion::Soft));
}

#[tokio::test]
async fn small_pages_lose_nothing() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    let mut all = Vec::new();
    for number in 0..25 {
        all.push(org.account(json!({ "Name": format!("n{number}") })).await);
    }
    let mut seen = ids(&drain_by(&mut *detector, 4).await);
    seen.sort();
    all.sort();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_successor_repeats_what_was_not_settled() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let mut first = org.side.detector(&collection, None).await.unwrap();
    let start = first.cursor().expect("a cursor");
    let id = org.account(json!({ "Name": "a" })).await;
    let reading = first.detect(10).await.unwrap();
    let position = reading.position.expect("a position");
    assert_eq!(first.cursor().as_ref(), Some(&start), "reading settles nothing");
    let mut second = org.side.detector(&collection, Some(&start)).await.unwrap();
    assert!(ids(&drain(&mut *second).await).contains(&id));
    first.settle(&[position.clone(), position.clone()]).await.unwrap();
    assert_eq!(first.cursor(), Some(position));
    let wrong = Position("17".to_owned());
    let lost = org.side.detector(&collection, Some(&wrong)).await.err().expect("it is no position");
    assert!(lost.is_lost_position(), "a scan closes the gap: {lost}");
    assert!(first.settle(&[wrong]).await.is_err());
}

#[tokio::test]
async fn a_position_older_than_the_recycle_bin_is_lost() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let days = |days: i64| org.side.now().plus_seconds(-days * 24 * 3_600);
    let at = |at: Stamp| Position(json!({ "at": at }).to_string());
    let old = org.side.detector(&collection, Some(&at(days(15)))).await.err().expect("too old");
    assert!(old.is_lost_position(), "a scan finds what was deleted: {old}");
    let mut kept = org.side.detector(&collection, Some(&at(days(13)))).await.unwrap();
    let mut told = None;
    while let Some(position) = kept.detect(10).await.unwrap().position {
        told = Some(position);
    }
    // Nobody changed anything, yet the place is not left to grow too old.
    let told: serde_json::Value = serde_json::from_str(&told.expect("a position").0).unwrap();
    assert!(told["at"].as_i64() >= Some(days(2).0), "{told}");
}

#[tokio::test]
async fn a_head_is_reached_by_a_whole_cycle() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    drain(&mut *detector).await;
    org.account(json!({ "Name": "a" })).await;
    let head = detector.head().await.unwrap();
    assert!(!detector.reached(&head).await.unwrap());
    assert_eq!(drain(&mut *detector).await.len(), 1);
    assert!(detector.reached(&head).await.unwrap());
    let collection = org.accounts(&["Name"]).await;
    let mut successor = org.side.detector(&collection, Some(&head)).await.unwrap();
    assert!(!successor.reached(&head).await.unwrap());
    drain(&mut *successor).await;
    assert!(successor.reached(&head).await.unwrap());
}

/// Longer than a second and some calls take on a busy machine.
const HIDDEN_MS: i64 = 6_000;

#[tokio::test]
async fn what_becomes_visible_late_is_found_behind_the_position() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    let late = org.account(json!({ "Name": "late" })).await;
    drain(&mut *detector).await;
    org.edit_late(&late, json!({ "Name": "hidden" }), HIDDEN_MS).await;
    let second = org.side.now().0 + Stamp::SECOND;
    wait_until(Duration::from_secs(60), "the next second", || async { org.side.now().0 >= second })
        .await;
    let newer = org.account(json!({ "Name": "newer" })).await;
    assert_eq!(ids(&drain(&mut *detector).await), [newer], "the late one isn't visible yet");
    let mut seen = Vec::new();
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while seen.is_empty() && tokio::time::Instant::now() < end {
        seen = drain(&mut *detector).await;
        detector.wait(Duration::from_millis(50)).await;
    }
    assert_eq!(ids(&seen), [late]);
    assert_eq!(seen[0].1.image["Name"], Value::text("hidden"));
}

#[tokio::test]
async fn a_failing_poll_loses_nothing() {
    let org = Org::start().await;
    let mut detector = opened(&org, &["Name"]).await;
    drain(&mut *detector).await;
    let id = org.account(json!({ "Name": "a" })).await;
    org.admin("faults", json!({ "unavailable_next": 2 })).await;
    assert!(detector.detect(10).await.is_err());
    assert!(detector.detect(10).await.is_err());
    assert_eq!(ids(&drain(&mut *detector).await), [id]);
}
