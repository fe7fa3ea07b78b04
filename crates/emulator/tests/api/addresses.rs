//! What holds for every request: slashes, letters' case, versions, what is ignored, the form of an
//! error, the count of requests.

use serde_json::{Value, json};

use crate::client::{Client, encoded, read, start};

#[tokio::test]
async fn slashes_may_be_repeated_and_end_a_path() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a", "Ext__c": "x/y z+ü." })).await;
    let row = format!("/services/data/v60.0//sobjects///Account/{id}/");
    for path in [
        row.as_str(),
        "//services//data/v60.0/limits/",
        "/services/data/v60.0/query/?q=SELECT+Id+FROM+Account",
        "/services/data/v60.0/queryAll//?q=SELECT%20Id%20FROM%20Account",
        "/services/data/v60.0/sobjects/Account/describe//",
        "/services/data/v60.0/sobjects/Account/Ext__c/x%2Fy%20z+%C3%BC./",
        "/services/data//",
    ] {
        let url = format!("{}{path}", client.running.base_url());
        let sent = client.http.get(url).bearer_auth(&client.token).send().await.unwrap();
        let (status, body) = read(sent).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    let (status, _) = client.get("/sobjects/Account/Ext__c/x/y%20z").await;
    assert_eq!(status, 404, "a slash in a value is encoded");
}

#[tokio::test]
async fn names_are_found_in_any_case_and_shown_in_their_own() {
    let client = start().await;
    let body = json!({ "NAME": "a", "ext__C": "K" });
    let (status, body) = client.call("POST", "/sobjects/aCCOUNT", body).await;
    assert_eq!(status, 201, "{body}");
    let id = body["id"].as_str().unwrap();
    let (_, found) =
        client.query("select nAME, owner.USERNAME from account where EXT__C='k'").await;
    let record = &found["records"][0];
    assert_eq!(record["Name"], "a", "{found}");
    assert_eq!(record["Owner"]["Username"], "u@example.test", "{found}");
    assert_eq!(record["attributes"]["type"], "Account");
    let (_, row) = client.get("/SOBJECTS/account/EXT__c/k?fields=NAME").await;
    assert_eq!(row["Name"], "a");
    assert_eq!(row["attributes"]["url"], format!("/services/data/v60.0/sobjects/Account/{id}"));
    let short = &id[..15];
    for id in [short.to_owned(), id.to_uppercase(), id.to_lowercase()] {
        let (status, row) = client.get(&format!("/sobjects/Account/{id}")).await;
        assert_eq!((status, row["Id"].as_str().map(str::len)), (200, Some(18)), "{id}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_ignored() {
    let client = start().await;
    let headers = [
        ("x-prettyprint", "1"),
        ("accept", "text/csv"),
        ("sforce-auto-assign", "FALSE"),
        ("sforce-duplicate-rule-header", "allowSave=true"),
        ("sforce-mru", "updateMru=true"),
        ("x-sfdc-packageversion-abc", "1.0"),
        ("sforce-query-options", "batchSize=much"),
    ];
    let path = "/query?format=json&charset=UTF-8&q=SELECT+Id+FROM+Account&oauth_token=no";
    let sent = client.send("GET", path, &headers, None).await.unwrap();
    let kind = sent.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/json"), "{kind}");
    assert_eq!(sent.status(), 200);
    let body = json!({ "attributes": { "type": "Contact", "url": "x" }, "Name": "a" });
    client.create("Account", body).await;
}

#[tokio::test]
async fn every_error_is_a_list_of_code_and_message() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a" })).await;
    client.call("DELETE", &format!("/sobjects/Account/{id}"), Value::Null).await;
    let gone = format!("/sobjects/Account/{id}");
    let cases = [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Nothing__c", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/Nothing__c/1", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/001000000000009", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/003000000000001AAA", 404, "NOT_FOUND"),
        ("GET", gone.as_str(), 404, "ENTITY_IS_DELETED"),
        ("PATCH", gone.as_str(), 404, "ENTITY_IS_DELETED"),
        ("DELETE", gone.as_str(), 404, "ENTITY_IS_DELETED"),
        ("GET", "/query", 400, "MALFORMED_QUERY"),
        ("GET", "/query?q=", 400, "MALFORMED_QUERY"),
        ("GET", "/query?q=SELECT+Id+FROM+Nothing", 400, "INVALID_TYPE"),
        ("GET", "/query?q=SELECT+Nothing+FROM+Account", 400, "INVALID_FIELD"),
        ("GET", "/query/01g000000000009AAA-2000", 400, "INVALID_QUERY_LOCATOR"),
        ("PATCH", "/sobjects/Account/Ext__c/%20", 400, "MISSING_ARGUMENT"),
        ("PATCH", "/sobjects/Account/Ext__c/new?updateOnly=true", 404, "NOT_FOUND"),
    ];
    for (method, path, status, code) in cases {
        let body = if method == "PATCH" { json!({ "Name": "b" }) } else { Value::Null };
        let sent = client.send(method, path, &[], Some(body).filter(|b| !b.is_null())).await;
        let sent = sent.unwrap();
        assert!(sent.headers().contains_key("sforce-limit-info"), "{path}");
        let (found, body) = read(sent).await;
        assert_eq!((found, &body[0]["errorCode"]), (status, &json!(code)), "{path}: {body}");
        assert!(body[0]["message"].is_string() && body.as_array().unwrap().len() == 1, "{body}");
    }
    let (_, all) = client.query_all("SELECT Id FROM Account").await;
    assert_eq!(all["totalSize"], 1, "a blank external id makes no record");
}

async fn used(client: &Client) -> u64 {
    let (_, body) = client.get("/limits").await;
    let of = &body["DailyApiRequests"];
    of["Max"].as_u64().unwrap() - of["Remaining"].as_u64().unwrap()
}

#[tokio::test]
async fn a_composite_call_counts_once_and_a_refused_one_too() {
    let client = start().await;
    let before = used(&client).await;
    let get = |n: u32| {
        json!({ "method": "GET", "referenceId": format!("r{n}"),
        "url": "/services/data/v60.0/sobjects/Account/describe" })
    };
    let body = json!({ "compositeRequest": (0..25).map(get).collect::<Vec<_>>() });
    assert_eq!(client.call("POST", "/composite", body).await.0, 200);
    client.get("/nothing").await;
    client.query("nonsense").await;
    assert_eq!(used(&client).await, before + 4);
    let wrong = [("authorization", "Bearer nobody")];
    assert_eq!(client.send("GET", "/limits", &wrong, None).await.unwrap().status(), 401);
    assert_eq!(used(&client).await, before + 5, "a stranger's request isn't counted");
}

#[tokio::test]
async fn a_version_says_what_an_upsert_answers() {
    let client = start().await;
    let cases = [("45.0", 204, None), ("46.0", 200, Some(false)), ("66.0", 200, Some(false))];
    for (version, status, flag) in cases {
        let key = encoded(version);
        let path = format!("/services/data/v{version}/sobjects/Account/Ext__c/{key}");
        let (first, body) = client.call("PATCH", &path, json!({ "Name": "a" })).await;
        assert_eq!(first, 201, "{body}");
        assert_eq!(body["created"].as_bool(), flag.map(|_| true), "{version}");
        let (second, body) = client.call("PATCH", &path, json!({ "Name": "b" })).await;
        assert_eq!((second, body["created"].as_bool()), (status, flag), "{version}");
    }
    for version in ["v44.0", "v20.0"] {
        let (status, body) = client.get(&format!("/services/data/{version}/limits")).await;
        assert_eq!((status, &body[0]["errorCode"]), (410, &json!("UNSUPPORTED_API_VERSION")));
    }
}
