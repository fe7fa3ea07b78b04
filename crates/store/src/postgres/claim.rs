//! Intents on their way out: taken, given back.

use super::error::fault;
use super::save_links::run;
use super::{Postgres, rows};
use crate::stored::to_json;
use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId};
use duet_core::intent::Intent;
use duet_core::retry::Failure;
use duet_core::stamp::Stamp;
use duet_ports::store::{Claimed, Most, StoreError};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// Locks the links of the oldest due intents that nobody holds, all of the kind of the oldest.
/// It never waits, so no order of locking can lead to a deadlock; what it reads of intents is
/// looked at again by the statement that sends them, after the lock.
const LOCK_DUE: &str = "
WITH oldest AS MATERIALIZED (
    SELECT i.flow, i.side, i.op, i.path FROM intents i JOIN links l ON l.id = i.link
    WHERE i.connection = $1 AND i.state = 'planned' AND i.due_at <= $2 AND i.flow = ANY($3)
        AND NOT EXISTS (SELECT FROM connections c WHERE c.name = $1 AND c.paused_until > $2)
    ORDER BY i.due_at, i.id LIMIT 1 FOR UPDATE OF l SKIP LOCKED
)
SELECT i.id, i.link FROM oldest o
    JOIN intents i ON i.flow = o.flow AND i.side = o.side AND i.op = o.op AND i.path = o.path
    JOIN links l ON l.id = i.link
WHERE i.connection = $1 AND i.state = 'planned' AND i.due_at <= $2
ORDER BY i.due_at, i.id
LIMIT (SELECT CASE WHEN op IN ('read', 'find') THEN $5::bigint ELSE $4::bigint END FROM oldest)
FOR UPDATE OF l SKIP LOCKED";

const SEND: &str = "
UPDATE intents SET state = 'sent', sent_at = $3, deadline = $4, due_at = $4,
    attempts = attempts + 1
WHERE id = ANY($1) AND link = ANY($2) AND state = 'planned' AND due_at <= $3
RETURNING id, link, flow, side, connection, op, path, state, record, attempts, due_at, sent_at,
    deadline, planned_at, landed_at, failure::text AS failure, form, data::text AS data";

const LOCK_OF: &str = "
SELECT id FROM links WHERE id IN (SELECT link FROM intents WHERE id = ANY($1))
ORDER BY id FOR UPDATE";

const GIVE_BACK: &str = "
UPDATE intents SET state = 'planned', due_at = $2, sent_at = NULL, deadline = NULL,
    attempts = greatest(attempts - 1, 0), failure = coalesce($3::json, failure)
WHERE id = ANY($1) AND state = 'sent'";

impl Postgres {
    pub(super) async fn claim_due(
        &self,
        connection: &ConnectionName,
        flows: &[FlowName],
        most: Most,
        now: Stamp,
        deadline: Stamp,
    ) -> Result<Option<Claimed>, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        let due: Vec<(Uuid, Uuid)> = sqlx::query_as(LOCK_DUE)
            .bind(connection.as_str())
            .bind(now.0)
            .bind(names(flows))
            .bind(i64::try_from(most.writes).unwrap_or(i64::MAX))
            .bind(i64::try_from(most.reads).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .map_err(fault("find due intents"))?;
        let intents: Vec<IntentId> = due.iter().map(|row| IntentId(row.0)).collect();
        let links: Vec<LinkId> = due.iter().map(|row| LinkId(row.1)).collect();
        let sent = send(&mut transaction, &intents, &links, now, deadline).await?;
        transaction.commit().await.map_err(fault("claim intents"))?;
        Ok(claimed(sent))
    }

    pub(super) async fn give_back(
        &self,
        intents: &[IntentId],
        due_at: Stamp,
        failure: Option<&Failure>,
    ) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = intents.iter().map(|intent| intent.0).collect();
        let failure = failure.map(|failure| to_json("failure", failure)).transpose()?;
        let mut transaction = self.begin_transaction().await?;
        let lock = sqlx::query(LOCK_OF).bind(&ids);
        run(&mut transaction, "lock links of intents", lock).await?;
        let give_back = sqlx::query(GIVE_BACK).bind(&ids).bind(due_at.0).bind(failure);
        run(&mut transaction, "give back intents", give_back).await?;
        transaction.commit().await.map_err(fault("give back intents"))
    }
}

/// Brings planned intents of locked links to *sent*; they come back in the order asked for.
pub(super) async fn send(
    connection: &mut PgConnection,
    intents: &[IntentId],
    locked: &[LinkId],
    sent_at: Stamp,
    deadline: Stamp,
) -> Result<Vec<Intent>, StoreError> {
    if intents.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(SEND)
        .bind(intents.iter().map(|intent| intent.0).collect::<Vec<_>>())
        .bind(locked.iter().map(|link| link.0).collect::<Vec<_>>())
        .bind(sent_at.0)
        .bind(deadline.0)
        .fetch_all(connection)
        .await
        .map_err(fault("send intents"))?;
    let mut by_id = HashMap::with_capacity(rows.len());
    for row in &rows {
        let model = rows::intent(row).map_err(fault("send intents"))?;
        by_id.insert(IntentId(model.id), model.into_intent()?);
    }
    Ok(intents.iter().filter_map(|intent| by_id.remove(intent)).collect())
}

/// Flows, for statements that take plain names.
pub(super) fn names(flows: &[FlowName]) -> Vec<&str> {
    flows.iter().map(FlowName::as_str).collect()
}

fn claimed(intents: Vec<Intent>) -> Option<Claimed> {
    let first = intents.first()?;
    let (flow, side, op, path) = (first.flow.clone(), first.side, first.op, first.path);
    Some(Claimed { flow, side, op, path, intents })
}
