//! The verdict: what changed, what is to be done, when to look again.
//!
//! Not here: any decision.

use super::case::{Case, Told};
use crate::agreed::Agreed;
use crate::conflict::{CloseReason, Conflict, ConflictState, Scope};
use crate::field_error::FieldError;
use crate::id::ConflictId;
use crate::image::Image;
use crate::intent::{Intent, Op};
use crate::link::{Awaited, Phase};
use crate::mapping::Bound;
use crate::observation::{Observation, Presence};
use crate::side::{Both, Side};
use crate::verdict::{Effect, FieldOutcome, Verdict};

impl Case<'_> {
    pub(super) fn finish(mut self) -> Verdict {
        let judged = self.judged();
        let mut plans: Vec<Intent> = Vec::new();
        for side in Side::BOTH {
            plans.extend(self.plan_write(side, judged));
        }
        if self.may_decide() {
            for side in Side::BOTH {
                plans.extend(self.plan_read(side, judged));
            }
        }
        self.take_plans(plans);
        self.close_applied();
        self.note_agreement(judged);
        self.note_waits(judged);
        self.note_field_errors(judged);
        self.forget_closed_calls();
        self.look_when_snoozed_ends();
        self.now.link.due_at = if self.may_decide() { self.due } else { None };
        self.verdict()
    }

    /// Whether the tables were reached: else planned writes and waits stay as they are.
    fn judged(&self) -> bool {
        let blocked = ["R00", "R01", "R02"].contains(&self.row.as_str());
        self.may_decide() && !blocked
    }

    fn take_plans(&mut self, plans: Vec<Intent>) {
        for plan in plans {
            if plan.op == Op::Delete {
                self.count_delete(plan.side);
            }
            self.planned.push((plan.side, plan.op.writes()));
            let open = self.now.intents.get_mut(plan.side);
            let slot = if plan.op.writes() { &mut open.write } else { &mut open.read };
            *slot = Some(plan);
        }
    }

    /// The plans of this verdict, taken out of the slots that they fill.
    fn plans(&mut self) -> Vec<Effect> {
        let intents = &mut self.now.intents;
        let mut taken = |(side, writes)| {
            let open = intents.get_mut(side);
            if writes { open.write.take() } else { open.read.take() }
        };
        let planned = std::mem::take(&mut self.planned).into_iter();
        planned.filter_map(|slot| Some(Effect::Plan(Box::new(taken(slot)?)))).collect()
    }

    /// A decision is over when it is confirmed, not when it was taken (I8).
    fn close_applied(&mut self) {
        let applied = self.now.conflicts.iter().filter(|one| one.state == ConflictState::Applied);
        let over: Vec<ConflictId> =
            applied.filter(|one| self.carried_out(one)).map(|one| one.id).collect();
        for id in over {
            self.close_conflict(id, CloseReason::Converged);
        }
    }

    fn carried_out(&self, conflict: &Conflict) -> bool {
        match &conflict.scope {
            Scope::Field(name) => {
                let field = self.fields.iter().find(|field| field.name == *name);
                field.is_some_and(|field| self.in_agreement(field))
            }
            Scope::Record => match self.now.link.phase {
                Phase::Linked => self.present(Side::Left) && self.present(Side::Right),
                Phase::Tombstoned => self.deleted(Side::Left) && self.deleted(Side::Right),
                Phase::Unlinked | Phase::Joined => true,
                Phase::Unmatched | Phase::Matching | Phase::Linking | Phase::Frozen => false,
            },
        }
    }

    /// Whether both sides hold what is agreed of a field, or are allowed not to.
    fn in_agreement(&self, field: &Bound<'_>) -> bool {
        let Some(agreed) = self.agreed(field) else { return false };
        Side::BOTH.into_iter().all(|side| {
            let Some(held) = self.native(field, side) else { return false };
            let due = self.put(field, side, &agreed.trunk);
            let equal = due.is_ok_and(|due| field.same(side, &held, &due));
            let spared = *agreed.tolerated.get(side)
                || field.create_only
                || field.direction.owner() == Some(side);
            !self.moved(field, side) && (equal || spared)
        })
    }

    /// Sync stamps: set when a verdict leaves both sides agreed, with no open write.
    fn note_agreement(&mut self, judged: bool) {
        let open = Side::BOTH.into_iter().any(|side| self.write(side).is_some());
        let there = self.present(Side::Left) && self.present(Side::Right);
        let linked = self.now.link.phase == Phase::Linked && there;
        if !judged || open || !linked || !self.all_agree() {
            return;
        }
        let stamps = Both::build(|side| self.seen_of(side)?.changed_at);
        if self.now.link.synced_at.is_none()
            || stamps != self.now.link.synced
            || self.content.is_agreed_otherwise()
        {
            self.now.link.synced = stamps;
            self.now.link.synced_at = Some(self.now.as_of);
        }
    }

    fn all_agree(&self) -> bool {
        let held = self.holding().next().is_some();
        let seen = self
            .fields
            .iter()
            .filter(|field| Side::BOTH.into_iter().all(|side| self.native(field, side).is_some()));
        !held && self.awaits.is_empty() && seen.into_iter().all(|field| self.in_agreement(field))
    }

    /// Waits for parents, as asked of the store; only what changed is asked again.
    fn note_waits(&mut self, judged: bool) {
        if !judged {
            if let Some(due) = self.before.link.due_at.filter(|_| self.waiting()) {
                self.look_again(due.max(self.now.as_of));
            }
            return;
        }
        let wanted: Vec<Awaited> = self.awaits.iter().cloned().collect();
        if wanted != self.now.link.memory.awaited {
            if !self.now.link.memory.awaited.is_empty() {
                self.effects.push(Effect::StopWaiting);
            }
            for Awaited { flow, side, record } in wanted.clone() {
                self.effects.push(Effect::Await { flow, side, record });
            }
            self.now.link.memory.awaited = wanted;
        }
        self.now.link.memory.missing = self.missing.values().cloned().collect();
        let on_the_way =
            self.waiting() && matches!(self.now.link.phase, Phase::Matching | Phase::Linking);
        let waits = !self.awaits.is_empty() || on_the_way;
        if !waits {
            self.now.link.memory.waiting_since = None;
            self.now.link.waits = 0;
        }
    }

    /// Values kept back, as told to the store. Where the tables were not reached they stay as they
    /// were; an error that goes on keeps its beginning, whatever it says by now.
    fn note_field_errors(&mut self, judged: bool) {
        if !judged {
            return;
        }
        let known = std::mem::take(&mut self.now.link.memory.field_errors);
        let mut wanted: Vec<FieldError> = Vec::with_capacity(self.field_errors.len());
        for field in self.fields {
            let Some(mut error) = self.field_errors.remove(&field.name) else { continue };
            if let Some(earlier) = known.iter().find(|earlier| error.continues(earlier)) {
                error.since = earlier.since;
            }
            wanted.push(error);
        }
        if wanted != known {
            self.effects.push(Effect::FieldErrors(wanted.clone()));
        }
        self.now.link.memory.field_errors = wanted;
    }

    fn forget_closed_calls(&mut self) {
        let mut failing = std::mem::take(&mut self.now.link.memory.failing);
        failing.retain(|one| self.is_open(one.intent));
        self.now.link.memory.failing = failing;
    }

    fn waiting(&self) -> bool {
        self.now.link.memory.waiting_since.is_some()
    }

    fn verdict(mut self) -> Verdict {
        let conflicts = self.changed_conflicts();
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(conflicts.into_iter().map(|one| Effect::Conflict(Box::new(one))));
        effects.extend(self.plans());
        let changed = effects.iter().any(is_stored) || self.differs();
        if changed {
            self.now.link.rev = self.before.link.rev + 1;
        }
        let outcomes = self.told();
        let echo = effects.is_empty() && self.nothing_new();
        let (agreed, seen) = self.content.into_parts();
        Verdict {
            link: self.now.link,
            agreed,
            seen,
            effects,
            row: self.row,
            rule: self.rule,
            outcomes,
            echo,
            changed,
        }
    }

    fn differs(&self) -> bool {
        let seen = Side::BOTH.into_iter().any(|side| self.content.is_seen_otherwise(side));
        seen || self.content.is_agreed_otherwise() || self.before.link != self.now.link
    }

    /// Field outcomes in the order of the configuration.
    fn told(&mut self) -> Vec<FieldOutcome> {
        let all = std::mem::take(&mut self.outcomes).into_iter();
        let told = all.filter_map(|told| match told {
            Told::Nothing | Told::Calm => None,
            Told::This(outcome) => Some(outcome),
        });
        told.collect()
    }

    /// New and changed conflicts, each with its revision one higher.
    fn changed_conflicts(&self) -> Vec<Conflict> {
        let mut changed = Vec::new();
        for one in &self.now.conflicts {
            let before = self.before.conflicts.iter().find(|before| before.id == one.id);
            if before == Some(one) {
                continue;
            }
            let mut stored = one.clone();
            stored.rev = before.map_or(0, |before| before.rev + 1);
            changed.push(stored);
        }
        changed
    }

    /// Nothing but what was known came in: the link's identity and the agreed content are the same,
    /// and no observation waits to be decided.
    fn nothing_new(&self) -> bool {
        let (before, now) = (&self.before.link, &self.now.link);
        let same_link = before.phase == now.phase
            && before.record == now.record
            && before.aliases == now.aliases;
        let unchanged = Side::BOTH.into_iter().all(|side| {
            values_of(self.content.seen_before(side)) == values_of(self.content.seen(side))
        });
        let settled = matches!(self.content.agreed(), Agreed::Pair(_) | Agreed::Tomb(_));
        same_link && !self.content.is_agreed_otherwise() && (unchanged || settled && self.judged())
    }
}

fn values_of(seen: Option<&Observation>) -> Option<(&Presence, &Image)> {
    seen.map(|seen| (&seen.presence, &seen.image))
}

/// Whether an effect is stored with the link's new revision. The others only ask somebody to act.
fn is_stored(effect: &Effect) -> bool {
    match effect {
        Effect::Plan(_)
        | Effect::Settle { .. }
        | Effect::Conflict(_)
        | Effect::Claim { .. }
        | Effect::Unclaim(_)
        | Effect::Await { .. }
        | Effect::StopWaiting
        | Effect::FieldErrors(_)
        | Effect::CountDelete(_) => true,
        Effect::Join(_) | Effect::WakeChildren(_) | Effect::Alert(_) => false,
    }
}
