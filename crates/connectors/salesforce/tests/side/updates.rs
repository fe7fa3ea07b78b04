//! Updates on both paths: versions, markers, conflicts, faults.

use crate::org::{Org, call, image};
use duet_core::id::RecordId;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::Version;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Connector};
use duet_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

const PATHS: [WritePath; 2] = [WritePath::Batch, WritePath::Guarded];

async fn versioned(org: &Org, number: u128, id: &RecordId, values: &[(&str, &str)]) -> Call {
    let version = org.read(id).await.version;
    assert!(version.is_some());
    Call { expected: version, ..call(number, Some(id), values) }
}

/// Waits until a stamp made now differs from this version's.
async fn next_second(org: &Org, version: &Version) {
    let second = version.order.expect("a stamp") + Stamp::SECOND;
    wait_until(Duration::from_secs(60), "the next second", || async { org.side.now().0 >= second })
        .await;
}

#[tokio::test]
async fn an_update_lands_with_its_marker_on_both_paths() {
    let org = Org::start().await;
    for path in PATHS {
        let id = org.account(json!({ "Name": "old", "Phone": "1" })).await;
        let update = versioned(&org, 5, &id, &[("Name", "new")]).await;
        let outcome = org.write(Op::Update, path, update.clone()).await;
        let Outcome::Landed { record, after } = outcome else { panic!("{outcome:?}") };
        assert_eq!(record, id);
        assert_eq!(after.is_some(), path == WritePath::Guarded, "read back where it is free");
        let seen = org.read(&id).await;
        assert_eq!(seen.marker, Some(update.intent));
        assert_eq!(seen.image["Name"], Value::text("new"));
        assert_eq!(seen.image["Phone"], Value::text("1"));
        if let Some(after) = after {
            assert_eq!((after.version, after.image), (seen.version, seen.image));
        }
    }
}

#[tokio::test]
async fn a_record_that_moved_on_is_not_written() {
    let org = Org::start().await;
    for path in PATHS {
        let id = org.account(json!({ "Name": "old" })).await;
        let update = versioned(&org, 5, &id, &[("Name", "ours")]).await;
        next_second(&org, update.expected.as_ref().unwrap()).await;
        org.edit(&id, json!({ "Name": "theirs" })).await;
        let outcome = org.write(Op::Update, path, update).await;
        let Outcome::Refused { failure, observed } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.class, FailureClass::Stale);
        let observed = observed.expect("the record as found").observation;
        assert_eq!(observed.image["Name"], Value::text("theirs"));
        assert_eq!(org.read(&id).await.image["Name"], Value::text("theirs"));
    }
}

#[tokio::test]
async fn without_a_version_values_are_compared() {
    let org = Org::start().await;
    for path in PATHS {
        let id = org.account(json!({ "Name": "old" })).await;
        let mut update = call(5, Some(&id), &[("Name", "ours")]);
        update.expected_values = image(&[("Name", "before")]);
        let outcome = org.write(Op::Update, path, update.clone()).await;
        let Outcome::Refused { failure, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.class, FailureClass::Stale);
        update.expected_values = image(&[("Name", "old")]);
        let outcome = org.write(Op::Update, path, update).await;
        assert!(matches!(outcome, Outcome::Landed { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_deleted_record_is_gone_and_shown_as_deleted() {
    let org = Org::start().await;
    for path in PATHS {
        let id = org.account(json!({ "Name": "old" })).await;
        let update = versioned(&org, 5, &id, &[("Name", "ours")]).await;
        org.delete(&id).await;
        let outcome = org.write(Op::Update, path, update).await;
        let Outcome::Refused { failure, observed } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.class, FailureClass::Gone);
        let seen = observed.expect("the row in the bin").observation;
        assert!(matches!(seen.presence, duet_core::observation::Presence::Deleted(_)));
    }
}

#[tokio::test]
async fn fifty_guarded_updates_each_have_their_own_fate() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let mut calls = Vec::new();
    for number in 0..50 {
        let id = org.account(json!({ "Name": format!("a{number}") })).await;
        calls.push(versioned(&org, number, &id, &[("Name", "b")]).await);
    }
    next_second(&org, calls[49].expected.as_ref().unwrap()).await;
    let moved = calls[30].record.clone().unwrap();
    org.edit(&moved, json!({ "Name": "theirs" })).await;
    org.admin("mark", json!({})).await;
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    for (place, outcome) in outcomes.iter().enumerate() {
        let landed = matches!(outcome, Outcome::Landed { after: Some(_), .. });
        assert_eq!(landed, place != 30, "{place}: {outcome:?}");
    }
    assert_eq!(org.log().await["by_kind"]["POST composite"], json!(3));
}

#[tokio::test]
async fn text_that_looks_like_a_reference_is_written_as_it_is() {
    let org = Org::start().await;
    let hostile = "@{u0.id} @{back.records[0].Name}";
    for path in PATHS {
        let id = org.account(json!({ "Name": "old" })).await;
        let update = versioned(&org, 5, &id, &[("Name", hostile)]).await;
        let outcome = org.write(Op::Update, path, update).await;
        assert!(matches!(outcome, Outcome::Landed { .. }), "{outcome:?}");
        assert_eq!(org.read(&id).await.image["Name"], Value::text(hostile));
    }
    let id = org.account(json!({ "Name": "old" })).await;
    let update = versioned(&org, 6, &id, &[("Name", hostile)]).await;
    next_second(&org, update.expected.as_ref().unwrap()).await;
    org.edit(&id, json!({ "Name": "theirs" })).await;
    let outcome = org.write(Op::Update, WritePath::Guarded, update).await;
    let Outcome::Refused { failure, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.class, FailureClass::Stale);
}

#[tokio::test]
async fn a_locked_row_is_transient_and_its_alone() {
    let org = Org::start().await;
    for path in PATHS {
        let id = org.account(json!({ "Name": "old" })).await;
        let update = versioned(&org, 5, &id, &[("Name", "ours")]).await;
        org.admin("faults", json!({ "lock_rate": 1.0 })).await;
        let outcome = org.write(Op::Update, path, update.clone()).await;
        let Outcome::Refused { failure, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.class, FailureClass::Transient);
        assert_eq!(failure.code, "UNABLE_TO_LOCK_ROW");
        org.admin("faults", json!({ "lock_rate": 0.0 })).await;
        let outcome = org.write(Op::Update, path, update).await;
        assert!(matches!(outcome, Outcome::Landed { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_marker_tells() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    for path in PATHS {
        let id = org.account(json!({ "Name": "old" })).await;
        let update = versioned(&org, 5, &id, &[("Name", "ours")]).await;
        org.admin("faults", json!({ "lost_next": 1 })).await;
        let batch = Batch { op: Op::Update, path, calls: vec![update.clone()] };
        let error = org.side.apply(&collection, &batch).await.unwrap_err();
        assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
        assert_eq!(org.read(&id).await.marker, Some(update.intent));
    }
}

#[tokio::test]
async fn an_unavailable_side_is_not_taken_for_a_refusal() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let id = org.account(json!({ "Name": "old" })).await;
    let update = versioned(&org, 5, &id, &[("Name", "ours")]).await;
    org.admin("faults", json!({ "unavailable_next": 1 })).await;
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls: vec![update] };
    let error = org.side.apply(&collection, &batch).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
    assert_eq!(error.failure.code, "HTTP_503");
    org.admin("faults", json!({ "unavailable_next": 1 })).await;
    let error = org.side.read(&collection, &[id]).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::Unreachable, false));
}

#[tokio::test]
async fn every_type_is_written_and_read_back() {
    let org = Org::start().await;
    let columns = [
        "Name",
        "Score__c",
        "Tags__c",
        "Seen_At__c",
        "Since__c",
        "NumberOfEmployees",
        "Description",
        "Rating",
    ];
    let collection = org.accounts(&columns).await;
    let id = org.account(json!({ "Name": "old", "Rating": "Hot" })).await;
    let values = [
        ("Name", Value::text("ü \"quoted\" \\ 'x'")),
        ("Score__c", Value::decimal("-1234567.89".parse().unwrap())),
        ("Tags__c", Value::Set(["blue".to_owned(), "red".to_owned()].into())),
        ("Seen_At__c", Value::Instant(Stamp(1_767_323_045_000_000))),
        ("Since__c", Value::Date("2026-02-28".parse().unwrap())),
        ("NumberOfEmployees", Value::Integer(12)),
        ("Description", Value::text("a\nb")),
        ("Rating", Value::Null),
    ];
    let mut update = call(5, Some(&id), &[]);
    update.values = values.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let batch = Batch { op: Op::Update, path: WritePath::Batch, calls: vec![update.clone()] };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    assert!(matches!(outcomes[0], Outcome::Landed { .. }), "{outcomes:?}");
    let read = org.side.read(&collection, &[id]).await.unwrap().remove(0);
    assert_eq!(read.observation.image, update.values);
}
