//! Storing the effects of a batch: intents, conflicts, deletions.

use crate::effects::{Effects, Settle};
use crate::entity::{conflicts as conflict_rows, intents as intent_rows};
use crate::session::Session;
use crate::statement::{Query, Statement};
use crate::stored::{name_of, to_json};
use duet_core::id::IntentId;
use duet_core::stamp::Stamp;
use duet_ports::store::StoreError;
use std::collections::BTreeMap;

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
        "SELECT id, link, flow, side, connection, op, path, state, record, attempts, due_at,
    sent_at, deadline, planned_at, landed_at, failure::json, form, data
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
        "SELECT id, link, flow, kind, field, seen, rev, state, reason, resolution::json, opened_at,
    until, closed_at, form, data::json
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

const DELETES: Statement = Statement {
    what: "count deletions",
    postgres: "
INSERT INTO planned_deletes (flow, side, link, at)
SELECT flow, side, link, $4 FROM unnest($1::text[], $2::text[], $3::uuid[]) AS n(flow, side, link)",
    sqlite: "
INSERT INTO planned_deletes (flow, side, link, at)
SELECT value ->> 0, value ->> 1, unhex(value ->> 2), $4 FROM json_each($1)",
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
