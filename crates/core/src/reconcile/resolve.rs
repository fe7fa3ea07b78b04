//! A person's decision (H4-H6, H11): applied only to the values the person saw.
//!
//! Not here: matching decisions (`matching`).

use super::case::Case;
use super::fields::begin;
use super::parties::{Party, Who};
use crate::agreed::Origin;
use crate::conflict::{Choice, CloseReason, Conflict, ConflictState, Decider, Scope};
use crate::id::ConflictId;
use crate::link::Phase;
use crate::mapping::{self, Bound, same_trunk};
use crate::observation::ActorClass;
use crate::side::Side;
use crate::value::Value;

impl Case<'_> {
    fn conflict(&self, id: ConflictId) -> Option<&Conflict> {
        self.now.conflicts.iter().find(|one| one.id == id)
    }

    /// Whether the values are still those that the decision names.
    pub(super) fn is_current(&mut self, id: ConflictId) -> bool {
        self.bring_up_to_date(id);
        self.conflict(id).is_some_and(|one| {
            one.resolution.as_ref().is_some_and(|resolution| resolution.seen == one.seen)
        })
    }

    /// Applies a decision about a field. Whether the field is done with.
    pub(super) fn resolve_field(&mut self, field: &Bound<'_>, id: ConflictId) -> bool {
        if !self.is_current(id) {
            self.refuse_resolution(id, "H5");
            self.say(field, "H5", "the values changed since the decision", "asked again");
            return true;
        }
        let choice = self.conflict(id).and_then(|one| Some(one.resolution.clone()?.choice));
        let Some(choice) = choice else { return true };
        if choice == Choice::LeaveAlone {
            self.begin_apart(field);
            for side in Side::BOTH {
                self.tolerate(field, side);
            }
            self.close_conflict(id, CloseReason::Tolerated);
            self.say(field, "H4", "a person decided", "left as it is");
            return true;
        }
        match self.chosen(field, &choice) {
            Some(value) => self.apply_choice(field, id, &value),
            None => {
                self.refuse_resolution(id, "H4");
                self.say(field, "H5", "the choice can't be written on both sides", "asked again");
            }
        }
        true
    }

    /// Left alone at a first meeting: nothing is agreed but that both may stay as they are.
    fn begin_apart(&mut self, field: &Bound<'_>) {
        let now = self.now.as_of;
        let fields = &mut self.pair_mut().fields;
        fields
            .entry(field.name.clone())
            .or_insert_with(|| begin(&Value::Null, now, Origin::Person));
    }

    /// The chosen value, if both sides can hold it.
    fn chosen(&self, field: &Bound<'_>, choice: &Choice) -> Option<Value> {
        let held = |side| Some(self.party(field, side).ok()??.value);
        let value = match choice {
            Choice::TakeLeft => held(Side::Left),
            Choice::TakeRight => held(Side::Right),
            Choice::TakeAgreed => self.agreed(field).map(|agreed| agreed.trunk.clone()),
            Choice::TakeValue(value) => Some(value.clone()),
            Choice::LinkWith(_) | Choice::CreateNew | Choice::LeaveAlone => None,
        }?;
        let fits = Side::BOTH.into_iter().all(|side| {
            let own = held(side).is_some_and(|own| same_trunk(field, &own, &value));
            own || match self.put(field, side, &value) {
                Ok(_) | Err(mapping::MapFailure::ParentWithoutRecord { .. }) => true,
                Err(
                    mapping::MapFailure::NotRepresentable { .. }
                    | mapping::MapFailure::ParentUnlinked { .. },
                ) => false,
            }
        });
        fits.then_some(value)
    }

    /// H4: the trunk takes the choice, what both sides hold is accounted for, and whoever differs is
    /// written. Closed when the writes are confirmed.
    fn apply_choice(&mut self, field: &Bound<'_>, id: ConflictId, value: &Value) {
        let parties: Vec<Party> = Side::BOTH
            .into_iter()
            .filter_map(|side| self.party(field, side).ok().flatten())
            .filter(|party| matches!(party.who, Who::Side(_)))
            .collect();
        self.apply_resolution(id);
        self.note_result(id, field, value);
        self.fold(field, &parties, value, Origin::Person, None, ActorClass::User);
        self.say(field, "H4", "a person decided", "trunk := chosen");
    }

    pub(super) fn apply_resolution(&mut self, id: ConflictId) {
        if let Some(one) = self.now.conflicts.iter_mut().find(|one| one.id == id) {
            let by = one.resolution.as_ref().map(|resolution| resolution.by.clone());
            one.state = ConflictState::Applied;
            one.decided_by = by.map(Decider::Person);
        }
    }

    /// A decision that can't be applied: asked again, and kept as a suggestion.
    pub(super) fn refuse_resolution(&mut self, id: ConflictId, row: &str) {
        if let Some(one) = self.now.conflicts.iter_mut().find(|one| one.id == id) {
            one.state = ConflictState::Open;
        }
        self.stay(row, "the decision doesn't fit the values of now: asked again");
    }

    /// Applies a decision about the record that is gone on one side.
    pub(super) fn resolve_record(&mut self, gone: Side, id: ConflictId) -> Option<bool> {
        let applied = self.conflict(id)?.state == ConflictState::Applied;
        if !self.is_current(id) {
            if applied {
                self.reopen_conflict(id);
                return Some(self.still("H6", "changed while the decision was carried out"));
            }
            self.refuse_resolution(id, "H5");
            return Some(false);
        }
        let choice = self.conflict(id)?.resolution.clone()?.choice;
        match choice {
            Choice::TakeLeft => Some(self.keep_side(gone, Side::Left, id)),
            Choice::TakeRight => Some(self.keep_side(gone, Side::Right, id)),
            Choice::LeaveAlone => {
                self.now.link.memory.left_alone = Some(self.record_digest());
                self.now.link.phase = Phase::Frozen;
                self.close_conflict(id, CloseReason::Tolerated);
                Some(self.still("H4", "left as it is, as a person decided"))
            }
            Choice::TakeAgreed | Choice::TakeValue(_) | Choice::LinkWith(_) | Choice::CreateNew => {
                self.refuse_resolution(id, "H5");
                Some(false)
            }
        }
    }

    /// Keeps what one side says: the deletion, or the record.
    fn keep_side(&mut self, gone: Side, side: Side, id: ConflictId) -> bool {
        self.apply_resolution(id);
        if side == gone {
            self.draft_deletion(gone, "H4");
            return self.still("H4", "a person decided: deleted on the other side too");
        }
        self.update_wins(gone, "H4", "a person decided: the record is kept")
    }

    pub(super) fn left_alone_now(&self) -> bool {
        let alone = self.now.link.memory.left_alone.as_ref();
        alone.is_some_and(|alone| *alone == self.record_digest())
    }

    fn record_digest(&self) -> String {
        let probe = crate::conflict::ConflictKind::DeleteUpdate;
        self.pictured(probe, Scope::Record)
    }
}
