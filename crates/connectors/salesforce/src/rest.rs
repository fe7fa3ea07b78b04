//! One HTTP call: signed in, limited in time and size, replayed once after a renewed sign-in, its
//! failure classified. Knows no records.

use crate::failure;
use crate::server_clock::ServerClock;
use crate::session::{Session, SignIn};
use crate::settings::{Settings, is_loopback};
use crate::usage;
use duet_core::id::ConnectionName;
use duet_core::retry::{Failure, FailureClass};
use duet_core::stamp::Stamp;
use duet_ports::connector::ConnectorError;
use duet_ports::connector::Usage;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, IF_UNMODIFIED_SINCE, RETRY_AFTER};
use reqwest::{Client, Method, Response};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// 2,000 wide rows stay well below; anything longer is no answer of this API.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A connection that isn't open by then won't be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    /// Whether it changes records: then a lost answer means an unknown outcome.
    writes: bool,
    unmodified_since: Option<String>,
}

impl Ask {
    pub(crate) fn get(path: String) -> Ask {
        Ask { method: Method::GET, path, body: None, writes: false, unmodified_since: None }
    }

    pub(crate) fn write(method: Method, path: String, body: Option<Vec<u8>>) -> Ask {
        Ask { method, path, body, writes: true, unmodified_since: None }
    }

    /// Only if the record wasn't modified after this HTTP date.
    pub(crate) fn unmodified_since(self, date: String) -> Ask {
        Ask { unmodified_since: Some(date), ..self }
    }
}

/// What was answered, with success.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// When the request left, by the side's time.
    pub(crate) sent_at: Stamp,
    writes: bool,
}

/// The side, as far as HTTP goes.
pub(crate) struct Rest {
    pub(crate) connection: ConnectionName,
    pub(crate) clock: ServerClock,
    base: String,
    timeout: Duration,
    http: Client,
    sign_in: SignIn,
    slots: Semaphore,
    usage: Mutex<Option<Usage>>,
}

impl Rest {
    pub(crate) fn new(
        connection: ConnectionName,
        settings: Settings,
        clock: ServerClock,
    ) -> reqwest::Result<Rest> {
        let mut builder = Client::builder()
            .user_agent(concat!("duet/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout));
        if is_loopback(&settings.auth.login) {
            builder = builder.no_proxy();
        }
        Ok(Rest {
            connection,
            clock,
            base: format!("/services/data/v{}", settings.version),
            timeout: settings.timeout,
            http: builder.build()?,
            sign_in: SignIn::new(settings.auth),
            slots: Semaphore::new(settings.parallel),
            usage: Mutex::new(None),
        })
    }

    /// The path of a resource of this API version.
    pub(crate) fn path(&self, resource: &str) -> String {
        format!("{}/{resource}", self.base)
    }

    /// The path that answers everybody who is signed in.
    pub(crate) fn root(&self) -> String {
        self.base.clone()
    }

    /// When a call of the port that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the user that we are.
    pub(crate) async fn user(&self, until: Instant) -> Result<Option<String>, ConnectorError> {
        Ok(self.session(None, until).await?.user.clone())
    }

    /// An error in our own words.
    pub(crate) fn error(&self, class: FailureClass, code: &str, text: &str) -> ConnectorError {
        failure::not_sent(&self.connection, failure::bare(class, code, text))
    }

    /// Asks, signed in; once more with a new session if this one is refused. A write that has less
    /// than a quarter of the time left isn't sent: not sent is cheaper than unknown.
    pub(crate) async fn send(&self, ask: &Ask, until: Instant) -> Result<Answer, ConnectorError> {
        let slot = timeout_at(until, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else {
            return Err(self.error(FailureClass::Transient, "NO_SLOT", "too many calls under way"));
        };
        let session = self.session(None, until).await?;
        if ask.writes && Instant::now() + self.timeout / 4 > until {
            let text = "too little time left for a write";
            return Err(self.error(FailureClass::Transient, "NO_TIME", text));
        }
        match self.ask(ask, &session, until).await {
            Err(error) if is_signed_out(&error.failure) => {
                let session = self.session(Some(&session), until).await?;
                self.ask(ask, &session, until).await
            }
            answer => answer,
        }
    }

    async fn session(
        &self,
        refused: Option<&Session>,
        until: Instant,
    ) -> Result<std::sync::Arc<Session>, ConnectorError> {
        let session = async {
            match refused {
                Some(refused) => self.sign_in.renewed(refused, &self.http).await,
                None => self.sign_in.session(&self.http).await,
            }
        };
        match timeout_at(until, session).await {
            Ok(session) => session.map_err(|refused| failure::not_sent(&self.connection, refused)),
            Err(_) => {
                Err(self.error(FailureClass::Unreachable, "TIMEOUT", "the sign-in took too long"))
            }
        }
    }

    async fn ask(
        &self,
        ask: &Ask,
        session: &Session,
        until: Instant,
    ) -> Result<Answer, ConnectorError> {
        let Ok(address) = session.instance.join(&ask.path) else {
            return Err(self.error(FailureClass::Poison, "ADDRESS", "no address for this request"));
        };
        let mut request = self
            .http
            .request(ask.method.clone(), address)
            .bearer_auth(session.token.expose_secret())
            .header("Sforce-Call-Options", "client=duet");
        if let Some(body) = &ask.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(date) = &ask.unmodified_since {
            request = request.header(IF_UNMODIFIED_SINCE, date);
        }
        let (sent_at, local) = (self.clock.now(), self.clock.local());
        let answered = async {
            let answer = request.send().await.map_err(|error| self.lost(error, ask.writes))?;
            self.note(answer.headers(), local);
            self.finish(answer, sent_at, ask.writes).await
        };
        timeout_at(until, answered).await.unwrap_or_else(|_| Err(self.late(ask.writes)))
    }

    /// Keeps what every answer tells: the side's time and our use of it.
    fn note(&self, headers: &HeaderMap, sent: Stamp) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(date) = text(DATE.as_str()) {
            self.clock.learn(date, sent, self.clock.local());
        }
        let usage = text("Sforce-Limit-Info").and_then(|it| usage::parse(it, self.clock.now()));
        if usage.is_some() {
            *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = usage;
        }
    }

    async fn finish(
        &self,
        answer: Response,
        sent_at: Stamp,
        writes: bool,
    ) -> Result<Answer, ConnectorError> {
        let status = answer.status();
        let pause = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|text| failure::retry_after_us(text, self.clock.now()));
        let body = self.body(answer, writes).await?;
        if status.is_success() {
            return Ok(Answer { body, sent_at, writes });
        }
        let status = status.as_u16();
        let mut failure = failure::of_answer(status, &body, pause);
        let sent = writes && failure::may_have_landed(status, &body, pause.is_some());
        if sent {
            failure.class = FailureClass::UnknownOutcome;
        }
        Err(ConnectorError { connection: self.connection.clone(), failure, sent, source: None })
    }

    async fn body(&self, mut answer: Response, writes: bool) -> Result<Vec<u8>, ConnectorError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.lost(error, writes))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.unreadable(writes, "the answer is too long", None));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The answer as JSON. A success that isn't JSON (a proxy's page) tells nothing of a write.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ConnectorError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let place = JsonError { line: error.line(), column: error.column() };
            self.unreadable(answer.writes, "the answer is not what was asked for", Some(place))
        })
    }

    /// An answer that makes no sense: the write may have landed, the read is tried again.
    pub(crate) fn unreadable(
        &self,
        writes: bool,
        text: &str,
        place: Option<JsonError>,
    ) -> ConnectorError {
        let class = if writes { FailureClass::UnknownOutcome } else { FailureClass::Transient };
        ConnectorError {
            connection: self.connection.clone(),
            failure: failure::bare(class, "UNREADABLE_ANSWER", text),
            sent: writes,
            source: place.map(|place| Box::new(place).into()),
        }
    }

    fn lost(&self, error: reqwest::Error, writes: bool) -> ConnectorError {
        let nothing_left = error.is_connect() || error.is_builder();
        let (code, sent) =
            if nothing_left { ("CONNECT", false) } else { ("CONNECTION_LOST", true) };
        let class = if sent { unanswered(writes) } else { FailureClass::Unreachable };
        let text = if sent { "the connection broke" } else { "no connection" };
        ConnectorError {
            connection: self.connection.clone(),
            failure: failure::bare(class, code, text),
            // A read that is lost, also one before a write, leaves nothing unknown behind.
            sent: sent && writes,
            source: Some(Box::new(error.without_url())),
        }
    }

    fn late(&self, writes: bool) -> ConnectorError {
        let failure = failure::bare(unanswered(writes), "TIMEOUT", "no answer in time");
        ConnectorError { connection: self.connection.clone(), failure, sent: writes, source: None }
    }
}

/// The class of a request that got no answer: the side as a whole can't be reached.
fn unanswered(writes: bool) -> FailureClass {
    if writes { FailureClass::UnknownOutcome } else { FailureClass::Unreachable }
}

/// Where an answer stopped making sense. The parser's own words may quote the answer.
#[derive(Debug, thiserror::Error)]
#[error("not the expected JSON at line {line}, column {column}")]
pub(crate) struct JsonError {
    line: usize,
    column: usize,
}

fn is_signed_out(failure: &Failure) -> bool {
    let hopeless = ["not valid for use with the REST API", "Connected app is not attached"];
    failure.class == FailureClass::Auth
        && failure.code != "API_DISABLED_FOR_ORG"
        && !hopeless.iter().any(|text| failure.message.contains(text))
}
