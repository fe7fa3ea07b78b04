//! Updates and deletes: lock in key order, compare versions in a new statement, write, mark, read
//! back. One joined statement would compare a version that was read before the wait for the lock.

use super::prepare::Item;
use super::{Locking, Work};
use crate::error::made;
use crate::read::{self, Keys};
use crate::record::Row;
use crate::session::Session;
use duet_core::id::RecordId;
use duet_core::intent::{Op, Outcome};
use duet_core::observation::Source;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::connector::Call;
use std::collections::{HashMap, HashSet};

impl Work<'_> {
    /// Writes to records that exist. One outcome per call.
    pub(super) async fn existing(
        &self,
        session: &mut Session,
        calls: &[&Call],
        locking: Locking,
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        let records: Vec<RecordId> = calls.iter().filter_map(|call| call.record.clone()).collect();
        let locked = self.lock(session, &records, locking).await?;
        let read_at = self.side.time();
        let rows = read::by_key(session, &self.shape, &records).await?;
        let mut rows: HashMap<RecordId, Row> =
            rows.into_iter().map(|row| (row.record.clone(), row)).collect();
        let mut outcomes: HashMap<usize, Outcome> = HashMap::new();
        let mut items = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let row = call.record.as_ref().and_then(|record| rows.remove(record));
            match self.judge(at, call, row, locked.as_ref(), read_at) {
                Ok(item) => items.push(item),
                Err(outcome) => drop(outcomes.insert(at, outcome)),
            }
        }
        outcomes.extend(self.write_items(session, calls, items).await?);
        Ok(in_order(calls.len(), outcomes))
    }

    /// The records that are ours until the end. `None`: all of them.
    async fn lock(
        &self,
        session: &mut Session,
        records: &[RecordId],
        locking: Locking,
    ) -> Result<Option<HashSet<String>>, sqlx::Error> {
        let keys = Keys::of(&self.shape, records);
        let Some(lock) = self.shape.lock(&keys, locking == Locking::Skip) else { return Ok(None) };
        if keys.ids.is_empty() {
            return Ok(Some(HashSet::new()));
        }
        let rows = session.all(&lock).await?;
        let locked: Result<HashSet<String>, _> = rows.iter().map(|row| row.own_text("k")).collect();
        locked.map(Some)
    }

    /// Whether a call may write; else its outcome.
    fn judge(
        &self,
        at: usize,
        call: &Call,
        row: Option<Row>,
        locked: Option<&HashSet<String>>,
        read_at: Stamp,
    ) -> Result<Item, Outcome> {
        let Some(row) = row else { return Err(refused(FailureClass::Gone, "no_such_id")) };
        if row.marker == Some(call.intent) {
            // Repeated: it did land, whatever happened to the record since.
            let record = row.record.clone();
            let after = self.observe(row, read_at, Source::WriteAnswer);
            return Err(Outcome::Landed { record, after: Some(Box::new(after)) });
        }
        if !row.found {
            return Err(self.refused_as_found(FailureClass::Gone, "gone", row, read_at));
        }
        if locked.is_some_and(|locked| !locked.contains(row.record.as_str())) {
            return Err(refused(FailureClass::Transient, "55P03"));
        }
        let row = self.compare(call, row, read_at)?;
        self.prepared(at, call, &row.record)
    }

    fn compare(&self, call: &Call, row: Row, read_at: Stamp) -> Result<Row, Outcome> {
        let same = match (&call.expected, &self.shape.capture) {
            (Some(expected), Some(_)) => row.is_at(expected),
            // No version was read, or there are none: the values stand in for it.
            (None, Some(_)) | (_, None) => self.holds(call, &row),
        };
        if same {
            return Ok(row);
        }
        Err(self.refused_as_found(FailureClass::Stale, "version", row, read_at))
    }

    /// Without a version the values decide: every one that was decided on must still stand. Where
    /// none was, nothing but presence is asked for.
    fn holds(&self, call: &Call, row: &Row) -> bool {
        let image = row.image(&self.shape, self.collection);
        let mut decided = call.expected_values.iter();
        decided.all(|(column, value)| image.get(column) == Some(value))
    }

    fn prepared(&self, at: usize, call: &Call, record: &RecordId) -> Result<Item, Outcome> {
        let mut item = self.item(at, call)?;
        if self.op == Op::Delete {
            item.columns.clear();
            item.cells.clear();
        }
        let key = self.shape.table.key.iter().find(|key| item.columns.contains(&key.name));
        if let Some(column) = key {
            let text = "the key of a record is changed by its own side only";
            let failure = made(FailureClass::Validation, "key_column", text);
            return Err(super::prepare::refused_column(failure, &column.name));
        }
        item.key = read::parts(&self.shape, record).unwrap_or_default();
        item.record = Some(record.clone());
        Ok(item)
    }

    /// Writes what may be written, leaves markers, and reads back.
    pub(super) async fn write_items(
        &self,
        session: &mut Session,
        calls: &[&Call],
        items: Vec<Item>,
    ) -> Result<HashMap<usize, Outcome>, sqlx::Error> {
        let mut outcomes = HashMap::new();
        let mut written = Vec::new();
        for (item, fate) in self.piecewise(session, items).await? {
            match fate {
                Ok(Some(record)) => written.push((item.at, record, item.intent)),
                Ok(None) => {
                    drop(outcomes.insert(item.at, self.in_the_way(session, calls[item.at]).await?))
                }
                Err(failure) if failure.class == FailureClass::Uniqueness => {
                    let found = self.standing(session, calls[item.at]).await?;
                    outcomes.insert(item.at, Outcome::Refused { failure, observed: found });
                }
                Err(failure) => {
                    outcomes.insert(item.at, Outcome::Refused { failure, observed: None });
                }
            }
        }
        let marks: Vec<_> = written.iter().map(|(_, record, id)| (record.clone(), *id)).collect();
        self.mark(session, &marks).await?;
        let records: Vec<RecordId> = written.iter().map(|(_, record, _)| record.clone()).collect();
        let mut after = self.read_back(session, &records).await?;
        outcomes.extend(written.into_iter().map(|(at, record, _)| {
            let after = after.remove(&record).map(Box::new);
            (at, Outcome::Landed { record, after })
        }));
        Ok(outcomes)
    }

    fn refused_as_found(
        &self,
        class: FailureClass,
        code: &str,
        row: Row,
        read_at: Stamp,
    ) -> Outcome {
        let text = "the record is not as it was when this was decided";
        let observed = Some(self.found(row, read_at));
        Outcome::Refused { failure: made(class, code, text), observed }
    }
}

fn refused(class: FailureClass, code: &str) -> Outcome {
    let text = match class {
        FailureClass::Transient => "somebody else holds the record",
        _ => "there is no such record",
    };
    Outcome::Refused { failure: made(class, code, text), observed: None }
}

/// One outcome per call, in the order of the calls.
pub(super) fn in_order(count: usize, mut outcomes: HashMap<usize, Outcome>) -> Vec<Outcome> {
    (0..count)
        .map(|at| outcomes.remove(&at).expect("every call was refused, landed, or written"))
        .collect()
}
