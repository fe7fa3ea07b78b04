//! What arrived on the HTTP side: whether every change did, and none twice.

use crate::sample::{MOVED_LEFT, moved, text};
use crate::side::Landing;
use duet_core::id::RecordId;
use duet_core::image::Image;
use duet_ports::envelope::ChangeV1;
use std::collections::{HashMap, HashSet, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is expected, and what came.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What must stand in the end, by record: digests of the moved columns' texts.
    last: HashMap<RecordId, u64>,
    /// Everything that a change said of a record.
    told: HashSet<(RecordId, u64)>,
    /// What was written.
    written: HashSet<(RecordId, u64)>,
    /// Records that don't hold yet what must stand in the end.
    open: HashSet<RecordId>,
    /// Writes of what had been written before.
    repeated: usize,
    /// Writes of what no change said.
    strange: usize,
}

/// What came of the changes, for the check after a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Records that don't hold what the last change said.
    pub(crate) open: usize,
    /// Writes of what had been written before.
    pub(crate) repeated: usize,
    /// Writes of what no change said.
    pub(crate) strange: usize,
}

impl Ledger {
    /// Expects a change; later ones of a record count more.
    pub(crate) fn expect(&self, change: &ChangeV1) {
        let (record, digest) = (change.record.clone(), digest(moved(change)));
        let mut state = self.state();
        state.told.insert((record.clone(), digest));
        state.open.insert(record.clone());
        state.last.insert(record, digest);
    }

    /// Writes landed.
    pub(crate) fn landed<'a>(&self, landings: impl Iterator<Item = Landing<'a>>) {
        let mut state = self.state();
        for (record, values) in landings {
            // A write that moves none of these columns carries what the left side held before.
            if let (Some(record), Some(digest)) = (record, written(values)) {
                state.note(record, digest);
            }
        }
    }

    /// How many records don't hold yet what must stand in the end.
    pub(crate) fn open(&self) -> usize {
        self.state().open.len()
    }

    /// What came of everything.
    pub(crate) fn account(&self) -> Account {
        let state = self.state();
        Account { open: state.open.len(), repeated: state.repeated, strange: state.strange }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, record: &RecordId, digest: u64) {
        let pair = (record.clone(), digest);
        if !self.told.contains(&pair) {
            self.strange += 1;
        }
        if !self.written.insert(pair) {
            self.repeated += 1;
        }
        if self.last.get(record) == Some(&digest) {
            self.open.remove(record);
        }
    }
}

fn written(values: &Image) -> Option<u64> {
    let texts: Vec<String> =
        MOVED_LEFT.iter().filter_map(|&column| text(values.get(column))).collect();
    (texts.len() == MOVED_LEFT.len()).then(|| digest(texts))
}

fn digest(texts: Vec<String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Changes, MOVED};
    use duet_core::value::Value;

    fn write_of(change: &ChangeV1) -> Image {
        let texts = moved(change).into_iter().map(Value::text);
        assert_eq!(MOVED.len(), MOVED_LEFT.len());
        MOVED_LEFT.iter().map(|&column| column.into()).zip(texts).collect()
    }

    #[test]
    fn what_is_missing_repeated_or_strange_is_told() {
        let ledger = Ledger::default();
        let changes: Vec<ChangeV1> = Changes::new(1, 1).take(3).map(|(_, change)| change).collect();
        changes.iter().take(2).for_each(|change| ledger.expect(change));
        let land = |change: &ChangeV1| {
            let (record, values) = (Some(change.record.clone()), write_of(change));
            ledger.landed([(&record, &values)].into_iter());
        };
        land(&changes[0]);
        assert_eq!(ledger.account(), Account { open: 1, ..Account::default() });
        land(&changes[1]);
        assert_eq!(ledger.account(), Account::default());
        land(&changes[1]);
        land(&changes[2]);
        assert_eq!(ledger.account(), Account { open: 0, repeated: 1, strange: 1 });
    }
}
