//! Writes whose outcome nobody told (W1-W5): settled by marker or version, never by guessing.
//!
//! Not here: the reads themselves (`plan` makes them intents).

use super::case::Case;
use crate::conflict::{ConflictKind, ConflictState, Scope};
use crate::intent::{Found, Intent, IntentState, Op};
use crate::matching::match_key;
use crate::observation::{Deletion, Observation, Presence};
use crate::side::Side;
use crate::spec::PathClass;
use crate::stamp::Stamp;
use crate::verdict::Effect;

/// What became of a write.
enum Fate {
    Landed,
    NotLanded,
    Superseded,
    /// Nothing can tell.
    Untold,
}

impl Case<'_> {
    /// An observation that carries the marker of the open write is its receipt.
    pub(super) fn confirm_by_marker(&mut self, side: Side) {
        // Also one that is planned again: its first call may land late.
        let marker = self.seen_of(side).and_then(|seen| seen.marker);
        let open = self.write(side).filter(|open| marker == Some(open.id)).cloned();
        if let Some(open) = open {
            let record = self.record(side).cloned();
            self.confirm(&open, record.as_ref());
            let seen = self.seen_of(side).cloned();
            self.made_under(&open, seen.as_ref());
            *self.readback.get_mut(side) = true;
        }
    }

    /// Settles what can be settled; asks for the read that settles the rest.
    pub(super) fn recover(&mut self) {
        for side in Side::BOTH {
            self.confirm_by_marker(side);
            let Some(open) = self.under_way(side).cloned() else { continue };
            // Its record has another id by now, and only its key change tells which.
            if self.now.link.memory.displaced.get(side).is_some() && self.record(side).is_none() {
                continue;
            }
            if open.state == IntentState::Sent && !*self.proof.get(side) {
                continue;
            }
            let fate = if self.record(side).is_some() {
                self.fate_of_known(&open)
            } else {
                self.fate_of_create(&open)
            };
            match fate {
                Some(Fate::Landed) => self.found_landed(&open),
                Some(Fate::NotLanded) => {
                    let due = Some(self.now.as_of);
                    self.reopen(&open, IntentState::Planned, None, due, None);
                }
                Some(Fate::Superseded) => self.settle(&open, IntentState::Superseded, None),
                Some(Fate::Untold) => self.leave_to_a_person(&open),
                None => self.ask(side, open.deadline.unwrap_or(self.now.as_of)),
            }
        }
    }

    /// A write to a known record: what a read sent after the deadline shows.
    fn fate_of_known(&self, open: &Intent) -> Option<Fate> {
        let seen = self.seen_of(open.side)?;
        if !self.proves(open, seen) {
            return None;
        }
        let present = seen.presence == Presence::Present;
        match open.op {
            Op::Create if present => Some(Fate::Landed),
            Op::Create => Some(Fate::Superseded),
            Op::Update if present => Some(self.fate_of_update(open, seen)),
            Op::Update => Some(Fate::Superseded),
            Op::Delete if gone(seen) => Some(Fate::Landed),
            Op::Delete if unmoved(open, seen) => Some(Fate::NotLanded),
            Op::Delete => Some(Fate::Superseded),
            Op::Undelete if present => Some(Fate::Landed),
            Op::Undelete => Some(Fate::NotLanded),
            Op::Read | Op::Find => None,
        }
    }

    /// Only a read that was sent after the deadline proves anything.
    fn proves(&self, open: &Intent, seen: &Observation) -> bool {
        let known = seen.presence != Presence::Unknown;
        let skew = self.spec.ends.get(open.side).promise.skew_us;
        let late = open.deadline.map(|deadline| deadline.plus(skew.saturating_add(Stamp::SECOND)));
        known && (*self.proof.get(open.side) || late.is_some_and(|late| seen.read_at > late))
    }

    fn fate_of_update(&self, open: &Intent, seen: &Observation) -> Fate {
        if unmoved(open, seen) {
            return Fate::NotLanded;
        }
        let written =
            open.values.iter().all(|(column, value)| seen.image.get(column) == Some(value));
        if written && !self.marks(open.side) {
            return Fate::Landed;
        }
        Fate::Superseded
    }

    /// Whether writes to this side leave a marker: then nothing is told from values.
    fn marks(&self, side: Side) -> bool {
        match self.spec.ends.get(side).promise.guarded {
            PathClass::K3 | PathClass::K3s => true,
            PathClass::K2 | PathClass::K1 | PathClass::K1p | PathClass::K0 => false,
        }
    }

    /// A create of unknown outcome: what a search after the deadline found.
    fn fate_of_create(&mut self, open: &Intent) -> Option<Fate> {
        if !self.can_be_searched_for(open) {
            let deadline = open.deadline.unwrap_or(self.now.as_of);
            self.look_again(deadline);
            return (deadline <= self.now.as_of).then_some(Fate::Untold);
        }
        if !*self.proof.get(open.side) {
            return None;
        }
        let answer = self.found.get(open.side).clone()?;
        let ours: Vec<Found> =
            answer.found.iter().filter(|found| self.is_ours(open, found)).cloned().collect();
        match ours.as_slice() {
            [] if answer.found.is_empty() => Some(Fate::NotLanded),
            [] => Some(Fate::Superseded),
            [one, ..] if self.half_holder(open.side, &one.record).is_some() => {
                let half = self.half_holder(open.side, &one.record)?;
                self.effects.push(Effect::Join(half.link));
                None
            }
            [one, ..] => {
                self.repoint(open.side, one.record.clone());
                self.made_under(open, Some(&one.observation));
                self.join_seen(open.side, &one.observation);
                *self.found.get_mut(open.side) = None;
                Some(Fate::Landed)
            }
        }
    }

    /// Whether a search would find what a create left: it carries duet's own key, or the match key
    /// that is searched for. One without either may have landed however little is found.
    fn can_be_searched_for(&self, create: &Intent) -> bool {
        let side = create.side;
        if self.spec.ends.get(side).promise.key_column.is_some() {
            return true;
        }
        let Some(source) = self.seen_of(side.other()) else { return false };
        self.spec.matching.iter().any(|rule| {
            let wanted = match_key(rule, side.other(), &source.image);
            wanted.is_some() && wanted == match_key(rule, side, &create.values)
        })
    }

    /// A create that nothing can tell about: made once more it might be there twice. A record that
    /// is seen with its marker is still taken for it, as a late call.
    fn leave_to_a_person(&mut self, open: &Intent) {
        self.settle(open, IntentState::Superseded, None);
        *self.found.get_mut(open.side) = None;
        self.now.link.memory.create = false;
        let state = ConflictState::Open;
        self.open_conflict(ConflictKind::CreateAmbiguous, Scope::Record, state, None);
    }

    fn found_landed(&mut self, open: &Intent) {
        let record = self.record(open.side).cloned();
        self.confirm(open, record.as_ref());
        *self.readback.get_mut(open.side) = true;
    }
}

fn gone(seen: &Observation) -> bool {
    match &seen.presence {
        Presence::Deleted(Deletion::Soft | Deletion::Hard | Deletion::Unclassified) => true,
        Presence::Deleted(Deletion::MergedInto(_))
        | Presence::Present
        | Presence::OutOfScope(_)
        | Presence::Unknown => false,
    }
}

/// Whether the record still has the version, or where versions were unread the values, that the
/// write expected.
fn unmoved(open: &Intent, seen: &Observation) -> bool {
    match &open.expected {
        Some(expected) => seen.version.as_ref() == Some(expected),
        None => {
            open.expected_values.iter().all(|(column, value)| seen.image.get(column) == Some(value))
        }
    }
}
