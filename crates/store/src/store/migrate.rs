//! The schema: brought up to date on request, and looked at before anything else is done.

use super::{Database, SqlStore};
use crate::migrations::{self, Migrator};
use crate::postgres::error::fault;
use crate::sqlite::Pools;
use crate::statement::{Query, Statement};
use duet_ports::store::StoreError;
use sea_orm_migration::MigratorTrait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The name of the lock that keeps two migrations apart ("duet" in hexadecimal digits of ASCII).
const LOCK: i64 = 0x6475_6574;

/// How long to wait for another process that migrates.
const WAIT: Duration = Duration::from_secs(300);

const KNOWN: Statement = Statement {
    what: "read the schema's version",
    postgres: "SELECT to_regclass($1) IS NOT NULL",
    sqlite: "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)",
};

const APPLIED: Statement =
    Statement::same("read the schema's version", "SELECT version FROM migrations ORDER BY version");

impl SqlStore {
    /// Applies what is missing and returns the names of what was applied.
    pub(super) async fn bring_up_to_date(&self) -> Result<Vec<String>, StoreError> {
        let before = match &self.database {
            Database::Postgres(pool) => self.migrate_postgres(pool.options()).await?,
            Database::Sqlite(pools) => self.migrate_sqlite(pools).await?,
        };
        self.current.store(true, Ordering::Release);
        Ok(migrations::names().into_iter().filter(|name| !before.contains(name)).collect())
    }

    /// Under a lock of a connection of its own: it lives as long as that does, whatever happens here.
    async fn migrate_postgres(
        &self,
        options: &PgConnectOptions,
    ) -> Result<Vec<String>, StoreError> {
        let mut lock = PgConnection::connect_with(options).await.map_err(fault("migrate"))?;
        take_lock(&mut lock).await?;
        let before = self.applied().await?.unwrap_or_default();
        refuse_newer(&before)?;
        Migrator::up(&self.lists, None).await.map_err(self.list_fault("migrate"))?;
        lock.close().await.map_err(fault("migrate"))?;
        Ok(before)
    }

    /// As one transaction: all of it, or nothing. What was there before is read beside it. A file that
    /// is up to date is only read: whoever opens it waits for no writer.
    async fn migrate_sqlite(&self, pools: &Pools) -> Result<Vec<String>, StoreError> {
        let before = self.applied().await?.unwrap_or_default();
        refuse_newer(&before)?;
        if migrations::names().iter().all(|name| before.contains(name)) {
            return Ok(before);
        }
        let transaction = pools.begin_migration().await?;
        let before = self.applied().await?.unwrap_or_default();
        refuse_newer(&before)?;
        Migrator::up(&transaction, None).await.map_err(self.list_fault("migrate"))?;
        transaction.commit().await.map_err(self.list_fault("migrate"))?;
        Ok(before)
    }

    /// Checks once that the schema is the one this build needs.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        if self.current.load(Ordering::Acquire) {
            return Ok(());
        }
        let applied = self.applied().await?.unwrap_or_default();
        refuse_newer(&applied)?;
        let missing: Vec<String> =
            migrations::names().into_iter().filter(|name| !applied.contains(name)).collect();
        if !missing.is_empty() {
            let reason = format!("not applied yet: {}", missing.join(", "));
            return Err(StoreError::NotMigrated { reason });
        }
        self.current.store(true, Ordering::Release);
        Ok(())
    }

    /// The names of applied migrations; `None` where none ever was.
    async fn applied(&self) -> Result<Option<Vec<String>>, StoreError> {
        let known: bool = self.one(Query::new(&KNOWN).bind(migrations::TABLE)).await?.get(0)?;
        if !known {
            return Ok(None);
        }
        let rows = self.all(Query::new(&APPLIED)).await?;
        rows.iter().map(|row| row.get("version")).collect::<Result<_, _>>().map(Some)
    }
}

async fn take_lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    let wait = WAIT.as_millis();
    let patience = format!("SET statement_timeout = {wait}; SET lock_timeout = {wait}");
    sqlx::raw_sql(AssertSqlSafe(patience))
        .execute(&mut *connection)
        .await
        .map_err(fault("migrate"))?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(connection)
        .await
        .map_err(fault("wait for another migration"))?;
    Ok(())
}

fn refuse_newer(applied: &[String]) -> Result<(), StoreError> {
    let ours = migrations::names();
    match applied.iter().find(|name| !ours.contains(name)) {
        Some(name) => {
            let reason = format!("{name} was applied by a newer duet; use that one");
            Err(StoreError::NotMigrated { reason })
        }
        None => Ok(()),
    }
}
