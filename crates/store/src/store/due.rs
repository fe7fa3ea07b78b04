//! What is due: links to look at again, connections with work, calls without an answer.

use super::SqlStore;
use super::claim::names;
use crate::session::Row;
use crate::statement::{Query, Statement};
use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId};
use duet_core::stamp::Stamp;
use duet_ports::store::StoreError;

/// How far a link that is woken moves on: it is looked at again if the wake-up is lost.
const MOVE_ON_SECONDS: i64 = 60;

/// Taken once and for all: a plan may run a subquery with a limit again for every row.
pub(super) const LINKS: Statement = Statement {
    what: "find due links",
    postgres: "
WITH due AS MATERIALIZED (
    SELECT id FROM links WHERE due_at <= $1 AND flow = ANY($4)
    ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE links l SET due_at = $3 FROM due WHERE l.id = due.id RETURNING l.id",
    sqlite: "
UPDATE links SET due_at = $3 WHERE id IN (
    SELECT id FROM links WHERE due_at <= $1 AND +flow IN (SELECT value FROM json_each($4))
    ORDER BY due_at, id LIMIT $2)
RETURNING id",
};

pub(super) const CONNECTIONS: Statement = Statement {
    what: "find due intents",
    postgres: "
SELECT DISTINCT i.connection FROM intents i
WHERE i.state = 'planned' AND i.due_at <= $1 AND i.flow = ANY($2)
    AND NOT EXISTS (SELECT FROM connections c WHERE c.name = i.connection AND c.paused_until > $1)
ORDER BY i.connection",
    sqlite: "
WITH RECURSIVE planned(connection) AS (
    SELECT min(connection) FROM intents WHERE state = 'planned'
    UNION ALL
    SELECT (SELECT min(i.connection) FROM intents i
        WHERE i.state = 'planned' AND i.connection > planned.connection)
    FROM planned WHERE connection IS NOT NULL
)
SELECT connection FROM planned
WHERE EXISTS (SELECT 1 FROM intents i WHERE i.connection = planned.connection
        AND i.state = 'planned' AND i.due_at <= $1
        AND +i.flow IN (SELECT value FROM json_each($2)))
    AND NOT EXISTS (
        SELECT 1 FROM connections c WHERE c.name = planned.connection AND c.paused_until > $1)
ORDER BY connection",
};

/// A paused connection's calls are settled too: to find out what became of them needs a read, and
/// that waits for the connection.
pub(super) const OVERDUE: Statement = Statement {
    what: "find overdue intents",
    postgres: "
SELECT link, id FROM intents WHERE state = 'sent' AND deadline <= $1 AND flow = ANY($3)
ORDER BY deadline, id LIMIT $2",
    sqlite: "
SELECT link, id FROM intents WHERE state = 'sent' AND deadline <= $1
    AND flow IN (SELECT value FROM json_each($3))
ORDER BY deadline, id LIMIT $2",
};

impl SqlStore {
    pub(super) async fn take_due_links(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        let take = Query::new(&LINKS)
            .bind(now.0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(now.plus_seconds(MOVE_ON_SECONDS).0)
            .list(names(flows));
        let rows = transaction.session().all(take).await?;
        transaction.commit("move due links").await?;
        let mut due: Vec<LinkId> =
            rows.iter().map(|row| row.get("id").map(LinkId)).collect::<Result<_, _>>()?;
        due.sort_unstable();
        Ok(due)
    }

    pub(super) async fn find_due_intents(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<(Vec<ConnectionName>, Vec<(LinkId, IntentId)>), StoreError> {
        self.ready().await?;
        let due = Query::new(&CONNECTIONS).bind(now.0).list(names(flows));
        let connections = self.all(due).await?;
        let overdue = Query::new(&OVERDUE)
            .bind(now.0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .list(names(flows));
        let overdue = self.all(overdue).await?;
        let connection = |row: &Row| row.get::<String>("connection").map(ConnectionName::new);
        let call = |row: &Row| Ok((LinkId(row.get("link")?), IntentId(row.get("id")?)));
        Ok((
            connections.iter().map(connection).collect::<Result<_, _>>()?,
            overdue.iter().map(call).collect::<Result<_, StoreError>>()?,
        ))
    }
}
