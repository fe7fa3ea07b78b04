//! The schema: brought up to date on request, and looked at before anything else is done.

use super::{Postgres, error::fault, error::list_fault};
use crate::migrations::{self, Migrator, TABLE};
use duet_ports::store::StoreError;
use sea_orm_migration::MigratorTrait;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The name of the lock that keeps two migrations apart ("duet" in hexadecimal digits of ASCII).
const LOCK: i64 = 0x6475_6574;

/// How long to wait for another process that migrates.
const WAIT: Duration = Duration::from_secs(300);

impl Postgres {
    /// Applies what is missing and returns the names of what was applied.
    pub(super) async fn bring_up_to_date(&self) -> Result<Vec<String>, StoreError> {
        // A connection of its own: the lock lives as long as it does, whatever happens here.
        let mut lock = PgConnection::connect_with(&self.connect).await.map_err(fault("migrate"))?;
        take_lock(&mut lock).await?;
        let before = self.applied().await?.unwrap_or_default();
        refuse_newer(&before)?;
        Migrator::up(&self.lists, None).await.map_err(list_fault("migrate"))?;
        lock.close().await.map_err(fault("migrate"))?;
        self.current.store(true, Ordering::Release);
        Ok(migrations::names().into_iter().filter(|name| !before.contains(name)).collect())
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
        let known: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(TABLE)
            .fetch_one(&self.pool)
            .await
            .map_err(fault("read the schema's version"))?;
        if !known {
            return Ok(None);
        }
        let names = AssertSqlSafe(format!("SELECT version FROM {TABLE} ORDER BY version"));
        let names = sqlx::query_scalar(names).fetch_all(&self.pool).await;
        names.map(Some).map_err(fault("read the schema's version"))
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
