//! The connection's own section of the configuration, read once. Reports every mistake, not the
//! first; nothing here is a secret but the address.

mod section;

use secrecy::{ExposeSecret, SecretString};
use section::Section;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use std::time::Duration;

/// Something wrong in the connection's section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Mistake {
    /// The key, as a path inside the section (`capture.poll`).
    pub key: String,
    /// What is wrong, and what would be right. Never the value.
    pub reason: String,
}

/// How a PostgreSQL connection is used.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) url: SecretString,
    pub(crate) schema: String,
    pub(crate) poll: Duration,
    pub(crate) connections: u32,
    pub(crate) timeout: Duration,
}

/// The schema that the capture makes unless told otherwise.
const SCHEMA: &str = "duet";
/// A detector is told of changes at once; it looks by itself only in case it wasn't.
const POLL: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(30);

impl Settings {
    /// Reads a connection's section.
    ///
    /// # Errors
    /// Every mistake in it, in words that name the key and never its value.
    pub fn parse(section: &Value) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut root = Section::open("", Some(section), &mut mistakes);
        let url = parse_url(&mut root, &mut mistakes);
        let (capture, limits) = (root.take("capture"), root.take("limits"));
        for not_ours in ["kind", "label"] {
            root.take(not_ours);
        }
        root.close(&mut mistakes);
        let (schema, poll) = parse_capture(capture, &mut mistakes);
        let (connections, timeout) = parse_limits(limits.as_ref(), &mut mistakes);
        let settings = Settings { url, schema, poll, connections, timeout };
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// Where the database is, as the driver reads it.
    pub(crate) fn address(&self) -> Result<PgConnectOptions, Mistake> {
        address(self.url.expose_secret())
    }
}

fn parse_url(root: &mut Section, mistakes: &mut Vec<Mistake>) -> SecretString {
    let before = mistakes.len();
    let url = root.text("url", mistakes);
    let known = ["postgres://", "postgresql://"];
    match &url {
        Some(url) if known.iter().any(|scheme| url.starts_with(scheme)) => {
            mistakes.extend(address(url).err());
        }
        Some(_) => root.mistake("url", "must begin with postgres:// or postgresql://", mistakes),
        None if mistakes.len() == before => root.mistake("url", "is missing", mistakes),
        None => {}
    }
    SecretString::from(url.unwrap_or_default())
}

/// The driver's own words may quote the address: they aren't told.
fn address(url: &str) -> Result<PgConnectOptions, Mistake> {
    PgConnectOptions::from_str(url).map_err(|_| Mistake {
        key: "url".into(),
        reason: "can't be read; expected postgres://user:password@host:port/database".into(),
    })
}

/// `capture = "outbox"` is short for `{ mode = "outbox" }`.
fn parse_capture(section: Option<Value>, mistakes: &mut Vec<Mistake>) -> (String, Duration) {
    let section = match section {
        Some(mode @ Value::String(_)) => Some(serde_json::json!({ "mode": mode })),
        other => other,
    };
    let mut capture = Section::open("capture", section.as_ref(), mistakes);
    match capture.text("mode", mistakes).as_deref() {
        None | Some("outbox") => {}
        Some("logical" | "poll" | "webhook") => {
            capture.mistake("mode", "is not supported yet; use \"outbox\"", mistakes);
        }
        Some(_) => capture.mistake("mode", "must be \"outbox\"", mistakes),
    }
    let schema = capture.text("schema", mistakes).unwrap_or_else(|| SCHEMA.to_owned());
    // The longest identifier; a longer one would be cut and meet another one.
    if schema.is_empty() || schema.len() > 63 || schema.contains(['\0', '%', '\'']) {
        let reason = "must be a name of 1 to 63 bytes without %, ' or NUL";
        capture.mistake("schema", reason, mistakes);
    }
    let poll = capture.duration("poll", mistakes).unwrap_or(POLL);
    capture.close(mistakes);
    (schema, poll)
}

fn parse_limits(section: Option<&Value>, mistakes: &mut Vec<Mistake>) -> (u32, Duration) {
    let mut limits = Section::open("limits", section, mistakes);
    let connections = limits.number("connections", 1..=100, mistakes).unwrap_or(CONNECTIONS);
    let timeout = limits.duration("timeout", mistakes).unwrap_or(TIMEOUT);
    limits.later("writes_per_second", mistakes);
    limits.close(mistakes);
    (connections, timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = Settings::parse(&json!({ "url": "postgres://h/d", "capture": "outbox" }))
            .expect("it is right");
        assert_eq!(settings.schema, "duet");
        assert_eq!(settings.connections, 4);
        assert_eq!(settings.poll, Duration::from_secs(5));
    }

    #[test]
    fn what_is_given_counts() {
        let section = json!({
            "url": "postgresql://h/d", "kind": "postgres", "label": "Shop",
            "capture": { "mode": "outbox", "schema": "Sync", "poll": "250ms" },
            "limits": { "connections": 2, "timeout": "1m" },
        });
        let settings = Settings::parse(&section).expect("it is right");
        assert_eq!(settings.schema, "Sync");
        assert_eq!(settings.connections, 2);
        assert_eq!(settings.poll, Duration::from_millis(250));
        assert_eq!(settings.timeout, Duration::from_secs(60));
    }

    /// Keys and reasons, one a line.
    fn refused(section: &Value) -> String {
        let mistakes = Settings::parse(section).expect_err("it is wrong");
        let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn mistakes_name_their_key_and_never_the_address() {
        let url = "postgres://user:secret@h/d";
        let cases = [
            (json!({}), "url: is missing"),
            (json!({ "url": 5 }), "url: must be a text"),
            (json!({ "url": url, "urk": 1 }), "urk: is no setting here"),
            (json!({ "url": "mysql://secret" }), "url: must begin"),
            (json!({ "url": "postgres://secret:y@h:x/d" }), "url: can't be read"),
            (json!({ "url": url, "capture": 5 }), "capture: must be a table"),
            (json!({ "url": url, "capture": "logical" }), "capture.mode: is not supported yet"),
            (json!({ "url": url, "capture": { "mode": "x" } }), "capture.mode: must be"),
            (json!({ "url": url, "capture": { "pol": "1s" } }), "capture.pol: is no setting"),
            (json!({ "url": url, "capture": { "poll": "soon" } }), "capture.poll"),
            (json!({ "url": url, "capture": { "poll": "0s" } }), "capture.poll"),
            (json!({ "url": url, "capture": { "schema": "" } }), "capture.schema"),
            (json!({ "url": url, "limits": { "connections": 0 } }), "limits.connections"),
            (json!({ "url": url, "limits": { "writes_per_second": 5 } }), "not supported yet"),
            (json!({ "url": url, "limits": { "speed": 5 } }), "limits.speed"),
        ];
        for (section, expected) in cases {
            let message = refused(&section);
            assert!(message.contains(expected), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn every_mistake_is_reported() {
        let wrong = json!({
            "url": "postgres://h:x/d", "urk": 1,
            "capture": { "mode": "poll", "schema": "it's", "poll": 5, "pol": 1 },
            "limits": { "connections": 101, "timeout": "0s", "writes_per_second": 1 },
        });
        let mistakes = Settings::parse(&wrong).expect_err("it is wrong");
        let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        let expected = [
            "url",
            "urk",
            "capture.mode",
            "capture.schema",
            "capture.poll",
            "capture.pol",
            "limits.connections",
            "limits.timeout",
            "limits.writes_per_second",
        ];
        assert_eq!(keys, expected);
    }
}
