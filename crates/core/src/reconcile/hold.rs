//! Holds (correctness, 3.5): what happens to a field, or a record, that waits for a person.
//!
//! Not here: what the decision itself does (`resolve`).

use super::case::Case;
use super::parties::Situation;
use super::strategy::is_step_back;
use crate::agreed::{AgreedField, Origin};
use crate::conflict::{CloseReason, Conflict, ConflictKind, ConflictState, Decider, Scope};
use crate::id::ConflictId;
use crate::mapping::Bound;
use crate::side::Side;

impl Case<'_> {
    /// Whether a conflict holds the field back.
    pub(super) fn is_held(&self, field: &Bound<'_>) -> bool {
        self.hold_of(field).is_some()
    }

    fn hold_of(&self, field: &Bound<'_>) -> Option<&Conflict> {
        self.holding().find(|open| match &open.scope {
            Scope::Field(name) => *name == field.name,
            Scope::Record => false,
        })
    }

    /// F11: the field's hold, looked at again. Whether it still holds the field.
    pub(super) fn held(&mut self, field: &Bound<'_>) -> bool {
        let Some(open) = self.hold_of(field) else { return false };
        let (id, kind, state) = (open.id, open.kind, open.state);
        if let Some(reason) = self.over(field, kind) {
            self.close_conflict(id, reason);
            return false;
        }
        if state == ConflictState::Decided {
            return self.resolve_field(field, id);
        }
        let news = self.bring_up_to_date(id);
        let row = if news { "H1" } else { "F11" };
        self.say(field, row, "a person decides", "held");
        true
    }

    /// H2, H3: whether there is nothing left to decide.
    fn over(&self, field: &Bound<'_>, kind: ConflictKind) -> Option<CloseReason> {
        let Some(agreed) = self.agreed(field) else { return self.met_by_itself(field) };
        let calm = !Side::BOTH.into_iter().any(|side| self.moved(field, side));
        match kind {
            ConflictKind::OneWayEdit | ConflictKind::Oscillation => {
                calm.then_some(CloseReason::Dissolved)
            }
            ConflictKind::IllegalTransition if self.still_back(field, agreed) => None,
            ConflictKind::BothChanged
            | ConflictKind::FirstLinkDiffers
            | ConflictKind::DeleteUpdate
            | ConflictKind::DeleteRefused
            | ConflictKind::AmbiguousMatch
            | ConflictKind::Duplicate
            | ConflictKind::Merged
            | ConflictKind::DeleteUnclassified
            | ConflictKind::CreateAmbiguous
            | ConflictKind::IllegalTransition
            | ConflictKind::BelowMinimum
            | ConflictKind::OverwrittenInFlight
            | ConflictKind::Drift
            | ConflictKind::Guard => match self.situation(field, agreed) {
                Situation::Calm | Situation::One(_) => Some(CloseReason::Dissolved),
                Situation::Same(_) => Some(CloseReason::Converged),
                Situation::Differ(_) | Situation::Unmapped(..) => None,
            },
        }
    }

    /// Whether one side alone still holds a step that the field's path forbids.
    fn still_back(&self, field: &Bound<'_>, agreed: &AgreedField) -> bool {
        match self.situation(field, agreed) {
            Situation::One(party) => is_step_back(field, &agreed.trunk, &party),
            Situation::Calm
            | Situation::Same(_)
            | Situation::Differ(_)
            | Situation::Unmapped(..) => false,
        }
    }

    /// A first meeting whose values became equal.
    fn met_by_itself(&self, field: &Bound<'_>) -> Option<CloseReason> {
        let left = self.party(field, Side::Left).ok()??;
        let right = self.party(field, Side::Right).ok()??;
        let same = crate::mapping::same_trunk(field, &left.value, &right.value);
        same.then_some(CloseReason::Converged)
    }

    /// A rule never overwrites a person's choice: who differs from it is asked again (H6).
    pub(super) fn against_a_person(
        &mut self,
        field: &Bound<'_>,
        agreed: &AgreedField,
        parties: &[super::parties::Party],
    ) -> bool {
        let unseen = parties.iter().any(|party| party.who == super::parties::Who::Trunk);
        if agreed.origin != Origin::Person || !unseen {
            return false;
        }
        let scope = Scope::Field(field.name.clone());
        match self.applied_by_person(&scope) {
            Some(id) => self.reopen_conflict(id),
            None => {
                let open = ConflictState::Open;
                self.open_conflict(ConflictKind::BothChanged, scope, open, None);
            }
        }
        self.say(field, "H6", "changed while a person's choice was written", "asked again");
        true
    }

    pub(super) fn applied_by_person(&self, scope: &Scope) -> Option<ConflictId> {
        let applied = self.now.conflicts.iter().find(|one| {
            one.scope == *scope
                && one.state == ConflictState::Applied
                && matches!(one.decided_by, Some(Decider::Person(_)))
        });
        applied.map(|one| one.id)
    }

    /// H6: open again with the values of now; the decision stays as a suggestion.
    pub(super) fn reopen_conflict(&mut self, id: ConflictId) {
        if let Some(open) = self.now.conflicts.iter_mut().find(|one| one.id == id) {
            open.state = ConflictState::Open;
            open.decided_by = None;
        }
        self.bring_up_to_date(id);
    }

    /// The hold of the whole record. `Some`: it decides this pass.
    pub(super) fn record_hold(&mut self, gone: Side) -> Option<bool> {
        self.absorb_field_holds();
        let scope = Scope::Record;
        if self.left_alone_now() {
            self.now.link.phase = crate::link::Phase::Frozen;
            return Some(self.still("H4", "left as it is, as a person decided"));
        }
        let open = self.holding().find(|one| one.scope == scope);
        let (id, decided) = match open {
            Some(open) => (open.id, open.state == ConflictState::Decided),
            None => (self.applied_by_person(&scope)?, true),
        };
        if decided {
            return self.resolve_record(gone, id);
        }
        let news = self.bring_up_to_date(id);
        let row = if news { "H1" } else { "F11" };
        Some(self.still(row, "the record waits for a person"))
    }
}
