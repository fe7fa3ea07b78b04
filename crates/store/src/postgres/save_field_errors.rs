//! Storing the values that are kept back: those of a link at once, instead of what was told before.

use super::save_links::run;
use crate::effects::Effects;
use crate::stored::checked;
use duet_core::field_error::FieldError;
use duet_core::id::{FlowName, LinkId};
use duet_ports::store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

const FORGET: &str = "DELETE FROM field_errors WHERE link = ANY($1)";

const STORE: &str = "
INSERT INTO field_errors (id, link, flow, field, code, source, side, side_column, reason, since)
SELECT id, link, flow, field, code, source, side, side_column, reason, since
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::bigint[])
    AS n(id, link, flow, field, code, source, side, side_column, reason, since)";

pub(super) async fn save(
    connection: &mut PgConnection,
    effects: &Effects<'_>,
) -> Result<(), StoreError> {
    if effects.field_errors.is_empty() {
        return Ok(());
    }
    let links: Vec<Uuid> = effects.field_errors.keys().map(|link| link.0).collect();
    run(connection, "forget field errors", sqlx::query(FORGET).bind(links)).await?;
    let all = effects.field_errors.iter();
    let rows: Vec<(LinkId, &FlowName, &FieldError)> = all
        .flat_map(|(link, (flow, errors))| errors.iter().map(move |error| (*link, *flow, error)))
        .collect();
    if rows.is_empty() { Ok(()) } else { store(connection, &rows).await }
}

async fn store(
    connection: &mut PgConnection,
    rows: &[(LinkId, &FlowName, &FieldError)],
) -> Result<(), StoreError> {
    for (_, _, error) in rows {
        checked("reason of a field error", &error.reason)?;
    }
    let query = sqlx::query(STORE)
        .bind(rows.iter().map(|(link, _, error)| error.id(*link).0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(link, ..)| link.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, flow, _)| flow.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.field.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.code.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.source.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.side.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.column.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.reason.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, error)| error.since.0).collect::<Vec<_>>());
    run(connection, "store field errors", query).await
}
