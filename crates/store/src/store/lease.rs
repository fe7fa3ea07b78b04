//! Leases with fencing tokens. A lease alone excludes nobody: the token does, where it is checked.

use super::SqlStore;
use crate::session::Row;
use crate::statement::{Query, Statement};
use crate::stored::checked;
use duet_core::stamp::Stamp;
use duet_ports::inspect::ProcessRow;
use duet_ports::store::{Lease, StoreError};
use std::time::Duration;

/// The row stays when a lease is given back, so that tokens only ever grow.
const TAKE: Statement = Statement::same(
    "take a lease",
    "
INSERT INTO leases (name, holder, token, until) VALUES ($1, $2, 1, $3)
ON CONFLICT (name) DO UPDATE SET until = excluded.until,
    token = leases.token + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END,
    holder = excluded.holder
WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.until <= $4
RETURNING token, until",
);

const RELEASE: Statement = Statement::same(
    "give back a lease",
    "UPDATE leases SET holder = NULL, until = 0 WHERE name = $1 AND token = $2",
);

/// Two at once: the second waits for rows the first deletes, and finds them gone.
const FORGET_PROCESSES: Statement = Statement::same(
    "forget processes",
    "DELETE FROM leases WHERE name LIKE 'process/%' AND until <= $1",
);

const PROCESSES: Statement = Statement::same(
    "list processes",
    "SELECT substr(name, 9) AS process, until FROM leases
WHERE name LIKE 'process/%' AND holder IS NOT NULL AND until > $1
ORDER BY name",
);

impl SqlStore {
    pub(super) async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
        now: Stamp,
    ) -> Result<Option<Lease>, StoreError> {
        self.ready().await?;
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let take = Query::new(&TAKE)
            .bind(checked("name of a lease", name)?)
            .bind(checked("holder of a lease", holder)?)
            .bind(now.plus(length).0)
            .bind(now.0);
        let lease = |row: Row| {
            let until = Stamp(row.get("until")?);
            Ok(Lease { name: name.to_owned(), token: row.get("token")?, until })
        };
        self.write(take).await?.map(lease).transpose()
    }

    pub(super) async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.ready().await?;
        self.write(Query::new(&RELEASE).bind(lease.name.as_str()).bind(lease.token)).await?;
        Ok(())
    }

    pub(super) async fn count_processes(&self, now: Stamp) -> Result<u32, StoreError> {
        self.ready().await?;
        self.write(Query::new(&FORGET_PROCESSES).bind(now.0)).await?;
        let live = self.list_processes(now).await?;
        Ok(u32::try_from(live.len()).unwrap_or(u32::MAX))
    }

    pub(super) async fn list_processes(&self, now: Stamp) -> Result<Vec<ProcessRow>, StoreError> {
        let process = |row: &Row| {
            Ok(ProcessRow { process: row.get("process")?, until: Stamp(row.get("until")?) })
        };
        self.all(Query::new(&PROCESSES).bind(now.0)).await?.iter().map(process).collect()
    }
}
