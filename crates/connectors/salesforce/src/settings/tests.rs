//! What settings are accepted, and what is said about the others.

use super::*;
use secrecy::ExposeSecret;
use serde_json::json;

fn good() -> Value {
    json!({ "auth": {
        "flow": "password", "login": "https://login.salesforce.com", "client_id": "c",
        "client_secret": "s", "user": "u@example.test", "password": "pwtok",
    } })
}

#[test]
fn defaults_stand_in_for_what_is_left_out() {
    let settings = Settings::parse(&good()).unwrap();
    assert_eq!((settings.version.as_str(), settings.batch, settings.parallel), ("65.0", 200, 5));
    assert!(settings.patience.is_zero(), "an edit leaves at once");
    assert_eq!(settings.poll, Duration::from_secs(15));
    let Grant::Password { user, password } = settings.auth.grant else { panic!("password") };
    assert_eq!((user.as_str(), password.expose_secret()), ("u@example.test", "pwtok"));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", Settings::parse(&good()).unwrap());
    assert!(!shown.contains("pwtok"), "{shown}");
    assert!(!shown.contains("\"s\""), "{shown}");
}

#[test]
fn every_mistake_is_reported() {
    let wrong = json!({
        "auth": { "flow": "client_credentials", "login": "http://example.com", "client_id": 5,
                  "user": "x" },
        "api": { "version": "45.0", "batch": 201, "write": "auto" },
        "limits": { "parallel": 0, "poll": "15", "patience": 1, "daily_share": "40%" },
        "capture": "poll",
    });
    let mistakes = Settings::parse(&wrong).unwrap_err();
    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    let expected = [
        "capture",
        "auth.client_id",
        "auth.client_secret",
        "auth.user",
        "auth.login",
        "api.version",
        "api.batch",
        "api.write",
        "limits.parallel",
        "limits.poll",
        "limits.patience",
        "limits.daily_share",
    ];
    assert_eq!(keys, expected);
    assert_eq!(mistakes[7].reason, "is not supported yet");
}

#[test]
fn other_flows_are_named() {
    for (flow, reason) in [("jwt", "not supported yet"), ("saml", "use `client_credentials`")] {
        let mut section = good();
        section["auth"]["flow"] = json!(flow);
        let mistakes = Settings::parse(&section).unwrap_err();
        assert!(mistakes[0].reason.contains(reason), "{mistakes:?}");
    }
    assert_eq!(Settings::parse(&json!({})).unwrap_err()[0].key, "auth");
}

#[test]
fn credentials_go_over_tls_or_to_this_machine() {
    let allowed = [
        "https://x.my.salesforce.com",
        "http://127.0.0.1:8080",
        "http://[::1]:1/",
        "http://localhost:9",
    ];
    let refused = [
        "http://example.com",
        "ftp://127.0.0.1",
        "https://u:p@example.com",
        "http://127.0.0.1.example.com",
    ];
    for address in allowed {
        assert!(is_allowed(&Url::parse(address).unwrap()), "{address}");
    }
    for address in refused {
        assert!(!is_allowed(&Url::parse(address).unwrap()), "{address}");
    }
}
