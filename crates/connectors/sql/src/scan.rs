//! Reads every record of a flow in key order, page by page, never by offset. Rows outside the
//! filter are none of the flow's and are left out; whether a known one left it is told by a read.

use crate::answer::Answer;
use crate::database::Database;
use crate::record::Row;
use crate::session::Session;
use crate::sql::{Shape, Statement};
use duet_core::observation::Source;
use duet_core::retry::FailureClass;
use duet_ports::connector::{Collection, ConnectorError, Page, Position, Record};

/// Reads the page after a position.
pub(crate) async fn scan(
    side: &Database,
    collection: &Collection,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page, ConnectorError> {
    let known = side.known(collection).await?;
    let shape = side.shape(collection, &known)?;
    let statement = page(&shape, after, limit).ok_or_else(|| foreign(side))?;
    let mut session = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let read_at = side.time();
    let fail = |error| side.outdated(collection, error);
    let rows = session.all(&statement).await.map_err(fail)?;
    let found = Row::all(&rows, &shape).map_err(fail)?;
    let next = match rows.len() == limit.max(1) {
        true => Some(position(&rows).map_err(fail)?.ok_or_else(|| unreadable(side))?),
        false => None,
    };
    let estimate = match after {
        None => Some(estimate(&mut session, &shape).await.map_err(|e| side.failed(e))?),
        Some(_) => None,
    };
    let record = |row: Row| Record {
        record: row.record.clone(),
        observation: row.observe(&shape, collection, read_at, Source::Scan),
    };
    Ok(Page { records: found.into_iter().map(record).collect(), next, estimate })
}

fn page(shape: &Shape, after: Option<&Position>, limit: usize) -> Option<Statement> {
    let begin = match after {
        Some(position) => Some(parts(shape, position)?),
        None => None,
    };
    shape.page(begin.as_deref(), limit.max(1))
}

/// A position is the key of the last row, in texts; the last one that is text. What follows it comes
/// again with the next page, which does no harm.
fn position(rows: &[Answer]) -> Result<Option<Position>, sqlx::Error> {
    for row in rows.iter().rev() {
        let parts = row.texts("parts")?;
        if !parts.iter().any(|part| part.contains('\0')) {
            return Ok(Some(Position(serde_json::json!(parts).to_string())));
        }
    }
    Ok(None)
}

fn unreadable(side: &Database) -> ConnectorError {
    let text = "a whole page of keys is no text: they are of another encoding than the database's";
    side.refuse(FailureClass::Permission, "keys_no_text", text)
}

fn parts(shape: &Shape, position: &Position) -> Option<Vec<String>> {
    let parts: Option<Vec<String>> = serde_json::from_str(&position.0).ok();
    parts.filter(|parts| parts.len() == shape.table.key.len())
}

fn foreign(side: &Database) -> ConnectorError {
    side.refuse(FailureClass::Poison, "position", "not a position of a scan of this table")
}

/// The statistics' number, else a count that stops early.
async fn estimate(session: &mut Session, shape: &Shape<'_>) -> Result<u64, sqlx::Error> {
    let known = shape.table.estimate;
    if known > 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive guess"
        )]
        return Ok(known as u64);
    }
    let count = session.one(&shape.few()).await?.own_integer("few")?;
    Ok(u64::try_from(count).unwrap_or(0))
}
