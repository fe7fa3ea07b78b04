//! Single records: create, read, update, delete, external ids, checks.

use serde_json::{Value, json};

use crate::client::{Client, column, start};

async fn refused(client: &Client, object: &str, record: Value) -> (u16, String, Value) {
    let (status, body) = client.call("POST", &format!("/sobjects/{object}"), record).await;
    let code = body[0]["errorCode"].as_str().unwrap_or_default().to_owned();
    (status, code, body[0].clone())
}

#[tokio::test]
async fn a_record_lives_and_dies() {
    let client = start().await;
    let id = client.create("account", json!({ "name": " Acme ", "BillingCity": "Ulm" })).await;
    assert_eq!(id.len(), 18);
    let (status, row) = client.get(&format!("/sobjects/Account/{id}")).await;
    assert_eq!((status, &row["Name"]), (200, &json!("Acme")));
    assert_eq!(row["BillingAddress"]["city"], "Ulm");
    assert_eq!(row["attributes"]["url"], format!("/services/data/v60.0/sobjects/Account/{id}"));
    assert!(row["SystemModstamp"].as_str().unwrap().ends_with(".000+0000"));
    assert_eq!(row["CreatedById"], "005000000000001AAA");
    assert!(row.as_object().unwrap().contains_key("Phone"));

    let path = format!("/sobjects/Account/{}", &id[..15]);
    assert_eq!(client.call("PATCH", &path, json!({ "Phone": "1", "Name": "B" })).await.0, 204);
    let (_, row) = client.get(&format!("{path}?fields=Phone,name")).await;
    assert_eq!((&row["Phone"], &row["Name"]), (&json!("1"), &json!("B")));
    assert!(row.get("Fax").is_none());
    assert_eq!(client.call("PATCH", &path, json!({ "Phone": null })).await.0, 204);
    assert_eq!(client.get(&path).await.1["Phone"], Value::Null);

    assert_eq!(client.call("DELETE", &path, Value::Null).await.0, 204);
    for method in ["GET", "PATCH", "DELETE"] {
        let body = if method == "PATCH" { json!({}) } else { Value::Null };
        let (status, body) = client.call(method, &path, body).await;
        assert_eq!((status, &body[0]["errorCode"]), (404, &json!("ENTITY_IS_DELETED")));
    }
    let (_, found) = client.query("SELECT Id FROM Account").await;
    assert_eq!(found["totalSize"], 0);
    let (_, found) = client.query_all("SELECT Id, IsDeleted FROM Account").await;
    assert_eq!(column(&found, "IsDeleted"), [json!(true)]);
}

#[tokio::test]
async fn bad_values_are_refused_with_their_code() {
    let client = start().await;
    for (record, code) in [
        (json!({}), "REQUIRED_FIELD_MISSING"),
        (json!({ "Name": "  " }), "REQUIRED_FIELD_MISSING"),
        (json!({ "Name": "a", "Nope": 1 }), "INVALID_FIELD"),
        (json!({ "Name": "a", "Id": "001" }), "INVALID_FIELD"),
        (json!({ "Name": "a".repeat(256) }), "STRING_TOO_LONG"),
        (json!({ "Name": "a", "CreatedDate": "x" }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "Name": 5 }), "JSON_PARSER_ERROR"),
        (json!({ "Name": "a", "NumberOfEmployees": "many" }), "JSON_PARSER_ERROR"),
        (json!({ "Name": "a", "NumberOfEmployees": 1e12 }), "NUMBER_OUTSIDE_VALID_RANGE"),
        (json!({ "Name": "a", "ParentId": "nonsense" }), "MALFORMED_ID"),
        (json!({ "Name": "a", "ParentId": "005000000000001AAA" }), "MALFORMED_ID"),
        (json!({ "Name": "a", "ParentId": "001000000000009" }), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({ "Name": "a", "Parent": { "Ext__c": "none" } }), "INVALID_FIELD"),
    ] {
        let shown = record.to_string();
        let (status, found, _) = refused(&client, "Account", record).await;
        assert_eq!((status, found.as_str()), (400, code), "{shown}");
    }
    let (_, _, body) = refused(&client, "Account", json!({})).await;
    assert_eq!(body["message"], "Required fields are missing: [Name]");
    assert_eq!(body["fields"], json!(["Name"]));
    let contact = json!({ "LastName": "x", "Email": "no mail" });
    assert_eq!(refused(&client, "Contact", contact).await.1, "INVALID_EMAIL_ADDRESS");
    let status = json!({ "LastName": "x", "DoNotCall": null });
    assert_eq!(refused(&client, "Contact", status).await.1, "INVALID_TYPE_ON_FIELD_IN_RECORD");
    assert_eq!(refused(&client, "Nothing", json!({})).await.1, "NOT_FOUND");
    assert_eq!(refused(&client, "User", json!({})).await.0, 400);
}

#[tokio::test]
async fn values_are_stored_as_the_platform_does() {
    let client = start().await;
    let record = json!({
        "Name": "a", "Description": "one\ntwo\r\nthree", "AnnualRevenue": "1234.5",
        "NumberOfEmployees": 7, "Fax": "", "BillingLatitude": 1.25,
    });
    let id = client.create("Account", record).await;
    let (_, row) = client.get(&format!("/sobjects/Account/{id}")).await;
    assert_eq!(row["Description"], "one\r\ntwo\r\nthree");
    assert_eq!(row["AnnualRevenue"], json!(1235.0));
    assert_eq!(row["NumberOfEmployees"], json!(7));
    assert_eq!(row["Fax"], Value::Null);
    let product = client.create("Product2", json!({ "Name": "p" })).await;
    let price = json!({
        "Product2Id": product, "Pricebook2Id": duet_emulator::STANDARD_PRICE_BOOK_ID,
        "UnitPrice": 2.675, "IsActive": true,
    });
    let entry = client.create("PricebookEntry", price).await;
    let (_, row) = client.get(&format!("/sobjects/PricebookEntry/{entry}")).await;
    assert_eq!((&row["UnitPrice"], &row["Name"]), (&json!(2.68), &json!("p")));
}

#[tokio::test]
async fn external_ids_are_unique_without_case_among_the_living() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a", "Ext__c": "K-1" })).await;
    let (status, code, body) =
        refused(&client, "Account", json!({ "Name": "b", "Ext__c": "k-1" })).await;
    assert_eq!((status, code.as_str()), (400, "DUPLICATE_VALUE"));
    let text = format!("duplicate value found: Ext__c duplicates value on record with id: {id}");
    assert_eq!(body["message"], text);
    assert_eq!(client.call("DELETE", &format!("/sobjects/Account/{id}"), Value::Null).await.0, 204);
    client.create("Account", json!({ "Name": "b", "Ext__c": "k-1" })).await;
}

#[tokio::test]
async fn upserts_follow_the_external_id() {
    let client = start().await;
    let path = "/sobjects/Account/Ext__c/a%2Fb%20c";
    assert_eq!(client.get(path).await.0, 404);
    let only = format!("{path}?updateOnly=true");
    assert_eq!(client.call("PATCH", &only, json!({ "Name": "x" })).await.0, 404);
    let (status, body) = client.call("PATCH", path, json!({ "Name": "x" })).await;
    assert_eq!((status, &body["created"]), (201, &json!(true)));
    let id = body["id"].as_str().unwrap().to_owned();
    let (status, body) = client.call("PATCH", path, json!({ "Name": "y" })).await;
    assert_eq!((status, &body["created"], &body["id"]), (200, &json!(false), &json!(id)));
    let old = "/services/data/v45.0/sobjects/Account/Ext__c/A%2FB%20C";
    assert_eq!(client.call("PATCH", old, json!({ "Name": "z" })).await, (204, Value::Null));
    let (_, row) = client.get(path).await;
    assert_eq!((&row["Name"], &row["Ext__c"]), (&json!("z"), &json!("a/b c")));
    for body in [json!({ "Ext__c": "q" }), json!({ "Id": id })] {
        let (status, body) = client.call("PATCH", path, body).await;
        assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_FIELD")));
    }
    let (status, body) = client.call("PATCH", "/sobjects/Account/Name/x", json!({})).await;
    assert_eq!((status, &body[0]["errorCode"]), (404, &json!("NOT_FOUND")));
    assert_eq!(client.call("DELETE", path, Value::Null).await.0, 204);
}

#[tokio::test]
async fn a_parent_is_found_by_its_external_id() {
    let client = start().await;
    let parent = client.create("Account", json!({ "Name": "p", "Ext__c": "P" })).await;
    let contact = json!({ "LastName": "c", "FirstName": "d", "Account": { "Ext__c": "p" } });
    let id = client.create("Contact", contact).await;
    let (_, row) = client.get(&format!("/sobjects/Contact/{id}")).await;
    assert_eq!((&row["AccountId"], &row["Name"]), (&json!(parent), &json!("d c")));
}

#[tokio::test]
async fn deleting_a_parent_takes_its_children_along() {
    let client = start().await;
    let account = client.create("Account", json!({ "Name": "p" })).await;
    let child = client.create("Account", json!({ "Name": "c", "ParentId": account })).await;
    client.create("Contact", json!({ "LastName": "c", "AccountId": account })).await;
    client.call("DELETE", &format!("/sobjects/Account/{account}"), Value::Null).await;
    let (_, found) = client.query_all("SELECT IsDeleted, LastModifiedById FROM Contact").await;
    assert_eq!(column(&found, "IsDeleted"), [json!(true)]);
    let (_, row) = client.get(&format!("/sobjects/Account/{child}")).await;
    assert_eq!(row["ParentId"], Value::Null);
}

#[tokio::test]
async fn what_changed_is_listed_by_minutes() {
    let client = start().await;
    let kept = client.create("Account", json!({ "Name": "a" })).await;
    let gone = client.create("Account", json!({ "Name": "b" })).await;
    client.call("DELETE", &format!("/sobjects/Account/{gone}"), Value::Null).await;
    let now = chrono::DateTime::parse_from_str(
        client.get(&format!("/sobjects/Account/{kept}")).await.1["SystemModstamp"]
            .as_str()
            .unwrap(),
        "%Y-%m-%dT%H:%M:%S%.f%z",
    )
    .unwrap();
    let at = |minutes: i64| {
        (now + chrono::Duration::minutes(minutes)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let window = format!("start={}&end={}", at(-5), at(5));
    let (_, body) = client.get(&format!("/sobjects/Account/updated/?{window}")).await;
    assert_eq!(body["ids"], json!([kept]));
    let (_, body) = client.get(&format!("/sobjects/Account/deleted/?{window}")).await;
    assert_eq!(body["deletedRecords"][0]["id"], gone);
    let (status, body) =
        client.get(&format!("/sobjects/Account/updated?start={}&end={}", at(5), at(-5))).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_REPLICATION_DATE")));
}
