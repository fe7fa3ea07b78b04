//! Batches that fail halfway: what is known stays known, what may have landed is unknown, the rest
//! wasn't sent. And detection over more than a page.

use crate::made_up::{connect, described, token};
use crate::org::{Org, bare, call, drain_by, ids};
use duet_core::id::RecordId;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::{Absence, Presence};
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::clock::System;
use duet_ports::connector::{Batch, Call, Collection, Connector};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const DATA: &str = "/services/data/v65.0";

async fn updates(org: &Org, collection: &Collection, count: u128) -> Vec<Call> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(org.account(json!({ "Name": "old" })).await);
    }
    let read = org.side.read(collection, &ids).await.expect("a read");
    let call = |(number, one): (u128, duet_ports::connector::Record)| Call {
        expected: one.observation.version,
        ..call(number, Some(&one.record), &[("Name", "new")])
    };
    (1..).zip(read).map(call).collect()
}

#[tokio::test]
async fn a_lost_composite_leaves_the_next_ones_unsent() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let calls = updates(&org, &collection, 50).await;
    org.admin("faults", json!({ "lost_next": 1 })).await;
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls: calls.clone() };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    let unknown = outcomes.iter().filter(|one| matches!(one, Outcome::Unknown(_))).count();
    let unsent = outcomes.iter().filter(|one| matches!(one, Outcome::NotSent(_))).count();
    assert_eq!((unknown, unsent, outcomes.len()), (23, 27, 50));
    let asked: Vec<RecordId> = calls.iter().filter_map(|call| call.record.clone()).collect();
    let read = org.side.read(&collection, &asked).await.unwrap();
    for (outcome, one) in outcomes.iter().zip(read) {
        let written = one.observation.image["Name"] == Value::text("new");
        assert_eq!(written, matches!(outcome, Outcome::Unknown(_)), "it did land here");
    }
}

#[tokio::test]
async fn what_the_pre_read_refused_stays_refused_when_the_write_is_lost() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let mut calls = updates(&org, &collection, 3).await;
    calls[1].expected_values = crate::org::image(&[("Name", "something else")]);
    org.admin("faults", json!({ "lost_next": 1 })).await;
    let batch = Batch { op: Op::Update, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    assert!(matches!(&outcomes[0], Outcome::Unknown(_)), "{outcomes:?}");
    assert!(matches!(&outcomes[1],
        Outcome::Refused { failure, .. } if failure.class == FailureClass::Stale));
    assert!(matches!(&outcomes[2], Outcome::Unknown(_)));
}

#[tokio::test]
async fn a_lost_delete_is_unknown_and_the_record_tells() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let calls = updates(&org, &collection, 2).await;
    let asked: Vec<RecordId> = calls.iter().filter_map(|call| call.record.clone()).collect();
    org.admin("faults", json!({ "lost_next": 1 })).await;
    let batch = Batch { op: Op::Delete, path: WritePath::Batch, calls };
    let error = org.side.apply(&collection, &batch).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
    for one in org.side.read(&collection, &asked).await.unwrap() {
        assert!(matches!(one.observation.presence, Presence::Deleted(_)));
    }
}

#[tokio::test]
async fn two_hundred_deletes_cost_three_requests() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let calls = updates(&org, &collection, 200).await;
    org.admin("mark", json!({})).await;
    let batch = Batch { op: Op::Delete, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    assert!(outcomes.iter().all(|one| matches!(one, Outcome::Landed { after: Some(_), .. })));
    assert_eq!(org.log().await["requests"], json!(3));
}

#[tokio::test]
async fn two_hundred_updates_cost_two_requests() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let calls = updates(&org, &collection, 200).await;
    org.admin("mark", json!({})).await;
    let batch = Batch { op: Op::Update, path: WritePath::Batch, calls };
    let outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    assert!(outcomes.iter().all(|one| matches!(one, Outcome::Landed { .. })));
    let log = org.log().await;
    assert_eq!((&log["requests"], &log["records_written"]), (&json!(2), &json!(200)));
}

#[tokio::test]
async fn a_guarded_update_that_leaves_the_filter_is_read_back_outside() {
    let org = Org::start().await;
    let mut collection = org.accounts(&["Name"]).await;
    collection.filter = Some("Name LIKE 'in%'".to_owned());
    let id = org.account(json!({ "Name": "inside" })).await;
    let read = org.side.read(&collection, std::slice::from_ref(&id)).await.unwrap().remove(0);
    assert_eq!(read.observation.presence, Presence::Present);
    let version = read.observation.version;
    let call = Call { expected: version, ..call(1, Some(&id), &[("Name", "outside")]) };
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls: vec![call] };
    let mut outcomes = org.side.apply(&collection, &batch).await.unwrap().outcomes;
    let Outcome::Landed { after: Some(after), .. } = outcomes.remove(0) else {
        panic!("read back")
    };
    assert_eq!(after.presence, Presence::OutOfScope(Absence::Filter));
}

#[tokio::test]
async fn more_than_a_page_of_changes_is_read_whatever_the_limit() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let mut detector = org.side.detector(&collection, None).await.unwrap();
    let mut created = Vec::new();
    for from in (1..=2_400).step_by(200) {
        let calls = (from..from + 200).map(|n| call(n, None, &[("Name", "many")])).collect();
        let batch = Batch { op: Op::Create, path: WritePath::Batch, calls };
        for outcome in org.side.apply(&collection, &batch).await.unwrap().outcomes {
            let Outcome::Landed { record, .. } = outcome else { panic!("{outcome:?}") };
            created.push(record);
        }
    }
    org.admin("mark", json!({})).await;
    let mut seen = ids(&drain_by(&mut *detector, 700).await);
    let requests = org.log().await["requests"].as_u64().expect("a count");
    assert!(requests <= 5, "{requests} requests for 2,400 changes");
    seen.sort();
    created.sort();
    assert_eq!(seen, created);
    assert!(drain_by(&mut *detector, 700).await.is_empty());
}

#[tokio::test]
async fn a_position_covers_a_page_only_when_all_of_it_was_handed_out() {
    let org = Org::start().await;
    let collection = org.accounts(&["Name"]).await;
    let mut detector = org.side.detector(&collection, None).await.unwrap();
    for name in ["a", "b", "c"] {
        org.account(json!({ "Name": name })).await;
    }
    let start = detector.cursor();
    let first = detector.detect(2).await.unwrap();
    assert_eq!((first.changes.len(), first.more), (2, true));
    assert_eq!(first.position, start, "one of the page still waits");
    let second = detector.detect(2).await.unwrap();
    assert_eq!(second.changes.len(), 1);
    assert_ne!(second.position, start);
}

/// A server with sign-in, the description of Account, and one account to be found.
async fn server() -> MockServer {
    let server = MockServer::start().await;
    let ok = |body: Json| ResponseTemplate::new(200).set_body_json(body);
    let row = json!({ "Id": "001000000000001AAA", "IsDeleted": false,
        "SystemModstamp": "2026-01-01T00:00:00.000+0000" });
    let found = json!({ "totalSize": 1, "done": true, "records": [row] });
    for (verb, at, answer) in [
        ("POST", "/services/oauth2/token".to_owned(), token(&server, "t")),
        ("GET", format!("{DATA}/sobjects/Account/describe"), ok(described())),
        ("GET", format!("{DATA}/queryAll"), ok(found).set_delay(Duration::from_millis(900))),
    ] {
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&server).await;
    }
    server
}

/// A connector with a time limit of a second.
fn hurried(server: &MockServer) -> duet_salesforce::Salesforce {
    let section = json!({ "limits": { "timeout": "1s" }, "auth": { "flow": "client_credentials",
        "login": server.uri(), "client_id": "c", "client_secret": "s" } });
    let settings = duet_salesforce::Settings::parse(&section).expect("good settings");
    duet_salesforce::Salesforce::new("crm".into(), settings, Arc::new(System)).expect("a connector")
}

#[tokio::test]
async fn a_write_with_too_little_time_left_is_not_sent() {
    let server = server().await;
    Mock::given(path(format!("{DATA}/composite/sobjects")))
        .respond_with(ResponseTemplate::new(200))
        .expect(0)
        .mount(&server)
        .await;
    let side = hurried(&server);
    let id = RecordId::from("001000000000001AAA");
    let calls = vec![call(1, Some(&id), &[("Name", "a")])];
    let batch = Batch { op: Op::Update, path: WritePath::Batch, calls };
    let error = side.apply(&bare("Account"), &batch).await.unwrap_err();
    assert!(!error.sent, "{error:?}");
    assert!(["NO_TIME", "TIMEOUT"].contains(&error.failure.code.as_str()), "{error:?}");
}

#[tokio::test]
async fn a_pre_read_without_an_answer_leaves_nothing_unknown() {
    let server = MockServer::start().await;
    let ok = |body: Json| ResponseTemplate::new(200).set_body_json(body);
    for (verb, at, answer) in [
        ("POST", "/services/oauth2/token".to_owned(), token(&server, "t")),
        ("GET", format!("{DATA}/sobjects/Account/describe"), ok(described())),
        ("GET", format!("{DATA}/queryAll"), ok(json!({})).set_delay(Duration::from_secs(60))),
    ] {
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&server).await;
    }
    let side = hurried(&server);
    let id = RecordId::from("001000000000001AAA");
    for path in [WritePath::Batch, WritePath::Guarded] {
        let calls = vec![call(1, Some(&id), &[("Name", "a")])];
        let batch = Batch { op: Op::Update, path, calls };
        let error = side.apply(&bare("Account"), &batch).await.unwrap_err();
        assert_eq!(error.failure.code, "TIMEOUT");
        assert_eq!((error.failure.class, error.sent), (FailureClass::Unreachable, false));
    }
}

#[tokio::test]
async fn a_duplicate_that_can_not_be_looked_at_is_unknown() {
    let server = server().await;
    let error = json!({ "statusCode": "DUPLICATE_VALUE", "fields": [],
        "message": "duplicate value found: X, held by the record with id: 001000000000001" });
    let answer = json!([{ "success": false, "errors": [error] }]);
    Mock::given(path(format!("{DATA}/composite/sobjects")))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    Mock::given(path(format!("{DATA}/query")))
        .respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    let side = connect(&server, Arc::new(System));
    let calls = vec![call(1, None, &[("Name", "a")])];
    let batch = Batch { op: Op::Create, path: WritePath::Batch, calls };
    let outcomes = side.apply(&bare("Account"), &batch).await.unwrap().outcomes;
    assert!(matches!(outcomes[0], Outcome::Unknown(_)), "{outcomes:?}");
}

#[tokio::test]
async fn composite_answers_in_another_order_are_unknown() {
    let server = server().await;
    let part = |reference: &str| json!({ "httpStatusCode": 204, "referenceId": reference });
    for parts in [vec![part("back"), part("u0")], vec![part("u0")], vec![]] {
        let answer =
            ResponseTemplate::new(200).set_body_json(json!({ "compositeResponse": parts }));
        let mock = Mock::given(path(format!("{DATA}/composite"))).respond_with(answer);
        let _mounted = mock.mount_as_scoped(&server).await;
        let side = connect(&server, Arc::new(System));
        let id = RecordId::from("001000000000001AAA");
        let calls = vec![call(1, Some(&id), &[("Name", "a")])];
        let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls };
        let error = side.apply(&bare("Account"), &batch).await.unwrap_err();
        assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
    }
}

#[tokio::test]
async fn a_failed_read_back_leaves_the_version_unread() {
    let server = server().await;
    let back = json!([{ "errorCode": "QUERY_TIMEOUT", "message": "x" }]);
    let parts = json!({ "compositeResponse": [
        { "httpStatusCode": 204, "referenceId": "u0", "body": null },
        { "httpStatusCode": 400, "referenceId": "back", "body": back },
    ] });
    Mock::given(path(format!("{DATA}/composite")))
        .respond_with(ResponseTemplate::new(200).set_body_json(parts))
        .mount(&server)
        .await;
    let side = connect(&server, Arc::new(System));
    let id = RecordId::from("001000000000001AAA");
    let calls = vec![call(1, Some(&id), &[("Name", "a")])];
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls };
    let outcomes = side.apply(&bare("Account"), &batch).await.unwrap().outcomes;
    assert!(matches!(outcomes[0], Outcome::Landed { after: None, .. }), "{outcomes:?}");
}
