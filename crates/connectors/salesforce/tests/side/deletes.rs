//! Deletes: pre-read, the deleted row shown, refusals by dependants.

use crate::org::{Org, call};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::{Deletion, Presence};
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Batch, Connector};
use duet_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn the_deleted_row_is_shown() {
    let org = Org::start().await;
    let id = org.account(json!({ "Name": "last words" })).await;
    let outcome = org.write(Op::Delete, WritePath::Guarded, call(1, Some(&id), &[])).await;
    let Outcome::Landed { record, after } = outcome else { panic!("{outcome:?}") };
    let after = after.expect("the row in the bin");
    assert_eq!((record, after.presence), (id, Presence::Deleted(Deletion::Soft)));
    assert_eq!(after.image["Name"], Value::text("last words"));
}

#[tokio::test]
async fn a_record_that_moved_on_is_not_deleted() {
    let org = Org::start().await;
    let id = org.account(json!({ "Name": "old" })).await;
    let mut delete = call(1, Some(&id), &[]);
    delete.expected = org.read(&id).await.version;
    let second = delete.expected.as_ref().and_then(|it| it.order).unwrap() + Stamp::SECOND;
    wait_until(Duration::from_secs(60), "the next second", || async { org.side.now().0 >= second })
        .await;
    org.edit(&id, json!({ "Name": "theirs" })).await;
    let outcome = org.write(Op::Delete, WritePath::Batch, delete).await;
    let Outcome::Refused { failure, observed } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.class, FailureClass::Stale);
    assert_eq!(observed.unwrap().observation.image["Name"], Value::text("theirs"));
    assert_eq!(org.read(&id).await.presence, Presence::Present);
}

#[tokio::test]
async fn dependants_restrict_and_the_gone_are_told() {
    let org = Org::start().await;
    let buyer = org.account(json!({ "Name": "buyer" })).await;
    let order = json!({ "AccountId": buyer.as_str(), "EffectiveDate": "2026-11-21",
        "Status": "Draft" });
    org.insert("Order", order).await;
    let gone = org.account(json!({ "Name": "gone" })).await;
    org.delete(&gone).await;
    let free = org.account(json!({ "Name": "free" })).await;
    let collection = org.accounts(&["Name"]).await;
    let calls =
        vec![call(1, Some(&buyer), &[]), call(2, Some(&gone), &[]), call(3, Some(&free), &[])];
    let batch = Batch { op: Op::Delete, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    let class = |place: usize| match &outcomes[place] {
        Outcome::Refused { failure, .. } => Some(failure.class),
        _ => None,
    };
    assert_eq!(class(0), Some(FailureClass::Restricted), "{outcomes:?}");
    assert_eq!(class(1), Some(FailureClass::Gone));
    assert!(matches!(outcomes[2], Outcome::Landed { .. }));
}

#[tokio::test]
async fn there_is_no_undelete() {
    let org = Org::start().await;
    let id = org.account(json!({ "Name": "old" })).await;
    let collection = org.accounts(&["Name"]).await;
    let calls = vec![call(1, Some(&id), &[])];
    let batch = Batch { op: Op::Undelete, path: WritePath::Batch, calls };
    let error = org.side.apply(&collection, &batch).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::Permission, false));
}
