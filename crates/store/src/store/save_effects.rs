//! Storing the effects of a batch: intents, conflicts, match keys, waits, and whom to wake.

use crate::effects::{Asked, Effects, Settle, Waited};
use crate::entity::{conflicts as conflict_rows, intents as intent_rows};
use crate::session::Session;
use crate::statement::{NOTHING, Query, Statement};
use crate::stored::{name_of, to_json};
use duet_core::id::{IntentId, LinkId};
use duet_core::stamp::Stamp;
use duet_ports::store::{CLAIMS_MAX, StoreError};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The last failure stays with an intent until there is a newer one.
pub(super) const SETTLE: Statement = Statement {
    what: "settle intents",
    postgres: "
UPDATE intents i SET state = n.state, due_at = n.due_at,
    failure = coalesce(n.failure::json, i.failure),
    landed_at = coalesce(n.landed_at, i.landed_at), attempts = coalesce(n.attempts, i.attempts)
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::integer[])
    AS n(id, state, due_at, landed_at, failure, attempts)
WHERE i.id = n.id",
    sqlite: "
UPDATE intents AS i SET state = n.state, due_at = n.due_at,
    failure = coalesce(n.failure, i.failure), landed_at = coalesce(n.landed_at, i.landed_at),
    attempts = coalesce(n.attempts, i.attempts)
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS state, value ->> 2 AS due_at,
        value ->> 3 AS landed_at, value ->> 4 AS failure, value ->> 5 AS attempts
    FROM json_each($1)) AS n
WHERE i.id = n.id",
};

/// A plan that is stored already is stored anew.
macro_rules! plan {
    ($rows:literal) => {
        concat!(
            "
INSERT INTO intents (id, link, flow, side, connection, op, path, state, record, attempts, due_at,
    sent_at, deadline, planned_at, landed_at, failure, form, data)
",
            $rows,
            "
ON CONFLICT (id) DO UPDATE SET connection = excluded.connection, op = excluded.op,
    path = excluded.path, state = excluded.state, record = excluded.record,
    attempts = excluded.attempts, due_at = excluded.due_at, sent_at = excluded.sent_at,
    deadline = excluded.deadline, planned_at = excluded.planned_at,
    landed_at = excluded.landed_at, failure = excluded.failure, form = excluded.form,
    data = excluded.data"
        )
    };
}

const PLAN: Statement = Statement {
    what: "store intents",
    postgres: plan!(
        "SELECT id, link, flow, side, connection, op, path, state, record, attempts, due_at, sent_at,
    deadline, planned_at, landed_at, failure::json, form, data::json
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::integer[], $11::bigint[], $12::bigint[], $13::bigint[],
        $14::bigint[], $15::bigint[], $16::text[], $17::smallint[], $18::text[])
    AS n(id, link, flow, side, connection, op, path, state, record, attempts, due_at, sent_at,
        deadline, planned_at, landed_at, failure, form, data)"
    ),
    sqlite: plan!(
        "SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
    value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11,
    value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 16, value ->> 17
FROM json_each($1) WHERE true"
    ),
};

/// What a conflict began with stays.
macro_rules! conflicts {
    ($rows:literal) => {
        concat!(
            "
INSERT INTO conflicts (id, link, flow, kind, field, seen, rev, state, reason, resolution,
    opened_at, until, closed_at, form, data)
",
            $rows,
            "
ON CONFLICT (id) DO UPDATE SET link = excluded.link, kind = excluded.kind,
    field = excluded.field, seen = excluded.seen, rev = excluded.rev, state = excluded.state,
    reason = excluded.reason, resolution = excluded.resolution, until = excluded.until,
    closed_at = excluded.closed_at, form = excluded.form, data = excluded.data"
        )
    };
}

const CONFLICTS: Statement = Statement {
    what: "store conflicts",
    postgres: conflicts!(
        "SELECT id, link, flow, kind, field, seen, rev, state, reason, resolution::json, opened_at, until,
    closed_at, form, data::json
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[],
        $13::bigint[], $14::smallint[], $15::text[])
    AS n(id, link, flow, kind, field, seen, rev, state, reason, resolution, opened_at, until,
        closed_at, form, data)"
    ),
    sqlite: conflicts!(
        "SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
    value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11,
    value ->> 12, value ->> 13, value ->> 14
FROM json_each($1) WHERE true"
    ),
};

pub(super) const UNCLAIM: Statement = Statement {
    what: "give up match keys",
    postgres: "
DELETE FROM claims c USING unnest($1::uuid[], $2::text[]) AS n(link, side)
WHERE c.link = n.link AND c.side = n.side",
    sqlite: "
DELETE FROM claims WHERE (link, side) IN (
    SELECT unhex(value ->> 0), value ->> 1 FROM json_each($1))",
};

/// One key is claimed by one transaction at a time, in one order everywhere: of two that claim it
/// at once the later one sees the other's claim, and wakes its link. Folded into 65,536 locks;
/// two keys that share one wait for each other and that is all.
const LOCK_KEYS: Statement = Statement {
    what: "claim match keys",
    postgres: "
SELECT pg_advisory_xact_lock(1685415284, place) FROM (
    SELECT DISTINCT hashtext(flow || chr(31) || rule || chr(31) || key) & 65535 AS place
    FROM unnest($1::text[], $2::integer[], $3::text[]) AS n(flow, rule, key)
    ORDER BY place) places",
    sqlite: NOTHING,
};

const CLAIM: Statement = Statement {
    what: "claim match keys",
    postgres: "
INSERT INTO claims (flow, rule, key, side, link)
SELECT flow, rule, key, side, link
FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::uuid[])
    WITH ORDINALITY AS n(flow, rule, key, side, link, number)
ORDER BY number
ON CONFLICT DO NOTHING",
    sqlite: "
INSERT INTO claims (flow, rule, key, side, link)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4)
FROM json_each($1) WHERE true
ON CONFLICT DO NOTHING",
};

const STOP_WAITING: Statement = Statement {
    what: "stop waiting",
    postgres: "DELETE FROM parent_waits WHERE link = ANY($1)",
    sqlite: "DELETE FROM parent_waits WHERE link IN (SELECT unhex(value) FROM json_each($1))",
};

const AWAIT: Statement = Statement {
    what: "wait for parents",
    postgres: "
INSERT INTO parent_waits (flow, side, record, link)
SELECT flow, side, record, link
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS n(flow, side, record, link)
ON CONFLICT DO NOTHING",
    sqlite: "
INSERT INTO parent_waits (flow, side, record, link)
SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3) FROM json_each($1) WHERE true
ON CONFLICT DO NOTHING",
};

const DELETES: Statement = Statement {
    what: "count deletions",
    postgres: "
INSERT INTO planned_deletes (flow, side, link, at)
SELECT flow, side, link, $4 FROM unnest($1::text[], $2::text[], $3::uuid[]) AS n(flow, side, link)",
    sqlite: "
INSERT INTO planned_deletes (flow, side, link, at)
SELECT value ->> 0, value ->> 1, unhex(value ->> 2), $4 FROM json_each($1)",
};

pub(super) const CHILDREN: Statement = Statement {
    what: "find children",
    postgres: "
SELECT w.link FROM unnest($1::text[], $2::text[], $3::text[]) AS n(flow, side, record)
JOIN parent_waits w ON w.flow = n.flow AND w.side = n.side AND w.record = n.record",
    sqlite: "
SELECT w.link FROM json_each($1) n CROSS JOIN parent_waits w
WHERE w.flow = n.value ->> 0 AND w.side = n.value ->> 1 AND w.record = n.value ->> 2",
};

/// A key that some links of a side held before tells nothing apart: who holds it knows so by then,
/// and was woken by each of those. Else every new record of a placeholder key woke all others.
pub(super) const HOLDERS: Statement = Statement {
    what: "find holders",
    postgres: "
SELECT c.link FROM unnest($1::text[], $2::integer[], $3::text[], $4::uuid[], $5::text[])
    AS n(flow, rule, key, link, side)
JOIN claims c ON c.flow = n.flow AND c.rule = n.rule AND c.key = n.key AND c.link <> n.link
WHERE (SELECT count(*) FROM (
    SELECT FROM claims e WHERE e.flow = n.flow AND e.rule = n.rule AND e.key = n.key
        AND e.side = n.side AND e.link <> ALL($4) LIMIT $6) earlier) < $6",
    sqlite: "
WITH n AS MATERIALIZED (
    SELECT value ->> 0 AS flow, value ->> 1 AS rule, value ->> 2 AS key,
        unhex(value ->> 3) AS link, value ->> 4 AS side
    FROM json_each($1)
)
SELECT c.link FROM n CROSS JOIN claims c
    ON c.flow = n.flow AND c.rule = n.rule AND c.key = n.key AND c.link <> n.link
WHERE (SELECT count(*) FROM (
    SELECT 1 FROM claims e WHERE e.flow = n.flow AND e.rule = n.rule AND e.key = n.key
        AND e.side = n.side AND e.link NOT IN (SELECT link FROM n) LIMIT $6)) < $6",
};

/// Never waits: a link that somebody else holds is being decided, and has a due time of its own.
pub(super) const DUE: Statement = Statement {
    what: "wake links",
    postgres: "
UPDATE links SET due_at = least(due_at, $2) WHERE id IN (
    SELECT id FROM links WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED)",
    sqlite: "
UPDATE links SET due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
WHERE id IN (SELECT unhex(value) FROM json_each($1))",
};

pub(super) async fn intents(
    session: &mut Session<'_>,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    settle(session, &effects.settles).await?;
    plan(session, effects).await?;
    settle(session, &effects.late_settles).await
}

async fn settle(
    session: &mut Session<'_>,
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
    let query = Query::new(&SETTLE)
        .column(settles.keys().map(|intent| intent.0))
        .column(settles.values().map(|settle| name_of(settle.state)))
        .column(settles.values().map(|settle| micros(settle.due_at)))
        .column(settles.values().map(|settle| micros(settle.landed_at)))
        .column(failures)
        .column(settles.values().map(|settle| settle.attempts));
    session.run(query).await
}

async fn plan(session: &mut Session<'_>, effects: &Effects<'_>) -> Result<(), StoreError> {
    if effects.plans.is_empty() {
        return Ok(());
    }
    let rows: Vec<intent_rows::Model> = effects
        .plans
        .values()
        .map(|intent| intent_rows::Model::of(intent))
        .collect::<Result<_, _>>()?;
    let query = Query::new(&PLAN)
        .column(rows.iter().map(|row| row.id))
        .column(rows.iter().map(|row| row.link))
        .column(rows.iter().map(|row| row.flow.as_str()))
        .column(rows.iter().map(|row| row.side.as_str()))
        .column(rows.iter().map(|row| row.connection.as_str()))
        .column(rows.iter().map(|row| row.op.as_str()))
        .column(rows.iter().map(|row| row.path.as_str()))
        .column(rows.iter().map(|row| row.state.as_str()))
        .column(rows.iter().map(|row| row.record.as_deref()))
        .column(rows.iter().map(|row| row.attempts))
        .column(rows.iter().map(|row| row.due_at))
        .column(rows.iter().map(|row| row.sent_at))
        .column(rows.iter().map(|row| row.deadline))
        .column(rows.iter().map(|row| row.planned_at))
        .column(rows.iter().map(|row| row.landed_at))
        .column(rows.iter().map(|row| row.failure.as_deref()))
        .column(rows.iter().map(|row| row.form))
        .column(rows.iter().map(|row| row.data.as_str()));
    session.run(query).await
}

pub(super) async fn conflicts(
    session: &mut Session<'_>,
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
    let query = Query::new(&CONFLICTS)
        .column(rows.iter().map(|row| row.id))
        .column(rows.iter().map(|row| row.link))
        .column(rows.iter().map(|row| row.flow.as_str()))
        .column(rows.iter().map(|row| row.kind.as_str()))
        .column(rows.iter().map(|row| row.field.as_deref()))
        .column(rows.iter().map(|row| row.seen.as_str()))
        .column(rows.iter().map(|row| row.rev))
        .column(rows.iter().map(|row| row.state.as_str()))
        .column(rows.iter().map(|row| row.reason.as_deref()))
        .column(rows.iter().map(|row| row.resolution.as_deref()))
        .column(rows.iter().map(|row| row.opened_at))
        .column(rows.iter().map(|row| row.until))
        .column(rows.iter().map(|row| row.closed_at))
        .column(rows.iter().map(|row| row.form))
        .column(rows.iter().map(|row| row.data.as_str()));
    session.run(query).await
}

pub(super) async fn claims(
    session: &mut Session<'_>,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if !effects.unclaims.is_empty() {
        let query = Query::new(&UNCLAIM)
            .column(effects.unclaims.iter().map(|row| row.0.0))
            .column(effects.unclaims.iter().map(|row| row.1.as_str()));
        session.run(query).await?;
    }
    if effects.claims.is_empty() {
        return Ok(());
    }
    let keys = Query::new(&LOCK_KEYS)
        .column(effects.claims.iter().map(|row| row.flow.as_str()))
        .column(effects.claims.iter().map(|row| row.rule))
        .column(effects.claims.iter().map(|row| row.key));
    session.run(keys).await?;
    let query = Query::new(&CLAIM)
        .column(effects.claims.iter().map(|row| row.flow.as_str()))
        .column(effects.claims.iter().map(|row| row.rule))
        .column(effects.claims.iter().map(|row| row.key))
        .column(effects.claims.iter().map(|row| row.side.as_str()))
        .column(effects.claims.iter().map(|row| row.link.0));
    session.run(query).await
}

pub(super) async fn waits(
    session: &mut Session<'_>,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if !effects.stops.is_empty() {
        let stops: Vec<Uuid> = effects.stops.iter().map(|link| link.0).collect();
        session.run(Query::new(&STOP_WAITING).list(stops)).await?;
    }
    if effects.awaits.is_empty() {
        return Ok(());
    }
    let query = Query::new(&AWAIT)
        .column(effects.awaits.iter().map(|row| row.1.flow.as_str()))
        .column(effects.awaits.iter().map(|row| row.1.side.as_str()))
        .column(effects.awaits.iter().map(|row| row.1.record.as_str()))
        .column(effects.awaits.iter().map(|row| row.0.0));
    session.run(query).await
}

pub(super) async fn deletes(
    session: &mut Session<'_>,
    effects: &Effects<'_>,
    now: Stamp,
) -> Result<(), StoreError> {
    if effects.deletes.is_empty() {
        return Ok(());
    }
    let query = Query::new(&DELETES)
        .column(effects.deletes.iter().map(|row| row.0.flow.as_str()))
        .column(effects.deletes.iter().map(|row| row.1.as_str()))
        .column(effects.deletes.iter().map(|row| row.0.id.0))
        .bind(now.0);
    session.run(query).await
}

/// Children of links that got a record, and holders of match keys that were asked for: made due,
/// and returned. Last of all, as it takes locks out of order.
pub(super) async fn wake(
    session: &mut Session<'_>,
    effects: &Effects<'_>,
    now: Stamp,
) -> Result<Vec<LinkId>, StoreError> {
    let mut woken = children(session, effects.arrived.iter().collect()).await?;
    woken.extend(holders(session, effects.claims.iter().collect()).await?);
    woken.sort_unstable();
    woken.dedup();
    if !woken.is_empty() {
        let due = Query::new(&DUE).list(woken.iter().copied()).bind(now.0);
        session.run(due).await?;
    }
    Ok(woken.into_iter().map(LinkId).collect())
}

async fn children(
    session: &mut Session<'_>,
    arrived: Vec<&Waited<'_>>,
) -> Result<Vec<Uuid>, StoreError> {
    if arrived.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new(&CHILDREN)
        .column(arrived.iter().map(|row| row.flow.as_str()))
        .column(arrived.iter().map(|row| row.side.as_str()))
        .column(arrived.iter().map(|row| row.record.as_str()));
    session.all(query).await?.iter().map(|row| row.get("link")).collect()
}

async fn holders(
    session: &mut Session<'_>,
    asked: Vec<&Asked<'_>>,
) -> Result<Vec<Uuid>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new(&HOLDERS)
        .column(asked.iter().map(|row| row.flow.as_str()))
        .column(asked.iter().map(|row| row.rule))
        .column(asked.iter().map(|row| row.key))
        .column(asked.iter().map(|row| row.link.0))
        .column(asked.iter().map(|row| row.side.as_str()))
        .bind(i64::try_from(CLAIMS_MAX).unwrap_or(i64::MAX));
    session.all(query).await?.iter().map(|row| row.get("link")).collect()
}
