//! The connector itself: its connections, its clock, and what it knows of tables. What it does with
//! them stands in the modules named after what they do.

use crate::capture::{self, Standing};
use crate::error::{made, refused, too_long, whole};
use crate::settings::{Mistake, Settings};
use crate::sql::{Shape, catalog};
use crate::table::{self, ColumnInfo, Table};
use crate::{apply, describe, detect, find, read, scan};
use async_trait::async_trait;
use duet_core::id::{ConnectionName, RecordId};
use duet_core::intent::Found;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::clock::Clock;
use duet_ports::connector::{
    Answers, Batch, Collection, Connector, ConnectorError, Description, Detector, Limits, Page,
    Position, Record, Search,
};
use duet_ports::connector::{NO_COLLECTION, NO_KEY};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Most records in one write; what one transaction locks at once.
const BATCH: usize = 200;
/// Most records in one read.
const READ: usize = 500;
/// How long a free connection is waited for, or one that doesn't open.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a row that somebody else holds is waited for at most.
const LOCK_MAX: Duration = Duration::from_secs(2);
/// Its share of a call's time limit: what follows a wait in vain, without the rows that are held,
/// needs the rest, and a statement must not end before its wait does.
const LOCK_SHARE: u32 = 4;

/// How long the catalogue's answer counts: a table that was dropped and made anew has no triggers,
/// and then its versions would stand still.
const KNOWN_SECONDS: i64 = 60;

/// A PostgreSQL database as a side.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    connection: ConnectionName,
    settings: Settings,
    clock: Arc<dyn Clock>,
    pool: PgPool,
    /// The server's clock less ours, in microseconds, as last measured.
    skew_us: AtomicI64,
    tables: Mutex<HashMap<TableKey, Arc<Known>>>,
}

/// A table as one end of a flow sees it.
type TableKey = (String, String, String, Vec<String>);

/// What is known of a collection.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) table: Table,
    /// How its capture stands for this flow and side.
    pub(crate) standing: Standing,
    /// When the catalogue was asked.
    at: Stamp,
}

impl Known {
    /// Whether its changes are captured for this flow and side, in a form that can be used.
    pub(crate) fn captured(&self) -> bool {
        matches!(self.standing, Standing::Captured(_))
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("connection", &self.inner.connection).finish()
    }
}

impl Postgres {
    /// Opens a connection from its section of the configuration. Nothing is sent before it is used.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Every mistake in the section.
    pub fn open(
        connection: ConnectionName,
        section: &serde_json::Value,
        clock: Arc<dyn Clock>,
    ) -> Result<Postgres, Vec<Mistake>> {
        let settings = Settings::parse(section)?;
        let address = settings.address().map_err(|mistake| vec![mistake])?;
        let options = options(&settings, address);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options);
        let inner = Inner {
            connection,
            settings,
            clock,
            pool,
            skew_us: AtomicI64::new(0),
            tables: Mutex::default(),
        };
        Ok(Postgres { inner: Arc::new(inner) })
    }

    pub(crate) fn name(&self) -> &ConnectionName {
        &self.inner.connection
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn time(&self) -> Stamp {
        self.inner.clock.now().plus(self.inner.skew_us.load(Ordering::Relaxed))
    }

    /// Ends a call at its time limit. `work` must leave nothing behind when it is dropped.
    pub(crate) async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, ConnectorError>> + Send,
    ) -> Result<T, ConnectorError> {
        let limit = self.settings().timeout;
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(too_long(self.name(), false)))
    }

    pub(crate) fn failed(&self, error: sqlx::Error) -> ConnectorError {
        whole(self.name(), error, false)
    }

    pub(crate) fn refuse(
        &self,
        class: FailureClass,
        code: &str,
        message: impl Into<String>,
    ) -> ConnectorError {
        refused(self.name(), made(class, code, message))
    }

    /// Measures how far the server's clock is from ours, with the middle of the request as ours.
    pub(crate) async fn measure(&self) -> Result<i64, ConnectorError> {
        let mut connection = self.pool().acquire().await.map_err(|error| self.failed(error))?;
        let before = self.inner.clock.now();
        let theirs: i64 = sqlx::query_scalar(catalog::NOW)
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| self.failed(error))?;
        let after = self.inner.clock.now();
        let skew = theirs - (before.0 + (after.0 - before.0) / 2);
        self.inner.skew_us.store(skew, Ordering::Relaxed);
        Ok(skew)
    }

    /// What is known of a collection; asked when it isn't, or not lately, or wasn't captured then.
    pub(crate) async fn known(
        &self,
        collection: &Collection,
    ) -> Result<Arc<Known>, ConnectorError> {
        let found =
            self.inner.tables.lock().expect("no holder panics").get(&key(collection)).cloned();
        match found {
            Some(known)
                if known.captured() && self.time() < known.at.plus_seconds(KNOWN_SECONDS) =>
            {
                Ok(known)
            }
            Some(_) | None => self.look(collection).await,
        }
    }

    /// Asks the catalogue about a collection.
    pub(crate) async fn look(&self, collection: &Collection) -> Result<Arc<Known>, ConnectorError> {
        let mut connection = self.pool().acquire().await.map_err(|error| self.failed(error))?;
        let known = self.load(&mut connection, collection).await?;
        let known = Arc::new(known);
        let mut tables = self.inner.tables.lock().expect("no holder panics");
        tables.insert(key(collection), known.clone());
        Ok(known)
    }

    /// Asks the catalogue on a connection at hand; remembers nothing.
    pub(crate) async fn load(
        &self,
        connection: &mut PgConnection,
        collection: &Collection,
    ) -> Result<Known, ConnectorError> {
        let fail = |error| self.failed(error);
        let table =
            table::load(connection, &collection.name, &collection.key).await.map_err(fail)?;
        let table = table.ok_or_else(|| {
            let text = format!("there is no table {}", collection.name);
            self.refuse(FailureClass::Permission, NO_COLLECTION, text)
        })?;
        self.check_key(collection, &table)?;
        let schema = &self.settings().schema;
        let standing = capture::installed(connection, schema, collection, &table);
        Ok(Known { standing: standing.await.map_err(fail)?, table, at: self.time() })
    }

    fn check_key(&self, collection: &Collection, table: &Table) -> Result<(), ConnectorError> {
        if table.key.is_empty() && collection.key.is_empty() {
            let text = format!(
                "table {} has no primary key: name its key columns with `key`",
                collection.name
            );
            return Err(self.refuse(FailureClass::Permission, NO_KEY, text));
        }
        let missing = collection.key.iter().find(|name| table.column(name).is_none());
        missing.map_or(Ok(()), |name| {
            let text = format!("table {} has no column {name}, which its key names", table.name);
            Err(self.refuse(FailureClass::Permission, NO_KEY, text))
        })
    }

    pub(crate) fn no_column(&self, table: &Table, name: &str) -> ConnectorError {
        let text = format!("table {} has no column {name}", table.name);
        self.refuse(FailureClass::Permission, "42703", text)
    }

    /// Forgets what is known of a collection, so that the next call asks again.
    pub(crate) fn forget(&self, collection: &Collection) {
        self.inner.tables.lock().expect("no holder panics").remove(&key(collection));
    }

    /// Forgets a table that isn't what it was, and makes the error that goes to the caller.
    pub(crate) fn outdated(&self, collection: &Collection, error: sqlx::Error) -> ConnectorError {
        if crate::error::is_outdated(&error) {
            self.forget(collection);
        }
        self.failed(error)
    }

    /// The form of statements about a collection: columns, filter, with versions or without.
    pub(crate) fn shape<'a>(
        &'a self,
        collection: &'a Collection,
        known: &'a Known,
    ) -> Result<Shape<'a>, ConnectorError> {
        Ok(Shape {
            table: &known.table,
            columns: self.columns(collection, &known.table)?,
            filter: collection.filter.as_deref(),
            capture: known.captured().then_some(self.settings().schema.as_str()),
        })
    }

    fn columns<'a>(
        &self,
        collection: &Collection,
        table: &'a Table,
    ) -> Result<Vec<&'a ColumnInfo>, ConnectorError> {
        if collection.columns.is_empty() {
            return Ok(table.columns.iter().collect());
        }
        let soft = collection.soft.iter().map(|(column, _)| column);
        let mut wanted: Vec<_> = collection.columns.keys().chain(soft).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let find = |name: &duet_core::id::Column| {
            table.column(name).ok_or_else(|| self.no_column(table, name.as_str()))
        };
        wanted.into_iter().map(find).collect()
    }
}

fn key(collection: &Collection) -> TableKey {
    let columns = collection.key.iter().map(|column| column.as_str().to_owned()).collect();
    (
        collection.name.clone(),
        collection.flow.as_str().to_owned(),
        collection.side.as_str().to_owned(),
        columns,
    )
}

/// Sessions that write every text in one form, and in which nothing waits for ever.
fn options(settings: &Settings, address: PgConnectOptions) -> PgConnectOptions {
    let statement = settings.timeout.mul_f64(0.8).as_millis().max(1);
    let lock = lock_timeout(settings.timeout).as_millis().max(1);
    let options = address
        .application_name("duet")
        .options([
            ("TimeZone", "UTC".to_owned()),
            ("DateStyle", "ISO".to_owned()),
            ("IntervalStyle", "iso_8601".to_owned()),
            ("bytea_output", "hex".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("statement_timeout", statement.to_string()),
            ("lock_timeout", lock.to_string()),
            ("idle_in_transaction_session_timeout", statement.to_string()),
        ])
        // Statements hold no values, but slow ones would be logged with the filter of the user.
        .disable_statement_logging();
    without_idle_tls(options)
}

fn lock_timeout(call: Duration) -> Duration {
    (call / LOCK_SHARE).min(LOCK_MAX)
}

/// On this machine TLS is of no use unless asked for, and the driver leaves Nagle's algorithm on:
/// every large statement would be held up by 40 ms (as for the store, decision 26).
fn without_idle_tls(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|at| at.is_loopback());
    if here && matches!(options.get_ssl_mode(), PgSslMode::Prefer) {
        options.ssl_mode(PgSslMode::Disable)
    } else {
        options
    }
}

#[async_trait]
impl Connector for Postgres {
    fn connection(&self) -> &ConnectionName {
        self.name()
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: BATCH,
            read: READ,
            // One is left for detectors and reads.
            parallel: usize::try_from(self.settings().connections - 1).unwrap_or(1).max(1),
            timeout: self.settings().timeout,
            poll: self.settings().poll,
        }
    }

    fn now(&self) -> Stamp {
        self.time()
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        self.limited(async { self.measure().await.map(drop) }).await
    }

    async fn describe(&self, collection: &Collection) -> Result<Description, ConnectorError> {
        self.limited(describe::describe(self, collection)).await
    }

    async fn detector(
        &self,
        collection: &Collection,
        from: Option<&Position>,
    ) -> Result<Box<dyn Detector>, ConnectorError> {
        let detector = self.limited(detect::open(self, collection, from)).await?;
        Ok(Box::new(detector))
    }

    async fn read(
        &self,
        collection: &Collection,
        records: &[RecordId],
    ) -> Result<Vec<Record>, ConnectorError> {
        self.limited(read::read(self, collection, records)).await
    }

    async fn find(
        &self,
        collection: &Collection,
        searches: &[Search],
    ) -> Result<Vec<Vec<Found>>, ConnectorError> {
        self.limited(find::find(self, collection, searches)).await
    }

    async fn scan(
        &self,
        collection: &Collection,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, ConnectorError> {
        self.limited(scan::scan(self, collection, after, limit)).await
    }

    async fn apply(
        &self,
        collection: &Collection,
        batch: &Batch,
    ) -> Result<Answers, ConnectorError> {
        apply::apply(self, collection, batch).await
    }
}
