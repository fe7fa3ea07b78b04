//! The connector itself: its connections, its clock, and what it knows of tables. What it does with
//! them stands in the modules named after what they do.

use crate::capture::{self, Standing};
use crate::error::{made, refused, too_long, whole};
use crate::product::Product;
use crate::session::{FilePool, Pool, Session, open_server};
use crate::settings::{Mistake, Place, Settings, address};
use crate::sql::{Capture, Home, Shape, catalog};
use crate::table::{self, ColumnInfo, Table};
use crate::{apply, describe, detect, find, read, scan};
use async_trait::async_trait;
use duet_core::id::{Column, ConnectionName, RecordId};
use duet_core::intent::Found;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::clock::Clock;
use duet_ports::connector::{
    Answers, Batch, Collection, Connector, ConnectorError, Description, Detector, Limits, Page,
    Position, Record, Search,
};
use duet_ports::connector::{NO_COLLECTION, NO_KEY};
use secrecy::ExposeSecret;
use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Most records in one write; what one transaction locks at once.
const BATCH: usize = 200;
/// Most records in one read.
const READ: usize = 500;

/// How long the catalogue's answer counts: a table that was dropped and made anew has no triggers,
/// and then its versions would stand still.
const KNOWN_SECONDS: i64 = 60;

/// A SQL database as a side.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    connection: ConnectionName,
    product: Product,
    settings: Settings,
    clock: Arc<dyn Clock>,
    pool: Pool,
    /// The server's clock less ours, in microseconds, as last measured. Of a file always zero: its
    /// triggers run on this machine.
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
    /// Columns made since the capture was installed: it knows no times of theirs.
    pub(crate) untimed: Vec<Column>,
    /// When the catalogue was asked.
    at: Stamp,
}

impl Known {
    /// Whether its changes are captured for this flow and side, in a form that can be used.
    pub(crate) fn captured(&self) -> bool {
        matches!(self.standing, Standing::Captured(_))
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("connection", &self.inner.connection).finish()
    }
}

impl Database {
    /// Opens a connection from its section of the configuration; a relative path counts from
    /// `folder`. Nothing is sent before it is used. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Every mistake in the section.
    pub fn open(
        product: Product,
        connection: ConnectionName,
        section: &serde_json::Value,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Database, Vec<Mistake>> {
        let settings = Settings::parse(product, section)?;
        let pool = match &settings.place {
            Place::Server(url) => {
                let address = address(url.expose_secret()).map_err(|mistake| vec![mistake])?;
                open_server(&settings, address)
            }
            Place::File(path) => Pool::File(Box::new(FilePool::new(&settings, folder.join(path)))),
        };
        let inner = Inner {
            connection,
            product,
            settings,
            clock,
            pool,
            skew_us: AtomicI64::new(0),
            tables: Mutex::default(),
        };
        Ok(Database { inner: Arc::new(inner) })
    }

    pub(crate) fn name(&self) -> &ConnectionName {
        &self.inner.connection
    }

    pub(crate) fn product(&self) -> Product {
        self.inner.product
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// Where the tables of its captures are.
    pub(crate) fn home(&self) -> Home<'_> {
        Home { product: self.product(), name: &self.settings().home }
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
        self.located(whole(self.name(), error, false))
    }

    /// Where a file is concerned as a whole, it is named: `path` counts from the project's folder.
    pub(crate) fn located(&self, mut error: ConnectorError) -> ConnectorError {
        let failure = &mut error.failure;
        if let Pool::File(file) = self.pool()
            && failure.class == FailureClass::Unreachable
        {
            failure.message = format!("{}: {}", file.path().display(), failure.message);
        }
        error
    }

    pub(crate) fn refuse(
        &self,
        class: FailureClass,
        code: &str,
        message: impl Into<String>,
    ) -> ConnectorError {
        refused(self.name(), made(class, code, message))
    }

    /// Measures how far the server's clock is from ours, with the middle of the request as ours. A
    /// file has no clock of its own, but answers all the same, or tells why it can't.
    pub(crate) async fn measure(&self) -> Result<i64, ConnectorError> {
        let fail = |error| self.failed(error);
        let mut session = self.pool().acquire().await.map_err(fail)?;
        let Some(now) = catalog::now(self.product()) else {
            session.run(&catalog::sqlite::probe()).await.map_err(fail)?;
            return Ok(0);
        };
        let before = self.inner.clock.now();
        let answer = session.one(&now).await.map_err(fail)?;
        let theirs = answer.own_integer("now").map_err(fail)?;
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
        let mut session = self.pool().acquire().await.map_err(|error| self.failed(error))?;
        let known = self.load(&mut session, collection).await?;
        let known = Arc::new(known);
        let mut tables = self.inner.tables.lock().expect("no holder panics");
        tables.insert(key(collection), known.clone());
        Ok(known)
    }

    /// Asks the catalogue on a connection at hand; remembers nothing.
    pub(crate) async fn load(
        &self,
        session: &mut Session,
        collection: &Collection,
    ) -> Result<Known, ConnectorError> {
        let fail = |error| self.failed(error);
        let table = table::load(self.product(), session, &collection.name, &collection.key);
        let table = table.await.map_err(fail)?;
        let table = table.ok_or_else(|| {
            let text = format!("there is no table {}", collection.name);
            self.refuse(FailureClass::Permission, NO_COLLECTION, text)
        })?;
        self.check_key(collection, &table)?;
        let capture = Capture::of(self.home(), collection);
        let (standing, untimed) =
            capture::installed(session, &capture, &table).await.map_err(fail)?;
        Ok(Known { standing, untimed, table, at: self.time() })
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
            product: self.product(),
            owner: (collection.flow.as_str(), collection.side),
            table: &known.table,
            columns: self.columns(collection, &known.table)?,
            filter: collection.filter.as_deref(),
            capture: known.captured().then(|| Capture::of(self.home(), collection)),
            untimed: &known.untimed,
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
        let find =
            |name: &Column| table.column(name).ok_or_else(|| self.no_column(table, name.as_str()));
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

#[async_trait]
impl Connector for Database {
    fn connection(&self) -> &ConnectionName {
        self.name()
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: BATCH,
            read: READ,
            patience: std::time::Duration::ZERO,
            parallel: match self.product() {
                // One is left for detectors and reads.
                Product::Postgres => {
                    usize::try_from(self.settings().connections - 1).unwrap_or(1).max(1)
                }
                // A file has one writer at a time.
                Product::Sqlite => 1,
            },
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
