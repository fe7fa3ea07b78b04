//! Creates: inserts on a unique field; what a repeated one finds.

use crate::org::{Org, call};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::connector::{Batch, Connector};
use serde_json::json;

fn landed(outcome: &Outcome) -> &duet_core::id::RecordId {
    match outcome {
        Outcome::Landed { record, .. } => record,
        other => panic!("not landed: {other:?}"),
    }
}

#[tokio::test]
async fn a_create_carries_marker_and_key() {
    let org = Org::start().await;
    let create = call(1, None, &[("Name", "new"), ("Phone", "1")]);
    let outcome = org.write(Op::Create, WritePath::Batch, create.clone()).await;
    let seen = org.read(landed(&outcome)).await;
    assert_eq!((seen.marker, seen.key), (Some(create.intent), Some(create.link)));
    assert_eq!(seen.image["Phone"], Value::text("1"));
}

#[tokio::test]
async fn a_repeated_create_is_known_by_its_marker() {
    let org = Org::start().await;
    let mut by_column = call(2, None, &[("Name", "two"), ("Ext__c", "k")]);
    by_column.unique = Some(("Ext__c".into(), Value::text("k")));
    for create in [call(1, None, &[("Name", "one")]), by_column] {
        let first = org.write(Op::Create, WritePath::Batch, create.clone()).await;
        let again = org.write(Op::Create, WritePath::Batch, create).await;
        assert_eq!(landed(&first), landed(&again));
        let Outcome::Landed { after, .. } = again else { panic!("landed") };
        assert!(after.is_some(), "it was read on the way");
    }
}

#[tokio::test]
async fn a_record_made_meanwhile_by_a_person_is_shown() {
    let org = Org::start().await;
    let theirs = org.account(json!({ "Name": "theirs", "Ext__c": "K-7" })).await;
    let mut create = call(1, None, &[("Name", "ours"), ("Ext__c", "k-7")]);
    create.unique = Some(("Ext__c".into(), Value::text("k-7")));
    let outcome = org.write(Op::Create, WritePath::Batch, create).await;
    let Outcome::Refused { failure, observed } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.class, FailureClass::Uniqueness);
    let observed = observed.expect("the record in the way");
    assert_eq!(observed.record, theirs);
    assert_eq!(observed.observation.image["Name"], Value::text("theirs"));
}

#[tokio::test]
async fn one_bad_record_leaves_its_neighbours() {
    let org = Org::start().await;
    let long = "x".repeat(300);
    let rule = json!({ "object": "Account", "field": "Phone", "value": "13" });
    org.admin("faults", json!({ "refuse": [rule] })).await;
    let calls = vec![
        call(1, None, &[("Name", "a")]),
        call(2, None, &[("Name", &long)]),
        call(3, None, &[("Phone", "no name")]),
        call(4, None, &[("Name", "b"), ("Phone", "13")]),
        call(5, None, &[("Name", "c")]),
    ];
    let collection = org.accounts(&["Name", "Phone"]).await;
    let batch = Batch { op: Op::Create, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    landed(&outcomes[0]);
    landed(&outcomes[4]);
    for (place, code) in [
        (1, "STRING_TOO_LONG"),
        (2, "REQUIRED_FIELD_MISSING"),
        (3, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
    ] {
        let Outcome::Refused { failure, .. } = &outcomes[place] else { panic!("refused") };
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Validation, code));
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_resend_finds_it() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let calls = vec![call(1, None, &[("Name", "a")]), call(2, None, &[("Name", "b")])];
    let batch = Batch { op: Op::Create, path: WritePath::Batch, calls };
    org.admin("faults", json!({ "lost_next": 1 })).await;
    let error = org.side.apply(&collection, &batch).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    assert!(outcomes.iter().all(|one| matches!(one, Outcome::Landed { after: Some(_), .. })));
    let page = org.side.scan(&collection, None, 10).await.unwrap();
    assert_eq!(page.records.len(), 2);
}

#[tokio::test]
async fn an_order_begins_as_a_draft() {
    let org = Org::start().await;
    let account = org.account(json!({ "Name": "buyer" })).await;
    let order = |status: &str, number: u128| {
        let values = [("AccountId", account.as_str()), ("Status", status)];
        let mut create = call(number, None, &values);
        let day = Value::Date("2026-11-21".parse().unwrap());
        create.values.insert("EffectiveDate".into(), day);
        create
    };
    let collection = org.collection("Order", &["Status", "AccountId"]).await;
    let calls = vec![order("Draft", 1), order("Activated", 2)];
    let batch = Batch { op: Op::Create, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    landed(&outcomes[0]);
    let Outcome::Refused { failure, .. } = &outcomes[1] else { panic!("refused") };
    assert_eq!(failure.code, "FAILED_ACTIVATION");
}

#[tokio::test]
async fn a_call_refused_for_one_record_is_halved_until_the_others_pass() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let mut calls: Vec<_> = (1..=40).map(|n| call(n, None, &[("Name", "a")])).collect();
    calls[17].values.insert("No_Such_Field__c".into(), Value::text("x"));
    calls[30].values.insert("Since__c".into(), Value::text("no day"));
    let batch = Batch { op: Op::Create, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    for (place, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Refused { failure, .. } if place == 17 => {
                assert_eq!(failure.class, FailureClass::Permission);
            }
            Outcome::Refused { failure, .. } if place == 30 => {
                assert_eq!(failure.class, FailureClass::Validation);
            }
            other => assert!(matches!(other, Outcome::Landed { .. }), "{place}: {other:?}"),
        }
    }
    assert_eq!(org.side.scan(&collection, None, 1).await.unwrap().estimate, Some(38));
}
