//! The case at hand: the facts as they change while they are judged, and what is to be done.
//!
//! Not here: any row of the tables.

use super::content::Content;
use crate::agreed::{Agreed, AgreedField, Pair};
use crate::conflict::Conflict;
use crate::facts::{Claim, Event, Facts, FlowState, Holder, OpenIntents, Parent, Rival};
use crate::field_error::FieldError;
use crate::id::{FieldName, IntentId, RecordId, Row, derived};
use crate::image::Image;
use crate::intent::{Found, Intent, IntentState, Op};
use crate::link::{Awaited, Link, Missing};
use crate::mapping::{self, Bound};
use crate::observation::{Observation, Presence};
use crate::retry::Failure;
use crate::side::{Both, Side};
use crate::spec::FlowSpec;
use crate::stamp::Stamp;
use crate::value::Value;
use crate::verdict::{Effect, FieldOutcome};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a find answered in this batch.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Every record that holds one of the keys.
    pub(super) found: Vec<Found>,
    /// When the find was planned: whether it was after the create grace.
    pub(super) planned_at: Stamp,
}

/// A write that the tables ask for, before it is compared with the one that is open.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) op: Op,
    pub(super) values: Image,
    pub(super) carries: BTreeMap<FieldName, Value>,
    /// Needs the path with a version check of its own.
    pub(super) guarded: bool,
    pub(super) why: String,
    /// Planned in vain: parked at once, with this failure.
    pub(super) failure: Option<Failure>,
}

impl Draft {
    pub(super) fn new(op: Op, why: impl Into<String>) -> Draft {
        Draft {
            op,
            values: Image::new(),
            carries: BTreeMap::new(),
            guarded: false,
            why: why.into(),
            failure: None,
        }
    }
}

pub(super) struct Case<'a> {
    pub(super) spec: &'a FlowSpec,
    /// The fields of the flow, in its order.
    pub(super) fields: &'a [Bound<'a>],
    /// Of the facts as they came what may change and is compared.
    pub(super) before: Before,
    /// The facts as they are now, but for agreed state and observations.
    pub(super) now: Now,
    /// Agreed state and observations.
    pub(super) content: Content,
    /// Answers of finds in this batch, by the side that was searched.
    pub(super) found: Both<Option<Answer>>,
    /// Something happened: not just a look at what is due.
    pub(super) stirred: bool,
    /// Reads asked for, and when they are due.
    pub(super) reads: Both<Option<Stamp>>,
    /// The observation at hand is the first after our own write, or its answer.
    pub(super) readback: Both<bool>,
    /// Reads that left after the deadline of the open write: their answers prove its outcome.
    pub(super) proof: Both<bool>,
    /// Settlements, claims, joins, waits, alerts, in order.
    pub(super) effects: Vec<Effect>,
    /// What is told of each field, by its place in the flow.
    pub(super) outcomes: Vec<Told>,
    /// Values kept back; a later word about their field takes them off again.
    pub(super) field_errors: BTreeMap<FieldName, FieldError>,
    pub(super) row: Row,
    pub(super) rule: String,
    pub(super) due: Option<Stamp>,
    pub(super) drafts: Both<Option<Draft>>,
    /// The slots that this verdict fills: side, and whether it is the one of writes.
    pub(super) planned: Vec<(Side, bool)>,
    pub(super) awaits: BTreeSet<Awaited>,
    /// References whose parent is missing, by field.
    pub(super) missing: BTreeMap<FieldName, Missing>,
    /// Columns to be filled because the records were linked, by side.
    pub(super) fill: Both<Image>,
}

/// What is told of a field.
#[derive(Clone, Debug, Default)]
pub(super) enum Told {
    /// Nothing was decided about it.
    #[default]
    Nothing,
    /// F1: nobody moved. A verdict doesn't tell it field by field.
    Calm,
    /// What was decided.
    This(FieldOutcome),
}

impl Told {
    /// Whether it is this row.
    pub(super) fn is(&self, row: &str) -> bool {
        match self {
            Told::Nothing => false,
            Told::Calm => row == "F1",
            Told::This(outcome) => outcome.row.as_str() == row,
        }
    }
}

/// Of the facts as they came what may change and is compared.
pub(super) struct Before {
    pub(super) link: Link,
    pub(super) conflicts: Vec<Conflict>,
    /// The open reads.
    pub(super) reads: Both<Option<(IntentId, IntentState)>>,
}

/// The facts as they are now.
pub(super) struct Now {
    pub(super) as_of: Stamp,
    pub(super) link: Link,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) intents: Both<OpenIntents>,
    pub(super) marked: BTreeMap<IntentId, Intent>,
    pub(super) claims: Vec<Claim>,
    pub(super) parents: Vec<Parent>,
    pub(super) rivals: Vec<Rival>,
    pub(super) holders: Vec<Holder>,
    pub(super) flow: FlowState,
}

impl<'a> Case<'a> {
    pub(super) fn new(facts: Facts, spec: &'a FlowSpec, fields: &'a [Bound<'a>]) -> Case<'a> {
        let Facts { as_of, link, agreed, seen, conflicts, intents, .. } = facts;
        let Facts { marked, claims, parents, rivals, holders, flow, .. } = facts;
        let reads = Both::build(|side| {
            let read = intents.get(side).read.as_ref();
            read.map(|read| (read.id, read.state))
        });
        Case {
            spec,
            fields,
            before: Before { link: link.clone(), conflicts: conflicts.clone(), reads },
            now: Now {
                as_of,
                link,
                conflicts,
                intents,
                marked,
                claims,
                parents,
                rivals,
                holders,
                flow,
            },
            content: Content::new(agreed, seen, fields.len()),
            found: Both::default(),
            stirred: false,
            reads: Both::default(),
            readback: Both::default(),
            proof: Both::default(),
            effects: Vec::new(),
            outcomes: vec![Told::Nothing; fields.len()],
            field_errors: BTreeMap::new(),
            row: Row::from("R20"),
            rule: String::new(),
            due: None,
            drafts: Both::default(),
            planned: Vec::new(),
            awaits: BTreeSet::new(),
            missing: BTreeMap::new(),
            fill: Both::default(),
        }
    }

    /// Adopted and running: else changes are recorded, and nothing is decided.
    pub(super) fn may_decide(&self) -> bool {
        self.now.flow.adopted && !self.now.flow.paused
    }

    pub(super) fn take_in(&mut self, event: &Event) {
        self.stirred |= !matches!(event, Event::Due);
        match event {
            Event::Seen { side, record, observation } => self.seen(*side, record, observation),
            Event::KeyChanged { side, old, new, order } => {
                self.key_changed(*side, old, new, *order);
            }
            Event::KeyTaken { side, record } => self.key_taken(*side, record),
            Event::Received(receipt) => self.received(receipt),
            Event::Overdue(intent) => self.overdue(*intent),
            Event::Due => {}
        }
    }

    /// Names the record row that decides.
    pub(super) fn stay(&mut self, row: &str, rule: impl Into<String>) {
        self.row = Row::from(row);
        self.rule = rule.into();
    }

    pub(super) fn say(&mut self, field: &Bound<'_>, row: &str, rule: &str, outcome: &str) {
        let told = FieldOutcome {
            field: field.name.clone(),
            row: Row::from(row),
            rule: rule.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.outcomes[field.at] = Told::This(told);
        self.field_errors.remove(&field.name);
    }

    /// An id that the same facts give again.
    pub(super) fn id(&self, name: &str) -> Uuid {
        derived(self.before.link.id, self.before.link.rev, name)
    }

    /// Looks again at `at`, or earlier if something else asks for it.
    pub(super) fn look_again(&mut self, at: Stamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Asks for a read of a side that is due at `at`; of several the latest answers all.
    pub(super) fn ask(&mut self, side: Side, at: Stamp) {
        let asked = self.reads.get_mut(side);
        *asked = Some(asked.map_or(at, |due| due.max(at)));
    }

    pub(super) fn seen_of(&self, side: Side) -> Option<&Observation> {
        self.content.seen(side)
    }

    pub(super) fn present(&self, side: Side) -> bool {
        self.seen_of(side).is_some_and(|seen| seen.presence == Presence::Present)
    }

    pub(super) fn deleted(&self, side: Side) -> bool {
        self.seen_of(side).is_some_and(|seen| matches!(seen.presence, Presence::Deleted(_)))
    }

    pub(super) fn record(&self, side: Side) -> Option<&RecordId> {
        self.now.link.record.get(side).as_ref()
    }

    pub(super) fn write(&self, side: Side) -> Option<&Intent> {
        self.now.intents.get(side).write.as_ref()
    }

    /// The open write of a side, if it left and nobody knows yet how it ended.
    pub(super) fn under_way(&self, side: Side) -> Option<&Intent> {
        self.write(side)
            .filter(|open| matches!(open.state, IntentState::Sent | IntentState::Unknown))
    }

    pub(super) fn pair(&self) -> Option<&Pair> {
        match self.content.agreed() {
            Agreed::Pair(pair) => Some(pair),
            Agreed::None | Agreed::Tomb(_) => None,
        }
    }

    /// The agreed fields, begun if nothing was agreed.
    pub(super) fn pair_mut(&mut self) -> &mut Pair {
        let agreed = self.content.agreed_mut();
        if !matches!(agreed, Agreed::Pair(_)) {
            *agreed = Agreed::Pair(Pair::default());
        }
        match agreed {
            Agreed::Pair(pair) => pair,
            Agreed::None | Agreed::Tomb(_) => unreachable!("set to a pair just above"),
        }
    }

    pub(super) fn agreed(&self, field: &Bound<'_>) -> Option<&AgreedField> {
        self.content.field(field)
    }

    pub(super) fn agreed_mut(&mut self, field: &Bound<'_>) -> Option<&mut AgreedField> {
        self.content.field_mut(field)
    }

    /// What is agreed of a field, begun with what `make` gives if nothing is.
    pub(super) fn begun_mut(
        &mut self,
        field: &Bound<'_>,
        make: impl FnOnce() -> AgreedField,
    ) -> &mut AgreedField {
        if self.agreed(field).is_none() {
            self.pair_mut().fields.insert(field.name.clone(), make());
        }
        self.agreed_mut(field).expect("there was one, or it was put there")
    }

    /// What a side holds of a field, if the record is there and the field was seen.
    pub(super) fn native(&self, field: &Bound<'_>, side: Side) -> Option<Cow<'_, Value>> {
        self.content.native(field, side)
    }

    pub(super) fn get<'v>(
        &self,
        field: &Bound<'_>,
        side: Side,
        native: &'v Value,
    ) -> Result<Cow<'v, Value>, mapping::MapFailure> {
        field.get(side, native, &self.now.parents)
    }

    pub(super) fn put<'v>(
        &self,
        field: &Bound<'_>,
        side: Side,
        trunk: &'v Value,
    ) -> Result<Cow<'v, Value>, mapping::MapFailure> {
        field.put(side, trunk, &self.now.parents)
    }

    /// Settles an open write or read and empties its slot if the state is a closed one.
    pub(super) fn settle(
        &mut self,
        settled: &Intent,
        state: IntentState,
        failure: Option<Failure>,
    ) {
        self.effects.push(Effect::Settle {
            intent: settled.id,
            state,
            failure,
            due_at: None,
            landed_at: None,
            attempts: None,
        });
        self.put_back(settled, (!state.is_open()).then_some(()).map_or(Some(state), |()| None));
    }

    /// Empties the slot of an intent, or notes its new open state there.
    fn put_back(&mut self, settled: &Intent, state: Option<IntentState>) {
        let open = self.now.intents.get_mut(settled.side);
        let slot = if settled.op.writes() { &mut open.write } else { &mut open.read };
        match state {
            None => *slot = None,
            Some(state) => {
                if let Some(intent) = slot {
                    intent.state = state;
                }
            }
        }
    }

    /// Brings an open intent back to a state that is open, due at a time.
    pub(super) fn reopen(
        &mut self,
        intent: &Intent,
        state: IntentState,
        failure: Option<Failure>,
        due_at: Option<Stamp>,
        attempts: Option<u32>,
    ) {
        self.effects.push(Effect::Settle {
            intent: intent.id,
            state,
            failure: failure.clone(),
            due_at,
            landed_at: None,
            attempts,
        });
        let mut kept = intent.clone();
        kept.state = state;
        kept.failure = failure;
        kept.due_at = due_at;
        kept.attempts = attempts.unwrap_or(kept.attempts);
        let open = self.now.intents.get_mut(intent.side);
        let slot = if intent.op.writes() { &mut open.write } else { &mut open.read };
        *slot = Some(kept);
    }

    /// Whether there is an open intent with this id.
    pub(super) fn is_open(&self, id: IntentId) -> bool {
        let open = Side::BOTH.into_iter().map(|side| self.now.intents.get(side));
        open.flat_map(|open| [&open.write, &open.read]).flatten().any(|intent| intent.id == id)
    }

    /// The open intent with this id.
    pub(super) fn open_intent(&self, id: IntentId) -> Option<Intent> {
        Side::BOTH.into_iter().find_map(|side| {
            let open = self.now.intents.get(side);
            let both = [open.write.as_ref(), open.read.as_ref()];
            both.into_iter().flatten().find(|intent| intent.id == id).cloned()
        })
    }

    /// Open conflicts that still hold something back.
    pub(super) fn holding(&self) -> impl Iterator<Item = &Conflict> {
        self.now.conflicts.iter().filter(|conflict| conflict.state.holds())
    }
}
