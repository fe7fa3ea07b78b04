//! What is due: links to look at again, connections with work, calls without an answer.

use super::Postgres;
use super::claim::names;
use super::error::fault;
use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId};
use duet_core::stamp::Stamp;
use duet_ports::store::StoreError;
use uuid::Uuid;

/// How far a link that is woken moves on: it is looked at again if the wake-up is lost.
const MOVE_ON_SECONDS: i64 = 60;

/// Taken once and for all: a plan may run a subquery with a limit again for every row.
const LINKS: &str = "
WITH due AS MATERIALIZED (
    SELECT id FROM links WHERE due_at <= $1 AND flow = ANY($4)
    ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE links l SET due_at = $3 FROM due WHERE l.id = due.id RETURNING l.id";

const CONNECTIONS: &str = "
SELECT DISTINCT i.connection FROM intents i
WHERE i.state = 'planned' AND i.due_at <= $1 AND i.flow = ANY($2)
    AND NOT EXISTS (SELECT FROM connections c WHERE c.name = i.connection AND c.paused_until > $1)
ORDER BY i.connection";

/// A paused connection's calls are settled too: to find out what became of them needs a read, and
/// that waits for the connection.
const OVERDUE: &str = "
SELECT link, id FROM intents WHERE state = 'sent' AND deadline <= $1 AND flow = ANY($3)
ORDER BY deadline, id LIMIT $2";

impl Postgres {
    pub(super) async fn take_due_links(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        let mut due: Vec<Uuid> = sqlx::query_scalar(LINKS)
            .bind(now.0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(now.plus_seconds(MOVE_ON_SECONDS).0)
            .bind(names(flows))
            .fetch_all(&mut *transaction)
            .await
            .map_err(fault("find due links"))?;
        transaction.commit().await.map_err(fault("move due links"))?;
        due.sort_unstable();
        Ok(due.into_iter().map(LinkId).collect())
    }

    pub(super) async fn find_due_intents(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<(Vec<ConnectionName>, Vec<(LinkId, IntentId)>), StoreError> {
        self.ready().await?;
        let connections: Vec<String> = sqlx::query_scalar(CONNECTIONS)
            .bind(now.0)
            .bind(names(flows))
            .fetch_all(&self.pool)
            .await
            .map_err(fault("find due intents"))?;
        let overdue: Vec<(Uuid, Uuid)> = sqlx::query_as(OVERDUE)
            .bind(now.0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(names(flows))
            .fetch_all(&self.pool)
            .await
            .map_err(fault("find overdue intents"))?;
        let connections = connections.into_iter().map(ConnectionName::new).collect();
        let overdue = overdue.into_iter().map(|(link, id)| (LinkId(link), IntentId(id))).collect();
        Ok((connections, overdue))
    }
}
