//! What goes wrong on purpose, and when.

use std::collections::VecDeque;
use std::time::Duration;

use duet_core::id::Column;
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::Batch;

use super::calls::Kind;

/// Something that goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call is carried out and its answer is lost.
    AnswerLost,
    /// The call is lost on its way; nobody can tell it from a lost answer.
    CallLost,
    /// The call is carried out when the test says so ([`super::MemorySide::land_late`]), long after
    /// its caller gave up.
    Later,
    /// Every record of the call is refused so, and nothing is written.
    Refused(FailureClass),
    /// The call as a whole fails before it left.
    NotSent(FailureClass),
    /// Too many calls; the side asks to wait.
    Throttled(Duration),
    /// The last answer of the call is left out.
    AnswerMissing,
    /// The call takes longer.
    Slow(Duration),
}

/// A fault that waits for calls of a kind.
#[derive(Debug)]
struct Planned {
    kind: Kind,
    fault: Fault,
    /// How many calls it still meets.
    times: usize,
}

/// A value that the side's own rules refuse.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) table: String,
    pub(super) column: Column,
    pub(super) value: Value,
    pub(super) class: FailureClass,
}

/// Everything that goes wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    planned: VecDeque<Planned>,
    pub(super) rules: Vec<Rule>,
    /// Calls that are still on their way.
    pub(super) late: Vec<(String, Batch)>,
}

impl Faults {
    pub(super) fn plan(&mut self, kind: Kind, fault: Fault, times: usize) {
        self.planned.push_back(Planned { kind, fault, times });
    }

    /// What goes wrong with this call: the fault planned first for its kind.
    pub(super) fn meet(&mut self, kind: Kind) -> Option<Fault> {
        let at = self.planned.iter().position(|one| one.kind.covers(kind))?;
        let planned = &mut self.planned[at];
        planned.times = planned.times.saturating_sub(1);
        let fault = planned.fault.clone();
        if planned.times == 0 {
            self.planned.remove(at);
        }
        Some(fault)
    }

    pub(super) fn heal(&mut self) {
        self.planned.clear();
        self.rules.clear();
    }
}

/// A failure of a class, under the class's own name.
#[must_use]
pub fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        code: format!("{class:?}").to_uppercase(),
        message: "made up for a test".to_owned(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}
