//! The server: connections, requests with their limits, and faults around each of them.

mod admin;
mod call;
mod collections;
mod composite;
mod condition;
mod discover;
mod fault;
mod journal;
mod query;
mod route;
mod rows;
mod session;
mod soap;
mod state;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, body::Incoming, header::CONTENT_TYPE, http::response::Builder,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

pub(crate) use self::state::State;
use self::{
    call::{Answer, Body, Call, Method},
    fault::Before,
};
use crate::{clock::now_ms, error::ApiError};

/// The largest body of a request: the platform's limit is about this.
const BODY_MAX: usize = 6 * 1024 * 1024;
/// The largest URI with all headers.
const HEAD_MAX: usize = 16_384;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The connection is cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
struct Cut;

/// What all connections share.
pub(crate) struct Server {
    state: Mutex<State>,
    address: String,
}

impl Server {
    pub(crate) fn new(state: State, address: String) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), address })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no request panics while it holds the org")
    }
}

/// Serves until it is told to stop; the connections end with it.
pub(crate) async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    mut stop: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => _ = connections.spawn(connection(server.clone(), stream)),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stop => break,
        }
    }
    connections.shutdown().await;
}

async fn connection(server: Arc<Server>, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let service = service_fn(move |request| respond(server.clone(), request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn respond(
    server: Arc<Server>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = host.unwrap_or(&server.address).to_owned();
    let is_head = request.method() == "HEAD";
    let answer = match read(request).await {
        Ok(call) if call.parts().starts_with(&["emulator", "admin"]) => {
            let mut state = server.lock();
            let answer = admin::answer(&mut state, &call);
            state.org.commit().map_or_else(Answer::from, |()| answer)
        }
        Ok(call) => answered(&server, &call, &host).await?,
        Err(error) => error.into(),
    };
    Ok(response(answer, is_head))
}

async fn read(request: Request<Incoming>) -> Result<Call, ApiError> {
    let (head, body) = request.into_parts();
    let method = Method::parse(head.method.as_str())
        .ok_or_else(|| ApiError::new(405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed."))?;
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let size: usize =
        head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size + target.len() > HEAD_MAX {
        return Err(ApiError::new(414, "URI_TOO_LONG", "The URI and the headers are too long."));
    }
    let collected =
        tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            return Err(ApiError::new(413, "REQUEST_ENTITY_TOO_LARGE", "The body is too large."));
        }
        Err(_) => return Err(ApiError::new(408, "REQUEST_TIMEOUT", "The body came too slowly.")),
    };
    let mut call = Call::new(method, target, body);
    let headers = head.headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    call.headers = headers.collect::<HashMap<_, _>>();
    Ok(call)
}

/// Carries out a request, with the faults that are switched on.
async fn answered(server: &Server, call: &Call, host: &str) -> Result<Answer, Cut> {
    let latency = Duration::from_millis(server.lock().faults.switches.latency_ms);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (answer, hold) = carry_out(&mut server.lock(), call, host)?;
    if !hold.is_zero() {
        tokio::time::sleep(hold).await;
    }
    Ok(answer)
}

/// The answer, and how long it waits because its transaction is still open.
fn carry_out(state: &mut State, call: &Call, host: &str) -> Result<(Answer, Duration), Cut> {
    state.writes = state::Writes::default();
    match state.faults.before(now_ms()) {
        Before::Cut => {
            state.journal.note(call, 0, state.writes);
            return Err(Cut);
        }
        Before::Refuse(answer) => {
            state.journal.note(call, answer.status, state.writes);
            return Ok((answer, Duration::ZERO));
        }
        Before::Go => {}
    }
    let answer = route::answer(state, call, host);
    let answer = state.org.commit().map_or_else(Answer::from, |()| answer);
    let writes = state.writes;
    let lost = writes.asked && state.faults.loses();
    state.journal.note(call, if lost { 0 } else { answer.status }, writes);
    if lost {
        return Err(Cut);
    }
    let late_ms = if writes.records > 0 { state.org.rules.late_ms } else { 0 };
    Ok((answer, Duration::from_millis(late_ms.unsigned_abs())))
}

fn response(answer: Answer, is_head: bool) -> Response<Full<Bytes>> {
    let (kind, body) = match answer.body {
        Body::Empty => (None, Bytes::new()),
        Body::Json(body) => (Some("application/json;charset=UTF-8"), Bytes::from(body.to_string())),
        Body::Html(text) => (Some("text/html"), Bytes::from_static(text.as_bytes())),
        Body::Xml(text) => (Some("text/xml;charset=UTF-8"), Bytes::from(text)),
    };
    let mut builder: Builder = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    if let Some(kind) = kind {
        builder = builder.header(CONTENT_TYPE, kind);
    }
    let body = if is_head { Bytes::new() } else { body };
    builder.body(Full::new(body)).expect("names are constants and values are plain text")
}
