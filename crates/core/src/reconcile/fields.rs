//! The field table for an agreed pair (correctness, 3.2a).
//!
//! Not here: first meetings (`first`), holds (`hold`), who wins (`strategy`).

use super::account::origin;
use super::case::{Case, Draft, Told};
use super::outcome::Settled;
use super::parents::Way;
use super::parties::{Party, Situation, Who, counts};
use super::strategy::{Collision, is_step_back, settle};
use crate::agreed::{AgreedField, Origin};
use crate::conflict::{ConflictKind, ConflictState, Decider, Scope};
use crate::id::Row;
use crate::intent::Op;
use crate::interval::Interval;
use crate::mapping::{Bound, same_trunk, spread};
use crate::observation::ActorClass;
use crate::side::{Both, Side};
use crate::spec::{OneWayEdit, Strategy};
use crate::stamp::Stamp;
use crate::value::Value;
use std::borrow::Cow;

/// Changes in a row that duet's own writes may cause on one field (I16).
const HOPS_MAX: u8 = 3;
/// Both sides moved a field within this time: its writes check the record's version (design, 6).
const CONTESTED_US: i64 = 600 * Stamp::SECOND;

impl Case<'_> {
    /// R20-R23: both records are there; field by field.
    pub(super) fn fields(&mut self) {
        let moved = Both::build(|side| self.fields.iter().any(|field| self.moved(field, side)));
        let (row, rule) = match (moved.left, moved.right) {
            (false, false) => ("R20", "nothing moved"),
            (true, false) => ("R21", "left moved"),
            (false, true) => ("R22", "right moved"),
            (true, true) => ("R23", "both moved"),
        };
        self.stay(row, rule);
        self.close_record_holds();
        self.each_field();
    }

    pub(super) fn each_field(&mut self) {
        self.claim_keys();
        let fields = self.fields;
        for field in fields {
            self.field(field);
        }
        self.fill_external_ids();
        for side in Side::BOTH {
            self.draft_update(side);
        }
    }

    fn field(&mut self, field: &Bound<'_>) {
        let unseen = Side::BOTH.into_iter().any(|side| self.native(field, side).is_none());
        if unseen || self.held(field) {
            return;
        }
        if self.agreed(field).is_none() {
            return self.first(field);
        }
        if !Side::BOTH.into_iter().any(|side| self.moved(field, side)) {
            return self.calm(field);
        }
        for side in Side::BOTH {
            if self.moved(field, side) && self.set_aside(field, side) {
                return;
            }
        }
        let Some(agreed) = self.agreed(field).cloned() else { return };
        if self.oscillates(field, &agreed) {
            return;
        }
        match self.situation(field, &agreed) {
            Situation::Calm => self.calm(field),
            Situation::One(party) if is_step_back(field, &agreed.trunk, &party) => {
                self.step_back(field, &party);
            }
            Situation::One(party) => self.one_moved(field, &party),
            Situation::Same(parties) => {
                let value = parties[0].value.clone();
                self.fold(field, &parties, &value, Origin::Both, None, ActorClass::Unknown);
                self.say(field, "F4", "the same change on both sides", "trunk := the same");
            }
            Situation::Differ(parties) => self.collide(field, &agreed, &parties),
            Situation::Unmapped(side, failure) => {
                self.unmapped(field, Way::From(side), &failure);
            }
        }
    }

    /// F1, unless a move was set aside just now.
    fn calm(&mut self, field: &Bound<'_>) {
        let told = &mut self.outcomes[field.at];
        if matches!(told, Told::Nothing) {
            *told = Told::Calm;
            self.field_errors.remove(&field.name);
        }
    }

    /// F2, F3: one side moved and had seen what was agreed.
    fn one_moved(&mut self, field: &Bound<'_>, party: &Party) {
        let Who::Side(side) = party.who else { return };
        let row = match side {
            Side::Left => "F2",
            Side::Right => "F3",
        };
        let parties = [party.clone()];
        self.fold(field, &parties, &party.value, origin(side), Some(party.changed), party.by);
        self.say(field, row, &format!("only {side} moved"), &format!("trunk := {side}"));
    }

    /// F5f: nobody goes back silently, not even without a rival.
    fn step_back(&mut self, field: &Bound<'_>, party: &Party) {
        let Who::Side(side) = party.who else { return };
        let scope = Scope::Field(field.name.clone());
        let open = ConflictState::Open;
        self.open_conflict(ConflictKind::IllegalTransition, scope, open, None);
        let rule = format!("merge progress would go back: {side} alone");
        self.say(field, "F5f", &rule, "held for a person");
    }

    /// F6, F7, F10: moves that never reach the trunk. Whether the field is done with.
    pub(super) fn set_aside(&mut self, field: &Bound<'_>, side: Side) -> bool {
        if field.direction.owner() == Some(side.other()) {
            return self.against_direction(field, side);
        }
        let empty = |side| self.native(field, side).is_some_and(|held| held.is_null());
        let agree = field.direction.owner().is_none() && empty(side.other());
        if empty(side) && !agree && !field.propagate_null {
            self.note(field, ConflictKind::Drift, "F10", "propagate_null = false", true);
            self.leave(field, side);
            self.say(field, "F10", "propagate_null = false", &format!("{side} stays empty"));
        }
        false
    }

    fn against_direction(&mut self, field: &Bound<'_>, side: Side) -> bool {
        if self.holds_what_is_owed(field, side) {
            self.take_over(field, side);
            return false;
        }
        match field.on_one_way_edit {
            OneWayEdit::Overwrite => {
                self.note(field, ConflictKind::OneWayEdit, "F6", "one way: overwrite", false);
                self.take_over(field, side);
                self.say(field, "F6", "one way: overwrite", &format!("{side} is written back"));
                false
            }
            OneWayEdit::Keep => {
                self.note(field, ConflictKind::Drift, "F7", "one way: keep", true);
                self.leave(field, side);
                self.say(field, "F7", "one way: keep", &format!("{side} keeps its own"));
                false
            }
            OneWayEdit::Flag => {
                let scope = Scope::Field(field.name.clone());
                let open = ConflictState::Open;
                self.open_conflict(ConflictKind::OneWayEdit, scope, open, None);
                self.say(field, "F7", "one way: flag", "held for a person");
                true
            }
        }
    }

    fn holds_what_is_owed(&self, field: &Bound<'_>, side: Side) -> bool {
        let Some(agreed) = self.agreed(field) else { return false };
        let due = self.put(field, side, &agreed.trunk);
        let held = self.native(field, side);
        due.ok().zip(held).is_some_and(|(due, held)| field.same(side, &due, &held))
    }

    /// The side's value is accounted for, without reaching the trunk.
    fn take_over(&mut self, field: &Bound<'_>, side: Side) {
        let held = self.native(field, side).map(Cow::into_owned);
        if let Some(agreed) = self.agreed_mut(field) {
            *agreed.accounted.get_mut(side) = held;
        }
    }

    /// The difference stays, unless there is newer content that the side has not received.
    fn leave(&mut self, field: &Bound<'_>, side: Side) {
        let owed = self.agreed(field).is_some_and(|agreed| self.unseen(field, side, agreed));
        if owed {
            self.take_over(field, side);
        } else {
            self.tolerate(field, side);
        }
    }

    pub(super) fn tolerate(&mut self, field: &Bound<'_>, side: Side) {
        self.take_over(field, side);
        if let Some(agreed) = self.agreed_mut(field) {
            *agreed.tolerated.get_mut(side) = true;
        }
    }

    /// Stores an edit that doesn't count: closed at once, or applied by writing it back.
    fn note(&mut self, field: &Bound<'_>, kind: ConflictKind, row: &str, rule: &str, stays: bool) {
        let state = if stays { ConflictState::Closed } else { ConflictState::Applied };
        let decider = Decider::Rule { row: Row::from(row), rule: rule.to_owned() };
        self.open_conflict(kind, Scope::Field(field.name.clone()), state, Some(decider));
    }

    /// I16: changes that follow from our own writes again and again stop at a person.
    fn oscillates(&mut self, field: &Bound<'_>, agreed: &AgreedField) -> bool {
        let moved: Vec<Side> =
            Side::BOTH.into_iter().filter(|side| self.moved(field, *side)).collect();
        if moved.is_empty() {
            return false;
        }
        let caused = moved.iter().all(|side| *self.readback.get(*side));
        let hops = if caused { agreed.hops.saturating_add(1) } else { 0 };
        if hops > HOPS_MAX {
            let scope = Scope::Field(field.name.clone());
            let open = ConflictState::Open;
            self.open_conflict(ConflictKind::Oscillation, scope, open, None);
            self.say(field, "F11", "our own writes keep changing it (I16)", "held for a person");
            return true;
        }
        if agreed.hops != hops
            && let Some(agreed) = self.agreed_mut(field)
        {
            agreed.hops = hops;
        }
        false
    }

    /// F5, F12: parties differ.
    fn collide(&mut self, field: &Bound<'_>, agreed: &AgreedField, parties: &[Party]) {
        if self.against_a_person(field, agreed, parties) {
            return;
        }
        let collision = Collision { parties, trunk: Some(&agreed.trunk) };
        let settled = match field.direction.owner() {
            Some(owner) => settle(&Strategy::SourceOfTruth(owner), &collision),
            None => settle(&field.strategy, &collision),
        };
        self.conclude(field, parties, settled, ConflictKind::BothChanged);
    }

    pub(super) fn conclude(
        &mut self,
        field: &Bound<'_>,
        parties: &[Party],
        settled: Settled,
        kind: ConflictKind,
    ) {
        let scope = Scope::Field(field.name.clone());
        match settled {
            Settled::Value { value, origin, changed, by, row, rule } => {
                let decider = Decider::Rule { row: Row::from(row), rule: rule.clone() };
                let applied = ConflictState::Applied;
                let id = self.open_conflict(kind, scope, applied, Some(decider));
                self.note_result(id, field, &value);
                self.fold(field, parties, &value, origin, changed, by);
                self.say(field, row, &rule, &told(origin));
            }
            Settled::Hold { kind, row, rule } => {
                self.open_conflict(kind, scope, ConflictState::Open, None);
                self.say(field, row, &rule, "held for a person");
            }
        }
    }

    /// New content: the trunk takes the value, the movers are accounted for.
    pub(super) fn fold(
        &mut self,
        field: &Bound<'_>,
        parties: &[Party],
        value: &Value,
        origin: Origin,
        changed: Option<Interval>,
        by: ActorClass,
    ) {
        let now = self.now.as_of;
        let met = self.agreed(field).is_some();
        let agreed = self.begun_mut(field, || begin(value, now, origin));
        if !same_trunk(field, &agreed.trunk, value) {
            agreed.trunk = value.clone();
            agreed.at = now;
            agreed.tolerated = Both::default();
        }
        agreed.origin = origin;
        agreed.changed = changed;
        agreed.by = by;
        for party in parties {
            if let Who::Side(side) = party.who {
                agreed.accounted.get_mut(side).clone_from(&party.native);
                if met {
                    *agreed.moved.get_mut(side) = Some(now);
                }
            }
        }
    }

    /// Writes what a side is behind (F1b), all fields in one call.
    fn draft_update(&mut self, side: Side) {
        let mut draft = Draft::new(Op::Update, String::new());
        let fields = self.fields;
        for field in fields {
            if self.is_behind(field, side) {
                self.draft_field(field, side, &mut draft);
            }
        }
        for (column, value) in std::mem::take(self.fill.get_mut(side)) {
            draft.values.entry(column).or_insert(value);
        }
        if !draft.values.is_empty() {
            draft.why = format!("{} {}", self.row, self.rule);
            *self.drafts.get_mut(side) = Some(draft);
        }
    }

    fn draft_field(&mut self, field: &Bound<'_>, side: Side, draft: &mut Draft) {
        let Some(trunk) = self.agreed(field).map(|agreed| agreed.trunk.clone()) else { return };
        let due = match self.put(field, side, &trunk).map(Cow::into_owned) {
            Ok(due) if !self.lacks_parent(field, side) => Some((due, trunk)),
            Ok(_) => self.stand_in(field, side).map(|due| (due, Value::Null)),
            Err(failure) => {
                self.unmapped(field, Way::To(side), &failure);
                self.stand_in(field, side).map(|due| (due, Value::Null))
            }
        };
        let Some((due, carried)) = due else { return };
        let held = self.native(field, side).map(Cow::into_owned);
        let due = self.vacated(field, held.as_ref(), due);
        if held.is_some_and(|held| field.same(side, &held, &due)) {
            return;
        }
        draft.values.extend(spread(field, side, &due));
        draft.carries.insert(field.name.clone(), carried);
        draft.guarded |= self.contested(field);
        self.say_write(field, side);
    }

    /// P7: nothing instead of the value, until the side holds nothing; then the value.
    fn vacated(&mut self, field: &Bound<'_>, held: Option<&Value>, due: Value) -> Value {
        let vacate = &mut self.now.link.memory.vacate;
        if !vacate.contains(&field.name) {
            return due;
        }
        if held.is_some_and(Value::is_null) {
            vacate.retain(|one| *one != field.name);
            return due;
        }
        Value::Null
    }

    /// Whether a side is owed content of a field that it doesn't plainly hold already, and that may
    /// be written there.
    fn is_behind(&self, field: &Bound<'_>, side: Side) -> bool {
        let Some(agreed) = self.agreed(field) else { return false };
        let open = field.direction.owner() != Some(side)
            && !field.create_only
            && !*agreed.tolerated.get(side)
            && !self.moved(field, side);
        let Some(held) = self.native(field, side).filter(|_| open) else { return false };
        let due = self.put(field, side, &agreed.trunk);
        let equal = due.is_ok_and(|due| field.same(side, &held, &due));
        let settled = equal
            && !self.lacks_parent(field, side)
            && !self.now.link.memory.vacate.contains(&field.name);
        !settled && !self.is_held(field)
    }

    fn contested(&self, field: &Bound<'_>) -> bool {
        let since = self.now.as_of.plus(-CONTESTED_US);
        let recent = |at: Option<Stamp>| at.is_some_and(|at| at > since);
        let both = self
            .agreed(field)
            .is_some_and(|agreed| recent(agreed.moved.left) && recent(agreed.moved.right));
        counts(&field.strategy) || both
    }

    fn say_write(&mut self, field: &Bound<'_>, side: Side) {
        match &mut self.outcomes[field.at] {
            Told::Nothing => {}
            Told::This(told) => told.outcome = format!("{}, write {side}", told.outcome),
            Told::Calm => {
                let rule = format!("{side} is behind what was agreed");
                self.say(field, "F1b", &rule, &format!("write {side}"));
            }
        }
    }
}

pub(super) fn begin(value: &Value, at: Stamp, origin: Origin) -> AgreedField {
    AgreedField {
        trunk: value.clone(),
        at,
        origin,
        accounted: Both::default(),
        tolerated: Both::default(),
        hops: 0,
        changed: None,
        by: ActorClass::Unknown,
        moved: Both::default(),
    }
}

fn told(origin: Origin) -> String {
    match origin {
        Origin::Left => "trunk := left".to_owned(),
        Origin::Right => "trunk := right".to_owned(),
        Origin::Both => "trunk := the same".to_owned(),
        Origin::Merge => "trunk := merged".to_owned(),
        Origin::Person => "trunk := chosen".to_owned(),
    }
}
