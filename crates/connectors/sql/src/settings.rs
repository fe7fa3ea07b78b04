//! The connection's own section of the configuration, read once. A key that isn't known is refused;
//! nothing here is a secret but the address.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;

/// A section that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A key is missing, unknown, or holds the wrong kind of value.
    #[error("{message}")]
    Shape {
        /// What is wrong, with the key's name.
        message: String,
    },
    /// A value can't be used.
    #[error("{key}: {message}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    url: SecretString,
    #[serde(default, rename = "kind")]
    _kind: Option<String>,
    #[serde(default, rename = "label")]
    _label: Option<String>,
    #[serde(default)]
    capture: Option<serde_json::Value>,
    #[serde(default)]
    limits: LimitsSection,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaptureSection {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    poll: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    #[serde(default)]
    connections: Option<u32>,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    writes_per_second: Option<serde_json::Value>,
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
    /// What is wrong with it, in words that name the key and never its value.
    pub fn parse(section: &serde_json::Value) -> Result<Settings, SettingsError> {
        let section: Section = shaped("", section)?;
        let capture = capture(section.capture)?;
        mode(capture.mode.as_deref())?;
        limits_supported(&section.limits)?;
        check_url(&section.url)?;
        Ok(Settings {
            url: section.url,
            schema: schema(capture.schema)?,
            poll: duration("capture.poll", capture.poll.as_deref(), POLL)?,
            connections: connections(section.limits.connections)?,
            timeout: duration("limits.timeout", section.limits.timeout.as_deref(), TIMEOUT)?,
        })
    }
}

fn shaped<T: serde::de::DeserializeOwned>(
    at: &str,
    section: &serde_json::Value,
) -> Result<T, SettingsError> {
    T::deserialize(section)
        .map_err(|error| SettingsError::Shape { message: format!("{at}{error}") })
}

/// `capture = "outbox"` is short for `{ mode = "outbox" }`.
fn capture(section: Option<serde_json::Value>) -> Result<CaptureSection, SettingsError> {
    match section {
        None => Ok(CaptureSection::default()),
        Some(serde_json::Value::String(mode)) => {
            Ok(CaptureSection { mode: Some(mode), ..CaptureSection::default() })
        }
        Some(table) => shaped("capture: ", &table),
    }
}

fn mode(mode: Option<&str>) -> Result<(), SettingsError> {
    let key = "capture.mode";
    match mode {
        None | Some("outbox") => Ok(()),
        Some("logical" | "poll" | "webhook") => {
            Err(SettingsError::Value { key, message: "not supported yet; use \"outbox\"".into() })
        }
        Some(_) => Err(SettingsError::Value { key, message: "must be \"outbox\"".into() }),
    }
}

fn limits_supported(limits: &LimitsSection) -> Result<(), SettingsError> {
    let key = "limits.writes_per_second";
    limits.writes_per_second.as_ref().map_or(Ok(()), |_| {
        Err(SettingsError::Value { key, message: "not supported yet".to_owned() })
    })
}

fn check_url(url: &SecretString) -> Result<(), SettingsError> {
    let known = ["postgres://", "postgresql://"];
    if known.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
        return Ok(());
    }
    let message = "must begin with postgres:// or postgresql://".to_owned();
    Err(SettingsError::Value { key: "url", message })
}

fn schema(schema: Option<String>) -> Result<String, SettingsError> {
    let schema = schema.unwrap_or_else(|| SCHEMA.to_owned());
    // The longest identifier; a longer one would be cut and meet another one.
    if schema.is_empty() || schema.len() > 63 || schema.contains(['\0', '%', '\'']) {
        let message = "must be a name of 1 to 63 bytes without %, ' or NUL".to_owned();
        return Err(SettingsError::Value { key: "capture.schema", message });
    }
    Ok(schema)
}

fn connections(count: Option<u32>) -> Result<u32, SettingsError> {
    match count {
        None => Ok(CONNECTIONS),
        Some(count) if (1..=100).contains(&count) => Ok(count),
        Some(_) => {
            let message = "must be between 1 and 100".to_owned();
            Err(SettingsError::Value { key: "limits.connections", message })
        }
    }
}

fn duration(
    key: &'static str,
    text: Option<&str>,
    default: Duration,
) -> Result<Duration, SettingsError> {
    let Some(text) = text else { return Ok(default) };
    parse_duration(text).filter(|found| !found.is_zero()).ok_or_else(|| SettingsError::Value {
        key,
        message: "must be a length of time such as \"500ms\", \"5s\" or \"1m\"".to_owned(),
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(section: serde_json::Value) -> String {
        Settings::parse(&section).expect_err("it is wrong").to_string()
    }

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

    #[test]
    fn mistakes_name_their_key_and_never_the_address() {
        let url = "postgres://user:secret@h/d";
        let cases = [
            (json!({}), "url"),
            (json!({ "url": url, "urk": 1 }), "urk"),
            (json!({ "url": "mysql://secret" }), "url: must begin"),
            (json!({ "url": url, "capture": "logical" }), "capture.mode: not supported yet"),
            (json!({ "url": url, "capture": { "mode": "x" } }), "capture.mode: must be"),
            (json!({ "url": url, "capture": { "pol": "1s" } }), "capture: unknown field `pol`"),
            (json!({ "url": url, "capture": { "poll": "soon" } }), "capture.poll"),
            (json!({ "url": url, "capture": { "poll": "0s" } }), "capture.poll"),
            (json!({ "url": url, "capture": { "schema": "" } }), "capture.schema"),
            (json!({ "url": url, "limits": { "connections": 0 } }), "limits.connections"),
            (json!({ "url": url, "limits": { "writes_per_second": 5 } }), "not supported yet"),
            (json!({ "url": url, "limits": { "speed": 5 } }), "speed"),
        ];
        for (section, expected) in cases {
            let message = refused(section);
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
