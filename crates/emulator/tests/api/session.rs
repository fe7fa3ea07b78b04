//! Signing in, tokens, versions, limits.

use duet_emulator::{Emulator, EmulatorError, Options};
use serde_json::{Value, json};

use crate::client::{Client, read, start, start_with};

const PASSWORD: [(&str, &str); 5] = [
    ("grant_type", "password"),
    ("client_id", "client"),
    ("client_secret", "secret"),
    ("username", "u@example.test"),
    ("password", "pwtok"),
];

async fn status_with(client: &Client, header: &str) -> (u16, Value) {
    let sent = client.send("GET", "/limits", &[("authorization", header)], None).await.unwrap();
    read(sent).await
}

#[tokio::test]
async fn the_password_grant_gives_a_token() {
    let client = start().await;
    let (status, body) = client.grant(&PASSWORD).await;
    assert_eq!(status, 200);
    assert_eq!(body["instance_url"], client.running.base_url());
    assert!(body["id"].as_str().unwrap().ends_with("/00D000000000001EAA/005000000000001AAA"));
    assert!(body["issued_at"].is_string() && body.get("expires_in").is_none());
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(token.split_once('!').unwrap().0, "00D000000000001");
    for scheme in ["Bearer", "OAuth", "bearer"] {
        assert_eq!(status_with(&client, &format!("{scheme} {token}")).await.0, 200);
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_single_objects() {
    let client = start().await;
    for (field, value, error) in [
        ("password", "pw", "invalid_grant"),
        ("username", "x", "invalid_grant"),
        ("client_id", "x", "invalid_client_id"),
        ("client_secret", "x", "invalid_client"),
        ("grant_type", "x", "unsupported_grant_type"),
    ] {
        let form = PASSWORD.map(|(name, old)| (name, if name == field { value } else { old }));
        let (status, body) = client.grant(&form).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{field}");
        assert!(body["error_description"].is_string());
    }
}

#[tokio::test]
async fn client_credentials_may_come_as_basic() {
    let client = start().await;
    let url = format!("{}/services/oauth2/token", client.running.base_url());
    let sent = client.http.post(url).basic_auth("client", Some("secret"));
    let (status, body) =
        read(sent.form(&[("grant_type", "client_credentials")]).send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn bad_tokens_get_the_platform_s_error() {
    let mut client = start().await;
    let expired = json!([{
        "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID",
    }]);
    assert_eq!(status_with(&client, "Bearer nonsense").await, (401, expired.clone()));
    assert_eq!(status_with(&client, "nonsense").await.1[0]["errorCode"], "INVALID_AUTH_HEADER");
    client.call("POST", "/emulator/admin/expire-sessions", Value::Null).await;
    assert_eq!(client.get("/limits").await, (401, expired.clone()));
    client.sign_in().await;
    assert_eq!(client.get("/limits").await.0, 200);
    let revoke = format!("/services/oauth2/revoke?token={}", client.token);
    assert_eq!(client.call("POST", &revoke, Value::Null).await.0, 200);
    assert_eq!(client.get("/limits").await, (401, expired));
}

#[tokio::test]
async fn identity_and_userinfo_name_the_user() {
    let client = start().await;
    let (_, info) = client.get("/services/oauth2/userinfo").await;
    assert_eq!(info["preferred_username"], "u@example.test");
    let path = format!("/id/00D000000000001EAA/005000000000001AAA?oauth_token={}", client.token);
    let url = format!("{}{path}", client.running.base_url());
    let (status, identity) = read(client.http.get(url).send().await.unwrap()).await;
    assert_eq!((status, &identity["user_id"]), (200, &json!("005000000000001AAA")));
}

#[tokio::test]
async fn every_version_from_45_is_answered() {
    let client = start().await;
    for version in ["v45.0", "v60.0", "v99.0"] {
        let path = format!("/services/data/{version}");
        assert_eq!(client.get(&path).await.0, 200);
        assert_eq!(client.get(&format!("{path}//sobjects//Account///describe/")).await.0, 200);
    }
    let (status, body) = client.get("/services/data/v44.0/limits").await;
    assert_eq!((status, &body[0]["errorCode"]), (410, &json!("UNSUPPORTED_API_VERSION")));
    for path in ["/services/data/v6/limits", "/services/data/x/limits", "/services/nothing"] {
        let (status, body) = client.get(path).await;
        assert_eq!((status, &body[0]["errorCode"]), (404, &json!("NOT_FOUND")));
    }
    let (_, versions) = client.get("/services/data").await;
    assert_eq!(versions[0]["version"], "45.0");
}

#[tokio::test]
async fn requests_are_counted_and_limited() {
    let client = start_with(Options { daily_limit: 3, ..Options::default() }).await;
    for used in 1..=3 {
        let answer = client.send("GET", "/limits", &[], None).await.unwrap();
        let header = answer.headers()["sforce-limit-info"].to_str().unwrap().to_owned();
        assert_eq!(header, format!("api-usage={used}/3"));
        assert!(answer.headers()["date"].to_str().unwrap().ends_with(" GMT"));
        let (_, body) = read(answer).await;
        assert_eq!(body["DailyApiRequests"]["Remaining"], 3 - used);
    }
    let (status, body) = client.get("/limits").await;
    assert_eq!((status, &body[0]["errorCode"]), (403, &json!("REQUEST_LIMIT_EXCEEDED")));
    client.faults(json!({ "daily_limit": 10 })).await;
    assert_eq!(client.get("/limits").await.0, 200);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = Options { listen: "0.0.0.0:0".parse().unwrap(), ..Options::default() };
    let error = Emulator::start(options).await.unwrap_err();
    assert!(matches!(error, EmulatorError::NotLoopback { .. }));
}

#[tokio::test]
async fn stopping_frees_the_port() {
    let client = start().await;
    let listen = client.running.addr();
    client.running.stop().await;
    let again = Emulator::start(Options { listen, ..Options::default() }).await.unwrap();
    assert_eq!(again.addr(), listen);
}

#[tokio::test]
async fn too_much_is_refused_without_harm() {
    let client = start().await;
    let long = format!("/query?q={}", "x".repeat(17_000));
    assert_eq!(client.get(&long).await.0, 414);
    let body = json!({ "Name": "x".repeat(7 * 1024 * 1024) });
    // The answer may come before the body is read to its end: then the client sees a cut.
    if let Ok(answer) = client.send("POST", "/sobjects/Account", &[], Some(body)).await {
        assert_eq!(answer.status().as_u16(), 413);
    }
    let (status, body) = client.call("PUT", "/sobjects/Account", json!({})).await;
    assert_eq!((status, &body[0]["errorCode"]), (405, &json!("METHOD_NOT_ALLOWED")));
    let sent = client.send("POST", "/sobjects/Account", &[], Some(json!([1]))).await.unwrap();
    assert_eq!(read(sent).await.1[0]["errorCode"], "JSON_PARSER_ERROR");
}
