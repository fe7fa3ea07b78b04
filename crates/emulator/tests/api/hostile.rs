//! Requests that no client would send: each is answered, and the next one too.

use serde_json::{Value, json};

use crate::client::{encoded, read, start};

const PATHS: [&str; 12] = [
    "/services/oauth2/token",
    "/services/Soap/u/60.0",
    "/emulator/admin/faults",
    "/emulator/admin/edit",
    "/sobjects/Account",
    "/sobjects/Account/Ext__c/x",
    "/composite",
    "/composite/sobjects",
    "/composite/sobjects/Account",
    "/composite/sobjects/Account/Ext__c",
    "/query/01g-x",
    "/sobjects/Account/deleted?start=x&end=y",
];

fn bodies() -> Vec<Vec<u8>> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    let elements = format!("{}{}", "<a>".repeat(2_000), "</a>".repeat(2_000));
    let wild = json!({
        "Name": { "Name": [1, null] }, "Parent": { "Id": {} },
        "records": [[], 1, { "attributes": 1 }],
        "compositeRequest": [{ "method": "POST", "url": "@{", "referenceId": "a" }],
        "NumberOfEmployees": 1e308, "ids": [1], "fields": "x", "\u{0}": "\u{0}",
    });
    let loops = json!({ "compositeRequest": [{
        "method": "POST", "url": "/services/data/v60.0/composite", "referenceId": "a",
        "body": { "compositeRequest": [] },
    }] });
    vec![
        Vec::new(),
        b"\xff\xfe\x00".to_vec(),
        deep.into_bytes(),
        nested.into_bytes(),
        elements.into_bytes(),
        b"{\"Name\":1e999999}".to_vec(),
        b"{\"AnnualRevenue\":\"1e999999999\",\"Name\":\"a\"}".to_vec(),
        wild.to_string().into_bytes(),
        loops.to_string().into_bytes(),
        b"\"".to_vec(),
        b"null".to_vec(),
    ]
}

#[tokio::test]
async fn nothing_stops_the_emulator() {
    let client = start().await;
    for path in PATHS {
        for method in ["POST", "PATCH", "DELETE", "PUT", "GET"] {
            for body in bodies() {
                let base = if path.starts_with("/services") || path.starts_with("/emulator") {
                    client.running.base_url()
                } else {
                    format!("{}/services/data/v60.0", client.running.base_url())
                };
                let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
                let request = client.http.request(method, format!("{base}{path}"));
                let sent = request.bearer_auth(&client.token).body(body).send().await.unwrap();
                // A fault of SOAP is always a 500.
                let fine = path.contains("Soap") || sent.status() != 500;
                assert!(fine, "{path} {:?}", read(sent).await);
            }
        }
        client.call("DELETE", "/emulator/admin/faults", Value::Null).await;
        assert_eq!(client.get("/limits").await.0, 200, "after {path}");
    }
}

#[tokio::test]
async fn odd_addresses_are_not_found() {
    let client = start().await;
    for path in [
        "/sobjects/%00",
        "/sobjects/Account/%ff%fe",
        "/sobjects/Account/Ext__c/%",
        "/sobjects/Account/ééééééééééééééé",
        "/sobjects/../limits/x",
        "/query/-",
        "/query/01g000000000001AAA-99999999999999999999",
        "/composite/sobjects/Nope",
        "/services/data/v999999999999.0/limits",
        "/services/data/v٦٠.0/limits",
    ] {
        let (status, body) = client.get(path).await;
        assert!((400..500).contains(&status), "{path}: {status} {body}");
        assert!(body[0]["errorCode"].is_string(), "{path}: {body}");
    }
    let path = format!("/query?q={}", encoded("SELECT Id FROM Account WHERE Name = 'ünïcödé\\'"));
    assert_eq!(client.get(&path).await.0, 400);
}
