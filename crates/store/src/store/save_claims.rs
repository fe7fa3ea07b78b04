//! Storing match keys and waits for parents, and whom either wakes.

use crate::effects::{Asked, Effects, Waited};
use crate::session::Session;
use crate::statement::{NOTHING, Query, Statement};
use duet_core::id::LinkId;
use duet_core::stamp::Stamp;
use duet_ports::store::{CLAIMS_MAX, StoreError};
use uuid::Uuid;

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
