//! Conditional requests, alone and inside composite calls.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::client::{Client, read, start};

async fn modified(client: &Client, path: &str) -> String {
    let answer = client.send("GET", path, &[], None).await.unwrap();
    answer.headers()["last-modified"].to_str().unwrap().to_owned()
}

async fn patch(client: &Client, path: &str, header: (&str, &str)) -> (u16, Value) {
    let body = json!({ "Phone": "9" });
    read(client.send("PATCH", path, &[header], Some(body)).await.unwrap()).await
}

const EARLY: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

#[tokio::test]
async fn a_write_holds_to_the_last_change_at_one_second() {
    let client = start().await;
    let id = client.create("Contact", json!({ "LastName": "a" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let date = modified(&client, &path).await;
    assert_eq!(patch(&client, &path, ("if-unmodified-since", &date)).await.0, 204);
    let (status, body) = patch(&client, &path, ("if-unmodified-since", EARLY)).await;
    assert_eq!((status, &body[0]["errorCode"]), (412, &json!("PRECONDITION_FAILED")));
    assert_eq!(patch(&client, &path, ("if-unmodified-since", "yesterday")).await.0, 400);
    // Tags mean nothing on other objects than Account.
    assert_eq!(patch(&client, &path, ("if-match", "\"x\"")).await.0, 204);
}

#[tokio::test]
async fn a_reader_that_has_it_gets_nothing() {
    let client = start().await;
    let id = client.create("Contact", json!({ "LastName": "a" })).await;
    for path in
        [format!("/sobjects/Contact/{id}"), "/sobjects/Contact/describe".into(), "/sobjects".into()]
    {
        let date = modified(&client, &path).await;
        let header = [("if-modified-since", date.as_str())];
        assert_eq!(client.send("GET", &path, &header, None).await.unwrap().status(), 304);
        let header = [("if-modified-since", EARLY)];
        assert_eq!(client.send("GET", &path, &header, None).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn accounts_have_tags() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a" })).await;
    let path = format!("/sobjects/Account/{id}");
    let answer = client.send("GET", &path, &[], None).await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let same = client.send("GET", &path, &[("if-none-match", &tag)], None).await.unwrap();
    assert_eq!(same.status(), 304);
    assert_eq!(patch(&client, &path, ("if-none-match", &tag)).await.0, 412);
    assert_eq!(patch(&client, &path, ("if-match", "nonsense")).await.0, 400);
    assert_eq!(patch(&client, &path, ("if-match", &format!("\"no\", {tag}"))).await.0, 204);
    assert_eq!(patch(&client, &path, ("if-match", &tag)).await.0, 412);
}

#[tokio::test]
async fn parts_of_a_composite_call_have_their_own_conditions() {
    let client = start().await;
    let id = client.create("Contact", json!({ "LastName": "a" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let date = modified(&client, &path).await;
    let part = |reference: &str, date: &str, phone: &str| {
        json!({
            "method": "PATCH", "url": format!("/services/data/v60.0{path}"),
            "referenceId": reference, "httpHeaders": { "If-Unmodified-Since": date },
            "body": { "Phone": phone },
        })
    };
    let parts = json!([part("a", &date, "1"), part("b", EARLY, "2")]);
    let (_, body) = client.call("POST", "/composite", json!({ "compositeRequest": parts })).await;
    let answers = &body["compositeResponse"];
    assert_eq!(answers[0]["httpStatusCode"], 204);
    assert_eq!(answers[1]["httpStatusCode"], 412);
    assert_eq!(answers[1]["body"][0]["errorCode"], "PRECONDITION_FAILED");
    assert_eq!(client.get(&path).await.1["Phone"], "1");
}

/// The platform's grain: of two writes that hold to one version, the second passes if both happen
/// in one second, and only then.
#[tokio::test]
async fn two_writes_in_one_second_both_pass_and_a_later_one_does_not() {
    let client = start().await;
    let id = client.create("Contact", json!({ "LastName": "a" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let (mut same, mut later) = (0, 0);
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while (same == 0 || later == 0) && tokio::time::Instant::now() < end {
        let date = modified(&client, &path).await;
        assert_eq!(patch(&client, &path, ("if-unmodified-since", &date)).await.0, 204);
        let after = modified(&client, &path).await;
        let (status, _) = patch(&client, &path, ("if-unmodified-since", &date)).await;
        assert_eq!(status, if after == date { 204 } else { 412 }, "{date}, then {after}");
        *(if after == date { &mut same } else { &mut later }) += 1;
    }
    assert!(same > 0 && later > 0, "{same} in one second, {later} later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writes_that_hold_to_an_old_version_one_passes() {
    let client = Arc::new(start().await);
    let id = client.create("Contact", json!({ "LastName": "a" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let date = modified(&client, &path).await;
    let now = async || {
        let answer = client.send("GET", "/limits", &[], None).await.unwrap();
        answer.headers()["date"].to_str().unwrap().to_owned()
    };
    while now().await <= date {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (client, path, date) = (client.clone(), path.clone(), date.clone());
            tokio::spawn(
                async move { patch(&client, &path, ("if-unmodified-since", &date)).await.0 },
            )
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
}

#[tokio::test]
async fn a_date_that_is_none_is_refused_and_a_deletion_has_no_condition() {
    let client = start().await;
    let id = client.create("Contact", json!({ "LastName": "a" })).await;
    let path = format!("/sobjects/Contact/{id}");
    for date in ["", "0", "2015-10-21T07:28:00Z", "Wed, 99 Oct 2015 07:28:00 GMT", "\"tag\""] {
        let (status, body) = patch(&client, &path, ("if-unmodified-since", date)).await;
        assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_HTTP_HEADER")), "{date}");
    }
    let other_zone = "Fri, 21 Oct 2095 07:28:00 +0200";
    assert_eq!(patch(&client, &path, ("if-unmodified-since", other_zone)).await.0, 204);
    let header = [("if-unmodified-since", EARLY)];
    let gone = client.send("DELETE", &path, &header, None).await.unwrap();
    assert_eq!(gone.status(), 204);
}

#[tokio::test]
async fn an_upsert_holds_to_a_condition_too() {
    let client = start().await;
    let path = "/sobjects/Contact/Ext__c/k";
    let body = json!({ "LastName": "a" });
    let header = [("if-unmodified-since", EARLY)];
    let first = client.send("PATCH", path, &header, Some(body.clone())).await.unwrap();
    assert_eq!(first.status(), 201, "there is nothing yet that it could hold to");
    let second = client.send("PATCH", path, &header, Some(body)).await.unwrap();
    assert_eq!(second.status(), 412);
}
