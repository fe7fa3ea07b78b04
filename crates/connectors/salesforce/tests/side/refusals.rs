//! What the org refuses, record by record, and the class it gets: on creates and on both paths of
//! updates.

use crate::org::{Org, call};
use duet_core::id::RecordId;
use duet_core::image::Image;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Collection, Connector};
use serde_json::json;

/// A column, a value that is refused there, and how.
fn bad_values() -> Vec<(&'static str, Value, &'static str, FailureClass)> {
    let decimal = |text: &str| Value::decimal(text.parse().expect("a number"));
    vec![
        ("Name", Value::text("x".repeat(256)), "STRING_TOO_LONG", FailureClass::Validation),
        ("Name", Value::Null, "REQUIRED_FIELD_MISSING", FailureClass::Validation),
        (
            "Level__c",
            Value::text("middling"),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            FailureClass::Validation,
        ),
        (
            "Score__c",
            decimal("12345678901234567890"),
            "NUMBER_OUTSIDE_VALID_RANGE",
            FailureClass::Validation,
        ),
        ("ParentId", Value::text("no id"), "MALFORMED_ID", FailureClass::Validation),
    ]
}

async fn outcome(
    org: &Org,
    collection: &Collection,
    op: Op,
    path: WritePath,
    call: Call,
) -> Outcome {
    let batch = Batch { op, path, calls: vec![call] };
    org.side.apply(collection, &batch).await.expect("an answer").outcomes.remove(0)
}

fn refusal(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Refused { failure, .. } => failure,
        other => panic!("not refused: {other:?}"),
    }
}

fn update(id: &RecordId, column: &str, value: Value) -> Call {
    let values = Image::from([(column.into(), value)]);
    Call { values, ..call(1, Some(id), &[]) }
}

#[tokio::test]
async fn bad_values_are_refused_alike_on_every_path() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name", "Level__c", "Score__c", "ParentId"]).await;
    let id = org.account(json!({ "Name": "old" })).await;
    for (column, value, code, class) in bad_values() {
        for path in [WritePath::Batch, WritePath::Guarded] {
            let call = update(&id, column, value.clone());
            let failure = refusal(outcome(&org, &collection, Op::Update, path, call).await);
            assert_eq!((failure.code.as_str(), failure.class), (code, class), "{column} {path:?}");
        }
        let mut create = call(2, None, &[("Name", "new")]);
        create.values.insert(column.into(), value);
        let create = outcome(&org, &collection, Op::Create, WritePath::Batch, create).await;
        let failure = refusal(create);
        assert_eq!((failure.code.as_str(), failure.class), (code, class), "{column} on a create");
        assert!(!failure.message.is_empty());
    }
    assert_eq!(org.read(&id).await.image["Name"], Value::text("old"));
}

#[tokio::test]
async fn a_missing_parent_is_a_dependency() {
    let org = Org::start().await;
    let collection = org.collection("Contact", &["LastName", "AccountId"]).await;
    let gone = org.account(json!({ "Name": "gone" })).await;
    org.delete(&gone).await;
    let never = RecordId::from("001000000000zzzAAA");
    let contact = org.insert("Contact", json!({ "LastName": "x" })).await;
    for parent in [gone, never] {
        let values = [("LastName", "y"), ("AccountId", parent.as_str())];
        let create = call(1, None, &values);
        let create = outcome(&org, &collection, Op::Create, WritePath::Batch, create).await;
        assert_eq!(refusal(create).class, FailureClass::Dependency, "{parent} on a create");
        for path in [WritePath::Batch, WritePath::Guarded] {
            let call = update(&contact, "AccountId", Value::text(parent.as_str()));
            let failure = refusal(outcome(&org, &collection, Op::Update, path, call).await);
            assert_eq!(failure.class, FailureClass::Dependency, "{parent} {path:?}");
        }
    }
}

#[tokio::test]
async fn a_unique_value_of_another_is_refused_on_an_update() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name", "Ext__c"]).await;
    org.account(json!({ "Name": "holder", "Ext__c": "k" })).await;
    let id = org.account(json!({ "Name": "other" })).await;
    for path in [WritePath::Batch, WritePath::Guarded] {
        let call = update(&id, "Ext__c", Value::text("K"));
        let failure = refusal(outcome(&org, &collection, Op::Update, path, call).await);
        assert_eq!(failure.class, FailureClass::Uniqueness);
    }
}

#[tokio::test]
async fn a_column_that_may_not_be_written_is_a_matter_of_permission() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let id = org.account(json!({ "Name": "old" })).await;
    for path in [WritePath::Batch, WritePath::Guarded] {
        let call = update(&id, "CreatedById", Value::text("005000000000001AAA"));
        let failure = refusal(outcome(&org, &collection, Op::Update, path, call).await);
        assert_eq!(failure.class, FailureClass::Permission, "{failure:?}");
    }
}

#[tokio::test]
async fn a_value_without_a_form_is_refused_here_and_its_neighbour_sent() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name", "Tags__c"]).await;
    let tags = Value::Set(["a;b".to_owned()].into());
    for path in [WritePath::Batch, WritePath::Guarded] {
        let ids =
            [org.account(json!({ "Name": "a" })).await, org.account(json!({ "Name": "b" })).await];
        let bad = update(&ids[0], "Tags__c", tags.clone());
        let good =
            Call { intent: call(9, None, &[]).intent, ..update(&ids[1], "Name", Value::text("c")) };
        let batch = Batch { op: Op::Update, path, calls: vec![bad, good] };
        let mut outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
        assert!(matches!(outcomes.remove(1), Outcome::Landed { .. }));
        let failure = refusal(outcomes.remove(0));
        assert_eq!(failure.class, FailureClass::Validation);
        assert_eq!(failure.columns, ["Tags__c"]);
    }
}

#[tokio::test]
async fn an_activated_order_keeps_its_rules() {
    let org = Org::start().await;
    let buyer = org.account(json!({ "Name": "buyer" })).await;
    let order = org
        .insert(
            "Order",
            json!({ "AccountId": buyer.as_str(), "EffectiveDate": "2026-11-21",
            "Status": "Draft" }),
        )
        .await;
    let collection = org.collection("Order", &["Status"]).await;
    for path in [WritePath::Batch, WritePath::Guarded] {
        let call = update(&order, "Status", Value::text("Activated"));
        let failure = refusal(outcome(&org, &collection, Op::Update, path, call).await);
        assert_eq!(failure.class, FailureClass::Validation, "it has no item: {failure:?}");
    }
}
