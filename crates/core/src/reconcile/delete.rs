//! Deletions of linked records (R30-R39).
//!
//! Not here: merges, which look like deletions (`relink`).

use super::case::Case;
use super::parties::origin_side;
use super::record::Stand;
use crate::conflict::{ConflictKind, ConflictState, Decider, Scope};
use crate::id::Row;
use crate::intent::Op;
use crate::interval::{Interval, UNKNOWN, after, changed};
use crate::link::{Alias, Phase};
use crate::mapping::Bound;
use crate::observation::{Deletion, Source};
use crate::side::Side;
use crate::spec::{DeleteConflict, DeletePolicy, Mapping, OneWayEdit};
use crate::stamp::Stamp;
use crate::verdict::Effect;

impl Case<'_> {
    /// A linked record was deleted on `side`, and the other one is there.
    pub(super) fn deleted_on(&mut self, side: Side, how: &Deletion) -> bool {
        if *how == Deletion::Unclassified {
            return self.unclassified(side);
        }
        if self.wait_for_cascade(side) {
            return false;
        }
        self.set_edits_aside(side.other());
        let changed = self.changed_since(side);
        let by_rule = if changed { self.later(side).is_some() } else { self.has_rule(side) };
        if by_rule {
            self.drop_undecided_hold();
        }
        if let Some(again) = self.record_hold(side) {
            return again;
        }
        if changed { self.delete_against_change(side) } else { self.delete_alone(side) }
    }

    /// Whether a deletion without a change on the other side needs no person.
    fn has_rule(&self, side: Side) -> bool {
        match self.spec.policy.deletes.get(side) {
            DeletePolicy::Propagate | DeletePolicy::Unlink | DeletePolicy::Ignore => true,
            DeletePolicy::Soft => self.spec.ends.get(side.other()).soft.is_some(),
            DeletePolicy::Flag => false,
        }
    }

    /// R34-R37: whether the change wins, by which rule. `None`: a person decides.
    fn later(&self, side: Side) -> Option<(bool, &'static str)> {
        match self.spec.policy.on_delete_conflict {
            DeleteConflict::ManualReview => None,
            DeleteConflict::UpdateWins => Some((true, "update_wins")),
            DeleteConflict::DeleteWins => Some((false, "delete_wins")),
            DeleteConflict::LastWriteWins => self.by_time(side),
        }
    }

    /// Edits that never count (F6, F7, F10) don't count against a deletion either; they are stored.
    fn set_edits_aside(&mut self, side: Side) {
        let fields = self.fields;
        for field in fields {
            let asks = match field.on_one_way_edit {
                OneWayEdit::Flag => field.direction.owner() == Some(side.other()),
                OneWayEdit::Overwrite | OneWayEdit::Keep => false,
            };
            if !asks && self.agreed(field).is_some() && self.moved(field, side) {
                self.set_aside(field, side);
            }
        }
    }

    /// P6: after a parent's deletion the other side may have dropped the child too: read it first.
    fn wait_for_cascade(&mut self, side: Side) -> bool {
        let other = side.other();
        let read = self.seen_of(other).is_none_or(|seen| seen.source == Source::Read);
        if read || !self.parent_gone() {
            return false;
        }
        self.ask(other, self.now.as_of);
        self.stay("P6", "the parent was deleted: the other side is read before this is judged");
        true
    }

    fn parent_gone(&self) -> bool {
        let refers = self.fields.iter().any(|field| match field.mapping {
            Mapping::Parent { .. } => true,
            Mapping::Values { .. } => false,
        });
        refers && self.now.parents.iter().any(|parent| parent.phase == Phase::Tombstoned)
    }

    /// Whether the other side counts as changed: it moved, or the trunk holds content of its origin
    /// that the deleting side had not received.
    fn changed_since(&self, gone: Side) -> bool {
        self.fields
            .iter()
            .any(|field| self.moved(field, gone.other()) || self.owed_to_deleter(field, gone))
    }

    fn owed_to_deleter(&self, field: &Bound<'_>, gone: Side) -> bool {
        let Some(agreed) = self.agreed(field) else { return false };
        let Ok(due) = self.put(field, gone, &agreed.trunk) else { return false };
        let received = agreed.accounted.get(gone).as_ref();
        origin_side(agreed.origin) != Some(gone)
            && !*agreed.tolerated.get(gone)
            && received.is_some_and(|held| !field.same(gone, held, &due))
    }

    /// R30, R31, R38: nothing changed on the other side.
    fn delete_alone(&mut self, side: Side) -> bool {
        match self.spec.policy.deletes.get(side) {
            DeletePolicy::Propagate => self.delete_there(side, "R30", "deletes are propagated"),
            DeletePolicy::Soft if self.softly(side) => {
                self.delete_there(side, "R30", "deletes are propagated as soft deletes")
            }
            DeletePolicy::Flag | DeletePolicy::Soft => {
                let open = ConflictState::Open;
                self.open_conflict(ConflictKind::DeleteUpdate, Scope::Record, open, None);
                self.still("R31", "deleted: a person decides about the other record")
            }
            DeletePolicy::Unlink => self.unlinked(),
            DeletePolicy::Ignore => self.ignored(),
        }
    }

    fn unlinked(&mut self) -> bool {
        self.take_apart();
        self.still("R31", "deleted: taken apart, the other record stays")
    }

    fn ignored(&mut self) -> bool {
        self.now.link.phase = Phase::Frozen;
        self.still("R31", "deleted: the other record is left as it is")
    }

    /// Plans what a deletion on `gone` does to the other side, unless the brake is on (R38).
    fn delete_there(&mut self, gone: Side, row: &str, rule: &str) -> bool {
        if self.now.flow.deletes_held {
            return self.still("R38", "the brake on deletions is on: held until it is lifted");
        }
        self.draft_deletion(gone, row);
        self.still(row, rule)
    }

    /// Whether deletions on `gone` are written as soft deletes on the other side.
    fn softly(&self, gone: Side) -> bool {
        let other = gone.other();
        *self.spec.policy.deletes.get(gone) == DeletePolicy::Soft
            && self.spec.ends.get(other).soft.is_some()
    }

    /// The other side's deletion, soft where deletions are to be.
    pub(super) fn draft_deletion(&mut self, gone: Side, row: &str) {
        let other = gone.other();
        let mark = self.spec.ends.get(other).soft.clone().filter(|_| self.softly(gone));
        self.draft(other, if mark.is_some() { Op::Update } else { Op::Delete }, row);
        if let (Some(draft), Some((column, value))) = (self.drafts.get_mut(other), mark) {
            draft.values.insert(column, value);
        }
    }

    /// R34-R37: deleted on `side`, changed on the other.
    fn delete_against_change(&mut self, side: Side) -> bool {
        match self.later(side) {
            Some((true, rule)) => self.update_wins(side, "R35", rule),
            Some((false, rule)) => self.delete_wins(side, "R36", rule),
            None => {
                let open = ConflictState::Open;
                self.open_conflict(ConflictKind::DeleteUpdate, Scope::Record, open, None);
                self.still("R34", "deleted against a change: a person decides")
            }
        }
    }

    /// R37: the time of the deletion against the latest change of the other side.
    fn by_time(&self, side: Side) -> Option<(bool, &'static str)> {
        let deleted = self.deleted_at(side);
        let changed = self.changes(side);
        let latest = changed.into_iter().reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)));
        let latest = latest.unwrap_or(UNKNOWN);
        if after(latest, deleted) {
            Some((true, "last_write_wins: the change is later"))
        } else if after(deleted, latest) {
            Some((false, "last_write_wins: the deletion is later"))
        } else {
            None
        }
    }

    fn deleted_at(&self, side: Side) -> Interval {
        let Some(seen) = self.seen_of(side) else { return UNKNOWN };
        let Some(at) = seen.changed_at else { return UNKNOWN };
        let promise = &self.spec.ends.get(side).promise;
        let margin = promise.skew_us.saturating_add(promise.grain_us);
        if at > self.now.as_of.plus(promise.skew_us.saturating_add(2 * Stamp::SECOND)) {
            return UNKNOWN;
        }
        (at.plus(-margin), at.plus(margin))
    }

    /// When the fields changed that count against a deletion on `gone`.
    fn changes(&self, gone: Side) -> Vec<Interval> {
        let side = gone.other();
        let Some(seen) = self.seen_of(side) else { return Vec::new() };
        let when = |field| {
            if self.moved(field, side) {
                let since = self.since(field, side);
                return Some(changed(self.spec, field, side, seen, since, self.now.as_of));
            }
            let agreed = self.agreed(field).filter(|_| self.owed_to_deleter(field, gone))?;
            Some(agreed.changed.unwrap_or(UNKNOWN))
        };
        self.fields.iter().filter_map(when).collect()
    }

    /// R35: the changed record stays, and the deleted one is brought back or made again.
    pub(super) fn update_wins(&mut self, side: Side, row: &str, rule: &str) -> bool {
        self.log_decided(row, rule);
        if matches!(self.stand(side), Stand::Out(_)) {
            // It is still there, outside the filter: making it again would make two of it.
            self.now.link.phase = Phase::Frozen;
            return self.still(row, rule);
        }
        if self.may_undelete(side) {
            self.draft(side, Op::Undelete, row);
            return self.still(row, rule);
        }
        if let Some(former) = self.now.link.record.get_mut(side).take() {
            self.now.link.aliases.push(Alias { side, record: former });
        }
        self.content.see(side, None);
        self.forget_side(side);
        self.fold_alone(side.other());
        self.create(side, row, rule);
        false
    }

    /// A record that is to be made again has confirmed nothing yet.
    fn forget_side(&mut self, side: Side) {
        for agreed in self.pair_mut().fields.values_mut() {
            *agreed.accounted.get_mut(side) = None;
        }
    }

    /// R36: the deletion wins, and does what deletions on its side do; what it destroys is kept in the
    /// conflict.
    fn delete_wins(&mut self, side: Side, row: &str, rule: &str) -> bool {
        match self.spec.policy.deletes.get(side) {
            DeletePolicy::Unlink => return self.unlinked(),
            DeletePolicy::Ignore => return self.ignored(),
            DeletePolicy::Flag | DeletePolicy::Soft | DeletePolicy::Propagate => {}
        }
        if !self.now.flow.deletes_held {
            self.log_decided(row, rule);
        }
        self.delete_there(side, row, rule)
    }

    /// The automatic decision is stored with every value before anything is written; again when the
    /// values changed since.
    fn log_decided(&mut self, row: &str, rule: &str) {
        let seen = self.pictured(ConflictKind::DeleteUpdate, Scope::Record);
        let known = self.now.conflicts.iter().any(|conflict| {
            conflict.scope == Scope::Record
                && conflict.state == ConflictState::Applied
                && conflict.seen == seen
        });
        if !known {
            let decider = Decider::Rule { row: Row::from(row), rule: rule.to_owned() };
            let applied = ConflictState::Applied;
            self.open_conflict(ConflictKind::DeleteUpdate, Scope::Record, applied, Some(decider));
        }
    }

    /// S4: gone, and nobody can tell a deletion from a merge or a key change.
    fn unclassified(&mut self, side: Side) -> bool {
        if let Some(again) = self.record_hold(side) {
            return again;
        }
        let open = ConflictState::Open;
        self.open_conflict(ConflictKind::DeleteUnclassified, Scope::Record, open, None);
        self.still("S4", "gone, but not known to be deleted: a person decides")
    }

    /// A deletion that the brake must count, once per planned intent.
    pub(super) fn count_delete(&mut self, side: Side) {
        self.effects.push(Effect::CountDelete(side));
    }
}
