//! A side in memory: one table, with versions, markers and a journal, reached through the ports of a
//! real side. It keeps the history of every change, by whomever, as evidence for the checker.
//!
//! Not a product: no protocol. What it promises is drawn per run ([`Nature`]): stamps of whole
//! seconds and edits that are seen late (like Salesforce), or a version per write (like SQL).

mod connector;
mod detect;
mod observe;
mod people;
mod write;

use crate::broken::Broken;
use crate::check::history::{By, Change, Fields, History, Place};
use crate::luck::Luck;
use duet_core::id::{Column, ConnectionName, IntentId, RecordId};
use duet_core::image::Image;
use duet_core::side::Side;
use duet_core::spec::PathClass;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::Batch;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The column that identifies a record.
pub(crate) const ID: &str = "id";
/// The column in which a side keeps duet's unique key, where it has one.
pub(crate) const KEY_COLUMN: &str = "duet_key";

/// What a side promises, and how it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nature {
    /// The class of both paths.
    pub(crate) class: PathClass,
    /// Grain of stamps and versions in microseconds; zero: every write has a version of its own.
    pub(crate) grain_us: i64,
    /// Whether the answer of a write shows the record as it is then.
    pub(crate) shows_writes: bool,
    /// Whether edits may be seen later than their stamps say.
    pub(crate) sees_late: bool,
}

impl Nature {
    /// Like Salesforce: whole seconds, no look at what was written, transactions that stay open.
    #[must_use]
    pub(crate) fn of_whole_seconds() -> Nature {
        let (class, grain_us) = (PathClass::K3s, Stamp::SECOND);
        Nature { class, grain_us, shows_writes: false, sees_late: true }
    }

    /// Like a SQL table with duet's capture.
    #[must_use]
    pub(crate) fn of_tables() -> Nature {
        Nature { class: PathClass::K3, grain_us: 0, shows_writes: true, sees_late: false }
    }

    /// Like a SQL table without it, or REST with ETags: a version check, no marker.
    #[must_use]
    pub(crate) fn without_marker() -> Nature {
        Nature { class: PathClass::K2, ..Nature::of_tables() }
    }

    /// Whether writes leave a marker, and creates duet's own key.
    #[must_use]
    pub(crate) fn has_marker(self) -> bool {
        match self.class {
            PathClass::K3 | PathClass::K3s => true,
            PathClass::K2 | PathClass::K1 | PathClass::K1p | PathClass::K0 => false,
        }
    }
}

/// A record.
#[derive(Clone, Debug)]
struct Row {
    image: Image,
    /// Larger is later.
    version: i64,
    changed_at: Stamp,
    marker: Option<IntentId>,
    deleted: bool,
}

/// An edit whose transaction is still open: it holds the record's lock, and nobody sees it.
#[derive(Clone, Debug)]
struct Open {
    record: RecordId,
    values: Image,
    stamp: Stamp,
    until: Stamp,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<RecordId, Row>,
    /// Its positions are numbers of entries.
    journal: Vec<RecordId>,
    open: Vec<Open>,
    /// Writes whose callers gave up and that are still on their way.
    late: Vec<Batch>,
    changes: Vec<Change>,
    created: u64,
    version: i64,
    /// Calls that arrived.
    calls: u64,
    /// Writes that were refused because the record had moved on.
    stale: u64,
}

/// A side in memory. Clones are the same side.
#[derive(Clone)]
pub(crate) struct SimSide {
    shared: Arc<Shared>,
}

struct Shared {
    name: ConnectionName,
    side: Side,
    nature: Nature,
    luck: Arc<Luck>,
    broken: Option<Broken>,
    state: Mutex<State>,
}

/// Work that a side had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Calls that arrived.
    pub(crate) calls: u64,
    /// Writes that took effect.
    pub(crate) writes: u64,
    /// Writes that were refused because the record had moved on.
    pub(crate) stale: u64,
}

impl SimSide {
    /// An empty side.
    #[must_use]
    pub(crate) fn new(
        side: Side,
        nature: Nature,
        luck: Arc<Luck>,
        broken: Option<Broken>,
    ) -> SimSide {
        let (name, state) = (side.as_str().into(), Mutex::default());
        SimSide { shared: Arc::new(Shared { name, side, nature, luck, broken, state }) }
    }

    /// What happened on it.
    #[must_use]
    pub(crate) fn history(&self) -> History {
        let state = self.state();
        let rows = state.rows.iter().filter(|(_, row)| !row.deleted);
        let rows = rows.map(|(id, row)| (id.to_string(), fields(&row.image))).collect();
        History { changes: state.changes.clone(), grain: self.shared.nature.grain_us, rows }
    }

    /// How much it had to do.
    #[must_use]
    pub(crate) fn work(&self) -> Work {
        let state = self.state();
        let ours = state.changes.iter().filter(|change| change.is_ours()).count();
        let writes = u64::try_from(ours).unwrap_or(u64::MAX);
        Work { calls: state.calls, writes, stale: state.stale }
    }

    /// The side's state, with the transactions that ended by now.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now_there();
        while let Some(at) = state.open.iter().position(|open| open.until <= now) {
            let open = state.open.remove(at);
            self.commit(&mut state, &open.record, open.values, open.stamp);
        }
        state
    }

    fn now_there(&self) -> Stamp {
        use duet_ports::clock::Clock;
        self.shared.luck.clock.now()
    }

    /// The version of a change with this stamp.
    fn version(&self, state: &mut State, stamp: Stamp) -> i64 {
        let grain = self.shared.nature.grain_us;
        if grain > 0 {
            return stamp.0 - stamp.0.rem_euclid(grain);
        }
        state.version += 1;
        state.version
    }

    /// Notes a change in the history and, so that detectors see it, in the journal.
    fn noted(
        &self,
        state: &mut State,
        record: &RecordId,
        before: Option<Fields>,
        by: By,
        at: Stamp,
    ) {
        let row = state.rows.get(record);
        let after = row.filter(|row| !row.deleted).map(|row| fields(&row.image));
        let what = match (&before, &after) {
            (None, _) => "made",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "deleted",
        };
        let side = self.shared.side;
        self.shared.luck.note(format_args!("{side} {record} {what} by {by:?}: {after:?}"));
        let (record, at_now) = (record.clone(), self.now_there().0);
        let (name, stamp) = (record.to_string(), at.0);
        state.changes.push(Change { at: at_now, stamp, record: name, by, before, after });
        state.journal.push(record);
    }
}

impl State {
    fn fields(&self, record: &RecordId) -> Option<Fields> {
        let row = self.rows.get(record).filter(|row| !row.deleted)?;
        Some(fields(&row.image))
    }

    /// The present record whose column holds this.
    fn holding(&self, column: &Column, value: &Value) -> Option<RecordId> {
        let holds = |row: &Row| !row.deleted && row.image.get(column) == Some(value);
        self.rows.iter().find(|(_, row)| holds(row)).map(|(record, _)| record.clone())
    }

    fn is_locked(&self, record: &RecordId) -> bool {
        self.open.iter().any(|open| open.record == *record)
    }
}

/// Which of the two a side is, in the words of the checker.
#[must_use]
pub(crate) fn place(side: Side) -> Place {
    match side {
        Side::Left => Place::Left,
        Side::Right => Place::Right,
    }
}

/// A record's columns as the evidence has them: duet's own key isn't anybody's edit.
fn fields(image: &Image) -> Fields {
    let told = image.iter().filter(|(column, _)| ![ID, KEY_COLUMN].contains(&column.as_str()));
    told.filter_map(|(column, value)| Some((column.to_string(), text(value)?))).collect()
}

/// A value as text; none: null.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}
