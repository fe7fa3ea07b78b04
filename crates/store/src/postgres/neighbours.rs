//! Facts about other links: who holds match keys and records, and the links of parents. Read
//! without locks: what they say may have changed by the next look, which the claims make harmless.

use super::error::fault;
use super::facts::{aliases, plain};
use crate::effects::rule_number;
use crate::stored::{FORM, checked, from_json, from_name, to_json};
use duet_core::facts::{Claim, Holder, Parent, Rival};
use duet_core::id::{Column, FlowName, LinkId, RecordId};
use duet_core::side::{Both, Side};
use duet_core::value::Value;
use duet_ports::store::{CLAIMS_MAX, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row};
use uuid::Uuid;

/// A side's first claims of a key are enough: more of them tell the same, that it is ambiguous.
const CLAIMS: &str = "
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
ORDER BY c.flow, c.rule, c.key, c.side, c.link";

const PARENTS: &str = "
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
ORDER BY l.id";

/// Values are compared as they are stored: the same value always has the same text.
const RIVALS: &str = "
SELECT n.flow, n.side, n.place, i.link, (i.data -> 'values' -> n.name)::text AS wanted,
    coalesce(i.failure_class = 'uniqueness', false) AS refused
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    WITH ORDINALITY AS n(flow, side, name, held, place)
JOIN intents i ON i.flow = n.flow AND i.side = n.side AND i.op = 'update'
    AND i.state IN ('planned', 'sent', 'unknown')
JOIN observations o ON o.link = i.link AND o.side = i.side
WHERE (o.data -> 'image' -> n.name)::text = n.held
    AND (i.data -> 'values' -> n.name)::text <> n.held
ORDER BY n.place, i.link";

const HOLDERS: &str = "
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
ORDER BY n.flow, n.side, n.record";

pub(super) async fn claims(
    connection: &mut PgConnection,
    keys: &[(FlowName, usize, String)],
) -> Result<Vec<(FlowName, Claim)>, StoreError> {
    for (_, _, key) in keys {
        checked("match key", key)?;
    }
    let rules: Vec<i32> = keys.iter().map(|key| rule_number(key.1)).collect::<Result<_, _>>()?;
    let rows = sqlx::query(CLAIMS)
        .bind(keys.iter().map(|key| key.0.as_str()).collect::<Vec<_>>())
        .bind(rules)
        .bind(keys.iter().map(|key| key.2.as_str()).collect::<Vec<_>>())
        .bind(i64::try_from(CLAIMS_MAX).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(fault("load match keys"))?;
    rows.iter().map(claim).collect()
}

fn claim(row: &PgRow) -> Result<(FlowName, Claim), StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(fault("load match keys"));
    let rule: i32 = row.try_get("rule").map_err(fault("load match keys"))?;
    let claim = Claim {
        rule: usize::try_from(rule).unwrap_or_default(),
        key: text("key")?,
        side: from_name("side of a claim", &text("side")?)?,
        link: LinkId(row.try_get("link").map_err(fault("load match keys"))?),
        phase: from_name("phase of a link", &text("phase")?)?,
        record: records(row).map_err(fault("load match keys"))?,
        creating: row.try_get("creating").map_err(fault("load match keys"))?,
    };
    Ok((FlowName::new(text("flow")?), claim))
}

pub(super) async fn parents(
    connection: &mut PgConnection,
    asked: &[(FlowName, Side, RecordId)],
    links: &[LinkId],
) -> Result<Vec<Parent>, StoreError> {
    let rows = ask(PARENTS, asked)?
        .bind(plain(links.iter().copied()))
        .fetch_all(&mut *connection)
        .await
        .map_err(fault("load parents"))?;
    let ids: Vec<Uuid> = rows
        .iter()
        .map(|row| row.try_get("id"))
        .collect::<Result<_, Error>>()
        .map_err(fault("load parents"))?;
    let mut aliases = aliases(connection, &ids).await?;
    rows.iter()
        .zip(ids)
        .map(|(row, id)| {
            let flow: String = row.try_get("flow").map_err(fault("load parents"))?;
            let record = records(row).map_err(fault("load parents"))?;
            let aliases = aliases.remove(&id).unwrap_or_default();
            let phase: String = row.try_get("phase").map_err(fault("load parents"))?;
            let phase = from_name("phase of a link", &phase)?;
            Ok(Parent { flow: FlowName::new(flow), link: LinkId(id), record, aliases, phase })
        })
        .collect()
}

pub(super) async fn rivals(
    connection: &mut PgConnection,
    values: &[(FlowName, Side, Column, Value)],
) -> Result<Vec<(FlowName, Rival)>, StoreError> {
    let held: Vec<String> =
        values.iter().map(|one| to_json("value", &one.3)).collect::<Result<_, _>>()?;
    let rows = sqlx::query(RIVALS)
        .bind(values.iter().map(|one| one.0.as_str()).collect::<Vec<_>>())
        .bind(values.iter().map(|one| one.1.as_str()).collect::<Vec<_>>())
        .bind(values.iter().map(|one| one.2.as_str()).collect::<Vec<_>>())
        .bind(held)
        .fetch_all(connection)
        .await
        .map_err(fault("load rivals"))?;
    rows.iter().filter_map(|row| rival(row, values).transpose()).collect()
}

fn rival(
    row: &PgRow,
    values: &[(FlowName, Side, Column, Value)],
) -> Result<Option<(FlowName, Rival)>, StoreError> {
    let place: i64 = row.try_get("place").map_err(fault("load rivals"))?;
    let asked = usize::try_from(place - 1).ok().and_then(|at| values.get(at));
    let Some((flow, side, column, held)) = asked else { return Ok(None) };
    let wanted: String = row.try_get("wanted").map_err(fault("load rivals"))?;
    let rival = Rival {
        side: *side,
        column: column.clone(),
        held: held.clone(),
        link: LinkId(row.try_get("link").map_err(fault("load rivals"))?),
        wanted: from_json("value", FORM, &wanted)?,
        refused: row.try_get("refused").map_err(fault("load rivals"))?,
    };
    Ok(Some((flow.clone(), rival)))
}

pub(super) async fn holders(
    connection: &mut PgConnection,
    asked: &[(FlowName, Side, RecordId)],
) -> Result<Vec<(FlowName, Holder)>, StoreError> {
    let rows = ask(HOLDERS, asked)?.fetch_all(connection).await;
    rows.map_err(fault("load holders"))?.iter().map(holder).collect()
}

fn holder(row: &PgRow) -> Result<(FlowName, Holder), StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(fault("load holders"));
    let flag = |name: &str| row.try_get::<bool, _>(name).map_err(fault("load holders"));
    let holder = Holder {
        side: from_name("side of a holder", &text("side")?)?,
        record: RecordId::new(text("record")?),
        link: LinkId(row.try_get("id").map_err(fault("load holders"))?),
        phase: from_name("phase of a link", &text("phase")?)?,
        whole: flag("whole")?,
        creating: flag("creating")?,
    };
    Ok((FlowName::new(text("flow")?), holder))
}

/// A statement over records, each once.
fn ask<'a>(
    sql: &'static str,
    asked: &'a [(FlowName, Side, RecordId)],
) -> Result<super::save_links::Query<'a>, StoreError> {
    let mut once: Vec<_> = asked.iter().collect();
    once.sort_unstable();
    once.dedup();
    for (_, _, record) in &once {
        checked("record id", record.as_str())?;
    }
    Ok(sqlx::query(sql)
        .bind(once.iter().map(|one| one.0.as_str()).collect::<Vec<_>>())
        .bind(once.iter().map(|one| one.1.as_str()).collect::<Vec<_>>())
        .bind(once.iter().map(|one| one.2.as_str()).collect::<Vec<_>>()))
}

fn records(row: &PgRow) -> Result<Both<Option<RecordId>>, Error> {
    let side =
        |name: &str| row.try_get::<Option<String>, _>(name).map(|record| record.map(RecordId::new));
    Ok(Both::new(side("left_id")?, side("right_id")?))
}
