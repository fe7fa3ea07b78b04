//! Records merged into another one on their own side (3.8, S1-S3).
//!
//! Not here: joining two half links (`union`).

use super::case::Case;
use crate::conflict::{ConflictKind, ConflictState, Scope};
use crate::id::RecordId;
use crate::observation::{Deletion, Presence};
use crate::side::Side;
use crate::verdict::Effect;

impl Case<'_> {
    /// R60: a side's record was merged into another. `None`: neither was.
    pub(super) fn merged_records(&mut self) -> Option<bool> {
        let mut again = None;
        for side in Side::BOTH {
            if let Some(winner) = self.merged_into(side) {
                again = Some(self.merged_record(side, winner));
            }
        }
        again
    }

    fn merged_record(&mut self, side: Side, winner: RecordId) -> bool {
        let ours = self.now.link.id;
        let holder =
            self.now.holders.iter().find(|holder| {
                holder.side == side && holder.record == winner && holder.link != ours
            });
        match holder.map(|holder| (holder.link, holder.whole)) {
            None => self.follow_winner(side, winner),
            Some((half, false)) => {
                self.effects.push(Effect::Join(half));
                self.look_again(self.now.as_of.plus_seconds(1));
                self.still("S1", "merged: joined with the link of the surviving record")
            }
            Some((_, true)) => self.two_were_linked(side),
        }
    }

    fn merged_into(&self, side: Side) -> Option<RecordId> {
        match &self.seen_of(side)?.presence {
            Presence::Deleted(Deletion::MergedInto(winner)) => Some(winner.clone()),
            Presence::Deleted(Deletion::Soft | Deletion::Hard | Deletion::Unclassified)
            | Presence::Unknown
            | Presence::Present
            | Presence::OutOfScope(_) => None,
        }
    }

    /// S1: the surviving record has no link: this one follows it and compares as after an update.
    fn follow_winner(&mut self, side: Side, winner: RecordId) -> bool {
        self.repoint(side, winner);
        self.forget_seen(side);
        self.ask(side, self.now.as_of);
        self.effects.push(Effect::WakeChildren(side));
        self.still("S1", "merged: the link follows the surviving record")
    }

    /// S2: both records were linked; nothing is deleted without a person.
    fn two_were_linked(&mut self, side: Side) -> bool {
        if let Some(again) = self.record_hold(side) {
            return again;
        }
        let open = ConflictState::Open;
        self.open_conflict(ConflictKind::Merged, Scope::Record, open, None);
        self.still("S2", "merged into a record that has a partner of its own: a person decides")
    }
}
