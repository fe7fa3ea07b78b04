//! The org: all records, with transactions that can be taken back. It knows nothing of HTTP.

mod cascade;
mod check;
mod input;
mod orders;
mod save;
mod seed;
mod table;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use self::table::{Hidden, Stored};
pub(crate) use self::{
    input::{Fields, coerce},
    save::Actor,
    table::{Key, Row, Table, key},
};
use crate::{
    cell::Cell,
    data::DataFile,
    error::{ApiError, EmulatorError},
    ids::Id,
    rules::Rules,
    schema::{Object, Schema},
};

/// One row as it was before a step of the running transaction.
struct Undo {
    object: usize,
    id: Id,
    before: Option<Stored>,
}

/// The records of the org.
pub(crate) struct Org {
    pub(crate) schema: Arc<Schema>,
    /// What tests switch on: refusals, automation, late visibility.
    pub(crate) rules: Rules,
    tables: Vec<Table>,
    undo: Vec<Undo>,
    transaction: u64,
    instance: u32,
    next_id: HashMap<String, u64>,
    next_number: HashMap<(usize, usize), u64>,
    file: Option<DataFile>,
}

impl Org {
    /// An org with the built-in rows, and those of the data file if there is one.
    pub(crate) fn open(
        schema: Schema,
        seed: u64,
        file: Option<DataFile>,
        now_ms: i64,
    ) -> Result<Self, EmulatorError> {
        let tables = schema.objects.iter().map(Table::new).collect();
        let mut org = Self {
            schema: Arc::new(schema),
            rules: Rules::new(seed),
            tables,
            undo: Vec::new(),
            transaction: 1,
            instance: seed::instance(seed),
            next_id: HashMap::new(),
            next_number: HashMap::new(),
            file: None,
        };
        if let Some(mut file) = file {
            for (object, row) in file.load(&org.schema)? {
                org.adopt(object, row);
            }
            org.file = Some(file);
        }
        org.add_builtin_rows(now_ms);
        if let Some(file) = &mut org.file {
            let all = org.tables.iter().enumerate();
            let rows = all.flat_map(|(object, table)| table.all().map(move |row| (object, row)));
            file.compact(&org.schema, rows)?;
        }
        Ok(org)
    }

    pub(crate) fn object(&self, place: usize) -> &Object {
        &self.schema.objects[place]
    }

    /// An object by its name in any case.
    pub(crate) fn find_object(&self, name: &str) -> Option<usize> {
        self.schema.find(name)
    }

    /// The object that an id belongs to, by its prefix.
    pub(crate) fn object_of(&self, id: Id) -> Option<usize> {
        self.schema.objects.iter().position(|object| object.prefix == id.prefix())
    }

    pub(crate) fn table(&self, object: usize) -> &Table {
        &self.tables[object]
    }

    /// A row as the running request sees it: not what is still on its way of other transactions.
    pub(crate) fn view(&self, object: usize, id: Id, now_ms: i64) -> Option<&Arc<Row>> {
        self.tables[object].view(id, now_ms, self.transaction)
    }

    /// A row that is there and not deleted; else the error that clients get for this id.
    pub(crate) fn live(&self, object: usize, id: Id, now_ms: i64) -> Result<&Arc<Row>, ApiError> {
        match self.view(object, id, now_ms) {
            Some(row) if row.is_deleted() => Err(ApiError::deleted()),
            Some(row) => Ok(row),
            None => Err(ApiError::no_external_field(&id.to_string())),
        }
    }

    /// Rows (seen now, not deleted) whose indexed field has this value.
    pub(crate) fn matching(&self, object: usize, field: usize, cell: &Cell, now: i64) -> Vec<Id> {
        let table = &self.tables[object];
        let one = &self.object(object).fields[field];
        let Some(key) = key(cell, one.case_sensitive) else { return Vec::new() };
        let found: BTreeSet<_> = table.by_key(field, &key).chain(table.late(now)).collect();
        found
            .into_iter()
            .filter(|id| {
                self.view(object, *id, now).is_some_and(|row| {
                    !row.is_deleted()
                        && table::key(&row.cells[field], one.case_sensitive).as_ref() == Some(&key)
                })
            })
            .collect()
    }

    /// A point to which the running transaction can be taken back.
    pub(crate) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes back everything since the mark.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        for undo in self.undo.split_off(mark).into_iter().rev() {
            self.tables[undo.object].put(undo.id, undo.before);
        }
    }

    /// Ends the request's transaction: its rows are in the data file when this returns.
    pub(crate) fn commit(&mut self) -> Result<(), ApiError> {
        let lines = self.touched_lines();
        if let Some(file) = &mut self.file
            && let Err(error) = file.append(&lines)
        {
            tracing::error!(%error, "the data file can't be written");
            self.roll_back(0);
            return Err(ApiError::new(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."));
        }
        self.undo.clear();
        self.transaction += 1;
        Ok(())
    }

    fn touched_lines(&self) -> String {
        let mut touched: Vec<_> = self.undo.iter().map(|undo| (undo.object, undo.id)).collect();
        touched.sort_unstable();
        touched.dedup();
        let rows =
            touched.iter().filter_map(|(at, id)| Some((*at, self.tables[*at].current(*id)?)));
        rows.map(|(object, row)| crate::data::line(self.object(object), row)).collect()
    }

    /// The next id of an object.
    fn next_id(&mut self, object: usize) -> Id {
        let prefix = self.object(object).prefix.clone();
        let next = self.next_id.entry(prefix.clone()).or_insert(1);
        let id = Id::numbered(&prefix, self.instance, *next);
        *next += 1;
        id
    }

    /// The next value of an automatic number.
    fn next_number(&mut self, object: usize, field: usize) -> u64 {
        let next = self.next_number.entry((object, field)).or_insert(1);
        *next += 1;
        *next - 1
    }

    /// Stores a row as it is, taking its id and numbers into account.
    fn adopt(&mut self, object: usize, row: Row) {
        let id = row.id();
        let next = self.next_id.entry(id.prefix().to_owned()).or_insert(1);
        *next = (*next).max(id.sequence() + 1);
        for (place, field) in self.schema.clone().objects[object].fields.iter().enumerate() {
            let number = row.cells[place].text().and_then(|text| text.parse::<u64>().ok());
            if let Some(number) = number.filter(|_| field.auto_number) {
                let next = self.next_number.entry((object, place)).or_insert(1);
                *next = (*next).max(number + 1);
            }
        }
        self.tables[object].put(id, Some(Stored::plain(Arc::new(row))));
    }

    /// Stores a new state of a row within the running transaction.
    fn put(&mut self, object: usize, row: Row, hidden_until: Option<i64>) {
        let id = row.id();
        let before = self.tables[object].stored(id).cloned();
        let hidden = hidden_until.map(|until_ms| Hidden {
            until_ms,
            transaction: self.transaction,
            before: self.shown_before(before.as_ref()),
        });
        let stored = Stored { row: Arc::new(row), hidden };
        self.tables[object].put(id, Some(stored));
        self.undo.push(Undo { object, id, before });
    }

    fn shown_before(&self, before: Option<&Stored>) -> Option<Arc<Row>> {
        let before = before?;
        match &before.hidden {
            Some(hidden) if hidden.transaction == self.transaction => hidden.before.clone(),
            Some(_) | None => Some(before.row.clone()),
        }
    }

    /// True if another transaction still holds this row.
    fn is_locked(&self, object: usize, id: Id, now_ms: i64) -> bool {
        self.tables[object].stored(id).and_then(|stored| stored.hidden.as_ref()).is_some_and(
            |hidden| hidden.until_ms > now_ms && hidden.transaction != self.transaction,
        )
    }
}
