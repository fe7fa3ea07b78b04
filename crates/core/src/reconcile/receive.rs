//! Answers of our calls: each settles its intent and is joined as an observation (design, 2.4).
//!
//! Not here: refusals (`refusal`), and outcomes that nobody told (`recover`).

use super::case::{Answer, Case};
use crate::conflict::{ConflictKind, ConflictState, Scope};
use crate::facts::Holder;
use crate::id::{IntentId, RecordId};
use crate::intent::{Intent, IntentState, Op, Outcome, Receipt};
use crate::mapping;
use crate::observation::Observation;
use crate::retry::{Failure, FailureClass};
use crate::side::Side;
use crate::verdict::Effect;

impl Case<'_> {
    pub(super) fn received(&mut self, receipt: &Receipt) {
        let Some(intent) = self.open_intent(receipt.intent) else {
            return self.answer_too_late(receipt.intent);
        };
        if !matches!(intent.state, IntentState::Sent | IntentState::Unknown) {
            return self.answer_too_late(receipt.intent);
        }
        if intent.op.writes() {
            self.write_answered(&intent, receipt);
        } else {
            self.read_answered(&intent, receipt);
        }
    }

    /// An answer of an intent that isn't waited for any more confirms nothing: it plans a read.
    fn answer_too_late(&mut self, id: IntentId) {
        let marked = self.now.marked.get(&id).map(|intent| intent.side);
        let open = self.open_intent(id).map(|intent| intent.side);
        for side in Side::BOTH {
            let named = marked.or(open).is_none_or(|one| one == side);
            if named && self.record(side).is_some() {
                self.ask(side, self.now.as_of);
            }
        }
    }

    fn write_answered(&mut self, intent: &Intent, receipt: &Receipt) {
        match &receipt.outcome {
            Outcome::Landed { record, after } => {
                self.landed(intent, record, after.as_deref(), receipt);
            }
            Outcome::Refused { failure, observed } => {
                self.write_refused(intent, failure, observed.as_deref());
            }
            Outcome::Unknown(failure) => self.unknown(intent, Some(failure.clone())),
            Outcome::NotSent(failure) => self.try_again(intent, failure),
            Outcome::Read(_) | Outcome::Found(_) => self.try_again(intent, &nonsense()),
        }
    }

    fn landed(
        &mut self,
        intent: &Intent,
        record: &RecordId,
        after: Option<&Observation>,
        receipt: &Receipt,
    ) {
        let half = self.half_holder(intent.side, record).filter(|_| intent.op == Op::Create);
        if let Some(holder) = half {
            // Our record was seen before this answer and has a link of its own: joined first.
            // The intent stays open; the record's marker confirms it then.
            self.effects.push(Effect::Join(holder.link));
            self.ask(intent.side, intent.deadline.unwrap_or(self.now.as_of));
            return;
        }
        if intent.op == Op::Delete {
            self.deleted_more_than_decided(intent, after);
        }
        self.confirm(intent, Some(record));
        self.made_under(intent, after);
        self.after_write(intent, receipt.at, after);
    }

    /// Another link that holds this record, is alive and knows nothing of the other side.
    pub(super) fn half_holder(&self, side: Side, record: &RecordId) -> Option<Holder> {
        let ours = self.now.link.id;
        let held = self.now.holders.iter().find(|holder| {
            holder.side == side
                && holder.record == *record
                && holder.link != ours
                && !holder.is_settled()
        });
        held.cloned()
    }

    /// A deletion without a condition: the deleted row held other values than those decided on.
    fn deleted_more_than_decided(&mut self, intent: &Intent, after: Option<&Observation>) {
        let Some(after) = after else { return };
        let lost = self.fields.iter().any(|field| {
            let decided = mapping::native(field, intent.side, &intent.expected_values);
            let deleted = mapping::native(field, intent.side, &after.image);
            decided
                .zip(deleted)
                .is_some_and(|(decided, deleted)| !field.same(intent.side, &decided, &deleted))
        });
        if lost {
            if let Some(seen) = self.content.seen_mut(intent.side) {
                seen.image.extend(after.image.clone());
            }
            let open = ConflictState::Open;
            self.open_conflict(ConflictKind::DeleteUpdate, Scope::Record, open, None);
        }
    }

    fn read_answered(&mut self, intent: &Intent, receipt: &Receipt) {
        match &receipt.outcome {
            Outcome::Read(seen) => {
                self.settle(intent, IntentState::Confirmed, None);
                self.read_back(intent, seen);
            }
            Outcome::Found(found) => {
                self.note_proof(intent);
                self.settle(intent, IntentState::Confirmed, None);
                let answer = Answer { found: found.clone(), planned_at: intent.planned_at };
                *self.found.get_mut(intent.side) = Some(answer);
            }
            Outcome::Refused { failure, observed: _ }
            | Outcome::Unknown(failure)
            | Outcome::NotSent(failure) => self.try_again(intent, failure),
            Outcome::Landed { .. } => self.try_again(intent, &nonsense()),
        }
    }

    /// The answer of a read. Where the link has another record by now (made again, merged, another
    /// key), what became of the former one says nothing about it.
    fn read_back(&mut self, read: &Intent, seen: &Observation) {
        let record = self.record(read.side).cloned();
        if read.record.is_some() && read.record != record {
            return;
        }
        self.note_proof(read);
        match record {
            Some(record) => self.seen(read.side, &record, seen),
            None => self.join_seen(read.side, seen),
        }
    }

    /// A read proves the outcome of a write only if it was sent after the write's deadline.
    fn note_proof(&mut self, read: &Intent) {
        let deadline = self.under_way(read.side).and_then(|write| write.deadline);
        let sent = read.sent_at.unwrap_or(read.planned_at);
        if deadline.is_some_and(|deadline| sent >= deadline) {
            *self.proof.get_mut(read.side) = true;
        }
    }

    /// A sent intent whose deadline passed without an answer.
    pub(super) fn overdue(&mut self, id: IntentId) {
        let Some(intent) = self.open_intent(id) else { return };
        if intent.state != IntentState::Sent {
            return;
        }
        if intent.op.writes() {
            self.unknown(&intent, None);
        } else {
            let due = Some(self.now.as_of);
            self.reopen(&intent, IntentState::Planned, None, due, None);
        }
    }

    /// Nobody knows whether it landed: a read sent after its deadline must tell.
    pub(super) fn unknown(&mut self, intent: &Intent, failure: Option<Failure>) {
        self.reopen(intent, IntentState::Unknown, failure, None, None);
    }
}

fn nonsense() -> Failure {
    Failure {
        class: FailureClass::Poison,
        code: "answer_of_another_kind".to_owned(),
        message: "the answer does not belong to this kind of call".to_owned(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}
