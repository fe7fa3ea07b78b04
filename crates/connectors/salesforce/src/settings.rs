//! The settings of one connection, parsed once: sign-in, API version, pace. Reports every mistake,
//! not the first. Touches neither network nor environment.

mod section;

use reqwest::Url;
use secrecy::SecretString;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

use crate::keys::{API, AUTH_OF_APP, AUTH_OF_USER, LIMITS, SALESFORCE};
use section::Section;

/// Records in a collections call: as many as the platform takes.
const BATCH: usize = 200;
/// The version this connector was written against.
const VERSION_DEFAULT: &str = "65.0";
/// Collections retrieve, `created` in upserts and the like need this one.
const VERSION_MIN: u32 = 46;

/// Something wrong in the connection's section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Mistake {
    /// The key, as a path inside the section (`auth.flow`).
    pub key: String,
    /// What is wrong, and what would be right. Never a secret's value.
    pub reason: String,
}

/// How to sign in.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Where: My Domain or `https://login.salesforce.com`.
    pub login: Url,
    /// The consumer key of the connected app.
    pub client_id: String,
    /// The consumer secret of the connected app.
    pub client_secret: SecretString,
    /// For whom.
    pub grant: Grant,
}

/// The OAuth grant.
#[derive(Clone, Debug)]
pub enum Grant {
    /// The app acts as its own integration user.
    ClientCredentials,
    /// A user with a password (followed by the security token, where one is asked for).
    Password {
        /// The user's name.
        user: String,
        /// Password and token in one.
        password: SecretString,
    },
}

/// Everything of one connection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sign-in.
    pub auth: Auth,
    /// API version as in `65.0`.
    pub version: String,
    /// Most records in one write.
    pub batch: usize,
    /// Most calls under way at once.
    pub parallel: usize,
    /// Pause between two polls that found nothing.
    pub poll: Duration,
    /// Total time of one call of the port, all its requests included.
    pub timeout: Duration,
    /// How long a write may wait until its call is full.
    pub patience: Duration,
}

impl Settings {
    /// Parses the section of a connection.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(section: &Value) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut root = Section::open("", SALESFORCE, Some(section), &mut mistakes);
        root.ignore(&["kind", "label"]);
        let (auth, api, limits) = (root.take("auth"), root.take("api"), root.take("limits"));
        root.close(&mut mistakes);
        let auth = parse_auth(auth.as_ref(), &mut mistakes);
        let (version, batch) = parse_api(api.as_ref(), &mut mistakes);
        let Asked { parallel, poll, timeout, patience } =
            parse_limits(limits.as_ref(), &mut mistakes);
        match auth {
            Some(auth) if mistakes.is_empty() => {
                Ok(Settings { auth, version, batch, parallel, poll, timeout, patience })
            }
            Some(_) | None => Err(mistakes),
        }
    }
}

fn parse_auth(value: Option<&Value>, mistakes: &mut Vec<Mistake>) -> Option<Auth> {
    let mut auth = Section::required("auth", AUTH_OF_USER, value, mistakes)?;
    let flow = auth.text("flow", mistakes)?;
    let login = auth.text("login", mistakes);
    let client_id = auth.text("client_id", mistakes);
    let client_secret = match flow.as_str() {
        "client_credentials" | "password" => auth.text("client_secret", mistakes),
        "jwt" => {
            auth.mistake("flow", "`jwt` is not supported yet", mistakes);
            return None;
        }
        other => {
            let reason = format!("`{other}` is no flow; use `client_credentials` or `password`");
            auth.mistake("flow", &reason, mistakes);
            return None;
        }
    };
    let grant = if flow == "password" {
        let (user, password) = (auth.text("user", mistakes), auth.text("password", mistakes));
        user.zip(password).map(|(user, password)| Grant::Password {
            user,
            password: SecretString::from(password),
        })
    } else {
        Some(Grant::ClientCredentials)
    };
    let keys = if flow == "password" { AUTH_OF_USER } else { AUTH_OF_APP };
    auth.with(keys).close(mistakes);
    let login = parse_login(&login?, mistakes)?;
    let client_secret = SecretString::from(client_secret?);
    Some(Auth { login, client_id: client_id?, client_secret, grant: grant? })
}

fn parse_login(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Url> {
    let refused = match Url::parse(text) {
        Ok(url) if is_allowed(&url) => return Some(url),
        Ok(_) => "must be an https address (http on a loopback address only), without user name",
        Err(_) => "is no address; write it like https://login.salesforce.com",
    };
    mistakes.push(Mistake { key: "auth.login".to_owned(), reason: refused.to_owned() });
    None
}

/// Whether credentials may be sent there: TLS, or a loopback address (the emulator).
pub(crate) fn is_allowed(url: &Url) -> bool {
    let anonymous = url.username().is_empty() && url.password().is_none();
    anonymous
        && match url.scheme() {
            "https" => url.has_host(),
            "http" => is_loopback(url),
            _ => false,
        }
}

/// Whether the address is this machine's own.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parse_api(value: Option<&Value>, mistakes: &mut Vec<Mistake>) -> (String, usize) {
    let mut api = Section::open("api", API, value, mistakes);
    let version = api.optional_text("version", mistakes);
    let version = version.unwrap_or_else(|| VERSION_DEFAULT.to_owned());
    if !is_version(&version) {
        let reason = format!("must be an API version from {VERSION_MIN}.0 on, like \"65.0\"");
        api.mistake("version", &reason, mistakes);
    }
    let batch = api.number("batch", mistakes).unwrap_or(BATCH);
    api.close(mistakes);
    (version, batch)
}

fn is_version(text: &str) -> bool {
    let number = text.strip_suffix(".0").and_then(|major| major.parse::<u32>().ok());
    number.is_some_and(|major| (VERSION_MIN..1000).contains(&major))
}

/// How much is asked of the organization.
struct Asked {
    parallel: usize,
    poll: Duration,
    timeout: Duration,
    patience: Duration,
}

fn parse_limits(value: Option<&Value>, mistakes: &mut Vec<Mistake>) -> Asked {
    let mut limits = Section::open("limits", LIMITS, value, mistakes);
    let seconds = Duration::from_secs;
    let asked = Asked {
        parallel: limits.number("parallel", mistakes).unwrap_or(5),
        poll: limits.duration("poll", 100, mistakes).unwrap_or(seconds(15)),
        timeout: limits.duration("timeout", 1_000, mistakes).unwrap_or(seconds(30)),
        patience: limits.duration("patience", 0, mistakes).unwrap_or_default(),
    };
    limits.close(mistakes);
    asked
}

#[cfg(test)]
mod tests;
