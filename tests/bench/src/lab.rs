//! The servers that everything is measured on: a broker and a database server of the bench's own,
//! on free ports and folders that go when it ends. LIMIT and duet use the same ones, each run with a
//! fresh database and a fresh virtual host.

use crate::child;
use crate::error::BenchError;
use crate::flow;
use crate::processes::{Servers, parent};
use crate::scale::Scale;
use crate::seed;
use crate::stage;
use crate::watch::Watch;
use duet_ports::store::Store;
use duet_testkit::servers::{
    PrivatePostgres, PrivateRabbit, private_postgres_with, private_rabbitmq_with,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

/// LIMIT spreads keys over its queues by it; duet needs no plugin.
const PLUGIN: &str = "rabbitmq_consistent_hash_exchange";
/// As when the limits were first measured. Files are synced: a commit is one.
const SETTINGS: [&str; 2] = ["shared_buffers=1GB", "max_wal_size=4GB"];

/// Servers, made when the first row asks for them.
pub(crate) struct Lab {
    /// How much is measured.
    pub(crate) scale: Scale,
    /// LIMIT.
    pub(crate) limit: PathBuf,
    /// For files.
    pub(crate) folder: TempDir,
    running: OnceCell<Running>,
    /// Databases with links, by their number of keys: copied for each run.
    seeded: Mutex<BTreeMap<u64, String>>,
    made: Mutex<u32>,
}

/// Servers that run.
pub(crate) struct Running {
    postgres: PrivatePostgres,
    broker: PrivateRabbit,
    /// Their processes.
    pub(crate) servers: Servers,
}

impl Lab {
    /// A lab without servers yet.
    pub(crate) fn new(scale: Scale) -> Result<Lab, BenchError> {
        Ok(Lab {
            scale,
            limit: child::beside("duet-bench-limit")?,
            folder: TempDir::with_prefix("duet-bench-").map_err(BenchError::io("make a folder"))?,
            running: OnceCell::new(),
            seeded: Mutex::default(),
            made: Mutex::default(),
        })
    }

    /// The servers.
    pub(crate) async fn running(&self) -> Result<&Running, BenchError> {
        self.running.get_or_try_init(Running::start).await
    }

    /// The servers, if a row asked for them already.
    pub(crate) fn started(&self) -> Option<&Running> {
        self.running.get()
    }

    /// A number that was not given before.
    async fn number(&self) -> u32 {
        let mut made = self.made.lock().await;
        *made += 1;
        *made
    }

    /// An empty database.
    pub(crate) async fn database(&self) -> Result<String, BenchError> {
        let name = format!("bench_{}", self.number().await);
        let running = self.running().await?;
        running.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(running.database(&name))
    }

    /// A database of duet's with links for so many keys.
    pub(crate) async fn linked(&self, keys: u64) -> Result<String, BenchError> {
        let template = self.template(keys).await?;
        let name = format!("bench_{}", self.number().await);
        let running = self.running().await?;
        running.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        running.execute_in(&name, "ANALYZE").await?;
        running.execute("CHECKPOINT").await?;
        Ok(running.database(&name))
    }

    async fn template(&self, keys: u64) -> Result<String, BenchError> {
        let mut seeded = self.seeded.lock().await;
        if let Some(name) = seeded.get(&keys) {
            return Ok(name.clone());
        }
        let (name, running, watch) =
            (format!("seed_{keys}"), self.running().await?, Watch::start());
        running.execute(&format!("CREATE DATABASE {name}")).await?;
        let store = stage::store(&running.database(&name)).await?;
        store.migrate().await?;
        seed::links(store.as_ref(), &flow::spec()?, keys).await?;
        store.close().await;
        running.execute_in(&name, "VACUUM ANALYZE").await?;
        note(&format!("made links for {keys} keys in {:.0} s", watch.seconds()));
        seeded.insert(keys, name.clone());
        Ok(name)
    }

    /// Forgets a database: the next run must not pay for it.
    pub(crate) async fn drop_database(&self, url: &str) -> Result<(), BenchError> {
        self.drop_named(url.rsplit('/').next().unwrap_or_default()).await
    }

    /// The same, by its name.
    pub(crate) async fn drop_named(&self, name: &str) -> Result<(), BenchError> {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.running().await?.execute(&drop).await
    }

    /// The address of an empty virtual host, and its name.
    pub(crate) async fn virtual_host(&self) -> Result<(String, String), BenchError> {
        let name = format!("bench{}", self.number().await);
        let running = self.running().await?;
        let all = "<<\".*\">>, <<\".*\">>, <<\".*\">>";
        running.broker.evaluate(&format!(
            "rabbit_vhost:add(<<\"{name}\">>, <<\"bench\">>), \
             rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, <<\"{name}\">>, \
             {all}, <<\"bench\">>)."
        ))?;
        Ok((running.broker.url_of(&name), name))
    }

    /// Forgets a virtual host with its queues.
    pub(crate) async fn drop_virtual_host(&self, name: &str) -> Result<(), BenchError> {
        let running = self.running().await?;
        let drop = format!("rabbit_vhost:delete(<<\"{name}\">>, <<\"bench\">>).");
        running.broker.evaluate(&drop)?;
        Ok(())
    }

    /// What LIMIT reads from its environment.
    pub(crate) async fn limit_variables(
        &self,
        database: &str,
    ) -> Result<Vec<(&'static str, String)>, BenchError> {
        let Running { broker, servers, .. } = self.running().await?;
        Ok(vec![
            ("AMQP_URL", broker.url()),
            ("DATABASE_URL", database.to_owned()),
            ("LIMIT_BROKER_PID", servers.broker.to_string()),
            ("LIMIT_POSTGRES_PID", servers.postgres.to_string()),
            ("LIMIT_JSON", "1".to_owned()),
            ("LIMIT_TRIES", "1".to_owned()),
        ])
    }

    /// Ends the servers in order.
    pub(crate) fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.broker.stop();
            running.postgres.stop();
        }
    }
}

impl Running {
    async fn start() -> Result<Running, BenchError> {
        note("starting a broker and a database server");
        let broker = private_rabbitmq_with(&[PLUGIN]).await?;
        let postgres = private_postgres_with(&SETTINGS).await?;
        let id = broker.evaluate("os:getpid().")?;
        let digits: String = id.chars().filter(char::is_ascii_digit).collect();
        let broker_id = digits
            .parse()
            .map_err(|_| BenchError::Check(format!("the broker told no process: {id}")))?;
        let mut connection = PgConnection::connect(postgres.url()).await?;
        let backend: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let first = u32::try_from(backend).ok().and_then(parent);
        let servers = Servers { broker: broker_id, postgres: first.unwrap_or_default() };
        Ok(Running { postgres, broker, servers })
    }

    /// The database server's port.
    pub(crate) fn port(&self) -> u16 {
        self.postgres.port()
    }

    fn database(&self, name: &str) -> String {
        let base = self.postgres.url().rsplit_once('/').map_or("", |(base, _)| base);
        format!("{base}/{name}")
    }

    async fn execute(&self, statement: &str) -> Result<(), BenchError> {
        execute(self.postgres.url(), statement).await
    }

    async fn execute_in(&self, name: &str, statement: &str) -> Result<(), BenchError> {
        execute(&self.database(name), statement).await
    }
}

async fn execute(url: &str, statement: &str) -> Result<(), BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// A line about what goes on, beside the results.
#[expect(clippy::print_stderr, reason = "the bench is a command of its own")]
pub(crate) fn note(line: &str) {
    eprintln!("bench: {line}");
}
