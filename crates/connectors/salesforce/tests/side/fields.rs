//! Duet's own fields when they can't be written, are taken away, or are held by somebody else.

use crate::made_up::{connect, described, token};
use crate::org::{bare, call};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::clock::System;
use duet_ports::connector::{Batch, Connector};
use duet_salesforce::Salesforce;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const DATA: &str = "/services/data/v65.0";
/// What the platform takes of a request's first line and headers.
const ADDRESS_BYTES_MAX: usize = 16_384;

/// A server with sign-in, and a connector to it.
async fn signed_in() -> (MockServer, Salesforce) {
    let server = MockServer::start().await;
    Mock::given(path("/services/oauth2/token"))
        .respond_with(token(&server, "t"))
        .mount(&server)
        .await;
    let side = connect(&server, Arc::new(System));
    (server, side)
}

async fn describes(server: &MockServer, object: &Json) {
    let answer = ResponseTemplate::new(200).set_body_json(object);
    let at = path(format!("{DATA}/sobjects/Account/describe"));
    Mock::given(at).respond_with(answer).mount(server).await;
}

/// The account without a field, or with the field changed.
fn account(name: &str, change: Option<(&str, Json)>) -> Json {
    let mut object = described();
    let fields = object["fields"].as_array_mut().expect("fields");
    match change {
        None => fields.retain(|field| field["name"] != name),
        Some((property, value)) => {
            let field = fields.iter_mut().find(|field| field["name"] == name).expect("a field");
            field[property] = value;
        }
    }
    object
}

async fn creates_are_answered(server: &MockServer, answer: Json) {
    let answer = ResponseTemplate::new(200).set_body_json(answer);
    let at = path(format!("{DATA}/composite/sobjects"));
    Mock::given(method("POST")).and(at).respond_with(answer).mount(server).await;
}

fn row(id: &str, more: &[(&str, &str)]) -> Json {
    let mut row = json!({ "Id": id, "IsDeleted": false,
        "SystemModstamp": "2026-01-01T00:00:00.000+0000" });
    for (name, value) in more {
        row[*name] = json!(value);
    }
    row
}

fn page(rows: &[Json]) -> ResponseTemplate {
    let body = json!({ "totalSize": rows.len(), "done": true, "records": rows });
    ResponseTemplate::new(200).set_body_json(body)
}

fn duplicate(message: &str) -> Json {
    let error = json!({ "statusCode": "DUPLICATE_VALUE", "fields": [], "message": message });
    json!({ "success": false, "errors": [error] })
}

/// The decoded queries that were sent, and the longest address of all requests.
async fn asked(server: &MockServer) -> (Vec<String>, usize) {
    let requests = server.received_requests().await.expect("they are recorded");
    let soql = |one: &Request| {
        one.url.query_pairs().find(|(name, _)| name == "q").map(|(_, soql)| soql.into_owned())
    };
    let longest = requests.iter().map(|one| one.url.as_str().len()).max().expect("some requests");
    (requests.iter().filter_map(soql).collect(), longest)
}

fn creating(calls: Vec<duet_ports::connector::Call>) -> Batch {
    Batch { op: Op::Create, path: WritePath::Batch, calls }
}

/// A field that can't take an id isn't sent: the side would refuse every record for it. Without the
/// marker the key tells whose a record is.
#[tokio::test]
async fn a_marker_that_can_not_be_written_is_not_sent() {
    for change in [("updateable", json!(false)), ("length", json!(18))] {
        let (server, side) = signed_in().await;
        describes(&server, &account("Duet_Write__c", Some(change))).await;
        let told = side.describe(&bare("Account")).await.unwrap();
        assert!(!told.marker && told.key_column.is_some());
        let remark = |text: &str| told.remarks.iter().any(|it| !it.fatal && it.text.contains(text));
        assert!(remark("Duet_Write__c on Account can't be written"), "{:?}", told.remarks);
        let create = call(1, None, &[("Name", "a")]);
        let said = "duplicate value found: X duplicates value on record with id: 001000000000001";
        creates_are_answered(&server, json!([duplicate(said)])).await;
        let link = create.link.to_string();
        let ours = page(&[row("001000000000001AAA", &[("Duet_Key__c", link.as_str())])]);
        Mock::given(path(format!("{DATA}/query"))).respond_with(ours).mount(&server).await;
        let outcomes = side.apply(&bare("Account"), &creating(vec![create])).await.unwrap();
        assert!(matches!(outcomes.outcomes[0], Outcome::Landed { .. }), "{:?}", outcomes.outcomes);
        let requests = server.received_requests().await.unwrap();
        let sent = requests.iter().find(|one| one.url.path().ends_with("/sobjects")).unwrap();
        let sent = String::from_utf8(sent.body.clone()).unwrap();
        assert!(sent.contains(&link) && !sent.contains("Duet_Write__c"), "{sent}");
    }
}

#[tokio::test]
async fn a_key_that_can_not_be_written_is_not_sent() {
    for change in [("createable", json!(false)), ("length", json!(18)), ("unique", json!(false))] {
        let (server, side) = signed_in().await;
        describes(&server, &account("Duet_Key__c", Some(change))).await;
        creates_are_answered(&server, json!([{ "success": true, "id": "001000000000001AAA" }]))
            .await;
        let batch = creating(vec![call(1, None, &[("Name", "a")])]);
        let outcomes = side.apply(&bare("Account"), &batch).await.unwrap().outcomes;
        assert!(matches!(outcomes[0], Outcome::Landed { .. }), "{outcomes:?}");
        let requests = server.received_requests().await.unwrap();
        let sent = String::from_utf8(requests.last().unwrap().body.clone()).unwrap();
        assert!(sent.contains("Duet_Write__c") && !sent.contains("Duet_Key__c"), "{sent}");
    }
}

/// A field that an administrator takes away fails one call, not every call until a restart.
#[tokio::test]
async fn a_field_that_was_taken_away_is_forgotten() {
    let (server, side) = signed_in().await;
    let first = ResponseTemplate::new(200).set_body_json(described());
    Mock::given(path(format!("{DATA}/sobjects/Account/describe")))
        .respond_with(first)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    describes(&server, &account("Duet_Write__c", None)).await;
    let refusal = json!([{ "errorCode": "INVALID_FIELD", "message": "No such column" }]);
    let answer = move |request: &Request| match request.url.as_str().contains("Duet_Write__c") {
        true => ResponseTemplate::new(400).set_body_json(&refusal),
        false => page(&[row("001000000000001AAA", &[])]),
    };
    Mock::given(path(format!("{DATA}/queryAll"))).respond_with(answer).mount(&server).await;
    let id = ["001000000000001AAA".into()];
    let error = side.read(&bare("Account"), &id).await.unwrap_err();
    assert_eq!(error.failure.class, FailureClass::Permission);
    let read = side.read(&bare("Account"), &id).await.unwrap();
    assert!(read[0].observation.version.is_some());
}

/// Writes are refused one by one: that is heeded too.
#[tokio::test]
async fn a_field_refused_for_one_record_is_forgotten() {
    let (server, side) = signed_in().await;
    describes(&server, &described()).await;
    let error = json!({ "statusCode": "INVALID_FIELD_FOR_INSERT_UPDATE", "message": "x" });
    creates_are_answered(&server, json!([{ "success": false, "errors": [error] }])).await;
    for number in 1..=2 {
        let batch = creating(vec![call(number, None, &[("Name", "a")])]);
        let outcomes = side.apply(&bare("Account"), &batch).await.unwrap().outcomes;
        assert!(matches!(outcomes[0], Outcome::Refused { .. }), "{outcomes:?}");
    }
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.iter().filter(|one| one.url.path().ends_with("/describe")).count(), 2);
}

/// Values of 255 letters that take nine bytes each in an address.
#[tokio::test]
async fn holders_of_long_values_are_looked_for_in_addresses_that_fit() {
    const COUNT: u128 = 40;
    let value = |number: u128| format!("{number:05}{}", "\u{4e16}".repeat(250));
    let (server, side) = signed_in().await;
    describes(&server, &described()).await;
    let refused: Vec<Json> = (0..COUNT).map(|_| duplicate("already used")).collect();
    creates_are_answered(&server, json!(refused)).await;
    let theirs = page(&[row("001000000000007AAA", &[("Name", value(7).as_str())])]);
    Mock::given(path(format!("{DATA}/query"))).respond_with(theirs).mount(&server).await;
    let calls = (0..COUNT).map(|number| {
        let mut create = call(number, None, &[("Name", "a")]);
        create.unique = Some(("Name".into(), Value::text(value(number))));
        create
    });
    let outcomes = side.apply(&bare("Account"), &creating(calls.collect())).await.unwrap().outcomes;
    for (number, outcome) in outcomes.iter().enumerate() {
        let Outcome::Refused { failure, observed } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.class, FailureClass::Uniqueness);
        assert_eq!(observed.is_some(), number == 7, "{number}");
    }
    let (queries, longest) = asked(&server).await;
    assert!(longest < ADDRESS_BYTES_MAX - 2_000, "{longest} bytes, and the token comes on top");
    let sought: usize = queries.iter().map(|soql| soql.matches("\u{4e16}'").count()).sum();
    assert_eq!(sought, 40, "each value once");
}

#[tokio::test]
async fn holders_that_are_named_are_read_by_id_alone() {
    const COUNT: u128 = 200;
    let (server, side) = signed_in().await;
    describes(&server, &described()).await;
    let said = |number| duplicate(&format!("duplicates value on record with id: 001{number:012}"));
    creates_are_answered(&server, json!((1..=COUNT).map(said).collect::<Vec<_>>())).await;
    let rows: Vec<Json> = (1..=COUNT).map(|number| row(&format!("001{number:012}"), &[])).collect();
    Mock::given(path(format!("{DATA}/query"))).respond_with(page(&rows)).mount(&server).await;
    let calls = (1..=COUNT).map(|number| call(number, None, &[("Name", "a")])).collect();
    let outcomes = side.apply(&bare("Account"), &creating(calls)).await.unwrap().outcomes;
    let shown = |one: &Outcome| matches!(one, Outcome::Refused { observed: Some(_), .. });
    assert!(outcomes.iter().all(shown), "{outcomes:?}");
    let (queries, _) = asked(&server).await;
    assert_eq!(queries.len(), 1);
    assert!(!queries[0].contains("Duet_Key__c IN"), "{}", queries[0]);
}
