//! Signing in: the token endpoint, sessions, and who is behind a token.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Method, form},
    state::State,
};
use crate::{
    CLIENT_ID, CLIENT_SECRET, PASSWORD, SECURITY_TOKEN, USERNAME,
    clock::now_ms,
    error::ApiError,
    rules::Random,
    schema::{ORGANIZATION, USER},
};

/// The tokens that are valid.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: HashSet<String>,
    random: Random,
}

impl Default for Sessions {
    fn default() -> Self {
        // Tokens of an earlier process must not fit this one.
        let start = now_ms().unsigned_abs();
        Self { open: HashSet::new(), random: Random(start) }
    }
}

impl Sessions {
    /// A new token.
    pub(crate) fn begin(&mut self) -> String {
        let (one, other) = (self.random.next(), self.random.next());
        let token = format!("{}!AQ{one:016x}{other:016x}", &ORGANIZATION[..15]);
        self.open.insert(token.clone());
        token
    }

    /// Makes a token invalid; false if it was so already.
    pub(crate) fn end(&mut self, token: &str) -> bool {
        self.open.remove(token)
    }

    /// Every token becomes invalid.
    pub(crate) fn expire(&mut self) {
        self.open.clear();
    }

    /// Checks the token of a request.
    pub(crate) fn authorize(&self, call: &Call) -> Result<(), ApiError> {
        let expired = || ApiError::new(401, "INVALID_SESSION_ID", "Session expired or invalid");
        let Some(header) = call.header("authorization") else {
            let token = call.parameter("oauth_token").ok_or_else(expired)?;
            return if self.open.contains(token) { Ok(()) } else { Err(expired()) };
        };
        match header.split_once(' ') {
            Some((scheme, token)) if is_scheme(scheme) => {
                if self.open.contains(token.trim()) {
                    Ok(())
                } else {
                    Err(expired())
                }
            }
            Some(_) | None => Err(ApiError::new(401, "INVALID_AUTH_HEADER", "INVALID_AUTH_HEADER")),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.eq_ignore_ascii_case("Bearer") || text.eq_ignore_ascii_case("OAuth")
}

/// `POST /services/oauth2/token`.
pub(crate) fn token(state: &mut State, call: &Call, host: &str) -> Answer {
    if call.method != Method::Post {
        return refused("invalid_request", "must use HTTP POST");
    }
    let mut given = form(&call.body);
    given.extend(call.query.iter().cloned());
    let value = |name: &str| {
        given.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    };
    let basic = basic(call);
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => (value("client_id"), value("client_secret")),
    };
    if id != CLIENT_ID {
        return refused("invalid_client_id", "client identifier invalid");
    }
    if secret != CLIENT_SECRET {
        return refused("invalid_client", "invalid client credentials");
    }
    match value("grant_type") {
        "client_credentials" => granted(state, host),
        "password" => {
            if is_user(value("username"), value("password")) {
                granted(state, host)
            } else {
                refused("invalid_grant", "authentication failure")
            }
        }
        _ => refused("unsupported_grant_type", "grant type not supported"),
    }
}

/// True for the one user, with the security token behind the password.
pub(crate) fn is_user(name: &str, password: &str) -> bool {
    name.eq_ignore_ascii_case(USERNAME) && password.strip_suffix(SECURITY_TOKEN) == Some(PASSWORD)
}

fn basic(call: &Call) -> Option<(String, String)> {
    let (scheme, encoded) = call.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = plain.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn granted(state: &mut State, host: &str) -> Answer {
    let body = json!({
        "access_token": state.sessions.begin(),
        "signature": "c2lnbmF0dXJlIG9mIHRoZSBlbXVsYXRvcg==",
        "scope": "id api",
        "instance_url": format!("http://{host}"),
        "id": identity_url(host),
        "token_type": "Bearer",
        "issued_at": now_ms().to_string(),
    });
    Answer::json(200, body).with("cache-control", "no-store".to_owned())
}

fn refused(error: &str, description: &str) -> Answer {
    Answer::json(400, json!({ "error": error, "error_description": description }))
}

/// `/services/oauth2/revoke`: as form or parameter.
pub(crate) fn revoke(state: &mut State, call: &Call) -> Answer {
    let given = form(&call.body);
    let pairs = given.iter().chain(&call.query);
    let token = pairs.filter(|(key, _)| key == "token").map(|(_, value)| value).next();
    match token {
        Some(token) if state.sessions.end(token) => Answer::empty(200),
        Some(_) | None => refused("unsupported_token_type", "this token is invalid"),
    }
}

/// `/services/oauth2/introspect`.
pub(crate) fn introspect(state: &State, call: &Call) -> Answer {
    let given = form(&call.body);
    let token = given.iter().find(|(key, _)| key == "token").map(|(_, value)| value);
    let active = token.is_some_and(|token| state.sessions.open.contains(token));
    Answer::json(
        200,
        if active {
            json!({ "active": true, "client_id": CLIENT_ID, "username": USERNAME,
            "scope": "id api", "token_type": "access_token" })
        } else {
            json!({ "active": false })
        },
    )
}

fn identity_url(host: &str) -> String {
    format!("http://{host}/id/{ORGANIZATION}/{USER}")
}

/// `/services/oauth2/userinfo`.
pub(crate) fn userinfo(host: &str) -> Value {
    json!({
        "sub": identity_url(host), "user_id": USER, "organization_id": ORGANIZATION,
        "preferred_username": USERNAME, "nickname": "u", "name": "Integration User",
        "email": USERNAME, "email_verified": true, "given_name": "Integration",
        "family_name": "User", "zoneinfo": "GMT", "active": true, "user_type": "STANDARD",
        "language": "en_US", "locale": "en_US", "utcOffset": 0,
        "photos": { "picture": "", "thumbnail": "" }, "urls": urls(host),
    })
}

/// `/id/<org>/<user>`.
pub(crate) fn identity(host: &str) -> Value {
    json!({
        "id": identity_url(host), "asserted_user": true, "user_id": USER,
        "organization_id": ORGANIZATION, "username": USERNAME, "nick_name": "u",
        "display_name": "Integration User", "email": USERNAME, "active": true,
        "user_type": "STANDARD", "language": "en_US", "locale": "en_US", "utcOffset": 0,
        "photos": { "picture": "", "thumbnail": "" }, "urls": urls(host),
    })
}

fn urls(host: &str) -> Value {
    let base = format!("http://{host}/services/data/v{{version}}/");
    json!({
        "rest": base, "sobjects": format!("{base}sobjects/"), "query": format!("{base}query/"),
    })
}
