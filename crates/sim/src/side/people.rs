//! What people do at a side: make, edit and delete records, with no regard for duet.

use super::{By, ID, Image, Open, Row, SimSide, State};
use crate::fault::Fault;
use duet_core::id::{Column, RecordId};
use duet_core::stamp::Stamp;
use duet_core::value::Value;

/// The longest that a transaction of somebody else stays open, in microseconds.
const OPEN_US: i64 = 9 * Stamp::SECOND;

impl SimSide {
    /// Somebody makes a record.
    pub(crate) fn make(&self, values: Image) -> RecordId {
        let now = self.now_there();
        let mut state = self.state();
        let record = state.fresh(self.shared.side.as_str());
        let mut image = values;
        image.insert(ID.into(), Value::text(record.as_str()));
        let version = self.version(&mut state, now);
        let row = Row { image, version, changed_at: now, marker: None, deleted: false };
        state.rows.insert(record.clone(), row);
        self.noted(&mut state, &record, None, By::Person, now);
        record
    }

    /// Somebody edits a record; perhaps in a transaction that stays open for a while. Nothing
    /// happens if it isn't there or somebody else is editing it.
    pub(crate) fn edit(&self, record: &RecordId, values: Image) {
        let now = self.now_there();
        let mut state = self.state();
        if state.fields(record).is_none() || state.is_locked(record) {
            return;
        }
        if self.shared.nature.sees_late && self.shared.luck.strikes(Fault::SeenLate) {
            let until = now.plus(self.shared.luck.draw(|chance| chance.between(1, OPEN_US)));
            state.open.push(Open { record: record.clone(), values, stamp: now, until });
            return;
        }
        self.commit(&mut state, record, values, now);
    }

    /// An edit takes effect.
    pub(super) fn commit(&self, state: &mut State, record: &RecordId, values: Image, at: Stamp) {
        let before = state.fields(record);
        let version = self.version(state, at);
        let Some(row) = state.rows.get_mut(record) else { return };
        row.image.extend(values);
        (row.version, row.changed_at) = (version, at);
        self.noted(state, record, before, By::Person, at);
    }

    /// Somebody deletes a record, if it is there and nobody edits it.
    pub(crate) fn delete(&self, record: &RecordId) {
        let now = self.now_there();
        let mut state = self.state();
        let Some(before) = state.fields(record) else { return };
        if state.is_locked(record) {
            return;
        }
        let version = self.version(&mut state, now);
        if let Some(row) = state.rows.get_mut(record) {
            (row.version, row.changed_at, row.deleted) = (version, now, true);
        }
        self.noted(&mut state, record, Some(before), By::Person, now);
    }

    /// The records that are there.
    #[must_use]
    pub(crate) fn records(&self) -> Vec<RecordId> {
        let state = self.state();
        let there = state.rows.iter().filter(|(_, row)| !row.deleted);
        there.map(|(record, _)| record.clone()).collect()
    }

    /// The text that a record's column holds.
    #[must_use]
    pub(crate) fn text(&self, record: &RecordId, column: &str) -> Option<String> {
        self.state().fields(record)?.get(column).cloned()
    }

    /// The record whose column holds this text.
    #[must_use]
    pub(crate) fn holding(&self, column: &str, text: &str) -> Option<RecordId> {
        self.state().holding(&Column::from(column), &Value::text(text))
    }

    /// The source tells everything again, as after a restart.
    pub(crate) fn tell_again(&self) {
        let mut state = self.state();
        let all: Vec<RecordId> = state.rows.keys().cloned().collect();
        state.journal.extend(all);
    }
}

impl State {
    /// An id that no record ever had.
    pub(super) fn fresh(&mut self, prefix: &str) -> RecordId {
        self.created += 1;
        RecordId::new(format!("{prefix}-{}", self.created))
    }
}
