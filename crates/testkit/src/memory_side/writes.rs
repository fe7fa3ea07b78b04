//! How calls take effect: conditions, unique keys, markers.

use duet_core::id::RecordId;
use duet_core::image::Image;
use duet_core::intent::{Found, Op, Outcome};
use duet_core::observation::{Observation, Source};
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Collection};

use super::calls::Written;
use super::fault::failure;
use super::table::{Happened, Row, version};
use super::{MemorySide, State};

/// One call with its surroundings.
struct Writing<'a> {
    side: &'a MemorySide,
    collection: &'a Collection,
    op: Op,
    now: Stamp,
}

impl MemorySide {
    /// Carries out a batch, all of it under one lock.
    pub(super) fn write(&self, collection: &Collection, batch: &Batch) -> Vec<Outcome> {
        let now = self.shared.clock.now();
        let writing = Writing { side: self, collection, op: batch.op, now };
        let mut state = self.state();
        let outcomes = batch.calls.iter().map(|call| writing.one(&mut state, call)).collect();
        drop(state);
        self.announce();
        outcomes
    }

    /// Calls whose callers gave up arrive now. How each of them ended.
    pub fn land_late(&self, collection: &Collection) -> Vec<Outcome> {
        let late = std::mem::take(&mut self.state().faults.late);
        let (ours, others) = late.into_iter().partition(|(table, _)| *table == collection.name);
        self.state().faults.late = others;
        let ours: Vec<(String, Batch)> = ours;
        ours.iter().flat_map(|(_, batch)| self.write(collection, batch)).collect()
    }
}

impl Writing<'_> {
    fn one(&self, state: &mut State, call: &Call) -> Outcome {
        let forbidden = state.faults.rules.iter().find(|rule| {
            rule.table == self.collection.name && call.values.get(&rule.column) == Some(&rule.value)
        });
        if let Some(rule) = forbidden {
            let mut refusal = failure(rule.class);
            refusal.columns.push(rule.column.as_str().to_owned());
            return Outcome::Refused { failure: refusal, observed: None };
        }
        match self.op {
            Op::Create => self.create(state, call),
            Op::Update | Op::Delete | Op::Undelete => self.change(state, call),
            Op::Read | Op::Find => panic!("a read is no write"),
        }
    }

    fn create(&self, state: &mut State, call: &Call) -> Outcome {
        if let Some(record) = self.in_the_way(state, call) {
            let found = self.found(state, &record);
            let failure = failure(FailureClass::Uniqueness);
            return Outcome::Refused { failure, observed: Some(Box::new(found)) };
        }
        let version = state.tables.version(self.now, self.side.shared.promises.grain_us);
        let table = state.tables.make(&self.collection.name);
        let record = given(call).unwrap_or_else(|| table.fresh(self.side.shared.name.as_str()));
        let mut image = call.values.clone();
        image.insert("id".into(), Value::text(record.as_str()));
        if let Some(column) = self.side.key_column() {
            image.insert(column, Value::text(call.link.to_string()));
        }
        let (marker, deleted, merged_into) = (Some(call.intent), false, None);
        let row = Row { image, version, changed_at: self.now, marker, deleted, merged_into };
        table.rows.insert(record.clone(), row);
        self.landed(state, call, record)
    }

    /// The record that holds the create's unique value, or is this very create's.
    fn in_the_way(&self, state: &State, call: &Call) -> Option<RecordId> {
        let table = state.tables.get(&self.collection.name)?;
        let ours = table.rows.iter().find(|(_, row)| row.marker == Some(call.intent));
        ours.map(|(record, _)| record.clone())
            .or_else(|| {
                let column = self.side.key_column()?;
                table.holding(&column, &Value::text(call.link.to_string()))
            })
            .or_else(|| {
                let (column, value) = call.unique.as_ref()?;
                table.holding(column, value)
            })
            .or_else(|| given(call).filter(|id| table.rows.get(id).is_some_and(|row| !row.deleted)))
    }

    fn change(&self, state: &mut State, call: &Call) -> Outcome {
        let record = call.record.clone().expect("a write to a record names it");
        let row = state.tables.make(&self.collection.name).rows.get(&record).cloned();
        let gone = |row: &Row| row.deleted && self.op != Op::Undelete;
        let Some(mut row) = row.filter(|row| !gone(row)) else {
            return Outcome::Refused { failure: failure(FailureClass::Gone), observed: None };
        };
        if !is_expected(call, &row) {
            let found = self.found(state, &record);
            let failure = failure(FailureClass::Stale);
            return Outcome::Refused { failure, observed: Some(Box::new(found)) };
        }
        row.version = state.tables.version(self.now, self.side.shared.promises.grain_us);
        row.changed_at = self.now;
        row.marker = Some(call.intent);
        row.deleted = self.op == Op::Delete;
        row.image.extend(call.values.clone());
        state.tables.make(&self.collection.name).rows.insert(record.clone(), row);
        self.landed(state, call, record)
    }

    fn landed(&self, state: &mut State, call: &Call, record: RecordId) -> Outcome {
        state.tables.make(&self.collection.name).note(&record, Happened::Touched);
        state.calls.written.push(Written {
            table: self.collection.name.clone(),
            record: record.clone(),
            op: self.op,
            intent: call.intent,
        });
        let shows = self.side.shared.promises.answers_state;
        let after = shows.then(|| Box::new(self.observed(state, &record)));
        Outcome::Landed { record, after }
    }

    fn observed(&self, state: &State, record: &RecordId) -> Observation {
        let table = state.tables.get(&self.collection.name).expect("it was just written");
        table.observe(self.collection, record, self.now, Source::WriteAnswer).observation
    }

    fn found(&self, state: &State, record: &RecordId) -> Found {
        let observation = self.observed(state, record);
        Found { record: record.clone(), rule: None, observation }
    }
}

/// The id that a create asks for, where its values hold it (a natural key).
fn given(call: &Call) -> Option<RecordId> {
    match call.values.get("id") {
        Some(Value::Text(id)) => Some(RecordId::new(id.clone())),
        Some(_) | None => None,
    }
}

/// The condition of a write: the version, else the values it was decided on.
fn is_expected(call: &Call, row: &Row) -> bool {
    let holds =
        |values: &Image| values.iter().all(|(column, value)| row.image.get(column) == Some(value));
    match &call.expected {
        Some(expected) => *expected == version(row),
        None => row.deleted || holds(&call.expected_values),
    }
}
