//! A PostgreSQL database of a test's own, and the means to look behind the store's back.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use async_trait::async_trait;
use duet_ports::store::Store;
use duet_store::{Postgres, PostgresOptions};
use duet_testkit::servers::{Database, postgres};
use duet_testkit::store_contract::StoreRig;
use sqlx::{Connection, PgConnection};

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
    pub(crate) async fn connect(&self) -> Postgres {
        connect(self.database.url()).await
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn plain(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.expect("the database is up")
    }
}

pub(crate) async fn connect(url: &str) -> Postgres {
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

    async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut plain = self.plain().await;
        sqlx::query_scalar(waiting).fetch_one(&mut plain).await.expect("it answers")
    }

    async fn cut(&self) {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'duet'";
        let mut plain = self.plain().await;
        sqlx::query(cut).execute(&mut plain).await.expect("the user may end its own connections");
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
