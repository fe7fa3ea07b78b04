//! Sign-in and what surrounds every request, against the emulator.

use crate::org::{Org, bare};
use duet_core::retry::FailureClass;
use duet_ports::clock::System;
use duet_ports::connector::Connector;
use duet_salesforce::{Salesforce, Settings};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn an_expired_session_is_renewed_unseen() {
    let org = Org::start().await;
    org.side.ping().await.unwrap();
    org.admin("expire-sessions", json!({})).await;
    org.side.ping().await.unwrap();
    let usage = org.side.usage().expect("the side tells our use");
    assert!(usage.used >= 1 && usage.max >= usage.used, "{usage:?}");
}

#[tokio::test]
async fn sessions_that_expire_under_load_are_renewed_once_each_time() {
    let org = Org::start().await;
    let side = Arc::new(org.connect(json!({ "parallel": 25 })));
    side.ping().await.unwrap();
    org.admin("mark", json!({})).await;
    for _ in 0..3 {
        org.admin("expire-sessions", json!({})).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let side = side.clone();
            calls.spawn(async move { side.ping().await });
        }
        assert!(calls.join_all().await.iter().all(Result::is_ok));
    }
    assert_eq!(org.log().await["by_kind"]["POST oauth2/token"], 3);
}

#[tokio::test]
async fn client_credentials_sign_in_too() {
    let org = Org::start().await;
    let section = json!({ "auth": { "flow": "client_credentials", "login": org.base_url(),
        "client_id": duet_emulator::CLIENT_ID, "client_secret": duet_emulator::CLIENT_SECRET } });
    let settings = Settings::parse(&section).unwrap();
    let side = Salesforce::new("crm".into(), settings, Arc::new(System)).unwrap();
    side.ping().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let org = Org::start().await;
    let section = json!({ "auth": { "flow": "password", "login": org.base_url(),
        "client_id": duet_emulator::CLIENT_ID, "client_secret": duet_emulator::CLIENT_SECRET,
        "user": duet_emulator::USERNAME, "password": "hunter2" } });
    let settings = Settings::parse(&section).unwrap();
    let side = Salesforce::new("crm".into(), settings, Arc::new(System)).unwrap();
    let error = side.ping().await.unwrap_err();
    assert_eq!(error.failure.class, FailureClass::Auth);
    assert_eq!(error.failure.code, "invalid_grant");
    assert!(!error.sent && !format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_daily_limit_throttles() {
    let org = Org::start().await;
    org.admin("faults", json!({ "daily_limit": 1 })).await;
    org.side.ping().await.unwrap();
    let error = org.side.ping().await.unwrap_err();
    assert_eq!(error.failure.class, FailureClass::Throttled);
    assert!(error.failure.retry_after_us.is_some());
}

#[tokio::test]
async fn an_outage_and_an_empty_port_are_unreachable() {
    let org = Org::start().await;
    org.side.ping().await.unwrap();
    org.admin("faults", json!({ "outage_ms": 300_000 })).await;
    let error = org.side.describe(&bare("Account")).await.unwrap_err();
    assert_eq!(error.failure.class, FailureClass::Unreachable, "{error:?}");
    let section = json!({ "auth": { "flow": "client_credentials", "login": "http://127.0.0.1:1",
        "client_id": "c", "client_secret": "s" } });
    let settings = Settings::parse(&section).unwrap();
    let side = Salesforce::new("crm".into(), settings, Arc::new(System)).unwrap();
    let error = side.ping().await.unwrap_err();
    assert_eq!((error.failure.class, error.sent), (FailureClass::Unreachable, false));
}

#[tokio::test]
async fn a_slow_side_is_cut_off_in_time() {
    let org = Org::start().await;
    let side = org.connect(json!({ "timeout": "1s" }));
    side.ping().await.unwrap();
    org.admin("faults", json!({ "latency_ms": 20_000 })).await;
    let error = side.ping().await.unwrap_err();
    assert_eq!((error.failure.code.as_str(), error.sent), ("TIMEOUT", false));
    assert_eq!(error.failure.class, FailureClass::Unreachable);
}
