//! The rows of one object, with indexes by stamp and by the fields that are looked up.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::NaiveDate;

use crate::{
    cell::Cell,
    ids::Id,
    schema::{ID, IS_DELETED, Object, STAMP},
};

/// One state of one record: a cell for every field of its object.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Cell>,
}

impl Row {
    pub(crate) fn id(&self) -> Id {
        self.cells[ID].id().expect("every row has its id")
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.cells[IS_DELETED].is_true()
    }

    pub(crate) fn stamp(&self) -> i64 {
        self.cells[STAMP].instant().expect("every row has its stamp")
    }
}

/// A value as equality and indexes see it: text without case, unless the field minds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Bool(bool),
    /// The bits of the number, with one zero only.
    Number(u64),
    Text(String),
    Id(Id),
    Date(NaiveDate),
    Instant(i64),
}

/// The key of a value; nothing for null.
pub(crate) fn key(cell: &Cell, case_sensitive: bool) -> Option<Key> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => Key::Bool(*value),
        Cell::Number(value) => Key::Number((value + 0.0).to_bits()),
        Cell::Text(text) if case_sensitive => Key::Text(text.clone()),
        Cell::Text(text) => Key::Text(text.to_lowercase()),
        Cell::Id(id) => Key::Id(*id),
        Cell::Date(date) => Key::Date(*date),
        Cell::Instant(at) => Key::Instant(*at),
    })
}

/// A state that others don't see yet: its transaction is still open.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    pub(super) until_ms: i64,
    pub(super) transaction: u64,
    pub(super) before: Option<Arc<Row>>,
}

/// A row and, while its last change is on its way, what others see.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) row: Arc<Row>,
    pub(super) hidden: Option<Hidden>,
}

impl Stored {
    pub(super) fn plain(row: Arc<Row>) -> Self {
        Self { row, hidden: None }
    }
}

type Index = HashMap<Key, BTreeSet<Id>>;

/// All rows of one object, deleted ones included.
pub(crate) struct Table {
    rows: BTreeMap<Id, Stored>,
    by_stamp: BTreeSet<(i64, Id)>,
    /// By place of the field; the flag says whether the field minds case.
    indexes: Vec<(usize, bool, Index)>,
    /// Until when a row has a state that others don't see: indexes know newest states only.
    late: HashMap<Id, i64>,
}

impl Table {
    pub(super) fn new(object: &Object) -> Self {
        let indexed = object.fields.iter().enumerate().filter(|(_, field)| field.indexed());
        let indexes = indexed.map(|(at, field)| (at, field.case_sensitive, Index::new())).collect();
        Self { rows: BTreeMap::new(), by_stamp: BTreeSet::new(), indexes, late: HashMap::new() }
    }

    pub(super) fn stored(&self, id: Id) -> Option<&Stored> {
        self.rows.get(&id)
    }

    /// The newest state, seen by others or not.
    pub(crate) fn current(&self, id: Id) -> Option<&Arc<Row>> {
        self.rows.get(&id).map(|stored| &stored.row)
    }

    pub(super) fn view(&self, id: Id, now_ms: i64, transaction: u64) -> Option<&Arc<Row>> {
        let stored = self.rows.get(&id)?;
        match &stored.hidden {
            Some(hidden) if hidden.until_ms > now_ms && hidden.transaction != transaction => {
                hidden.before.as_ref()
            }
            Some(_) | None => Some(&stored.row),
        }
    }

    /// All ids, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.rows.keys().copied()
    }

    /// All newest states, in order of id.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Row> + '_ {
        self.rows.values().map(|stored| stored.row.as_ref())
    }

    /// Ids whose newest state has this value in an indexed field.
    pub(crate) fn by_key(&self, field: usize, key: &Key) -> impl Iterator<Item = Id> + '_ {
        let index = self.indexes.iter().find(|(at, ..)| *at == field);
        index.and_then(|(.., index)| index.get(key)).into_iter().flatten().copied()
    }

    /// Ids whose newest state has a stamp at or after this one.
    pub(crate) fn since(&self, stamp: i64) -> impl Iterator<Item = Id> + '_ {
        let zero = Id::numbered("000", 0, 0);
        self.by_stamp.range((stamp, zero)..).map(|(_, id)| *id)
    }

    /// Ids whose newest state may not be seen: to be added to what an index finds.
    pub(crate) fn late(&self, now_ms: i64) -> impl Iterator<Item = Id> + '_ {
        self.late.iter().filter(move |(_, until)| **until > now_ms).map(|(id, _)| *id)
    }

    /// Newest states whose indexed field has this value, deleted ones left out.
    pub(crate) fn holders(&self, field: usize, cell: &Cell) -> Vec<Id> {
        let Some((_, sensitive, index)) = self.indexes.iter().find(|(at, ..)| *at == field) else {
            return Vec::new();
        };
        let found = key(cell, *sensitive).and_then(|key| index.get(&key)).into_iter().flatten();
        found.copied().filter(|id| self.rows.get(id).is_some_and(|s| !s.row.is_deleted())).collect()
    }

    /// Replaces or removes a row, and keeps the indexes in step.
    pub(super) fn put(&mut self, id: Id, stored: Option<Stored>) {
        if let Some(old) = self.rows.remove(&id) {
            self.unindex(id, &old.row);
        }
        if let Some(new) = stored {
            self.index(id, &new.row);
            match &new.hidden {
                Some(hidden) => _ = self.late.insert(id, hidden.until_ms),
                None => _ = self.late.remove(&id),
            }
            self.rows.insert(id, new);
        }
    }

    fn index(&mut self, id: Id, row: &Row) {
        self.by_stamp.insert((row.stamp(), id));
        for (field, sensitive, index) in &mut self.indexes {
            if let Some(key) = key(&row.cells[*field], *sensitive) {
                index.entry(key).or_default().insert(id);
            }
        }
    }

    fn unindex(&mut self, id: Id, row: &Row) {
        self.by_stamp.remove(&(row.stamp(), id));
        for (field, sensitive, index) in &mut self.indexes {
            let Some(key) = key(&row.cells[*field], *sensitive) else { continue };
            if let Some(ids) = index.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    index.remove(&key);
                }
            }
        }
    }
}
