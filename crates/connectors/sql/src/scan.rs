//! Reads every record of a flow in key order, page by page, never by offset. Rows outside the
//! filter are none of the flow's and are left out; whether a known one left it is told by a read.

use crate::postgres::Postgres;
use crate::record::Row;
use crate::sql::{Shape, catalog, rows};
use duet_core::observation::Source;
use duet_core::retry::FailureClass;
use duet_ports::connector::{Collection, ConnectorError, Page, Position, Record};
use sqlx::PgConnection;

/// Reads the page after a position.
pub(crate) async fn scan(
    side: &Postgres,
    collection: &Collection,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page, ConnectorError> {
    let known = side.known(collection).await?;
    let shape = side.shape(collection, &known)?;
    let begin = after.map(|position| parts(side, &shape, position)).transpose()?;
    let mut connection = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let read_at = side.time();
    let found = page(&mut connection, &shape, collection, begin.as_deref(), limit).await;
    let found = found.map_err(|error| side.outdated(collection, error))?;
    let full = found.len() == limit.max(1);
    let next = found.last().filter(|_| full).map(position);
    let estimate = match after {
        None => Some(estimate(&mut connection, &shape).await.map_err(|e| side.failed(e))?),
        Some(_) => None,
    };
    let record = |row: Row| Record {
        record: row.record.clone(),
        observation: row.observe(&shape, collection, read_at, Source::Scan),
    };
    Ok(Page { records: found.into_iter().map(record).collect(), next, estimate })
}

async fn page(
    connection: &mut PgConnection,
    shape: &Shape<'_>,
    collection: &Collection,
    begin: Option<&[String]>,
    limit: usize,
) -> Result<Vec<Row>, sqlx::Error> {
    let statement = rows::page(shape, begin.is_some());
    let mut query = sqlx::query(statement.text())
        .bind(collection.flow.as_str())
        .bind(collection.side.as_str())
        .bind(i64::try_from(limit.max(1)).unwrap_or(i64::MAX));
    for part in begin.into_iter().flatten() {
        query = query.bind(part);
    }
    query.fetch_all(connection).await?.iter().map(Row::of).collect()
}

/// A position is the key of the last row, in texts.
fn position(row: &Row) -> Position {
    Position(serde_json::json!(row.parts).to_string())
}

fn parts(
    side: &Postgres,
    shape: &Shape,
    position: &Position,
) -> Result<Vec<String>, ConnectorError> {
    let parts: Option<Vec<String>> = serde_json::from_str(&position.0).ok();
    parts.filter(|parts| parts.len() == shape.table.key.len()).ok_or_else(|| {
        side.refuse(FailureClass::Poison, "position", "not a position of a scan of this table")
    })
}

/// The statistics' number, else a count that stops early.
async fn estimate(connection: &mut PgConnection, shape: &Shape<'_>) -> Result<u64, sqlx::Error> {
    let known = shape.table.estimate;
    if known > 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive guess"
        )]
        return Ok(known as u64);
    }
    let statement = catalog::few_rows(&shape.table.schema, &shape.table.name);
    let count: i64 = sqlx::query_scalar(statement.text()).fetch_one(connection).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
