//! Locking links: ids in one order everywhere, and nothing else in the statement. What belongs to a
//! link is read by later statements, whose snapshots are taken after the wait.

use super::error::fault;
use duet_core::id::LinkId;
use duet_ports::store::StoreError;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

const LOCK: &str = "
SELECT id, rev FROM links WHERE id = ANY($1) AND phase <> 'joined' ORDER BY id FOR UPDATE";

const LOCK_FREE: &str = "
SELECT id, rev FROM links WHERE id = ANY($1) AND phase <> 'joined' ORDER BY id
FOR UPDATE SKIP LOCKED";

const TOUCH: &str = "UPDATE links SET due_at = $2 WHERE id = ANY($1)";

pub(super) async fn lock(
    connection: &mut PgConnection,
    links: &[LinkId],
    skip_locked: bool,
) -> Result<Vec<(LinkId, i64)>, StoreError> {
    let rows = sqlx::query(if skip_locked { LOCK_FREE } else { LOCK })
        .bind(uuids(links))
        .fetch_all(connection)
        .await
        .map_err(fault("lock links"))?;
    rows.iter()
        .map(|row| Ok((LinkId(row.try_get("id")?), row.try_get("rev")?)))
        .collect::<Result<_, sqlx::Error>>()
        .map_err(fault("lock links"))
}

pub(super) async fn touch(
    connection: &mut PgConnection,
    links: &[LinkId],
    due_at: i64,
) -> Result<(), StoreError> {
    sqlx::query(TOUCH)
        .bind(uuids(links))
        .bind(due_at)
        .execute(connection)
        .await
        .map_err(fault("move due links"))?;
    Ok(())
}

pub(super) fn uuids(links: &[LinkId]) -> Vec<Uuid> {
    links.iter().map(|link| link.0).collect()
}
