//! Leases with fencing tokens. A lease alone excludes nobody: the token does, where it is checked.

use super::Postgres;
use super::error::fault;
use crate::stored::checked;
use duet_core::stamp::Stamp;
use duet_ports::inspect::ProcessRow;
use duet_ports::store::{Lease, StoreError};
use std::time::Duration;

/// The row stays when a lease is given back, so that tokens only ever grow.
const TAKE: &str = "
INSERT INTO leases (name, holder, token, until) VALUES ($1, $2, 1, $3)
ON CONFLICT (name) DO UPDATE SET until = excluded.until,
    token = leases.token + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END,
    holder = excluded.holder
WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.until <= $4
RETURNING token, until";

const RELEASE: &str = "UPDATE leases SET holder = NULL, until = 0 WHERE name = $1 AND token = $2";

/// Two at once: the second waits for rows the first deletes, and finds them gone.
const FORGET_PROCESSES: &str = "DELETE FROM leases WHERE name LIKE 'process/%' AND until <= $1";

const PROCESSES: &str = "
SELECT substr(name, 9), until FROM leases
WHERE name LIKE 'process/%' AND holder IS NOT NULL AND until > $1
ORDER BY name";

impl Postgres {
    pub(super) async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
        now: Stamp,
    ) -> Result<Option<Lease>, StoreError> {
        self.ready().await?;
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let taken: Option<(i64, i64)> = sqlx::query_as(TAKE)
            .bind(checked("name of a lease", name)?)
            .bind(checked("holder of a lease", holder)?)
            .bind(now.plus(length).0)
            .bind(now.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault("take a lease"))?;
        Ok(taken.map(|(token, until)| Lease { name: name.to_owned(), token, until: Stamp(until) }))
    }

    pub(super) async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.ready().await?;
        sqlx::query(RELEASE)
            .bind(&lease.name)
            .bind(lease.token)
            .execute(&self.pool)
            .await
            .map_err(fault("give back a lease"))?;
        Ok(())
    }

    pub(super) async fn count_processes(&self, now: Stamp) -> Result<u32, StoreError> {
        self.ready().await?;
        let forget = sqlx::query(FORGET_PROCESSES).bind(now.0).execute(&self.pool);
        forget.await.map_err(fault("forget processes"))?;
        let live = self.list_processes(now).await?;
        Ok(u32::try_from(live.len()).unwrap_or(u32::MAX))
    }

    pub(super) async fn list_processes(&self, now: Stamp) -> Result<Vec<ProcessRow>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(PROCESSES)
            .bind(now.0)
            .fetch_all(&self.pool)
            .await
            .map_err(fault("list processes"))?;
        let row = |(process, until)| ProcessRow { process, until: Stamp(until) };
        Ok(rows.into_iter().map(row).collect())
    }
}
