//! Storing the effects of a batch: intents, conflicts, match keys, waits, and whom to wake.

use super::error::fault;
use super::save_links::run;
use crate::effects::{Asked, Effects, Settle, Waited};
use crate::entity::{conflicts as conflict_rows, intents as intent_rows};
use crate::stored::{name_of, to_json};
use duet_core::id::{IntentId, LinkId};
use duet_core::stamp::Stamp;
use duet_ports::store::{CLAIMS_MAX, StoreError};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The last failure stays with an intent until there is a newer one.
const SETTLE: &str = "
UPDATE intents i SET state = n.state, due_at = n.due_at,
    failure = coalesce(n.failure::json, i.failure),
    landed_at = coalesce(n.landed_at, i.landed_at), attempts = coalesce(n.attempts, i.attempts)
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::integer[])
    AS n(id, state, due_at, landed_at, failure, attempts)
WHERE i.id = n.id";

const PLAN: &str = "
INSERT INTO intents (id, link, flow, side, connection, op, path, state, record, attempts, due_at,
    sent_at, deadline, planned_at, landed_at, failure, form, data)
SELECT id, link, flow, side, connection, op, path, state, record, attempts, due_at, sent_at,
    deadline, planned_at, landed_at, failure::json, form, data::json
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::integer[], $11::bigint[], $12::bigint[], $13::bigint[],
        $14::bigint[], $15::bigint[], $16::text[], $17::smallint[], $18::text[])
    AS n(id, link, flow, side, connection, op, path, state, record, attempts, due_at, sent_at,
        deadline, planned_at, landed_at, failure, form, data)
ON CONFLICT (id) DO UPDATE SET connection = excluded.connection, op = excluded.op,
    path = excluded.path, state = excluded.state, record = excluded.record,
    attempts = excluded.attempts, due_at = excluded.due_at, sent_at = excluded.sent_at,
    deadline = excluded.deadline, planned_at = excluded.planned_at,
    landed_at = excluded.landed_at, failure = excluded.failure, form = excluded.form,
    data = excluded.data";

const CONFLICTS: &str = "
INSERT INTO conflicts (id, link, flow, kind, field, seen, rev, state, reason, resolution,
    opened_at, until, closed_at, form, data)
SELECT id, link, flow, kind, field, seen, rev, state, reason, resolution::json, opened_at, until,
    closed_at, form, data::json
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[],
        $13::bigint[], $14::smallint[], $15::text[])
    AS n(id, link, flow, kind, field, seen, rev, state, reason, resolution, opened_at, until,
        closed_at, form, data)
ON CONFLICT (id) DO UPDATE SET link = excluded.link, kind = excluded.kind,
    field = excluded.field, seen = excluded.seen, rev = excluded.rev, state = excluded.state,
    reason = excluded.reason, resolution = excluded.resolution, until = excluded.until,
    closed_at = excluded.closed_at, form = excluded.form, data = excluded.data";

const UNCLAIM: &str = "
DELETE FROM claims c USING unnest($1::uuid[], $2::text[]) AS n(link, side)
WHERE c.link = n.link AND c.side = n.side";

/// One key is claimed by one transaction at a time, in one order everywhere: of two that claim it
/// at once the later one sees the other's claim, and wakes its link. Folded into 65,536 locks;
/// two keys that share one wait for each other and that is all.
const LOCK_KEYS: &str = "
SELECT pg_advisory_xact_lock(1685415284, place) FROM (
    SELECT DISTINCT hashtext(flow || chr(31) || rule || chr(31) || key) & 65535 AS place
    FROM unnest($1::text[], $2::integer[], $3::text[]) AS n(flow, rule, key)
    ORDER BY place) places";

const CLAIM: &str = "
INSERT INTO claims (flow, rule, key, side, link)
SELECT flow, rule, key, side, link
FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::uuid[])
    WITH ORDINALITY AS n(flow, rule, key, side, link, number)
ORDER BY number
ON CONFLICT DO NOTHING";

const STOP_WAITING: &str = "DELETE FROM parent_waits WHERE link = ANY($1)";

const AWAIT: &str = "
INSERT INTO parent_waits (flow, side, record, link)
SELECT flow, side, record, link
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS n(flow, side, record, link)
ON CONFLICT DO NOTHING";

const DELETES: &str = "
INSERT INTO planned_deletes (flow, side, link, at)
SELECT flow, side, link, $4 FROM unnest($1::text[], $2::text[], $3::uuid[]) AS n(flow, side, link)";

const CHILDREN: &str = "
SELECT w.link FROM unnest($1::text[], $2::text[], $3::text[]) AS n(flow, side, record)
JOIN parent_waits w ON w.flow = n.flow AND w.side = n.side AND w.record = n.record";

/// A key that some links of a side held before tells nothing apart: who holds it knows so by then,
/// and was woken by each of those. Else every new record of a placeholder key woke all others.
const HOLDERS: &str = "
SELECT c.link FROM unnest($1::text[], $2::integer[], $3::text[], $4::uuid[], $5::text[])
    AS n(flow, rule, key, link, side)
JOIN claims c ON c.flow = n.flow AND c.rule = n.rule AND c.key = n.key AND c.link <> n.link
WHERE (SELECT count(*) FROM (
    SELECT FROM claims e WHERE e.flow = n.flow AND e.rule = n.rule AND e.key = n.key
        AND e.side = n.side AND e.link <> ALL($4) LIMIT $6) earlier) < $6";

/// Never waits: a link that somebody else holds is being decided, and has a due time of its own.
const DUE: &str = "
UPDATE links SET due_at = least(due_at, $2) WHERE id IN (
    SELECT id FROM links WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED)";

pub(super) async fn intents(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    settle(connection, &effects.settles).await?;
    plan(connection, effects).await?;
    settle(connection, &effects.late_settles).await
}

async fn settle(
    connection: &mut PgConnection,
    settles: &BTreeMap<IntentId, Settle<'_>>,
) -> Result<(), StoreError> {
    if settles.is_empty() {
        return Ok(());
    }
    let failures: Vec<Option<String>> = settles
        .values()
        .map(|settle| settle.failure.map(|failure| to_json("failure", failure)).transpose())
        .collect::<Result<_, _>>()?;
    let micros = |stamp: Option<Stamp>| stamp.map(|stamp| stamp.0);
    let query = sqlx::query(SETTLE)
        .bind(settles.keys().map(|intent| intent.0).collect::<Vec<_>>())
        .bind(settles.values().map(|settle| name_of(settle.state)).collect::<Vec<_>>())
        .bind(settles.values().map(|settle| micros(settle.due_at)).collect::<Vec<_>>())
        .bind(settles.values().map(|settle| micros(settle.landed_at)).collect::<Vec<_>>())
        .bind(failures)
        .bind(settles.values().map(|settle| settle.attempts).collect::<Vec<_>>());
    run(connection, "settle intents", query).await
}

async fn plan(connection: &mut PgConnection, effects: &Effects<'_>) -> Result<(), StoreError> {
    if effects.plans.is_empty() {
        return Ok(());
    }
    let rows: Vec<intent_rows::Model> = effects
        .plans
        .values()
        .map(|intent| intent_rows::Model::of(intent))
        .collect::<Result<_, _>>()?;
    let query = sqlx::query(PLAN)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.link).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.side.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.connection.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.op.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.path.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.record.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.attempts).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.due_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.sent_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.deadline).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.planned_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.landed_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.failure.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.form).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.data.as_str()).collect::<Vec<_>>());
    run(connection, "store intents", query).await
}

pub(super) async fn conflicts(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if effects.conflicts.is_empty() {
        return Ok(());
    }
    let rows: Vec<conflict_rows::Model> = effects
        .conflicts
        .values()
        .map(|conflict| conflict_rows::Model::of(conflict))
        .collect::<Result<_, _>>()?;
    let query = sqlx::query(CONFLICTS)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.link).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.field.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.seen.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.rev).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.reason.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.resolution.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.opened_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.until).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.closed_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.form).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.data.as_str()).collect::<Vec<_>>());
    run(connection, "store conflicts", query).await
}

pub(super) async fn claims(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if !effects.unclaims.is_empty() {
        let query = sqlx::query(UNCLAIM)
            .bind(effects.unclaims.iter().map(|row| row.0.0).collect::<Vec<_>>())
            .bind(effects.unclaims.iter().map(|row| row.1.as_str()).collect::<Vec<_>>());
        run(connection, "give up match keys", query).await?;
    }
    if effects.claims.is_empty() {
        return Ok(());
    }
    let keys = sqlx::query(LOCK_KEYS)
        .bind(effects.claims.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>())
        .bind(effects.claims.iter().map(|row| row.rule).collect::<Vec<_>>())
        .bind(effects.claims.iter().map(|row| row.key).collect::<Vec<_>>());
    run(connection, "claim match keys", keys).await?;
    let query = sqlx::query(CLAIM)
        .bind(effects.claims.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>())
        .bind(effects.claims.iter().map(|row| row.rule).collect::<Vec<_>>())
        .bind(effects.claims.iter().map(|row| row.key).collect::<Vec<_>>())
        .bind(effects.claims.iter().map(|row| row.side.as_str()).collect::<Vec<_>>())
        .bind(effects.claims.iter().map(|row| row.link.0).collect::<Vec<_>>());
    run(connection, "claim match keys", query).await
}

pub(super) async fn waits(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if !effects.stops.is_empty() {
        let stops: Vec<Uuid> = effects.stops.iter().map(|link| link.0).collect();
        run(connection, "stop waiting", sqlx::query(STOP_WAITING).bind(stops)).await?;
    }
    if effects.awaits.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(AWAIT)
        .bind(effects.awaits.iter().map(|row| row.1.flow.as_str()).collect::<Vec<_>>())
        .bind(effects.awaits.iter().map(|row| row.1.side.as_str()).collect::<Vec<_>>())
        .bind(effects.awaits.iter().map(|row| row.1.record.as_str()).collect::<Vec<_>>())
        .bind(effects.awaits.iter().map(|row| row.0.0).collect::<Vec<_>>());
    run(connection, "wait for parents", query).await
}

pub(super) async fn deletes(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
    now: Stamp,
) -> Result<(), StoreError> {
    if effects.deletes.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(DELETES)
        .bind(effects.deletes.iter().map(|row| row.0.flow.as_str()).collect::<Vec<_>>())
        .bind(effects.deletes.iter().map(|row| row.1.as_str()).collect::<Vec<_>>())
        .bind(effects.deletes.iter().map(|row| row.0.id.0).collect::<Vec<_>>())
        .bind(now.0);
    run(connection, "count deletions", query).await
}

/// Children of links that got a record, and holders of match keys that were asked for: made due,
/// and returned. Last of all, as it takes locks out of order.
pub(super) async fn wake(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
    now: Stamp,
) -> Result<Vec<LinkId>, StoreError> {
    let mut woken = children(connection, effects.arrived.iter().collect()).await?;
    woken.extend(holders(connection, effects.claims.iter().collect()).await?);
    woken.sort_unstable();
    woken.dedup();
    if !woken.is_empty() {
        run(connection, "wake links", sqlx::query(DUE).bind(&woken).bind(now.0)).await?;
    }
    Ok(woken.into_iter().map(LinkId).collect())
}

async fn children(
    connection: &mut PgConnection,
    arrived: Vec<&Waited<'_>>,
) -> Result<Vec<Uuid>, StoreError> {
    if arrived.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(CHILDREN)
        .bind(arrived.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>())
        .bind(arrived.iter().map(|row| row.side.as_str()).collect::<Vec<_>>())
        .bind(arrived.iter().map(|row| row.record.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(fault("find children"))
}

async fn holders(
    connection: &mut PgConnection,
    asked: Vec<&Asked<'_>>,
) -> Result<Vec<Uuid>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(HOLDERS)
        .bind(asked.iter().map(|row| row.flow.as_str()).collect::<Vec<_>>())
        .bind(asked.iter().map(|row| row.rule).collect::<Vec<_>>())
        .bind(asked.iter().map(|row| row.key).collect::<Vec<_>>())
        .bind(asked.iter().map(|row| row.link.0).collect::<Vec<_>>())
        .bind(asked.iter().map(|row| row.side.as_str()).collect::<Vec<_>>())
        .bind(i64::try_from(CLAIMS_MAX).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(fault("find holders"))
}
