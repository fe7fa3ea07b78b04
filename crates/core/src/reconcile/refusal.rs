//! Refused calls: what follows from the class of the failure (`retry`), for this link.
//!
//! Not here: the classes' treatment itself.

use super::case::{Answer, Case};
use crate::conflict::{ConflictKind, ConflictState, Scope};
use crate::id::FieldName;
use crate::intent::{Found, Intent, IntentState, Op};
use crate::retry::{Failure, FailureClass, Treatment, Tried, stale_wait_us, treatment};
use crate::stamp::Stamp;

impl Case<'_> {
    pub(super) fn write_refused(
        &mut self,
        intent: &Intent,
        failure: &Failure,
        observed: Option<&Found>,
    ) {
        match treatment(failure, intent.op, Tried::of(intent, self.now.as_of)) {
            Treatment::ReRead => self.decide_again(intent, failure, observed),
            Treatment::ReadHolder => self.in_the_way(intent, failure, observed),
            Treatment::Conflict => self.dependants(intent, failure),
            Treatment::Recover => self.unknown(intent, Some(failure.clone())),
            Treatment::Park if self.gives_way(intent, failure) => {
                self.settle(intent, IntentState::Refused, Some(failure.clone()));
            }
            Treatment::Retry { .. } | Treatment::Pause { .. } | Treatment::Park => {
                self.try_again(intent, failure);
            }
        }
    }

    /// P7: two records wait for each other's unique value. The fields it may be about are written
    /// empty first; their content is agreed, so nothing is lost, and it follows as F1b.
    fn gives_way(&mut self, intent: &Intent, failure: &Failure) -> bool {
        if failure.class != FailureClass::Uniqueness || intent.op != Op::Update {
            return false;
        }
        let end = self.spec.ends.get(intent.side);
        let fields = self.spec.fields.iter().filter(|field| {
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
        let fields: Vec<FieldName> = fields.map(|field| field.name.clone()).collect();
        let gives = !fields.is_empty();
        self.now.link.memory.vacate.extend(fields);
        gives
    }

    /// Tries the same call later, or leaves it to a person.
    pub(super) fn try_again(&mut self, intent: &Intent, failure: &Failure) {
        let now = self.now.as_of;
        let kept = Some(failure.clone());
        match treatment(failure, intent.op, Tried::of(intent, now)) {
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
        let memory = &mut self.now.link.memory;
        memory.stale = memory.stale.saturating_add(1);
        let wait = stale_wait_us(memory.stale, Tried::of(intent, now));
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
