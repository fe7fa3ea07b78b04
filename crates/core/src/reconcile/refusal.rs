//! Refused calls: what follows from the class of the failure (`retry`), for this link.
//!
//! Not here: the classes' treatment itself.

use super::case::{Answer, Case};
use crate::conflict::{ConflictKind, ConflictState, Scope};
use crate::facts::Rival;
use crate::id::FieldName;
use crate::intent::{Found, Intent, IntentState, Op};
use crate::link::Failing;
use crate::retry::{
    BACKOFF_MAX_US, Failure, FailureClass, Treatment, Tried, backoff_us, stale_wait_us, treatment,
};
use crate::stamp::Stamp;
use crate::value::Value;

impl Case<'_> {
    pub(super) fn write_refused(
        &mut self,
        intent: &Intent,
        failure: &Failure,
        observed: Option<&Found>,
    ) {
        match treatment(failure, intent.op, self.tried(intent)) {
            Treatment::ReRead => self.decide_again(intent, failure, observed),
            Treatment::ReadHolder => self.in_the_way(intent, failure, observed),
            Treatment::Conflict => self.dependants(intent, failure),
            Treatment::Recover => self.unknown(intent, Some(failure.clone())),
            Treatment::Park if failure.class == FailureClass::Uniqueness => {
                self.value_taken(intent, failure);
            }
            Treatment::Retry { .. } | Treatment::Pause { .. } | Treatment::Park => {
                self.try_again(intent, failure);
            }
        }
    }

    /// P7: a unique value stays taken. Whoever holds it may be about to give it up: then it is
    /// waited for, or, where it waits for ours in turn, ours is given up first. Else a person.
    fn value_taken(&mut self, intent: &Intent, failure: &Failure) {
        let side = intent.side;
        let rivals = || self.rivals_of(intent, failure);
        let held = |rival: &Rival| self.seen_of(side)?.image.get(&rival.column);
        let in_turn = |rival: &Rival| rival.refused || held(rival) == Some(&rival.wanted);
        let vacant = rivals().any(|rival| held(rival).is_some_and(Value::is_null));
        let waits_for_us = !vacant && rivals().any(in_turn);
        let is_on_its_way = rivals().next().is_some() && !waits_for_us;
        let fields = self.to_vacate(intent, failure);
        let kept = Some(failure.clone());
        if waits_for_us && !fields.is_empty() {
            self.settle(intent, IntentState::Refused, kept);
            self.now.link.memory.vacate.extend(fields);
        } else if is_on_its_way {
            let due = self.now.as_of.plus(backoff_us(self.tried(intent)));
            self.reopen(intent, IntentState::Planned, kept, Some(due), None);
        } else {
            self.try_again(intent, failure);
        }
    }

    /// The links that hold a value which this write was refused for, and are to write another one.
    fn rivals_of(&self, intent: &Intent, failure: &Failure) -> impl Iterator<Item = &Rival> {
        let (side, values, columns) = (intent.side, intent.values.clone(), failure.columns.clone());
        self.now.rivals.iter().filter(move |rival| {
            rival.side == side
                && columns.iter().any(|name| name == rival.column.as_str())
                && values.get(&rival.column) == Some(&rival.held)
        })
    }

    /// The fields that the clash may be about and that may be empty for a moment: their content is
    /// agreed, so nothing is lost, and it follows as F1b.
    fn to_vacate(&self, intent: &Intent, failure: &Failure) -> Vec<FieldName> {
        let end = self.spec.ends.get(intent.side);
        let fields = self.fields.iter().filter(|field| {
            let columns = field.columns.get(intent.side);
            let named =
                columns.iter().any(|one| failure.columns.iter().any(|name| name == one.as_str()));
            let known = columns.iter().filter_map(|one| end.columns.get(one));
            let held = self.native(field, intent.side).is_some_and(|held| !held.is_null());
            named
                && held
                && intent.carries.contains_key(&field.name)
                && known.into_iter().all(|column| column.nullable)
        });
        fields.map(|field| field.name.clone()).collect()
    }

    fn tried(&self, intent: &Intent) -> Tried {
        let since = self.streak(intent).map_or(self.now.as_of, |failing| failing.since);
        Tried::of(intent, since, self.now.as_of)
    }

    /// The failures in a row that this one continues. A pause of the connection ends them: they are
    /// about the call, not about an outage, and no backoff is as long as such a gap.
    fn streak(&self, intent: &Intent) -> Option<&Failing> {
        let known = self.now.link.memory.failing.iter().find(|one| one.intent == intent.id)?;
        let gap = self.now.as_of.0.saturating_sub(known.last.0);
        (gap <= 2 * BACKOFF_MAX_US).then_some(known)
    }

    /// Notes a failure that is to be followed by another try.
    fn note_failing(&mut self, intent: &Intent) {
        let last = self.now.as_of;
        let since = self.streak(intent).map_or(last, |failing| failing.since);
        self.forget_failing(intent);
        self.now.link.memory.failing.push(Failing { intent: intent.id, since, last });
    }

    fn forget_failing(&mut self, intent: &Intent) {
        self.now.link.memory.failing.retain(|one| one.intent != intent.id);
    }

    /// Tries the same call later, or leaves it to a person.
    pub(super) fn try_again(&mut self, intent: &Intent, failure: &Failure) {
        let now = self.now.as_of;
        let kept = Some(failure.clone());
        let treatment = treatment(failure, intent.op, self.tried(intent));
        match treatment {
            Treatment::Retry { .. } => self.note_failing(intent),
            // A call that a person plans again after it was parked begins anew.
            Treatment::Pause { .. }
            | Treatment::ReRead
            | Treatment::ReadHolder
            | Treatment::Park
            | Treatment::Conflict
            | Treatment::Recover => self.forget_failing(intent),
        }
        match treatment {
            Treatment::Retry { after_us } => {
                self.reopen(intent, IntentState::Planned, kept, Some(now.plus(after_us)), None);
            }
            Treatment::Pause { after_us } => {
                let uncounted = Some(intent.attempts.saturating_sub(1));
                let due = Some(now.plus(after_us));
                self.reopen(intent, IntentState::Planned, kept, due, uncounted);
            }
            Treatment::ReRead | Treatment::Recover => {
                let due = Some(now.plus(Stamp::SECOND));
                self.reopen(intent, IntentState::Planned, kept, due, None);
            }
            Treatment::Park | Treatment::ReadHolder | Treatment::Conflict => {
                self.reopen(intent, IntentState::Parked, kept, None, None);
            }
        }
    }

    /// The record moved on: joined if the side showed it, else read; then decided again.
    fn decide_again(&mut self, intent: &Intent, failure: &Failure, observed: Option<&Found>) {
        self.settle(intent, IntentState::Refused, Some(failure.clone()));
        let now = self.now.as_of;
        let tried = self.tried(intent);
        let memory = &mut self.now.link.memory;
        memory.stale = memory.stale.saturating_add(1);
        let wait = stale_wait_us(memory.stale, tried);
        *memory.not_before.get_mut(intent.side) = (wait > 0).then(|| now.plus(wait));
        match observed {
            Some(found) => self.seen(intent.side, &found.record, &found.observation),
            None => self.ask(intent.side, now),
        }
    }

    /// Another record holds the create's unique value (M8): ours after all, or a candidate.
    fn in_the_way(&mut self, intent: &Intent, failure: &Failure, observed: Option<&Found>) {
        let Some(found) = observed else {
            self.settle(intent, IntentState::Refused, Some(failure.clone()));
            self.search(intent.side, "M8", "read who holds the unique value");
            return;
        };
        if self.is_ours(intent, found) {
            self.confirm(intent, Some(&found.record));
            self.made_under(intent, Some(&found.observation));
            self.join_seen(intent.side, &found.observation);
            return;
        }
        self.settle(intent, IntentState::Refused, Some(failure.clone()));
        let answer = Answer { found: vec![found.clone()], planned_at: self.now.as_of };
        *self.found.get_mut(intent.side) = Some(answer);
    }

    /// Whether a found record carries this create's marker, or the link's key.
    pub(super) fn is_ours(&self, create: &Intent, found: &Found) -> bool {
        found.observation.marker == Some(create.id)
            || found.observation.key == Some(self.now.link.id)
    }

    /// The side refuses the deletion because of dependants (R39): both records stay.
    fn dependants(&mut self, intent: &Intent, failure: &Failure) {
        if intent.op != Op::Delete {
            self.reopen(intent, IntentState::Parked, Some(failure.clone()), None, None);
            return;
        }
        self.settle(intent, IntentState::Refused, Some(failure.clone()));
        let open = ConflictState::Open;
        self.open_conflict(ConflictKind::DeleteRefused, Scope::Record, open, None);
    }
}
