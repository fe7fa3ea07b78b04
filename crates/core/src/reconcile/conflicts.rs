//! Conflicts as values: what collided, every value and stamp of it, and the digest that a person's
//! decision must name.
//!
//! Not here: when one is opened, and what a decision does (`hold`, `resolve`).

use super::case::Case;
use crate::agreed::Agreed;
use crate::conflict::{
    Candidate, CloseReason, Conflict, ConflictKind, ConflictState, Decider, Scope,
};
use crate::id::{ConflictId, FieldName};
use crate::image::{Image, digest as image_digest};
use crate::interval::changed;
use crate::mapping::{Bound, native};
use crate::observation::Presence;
use crate::side::{Both, Side};
use crate::value::Value;
use crate::verdict::Effect;
use std::collections::BTreeMap;

/// A digest of everything a person would see of a conflict's values.
pub(super) fn digest(conflict: &Conflict) -> String {
    let mut all = Image::new();
    let mut add = |name: String, value: Value| {
        all.insert(crate::id::Column::new(name), value);
    };
    for (field, value) in &conflict.agreed {
        add(format!("agreed/{field}"), value.clone());
    }
    for side in Side::BOTH {
        let part = conflict.sides.get(side);
        add(format!("{side}?"), Value::Boolean(part.present));
        let record = part.record.as_ref().map_or(Value::Null, |id| Value::text(id.as_str()));
        add(format!("{side}#"), record);
        for (field, value) in part.values.iter().chain(&part.native) {
            add(format!("{side}/{field}"), value.clone());
        }
    }
    for (place, record) in conflict.candidates.iter().enumerate() {
        add(format!("candidate/{place}"), Value::text(record.as_str()));
    }
    image_digest(&all)
}

impl Case<'_> {
    fn scoped(&self, scope: &Scope) -> Vec<&Bound<'_>> {
        let fields = self.fields.iter();
        let in_scope = fields.filter(|field| match scope {
            Scope::Field(name) => field.name == *name,
            Scope::Record => true,
        });
        in_scope.collect()
    }

    /// One side's part in a conflict, as it is now.
    fn part(&self, scope: &Scope, side: Side) -> Candidate {
        let record = self.record(side).cloned();
        let Some(seen) = self.seen_of(side) else {
            return Candidate { record, ..Candidate::default() };
        };
        let mut part = Candidate {
            present: seen.presence == Presence::Present,
            record,
            actor: seen.actor.clone(),
            ..Candidate::default()
        };
        for field in self.scoped(scope) {
            let Some(held) = native(field, side, &seen.image) else { continue };
            if let Ok(value) = self.get(field, side, &held) {
                part.values.insert(field.name.clone(), value.into_owned());
            }
            part.native.insert(field.name.clone(), held);
            let since = self.since(field, side);
            let when = changed(self.spec, field, side, seen, since, self.now.as_of);
            part.changed =
                Some(part.changed.map_or(when, |all| (all.0.max(when.0), all.1.max(when.1))));
        }
        part
    }

    fn agreed_part(&self, scope: &Scope) -> BTreeMap<FieldName, Value> {
        let fields = self.scoped(scope).into_iter();
        let known = fields
            .filter_map(|field| Some((field.name.clone(), self.agreed(field)?.trunk.clone())));
        known.collect()
    }

    /// A conflict with the values of this moment.
    fn picture(&self, kind: ConflictKind, scope: Scope, state: ConflictState) -> Conflict {
        let name = match &scope {
            Scope::Field(field) => format!("conflict/{kind:?}/{field}"),
            Scope::Record => format!("conflict/{kind:?}"),
        };
        let mut conflict = Conflict {
            id: ConflictId(self.id(&name)),
            link: self.now.link.id,
            flow: self.now.link.flow.clone(),
            kind,
            agreed: self.agreed_part(&scope),
            sides: Both::build(|side| self.part(&scope, side)),
            scope,
            candidates: Vec::new(),
            seen: String::new(),
            rev: 0,
            state,
            reason: None,
            decided_by: None,
            resolution: None,
            result: BTreeMap::new(),
            opened_at: self.now.as_of,
            until: None,
            closed_at: None,
        };
        conflict.seen = digest(&conflict);
        conflict
    }

    /// The digest of what a conflict of this kind and scope would show now.
    pub(super) fn pictured(&self, kind: ConflictKind, scope: Scope) -> String {
        self.picture(kind, scope, ConflictState::Open).seen
    }

    /// Opens a conflict, or brings the open one of the same kind and scope up to date (H1).
    pub(super) fn open_conflict(
        &mut self,
        kind: ConflictKind,
        scope: Scope,
        state: ConflictState,
        decided_by: Option<Decider>,
    ) -> ConflictId {
        let mut fresh = self.picture(kind, scope, state);
        if state.holds() {
            let open =
                self.now.conflicts.iter_mut().find(|open| {
                    open.state.holds() && open.kind == kind && open.scope == fresh.scope
                });
            if let Some(open) = open {
                refresh(open, fresh);
                return open.id;
            }
        }
        fresh.decided_by = decided_by;
        if state == ConflictState::Closed {
            fresh.reason = Some(CloseReason::Tolerated);
            fresh.closed_at = Some(self.now.as_of);
        }
        let id = fresh.id;
        // Both sides may do the same in one verdict: that is one conflict, with both in it.
        if !self.now.conflicts.iter().any(|one| one.id == id) {
            self.now.conflicts.push(fresh);
        }
        id
    }

    /// Brings a held conflict's values up to date; whether they changed (H1). Of records that are
    /// gone on both sides it keeps who was there, and what was agreed: that is the question.
    pub(super) fn bring_up_to_date(&mut self, id: ConflictId) -> bool {
        let Some(open) = self.now.conflicts.iter().find(|open| open.id == id) else { return false };
        let mut fresh = self.picture(open.kind, open.scope.clone(), open.state);
        if matches!(self.content.agreed(), Agreed::Tomb(_)) {
            fresh.agreed.clone_from(&open.agreed);
            for side in Side::BOTH {
                fresh.sides.get_mut(side).present = open.sides.get(side).present;
            }
        }
        let Some(open) = self.now.conflicts.iter_mut().find(|open| open.id == id) else {
            return false;
        };
        refresh(open, fresh)
    }

    pub(super) fn note_result(&mut self, id: ConflictId, field: &Bound<'_>, value: &Value) {
        if let Some(conflict) = self.now.conflicts.iter_mut().find(|one| one.id == id) {
            conflict.result.insert(field.name.clone(), value.clone());
        }
    }

    pub(super) fn close_conflict(&mut self, id: ConflictId, reason: CloseReason) {
        let now = self.now.as_of;
        if let Some(conflict) = self.now.conflicts.iter_mut().find(|one| one.id == id) {
            conflict.state = ConflictState::Closed;
            conflict.reason = Some(reason);
            conflict.closed_at = Some(now);
        }
    }

    fn close_all(&mut self, reason: CloseReason, which: impl Fn(&Conflict) -> bool) {
        let ids: Vec<ConflictId> = self
            .now
            .conflicts
            .iter()
            .filter(|one| one.state != ConflictState::Closed && which(one))
            .map(|one| one.id)
            .collect();
        for id in ids {
            self.close_conflict(id, reason);
        }
    }

    /// The partner is known, or there is none to be chosen any more.
    pub(super) fn close_matching_conflicts(&mut self) {
        self.close_all(CloseReason::Converged, |one| one.kind.is_about_matching());
    }

    /// What is known of the candidates opens another kind of conflict: one of both stays open.
    pub(super) fn close_other_matching_conflicts(&mut self, kind: ConflictKind) {
        let other = |one: &Conflict| one.kind.is_about_matching() && one.kind != kind;
        self.close_all(CloseReason::Dissolved, other);
    }

    /// H7: a record's hold absorbs its fields' holds; the record conflict holds every value.
    pub(super) fn absorb_field_holds(&mut self) {
        self.close_all(CloseReason::Obsolete, |one| match one.scope {
            Scope::Field(_) => one.state.holds(),
            Scope::Record => false,
        });
    }

    /// H8: the record is gone, or no business of the flow any more: nothing is left to decide, but
    /// about values that this very deletion destroyed.
    pub(super) fn close_for_good(&mut self) {
        let known: Vec<ConflictId> = self.before.conflicts.iter().map(|one| one.id).collect();
        self.close_all(CloseReason::Obsolete, |one| one.state.holds() && known.contains(&one.id));
    }

    /// What was held for a person is a case for a rule now (H3): nobody decided about it yet.
    pub(super) fn drop_undecided_hold(&mut self) {
        self.close_all(CloseReason::Dissolved, |one| {
            let undecided = matches!(one.state, ConflictState::Open | ConflictState::Snoozed);
            undecided && one.scope == Scope::Record && one.kind == ConflictKind::DeleteUpdate
        });
    }

    /// Both records are there again: what was held because one was gone is over (H3).
    pub(super) fn close_record_holds(&mut self) {
        self.close_all(CloseReason::Dissolved, |one| {
            one.scope == Scope::Record && one.state.holds() && about_absence(one.kind)
        });
    }

    /// H8, H9: fields that are no longer mapped; snoozed ones whose time has come.
    pub(super) fn tend_conflicts(&mut self) {
        if self.now.conflicts.is_empty() {
            return;
        }
        let mapped: Vec<FieldName> = self.fields.iter().map(|one| one.name.clone()).collect();
        self.close_all(CloseReason::Obsolete, |one| match &one.scope {
            Scope::Field(name) => !mapped.contains(name),
            Scope::Record => false,
        });
        let now = self.now.as_of;
        let mut late = Vec::new();
        for open in self.now.conflicts.iter_mut().filter(|one| one.state.holds()) {
            if open.until.is_none_or(|until| until > now) {
                continue;
            }
            open.until = None;
            if open.state == ConflictState::Snoozed {
                open.state = ConflictState::Open;
            }
            late.push(open.id);
        }
        for id in late {
            self.effects.push(Effect::Alert(format!("H9: conflict {id} has waited its time")));
        }
    }

    /// H9: looks again when the first of those that still hold has waited its time.
    pub(super) fn look_when_snoozed_ends(&mut self) {
        let next = self.holding().filter_map(|open| open.until).min();
        if let Some(next) = next {
            self.look_again(next);
        }
    }
}

/// Takes over fresh values; whether they differ from those shown so far.
fn refresh(open: &mut Conflict, fresh: Conflict) -> bool {
    let mut shown = fresh;
    shown.candidates.clone_from(&open.candidates);
    shown.seen = digest(&shown);
    if shown.seen == open.seen {
        return false;
    }
    open.agreed = shown.agreed;
    open.sides = shown.sides;
    open.seen = shown.seen;
    true
}

/// Kinds that a record's absence opened.
fn about_absence(kind: ConflictKind) -> bool {
    match kind {
        ConflictKind::DeleteUpdate
        | ConflictKind::DeleteRefused
        | ConflictKind::Merged
        | ConflictKind::DeleteUnclassified => true,
        ConflictKind::BothChanged
        | ConflictKind::FirstLinkDiffers
        | ConflictKind::AmbiguousMatch
        | ConflictKind::Duplicate
        | ConflictKind::CreateAmbiguous
        | ConflictKind::IllegalTransition
        | ConflictKind::BelowMinimum
        | ConflictKind::OneWayEdit
        | ConflictKind::OverwrittenInFlight
        | ConflictKind::Oscillation
        | ConflictKind::Drift
        | ConflictKind::Guard => false,
    }
}
