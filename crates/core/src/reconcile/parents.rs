//! Relations (correctness, 3.7): values that wait for their parent's record.
//!
//! Waits are keyed by the parent's flow, side and record id, so they work before the parent has a
//! link (design, 2.2). Not here: the translation itself (`mapping`).

use super::case::{Case, Draft};
use crate::field_error::{FieldError, FieldErrorCode};
use crate::id::Column;
use crate::link::{Awaited, Missing};
use crate::mapping::{self, Bound, MapFailure};
use crate::retry::{Failure, FailureClass, PARENT_MISSING};
use crate::side::Side;
use crate::spec::{AfterWait, Mapping, MissingParent};
use crate::stamp::Stamp;
use crate::value::Value;
use std::borrow::Cow;

/// Which translation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the side's own form to the neutral one.
    From(Side),
    /// From the neutral form to the side's own.
    To(Side),
}

impl Way {
    /// The side whose columns failed.
    fn side(self) -> Side {
        match self {
            Way::From(side) | Way::To(side) => side,
        }
    }

    /// The side whose value is kept back.
    pub(super) fn source(self) -> Side {
        match self {
            Way::From(side) => side,
            Way::To(side) => side.other(),
        }
    }
}

/// The time between two looks after the wait is over: the parent itself wakes the link, this is for
/// a wake-up that was lost.
const LOOK_LATE_US: i64 = 3_600 * Stamp::SECOND;
/// The longest time between two looks of a link that waits.
const LOOK_MAX_US: i64 = 60 * Stamp::SECOND;

impl Case<'_> {
    /// A value that can't be translated now: whether it waits for a parent (P2), or never will be
    /// until somebody changes something (F8).
    pub(super) fn unmapped(&mut self, field: &Bound<'_>, way: Way, failure: &MapFailure) -> bool {
        match failure {
            MapFailure::NotRepresentable { column, reason } => {
                let rule = format!("column {column}: {reason}");
                self.say(field, "F8", &rule, "not written; the other fields go on");
                let code = FieldErrorCode::Unmappable;
                self.keep_back(field, way, code, column.clone(), reason.clone());
                false
            }
            MapFailure::ParentUnlinked { .. } | MapFailure::ParentWithoutRecord { .. } => {
                match self.parent_of(failure) {
                    Some(parent) => self.wait_for(field, way, parent),
                    None => self.say(field, "P2", "the parent is not known yet", "waits"),
                }
                true
            }
        }
    }

    /// The parent's record that a failure is about, on the side that names it.
    fn parent_of(&self, failure: &MapFailure) -> Option<Awaited> {
        match failure {
            MapFailure::NotRepresentable { .. } => None,
            MapFailure::ParentUnlinked { flow, side, record } => {
                Some(Awaited { flow: flow.clone(), side: *side, record: record.clone() })
            }
            MapFailure::ParentWithoutRecord { flow: _, link, side } => {
                let parent = self.now.parents.iter().find(|parent| parent.link == *link)?;
                let record = parent.record.get(side.other()).clone()?;
                Some(Awaited { flow: parent.flow.clone(), side: side.other(), record })
            }
        }
    }

    /// Waits; after its time the parent itself wakes it.
    fn wait_for(&mut self, field: &Bound<'_>, way: Way, parent: Awaited) {
        let to = parent.side.other();
        self.awaits.insert(parent.clone());
        let since = self.note_missing(field, parent.clone());
        let limit = Case::missing(field).and_then(|missing| missing.wait_us);
        if !self.waited_long_enough(field) {
            self.say(field, "P2", "the parent has no partner yet", "waits for it");
            if let Some(limit) = limit {
                self.look_again(since.plus(limit));
            }
            return self.wait_a_little();
        }
        let over = since.plus(limit.unwrap_or_default());
        let looks = (self.now.as_of.0.saturating_sub(over.0)) / LOOK_LATE_US + 1;
        self.look_again(over.plus(looks.saturating_mul(LOOK_LATE_US)));
        let rule = "the parent did not come in time";
        if self.stand_in(field, to).is_some() {
            return self.say(field, "P4", rule, "left empty until it comes");
        }
        self.say(field, "P4", rule, "left to a person");
        let Awaited { flow, side, record } = parent;
        let reason = format!("its parent, {flow}/{side}:{record}, did not come in time");
        let column = mapping::first_column(field, way.side());
        self.keep_back(field, way, FieldErrorCode::Dependency, column, reason);
    }

    /// Notes a value that is kept back, after it was said why.
    fn keep_back(
        &mut self,
        field: &Bound<'_>,
        way: Way,
        code: FieldErrorCode,
        column: Column,
        reason: String,
    ) {
        let (source, side, since) = (way.source(), way.side(), self.now.as_of);
        let error =
            FieldError { field: field.name.clone(), code, source, side, column, reason, since };
        self.field_errors.insert(field.name.clone(), error);
    }

    /// Notes that a field waits for this parent; since when. Another parent begins anew.
    fn note_missing(&mut self, field: &Bound<'_>, parent: Awaited) -> Stamp {
        let mut known = self.before.link.memory.missing.iter();
        let known = known.find(|one| one.field == field.name && one.parent == parent);
        let since = known.map_or(self.now.as_of, |one| one.since);
        let missing = Missing { field: field.name.clone(), parent, since };
        self.missing.insert(field.name.clone(), missing);
        since
    }

    /// Whether this side's part of a field waits for a parent: what is agreed isn't written there
    /// then, because the other side refers to something else by now.
    pub(super) fn lacks_parent(&self, field: &Bound<'_>, side: Side) -> bool {
        self.missing.get(&field.name).is_some_and(|one| one.parent.side == side.other())
    }

    /// P4: what a side holds instead of a reference whose parent didn't come in time, where null
    /// was asked for. Nothing is agreed by it: the reference follows when its parent comes.
    pub(super) fn stand_in(&self, field: &Bound<'_>, side: Side) -> Option<Value> {
        let asked = Case::missing(field).is_some_and(|missing| missing.then == AfterWait::Null);
        let late = asked && self.lacks_parent(field, side) && self.waited_long_enough(field);
        late.then(|| self.put(field, side, &Value::Null).ok().map(Cow::into_owned)).flatten()
    }

    /// Looks again after 1 s, doubling to a minute, counted from when the waiting began.
    pub(super) fn wait_a_little(&mut self) {
        let now = self.now.as_of;
        let since = *self.now.link.memory.waiting_since.get_or_insert(now);
        let (mut at, mut step, mut waits) = (since, Stamp::SECOND, 0);
        while at <= now {
            at = at.plus(step);
            step = (step * 2).min(LOOK_MAX_US);
            waits += 1;
            if step == LOOK_MAX_US && at <= now {
                let missed = (now.0 - at.0) / LOOK_MAX_US;
                at = at.plus(missed * LOOK_MAX_US);
            }
        }
        self.now.link.waits = waits;
        self.look_again(at);
    }

    fn missing(field: &Bound<'_>) -> Option<MissingParent> {
        match &field.mapping {
            Mapping::Parent { flow: _, missing, none: _ } => Some(*missing),
            Mapping::Values { .. } => None,
        }
    }

    fn waited_long_enough(&self, field: &Bound<'_>) -> bool {
        let limit = Case::missing(field).and_then(|missing| missing.wait_us);
        let since = self.missing.get(&field.name).map(|one| one.since);
        limit.zip(since).is_some_and(|(limit, since)| self.now.as_of >= since.plus(limit))
    }

    /// What a new record holds while it is made without this parent: one of its own flow, which may
    /// refer back to it (P5), or one that didn't come in time where null was asked for (P4).
    pub(super) fn may_follow(
        &mut self,
        field: &Bound<'_>,
        side: Side,
        failure: &MapFailure,
    ) -> Option<Value> {
        let parent = self.parent_of(failure)?;
        self.note_missing(field, parent);
        let own = match (&field.mapping, failure) {
            (Mapping::Parent { flow, .. }, MapFailure::ParentWithoutRecord { .. }) => {
                *flow == self.spec.name
            }
            (Mapping::Parent { .. } | Mapping::Values { .. }, _) => false,
        };
        if own {
            return self.put(field, side, &Value::Null).ok().map(Cow::into_owned);
        }
        self.stand_in(field, side)
    }

    /// P2: a create waits until its parents have records; P4: then it is left to a person.
    pub(super) fn waiting_for_parents(&mut self, draft: &mut Draft, side: Side) {
        let late = self.outcomes.iter().any(|told| told.is("P4"));
        if !late {
            return self.stay("P2", "waits for a parent's record");
        }
        // The parked create tells it: one thing to mend is listed once.
        self.field_errors.retain(|_, error| error.code != FieldErrorCode::Dependency);
        draft.failure = Some(Failure {
            class: FailureClass::Dependency,
            code: PARENT_MISSING.to_owned(),
            message: "a parent record did not come in time".to_owned(),
            columns: Vec::new(),
            retry_after_us: None,
        });
        *self.drafts.get_mut(side) = Some(draft.clone());
        self.stay("P4", "a parent's record did not come in time: left to a person");
    }
}
