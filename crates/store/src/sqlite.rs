//! SQLite: one file, one writer at a time. One connection writes, a few others read, and what they
//! read is never held up by what is being written (write-ahead log).
//!
//! A transaction that may write begins as such and waits for its turn before it reads anything:
//! facts that were loaded in it stay true until its end. Within the process the turns are taken in
//! order; other processes are asked for theirs again and again until patience ends.

pub(crate) mod error;
mod file;

use crate::session::{Connection, Transaction};
use crate::store::{Database, SqlStore};
use duet_ports::store::StoreError;
use error::{advised, fault, list_fault};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, SqlxSqliteConnector,
    TransactionOptions, TransactionTrait,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Begins every transaction that may write.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// How long SQLite itself asks for another process's lock before the turn is given back: so short
/// that a waiter comes in between two transactions of a process that is always at work.
const ASKING: Duration = Duration::from_millis(25);

/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(1);

/// Every statement of this crate, with room for those of lists.
const STATEMENTS: usize = 256;

/// As many rows as a batch has are handed over in one go.
const ROWS: usize = 256;

/// The most that the log keeps of the disk once it was written back.
const LOG_BYTES: &str = "67108864";

/// How to use a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Makes the file where there is none. Its folder is never made.
    pub create: bool,
    /// The most connections that read at once.
    pub readers_max: u32,
    /// The longest to wait for another transaction, of this process or another, to end.
    pub busy_timeout: Duration,
    /// Whether what is committed outlives the machine. Without it, it outlives the process only: for
    /// state that can be made again, such as a simulation's.
    pub durable: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            create: false,
            readers_max: 4,
            busy_timeout: Duration::from_secs(10),
            durable: true,
        }
    }
}

/// The store in a SQLite file.
#[derive(Debug)]
pub struct Sqlite;

impl Sqlite {
    /// Opens a file, which other processes may have open too. Doesn't migrate: that is
    /// [`duet_ports::store::Store::migrate`]; until the schema is right every other method answers
    /// [`StoreError::NotMigrated`]. A file that is made here belongs to its user alone (0600).
    ///
    /// # Errors
    /// When there is no such file and it isn't to be made, or it can't be opened, read or written,
    /// or isn't a database; [`StoreError::Busy`] when another process keeps it locked.
    pub async fn open(path: &Path, options: SqliteOptions) -> Result<SqlStore, StoreError> {
        Ok(SqlStore::new(Database::Sqlite(Pools::open(path, options).await?)))
    }
}

/// Connections to a file.
#[derive(Debug)]
pub(crate) struct Pools {
    writer: SqlitePool,
    readers: SqlitePool,
    file: Arc<Path>,
    patience: Duration,
    waiting: AtomicUsize,
}

/// Counts one that waits, as long as it does.
struct Waiter<'p>(&'p AtomicUsize);

impl<'p> Waiter<'p> {
    fn counted(waiting: &'p AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Waiter(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pools {
    async fn open(path: &Path, options: SqliteOptions) -> Result<Pools, StoreError> {
        let file: Arc<Path> = file::found(path, options.create).await?.into();
        let patience = options.busy_timeout;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(patience)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // SQLite ends a transaction by itself where the disk fails it, and the driver, which
            // doesn't know, would take every later one for a part of it. What it has been asked to
            // do is done when it answers.
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_lazy_with(writing(&file, options.durable));
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers_max.max(1))
            .acquire_timeout(patience)
            .test_before_acquire(false)
            .connect_lazy_with(reading(&file, patience));
        let pools = Pools { writer, readers, file, patience, waiting: AtomicUsize::new(0) };
        pools.try_once().await?;
        Ok(pools)
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The reading connections, for lists.
    pub(crate) fn lists(&self) -> DatabaseConnection {
        SqlxSqliteConnector::from_sqlx_sqlite_pool(self.readers.clone())
    }

    pub(crate) async fn reader(&self, what: &'static str) -> Result<Connection, StoreError> {
        let connection = self.readers.acquire().await.map_err(fault(what, &self.file))?;
        Ok(Connection::Sqlite(connection, Arc::clone(&self.file)))
    }

    /// Begins a transaction that may write; waits for its turn.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        let begun = match self.writer.try_begin_with(BEGIN).await {
            Ok(Some(begun)) => begun,
            Ok(None) => self.wait_and_begin().await?,
            Err(error) => match fault("begin", &self.file)(error) {
                StoreError::Busy { .. } => self.wait_and_begin().await?,
                other => return Err(other),
            },
        };
        Ok(Transaction::Sqlite(begun, Arc::clone(&self.file)))
    }

    async fn wait_and_begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        let begin =
            async || self.writer.begin_with(BEGIN).await.map_err(fault("begin", &self.file));
        self.patiently("begin", begin).await
    }

    /// Begins a transaction of the list layer that may write, to migrate in.
    pub(crate) async fn begin_migration(&self) -> Result<DatabaseTransaction, StoreError> {
        let lists = SqlxSqliteConnector::from_sqlx_sqlite_pool(self.writer.clone());
        let begin = || async {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            let begun = lists.begin_with_options(options).await;
            begun.map_err(list_fault("migrate", &self.file))
        };
        self.patiently("migrate", begin).await
    }

    /// The first connection, made at once, so that a file that can't be worked with is told. It puts
    /// the file into the mode in which reading and writing don't wait for each other.
    async fn try_once(&self) -> Result<(), StoreError> {
        let look = || async {
            let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&self.writer).await;
            mode.map_err(fault("open", &self.file))
        };
        let mode: String = self.patiently("open", look).await?;
        if mode == "wal" {
            return Ok(());
        }
        let advice = "the file can't have a write-ahead log; keep it on a disk of this machine";
        let place = Some(self.file.display().to_string());
        Err(StoreError::Unreachable { what: "open", place, source: advised(advice, None) })
    }

    /// Tries again while others are in the way, as long as patience lasts.
    async fn patiently<T, F>(
        &self,
        what: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let _waiter = Waiter::counted(&self.waiting);
        let tries = async {
            loop {
                match attempt().await {
                    Err(StoreError::Busy { .. }) => sleep(PAUSE).await,
                    done => return done,
                }
            }
        };
        timeout(self.patience, tries).await.unwrap_or_else(|_| Err(self.locked(what)))
    }

    fn locked(&self, what: &'static str) -> StoreError {
        let advice = format!(
            "{} was locked for {} s; end what keeps it locked, or try again",
            self.file.display(),
            self.patience.as_secs_f32(),
        );
        StoreError::Busy { what, source: advised(advice, None) }
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(PathBuf::from(file))
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROWS)
        .pragma("temp_store", "MEMORY")
}

fn writing(file: &Path, durable: bool) -> SqliteConnectOptions {
    let wal = options(file).journal_mode(SqliteJournalMode::Wal);
    let wal = if durable { wal } else { wal.synchronous(SqliteSynchronous::Off) };
    wal.pragma("journal_size_limit", LOG_BYTES).busy_timeout(ASKING)
}

fn reading(file: &Path, patience: Duration) -> SqliteConnectOptions {
    options(file).pragma("query_only", "ON").busy_timeout(patience)
}

#[cfg(test)]
mod tests {
    //! Shows what is told where the disk fails a transaction, and that the next one is a new one.

    use super::*;
    use crate::statement::{Query, Statement};
    use tempfile::TempDir;

    const MAKE: Statement = Statement::same("make", "CREATE TABLE t (x BLOB)");
    const WRITE: Statement = Statement::same("write", "INSERT INTO t VALUES (zeroblob(100000))");
    const COUNT: Statement = Statement::same("count", "SELECT count(*) FROM t");
    const CRAMPED: Statement = Statement::same("cramp", "PRAGMA max_page_count = 20");
    const FORBID: Statement = Statement::same("forbid", "PRAGMA query_only = ON");

    async fn pools() -> (TempDir, Pools) {
        let folder = TempDir::new().expect("a folder can be made");
        let options = SqliteOptions { create: true, ..SqliteOptions::default() };
        let pools = Pools::open(&folder.path().join("duet.db"), options).await.expect("it opens");
        write(&pools, &MAKE).await.expect("it is empty");
        (folder, pools)
    }

    async fn write(pools: &Pools, statement: &'static Statement) -> Result<(), StoreError> {
        let mut transaction = pools.begin().await?;
        transaction.session().run(Query::new(statement)).await?;
        transaction.commit("commit").await
    }

    async fn count(pools: &Pools) -> i64 {
        let mut reader = pools.reader("count").await.expect("there is one");
        let row = reader.session().first(Query::new(&COUNT)).await.expect("it answers");
        row.expect("one row").get(0).expect("a number")
    }

    /// What the one connection that writes is told when it was made to fail.
    async fn failed(pools: &Pools, fail: &'static Statement) -> String {
        let mut writer = pools.writer.acquire().await.expect("it is there");
        let mut session = crate::session::Session::Sqlite(&mut writer, &pools.file);
        session.run(Query::new(fail)).await.expect("it is set");
        drop(writer);
        let error = write(pools, &WRITE).await.expect_err("it can't be written");
        let StoreError::Unreachable { place: Some(place), source, .. } = &error else {
            panic!("another error: {error:?}");
        };
        assert_eq!(*place, pools.file.display().to_string());
        assert!(source.source().is_some(), "SQLite's own words come with it");
        source.to_string()
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_the_next_transaction_is_a_new_one() {
        let (_folder, pools) = pools().await;
        let told = failed(&pools, &CRAMPED).await;
        assert!(told.contains("no room left on its disk"), "{told}");
        assert_eq!(count(&pools).await, 0);
        // The limit went with its connection, as the full disk does in the end.
        write(&pools, &WRITE).await.expect("there is room again");
        assert_eq!(count(&pools).await, 1);
    }

    #[tokio::test]
    async fn a_file_that_is_read_only_is_told() {
        let (_folder, pools) = pools().await;
        let told = failed(&pools, &FORBID).await;
        assert!(told.contains("the right to write it"), "{told}");
    }

    #[tokio::test]
    async fn a_transaction_that_is_given_up_while_it_waits_leaves_no_trace() {
        let (_folder, pools) = pools().await;
        let first = pools.begin().await.expect("nobody else is there");
        {
            let second = pools.begin();
            tokio::pin!(second);
            tokio::select! {
                _ = second.as_mut() => panic!("it waits for the first one"),
                () = async {
                    while pools.waiting() == 0 {
                        tokio::task::yield_now().await;
                    }
                } => {}
            }
        }
        assert_eq!(pools.waiting(), 0);
        drop(first);
        write(&pools, &WRITE).await.expect("nobody holds anything");
    }
}
