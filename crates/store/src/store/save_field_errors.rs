//! Storing the values that are kept back: those of a link at once, instead of what was told before.

use crate::effects::Effects;
use crate::session::Session;
use crate::statement::{Query, Statement};
use crate::stored::checked;
use duet_core::field_error::FieldError;
use duet_core::id::{FlowName, LinkId};
use duet_ports::store::StoreError;
use uuid::Uuid;

pub(super) const FORGET: Statement = Statement {
    what: "forget field errors",
    postgres: "DELETE FROM field_errors WHERE link = ANY($1)",
    sqlite: "DELETE FROM field_errors WHERE link IN (SELECT unhex(value) FROM json_each($1))",
};

const STORE: Statement = Statement {
    what: "store field errors",
    postgres: "
INSERT INTO field_errors (id, link, flow, field, code, source, side, side_column, reason, since)
SELECT id, link, flow, field, code, source, side, side_column, reason, since
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::bigint[])
    AS n(id, link, flow, field, code, source, side, side_column, reason, since)",
    sqlite: "
INSERT INTO field_errors (id, link, flow, field, code, source, side, side_column, reason, since)
SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    value ->> 6, value ->> 7, value ->> 8, value ->> 9
FROM json_each($1)",
};

pub(super) async fn save(
    session: &mut Session<'_>,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if effects.field_errors.is_empty() {
        return Ok(());
    }
    let links: Vec<Uuid> = effects.field_errors.keys().map(|link| link.0).collect();
    session.run(Query::new(&FORGET).list(links)).await?;
    let all = effects.field_errors.iter();
    let rows: Vec<(LinkId, &FlowName, &FieldError)> = all
        .flat_map(|(link, (flow, errors))| errors.iter().map(move |error| (*link, *flow, error)))
        .collect();
    if rows.is_empty() { Ok(()) } else { store(session, &rows).await }
}

async fn store(
    session: &mut Session<'_>,
    rows: &[(LinkId, &FlowName, &FieldError)],
) -> Result<(), StoreError> {
    for (_, _, error) in rows {
        checked("reason of a field error", &error.reason)?;
    }
    let query = Query::new(&STORE)
        .column(rows.iter().map(|(link, _, error)| error.id(*link).0))
        .column(rows.iter().map(|(link, ..)| link.0))
        .column(rows.iter().map(|(_, flow, _)| flow.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.field.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.code.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.source.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.side.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.column.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.reason.as_str()))
        .column(rows.iter().map(|(_, _, error)| error.since.0));
    session.run(query).await
}
