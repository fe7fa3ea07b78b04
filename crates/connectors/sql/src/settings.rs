//! The connection's own section of the configuration, read once. Reports every mistake, not the
//! first; nothing here is a secret but a server's address.

mod section;

use crate::keys::LIMITS;
use crate::product::Product;
use secrecy::SecretString;
use section::Section;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use std::path::PathBuf;
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

/// How a connection is used.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) place: Place,
    /// The schema of the capture's tables, or what their names begin with.
    pub(crate) home: String,
    pub(crate) poll: Duration,
    pub(crate) connections: u32,
    pub(crate) timeout: Duration,
}

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The address of a server.
    Server(SecretString),
    /// The path of a file, as it is written.
    File(PathBuf),
}

/// The schema that the capture makes unless told otherwise.
const SCHEMA: &str = "duet";
/// What the names of the capture's tables begin with, where there are no schemas.
const PREFIX: &str = "duet_";
/// A detector is told of changes at once; it looks by itself only in case it wasn't.
const POLL: Duration = Duration::from_secs(5);
/// That a file was written shows in its time, which may stand still for two writes: looking is cheap.
const FILE_POLL: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a free connection is waited for, or one that doesn't open.
pub(crate) const ACQUIRE: Duration = Duration::from_secs(5);
/// How long what somebody else holds is waited for at most.
const LOCK_MAX: Duration = Duration::from_secs(2);
/// Its share of a call's time limit: what follows a wait in vain, without the rows that are held,
/// needs the rest, and a statement must not end before its wait does.
const LOCK_SHARE: u32 = 4;

impl Settings {
    /// Reads a connection's section.
    ///
    /// # Errors
    /// Every mistake in it, in words that name the key and never its value.
    pub fn parse(product: Product, section: &Value) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut root = Section::open("", product.keys(), Some(section), &mut mistakes);
        let place = match product {
            Product::Postgres => Place::Server(parse_url(&mut root, &mut mistakes)),
            Product::Sqlite => Place::File(parse_path(&mut root, &mut mistakes)),
        };
        let (capture, limits) = (root.take("capture"), root.take("limits"));
        for not_ours in ["kind", "label"] {
            root.take(not_ours);
        }
        root.close(&mut mistakes);
        let (home, poll) = parse_capture(product, capture, &mut mistakes);
        let (connections, timeout) = parse_limits(limits.as_ref(), &mut mistakes);
        let settings = Settings { place, home, poll, connections, timeout };
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// How long what somebody else holds is waited for.
    pub(crate) fn lock_timeout(&self) -> Duration {
        (self.timeout / LOCK_SHARE).min(LOCK_MAX)
    }
}

/// A relative path counts from the project's folder: whoever opens it knows that.
fn parse_path(root: &mut Section, mistakes: &mut Vec<Mistake>) -> PathBuf {
    let before = mistakes.len();
    let path = root.text("path", mistakes);
    match &path {
        Some(path) if path.is_empty() || path.contains('\0') => {
            root.mistake("path", "must be the path of a file", mistakes);
        }
        Some(_) => {}
        None if mistakes.len() == before => root.mistake("path", "is missing", mistakes),
        None => {}
    }
    PathBuf::from(path.unwrap_or_default())
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

/// A server's address as the driver reads it, whose own words may quote it: they aren't told.
pub(crate) fn address(url: &str) -> Result<PgConnectOptions, Mistake> {
    PgConnectOptions::from_str(url).map_err(|_| Mistake {
        key: "url".into(),
        reason: "can't be read; expected postgres://user:password@host:port/database".into(),
    })
}

/// `capture = "outbox"` is short for `{ mode = "outbox" }`.
fn parse_capture(
    product: Product,
    section: Option<Value>,
    mistakes: &mut Vec<Mistake>,
) -> (String, Duration) {
    let section = match section {
        Some(mode @ Value::String(_)) => Some(serde_json::json!({ "mode": mode })),
        other => other,
    };
    let mut capture = Section::open("capture", product.capture_keys(), section.as_ref(), mistakes);
    match capture.text("mode", mistakes).as_deref() {
        None | Some("outbox") => {}
        Some("logical" | "poll" | "webhook") => {
            capture.mistake("mode", "is not supported yet; use \"outbox\"", mistakes);
        }
        Some(_) => capture.mistake("mode", "must be \"outbox\"", mistakes),
    }
    let (key, usual, poll) = match product {
        Product::Postgres => ("schema", SCHEMA, POLL),
        Product::Sqlite => ("prefix", PREFIX, FILE_POLL),
    };
    let home = capture.text(key, mistakes).unwrap_or_else(|| usual.to_owned());
    // The longest identifier; a longer one would be cut and meet another one.
    if home.is_empty() || home.len() > 63 || home.contains(['\0', '%', '\'', '"']) {
        let reason = "must be a name of 1 to 63 bytes without %, quotes or NUL";
        capture.mistake(key, reason, mistakes);
    }
    // SQLite keeps these for itself, in any case.
    if product == Product::Sqlite && home.to_ascii_lowercase().starts_with("sqlite_") {
        capture.mistake(key, "must not begin with sqlite_", mistakes);
    }
    let poll = capture.duration("poll", mistakes).unwrap_or(poll);
    capture.close(mistakes);
    (home, poll)
}

fn parse_limits(section: Option<&Value>, mistakes: &mut Vec<Mistake>) -> (u32, Duration) {
    let mut limits = Section::open("limits", LIMITS, section, mistakes);
    let connections = limits.number("connections", mistakes).unwrap_or(CONNECTIONS);
    let timeout = limits.duration("timeout", mistakes).unwrap_or(TIMEOUT);
    limits.close(mistakes);
    (connections, timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = Settings::parse(
            Product::Postgres,
            &json!({ "url": "postgres://h/d", "capture": "outbox" }),
        )
        .expect("it is right");
        assert_eq!(settings.home, "duet");
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
        let settings = Settings::parse(Product::Postgres, &section).expect("it is right");
        assert_eq!(settings.home, "Sync");
        assert_eq!(settings.connections, 2);
        assert_eq!(settings.poll, Duration::from_millis(250));
        assert_eq!(settings.timeout, Duration::from_secs(60));
    }

    /// Keys and reasons, one a line.
    fn refused(section: &Value) -> String {
        let mistakes = Settings::parse(Product::Postgres, section).expect_err("it is wrong");
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
    fn a_file_has_a_path_and_a_prefix() {
        let section = json!({
            "path": "data/shop.db", "kind": "sqlite",
            "capture": { "mode": "outbox", "prefix": "sync_" },
        });
        let settings = Settings::parse(Product::Sqlite, &section).expect("it is right");
        assert_eq!((settings.home.as_str(), settings.poll), ("sync_", Duration::from_secs(1)));
        assert!(matches!(settings.place, Place::File(path) if path.ends_with("data/shop.db")));
        let path = "shop.db";
        let cases = [
            (json!({}), "path: is missing"),
            (json!({ "path": 5 }), "path: must be a text"),
            (json!({ "path": "" }), "path: must be the path of a file"),
            (json!({ "path": path, "url": "postgres://h/d" }), "url: is no setting here"),
            (
                json!({ "path": path, "capture": { "schema": "s" } }),
                "capture.schema: is no setting",
            ),
            (json!({ "path": path, "capture": { "prefix": "" } }), "capture.prefix: must be"),
            (
                json!({ "path": path, "capture": { "prefix": "SQLite_x" } }),
                "not begin with sqlite_",
            ),
            (json!({ "path": path, "capture": "logical" }), "capture.mode: is not supported yet"),
        ];
        for (section, expected) in cases {
            let mistakes = Settings::parse(Product::Sqlite, &section).expect_err("it is wrong");
            let [only] = mistakes.as_slice() else { panic!("{mistakes:?}") };
            assert!(only.to_string().contains(expected), "{only}");
        }
    }

    #[test]
    fn every_mistake_is_reported() {
        let wrong = json!({
            "url": "postgres://h:x/d", "urk": 1,
            "capture": { "mode": "poll", "schema": "it's", "poll": 5, "pol": 1 },
            "limits": { "connections": 101, "timeout": "0s", "writes_per_second": 1 },
        });
        let mistakes = Settings::parse(Product::Postgres, &wrong).expect_err("it is wrong");
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
