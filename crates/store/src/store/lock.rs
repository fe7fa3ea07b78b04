//! Locking links: ids in one order everywhere, and nothing else in the statement. What belongs to a
//! link is read by later statements, whose snapshots are taken after the wait.

use crate::session::Session;
use crate::statement::{Query, Statement};
use duet_core::id::LinkId;
use duet_ports::store::StoreError;
use uuid::Uuid;

/// Where a transaction keeps all others out, there is nothing to lock, and nothing to skip.
const ALONE: &str = "
SELECT id, rev FROM links WHERE id IN (SELECT unhex(value) FROM json_each($1))
    AND phase <> 'joined'
ORDER BY id";

pub(super) const LOCK: Statement = Statement {
    what: "lock links",
    postgres: "
SELECT id, rev FROM links WHERE id = ANY($1) AND phase <> 'joined' ORDER BY id FOR UPDATE",
    sqlite: ALONE,
};

const LOCK_FREE: Statement = Statement {
    what: "lock links",
    postgres: "
SELECT id, rev FROM links WHERE id = ANY($1) AND phase <> 'joined' ORDER BY id
FOR UPDATE SKIP LOCKED",
    sqlite: ALONE,
};

pub(super) const TOUCH: Statement = Statement {
    what: "move due links",
    postgres: "UPDATE links SET due_at = $2 WHERE id = ANY($1)",
    sqlite: "
UPDATE links SET due_at = $2 WHERE id IN (SELECT unhex(value) FROM json_each($1))",
};

pub(super) async fn lock(
    session: &mut Session<'_>,
    links: &[LinkId],
    skip_locked: bool,
) -> Result<Vec<(LinkId, i64)>, StoreError> {
    let lock = Query::new(if skip_locked { &LOCK_FREE } else { &LOCK });
    let rows = session.all(lock.list(uuids(links))).await?;
    rows.iter().map(|row| Ok((LinkId(row.get("id")?), row.get("rev")?))).collect()
}

pub(super) async fn touch(
    session: &mut Session<'_>,
    links: &[LinkId],
    due_at: i64,
) -> Result<(), StoreError> {
    session.run(Query::new(&TOUCH).list(uuids(links)).bind(due_at)).await
}

pub(super) fn uuids(links: &[LinkId]) -> Vec<Uuid> {
    links.iter().map(|link| link.0).collect()
}
