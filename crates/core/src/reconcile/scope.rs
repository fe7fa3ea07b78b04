//! Records that left the flow's business (R40, R41, R70) and records that come back after an agreed
//! deletion (R50-R52).
//!
//! Not here: deletions (`delete`).

use super::case::Case;
use super::record::Stand;
use crate::agreed::{Agreed, Tomb};
use crate::intent::Op;
use crate::link::Phase;
use crate::observation::{Absence, Deletion, Observation};
use crate::side::{Both, Side};
use crate::spec::LeaveFilter;
use crate::verdict::Effect;

impl Case<'_> {
    pub(super) fn out_of_scope(&mut self, side: Side, why: Absence, other: &Stand) -> bool {
        if let (Absence::Filter, Stand::Out(Absence::Filter)) = (why, other) {
            return self.both_out();
        }
        match why {
            Absence::Visibility => self.no_longer_visible(side),
            Absence::Filter => self.left_filter(side, other),
        }
    }

    fn both_out(&mut self) -> bool {
        self.take_apart();
        self.still("R41", "both sides left the flow's filter: taken apart")
    }

    /// R70: nothing is shown any more, without evidence of a deletion. Never a deletion.
    fn no_longer_visible(&mut self, side: Side) -> bool {
        if self.now.link.phase != Phase::Frozen {
            self.now.link.phase = Phase::Frozen;
            self.effects.push(Effect::Alert(format!(
                "R70: the {side} record can't be seen any more and isn't known to be deleted"
            )));
        }
        self.still("R70", "not visible, without evidence of a deletion: frozen")
    }

    fn left_filter(&mut self, side: Side, other: &Stand) -> bool {
        match self.spec.policy.on_leave_filter {
            LeaveFilter::Freeze => {
                self.now.link.phase = Phase::Frozen;
                self.still("R40", "left the flow's filter: frozen")
            }
            LeaveFilter::Unlink => {
                self.take_apart();
                self.still("R40", "left the flow's filter: taken apart")
            }
            LeaveFilter::Delete if *other == Stand::There => self.deleted_on(side, &Deletion::Soft),
            LeaveFilter::Delete => {
                self.bury("R40", "left the flow's filter, gone on the other side")
            }
        }
    }

    pub(super) fn take_apart(&mut self) {
        self.now.link.phase = Phase::Unlinked;
        self.now.link.memory.may_return = true;
        self.give_up_claims();
    }

    /// A link whose deletion was agreed, and what was seen of its records since.
    pub(super) fn remembered(&mut self, tomb: &Tomb) -> bool {
        let back = Both::build(|side| {
            self.seen_of(side)
                .is_some_and(|seen| self.stand(side) == Stand::There && newer(seen, tomb, side))
        });
        match (back.left, back.right) {
            (false, false) => self.decided_after_all(),
            (true, true) => {
                *self.content.agreed_mut() = Agreed::Pair(tomb.last.clone());
                self.now.link.phase = Phase::Linked;
                self.fields();
                self.stay("R51", format!("both came back: {}", self.rule));
                false
            }
            (true, false) => self.revive(Side::Right),
            (false, true) => self.revive(Side::Left),
        }
    }

    /// R50: one side came back, so the other one is brought back too. Where nothing can be undeleted
    /// its partner is looked for first: whoever made this record again may have made that one, too.
    fn revive(&mut self, side: Side) -> bool {
        if self.may_undelete(side) {
            self.draft(side, Op::Undelete, "R50");
            return self.still("R50", "came back: brought back on the other side");
        }
        if let Some(former) = self.now.link.record.get_mut(side).take() {
            let alias = crate::link::Alias { side, record: former };
            self.now.link.aliases.push(alias);
        }
        self.content.see(side, None);
        *self.content.agreed_mut() = Agreed::None;
        self.now.link.memory.revived = true;
        true
    }

    pub(super) fn may_undelete(&self, side: Side) -> bool {
        self.spec.ends.get(side).promise.undelete && self.stand(side) == Stand::Gone(Deletion::Soft)
    }
}

/// Only what is newer than the deletion can bring a record back (I13).
fn newer(seen: &Observation, tomb: &Tomb, side: Side) -> bool {
    let orders = (
        seen.version.as_ref().and_then(|version| version.order),
        tomb.version.get(side).as_ref().and_then(|version| version.order),
    );
    match orders {
        (Some(seen), Some(tomb)) => seen > tomb,
        (None, _) | (_, None) => true,
    }
}
