//! Lookups and master-detail: writing them, clearing them, and what a delete does.

use serde_json::{Value, json};

use crate::client::{Client, field, object, start, start_with_metadata};

fn lookup(constraint: &str) -> String {
    let constraint = match constraint {
        "" => String::new(),
        name => format!("<deleteConstraint>{name}</deleteConstraint>"),
    };
    format!("<type>Lookup</type><referenceTo>Account</referenceTo>{constraint}")
}

async fn visits() -> Client {
    let detail = "<type>MasterDetail</type><referenceTo>Account</referenceTo>\
                  <relationshipName>Stays</relationshipName>";
    let files = [
        object("Visit__c"),
        field("Visit__c", "Loose__c", &lookup("")),
        field("Visit__c", "Along__c", &lookup("Cascade")),
        field("Visit__c", "Firm__c", &lookup("Restrict")),
        object("Stay__c"),
        field("Stay__c", "House__c", detail),
    ];
    start_with_metadata(&files).await
}

async fn delete(client: &Client, id: &str) -> (u16, Value) {
    client.call("DELETE", &format!("/sobjects/Account/{id}"), Value::Null).await
}

async fn status(client: &Client, object: &str, id: &str) -> u16 {
    client.get(&format!("/sobjects/{object}/{id}")).await.0
}

#[tokio::test]
async fn a_delete_does_what_the_constraint_says() {
    let client = visits().await;
    for (name, deleted, kept) in
        [("Loose__c", 204, 200), ("Along__c", 204, 404), ("Firm__c", 400, 200)]
    {
        let account = client.create("Account", json!({ "Name": "a" })).await;
        let visit = client.create("Visit__c", json!({ "Name": "v", name: account })).await;
        let (found, body) = delete(&client, &account).await;
        assert_eq!(found, deleted, "{name}: {body}");
        assert_eq!(status(&client, "Visit__c", &visit).await, kept, "{name}");
        if name == "Loose__c" {
            let (_, row) = client.get(&format!("/sobjects/Visit__c/{visit}")).await;
            assert_eq!(row["Loose__c"], Value::Null);
        }
        if deleted == 400 {
            assert_eq!(body[0]["errorCode"], "DELETE_FAILED");
            assert!(body[0]["message"].as_str().unwrap().contains(": v\n"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_refused_delete_changes_nothing() {
    let client = visits().await;
    let account = client.create("Account", json!({ "Name": "a" })).await;
    let along = client.create("Visit__c", json!({ "Name": "v", "Along__c": account })).await;
    client.create("Visit__c", json!({ "Name": "w", "Firm__c": account })).await;
    let contact = client.create("Contact", json!({ "LastName": "c", "AccountId": account })).await;
    assert_eq!(delete(&client, &account).await.0, 400);
    for (object, id) in [("Account", &account), ("Visit__c", &along), ("Contact", &contact)] {
        assert_eq!(status(&client, object, id).await, 200, "{object}");
    }
}

#[tokio::test]
async fn a_restricting_child_that_goes_along_does_not_restrict() {
    let client = visits().await;
    let account = client.create("Account", json!({ "Name": "a" })).await;
    let both = json!({ "Name": "v", "Along__c": account, "Firm__c": account });
    let visit = client.create("Visit__c", both).await;
    assert_eq!(delete(&client, &account).await.0, 204);
    assert_eq!(status(&client, "Visit__c", &visit).await, 404);
}

#[tokio::test]
async fn a_detail_needs_its_master_and_keeps_it() {
    let client = visits().await;
    let (code, body) = client.call("POST", "/sobjects/Stay__c", json!({ "Name": "s" })).await;
    assert_eq!((code, &body[0]["errorCode"]), (400, &json!("REQUIRED_FIELD_MISSING")));
    let house = client.create("Account", json!({ "Name": "h", "Ext__c": "H" })).await;
    let other = client.create("Account", json!({ "Name": "o" })).await;
    let stay = json!({ "Name": "s", "House__r": { "Ext__c": "h" } });
    let stay = client.create("Stay__c", stay).await;
    let path = format!("/sobjects/Stay__c/{stay}");
    let (_, body) = client.call("PATCH", &path, json!({ "House__c": other })).await;
    assert_eq!(body[0]["errorCode"], "INVALID_FIELD_FOR_INSERT_UPDATE");
    let (_, found) = client.query("SELECT House__r.Name FROM Stay__c").await;
    assert_eq!(found["records"][0]["House__r"]["Name"], "h");
    let (_, describe) = client.get("/sobjects/Account/describe").await;
    let children = describe["childRelationships"].as_array().unwrap();
    let child = children.iter().find(|child| child["childSObject"] == "Stay__c").unwrap();
    assert_eq!(child["relationshipName"], "Stays__r");
    assert_eq!(delete(&client, &house).await.0, 204);
    assert_eq!(status(&client, "Stay__c", &stay).await, 404);
}

#[tokio::test]
async fn parents_must_be_there_and_alive() {
    let client = start().await;
    let gone = client.create("Account", json!({ "Name": "a", "Ext__c": "G" })).await;
    delete(&client, &gone).await;
    let contact = client.create("Contact", json!({ "LastName": "c" })).await;
    let path = format!("/sobjects/Contact/{contact}");
    for (body, code) in [
        (json!({ "AccountId": gone }), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({ "AccountId": contact }), "MALFORMED_ID"),
        (json!({ "Account": { "Ext__c": "G" } }), "INVALID_FIELD"),
        (json!({ "Account": { "Name": "a" } }), "INVALID_FIELD"),
        (json!({ "Account": { "Ext__c": "a", "Id": "b" } }), "INVALID_FIELD"),
        (json!({ "Account": {} }), "INVALID_FIELD"),
    ] {
        let (status, found) = client.call("PATCH", &path, body.clone()).await;
        assert_eq!((status, &found[0]["errorCode"]), (400, &json!(code)), "{body}");
    }
    let account = client.create("Account", json!({ "Name": "a", "Ext__c": "G" })).await;
    let body = json!({ "Account": { "attributes": { "type": "Account" }, "Ext__c": "g" } });
    assert_eq!(client.call("PATCH", &path, body).await.0, 204);
    assert_eq!(client.get(&path).await.1["AccountId"], account);
    assert_eq!(client.call("PATCH", &path, json!({ "AccountId": "" })).await.0, 204);
    assert_eq!(client.get(&path).await.1["AccountId"], Value::Null);
}

#[tokio::test]
async fn a_collection_keeps_going_when_one_parent_is_missing() {
    let client = start().await;
    let record = |name: &str, key: &str| {
        let parent = json!({ "Ext__c": key });
        json!({ "attributes": { "type": "Contact" }, "LastName": name, "Account": parent })
    };
    client.create("Account", json!({ "Name": "a", "Ext__c": "A" })).await;
    let body = json!({ "records": [record("x", "A"), record("y", "B")] });
    let (status, results) = client.call("POST", "/composite/sobjects", body).await;
    assert_eq!((status, &results[0]["success"]), (200, &json!(true)));
    assert_eq!(results[1]["errors"][0]["statusCode"], "INVALID_FIELD");
    assert_eq!(
        results[1]["errors"][0]["message"],
        "Foreign key external ID: b not found for field Ext__c in entity Account"
    );
}
