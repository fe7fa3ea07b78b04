//! What somebody else does at the side, what a test plans there, and what it looks at afterwards.

use duet_core::id::{Column, RecordId};
use duet_core::image::Image;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_core::value::Value;

use super::calls::{Kind, Written};
use super::fault::{Fault, Rule};
use super::table::{Happened, Row, Table};
use super::{MemorySide, State};

/// Columns with texts.
#[must_use]
pub fn columns(pairs: &[(&str, &str)]) -> Image {
    pairs.iter().map(|(column, text)| (Column::from(*column), Value::text(*text))).collect()
}

impl MemorySide {
    /// Somebody makes or changes a record. Its id stands in `id`.
    pub fn put(&self, table: &str, record: &str, values: Image) {
        let id = RecordId::from(record);
        self.change(table, |state, now, version| {
            let table = state.tables.make(table);
            let blank = Row {
                image: Image::from([(Column::from("id"), Value::text(record))]),
                version,
                changed_at: now,
                marker: None,
                deleted: false,
                merged_into: None,
            };
            let row = table.rows.entry(id.clone()).or_insert_with(|| blank.clone());
            if row.deleted {
                *row = blank;
            }
            row.image.extend(values);
            (row.version, row.changed_at) = (version, now);
            table.note(&id, Happened::Touched);
        });
    }

    /// Somebody deletes a record.
    ///
    /// # Panics
    /// When it isn't there.
    pub fn delete(&self, table: &str, record: &str) {
        let id = RecordId::from(record);
        self.change(table, |state, now, version| {
            let table = state.tables.make(table);
            let row = table.rows.get_mut(&id).expect("the test deletes what is there");
            (row.version, row.changed_at, row.deleted) = (version, now, true);
            table.note(&id, Happened::Touched);
        });
    }

    /// Somebody merges a record into another one, which stays as it is.
    ///
    /// # Panics
    /// When one of them isn't there.
    pub fn merge(&self, table: &str, loser: &str, winner: &str) {
        let (id, winner) = (RecordId::from(loser), RecordId::from(winner));
        self.change(table, |state, now, version| {
            let table = state.tables.make(table);
            assert!(table.rows.contains_key(&winner), "the test merges into what is there");
            let row = table.rows.get_mut(&id).expect("the test merges what is there");
            (row.version, row.changed_at, row.deleted) = (version, now, true);
            row.merged_into = Some(winner);
            table.note(&id, Happened::Touched);
        });
    }

    /// Somebody brings a merged record back.
    ///
    /// # Panics
    /// When it was never there.
    pub fn bring_back(&self, table: &str, record: &str) {
        let id = RecordId::from(record);
        self.change(table, |state, now, version| {
            let table = state.tables.make(table);
            let row = table.rows.get_mut(&id).expect("the test brings back what was there");
            (row.version, row.changed_at, row.deleted) = (version, now, false);
            row.merged_into = None;
            table.note(&id, Happened::Touched);
        });
    }

    /// Somebody gives a record another id.
    ///
    /// # Panics
    /// When it isn't there.
    pub fn rename(&self, table: &str, old: &str, new: &str) {
        let (old, id) = (RecordId::from(old), RecordId::from(new));
        self.change(table, |state, now, version| {
            let table = state.tables.make(table);
            let mut row = table.rows.remove(&old).expect("the test renames what is there");
            (row.version, row.changed_at) = (version, now);
            row.image.insert("id".into(), Value::text(new));
            table.rows.insert(id.clone(), row);
            table.note(&id, Happened::KeyChanged { old, order: version });
            table.note(&id, Happened::Touched);
        });
    }

    /// Somebody exchanges the ids of two records, in one statement.
    ///
    /// # Panics
    /// When one of them isn't there.
    pub fn exchange(&self, table: &str, one: &str, other: &str) {
        let ids = [RecordId::from(one), RecordId::from(other)];
        self.change(table, |state, now, _| {
            let rows = state.tables.make(table);
            let taken: Vec<Row> = ids.iter().filter_map(|id| rows.rows.remove(id)).collect();
            let [first, second] = taken.try_into().expect("the test exchanges what is there");
            for (mut row, place) in [(first, 1), (second, 0)] {
                let (old, id) = (ids[1 - place].clone(), ids[place].clone());
                let version = state.tables.version(now, 0);
                (row.version, row.changed_at) = (version, now);
                row.image.insert("id".into(), Value::text(id.as_str()));
                let rows = state.tables.make(table);
                rows.rows.insert(id.clone(), row);
                rows.note(&id, Happened::KeyChanged { old, order: version });
            }
            let rows = state.tables.make(table);
            ids.iter().for_each(|id| rows.note(id, Happened::Touched));
        });
    }

    /// The side tells every record again, as sources do after a restart.
    pub fn tell_again(&self, table: &str) {
        self.change(table, |state, _, _| {
            let table = state.tables.make(table);
            let all: Vec<RecordId> = table.rows.keys().cloned().collect();
            for record in all {
                table.note(&record, Happened::Touched);
            }
        });
    }

    /// The side changes a record and tells only that it lost track of it.
    pub fn put_untold(&self, table: &str, record: &str, values: Image) {
        self.put(table, record, values);
        let mut state = self.state();
        let table = state.tables.make(table);
        let told = table.journal.last_mut().expect("the change was just noted");
        told.what = Happened::Lost;
    }

    /// The side throws away what it noted up to now: stored positions are of no use any more.
    pub fn lose_journal(&self, table: &str) {
        let mut state = self.state();
        let table = state.tables.make(table);
        table.note(&RecordId::from("-"), Happened::Lost);
        table.lost_before = table.journal.len();
    }

    fn change(&self, table: &str, make: impl FnOnce(&mut State, Stamp, i64)) {
        let now = self.shared.clock.now();
        let mut state = self.state();
        state.tables.make(table);
        let version = state.tables.version(now, self.shared.promises.grain_us);
        make(&mut state, now, version);
        drop(state);
        self.announce();
    }

    /// The next `times` calls of a kind meet this fault.
    pub fn plan(&self, kind: Kind, fault: Fault, times: usize) {
        self.state().faults.plan(kind, fault, times);
    }

    /// The side's rules refuse a value from now on.
    pub fn forbid(&self, table: &str, column: &str, value: &str, class: FailureClass) {
        let rule =
            Rule { table: table.into(), column: column.into(), value: Value::text(value), class };
        self.state().faults.rules.push(rule);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.state().faults.heal();
    }

    /// A record that is there.
    #[must_use]
    pub fn row(&self, table: &str, record: &str) -> Option<Row> {
        let state = self.state();
        let row = state.tables.get(table)?.rows.get(&RecordId::from(record))?;
        (!row.deleted).then(|| row.clone())
    }

    /// The text that a record holds.
    #[must_use]
    pub fn text(&self, table: &str, record: &str, column: &str) -> Option<String> {
        match self.row(table, record)?.image.get(&Column::from(column)) {
            Some(Value::Text(text)) => Some(text.to_string()),
            Some(_) | None => None,
        }
    }

    /// Every record that is there, in the order of ids.
    #[must_use]
    pub fn records(&self, table: &str) -> Vec<RecordId> {
        let present = |table: &Table| {
            let rows = table.rows.iter().filter(|(_, row)| !row.deleted);
            rows.map(|(record, _)| record.clone()).collect()
        };
        self.state().tables.get(table).map(present).unwrap_or_default()
    }

    /// The only record whose column holds this text.
    ///
    /// # Panics
    /// When there is more than one.
    #[must_use]
    pub fn find_one(&self, table: &str, column: &str, text: &str) -> Option<RecordId> {
        let mut found: Vec<RecordId> = self
            .records(table)
            .into_iter()
            .filter(|one| self.text(table, one.as_str(), column).as_deref() == Some(text))
            .collect();
        assert!(found.len() <= 1, "{text} was doubled: {found:?}");
        found.pop()
    }

    /// Every write that took effect, in order.
    #[must_use]
    pub fn written(&self) -> Vec<Written> {
        self.state().calls.written.clone()
    }

    /// How many calls of a kind arrived.
    #[must_use]
    pub fn calls(&self, kind: Kind) -> usize {
        self.state().calls.of(kind)
    }
}
