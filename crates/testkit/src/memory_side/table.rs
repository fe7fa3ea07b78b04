//! Tables: rows by id, a journal of what happened to them, and how a row is seen.

use std::collections::BTreeMap;

use duet_core::id::{Column, IntentId, RecordId};
use duet_core::image::Image;
use duet_core::observation::{Absence, Deletion, Observation, Presence, Source, Version};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Record};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it holds; the key columns included.
    pub image: Image,
    /// Larger is later.
    pub version: i64,
    /// When it was last changed.
    pub changed_at: Stamp,
    /// The marker of duet's last write.
    pub marker: Option<IntentId>,
    /// Deleted; what it held is kept.
    pub deleted: bool,
    /// Deleted because it was merged into this one.
    pub merged_into: Option<RecordId>,
}

/// Something that happened to a record.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) record: RecordId,
    pub(super) what: Happened,
}

#[derive(Clone, Debug)]
pub(super) enum Happened {
    Touched,
    KeyChanged { old: RecordId, order: i64 },
    Lost,
}

/// One table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<RecordId, Row>,
    /// Its positions are the entries' numbers, from 1.
    pub(super) journal: Vec<Entry>,
    /// Positions before this one can't be read from any more.
    pub(super) lost_before: usize,
    created: u64,
}

/// All tables by name, and the counter of versions.
#[derive(Debug, Default)]
pub(super) struct Tables {
    by_name: BTreeMap<String, Table>,
    version: i64,
}

impl Tables {
    pub(super) fn get(&self, name: &str) -> Option<&Table> {
        self.by_name.get(name)
    }

    pub(super) fn make(&mut self, name: &str) -> &mut Table {
        self.by_name.entry(name.to_owned()).or_default()
    }

    /// The version of a change at this time.
    pub(super) fn version(&mut self, now: Stamp, grain_us: i64) -> i64 {
        if grain_us > 0 {
            return now.0 - now.0.rem_euclid(grain_us);
        }
        self.version += 1;
        self.version
    }
}

impl Table {
    /// An id that no record of the table ever had.
    pub(super) fn fresh(&mut self, prefix: &str) -> RecordId {
        loop {
            self.created += 1;
            let record = RecordId::new(format!("{prefix}-{}", self.created));
            if !self.rows.contains_key(&record) {
                return record;
            }
        }
    }

    pub(super) fn note(&mut self, record: &RecordId, what: Happened) {
        self.journal.push(Entry { record: record.clone(), what });
    }

    /// Whether the record that an entry tells of has another id by now, and nothing has this one:
    /// it is told under the other.
    pub(super) fn moved_on(&self, entry: &Entry) -> bool {
        let renamed = |one: &Entry| match &one.what {
            Happened::KeyChanged { old, .. } => *old == entry.record,
            Happened::Touched | Happened::Lost => false,
        };
        matches!(entry.what, Happened::Touched)
            && !self.rows.contains_key(&entry.record)
            && self.journal.iter().any(renamed)
    }

    /// The present record that holds this.
    pub(super) fn holding(&self, column: &Column, value: &Value) -> Option<RecordId> {
        let holds = |row: &Row| !row.deleted && row.image.get(column) == Some(value);
        self.rows.iter().find(|(_, row)| holds(row)).map(|(record, _)| record.clone())
    }

    /// The record as it is now.
    pub(super) fn observe(
        &self,
        collection: &Collection,
        record: &RecordId,
        at: Stamp,
        source: Source,
    ) -> Record {
        let blank = Observation { read_at: at, source, ..Observation::default() };
        let observation = match self.rows.get(record) {
            None => {
                let presence = Presence::OutOfScope(Absence::Visibility);
                Observation { presence, ..blank }
            }
            Some(row) => Observation {
                presence: presence(collection, row),
                image: if row.deleted { Image::new() } else { row.image.clone() },
                version: Some(version(row)),
                changed_at: Some(row.changed_at),
                marker: row.marker,
                ..blank
            },
        };
        Record { record: record.clone(), observation }
    }
}

pub(super) fn version(row: &Row) -> Version {
    Version { order: Some(row.version), token: row.version.to_string() }
}

fn presence(collection: &Collection, row: &Row) -> Presence {
    let soft = |(column, value): &(Column, Value)| row.image.get(column) == Some(value);
    if row.deleted {
        Presence::Deleted(row.merged_into.clone().map_or(Deletion::Hard, Deletion::MergedInto))
    } else if collection.soft.as_ref().is_some_and(soft) {
        Presence::Deleted(Deletion::Soft)
    } else {
        Presence::Present
    }
}
