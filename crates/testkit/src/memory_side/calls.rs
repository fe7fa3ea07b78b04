//! What was called, and which writes took effect: for tests that count.

use std::collections::BTreeMap;

use duet_core::id::{IntentId, RecordId};
use duet_core::intent::Op;

/// A kind of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Any of them.
    Any,
    /// Writes.
    Apply,
    /// Writes that create.
    Create,
    /// Reads by id.
    Read,
    /// Searches.
    Find,
    /// Pages of a scan.
    Scan,
    /// Readings of a detector.
    Detect,
}

impl Kind {
    /// Whether a fault planned for this kind meets a call of `kind`.
    pub(super) fn covers(self, kind: Kind) -> bool {
        match self {
            Kind::Any => true,
            Kind::Apply => matches!(kind, Kind::Apply | Kind::Create),
            Kind::Create | Kind::Read | Kind::Find | Kind::Scan | Kind::Detect => self == kind,
        }
    }
}

/// A write that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub table: String,
    /// The record.
    pub record: RecordId,
    /// What.
    pub op: Op,
    /// The intent, which is the marker too.
    pub intent: IntentId,
}

/// Counts of calls, and the log of writes.
#[derive(Debug, Default)]
pub(super) struct Calls {
    counts: BTreeMap<Kind, usize>,
    pub(super) written: Vec<Written>,
}

impl Calls {
    pub(super) fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// How many calls of a kind arrived so far.
    pub(super) fn of(&self, kind: Kind) -> usize {
        let counted = self.counts.iter().filter(|(one, _)| kind.covers(**one));
        counted.map(|(_, count)| count).sum()
    }
}
