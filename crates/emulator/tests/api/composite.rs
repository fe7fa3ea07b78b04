//! Collections and composite calls.

use serde_json::{Value, json};

use crate::client::{Client, column, start};

fn typed(object: &str, mut record: Value) -> Value {
    record["attributes"] = json!({ "type": object });
    record
}

async fn collect(client: &Client, method: &str, all_or_none: bool, records: Value) -> Value {
    let body = json!({ "allOrNone": all_or_none, "records": records });
    let (status, body) = client.call(method, "/composite/sobjects", body).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn count(client: &Client) -> Value {
    client.query("SELECT COUNT() FROM Account").await.1["totalSize"].clone()
}

fn code(result: &Value) -> &str {
    result["errors"][0]["statusCode"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn one_bad_record_does_not_stop_its_neighbours() {
    let client = start().await;
    let records = json!([
        typed("Account", json!({ "Name": "a" })),
        typed("Account", json!({ "Phone": "1" }))
    ]);
    let results = collect(&client, "POST", false, records.clone()).await;
    assert_eq!(results[0]["success"], true);
    assert_eq!(code(&results[1]), "REQUIRED_FIELD_MISSING");
    assert_eq!(results[1]["errors"][0]["fields"], json!(["Name"]));
    assert_eq!(count(&client).await, 1);
    let results = collect(&client, "POST", true, records).await;
    assert_eq!(code(&results[0]), "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(code(&results[1]), "REQUIRED_FIELD_MISSING");
    assert_eq!(count(&client).await, 1);
}

#[tokio::test]
async fn updates_and_deletes_answer_in_order() {
    let client = start().await;
    let one = client.create("Account", json!({ "Name": "a" })).await;
    let gone = client.create("Account", json!({ "Name": "b" })).await;
    client.call("DELETE", &format!("/sobjects/Account/{gone}"), Value::Null).await;
    let unknown = "001000000000999AAA";
    let results = collect(
        &client,
        "PATCH",
        false,
        json!([
            typed("Account", json!({ "id": one, "Phone": "2" })),
            typed("Account", json!({ "Id": gone, "Phone": "2" })),
            typed("Account", json!({ "id": unknown, "Phone": "2" })),
            typed("Account", json!({ "id": "x", "Phone": "2" })),
            typed("Account", json!({ "Phone": "2" })),
        ]),
    )
    .await;
    assert_eq!(results[0], json!({ "id": one, "success": true, "errors": [] }));
    let codes: Vec<_> = (1..5).map(|at| code(&results[at])).collect();
    assert_eq!(
        codes,
        ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "MISSING_ARGUMENT"]
    );
    let path = format!("/composite/sobjects?ids={one},{gone},{unknown}&allOrNone=false");
    let (_, results) = client.call("DELETE", &path, Value::Null).await;
    assert_eq!(results[0]["success"], true);
    assert_eq!(code(&results[1]), "ENTITY_IS_DELETED");
    assert_eq!(code(&results[2]), "INVALID_CROSS_REFERENCE_KEY");
}

#[tokio::test]
async fn an_unreadable_record_fails_the_whole_call() {
    let client = start().await;
    for bad in [json!({ "Nope": 1 }), json!({ "Name": 1 })] {
        let records = json!([typed("Account", json!({ "Name": "a" })), typed("Account", bad)]);
        let body = json!({ "records": records });
        let (status, body) = client.call("POST", "/composite/sobjects", body).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(count(&client).await, 0);
    }
    let many: Vec<_> = (0..201).map(|_| typed("Account", json!({ "Name": "a" }))).collect();
    let body = json!({ "records": many });
    let (status, body) = client.call("POST", "/composite/sobjects", body).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("EXCEEDED_MAX_SIZE_REQUEST")));
}

#[tokio::test]
async fn collections_are_upserted_by_external_id() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a", "Ext__c": "1" })).await;
    let record = |key: &str, name: &str| typed("Account", json!({ "Ext__c": key, "Name": name }));
    let body = json!({ "records": [record("1", "b"), record("2", "c"), record("2", "d")] });
    let (_, results) = client.call("PATCH", "/composite/sobjects/Account/ext__c", body).await;
    assert_eq!(results[0], json!({ "id": id, "success": true, "errors": [], "created": false }));
    assert_eq!(results[1]["created"], true);
    assert_eq!(code(&results[2]), "DUPLICATE_VALUE");
    let bad = typed("Account", json!({ "Ext__c": "3", "Name": "e", "OwnerId": "bad" }));
    let body = json!({ "allOrNone": true, "records": [record("4", "f"), bad] });
    let (_, results) = client.call("PATCH", "/composite/sobjects/Account/Ext__c", body).await;
    assert_eq!(
        (code(&results[0]), &results[0]["created"]),
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", &json!(true))
    );
    assert_eq!((code(&results[1]), &results[1]["created"]), ("MALFORMED_ID", &json!(true)));
    assert_eq!(count(&client).await, 2);
}

#[tokio::test]
async fn many_are_read_with_null_for_the_missing() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a", "Phone": "1" })).await;
    let body = json!({ "ids": ["001000000000999AAA", id], "fields": ["Name"] });
    let (_, rows) = client.call("POST", "/composite/sobjects/Account", body).await;
    assert_eq!(rows[0], Value::Null);
    assert_eq!((&rows[1]["Name"], rows[1].get("Phone")), (&json!("a"), None));
    let (_, rows) = client.get(&format!("/composite/sobjects/Account?ids={id}&fields=Phone")).await;
    assert_eq!(rows[0]["Phone"], "1");
}

fn part(method: &str, path: &str, reference: &str, body: Value) -> Value {
    let mut part = json!({
        "method": method, "url": format!("/services/data/v60.0{path}"), "referenceId": reference,
    });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

async fn composite(client: &Client, all_or_none: bool, parts: Value) -> Value {
    let body = json!({ "allOrNone": all_or_none, "compositeRequest": parts });
    let (status, body) = client.call("POST", "/composite", body).await;
    assert_eq!(status, 200, "{body}");
    body["compositeResponse"].clone()
}

#[tokio::test]
async fn parts_use_each_other_s_answers() {
    let client = start().await;
    let answers = composite(
        &client,
        true,
        json!([
            part("POST", "/sobjects/Account", "a", json!({ "Name": "x" })),
            part(
                "POST",
                "/sobjects/Contact",
                "c",
                json!({ "LastName": "y", "AccountId": "@{a.id}" })
            ),
            part("GET", "/query?q=SELECT+Id,AccountId+FROM+Contact", "q", Value::Null),
            part(
                "GET",
                "/sobjects/Account/@{q.records[0].AccountId}?fields=Name",
                "r",
                Value::Null
            ),
            part("DELETE", "/sobjects/Contact/@{c.id}", "d", Value::Null),
        ]),
    )
    .await;
    assert_eq!(answers[0]["httpStatusCode"], 201);
    let id = answers[0]["body"]["id"].as_str().unwrap();
    let location = format!("/services/data/v60.0/sobjects/Account/{id}");
    assert_eq!(answers[0]["httpHeaders"]["Location"], location);
    assert_eq!(answers[3]["body"]["Name"], "x");
    assert_eq!((&answers[4]["httpStatusCode"], &answers[4]["body"]), (&json!(204), &Value::Null));
    let (_, all) = client.query_all("SELECT IsDeleted FROM Contact").await;
    assert_eq!(column(&all, "IsDeleted"), [json!(true)]);
}

#[tokio::test]
async fn a_failed_part_halts_its_dependants_or_everything() {
    let client = start().await;
    let parts = json!([
        part("POST", "/sobjects/Account", "ok", json!({ "Name": "x" })),
        part("POST", "/sobjects/Account", "bad", json!({})),
        part("POST", "/sobjects/Account", "next", json!({ "Name": "@{bad.id}" })),
        part("POST", "/sobjects/Account", "free", json!({ "Name": "z" })),
    ]);
    let answers = composite(&client, false, parts.clone()).await;
    let statuses: Vec<_> = (0..4).map(|at| answers[at]["httpStatusCode"].clone()).collect();
    assert_eq!(statuses, [201, 400, 400, 201]);
    assert_eq!(answers[2]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert!(answers[2]["body"][0]["message"].as_str().unwrap().contains("No value for bad.id"));
    assert_eq!(count(&client).await, 2);
    let answers = composite(&client, true, parts).await;
    let codes: Vec<_> = (0..4).map(|at| answers[at]["body"][0]["errorCode"].clone()).collect();
    let halted = "PROCESSING_HALTED";
    assert_eq!(codes, [halted, "REQUIRED_FIELD_MISSING", halted, halted]);
    assert_eq!(count(&client).await, 2);
}

#[tokio::test]
async fn malformed_envelopes_are_refused() {
    let client = start().await;
    let one = |reference: &str| part("GET", "/limits", reference, Value::Null);
    let mut closed = one("a");
    closed["httpHeaders"] = json!({ "Authorization": "x" });
    let many: Vec<_> = (0..26).map(|n| one(&format!("r{n}"))).collect();
    let queries: Vec<_> =
        (0..6).map(|n| part("GET", "/query?q=x", &format!("r{n}"), Value::Null)).collect();
    for parts in [
        json!([one("_a")]),
        json!([one("a"), one("a")]),
        json!([closed]),
        json!(many),
        json!(queries),
    ] {
        let body = json!({ "compositeRequest": parts });
        assert_eq!(client.call("POST", "/composite", body).await.0, 400, "{parts}");
    }
    assert_eq!(client.call("POST", "/composite", json!({})).await.0, 400);
}
