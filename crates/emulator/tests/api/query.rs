//! SOQL over HTTP: filters, order, pages, errors.

use serde_json::{Value, json};

use crate::client::{Client, column, encoded, read, start};

async fn names(client: &Client, filter: &str) -> Vec<Value> {
    let (status, body) = client.query(&format!("SELECT Name FROM Account {filter}")).await;
    assert_eq!(status, 200, "{filter}: {body}");
    column(&body, "Name")
}

async fn filled() -> Client {
    let client = start().await;
    for record in [
        json!({ "Name": "Alfa", "Phone": "1", "NumberOfEmployees": 5, "Ext__c": "A-1" }),
        json!({ "Name": "beta", "NumberOfEmployees": 50, "Fax": "100%" }),
        json!({ "Name": "Gamma's", "Phone": "3", "Fax": "100x" }),
    ] {
        client.create("Account", record).await;
    }
    client
}

#[tokio::test]
async fn filters_select_what_they_say() {
    let client = filled().await;
    for (filter, expected) in [
        ("WHERE name = 'ALFA'", vec!["Alfa"]),
        ("WHERE Name != 'alfa' ORDER BY Name", vec!["beta", "Gamma's"]),
        ("WHERE Name = 'Gamma\\'s'", vec!["Gamma's"]),
        ("WHERE Phone = null", vec!["beta"]),
        ("WHERE Phone != null ORDER BY Name DESC", vec!["Gamma's", "Alfa"]),
        ("WHERE Phone != '1' ORDER BY Name", vec!["beta", "Gamma's"]),
        ("WHERE NumberOfEmployees > 5", vec!["beta"]),
        ("WHERE NumberOfEmployees >= 5.0 AND NOT (Name LIKE 'b%')", vec!["Alfa"]),
        ("WHERE (Name = 'beta' OR Phone = '3') AND Fax LIKE '100\\%'", vec!["beta"]),
        ("WHERE Name LIKE '%A' ORDER BY Name", vec!["Alfa", "beta"]),
        ("WHERE Name LIKE '_eta'", vec!["beta"]),
        ("WHERE Name IN ('ALFA', 'beta', 'x') ORDER BY Name", vec!["Alfa", "beta"]),
        ("WHERE Name NOT IN ('alfa', 'beta')", vec!["Gamma's"]),
        ("WHERE Ext__c IN ('a-1')", vec!["Alfa"]),
        (
            "WHERE CreatedDate = TODAY AND CreatedDate > 2020-01-01T00:00:00Z AND Name = 'beta'",
            vec!["beta"],
        ),
        ("WHERE CreatedBy.Username = 'u@example.test' AND Name = 'beta'", vec!["beta"]),
        ("ORDER BY NumberOfEmployees NULLS LAST LIMIT 1 OFFSET 1", vec!["beta"]),
        ("ORDER BY NumberOfEmployees LIMIT 1", vec!["Gamma's"]),
        ("a WHERE a.Name = 'beta' FOR VIEW", vec!["beta"]),
        ("WHERE Account.Name = 'beta'", vec!["beta"]),
    ] {
        assert_eq!(names(&client, filter).await, expected, "{filter}");
    }
    let (_, body) = client.query("select count() from account where Phone != null").await;
    assert_eq!(body, json!({ "totalSize": 2, "done": true, "records": [] }));
}

#[tokio::test]
async fn ids_match_in_both_lengths() {
    let client = filled().await;
    let (_, body) = client.query("SELECT Id FROM Account WHERE Name = 'beta'").await;
    let id = body["records"][0]["Id"].as_str().unwrap();
    for id in [id, &id[..15]] {
        assert_eq!(names(&client, &format!("WHERE Id = '{id}'")).await, ["beta"]);
        assert_eq!(names(&client, &format!("WHERE Id IN ('{id}')")).await, ["beta"]);
    }
}

#[tokio::test]
async fn parents_are_nested() {
    let client = start().await;
    let parent = client.create("Account", json!({ "Name": "p" })).await;
    let child = json!({ "Name": "c", "ParentId": parent });
    let account = client.create("Account", child).await;
    client.create("Contact", json!({ "LastName": "x", "AccountId": account })).await;
    client.create("Contact", json!({ "LastName": "y" })).await;
    let soql = "SELECT LastName, Account.Name, Account.Parent.Name, Account.Id FROM Contact";
    let (_, body) = client.query(&format!("{soql} ORDER BY LastName")).await;
    assert_eq!(body["records"][0]["Account"]["Parent"]["Name"], "p");
    assert_eq!(body["records"][0]["Account"]["attributes"]["type"], "Account");
    assert_eq!(body["records"][1]["Account"], Value::Null);
    for (filter, expected) in [
        ("Account.Parent.Name = 'p'", vec!["x"]),
        ("Account.Name != 'z'", vec!["x"]),
        ("Account.Name = null", vec!["y"]),
    ] {
        let (_, body) = client.query(&format!("SELECT LastName FROM Contact WHERE {filter}")).await;
        assert_eq!(column(&body, "LastName"), expected, "{filter}");
    }
}

#[tokio::test]
async fn all_fields_can_be_asked_for() {
    let client = filled().await;
    let (_, body) = client.query("SELECT FIELDS(ALL) FROM Account LIMIT 1").await;
    assert!(body["records"][0].as_object().unwrap().contains_key("BillingAddress"));
    let (_, body) = client.query("SELECT FIELDS(CUSTOM), Id FROM Account LIMIT 200").await;
    assert_eq!(body["records"][0]["Ext__c"], "A-1");
    assert_eq!(client.query("SELECT FIELDS(ALL) FROM Account").await.0, 400);
}

#[tokio::test]
async fn wrong_statements_are_refused_with_the_place() {
    let client = start().await;
    for (soql, code, part) in [
        ("SELECT", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY", "Row:1:Column:37"),
        ("SELECT Id FROM Account WHERE Name = '\\q'", "MALFORMED_QUERY", "Illegal"),
        (
            "SELECT Id FROM Account WHERE Name = 1 OR Id = '1' AND Id = '2'",
            "MALFORMED_QUERY",
            "'AND'",
        ),
        ("SELECT Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'"),
        ("SELECT Id, id FROM Account", "INVALID_FIELD", "duplicate field selected"),
        ("SELECT Nope.Name FROM Account", "INVALID_FIELD", "relationship 'Nope'"),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "enclosed in quotes"),
        ("SELECT Id FROM Account WHERE CreatedDate = '2024-01-01'", "INVALID_FIELD", "datetime"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID"),
        (
            "SELECT Id FROM Account WHERE NumberOfEmployees LIKE '5'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "operator",
        ),
        ("SELECT (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY", "nested"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
    ] {
        let (status, body) = client.query(soql).await;
        assert_eq!((status, &body[0]["errorCode"]), (400, &json!(code)), "{soql}: {body}");
        assert!(body[0]["message"].as_str().unwrap().contains(part), "{soql}: {body}");
    }
    assert_eq!(client.get("/query").await.0, 400);
}

#[tokio::test]
async fn long_answers_come_in_pages() {
    let client = start().await;
    client.create_accounts("page", 2_050).await;
    let (_, first) = client.query("SELECT Id, Name FROM Account ORDER BY Name").await;
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(2_050), &json!(false)));
    assert_eq!(first["records"].as_array().unwrap().len(), 2_000);
    let next = first["nextRecordsUrl"].as_str().unwrap();
    let locator = next.rsplit('/').next().unwrap();
    assert!(next.starts_with("/services/data/v60.0/query/01g") && next.ends_with("-2000"));
    for path in [next.to_owned(), format!("/queryAll/{locator}"), format!("/query/{locator}/")] {
        let (status, rest) = client.get(&path).await;
        assert_eq!((status, &rest["done"]), (200, &json!(true)), "{path}");
        assert_eq!(column(&rest, "Name").last().unwrap(), "page 2049");
        assert!(rest.get("nextRecordsUrl").is_none());
    }
}

#[tokio::test]
async fn pages_are_of_the_size_asked_for_and_cursors_are_ten() {
    let client = start().await;
    client.create_accounts("small", 250).await;
    let path = format!("/queryAll?q={}", encoded("SELECT Id FROM Account"));
    let mut urls = Vec::new();
    for _ in 0..11 {
        let header = [("sforce-query-options", "batchSize=200")];
        let (_, body) = read(client.send("GET", &path, &header, None).await.unwrap()).await;
        assert_eq!(body["records"].as_array().unwrap().len(), 200);
        urls.push(body["nextRecordsUrl"].as_str().unwrap().to_owned());
    }
    assert!(urls[0].contains("/queryAll/"));
    let (status, body) = client.get(&urls[0]).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_QUERY_LOCATOR")));
    assert_eq!(column(&client.get(&urls[10]).await.1, "Id").len(), 50);
}
