//! The record table (correctness, 3.1): which row applies, from what is agreed and what each side
//! was last seen to be.
//!
//! Not here: what the rows with tables of their own do (`matching`, `delete`, `scope`, `fields`).

use super::case::Case;
use crate::agreed::{Agreed, Pair, Tomb};
use crate::id::Row;
use crate::intent::IntentState;
use crate::link::Phase;
use crate::observation::{Absence, Deletion, Presence, Source};
use crate::side::{Both, Side};
use crate::verdict::Effect;

/// Passes over the tables until nothing moves; more than a few would be a cycle.
const PASSES: usize = 6;

/// How a side stands in the record table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Never there.
    Absent,
    /// There or not, but not this flow's business.
    Out(Absence),
    /// Positively deleted.
    Gone(Deletion),
    /// There.
    There,
}

impl Case<'_> {
    pub(super) fn judge(&mut self) {
        self.tend_conflicts();
        if self.waits_for_its_key() || self.settle_first() {
            return;
        }
        for _ in 0..PASSES {
            if !self.pass() {
                break;
            }
        }
    }

    /// A write whose outcome is open comes first: R01 when nobody knows, R02 while it is out.
    fn settle_first(&mut self) -> bool {
        for side in Side::BOTH {
            let Some(open) = self.under_way(side) else { continue };
            let (row, rule) = match open.state {
                IntentState::Unknown => ("R01", "its outcome is settled by reading first"),
                IntentState::Sent
                | IntentState::Planned
                | IntentState::Parked
                | IntentState::Discarded
                | IntentState::Confirmed
                | IntentState::NotLanded
                | IntentState::Superseded
                | IntentState::Refused => ("R02", "it is under way; changes are recorded"),
            };
            let told = format!("{} on the {side} side: {rule}", open.op.as_str());
            self.stay(row, told);
            return true;
        }
        false
    }

    /// One pass over the tables; whether another one is needed.
    fn pass(&mut self) -> bool {
        match self.now.link.phase {
            Phase::Joined => {
                self.stay("R10", "joined into another link");
                false
            }
            Phase::Unlinked if !self.now.link.memory.may_return => {
                self.stay("R31", "taken apart; left alone");
                false
            }
            Phase::Unlinked
            | Phase::Unmatched
            | Phase::Matching
            | Phase::Linking
            | Phase::Linked
            | Phase::Frozen
            | Phase::Tombstoned => self.pass_open(),
        }
    }

    fn pass_open(&mut self) -> bool {
        if self.read_first() {
            return false;
        }
        if let Some(again) = self.merged_records() {
            return again;
        }
        match self.content.agreed() {
            Agreed::None => self.first_meeting(),
            Agreed::Pair(_) => self.paired_records(),
            Agreed::Tomb(tomb) => {
                let tomb = tomb.clone();
                self.remembered(&tomb)
            }
        }
    }

    /// R00: a side that isn't known is read before anything is decided.
    fn read_first(&mut self) -> bool {
        let mut waiting = false;
        for side in Side::BOTH {
            if let Some(why) = self.unknown_side(side) {
                let wait = self.wait_until_settled(side);
                self.ask(side, self.now.as_of.plus(wait));
                self.stay("R00", format!("{why} on the {side} side: read it first"));
                waiting = true;
            }
        }
        waiting
    }

    fn unknown_side(&mut self, side: Side) -> Option<&'static str> {
        self.record(side)?;
        let Some(seen) = self.seen_of(side) else { return Some("nothing was seen") };
        if seen.presence == Presence::Unknown {
            return Some("it isn't known whether the record is there");
        }
        if seen.uncertain {
            return Some("two observations of one version differ");
        }
        self.lacks_fields(side).then_some("a mapped field was not seen")
    }

    /// F9: a mapped field that was never seen is not null; unless even a read doesn't show it.
    fn lacks_fields(&mut self, side: Side) -> bool {
        if !self.present(side) {
            return false;
        }
        let read = self.seen_of(side).is_some_and(|seen| seen.source == Source::Read);
        let fields = self.fields;
        let mut lacks = false;
        for field in fields {
            if self.native(field, side).is_none() {
                let outcome = if read { "left out: a read doesn't show it" } else { "read first" };
                self.say(field, "F9", "a field that was not seen isn't null", outcome);
                lacks |= !read;
            }
        }
        lacks
    }

    pub(super) fn stand(&self, side: Side) -> Stand {
        let Some(seen) = self.seen_of(side) else { return Stand::Absent };
        match &seen.presence {
            Presence::Unknown => Stand::Absent,
            Presence::Present => Stand::There,
            Presence::Deleted(how) => Stand::Gone(how.clone()),
            Presence::OutOfScope(why) => Stand::Out(*why),
        }
    }

    /// Nothing was ever agreed.
    fn first_meeting(&mut self) -> bool {
        let stands = Both::build(|side| self.stand(side));
        match (&stands.left, &stands.right) {
            (Stand::Absent, Stand::Absent) => self.still("R10", "nothing is known of either side"),
            (Stand::There, Stand::There) => self.meet(),
            (Stand::There, Stand::Absent) => self.matching(Side::Left),
            (Stand::Absent, Stand::There) => self.matching(Side::Right),
            (Stand::Gone(_), Stand::There) | (Stand::There, Stand::Gone(_)) => self.keep_apart(),
            (Stand::Gone(_), Stand::Absent) | (Stand::Absent, Stand::Gone(_)) => {
                self.bury("R15", "gone before it had a partner")
            }
            (Stand::Gone(_), Stand::Gone(_)) => self.bury("R33", "gone on both sides"),
            (Stand::Out(_), _) | (_, Stand::Out(_)) => {
                self.now.link.phase = Phase::Unmatched;
                self.close_for_good();
                self.still("R12", "outside the flow's filter: not linked")
            }
        }
    }

    pub(super) fn still(&mut self, row: &str, rule: &str) -> bool {
        self.stay(row, rule);
        false
    }

    /// Both are there for the first time: they are linked, and compared by the first-link rows.
    fn meet(&mut self) -> bool {
        self.became_linked();
        self.pair_mut();
        self.meeting_fields();
        false
    }

    pub(super) fn became_linked(&mut self) {
        if self.now.link.phase != Phase::Linked {
            self.now.link.phase = Phase::Linked;
            self.now.link.memory.may_return = false;
            self.now.link.memory.create = false;
            self.now.link.memory.revived = false;
            for side in Side::BOTH {
                self.effects.push(Effect::WakeChildren(side));
            }
        }
    }

    /// R17: the partner was found after this one was deleted.
    fn keep_apart(&mut self) -> bool {
        self.now.link.phase = Phase::Unlinked;
        self.now.link.memory.may_return = true;
        self.still("R17", "deleted before it was linked: the other record is kept, unlinked")
    }

    /// Something is agreed.
    fn paired_records(&mut self) -> bool {
        let stands = Both::build(|side| self.stand(side));
        match (&stands.left, &stands.right) {
            (Stand::There, Stand::There) => self.both_there(),
            (Stand::Gone(_), Stand::Gone(_)) => self.bury("R33", "gone on both sides"),
            (Stand::Gone(how), Stand::There) => self.deleted_on(Side::Left, how),
            (Stand::There, Stand::Gone(how)) => self.deleted_on(Side::Right, how),
            (Stand::There, Stand::Absent) => self.make_again(Side::Right),
            (Stand::Absent, Stand::There) => self.make_again(Side::Left),
            (Stand::Gone(_), Stand::Absent) | (Stand::Absent, Stand::Gone(_)) => {
                self.bury("R15", "gone before it was made again on the other side")
            }
            (Stand::Absent, Stand::Absent) => self.still("R10", "nothing is known of either side"),
            (Stand::Out(left), _) => self.out_of_scope(Side::Left, *left, &stands.right),
            (_, Stand::Out(right)) => self.out_of_scope(Side::Right, *right, &stands.left),
        }
    }

    fn both_there(&mut self) -> bool {
        let back = matches!(self.now.link.phase, Phase::Frozen | Phase::Unlinked);
        let first = self.now.link.synced_at.is_none()
            && self.pair().is_some_and(|pair| pair.fields.is_empty());
        self.became_linked();
        self.close_matching_conflicts();
        if first {
            self.meeting_fields();
        } else {
            self.fields();
        }
        if back {
            let rule = format!("back in scope: compared with what was agreed ({})", self.rule);
            self.stay("R41", rule);
        }
        false
    }

    /// Creates a side's record again for a pair that lost it (R35, R50).
    fn make_again(&mut self, side: Side) -> bool {
        if let Some(again) = self.create_in_doubt(side.other()) {
            return again;
        }
        if self.chose_no_partner(side.other()) {
            return self.still("H4", "left alone, as a person decided");
        }
        let row = self.row.clone();
        self.fold_alone(side.other());
        self.create(side, "R35", "the record is made again from the other side");
        if row == Row::from("R50") {
            self.row = row;
        }
        false
    }

    /// Both sides agree that the record is gone.
    pub(super) fn bury(&mut self, row: &str, rule: &str) -> bool {
        let last = match self.content.agreed() {
            Agreed::Pair(pair) => pair.clone(),
            Agreed::Tomb(tomb) => tomb.last.clone(),
            Agreed::None => Pair::default(),
        };
        let tomb = Tomb {
            at: self.now.as_of,
            version: Both::build(|side| self.seen_of(side)?.version.clone()),
            record: self.now.link.record.clone(),
            last,
        };
        *self.content.agreed_mut() = Agreed::Tomb(tomb);
        self.now.link.phase = Phase::Tombstoned;
        self.close_for_good();
        self.give_up_claims();
        self.stay(row, rule);
        false
    }
}
