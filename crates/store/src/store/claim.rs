//! Intents on their way out: taken, given back.

use super::{SqlStore, rows};
use crate::session::Session;
use crate::statement::{NOTHING, Query, Statement};
use crate::stored::to_json;
use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId};
use duet_core::intent::Intent;
use duet_core::retry::Failure;
use duet_core::stamp::Stamp;
use duet_ports::store::{Claimed, Most, StoreError};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Locks the links of the oldest due intents that nobody holds, all of the kind of the oldest; of
/// writes that may wait for company ($6 is when they can't any more), those of a kind that fills a
/// call, looked for among the first of them.
/// It never waits, so no order of locking can lead to a deadlock; what it reads of intents is
/// looked at again by the statement that sends them, after the lock.
pub(super) const LOCK_DUE: Statement = Statement {
    what: "find due intents",
    postgres: "
WITH oldest AS MATERIALIZED (
    SELECT i.flow, i.side, i.op, i.path FROM intents i JOIN links l ON l.id = i.link
    WHERE i.connection = $1 AND i.state = 'planned' AND i.due_at <= $2 AND i.flow = ANY($3)
        AND (i.due_at <= $6 OR i.op IN ('read', 'find'))
        AND NOT EXISTS (SELECT FROM connections c WHERE c.name = $1 AND c.paused_until > $2)
    ORDER BY i.due_at, i.id LIMIT 1 FOR UPDATE OF l SKIP LOCKED
), enough AS MATERIALIZED (
    SELECT flow, side, op, path FROM (
        SELECT flow, side, op, path FROM intents
        WHERE connection = $1 AND state = 'planned' AND due_at <= $2 AND flow = ANY($3)
            AND $6 < $2 AND NOT EXISTS (SELECT FROM oldest)
            AND NOT EXISTS (SELECT FROM connections c WHERE c.name = $1 AND c.paused_until > $2)
        ORDER BY due_at, id LIMIT $4::bigint * 8) first
    GROUP BY flow, side, op, path HAVING count(*) >= $4::bigint LIMIT 1
), chosen AS (
    SELECT * FROM oldest UNION ALL SELECT * FROM enough
)
SELECT i.id, i.link FROM intents i JOIN links l ON l.id = i.link
WHERE i.connection = $1 AND i.state = 'planned' AND i.due_at <= $2
    AND (i.flow, i.side, i.op, i.path) = (SELECT flow, side, op, path FROM chosen)
ORDER BY i.due_at, i.id
LIMIT (SELECT CASE WHEN op IN ('read', 'find') THEN $5::bigint ELSE $4::bigint END FROM chosen)
FOR UPDATE OF l SKIP LOCKED",
    sqlite: "
WITH oldest AS MATERIALIZED (
    SELECT flow, side, op, path FROM intents
    WHERE connection = $1 AND state = 'planned' AND due_at <= $2
        AND flow IN (SELECT value FROM json_each($3))
        AND (due_at <= $6 OR op IN ('read', 'find'))
        AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.name = $1 AND c.paused_until > $2)
    ORDER BY due_at, id LIMIT 1
), enough AS MATERIALIZED (
    SELECT flow, side, op, path FROM (
        SELECT flow, side, op, path FROM intents
        WHERE connection = $1 AND state = 'planned' AND due_at <= $2
            AND flow IN (SELECT value FROM json_each($3))
            AND $6 < $2 AND NOT EXISTS (SELECT 1 FROM oldest)
            AND NOT EXISTS (SELECT 1 FROM connections c WHERE c.name = $1 AND c.paused_until > $2)
        ORDER BY due_at, id LIMIT $4 * 8)
    GROUP BY flow, side, op, path HAVING count(*) >= $4 LIMIT 1
), chosen AS (
    SELECT * FROM oldest UNION ALL SELECT * FROM enough
)
SELECT i.id, i.link FROM intents i
WHERE i.connection = $1 AND i.state = 'planned' AND i.due_at <= $2
    AND (i.flow, i.side, i.op, i.path) = (SELECT flow, side, op, path FROM chosen)
ORDER BY i.due_at, i.id
LIMIT coalesce((SELECT CASE WHEN op IN ('read', 'find') THEN $5 ELSE $4 END FROM chosen), 0)",
};

pub(super) const SEND: Statement = Statement {
    what: "send intents",
    postgres: "
UPDATE intents SET state = 'sent', sent_at = $3, deadline = $4, due_at = $4,
    attempts = attempts + 1
WHERE id = ANY($1) AND link = ANY($2) AND state = 'planned' AND due_at <= $3
RETURNING id, link, flow, side, connection, op, path, state, record, attempts, due_at, sent_at,
    deadline, planned_at, landed_at, failure::text AS failure, form, data",
    sqlite: "
UPDATE intents SET state = 'sent', sent_at = $3, deadline = $4, due_at = $4,
    attempts = attempts + 1
WHERE id IN (SELECT unhex(value) FROM json_each($1))
    AND +link IN (SELECT unhex(value) FROM json_each($2)) AND +state = 'planned' AND +due_at <= $3
RETURNING *",
};

const LOCK_OF: Statement = Statement {
    what: "lock links of intents",
    postgres: "
SELECT id FROM links WHERE id IN (SELECT link FROM intents WHERE id = ANY($1))
ORDER BY id FOR UPDATE",
    sqlite: NOTHING,
};

pub(super) const GIVE_BACK: Statement = Statement {
    what: "give back intents",
    postgres: "
UPDATE intents SET state = 'planned', due_at = $2, sent_at = NULL, deadline = NULL,
    attempts = greatest(attempts - 1, 0), failure = coalesce($3::json, failure)
WHERE id = ANY($1) AND state = 'sent'",
    sqlite: "
UPDATE intents SET state = 'planned', due_at = $2, sent_at = NULL, deadline = NULL,
    attempts = max(attempts - 1, 0), failure = coalesce($3, failure)
WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND +state = 'sent'",
};

impl SqlStore {
    pub(super) async fn claim_due(
        &self,
        connection: &ConnectionName,
        flows: &[FlowName],
        most: Most,
        now: Stamp,
        deadline: Stamp,
    ) -> Result<Option<Claimed>, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        let lock = Query::new(&LOCK_DUE)
            .bind(connection.as_str())
            .bind(now.0)
            .list(names(flows))
            .bind(i64::try_from(most.writes).unwrap_or(i64::MAX))
            .bind(i64::try_from(most.reads).unwrap_or(i64::MAX))
            .bind(now.0.saturating_sub(micros(most.patience)));
        let due = transaction.session().all(lock).await?;
        let intents: Vec<IntentId> =
            due.iter().map(|row| row.get("id").map(IntentId)).collect::<Result<_, _>>()?;
        let links: Vec<LinkId> =
            due.iter().map(|row| row.get("link").map(LinkId)).collect::<Result<_, _>>()?;
        let sent = send(&mut transaction.session(), &intents, &links, now, deadline).await?;
        transaction.commit("claim intents").await?;
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
        transaction.session().run(Query::new(&LOCK_OF).list(ids.iter().copied())).await?;
        let give_back = Query::new(&GIVE_BACK).list(ids).bind(due_at.0).bind(failure);
        transaction.session().run(give_back).await?;
        transaction.commit("give back intents").await
    }
}

/// Brings planned intents of locked links to *sent*; they come back in the order asked for.
async fn send(
    session: &mut Session<'_>,
    intents: &[IntentId],
    locked: &[LinkId],
    sent_at: Stamp,
    deadline: Stamp,
) -> Result<Vec<Intent>, StoreError> {
    if intents.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new(&SEND)
        .list(intents.iter().map(|intent| intent.0))
        .list(locked.iter().map(|link| link.0))
        .bind(sent_at.0)
        .bind(deadline.0);
    let rows = session.all(query).await?;
    let mut by_id = HashMap::with_capacity(rows.len());
    for row in &rows {
        let model = rows::intent(row)?;
        by_id.insert(IntentId(model.id), model.into_intent()?);
    }
    Ok(intents.iter().filter_map(|intent| by_id.remove(intent)).collect())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// Flows, for statements that take plain names.
pub(super) fn names(flows: &[FlowName]) -> impl Iterator<Item = &str> {
    flows.iter().map(FlowName::as_str)
}

fn claimed(intents: Vec<Intent>) -> Option<Claimed> {
    let first = intents.first()?;
    let (flow, side, op, path) = (first.flow.clone(), first.side, first.op, first.path);
    Some(Claimed { flow, side, op, path, intents })
}
