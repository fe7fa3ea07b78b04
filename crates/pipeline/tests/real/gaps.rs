//! Gaps: a source that can't be read from its stored position any more. A scan finds what was
//! missed, deletions by evidence; no position is stored before all of it is settled.

use std::sync::Arc;
use std::time::Duration;

use duet_core::facts::FlowState;
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_core::spec::DeletePolicy;
use duet_pipeline::detect::{Detection, source_name};
use duet_pipeline::sync;
use duet_ports::clock::Clock;
use duet_ports::envelope::{Body, ChangeV1, Envelope, WhatV1};
use duet_ports::hub::{Outgoing, Published, Queue};
use duet_ports::inspect::{Inspect, SourceRow};
use duet_ports::store::Store;
use duet_testkit::memory_side::{Fault, Kind, ShiftedClock, columns};
use serde_json::value::to_raw_value;

use super::flowing::linked;
use super::flows::{THINGS, deleting};
use super::hands::Hands;
use super::looping::{STOP, agreed, make, rig as loops, running};
use super::rig::{Rig, Wanted};

async fn left(rig: &Rig) -> SourceRow {
    let rows = rig.store.sources().await.expect("it is up");
    rows.into_iter().find(|row| row.source == "things/left").expect("it was opened")
}

async fn position(rig: &Rig) -> String {
    let source = source_name(&rig.spec().name, Side::Left);
    rig.store.position(&source).await.expect("it is up").expect("it was opened").0
}

fn put(rig: &Rig, record: &str, name: &str) {
    rig.left().put(THINGS, record, columns(&[("code", record), ("name", name), ("city", "Oslo")]));
}

/// Some records that agree, and nobody reads any more.
async fn quiet(records: u32) -> Rig {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    let mut hands = Hands::of(&rig).await;
    for number in 0..records {
        put(&rig, &format!("r{number}"), "Ann");
    }
    hands.work().await;
    close(&rig, hands).await;
    rig
}

async fn close(rig: &Rig, hands: Hands) {
    for detection in hands.detections {
        detection.close(&rig.context).await.expect("it is up");
    }
}

/// An edit, a deletion and a new record that the source never tells.
fn miss(rig: &Rig) {
    put(rig, "r0", "Bob");
    rig.left().delete(THINGS, "r1");
    put(rig, "new", "Eve");
    rig.left().lose_journal(THINGS);
}

fn nothing_is_missing(rig: &Rig, records: usize) {
    assert!(rig.agree("r0", "Bob") && rig.agree("new", "Eve"));
    assert_eq!(rig.right().find_one(THINGS, "code", "r1"), None, "it was deleted there too");
    assert_eq!(rig.right().records(THINGS).len(), records);
}

#[tokio::test]
async fn what_a_source_could_not_tell_is_found_by_a_scan() {
    let rig = quiet(5).await;
    miss(&rig);
    let (before, written) = (position(&rig).await, rig.writes());
    let mut hands = Hands::of(&rig).await;
    assert_eq!(left(&rig).await.scanning, None);
    hands.detect().await;
    assert!(left(&rig).await.scanning.is_some_and(|until| until > rig.clock.now()));
    assert_eq!(position(&rig).await, before, "nothing of the scan is settled");
    hands.work().await;
    nothing_is_missing(&rig, 5);
    assert_eq!(rig.writes() - written, 3, "what didn't change is left alone");
    let gone = rig.detail(Side::Left, "r1").await;
    assert_eq!(gone.link.phase, Phase::Tombstoned);
    assert_ne!(position(&rig).await, before);
    assert_eq!(left(&rig).await.scanning, None, "the gap is closed");
    close(&rig, hands).await;
    let mut again = Hands::of(&rig).await;
    let scans = rig.left().calls(Kind::Detect);
    put(&rig, "r2", "Joe");
    again.work().await;
    assert!(rig.agree("r2", "Joe") && rig.left().calls(Kind::Detect) > scans);
    assert_eq!(rig.writes() - written, 4);
}

#[tokio::test]
async fn a_scan_that_was_cut_short_begins_again() {
    let rig = quiet(5).await;
    miss(&rig);
    let before = position(&rig).await;
    let mut first = Hands::of(&rig).await;
    first.detect().await;
    first.detect().await;
    rig.purge();
    // It dies without a goodbye.
    drop(first);
    assert_eq!(position(&rig).await, before, "whoever comes next has to scan");
    rig.pass(31);
    Hands::of(&rig).await.work().await;
    nothing_is_missing(&rig, 5);
    assert_ne!(position(&rig).await, before);
}

#[tokio::test]
async fn changes_made_during_the_scan_are_read_beside_it() {
    let rig = quiet(3).await;
    miss(&rig);
    let mut hands = Hands::of(&rig).await;
    hands.detect().await;
    put(&rig, "r2", "Joe");
    put(&rig, "late", "Zoe");
    hands.work().await;
    nothing_is_missing(&rig, 4);
    assert!(rig.agree("r2", "Joe") && rig.agree("late", "Zoe"));
}

#[tokio::test]
async fn a_side_that_fails_during_the_scan_is_scanned_on() {
    let rig = quiet(3).await;
    miss(&rig);
    rig.left().plan(Kind::Scan, Fault::CallLost, 2);
    let mut hands = Hands::of(&rig).await;
    for _ in 0..3 {
        assert_eq!(rig.right().find_one(THINGS, "code", "new"), None, "not found yet");
        hands.work().await;
    }
    nothing_is_missing(&rig, 3);
}

#[tokio::test]
async fn a_new_flow_records_what_the_scan_met() {
    let rig = quiet(3).await;
    let state = FlowState { paused: true, adopted: true, ..FlowState::default() };
    let flow = rig.spec().name.clone();
    rig.store.set_flow_state(&flow, state, rig.clock.now()).await.expect("it is up");
    miss(&rig);
    let written = rig.writes();
    Hands::of(&rig).await.work().await;
    assert_eq!(rig.writes(), written, "paused: nothing is decided");
    assert_eq!(left(&rig).await.scanning, None, "but everything is recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pass_closes_a_gap() {
    let rig = quiet(3).await;
    miss(&rig);
    sync::once(&rig.context, &|_| std::ops::ControlFlow::Continue(()))
        .await
        .expect("everything is up");
    nothing_is_missing(&rig, 3);
    assert_eq!(left(&rig).await.scanning, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_begins_anew_while_it_is_read_is_scanned() {
    let rig = loops().await;
    let running = running(&rig, &rig.context).await;
    make(&rig, 0..20);
    agreed(&rig, 20).await;
    // More than one reading holds: the last ones can't have been read yet.
    for number in 0..10 {
        let id = rig.id(Side::Left, &number.to_string());
        rig.left().put(THINGS, &id, columns(&[("name", "Bob")]));
    }
    rig.left().lose_journal(THINGS);
    make(&rig, 20..30);
    agreed(&rig, 30).await;
    assert!((0..10).all(|number| rig.agree(&number.to_string(), "Bob")));
    assert!(running.stop(STOP).await);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn a_position_that_is_none_of_the_source_is_a_gap() {
    let rig = quiet(2).await;
    let source = source_name(&rig.spec().name, Side::Left);
    let token = 1_000;
    let nonsense = duet_ports::connector::Position("v9:nonsense".to_owned());
    let now = rig.clock.now();
    let stored = rig.store.advance(&source, token, Some(&nonsense), 0, now).await;
    assert!(stored.expect("it is up"));
    let mut detection = Detection::open(&rig.context, rig.spec(), Side::Left)
        .await
        .expect("it opens nevertheless")
        .expect("nobody else reads it");
    assert!(detection.step(&rig.context, true).await.expect("it is up").scanning);
    detection.close(&rig.context).await.expect("it is up");
    assert_eq!(position(&rig).await, "v9:nonsense");
    assert_eq!(left(&rig).await.scanning, None, "given back with the source");
}

/// Something happened to a record, and the source can't tell what.
async fn tell_a_gap(rig: &Rig, record: &str) {
    let flow = rig.spec().name.clone();
    let change = ChangeV1 { flow, side: Side::Left, record: record.into(), what: WhatV1::Gap };
    let changes = vec![to_raw_value(&change).expect("a change is JSON")];
    let envelope = Envelope::unnumbered(Body::Changes { changes });
    let message = Outgoing { queue: Queue::Changes(0), envelope };
    let fates = rig.hub.publish(&[message]).await.expect("it is up");
    assert_eq!(fates, [Published::Confirmed]);
}

#[tokio::test]
async fn a_gap_is_read_once_whatever_our_clock_says() {
    for (ours, theirs) in [(3_600, 0), (0, 3_600), (0, 0)] {
        let sides_clock = Arc::new(ShiftedClock::default());
        sides_clock.pass(Duration::from_secs(theirs));
        let rig = Rig::of(Wanted { sides_clock: Some(sides_clock), ..Wanted::default() }).await;
        rig.pass(ours);
        let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
        let (reads, written) = (rig.left().calls(Kind::Read), rig.writes());
        tell_a_gap(&rig, "a").await;
        hands.work().await;
        assert_eq!(rig.left().calls(Kind::Read), reads + 1, "ours {ours}, theirs {theirs}");
        assert_eq!(
            (rig.detail(Side::Left, "a").await.link.phase, rig.writes()),
            (Phase::Linked, written)
        );
    }
}
