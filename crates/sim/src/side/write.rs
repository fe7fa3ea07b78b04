//! How duet's writes take effect: conditions, unique keys, markers; one step under a lock.

use super::observe::version;
use super::{By, ID, KEY_COLUMN, Row, SimSide, State};
use crate::broken::Broken;
use crate::fault::Fault;
use duet_core::id::{Column, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Found, Op, Outcome};
use duet_core::observation::Source;
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call};

/// A failure of a class, under the class's own name.
pub(super) fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        code: format!("{class:?}").to_uppercase(),
        message: "made up by the simulation".to_owned(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}

fn refused(class: FailureClass, observed: Option<Found>) -> Outcome {
    Outcome::Refused { failure: failure(class), observed: observed.map(Box::new) }
}

impl SimSide {
    /// Carries out a batch.
    pub(super) fn write(&self, batch: &Batch) -> Vec<Outcome> {
        let partly = self.shared.luck.strikes(Fault::PartlyRefused);
        let one = |call: &Call| {
            if partly && self.shared.luck.draw(|chance| chance.meets(5_000)) {
                return refused(FailureClass::Transient, None);
            }
            if self.is_pretending() {
                return self.pretended(call);
            }
            match batch.op {
                Op::Create => self.create(call),
                Op::Update | Op::Delete | Op::Undelete => self.change(batch.op, call),
                Op::Read | Op::Find => refused(FailureClass::Poison, None),
            }
        };
        batch.calls.iter().map(one).collect()
    }

    /// Writes whose callers gave up arrive now.
    pub(crate) fn land_late(&self) {
        let late = std::mem::take(&mut self.state().late);
        for batch in late {
            self.shared.luck.note(format_args!("{} late {:?}", self.shared.side, batch.op));
            self.write(&batch);
        }
    }

    fn is_pretending(&self) -> bool {
        self.shared.broken == Some(Broken::LandsWithoutWriting)
            && self.shared.luck.draw(|chance| chance.meets(1_000))
    }

    /// Says that a write landed, and wrote nothing.
    fn pretended(&self, call: &Call) -> Outcome {
        let new = || RecordId::from("nowhere");
        Outcome::Landed { record: call.record.clone().unwrap_or_else(new), after: None }
    }

    fn create(&self, call: &Call) -> Outcome {
        let now = self.now_there();
        let mut state = self.state();
        if let Some(record) = self.in_the_way(&state, call) {
            let found = self.found(&state, &record);
            return refused(FailureClass::Uniqueness, Some(found));
        }
        let record = state.fresh(self.shared.side.as_str());
        let mut image = call.values.clone();
        image.insert(ID.into(), Value::text(record.as_str()));
        if self.shared.nature.has_marker() {
            image.insert(KEY_COLUMN.into(), Value::text(call.link.to_string()));
        }
        let version = self.version(&mut state, now);
        let marker = Some(call.intent);
        let row = Row { image, version, changed_at: now, marker, deleted: false };
        state.rows.insert(record.clone(), row);
        self.noted(&mut state, &record, None, By::Duet { expected: None }, now);
        self.landed(&state, record)
    }

    /// The record that holds the create's unique value, or is this very create's.
    fn in_the_way(&self, state: &State, call: &Call) -> Option<RecordId> {
        if self.shared.broken == Some(Broken::NothingIsUnique) {
            return None;
        }
        let key = (Column::from(KEY_COLUMN), Value::text(call.link.to_string()));
        let key = self.shared.nature.has_marker().then_some(key);
        let taken = key.iter().chain(&call.unique);
        taken.filter_map(|(column, value)| state.holding(column, value)).next()
    }

    fn change(&self, op: Op, call: &Call) -> Outcome {
        let now = self.now_there();
        let mut state = self.state();
        let row = call.record.as_ref().and_then(|record| state.rows.get(record)).cloned();
        let there = row.filter(|row| !row.deleted || op == Op::Undelete);
        let (Some(record), Some(mut row)) = (call.record.clone(), there) else {
            return refused(FailureClass::Gone, None);
        };
        if state.is_locked(&record) {
            return refused(FailureClass::Transient, None);
        }
        if !self.is_expected(call, &row) {
            state.stale += 1;
            let found = self.found(&state, &record);
            return refused(FailureClass::Stale, Some(found));
        }
        let before = state.fields(&record);
        row.version = self.version(&mut state, now);
        (row.changed_at, row.marker, row.deleted) = (now, Some(call.intent), op == Op::Delete);
        row.image.extend(call.values.clone());
        state.rows.insert(record.clone(), row);
        let expected = call.expected.as_ref().and_then(|version| version.order);
        self.noted(&mut state, &record, before, By::Duet { expected }, now);
        self.landed(&state, record)
    }

    /// The condition of a write: the version, else the values that it was decided on.
    fn is_expected(&self, call: &Call, row: &Row) -> bool {
        if self.shared.broken == Some(Broken::NoVersionCheck) {
            return true;
        }
        let holds = |values: &Image| {
            values.iter().all(|(column, value)| row.image.get(column) == Some(value))
        };
        match &call.expected {
            Some(expected) => *expected == version(row),
            None => row.deleted || holds(&call.expected_values),
        }
    }

    fn landed(&self, state: &State, record: RecordId) -> Outcome {
        let seen = || {
            let seen = self.observe(state, &record, self.now_there(), Source::WriteAnswer);
            Box::new(seen.observation)
        };
        let after = self.shared.nature.shows_writes.then(seen);
        Outcome::Landed { record, after }
    }

    fn found(&self, state: &State, record: &RecordId) -> Found {
        let seen = self.observe(state, record, self.now_there(), Source::WriteAnswer);
        Found { record: seen.record, rule: None, observation: seen.observation }
    }
}
