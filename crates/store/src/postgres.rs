//! The store on PostgreSQL: a pool, options, and the port's methods, each in the file of its topic.
//! Hot statements are written by hand over arrays; lists go through the entities.

mod advance;
mod claim;
mod connect;
mod counts;
mod details;
mod due;
mod error;
mod facts;
mod field_errors;
mod inspect;
mod lease;
mod letters;
mod lists;
mod lock;
mod migrate;
mod neighbours;
mod people;
mod route;
mod rows;
mod save;
mod save_effects;
mod save_field_errors;
mod save_links;
mod store;
mod unit;

use duet_ports::store::StoreError;
use error::fault;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{PgPool, Postgres as Driver, Transaction};
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Begins every transaction: what is read after a wait must be what the other one committed.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// How to use a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The most connections at once.
    pub connections_max: u32,
    /// How long to try for a connection, a free one of the pool included.
    pub connect_timeout: Duration,
    /// The longest a statement may take before the database ends it.
    pub statement_timeout: Duration,
    /// The longest to wait for a row that another transaction holds.
    pub lock_timeout: Duration,
    /// The longest a transaction may stand idle: a process that hangs must not hold links.
    pub idle_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions {
            connections_max: 8,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// The store on PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    lists: DatabaseConnection,
    connect: PgConnectOptions,
    /// The schema was found to be the one this build needs.
    current: AtomicBool,
}

impl Postgres {
    /// Connects. Doesn't migrate: that is [`duet_ports::store::Store::migrate`]; until the schema
    /// is right every other method answers [`StoreError::NotMigrated`].
    ///
    /// # Errors
    /// When the address makes no sense, or the database can't be reached in time.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let connect = settings(url, &options)?;
        connect::try_once(&connect, options.connect_timeout).await?;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections_max.max(1))
            .acquire_timeout(options.connect_timeout)
            .connect_lazy_with(connect.clone());
        let lists = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        Ok(Postgres { pool, lists, connect, current: AtomicBool::new(false) })
    }

    /// Gives all connections back and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin_transaction(&self) -> Result<Transaction<'static, Driver>, StoreError> {
        self.ready().await?;
        self.pool.begin_with(BEGIN).await.map_err(fault("begin"))
    }
}

fn settings(url: &str, options: &PostgresOptions) -> Result<PgConnectOptions, StoreError> {
    let connect: PgConnectOptions = url.parse().map_err(fault("read the address"))?;
    let millis = |limit: Duration| limit.as_millis().to_string();
    let session = [
        // A statement here runs for milliseconds: compiling one never pays.
        ("jit", "off".to_owned()),
        ("statement_timeout", millis(options.statement_timeout)),
        ("lock_timeout", millis(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", millis(options.idle_timeout)),
    ];
    let connect = connect.application_name("duet").options(session);
    Ok(match connect.get_ssl_mode() {
        // Not asked for, and of no use here: the driver sends each TLS record by itself and leaves
        // Nagle's algorithm on, which holds every large statement up by 40 ms (decision 26).
        PgSslMode::Prefer if is_loopback(connect.get_host()) => {
            connect.ssl_mode(PgSslMode::Disable)
        }
        PgSslMode::Prefer
        | PgSslMode::Disable
        | PgSslMode::Allow
        | PgSslMode::Require
        | PgSslMode::VerifyCa
        | PgSslMode::VerifyFull => connect,
    })
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        settings(url, &PostgresOptions::default()).expect("an address").get_ssl_mode()
    }

    #[test]
    fn tls_is_left_out_on_this_machine_unless_asked_for() {
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let url = format!("postgres://duet@{host}/duet");
            assert!(matches!(mode(&url), PgSslMode::Disable), "{host}");
            assert!(matches!(mode(&format!("{url}?sslmode=require")), PgSslMode::Require));
        }
        assert!(matches!(mode("postgres://duet@db.example.test/duet"), PgSslMode::Prefer));
    }
}
