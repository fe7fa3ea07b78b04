//! What is taken back is taken back whole: rows, indexes, totals, cascades.

use duet_emulator::STANDARD_PRICE_BOOK_ID;
use serde_json::{Value, json};

use crate::client::{Client, start};

fn part(method: &str, path: &str, body: Value) -> Value {
    let reference = format!("r{}", path.bytes().map(usize::from).sum::<usize>() + method.len());
    let mut part = json!({
        "method": method, "url": format!("/services/data/v60.0{path}"), "referenceId": reference,
    });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

/// Runs the parts, then one that fails, as all or none.
async fn run_and_fail(client: &Client, mut parts: Vec<Value>) {
    let failing = part("POST", "/sobjects/Contact", json!({}));
    parts.push(failing);
    let count = parts.len();
    let body = json!({ "allOrNone": true, "compositeRequest": parts });
    let (_, body) = client.call("POST", "/composite", body).await;
    let answers = body["compositeResponse"].as_array().unwrap();
    assert_eq!(answers.len(), count);
    assert!(answers.iter().all(|answer| answer["httpStatusCode"] == 400), "{body}");
    let last = &answers[count - 1]["body"][0]["errorCode"];
    assert_eq!(last, "REQUIRED_FIELD_MISSING");
}

async fn snapshot(client: &Client) -> Value {
    let mut all = json!({});
    for object in ["Account", "Contact", "Product2", "PricebookEntry", "Order", "OrderItem"] {
        let soql = format!("SELECT FIELDS(ALL) FROM {object} ORDER BY Id LIMIT 200");
        let (status, body) = client.query_all(&soql).await;
        assert_eq!(status, 200, "{body}");
        all[object] = body["records"].clone();
    }
    all
}

#[tokio::test]
async fn everything_a_failed_transaction_did_is_undone() {
    let client = start().await;
    let account = client.create("Account", json!({ "Name": "a", "Ext__c": "A" })).await;
    let parent = client.create("Account", json!({ "Name": "p" })).await;
    client.create("Account", json!({ "Name": "c", "ParentId": parent })).await;
    client.create("Contact", json!({ "LastName": "x", "AccountId": parent })).await;
    let product = client.create("Product2", json!({ "Name": "p" })).await;
    let price = json!({
        "Product2Id": product, "Pricebook2Id": STANDARD_PRICE_BOOK_ID, "UnitPrice": 2,
        "IsActive": true,
    });
    let entry = client.create("PricebookEntry", price).await;
    let order = json!({
        "AccountId": account, "EffectiveDate": "2024-01-31", "Status": "Draft",
        "Pricebook2Id": STANDARD_PRICE_BOOK_ID,
    });
    let order = client.create("Order", order).await;
    let before = snapshot(&client).await;

    let item = json!({
        "OrderId": order, "PricebookEntryId": entry, "Quantity": 2, "UnitPrice": 2,
    });
    run_and_fail(
        &client,
        vec![
            part("PATCH", &format!("/sobjects/Account/{account}"), json!({ "Ext__c": "B" })),
            part("POST", "/sobjects/Account", json!({ "Name": "n", "Ext__c": "A" })),
            part("DELETE", &format!("/sobjects/Account/{parent}"), Value::Null),
            part("POST", "/sobjects/OrderItem", item),
            part("PATCH", &format!("/sobjects/Product2/{product}"), json!({ "Name": "q" })),
        ],
    )
    .await;
    assert_eq!(snapshot(&client).await, before);

    let (_, found) = client.get("/sobjects/Account/Ext__c/A").await;
    assert_eq!(found["Id"], account);
    assert_eq!(client.get("/sobjects/Account/Ext__c/B").await.0, 404);
    client.create("Account", json!({ "Name": "b", "Ext__c": "B" })).await;
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes() {
    let client = start().await;
    let body = json!({ "allOrNone": true, "compositeRequest": [
        part("POST", "/sobjects/Account", json!({ "Name": "a", "Ext__c": "A" })),
        part("GET", "/sobjects/Account/Ext__c/a", Value::Null),
        part("DELETE", "/sobjects/Account/Ext__c/A", Value::Null),
        part("GET", "/query?q=SELECT+COUNT()+FROM+Account", Value::Null),
    ] });
    let (_, body) = client.call("POST", "/composite", body).await;
    let answers = body["compositeResponse"].as_array().unwrap();
    assert_eq!(answers[1]["body"]["Name"], "a", "{body}");
    assert_eq!(answers[3]["body"]["totalSize"], 0);
}

#[tokio::test]
async fn a_collection_inside_a_composite_goes_with_it() {
    let client = start().await;
    let records = json!({ "records": [
        { "attributes": { "type": "Account" }, "Name": "a" },
        { "attributes": { "type": "Account" }, "Name": "b" },
    ] });
    run_and_fail(&client, vec![part("POST", "/composite/sobjects", records.clone())]).await;
    let (_, found) = client.query_all("SELECT COUNT() FROM Account").await;
    assert_eq!(found["totalSize"], 0);
    let body = json!({ "compositeRequest": [part("POST", "/composite/sobjects", records)] });
    let (_, body) = client.call("POST", "/composite", body).await;
    assert_eq!(body["compositeResponse"][0]["body"][1]["success"], true, "{body}");
    let (_, found) = client.query("SELECT COUNT() FROM Account").await;
    assert_eq!(found["totalSize"], 2);
}

#[tokio::test]
async fn a_roll_up_moves_one_stamp_only() {
    let client = start().await;
    let account = client.create("Account", json!({ "Name": "a" })).await;
    let product = client.create("Product2", json!({ "Name": "p" })).await;
    let price = json!({
        "Product2Id": product, "Pricebook2Id": STANDARD_PRICE_BOOK_ID, "UnitPrice": 2,
        "IsActive": true,
    });
    let entry = client.create("PricebookEntry", price).await;
    let order = json!({
        "AccountId": account, "EffectiveDate": "2024-01-31", "Status": "Draft",
        "Pricebook2Id": STANDARD_PRICE_BOOK_ID,
    });
    let order = client.create("Order", order).await;
    let path = format!("/sobjects/Order/{order}");
    let (_, first) = client.get(&path).await;
    let item = json!({
        "OrderId": order, "PricebookEntryId": entry, "Quantity": 2, "UnitPrice": 2,
    });
    let item = client.create("OrderItem", item).await;
    // The stamp has a grain of one second: write until it has moved.
    let mut quantity = 2;
    loop {
        let (_, row) = client.get(&path).await;
        assert_eq!(row["LastModifiedDate"], first["LastModifiedDate"]);
        assert_eq!(row["TotalAmount"], json!(f64::from(quantity * 2)));
        if row["SystemModstamp"] != first["SystemModstamp"] {
            break;
        }
        quantity += 1;
        let body = json!({ "Quantity": quantity });
        assert_eq!(client.call("PATCH", &format!("/sobjects/OrderItem/{item}"), body).await.0, 204);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_all_or_none_call_overrides_a_collection_inside_it() {
    let client = start().await;
    let kept = client.create("Account", json!({ "Name": "kept" })).await;
    let account = json!({ "type": "Account" });
    let creates = json!({ "allOrNone": false, "records": [
        { "attributes": account, "Name": "good" }, { "attributes": account },
    ] });
    let updates = json!({ "records": [
        { "attributes": account, "id": kept, "Name": "changed" },
        { "attributes": account, "id": kept, "Name": "x".repeat(256) },
    ] });
    let gone = format!("/composite/sobjects?allOrNone=false&ids={kept},001000000000009AAA");
    let cases = [
        part("POST", "/composite/sobjects", creates),
        part("PATCH", "/composite/sobjects", updates),
        part("DELETE", &gone, Value::Null),
    ];
    for mut case in cases {
        client.call("POST", "/emulator/admin/mark", Value::Null).await;
        case["referenceId"] = json!("collection");
        let mut other = part("POST", "/sobjects/Account", json!({ "Name": "beside" }));
        other["referenceId"] = json!("beside");
        let body = json!({ "allOrNone": true, "compositeRequest": [other, case] });
        let (_, body) = client.call("POST", "/composite", body).await;
        let answers = &body["compositeResponse"];
        assert_eq!(answers[0]["body"][0]["errorCode"], "PROCESSING_HALTED", "{body}");
        let results = answers[1]["body"].as_array().unwrap();
        assert!(results.iter().all(|one| one["success"] == false), "{body}");
        let undone = &results[0]["errors"][0]["statusCode"];
        assert_eq!(undone, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "{body}");
        let (_, found) = client.query_all("SELECT Name, IsDeleted FROM Account").await;
        assert_eq!(found["totalSize"], 1, "{found}");
        assert_eq!(found["records"][0]["Name"], "kept");
        let (_, log) = client.get("/emulator/admin/log").await;
        assert_eq!((&log["writing_calls"], &log["records_written"]), (&json!(1), &json!(0)));
    }
}
