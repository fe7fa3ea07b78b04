//! Reads records by id: one query, answers in the order asked.

use crate::codec;
use crate::database::Database;
use crate::record::Row;
use crate::session::Session;
use crate::sql::Shape;
use duet_core::id::RecordId;
use duet_core::observation::{Absence, Observation, Presence, Source};
use duet_core::stamp::Stamp;
use duet_ports::connector::{Collection, ConnectorError, Record};
use std::collections::HashMap;

/// Reads records as they are now.
pub(crate) async fn read(
    side: &Database,
    collection: &Collection,
    records: &[RecordId],
) -> Result<Vec<Record>, ConnectorError> {
    let known = side.known(collection).await?;
    let shape = side.shape(collection, &known)?;
    let mut session = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let read_at = side.time();
    let found = by_key(&mut session, &shape, records).await;
    let found = found.map_err(|error| side.outdated(collection, error))?;
    Ok(answers(found, records, &shape, collection, read_at))
}

fn answers(
    found: Vec<Row>,
    records: &[RecordId],
    shape: &Shape,
    collection: &Collection,
    read_at: Stamp,
) -> Vec<Record> {
    let seen: HashMap<RecordId, Observation> = found
        .into_iter()
        .map(|row| (row.record.clone(), row.observe(shape, collection, read_at, Source::Read)))
        .collect();
    let answer = |record: &RecordId| Record {
        record: record.clone(),
        observation: seen.get(record).cloned().unwrap_or_else(|| impossible(read_at)),
    };
    records.iter().map(answer).collect()
}

/// The observation of an id that no row of the table can have.
pub(crate) fn impossible(read_at: Stamp) -> Observation {
    Observation {
        presence: Presence::OutOfScope(Absence::Visibility),
        read_at,
        source: Source::Read,
        ..Observation::default()
    }
}

/// Rows of these ids; ids that can't be one of the table's are left out.
pub(crate) async fn by_key(
    session: &mut Session,
    shape: &Shape<'_>,
    records: &[RecordId],
) -> Result<Vec<Row>, sqlx::Error> {
    let keys = Keys::of(shape, records);
    if keys.ids.is_empty() {
        return Ok(Vec::new());
    }
    let answer = session.all(&shape.by_key(&keys)).await?;
    Row::all(&answer, shape)
}

/// Ids taken apart into one list per key column.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) ids: Vec<String>,
    pub(crate) parts: Vec<Vec<String>>,
}

impl Keys {
    /// Takes ids apart; each once, and none that can't be the table's.
    pub(crate) fn of(shape: &Shape, records: &[RecordId]) -> Keys {
        let key = &shape.table.key;
        let mut keys = Keys { ids: Vec::new(), parts: vec![Vec::new(); key.len()] };
        let mut taken = std::collections::HashSet::new();
        for record in records {
            let Some(parts) = parts(shape, record).filter(|_| taken.insert(record)) else {
                continue;
            };
            keys.ids.push(record.as_str().to_owned());
            for (list, part) in keys.parts.iter_mut().zip(parts) {
                list.push(part);
            }
        }
        keys
    }
}

/// The key parts of an id, if they can be values of the key columns.
pub(crate) fn parts(shape: &Shape, record: &RecordId) -> Option<Vec<String>> {
    let parts = record.to_parts(shape.table.key.len())?;
    let mut pairs = parts.iter().zip(&shape.table.key);
    pairs.all(|(part, column)| codec::may_be_key(part, column)).then_some(parts)
}
