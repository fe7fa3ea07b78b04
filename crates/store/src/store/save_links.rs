//! Storing links with their contents, their aliases, and decisions.

use crate::batch::{AliasColumns, Batch, LinkColumns};
use crate::session::Session;
use crate::statement::{Query, Statement};
use crate::stored::{FORM, checked, to_json};
use duet_core::id::LinkId;
use duet_core::stamp::Stamp;
use duet_ports::store::{Decided, StoreError};
use std::collections::HashSet;
use uuid::Uuid;

const RELEASE: Statement = Statement {
    what: "release record ids",
    postgres: "UPDATE links SET left_id = NULL, right_id = NULL WHERE id = ANY($1)",
    sqlite: "
UPDATE links SET left_id = NULL, right_id = NULL
WHERE id IN (SELECT unhex(value) FROM json_each($1))",
};

pub(super) const LINKS: Statement = Statement {
    what: "store links",
    postgres: "
UPDATE links l SET rev = n.rev, phase = n.phase, left_id = n.left_id, right_id = n.right_id,
    synced_at = n.synced_at, synced_left = n.synced_left, synced_right = n.synced_right,
    due_at = n.due_at, waits = n.waits, memory = n.memory::json
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::integer[], $12::text[])
    AS n(id, from_rev, rev, phase, left_id, right_id, synced_at, synced_left, synced_right,
        due_at, waits, memory)
WHERE l.id = n.id AND l.rev = n.from_rev
RETURNING l.id",
    sqlite: "
UPDATE links AS l SET rev = n.rev, phase = n.phase, left_id = n.left_id, right_id = n.right_id,
    synced_at = n.synced_at, synced_left = n.synced_left, synced_right = n.synced_right,
    due_at = n.due_at, waits = n.waits, memory = n.memory
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS from_rev, value ->> 2 AS rev,
        value ->> 3 AS phase, value ->> 4 AS left_id, value ->> 5 AS right_id,
        value ->> 6 AS synced_at, value ->> 7 AS synced_left, value ->> 8 AS synced_right,
        value ->> 9 AS due_at, value ->> 10 AS waits, value ->> 11 AS memory
    FROM json_each($1)) AS n
WHERE l.id = n.id AND l.rev = n.from_rev
RETURNING id",
};

pub(super) const FORGET_ALIASES: Statement = Statement {
    what: "forget aliases",
    postgres: "DELETE FROM aliases WHERE link = ANY($1)",
    sqlite: "DELETE FROM aliases WHERE link IN (SELECT unhex(value) FROM json_each($1))",
};

/// A link that was joined leaves its aliases to the one that keeps them.
const ALIASES: Statement = Statement {
    what: "store aliases",
    postgres: "
INSERT INTO aliases (flow, side, record, link)
SELECT DISTINCT ON (flow, side, record) flow, side, record, link
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS n(flow, side, record, link)
ORDER BY flow, side, record, link
ON CONFLICT (flow, side, record) DO UPDATE SET link = excluded.link",
    sqlite: "
INSERT INTO aliases (flow, side, record, link)
SELECT value ->> 0 AS flow, value ->> 1 AS side, value ->> 2 AS record, min(unhex(value ->> 3))
FROM json_each($1) WHERE true GROUP BY 1, 2, 3
ON CONFLICT (flow, side, record) DO UPDATE SET link = excluded.link",
};

/// What wasn't written anew stays. The row is known to be there.
pub(super) const CONTENTS: Statement = Statement {
    what: "store contents",
    postgres: "
UPDATE contents c SET form = $6,
    agreed = CASE n.written & 1 WHEN 0 THEN c.agreed ELSE n.agreed END,
    seen_left = CASE n.written & 2 WHEN 0 THEN c.seen_left ELSE n.seen_left END,
    seen_right = CASE n.written & 4 WHEN 0 THEN c.seen_right ELSE n.seen_right END
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[])
    AS n(link, written, agreed, seen_left, seen_right)
WHERE c.link = n.link",
    sqlite: "
UPDATE contents AS c SET form = $6, agreed = iif(n.written & 1, n.agreed, c.agreed),
    seen_left = iif(n.written & 2, n.seen_left, c.seen_left),
    seen_right = iif(n.written & 4, n.seen_right, c.seen_right)
FROM (SELECT unhex(value ->> 0) AS link, value ->> 1 AS written, value ->> 2 AS agreed,
        value ->> 3 AS seen_left, value ->> 4 AS seen_right
    FROM json_each($1)) AS n
WHERE c.link = n.link",
};

/// All of it is written, whether there is a row or not.
const NEW_CONTENTS: Statement = Statement {
    what: "store contents",
    postgres: "
INSERT INTO contents (link, form, agreed, seen_left, seen_right)
SELECT link, $6, agreed, seen_left, seen_right
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[])
    AS n(link, written, agreed, seen_left, seen_right)
ON CONFLICT (link) DO UPDATE SET form = excluded.form, agreed = excluded.agreed,
    seen_left = excluded.seen_left, seen_right = excluded.seen_right",
    sqlite: "
INSERT INTO contents (link, form, agreed, seen_left, seen_right)
SELECT unhex(value ->> 0), $6, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1) WHERE true
ON CONFLICT (link) DO UPDATE SET form = excluded.form, agreed = excluded.agreed,
    seen_left = excluded.seen_left, seen_right = excluded.seen_right",
};

const DECISIONS: Statement = Statement {
    what: "store decisions",
    postgres: "
INSERT INTO decisions (link, rev, at, decided_row, rule, cause, policy, form, outcomes)
SELECT link, rev, $7, decided_row, rule, cause, policy, $8, outcomes
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $9::text[])
    WITH ORDINALITY AS n(link, rev, decided_row, rule, cause, policy, outcomes, number)
ORDER BY number",
    sqlite: "
INSERT INTO decisions (link, rev, at, decided_row, rule, cause, policy, form, outcomes)
SELECT unhex(value ->> 0), value ->> 1, $7, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $8,
    value ->> 6
FROM json_each($1) ORDER BY key",
};

pub(super) async fn links(session: &mut Session<'_>, batch: &Batch) -> Result<(), StoreError> {
    if !batch.released.is_empty() {
        session.run(Query::new(&RELEASE).list(batch.released.iter().copied())).await?;
    }
    if !batch.links.id.is_empty() {
        update(session, &batch.links).await?;
    }
    if !batch.realiased.is_empty() {
        let forget = Query::new(&FORGET_ALIASES).list(batch.realiased.iter().copied());
        session.run(forget).await?;
        aliases(session, &batch.aliases).await?;
    }
    Ok(())
}

async fn update(session: &mut Session<'_>, links: &LinkColumns) -> Result<(), StoreError> {
    let query = Query::new(&LINKS)
        .column(links.id.iter().copied())
        .column(links.from_rev.iter().copied())
        .column(links.rev.iter().copied())
        .column(links.phase.iter().map(String::as_str))
        .column(links.left_id.iter().map(Option::as_deref))
        .column(links.right_id.iter().map(Option::as_deref))
        .column(links.synced_at.iter().copied())
        .column(links.synced_left.iter().copied())
        .column(links.synced_right.iter().copied())
        .column(links.due_at.iter().copied())
        .column(links.waits.iter().copied())
        .column(links.memory.iter().map(Option::as_deref));
    let rows = session.all(query).await?;
    let stored: HashSet<Uuid> = rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
    match links.id.iter().find(|id| !stored.contains(id)) {
        Some(stale) => Err(StoreError::StaleLink { link: LinkId(*stale) }),
        None => Ok(()),
    }
}

async fn aliases(session: &mut Session<'_>, rows: &AliasColumns) -> Result<(), StoreError> {
    if rows.link.is_empty() {
        return Ok(());
    }
    let query = Query::new(&ALIASES)
        .column(rows.flow.iter().map(String::as_str))
        .column(rows.side.iter().copied())
        .column(rows.record.iter().map(String::as_str))
        .column(rows.link.iter().copied());
    session.run(query).await
}

/// Agreed state and observations, as far as they changed.
pub(super) async fn contents(session: &mut Session<'_>, batch: &Batch) -> Result<(), StoreError> {
    for (statement, rows) in [(&CONTENTS, &batch.contents), (&NEW_CONTENTS, &batch.new_contents)] {
        if rows.is_empty() {
            continue;
        }
        let query = Query::new(statement)
            .column(rows.iter().map(|row| row.link))
            .column(rows.iter().map(|row| row.written))
            .column(rows.iter().map(|row| row.agreed.as_deref()))
            .column(rows.iter().map(|row| row.seen.left.as_deref()))
            .column(rows.iter().map(|row| row.seen.right.as_deref()))
            .bind(FORM);
        session.run(query).await?;
    }
    Ok(())
}

/// One row per verdict, none for an echo.
pub(super) async fn decisions(
    session: &mut Session<'_>,
    decided: &[Decided],
    now: Stamp,
) -> Result<(), StoreError> {
    let told: Vec<&Decided> = decided.iter().filter(|one| !one.verdict.echo).collect();
    if told.is_empty() {
        return Ok(());
    }
    let outcomes: Vec<String> = told
        .iter()
        .map(|one| to_json("decision", &one.verdict.outcomes))
        .collect::<Result<_, _>>()?;
    for one in &told {
        checked("rule", &one.verdict.rule)?;
        checked("cause", &one.cause)?;
    }
    let query = Query::new(&DECISIONS)
        .column(told.iter().map(|one| one.verdict.link.id.0))
        .column(told.iter().map(|one| one.verdict.link.rev))
        .column(told.iter().map(|one| one.verdict.row.as_str()))
        .column(told.iter().map(|one| one.verdict.rule.as_str()))
        .column(told.iter().map(|one| one.cause.as_str()))
        .column(told.iter().map(|one| one.policy.as_str()))
        .bind(now.0)
        .bind(FORM)
        .column(outcomes);
    session.run(query).await
}
