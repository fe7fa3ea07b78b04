//! Answers that the emulator doesn't give: expired sessions for many calls at once, pages of a
//! proxy, answers that don't fit, merges.

use crate::org::{bare, call};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::{Deletion, Presence};
use duet_core::retry::FailureClass;
use duet_ports::clock::System;
use duet_ports::connector::{Batch, Connector};
use duet_salesforce::{Salesforce, Settings};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

const DATA: &str = "/services/data/v65.0";

pub(crate) fn connect(server: &MockServer, clock: Arc<dyn duet_ports::clock::Clock>) -> Salesforce {
    let section = json!({ "auth": { "flow": "client_credentials", "login": server.uri(),
        "client_id": "c", "client_secret": "s" } });
    let settings = Settings::parse(&section).expect("good settings");
    Salesforce::new("crm".into(), settings, clock).expect("a connector")
}

fn side(server: &MockServer) -> Salesforce {
    connect(server, Arc::new(System))
}

pub(crate) fn token(server: &MockServer, token: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "access_token": token,
        "instance_url": server.uri(), "id": format!("{}/id/00D/005000000000001AAA", server.uri()),
        "token_type": "Bearer" }))
}

pub(crate) fn described() -> Json {
    let field = |name: &str, kind: &str| {
        json!({ "name": name, "type": kind, "nillable": true,
        "createable": true, "updateable": true, "length": 80, "unique": name == "Duet_Key__c" })
    };
    json!({ "name": "Account", "queryable": true, "createable": true, "updateable": true,
        "deletable": true, "fields": [
            field("Id", "id"), field("Name", "string"), field("SystemModstamp", "datetime"),
            field("MasterRecordId", "reference"), field("Duet_Write__c", "string"),
            field("Duet_Key__c", "string"),
        ] })
}

async fn mock(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(server).await;
}

/// A server with sign-in and the description of Account.
async fn server() -> MockServer {
    let server = MockServer::start().await;
    mock(&server, "POST", "/services/oauth2/token", token(&server, "t")).await;
    let describe = ResponseTemplate::new(200).set_body_json(described());
    mock(&server, "GET", &format!("{DATA}/sobjects/Account/describe"), describe).await;
    server
}

fn creates(count: u128) -> Batch {
    let calls = (1..=count).map(|n| call(n, None, &[("Name", "a")])).collect();
    Batch { op: Op::Create, path: WritePath::Batch, calls }
}

/// Fifty at once; every other refusal comes when the new session is there already.
#[tokio::test]
async fn many_calls_with_an_expired_session_renew_it_once() {
    const CALLS: usize = 50;
    let server = MockServer::start().await;
    let tokens = "/services/oauth2/token";
    let sign_in = || Mock::given(method("POST")).and(path(tokens));
    sign_in().respond_with(token(&server, "old")).up_to_n_times(1).expect(1).mount(&server).await;
    sign_in().respond_with(token(&server, "new")).expect(1).mount(&server).await;
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let refuse = move |_: &wiremock::Request| {
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let late = std::time::Duration::from_millis(if number.is_multiple_of(2) { 0 } else { 150 });
        let expired = json!([{ "errorCode": "INVALID_SESSION_ID", "message": "Session expired" }]);
        ResponseTemplate::new(401).set_body_json(expired).set_delay(late)
    };
    Mock::given(method("GET"))
        .and(path(DATA))
        .and(header("Authorization", "Bearer old"))
        .respond_with(refuse)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(DATA))
        .and(header("Authorization", "Bearer new"))
        .and(header("Sforce-Call-Options", "client=duet"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .expect(CALLS as u64)
        .mount(&server)
        .await;
    let side = Arc::new(side(&server));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let side = side.clone();
        calls.spawn(async move { side.ping().await });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_refused_sign_in_is_asked_once_for_all_who_wait() {
    let server = MockServer::start().await;
    let refusal =
        json!({ "error": "invalid_grant", "error_description": "authentication failure" });
    let slowly = ResponseTemplate::new(400)
        .set_body_json(refusal)
        .set_delay(std::time::Duration::from_millis(300));
    Mock::given(method("POST"))
        .and(path("/services/oauth2/token"))
        .respond_with(slowly)
        .expect(1)
        .mount(&server)
        .await;
    let side = side(&server);
    let (a, b) = tokio::join!(side.ping(), side.ping());
    for error in [a.unwrap_err(), b.unwrap_err()] {
        assert_eq!(error.failure.class, FailureClass::Auth);
    }
}

/// Nobody can send anything then: the side as a whole waits.
#[tokio::test]
async fn a_sign_in_that_fails_makes_the_side_unreachable() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>maintenance</html>", "text/html");
    for answer in [ResponseTemplate::new(500), ResponseTemplate::new(503), page] {
        let server = MockServer::start().await;
        mock(&server, "POST", "/services/oauth2/token", answer).await;
        let error = side(&server).apply(&bare("Account"), &creates(1)).await.unwrap_err();
        assert_eq!((error.failure.class, error.sent), (FailureClass::Unreachable, false));
    }
}

#[tokio::test]
async fn a_second_refusal_of_the_session_is_told() {
    let server = server().await;
    let expired = json!([{ "errorCode": "INVALID_SESSION_ID", "message": "x" }]);
    let answer = ResponseTemplate::new(401).set_body_json(expired);
    Mock::given(method("GET")).and(path(DATA)).respond_with(answer).expect(2).mount(&server).await;
    let error = side(&server).ping().await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::Auth, false));
}

#[tokio::test]
async fn tokens_are_not_sent_where_there_is_no_tls() {
    let server = MockServer::start().await;
    for instance in ["http://example.com", "ftp://127.0.0.1", "no address"] {
        let answer = json!({ "access_token": "t", "instance_url": instance });
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        server.reset().await;
        mock(&server, "POST", "/services/oauth2/token", answer).await;
        let error = side(&server).ping().await.unwrap_err();
        assert_eq!(error.failure.code, "INSTANCE_URL", "{instance}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = server().await;
    let answer = ResponseTemplate::new(302).insert_header("Location", "/elsewhere");
    mock(&server, "GET", DATA, answer).await;
    Mock::given(path("/elsewhere"))
        .respond_with(ResponseTemplate::new(200))
        .expect(0)
        .mount(&server)
        .await;
    let error = side(&server).ping().await.unwrap_err();
    assert_eq!(
        (error.failure.class, error.failure.code.as_str()),
        (FailureClass::Poison, "HTTP_302")
    );
}

#[tokio::test]
async fn a_page_instead_of_json_leaves_a_write_unknown_and_a_read_to_be_repeated() {
    let server = server().await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>maintenance</html>", "text/html");
    Mock::given(path_regex("/(query|queryAll|composite/sobjects)$"))
        .respond_with(page)
        .mount(&server)
        .await;
    let side = side(&server);
    let error = side.apply(&bare("Account"), &creates(2)).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
    let id = duet_core::id::RecordId::from("001000000000001AAA");
    let error = side.read(&bare("Account"), &[id]).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::Transient, false));
    assert!(!format!("{error:?}").contains("maintenance"));
}

#[tokio::test]
async fn answers_that_do_not_fit_leave_a_write_unknown() {
    for body in [json!([]), json!([{ "success": true, "id": "001000000000001AAA" }]), json!({})] {
        let server = server().await;
        let answer = ResponseTemplate::new(200).set_body_json(body);
        mock(&server, "POST", &format!("{DATA}/composite/sobjects"), answer).await;
        let error = side(&server).apply(&bare("Account"), &creates(2)).await.unwrap_err();
        assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
    }
}

#[tokio::test]
async fn a_success_without_an_id_is_unknown() {
    let server = server().await;
    let results = json!([{ "success": true, "errors": [] },
        { "success": true, "id": "001000000000001AAA", "errors": [] }]);
    let answer = ResponseTemplate::new(200).set_body_json(results);
    mock(&server, "POST", &format!("{DATA}/composite/sobjects"), answer).await;
    let outcomes = side(&server).apply(&bare("Account"), &creates(2)).await.unwrap().outcomes;
    assert!(matches!(outcomes[0], Outcome::Unknown(_)), "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Landed { .. }));
}

#[tokio::test]
async fn an_answer_for_another_record_makes_all_unknown() {
    let server = server().await;
    let row = json!({ "Id": "001000000000001AAA", "IsDeleted": false,
        "SystemModstamp": "2026-01-01T00:00:00.000+0000" });
    let found = json!({ "totalSize": 1, "done": true, "records": [row] });
    let found = ResponseTemplate::new(200).set_body_json(found);
    mock(&server, "GET", &format!("{DATA}/queryAll"), found).await;
    let other = json!([{ "success": true, "id": "001000000000002AAA", "errors": [] }]);
    let other = ResponseTemplate::new(200).set_body_json(other);
    mock(&server, "PATCH", &format!("{DATA}/composite/sobjects"), other).await;
    let id = duet_core::id::RecordId::from("001000000000001AAA");
    let calls = vec![call(1, Some(&id), &[("Name", "a")])];
    let batch = Batch { op: Op::Update, path: WritePath::Batch, calls };
    let error = side(&server).apply(&bare("Account"), &batch).await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::UnknownOutcome, true));
}

#[tokio::test]
async fn a_side_that_asks_to_wait_throttles() {
    for status in [429, 503] {
        let server = server().await;
        let answer = ResponseTemplate::new(status).insert_header("Retry-After", "7");
        mock(&server, "POST", &format!("{DATA}/composite/sobjects"), answer).await;
        let error = side(&server).apply(&bare("Account"), &creates(1)).await.unwrap_err();
        assert_eq!((error.failure.class, error.sent), (FailureClass::Throttled, false));
        assert_eq!(error.failure.retry_after_us, Some(7_000_000));
    }
}

#[tokio::test]
async fn a_merged_record_names_its_master() {
    let server = server().await;
    let row = json!({ "Id": "001000000000001AAA", "IsDeleted": true, "Name": "loser",
        "MasterRecordId": "001000000000009", "SystemModstamp": "2026-01-01T00:00:00.000+0000" });
    let found = json!({ "totalSize": 1, "done": true, "records": [row] });
    let found = ResponseTemplate::new(200).set_body_json(found);
    mock(&server, "GET", &format!("{DATA}/queryAll"), found).await;
    let id = duet_core::id::RecordId::from("001000000000001");
    let read =
        side(&server).read(&bare("Account"), std::slice::from_ref(&id)).await.unwrap().remove(0);
    assert_eq!(read.record, id, "answered under the id that was asked for");
    let master = Deletion::MergedInto("001000000000009AAA".into());
    assert_eq!(read.observation.presence, Presence::Deleted(master));
}

#[tokio::test]
async fn a_duplicate_rule_names_the_record_too() {
    let server = server().await;
    let matched = json!({ "record": { "Id": "001000000000005AAA" } });
    let error = json!({ "statusCode": "DUPLICATES_DETECTED", "message": "x", "fields": [],
        "duplicateResut": { "matchResults": [{ "matchRecords": [matched] }] } });
    let refused = json!([{ "success": false, "errors": [error] }]);
    let refused = ResponseTemplate::new(200).set_body_json(refused);
    mock(&server, "POST", &format!("{DATA}/composite/sobjects"), refused).await;
    let row = json!({ "Id": "001000000000005AAA", "IsDeleted": false,
        "SystemModstamp": "2026-01-01T00:00:00.000+0000" });
    let found = json!({ "totalSize": 1, "done": true, "records": [row] });
    let found = ResponseTemplate::new(200).set_body_json(found);
    mock(&server, "GET", &format!("{DATA}/query"), found).await;
    let outcomes = side(&server).apply(&bare("Account"), &creates(1)).await.unwrap().outcomes;
    let Outcome::Refused { failure, observed } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(failure.class, FailureClass::Uniqueness);
    assert_eq!(observed.as_ref().unwrap().record.as_str(), "001000000000005AAA");
}

#[tokio::test]
async fn pages_are_followed_and_never_elsewhere() {
    let server = server().await;
    let row = |n: u32| {
        json!({ "Id": format!("00100000000000{n}AAA"), "IsDeleted": false,
        "SystemModstamp": "2026-01-01T00:00:00.000+0000" })
    };
    let page = |n: u32, next: Option<&str>| {
        let body = json!({ "totalSize": 2, "done": next.is_none(), "nextRecordsUrl": next,
            "records": [row(n)] });
        ResponseTemplate::new(200).set_body_json(body)
    };
    let more = format!("{DATA}/queryAll/01g-1");
    mock(&server, "GET", &format!("{DATA}/queryAll"), page(1, Some(&more))).await;
    mock(&server, "GET", &more, page(2, None)).await;
    let ids = ["001000000000001AAA", "001000000000002AAA"].map(duet_core::id::RecordId::from);
    let read = side(&server).read(&bare("Account"), &ids).await.unwrap();
    assert!(read.iter().all(|one| one.observation.presence == Presence::Present));
    let server = self::server().await;
    let away = page(1, Some("https://example.com/services/data/x"));
    mock(&server, "GET", &format!("{DATA}/queryAll"), away).await;
    assert!(side(&server).read(&bare("Account"), &ids).await.is_err());
}
