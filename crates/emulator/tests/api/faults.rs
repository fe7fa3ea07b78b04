//! Faults on purpose, edits by hand, counters.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, read, start};

#[expect(clippy::disallowed_methods, reason = "waits in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Longer than some calls in a row take on a busy machine: what is to be seen before it ends is.
const A_WHILE_MS: u64 = 3_000;

/// Asks again until it holds; fails after half a minute.
async fn until(client: &Client, path: &str, holds: impl Fn(&(u16, Value)) -> bool) {
    let deadline = now() + Duration::from_secs(30);
    loop {
        if let Ok(answer) = client.send("GET", path, &[], None).await
            && holds(&read(answer).await)
        {
            return;
        }
        assert!(now() < deadline, "{path} does not change");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn log(client: &Client) -> Value {
    client.get("/emulator/admin/log").await.1
}

#[tokio::test]
async fn the_next_requests_are_unavailable() {
    let client = start().await;
    client.faults(json!({ "unavailable_next": 2 })).await;
    for _ in 0..2 {
        let answer = client.send("GET", "/limits", &[], None).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.text().await.unwrap().starts_with("<html>"));
    }
    assert_eq!(client.get("/limits").await.0, 200);
}

#[tokio::test]
async fn an_answer_is_lost_after_the_write() {
    let client = start().await;
    client.faults(json!({ "lost_next": 1 })).await;
    assert_eq!(client.get("/limits").await.0, 200, "reads are answered");
    let body = json!({ "Name": "a", "Ext__c": "1" });
    let lost = client.send("POST", "/sobjects/Account", &[], Some(body.clone())).await;
    assert!(lost.unwrap_err().status().is_none());
    let (_, found) = client.query("SELECT COUNT() FROM Account").await;
    assert_eq!(found["totalSize"], 1);
    let (status, again) = client.call("POST", "/sobjects/Account", body).await;
    assert_eq!((status, &again[0]["errorCode"]), (400, &json!("DUPLICATE_VALUE")));
}

#[tokio::test]
async fn rates_follow_the_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let client = start().await;
        client.faults(json!({ "unavailable_rate": 0.5, "lock_rate": 0.5 })).await;
        let mut seen = Vec::new();
        for n in 0..40 {
            let body = json!({ "Name": n.to_string() });
            let (status, body) = client.call("POST", "/sobjects/Account", body).await;
            seen.push((status, body[0]["errorCode"].clone()));
        }
        runs.push(seen);
    }
    assert_eq!(runs[0], runs[1]);
    let codes: Vec<_> = runs[0].iter().map(|(status, _)| *status).collect();
    assert!([201, 400, 503].iter().all(|status| codes.contains(status)), "{codes:?}");
    assert!(runs[0].iter().any(|(_, code)| code == "UNABLE_TO_LOCK_ROW"));
}

#[tokio::test]
async fn a_row_is_refused_until_the_rule_is_gone() {
    let client = start().await;
    client
        .faults(json!({ "refuse": [
        { "object": "Account", "field": "Name", "value": "bad", "message": "not so" },
    ] }))
        .await;
    let record = |name: &str| json!({ "attributes": { "type": "Account" }, "Name": name });
    let body = json!({ "records": [record("bad"), record("good")] });
    let (_, results) = client.call("POST", "/composite/sobjects", body).await;
    let error = &results[0]["errors"][0];
    assert_eq!(error["statusCode"], "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    assert_eq!((&error["message"], &results[1]["success"]), (&json!("not so"), &json!(true)));
    assert_eq!(client.call("DELETE", "/emulator/admin/faults", Value::Null).await.0, 204);
    client.create("Account", json!({ "Name": "bad" })).await;
}

#[tokio::test]
async fn automation_rewrites_what_was_written() {
    let client = start().await;
    client
        .faults(json!({ "rewrite": [
        { "object": "Account", "field": "Phone", "how": "squeeze" },
        { "object": "Account", "field": "Name", "how": "upper" },
    ] }))
        .await;
    let id = client.create("Account", json!({ "Name": "abc", "Phone": "1  2   3" })).await;
    let (_, row) = client.get(&format!("/sobjects/Account/{id}")).await;
    assert_eq!((&row["Name"], &row["Phone"]), (&json!("ABC"), &json!("1 2 3")));
}

#[tokio::test]
async fn an_outage_ends_by_itself() {
    let client = start().await;
    client.faults(json!({ "outage_ms": A_WHILE_MS })).await;
    assert!(client.send("GET", "/limits", &[], None).await.is_err());
    until(&client, "/limits", |(status, _)| *status == 200).await;
}

#[tokio::test]
async fn latency_is_waited_for() {
    let client = start().await;
    client.faults(json!({ "latency_ms": 50 })).await;
    let start = now();
    client.get("/limits").await;
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_person_edits_in_spite_of_faults() {
    let client = start().await;
    client
        .faults(json!({ "unavailable_rate": 1.0, "lock_rate": 1.0, "refuse": [
        { "object": "Account", "field": "Name", "value": "x" },
    ] }))
        .await;
    let edit = json!({ "operation": "create", "object": "Account", "record": { "Name": "x" } });
    let id = client.edit(edit).await;
    let edit = json!({
        "operation": "update", "object": "Account", "id": id, "record": { "Phone": "7" },
    });
    client.edit(edit).await;
    client.call("DELETE", "/emulator/admin/faults", Value::Null).await;
    let (_, row) = client.get(&format!("/sobjects/Account/{id}")).await;
    assert_eq!(
        (&row["Phone"], &row["LastModifiedById"]),
        (&json!("7"), &json!("005000000000002AAA"))
    );
    client.edit(json!({ "operation": "delete", "object": "Account", "id": id })).await;
    assert_eq!(client.get(&format!("/sobjects/Account/{id}")).await.0, 404);
    let (status, _) =
        client.call("POST", "/emulator/admin/edit", json!({ "operation": "x" })).await;
    assert_eq!(status, 400);
    assert_eq!(client.call("POST", "/emulator/admin/faults", json!({ "x": 1 })).await.0, 400);
    let edit = json!({
        "operation": "create", "object": "Account", "record": { "Name": "y" },
        "visible_after_ms": i64::MAX,
    });
    client.edit(edit).await;
}

#[tokio::test]
async fn an_edit_may_ask_for_what_the_record_holds() {
    let client = start().await;
    let fields = json!({ "Name": "a", "NumberOfEmployees": 7 });
    let id = client.create("Account", fields).await;
    let edit = |expected: Value, name: &str| {
        json!({ "operation": "update", "object": "Account", "id": id, "if": expected,
            "record": { "Name": name } })
    };
    client.edit(edit(json!({ "Name": "a", "NumberOfEmployees": 7.0, "Fax": null }), "b")).await;
    for stale in [json!({ "Name": "a" }), json!({ "Name": "b", "Fax": "1" })] {
        let (status, body) =
            client.call("POST", "/emulator/admin/edit", edit(stale, "never")).await;
        assert_eq!((status, &body[0]["errorCode"]), (412, &json!("PRECONDITION_FAILED")));
    }
    let unknown = edit(json!({ "Nowhere": 1 }), "never");
    assert_eq!(client.call("POST", "/emulator/admin/edit", unknown).await.0, 404);
    let (_, row) = client.get(&format!("/sobjects/Account/{id}")).await;
    assert_eq!(row["Name"], "b");
}

#[tokio::test]
async fn a_merge_leaves_its_children_to_the_survivor() {
    let client = start().await;
    let loser = client.create("Account", json!({ "Name": "loser" })).await;
    let survivor = client.create("Account", json!({ "Name": "survivor" })).await;
    let child = json!({ "LastName": "child", "AccountId": loser });
    let child = client.create("Contact", child).await;
    let merge = |object: &str, loser: &str, survivor: &str| json!({ "operation": "merge", "object": object, "id": loser, "into": survivor });
    client.edit(merge("Account", &loser, &survivor)).await;
    let (_, found) = client
        .get("/queryAll?q=SELECT+IsDeleted,MasterRecordId+FROM+Account+WHERE+Name='loser'")
        .await;
    let row = &found["records"][0];
    assert_eq!((&row["IsDeleted"], &row["MasterRecordId"]), (&json!(true), &json!(survivor)));
    let (_, row) = client.get(&format!("/sobjects/Contact/{child}")).await;
    assert_eq!(row["AccountId"], json!(survivor));
    let product = client.create("Product2", json!({ "Name": "one" })).await;
    let other = client.create("Product2", json!({ "Name": "other" })).await;
    let refused = [
        merge("Product2", &product, &other),
        merge("Account", &survivor, &survivor),
        merge("Account", &loser, &survivor),
    ];
    for edit in refused {
        let (status, _) = client.call("POST", "/emulator/admin/edit", edit).await;
        assert!([400, 404].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn a_late_edit_has_its_early_stamp() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "old" })).await;
    let path = format!("/sobjects/Account/{id}");
    let edit = json!({
        "operation": "update", "object": "Account", "id": id, "record": { "Name": "new" },
        "visible_after_ms": A_WHILE_MS,
    });
    client.edit(edit).await;
    let (_, before) = client.get(&path).await;
    assert_eq!(before["Name"], "old");
    let (_, found) =
        client.query("SELECT Name FROM Account WHERE SystemModstamp > 2020-01-01T00:00:00Z").await;
    assert_eq!(found["records"][0]["Name"], "old");
    let (status, body) = client.call("PATCH", &path, json!({ "Phone": "1" })).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("UNABLE_TO_LOCK_ROW")));
    let edit = json!({
        "operation": "create", "object": "Account", "record": { "Name": "born" },
        "visible_after_ms": A_WHILE_MS,
    });
    let born = client.edit(edit).await;
    assert_eq!(client.get(&format!("/sobjects/Account/{born}")).await.0, 404);
    until(&client, &path, |(_, row)| row["Name"] == "new").await;
    until(&client, &format!("/sobjects/Account/{born}"), |(status, _)| *status == 200).await;
    assert_eq!(client.call("PATCH", &path, json!({ "Phone": "1" })).await.0, 204);
}

#[tokio::test]
async fn a_late_write_of_a_client_is_answered_when_it_is_seen() {
    let client = start().await;
    client.faults(json!({ "late_visibility_ms": 200 })).await;
    let start = now();
    let id = client.create("Account", json!({ "Name": "a" })).await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(client.get(&format!("/sobjects/Account/{id}")).await.0, 200);
}

#[tokio::test]
async fn what_may_write_is_kept_whole_when_asked_for() {
    let client = start().await;
    client.create_accounts("unkept", 1).await;
    client.call("POST", "/emulator/admin/mark", json!({ "keep": true })).await;
    let create = json!({ "Name": "a", "Ext__c": "1" });
    let (_, created) = client.call("POST", "/sobjects/Account", create.clone()).await;
    client.get("/limits").await;
    let gone = format!("/composite/sobjects?ids={}", created["id"].as_str().unwrap());
    client.call("DELETE", &gone, Value::Null).await;
    client.faults(json!({ "outage_ms": A_WHILE_MS })).await;
    assert!(client.send("POST", "/sobjects/Account", &[], Some(create.clone())).await.is_err());
    let kept = client.get("/emulator/admin/kept").await.1;
    let kept = kept["kept"].as_array().unwrap();
    let told: Vec<_> = kept.iter().map(|one| (&one["method"], &one["status"])).collect();
    let expected = [("POST", 201), ("DELETE", 200), ("POST", 0)];
    let expected = expected.map(|(method, status)| (json!(method), json!(status)));
    assert_eq!(told, expected.iter().map(|(method, status)| (method, status)).collect::<Vec<_>>());
    assert_eq!((&kept[0]["body"], &kept[2]["body"]), (&create, &create));
    assert_eq!(kept[1]["query"], json!([["ids", created["id"]]]));
    client.call("POST", "/emulator/admin/mark", Value::Null).await;
    let none = json!({ "whole": true, "kept": [] });
    assert_eq!(client.get("/emulator/admin/kept").await.1, none);
    client.call("DELETE", "/emulator/admin/faults", Value::Null).await;
    client.call("POST", "/emulator/admin/mark", json!({ "reads": true })).await;
    client.query("SELECT Id FROM Account").await;
    client.create("Account", json!({ "Name": "b" })).await;
    let kept = client.get("/emulator/admin/kept").await.1;
    let told: Vec<_> = kept["kept"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(told, ["query", "sobjects/Account"]);
    assert_eq!(kept["kept"][0]["query"], json!([["q", "SELECT Id FROM Account"]]));
    assert_eq!(client.call("POST", "/emulator/admin/mark", json!({ "x": 1 })).await.0, 400);
}

#[tokio::test]
async fn writing_calls_are_counted_since_the_mark() {
    let client = start().await;
    client.create_accounts("n", 3).await;
    let first = log(&client).await;
    assert_eq!((&first["writing_calls"], &first["records_written"]), (&json!(1), &json!(3)));
    assert_eq!(first["by_kind"]["POST composite/sobjects"], 1);
    client.call("POST", "/emulator/admin/mark", Value::Null).await;
    client.query("SELECT Id FROM Account").await;
    let body = json!({ "ids": [], "fields": ["Id"] });
    client.call("POST", "/composite/sobjects/Account", body).await;
    let read_only = json!({ "compositeRequest": [{
        "method": "GET", "url": "/services/data/v60.0/limits", "referenceId": "a",
    }] });
    client.call("POST", "/composite", read_only).await;
    let second = log(&client).await;
    assert_eq!((&second["writing_calls"], &second["requests"]), (&json!(0), &json!(3)));
    client.call("PATCH", "/sobjects/Account/001000000000999AAA", json!({})).await;
    let third = log(&client).await;
    assert_eq!((&third["writing_calls"], &third["records_written"]), (&json!(1), &json!(0)));
    assert_eq!(third["last"][3]["status"], 404);
}
