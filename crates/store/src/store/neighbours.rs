//! Facts about other links: who holds match keys and records, and the links of parents. Read
//! without locks: what they say may have changed by the next look, which the claims make harmless.

use super::facts::{aliases, plain};
use crate::effects::rule_number;
use crate::session::{Row, Session};
use crate::statement::{Query, Statement};
use crate::stored::{FORM, checked, from_json, from_name, to_json};
use duet_core::facts::{Claim, Holder, Parent, Rival};
use duet_core::id::{Column, FlowName, LinkId, RecordId};
use duet_core::side::{Both, Side};
use duet_core::value::Value;
use duet_ports::store::{CLAIMS_MAX, StoreError};
use uuid::Uuid;

/// A side's first claims of a key are enough: more of them tell the same, that it is ambiguous.
pub(super) const CLAIMS: Statement = Statement {
    what: "load match keys",
    postgres: "
SELECT c.flow, c.rule, c.key, c.side, c.link, l.phase, l.left_id, l.right_id,
    EXISTS (SELECT FROM intents i WHERE i.link = c.link AND i.op = 'create'
        AND i.op IN ('create', 'update', 'delete', 'undelete')
        AND i.state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')) AS creating
FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::integer[], $3::text[])
    AS a(flow, rule, key)) n
CROSS JOIN (VALUES ('left'), ('right')) s(side)
CROSS JOIN LATERAL (
    SELECT * FROM claims
    WHERE flow = n.flow AND rule = n.rule AND key = n.key AND claims.side = s.side
    ORDER BY link LIMIT $4
) c
JOIN links l ON l.id = c.link
ORDER BY c.flow, c.rule, c.key, c.side, c.link",
    sqlite: "
WITH n AS MATERIALIZED (
    SELECT DISTINCT value ->> 0 AS flow, value ->> 1 AS rule, value ->> 2 AS key FROM json_each($1)
), s(side) AS (VALUES ('left'), ('right')), c AS (
    SELECT n.flow, n.rule, n.key, s.side, unhex(first.value) AS link
    FROM n CROSS JOIN s CROSS JOIN json_each((
        SELECT json_group_array(hex(link)) FROM (
            SELECT link FROM claims e
            WHERE e.flow = n.flow AND e.rule = n.rule AND e.key = n.key AND e.side = s.side
            ORDER BY link LIMIT $4))) AS first
)
SELECT c.flow, c.rule, c.key, c.side, c.link, l.phase, l.left_id, l.right_id,
    EXISTS (SELECT 1 FROM intents i INDEXED BY intents_open_write
        WHERE i.link = c.link AND i.op = 'create'
        AND i.op IN ('create', 'update', 'delete', 'undelete')
        AND i.state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')) AS creating
FROM c CROSS JOIN links l ON l.id = c.link
ORDER BY c.flow, c.rule, c.key, c.side, c.link",
};

pub(super) const PARENTS: Statement = Statement {
    what: "load parents",
    postgres: "
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS a(flow, side, record)
), wanted AS (
    SELECT l.id FROM asked a
        JOIN links l ON l.flow = a.flow AND l.left_id = a.record AND l.phase <> 'joined'
        WHERE a.side = 'left'
    UNION
    SELECT l.id FROM asked a
        JOIN links l ON l.flow = a.flow AND l.right_id = a.record AND l.phase <> 'joined'
        WHERE a.side = 'right'
    UNION
    SELECT s.link FROM asked a
        JOIN aliases s ON s.flow = a.flow AND s.side = a.side AND s.record = a.record
    UNION
    SELECT unnest($4::uuid[])
)
SELECT l.id, l.flow, l.phase, l.left_id, l.right_id FROM wanted JOIN links l ON l.id = wanted.id
ORDER BY l.id",
    sqlite: "
WITH asked AS MATERIALIZED (
    SELECT value ->> 0 AS flow, value ->> 1 AS side, value ->> 2 AS record FROM json_each($1)
), wanted AS (
    SELECT l.id FROM asked a CROSS JOIN links l
        ON l.flow = a.flow AND l.left_id = a.record AND l.phase <> 'joined' AND a.side = 'left'
    UNION
    SELECT l.id FROM asked a CROSS JOIN links l
        ON l.flow = a.flow AND l.right_id = a.record AND l.phase <> 'joined' AND a.side = 'right'
    UNION
    SELECT s.link FROM asked a CROSS JOIN aliases s
        ON s.flow = a.flow AND s.side = a.side AND s.record = a.record
    UNION
    SELECT unhex(value) FROM json_each($4)
)
SELECT l.id, l.flow, l.phase, l.left_id, l.right_id
FROM wanted CROSS JOIN links l ON l.id = wanted.id
ORDER BY l.id",
};

/// Values are compared as they are stored: the same value always has the same text.
pub(super) const RIVALS: Statement = Statement {
    what: "load rivals",
    postgres: "
SELECT n.flow, n.side, n.place, i.link, (i.data::json -> 'values' -> n.name)::text AS wanted,
    coalesce(i.failure_class = 'uniqueness', false) AS refused
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    WITH ORDINALITY AS n(flow, side, name, held, place)
JOIN intents i ON i.flow = n.flow AND i.side = n.side AND i.op = 'update'
    AND i.state IN ('planned', 'sent', 'unknown')
JOIN contents c ON c.link = i.link
WHERE (CASE i.side WHEN 'left' THEN c.seen_left ELSE c.seen_right END::json
        -> 'image' -> n.name)::text = n.held
    AND (i.data::json -> 'values' -> n.name)::text <> n.held
ORDER BY n.place, i.link",
    sqlite: "
WITH n AS MATERIALIZED (
    SELECT value ->> 0 AS flow, value ->> 1 AS side, '.' || json_quote(value ->> 2) AS name,
        value ->> 3 AS held, key + 1 AS place
    FROM json_each($1)
)
SELECT n.flow, n.side, n.place, i.link, i.data -> ('$.values' || n.name) AS wanted,
    coalesce(i.failure_class = 'uniqueness', false) AS refused
FROM n CROSS JOIN intents i ON i.flow = n.flow AND i.side = n.side AND i.op = 'update'
    AND i.state IN ('planned', 'sent', 'unknown')
    AND i.state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')
CROSS JOIN contents c ON c.link = i.link
WHERE iif(i.side = 'left', c.seen_left, c.seen_right) -> ('$.image' || n.name) = n.held
    AND i.data -> ('$.values' || n.name) <> n.held
ORDER BY n.place, i.link",
};

pub(super) const HOLDERS: Statement = Statement {
    what: "load holders",
    postgres: "
SELECT n.flow, n.side, n.record, l.id, l.phase,
    CASE n.side WHEN 'left' THEN l.right_id ELSE l.left_id END IS NOT NULL AS whole,
    EXISTS (SELECT FROM intents i WHERE i.link = l.id AND i.side <> n.side AND i.op = 'create'
        AND i.op IN ('create', 'update', 'delete', 'undelete')
        AND i.state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')) AS creating
FROM unnest($1::text[], $2::text[], $3::text[]) AS n(flow, side, record)
JOIN LATERAL (
    SELECT id, phase, left_id, right_id FROM links
        WHERE n.side = 'left' AND flow = n.flow AND left_id = n.record AND phase <> 'joined'
    UNION ALL
    SELECT id, phase, left_id, right_id FROM links
        WHERE n.side = 'right' AND flow = n.flow AND right_id = n.record AND phase <> 'joined'
) l ON true
ORDER BY n.flow, n.side, n.record",
    sqlite: "
WITH n AS MATERIALIZED (
    SELECT value ->> 0 AS flow, value ->> 1 AS side, value ->> 2 AS record FROM json_each($1)
), l AS (
    SELECT n.flow, n.side, n.record, l.id, l.phase, l.right_id IS NOT NULL AS whole
    FROM n CROSS JOIN links l ON n.side = 'left' AND l.flow = n.flow AND l.left_id = n.record
        AND l.phase <> 'joined'
    UNION ALL
    SELECT n.flow, n.side, n.record, l.id, l.phase, l.left_id IS NOT NULL
    FROM n CROSS JOIN links l ON n.side = 'right' AND l.flow = n.flow AND l.right_id = n.record
        AND l.phase <> 'joined'
)
SELECT l.flow, l.side, l.record, l.id, l.phase, l.whole,
    EXISTS (SELECT 1 FROM intents i INDEXED BY intents_open_write
        WHERE i.link = l.id AND i.side <> l.side AND i.op = 'create'
        AND i.op IN ('create', 'update', 'delete', 'undelete')
        AND i.state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')) AS creating
FROM l ORDER BY l.flow, l.side, l.record",
};

pub(super) async fn claims(
    session: &mut Session<'_>,
    keys: &[(FlowName, usize, String)],
) -> Result<Vec<(FlowName, Claim)>, StoreError> {
    for (_, _, key) in keys {
        checked("match key", key)?;
    }
    let rules: Vec<i32> = keys.iter().map(|key| rule_number(key.1)).collect::<Result<_, _>>()?;
    let query = Query::new(&CLAIMS)
        .column(keys.iter().map(|key| key.0.as_str()))
        .column(rules)
        .column(keys.iter().map(|key| key.2.as_str()))
        .bind(i64::try_from(CLAIMS_MAX).unwrap_or(i64::MAX));
    session.all(query).await?.iter().map(claim).collect()
}

fn claim(row: &Row) -> Result<(FlowName, Claim), StoreError> {
    let text = |name: &str| row.get::<String>(name);
    let rule: i32 = row.get("rule")?;
    let claim = Claim {
        rule: usize::try_from(rule).unwrap_or_default(),
        key: text("key")?,
        side: from_name("side of a claim", &text("side")?)?,
        link: LinkId(row.get("link")?),
        phase: from_name("phase of a link", &text("phase")?)?,
        record: records(row)?,
        creating: row.get("creating")?,
    };
    Ok((FlowName::new(text("flow")?), claim))
}

pub(super) async fn parents(
    session: &mut Session<'_>,
    asked: &[(FlowName, Side, RecordId)],
    links: &[LinkId],
) -> Result<Vec<Parent>, StoreError> {
    let query = ask(&PARENTS, asked)?.list(plain(links.iter().copied()));
    let rows = session.all(query).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
    let mut aliases = aliases(session, &ids).await?;
    rows.iter()
        .zip(ids)
        .map(|(row, id)| {
            let flow = FlowName::new(row.get::<String>("flow")?);
            let aliases = aliases.remove(&id).unwrap_or_default();
            let phase = from_name("phase of a link", &row.get::<String>("phase")?)?;
            Ok(Parent { flow, link: LinkId(id), record: records(row)?, aliases, phase })
        })
        .collect()
}

pub(super) async fn rivals(
    session: &mut Session<'_>,
    values: &[(FlowName, Side, Column, Value)],
) -> Result<Vec<(FlowName, Rival)>, StoreError> {
    let held: Vec<String> =
        values.iter().map(|one| to_json("value", &one.3)).collect::<Result<_, _>>()?;
    let query = Query::new(&RIVALS)
        .column(values.iter().map(|one| one.0.as_str()))
        .column(values.iter().map(|one| one.1.as_str()))
        .column(values.iter().map(|one| one.2.as_str()))
        .column(held);
    session.all(query).await?.iter().filter_map(|row| rival(row, values).transpose()).collect()
}

fn rival(
    row: &Row,
    values: &[(FlowName, Side, Column, Value)],
) -> Result<Option<(FlowName, Rival)>, StoreError> {
    let place: i64 = row.get("place")?;
    let asked = usize::try_from(place - 1).ok().and_then(|at| values.get(at));
    let Some((flow, side, column, held)) = asked else { return Ok(None) };
    let rival = Rival {
        side: *side,
        column: column.clone(),
        held: held.clone(),
        link: LinkId(row.get("link")?),
        wanted: from_json("value", FORM, &row.get::<String>("wanted")?)?,
        refused: row.get("refused")?,
    };
    Ok(Some((flow.clone(), rival)))
}

pub(super) async fn holders(
    session: &mut Session<'_>,
    asked: &[(FlowName, Side, RecordId)],
) -> Result<Vec<(FlowName, Holder)>, StoreError> {
    session.all(ask(&HOLDERS, asked)?).await?.iter().map(holder).collect()
}

fn holder(row: &Row) -> Result<(FlowName, Holder), StoreError> {
    let text = |name: &str| row.get::<String>(name);
    let holder = Holder {
        side: from_name("side of a holder", &text("side")?)?,
        record: RecordId::new(text("record")?),
        link: LinkId(row.get("id")?),
        phase: from_name("phase of a link", &text("phase")?)?,
        whole: row.get("whole")?,
        creating: row.get("creating")?,
    };
    Ok((FlowName::new(text("flow")?), holder))
}

/// A statement over records, each once.
fn ask<'a>(
    statement: &'static Statement,
    asked: &'a [(FlowName, Side, RecordId)],
) -> Result<Query<'a>, StoreError> {
    let mut once: Vec<_> = asked.iter().collect();
    once.sort_unstable();
    once.dedup();
    for (_, _, record) in &once {
        checked("record id", record.as_str())?;
    }
    Ok(Query::new(statement)
        .column(once.iter().map(|one| one.0.as_str()))
        .column(once.iter().map(|one| one.1.as_str()))
        .column(once.iter().map(|one| one.2.as_str())))
}

fn records(row: &Row) -> Result<Both<Option<RecordId>>, StoreError> {
    let side = |name: &str| row.get::<Option<String>>(name).map(|record| record.map(RecordId::new));
    Ok(Both::new(side("left_id")?, side("right_id")?))
}
