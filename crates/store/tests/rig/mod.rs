//! A database of a test's own, PostgreSQL or SQLite, and the means to look behind the store's back.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use duet_ports::store::Store;
use duet_store::{Postgres, PostgresOptions, SqlStore, Sqlite, SqliteOptions};
use duet_testkit::servers::{Database, postgres};
use duet_testkit::store_contract::{Keeps, StoreRig};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// A fresh database with the schema.
pub(crate) struct PostgresRig {
    database: Database,
}

impl PostgresRig {
    pub(crate) async fn new() -> Self {
        let database = postgres().await.expect("a database can be made");
        let rig = PostgresRig { database };
        rig.connect().await.migrate().await.expect("an empty database can be migrated");
        rig
    }

    /// The address of the migrated database.
    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    /// A client of the store, with few connections.
    pub(crate) async fn connect(&self) -> SqlStore {
        connect(self.database.url()).await
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn plain(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.expect("the database is up")
    }
}

pub(crate) async fn connect(url: &str) -> SqlStore {
    let options = PostgresOptions { connections_max: 4, ..PostgresOptions::default() };
    Postgres::connect(url, options).await.expect("the database is up")
}

#[async_trait]
impl StoreRig for PostgresRig {
    async fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.connect().await)
    }

    async fn bare(&self) -> Arc<dyn Store> {
        // As good as another database: nothing of the first one is found from here.
        let mut plain = self.plain().await;
        sqlx::query("CREATE SCHEMA IF NOT EXISTS bare").execute(&mut plain).await.expect("made");
        Arc::new(connect(&format!("{}?options[search_path]=bare", self.url())).await)
    }

    fn keeps(&self) -> Keeps {
        Keeps::Links
    }

    async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut plain = self.plain().await;
        sqlx::query_scalar(waiting).fetch_one(&mut plain).await.expect("it answers")
    }

    async fn cut(&self) -> bool {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'duet'";
        let mut plain = self.plain().await;
        sqlx::query(cut).execute(&mut plain).await.expect("the user may end its own connections");
        true
    }

    async fn tamper_with_decisions(&self) -> bool {
        let mut plain = self.plain().await;
        let attempts =
            ["UPDATE decisions SET rule = 'other'", "DELETE FROM decisions", "TRUNCATE decisions"];
        for attempt in attempts {
            if sqlx::query(attempt).execute(&mut plain).await.is_ok() {
                return true;
            }
        }
        false
    }
}

/// A file with the schema, in a folder of its own.
pub(crate) struct SqliteRig {
    folder: TempDir,
    /// Who may wait.
    clients: Mutex<Vec<Arc<SqlStore>>>,
}

impl SqliteRig {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let rig = SqliteRig { folder, clients: Mutex::default() };
        rig.open().await.migrate().await.expect("an empty file can be migrated");
        rig
    }

    /// The file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("duet.db")
    }

    /// A client of the store.
    pub(crate) async fn open(&self) -> Arc<SqlStore> {
        self.open_file("duet.db").await
    }

    async fn open_file(&self, name: &str) -> Arc<SqlStore> {
        let options = SqliteOptions { create: true, ..SqliteOptions::default() };
        let store = Sqlite::open(&self.folder.path().join(name), options).await;
        let store = Arc::new(store.expect("the file can be opened"));
        self.clients.lock().expect("nobody panicked").push(Arc::clone(&store));
        store
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn plain(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file());
        options.connect().await.expect("the file can be opened")
    }
}

#[async_trait]
impl StoreRig for SqliteRig {
    async fn store(&self) -> Arc<dyn Store> {
        self.open().await
    }

    async fn bare(&self) -> Arc<dyn Store> {
        self.open_file("bare.db").await
    }

    fn keeps(&self) -> Keeps {
        Keeps::Everything
    }

    async fn waiting(&self) -> i64 {
        let clients = self.clients.lock().expect("nobody panicked");
        let waiting: usize = clients.iter().map(|store| store.waiting()).sum();
        i64::try_from(waiting).expect("a small number")
    }

    async fn cut(&self) -> bool {
        false
    }

    async fn tamper_with_decisions(&self) -> bool {
        let mut plain = self.plain().await;
        let attempts = [
            "UPDATE decisions SET rule = 'other'",
            "DELETE FROM decisions",
            "REPLACE INTO decisions SELECT * FROM decisions",
        ];
        for attempt in attempts {
            if sqlx::query(attempt).execute(&mut plain).await.is_ok() {
                return true;
            }
        }
        false
    }
}
