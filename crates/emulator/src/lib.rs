//! Stands in for Salesforce on localhost: sign-in, records, queries, composite calls, describes,
//! with the faults that tests need. It shares nothing with the connector; what it does and leaves
//! out is in `docs/reference/emulator.md`.

mod cell;
mod clock;
mod data;
mod error;
mod http;
mod ids;
mod org;
mod rules;
mod schema;
mod soql;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use self::error::EmulatorError;

/// The user name of API clients.
pub const USERNAME: &str = "u@example.test";
/// Their password; clients send it with the security token appended.
pub const PASSWORD: &str = "pw";
/// Their security token.
pub const SECURITY_TOKEN: &str = "tok";
/// The client id (consumer key).
pub const CLIENT_ID: &str = "client";
/// The client secret.
pub const CLIENT_SECRET: &str = "secret";
/// The id of the standard price book, the same in every org.
pub const STANDARD_PRICE_BOOK_ID: &str = schema::STANDARD_BOOK;

/// Requests a day that are allowed unless the options say otherwise: more than a test needs.
const DAILY_LIMIT: u64 = 1_000_000;

/// How to start an emulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// A loopback address; port 0 takes a free port.
    pub listen: SocketAddr,
    /// Where the records are kept; in memory only without it. Created if absent.
    pub data: Option<PathBuf>,
    /// A folder in the Salesforce source format, with further fields and objects.
    pub metadata: Option<PathBuf>,
    /// Decides ids and faults.
    pub seed: u64,
    /// Requests a day before `REQUEST_LIMIT_EXCEEDED`.
    pub daily_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: None,
            metadata: None,
            seed: 0,
            daily_limit: DAILY_LIMIT,
        }
    }
}

/// The emulator.
#[derive(Clone, Copy, Debug)]
pub struct Emulator;

impl Emulator {
    /// Starts an emulator on the running tokio runtime. It answers when this returns.
    ///
    /// # Errors
    /// When the address isn't loopback or is taken, when the data file can't be used, or when a
    /// metadata file is wrong.
    pub async fn start(options: Options) -> Result<Running, EmulatorError> {
        let address = options.listen;
        if !address.ip().is_loopback() {
            return Err(EmulatorError::NotLoopback { address });
        }
        let schema = schema::Schema::load(options.metadata.as_deref())?;
        let file = options.data.as_deref().map(data::DataFile::new);
        let org = org::Org::open(schema, options.seed, file, clock::now_ms())?;
        let failed = |source| EmulatorError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let state = http::State::new(org, options.daily_limit, options.seed);
        let server = http::Server::new(state, addr.to_string());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(http::serve(server, listener, stopped));
        tracing::info!(%addr, "the emulator listens");
        Ok(Running { addr, task, stop: Some(stop) })
    }
}

/// An emulator that runs. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The login URL for clients: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it, and frees its port and its data file, in which every answered write is already.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the emulator had failed");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
