//! Sign-in: one session for everybody, renewed by one of those who found it expired while the
//! others wait. Tokens never leave this file but into an `Authorization` header.

use crate::failure;
use crate::settings::{Auth, Grant, is_allowed};
use duet_core::retry::{Failure, FailureClass};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// Token answers are small; more than this is no token answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A signed-in session.
pub(crate) struct Session {
    /// The bearer token.
    pub(crate) token: SecretString,
    /// Where calls go, as told by the sign-in.
    pub(crate) instance: Url,
    /// The id of the user that we are, if told.
    pub(crate) user: Option<String>,
    number: u64,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    refused: Option<Failure>,
}

/// Signs in when needed.
pub(crate) struct SignIn {
    auth: Auth,
    state: Mutex<State>,
    tries: AtomicU64,
}

#[derive(Deserialize)]
struct Token {
    access_token: SecretString,
    instance_url: String,
    #[serde(default)]
    id: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl SignIn {
    pub(crate) fn new(auth: Auth) -> Self {
        SignIn { auth, state: Mutex::default(), tries: AtomicU64::new(0) }
    }

    /// The present session.
    pub(crate) async fn session(&self, http: &Client) -> Result<Arc<Session>, Failure> {
        self.other_than(None, http).await
    }

    /// A session in the place of one that was refused. Of several callers one signs in; the others
    /// take what it got, the refusal included.
    pub(crate) async fn renewed(
        &self,
        refused: &Session,
        http: &Client,
    ) -> Result<Arc<Session>, Failure> {
        self.other_than(Some(refused.number), http).await
    }

    async fn other_than(
        &self,
        refused: Option<u64>,
        http: &Client,
    ) -> Result<Arc<Session>, Failure> {
        let tries = self.tries.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session
            && Some(session.number) != refused
        {
            return Ok(session.clone());
        }
        let tried = self.tries.load(Ordering::SeqCst);
        if let Some(failure) = state.refused.as_ref().filter(|_| tried != tries) {
            return Err(failure.clone());
        }
        let answer = self.sign_in(http, tried + 1).await.map(Arc::new);
        self.tries.store(tried + 1, Ordering::SeqCst);
        state.session = answer.as_ref().ok().cloned();
        state.refused = answer.as_ref().err().cloned();
        answer
    }

    async fn sign_in(&self, http: &Client, number: u64) -> Result<Session, Failure> {
        let address = self.auth.login.join("/services/oauth2/token").map_err(|_| {
            failure::bare(FailureClass::Auth, "LOGIN_ADDRESS", "the login address takes no path")
        })?;
        tracing::debug!(host = address.host_str(), "signing in");
        let answer = http.post(address).form(&self.form()).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = limited(answer).await?;
        if status != 200 {
            let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
            return Err(failure::of_sign_in(status, &refusal.error, &refusal.error_description));
        }
        let token: Token = serde_json::from_slice(&body)
            .map_err(|_| failure::bare(FailureClass::Unreachable, "SIGN_IN", "no token answer"))?;
        accepted(token, &self.auth.login, number)
    }

    fn form(&self) -> Vec<(&'static str, &str)> {
        let mut form = vec![
            ("client_id", self.auth.client_id.as_str()),
            ("client_secret", self.auth.client_secret.expose_secret()),
        ];
        match &self.auth.grant {
            Grant::ClientCredentials => form.push(("grant_type", "client_credentials")),
            Grant::Password { user, password } => form.extend([
                ("grant_type", "password"),
                ("username", user.as_str()),
                ("password", password.expose_secret()),
            ]),
        }
        form
    }
}

fn accepted(token: Token, login: &Url, number: u64) -> Result<Session, Failure> {
    let refused = |text| failure::bare(FailureClass::Auth, "INSTANCE_URL", text);
    let instance = Url::parse(&token.instance_url)
        .map_err(|_| refused("the sign-in named no usable instance address"))?;
    if !is_allowed(&instance) || (login.scheme() == "https" && instance.scheme() != "https") {
        return Err(refused("the sign-in named an instance address without TLS"));
    }
    let user = token.id.rsplit('/').next().and_then(crate::record_id::long);
    Ok(Session { token: token.access_token, instance, user, number })
}

fn unreachable(error: reqwest::Error) -> Failure {
    let (code, text) = if error.is_connect() {
        ("CONNECT", "the login address can't be reached")
    } else {
        ("CONNECTION_LOST", "the connection broke while signing in")
    };
    // The innermost cause says why, and names no address: no certificate, nobody there, no such name.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    failure::bare(FailureClass::Unreachable, code, &format!("{text}: {cause}"))
}

async fn limited(mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(failure::bare(FailureClass::Poison, "SIGN_IN", "the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
