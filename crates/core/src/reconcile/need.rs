//! What must be loaded besides a link's own rows before it can be decided.
//!
//! Not here: loading it.

use crate::agreed::{Agreed, Pair};
use crate::conflict::{Choice, Conflict};
use crate::facts::{Event, Facts};
use crate::id::{Column, FlowName, IntentId, LinkId, RecordId};
use crate::image::Image;
use crate::intent::{Found, Intent, Op, Outcome, Receipt};
use crate::link::Phase;
use crate::mapping::parent_records;
use crate::matching::match_keys;
use crate::observation::{Deletion, Observation, Presence};
use crate::retry::{EXCHANGE_TRIES, Failure, FailureClass};
use crate::side::Side;
use crate::spec::FlowSpec;
use crate::value::Value;
use std::collections::BTreeSet;

/// Rows of other links that a decision depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Match keys of the link's records: who claimed them.
    pub keys: Vec<(usize, String)>,
    /// Records that parent fields name.
    pub parents: Vec<(FlowName, Side, RecordId)>,
    /// Links that agreed parent fields name.
    pub parent_links: Vec<LinkId>,
    /// Records that other links may hold.
    pub holders: Vec<(Side, RecordId)>,
    /// Unique values that stay taken: who holds them and is to write something else (P7).
    pub rivals: Vec<(Side, Column, Value)>,
}

/// What must be loaded before `decide` may be called for these events.
#[must_use]
pub fn needs(facts: &Facts, events: &[Event], spec: &FlowSpec) -> Needs {
    let mut all = Gathered { stays_whole: stays_whole(facts, events), ..Gathered::default() };
    for side in Side::BOTH {
        if let Some(seen) = facts.seen.get(side) {
            all.observation(spec, side, seen);
        }
    }
    for event in events {
        all.event(facts, spec, event);
    }
    all.agreed(&facts.agreed);
    for conflict in &facts.conflicts {
        all.decision(facts, conflict);
    }
    for side in Side::BOTH {
        let open = facts.intents.get(side).write.iter();
        for value in open.flat_map(|intent| intent.carries.values()) {
            all.value(value);
        }
    }
    all.into_needs()
}

/// Whether both records are there and nothing of these events can change that: then no partner is
/// looked for, and nobody's match keys matter. That is most of what ever happens.
fn stays_whole(facts: &Facts, events: &[Event]) -> bool {
    let is_there = |seen: &Observation| seen.presence == Presence::Present;
    let is_own = |side: Side, record: &RecordId| {
        facts.link.record.get(side).as_ref().is_some_and(|own| own == record)
    };
    let both_there = Side::BOTH.into_iter().all(|side| {
        facts.link.record.get(side).is_some() && facts.seen.get(side).as_ref().is_some_and(is_there)
    });
    let is_harmless = |event: &Event| match event {
        Event::Seen { side, record, observation } => is_own(*side, record) && is_there(observation),
        Event::Received(receipt) => match &receipt.outcome {
            Outcome::Landed { record, after } => {
                let side = answered(facts, receipt.intent).map(|intent| intent.side);
                side.is_some_and(|side| is_own(side, record))
                    && after.as_ref().is_none_or(|after| is_there(after))
            }
            Outcome::Read(seen) => is_there(seen),
            Outcome::Found(_)
            | Outcome::Refused { .. }
            | Outcome::Unknown(_)
            | Outcome::NotSent(_) => false,
        },
        Event::KeyChanged { .. } | Event::KeyTaken { .. } | Event::Overdue(_) | Event::Due => false,
    };
    facts.link.phase == Phase::Linked && both_there && events.iter().all(is_harmless)
}

/// Markers in these events, and intents they answer: closed ones among them are loaded into
/// [`Facts::marked`], so that a late call is recognised.
#[must_use]
pub fn markers(events: &[Event]) -> Vec<IntentId> {
    let mut all = BTreeSet::new();
    for event in events {
        match event {
            Event::Seen { side: _, record: _, observation } => all.extend(observation.marker),
            Event::Received(receipt) => {
                all.insert(receipt.intent);
                all.extend(shown(receipt).iter().filter_map(|seen| seen.marker));
            }
            Event::Overdue(intent) => {
                all.insert(*intent);
            }
            Event::KeyChanged { .. } | Event::KeyTaken { .. } | Event::Due => {}
        }
    }
    all.into_iter().collect()
}

/// Every observation in a receipt.
fn shown(receipt: &Receipt) -> Vec<&Observation> {
    match &receipt.outcome {
        Outcome::Landed { record: _, after } => after.iter().map(AsRef::as_ref).collect(),
        Outcome::Read(seen) => vec![seen],
        Outcome::Found(found) => found.iter().map(|one| &one.observation).collect(),
        Outcome::Refused { failure: _, observed } => {
            observed.iter().map(|found| &found.observation).collect()
        }
        Outcome::Unknown(_) | Outcome::NotSent(_) => Vec::new(),
    }
}

#[derive(Default)]
struct Gathered {
    stays_whole: bool,
    keys: BTreeSet<(usize, String)>,
    parents: BTreeSet<(FlowName, Side, RecordId)>,
    parent_links: BTreeSet<LinkId>,
    holders: BTreeSet<(Side, RecordId)>,
    rivals: BTreeSet<(Side, Column, Value)>,
}

impl Gathered {
    fn event(&mut self, facts: &Facts, spec: &FlowSpec, event: &Event) {
        match event {
            Event::Seen { side, record, observation } => {
                // Led here by its marker: another link may have had that id.
                if facts.link.record.get(*side).is_none() {
                    self.holders.insert((*side, record.clone()));
                }
                self.observation(spec, *side, observation);
            }
            Event::Received(receipt) => self.receipt(facts, spec, receipt),
            Event::KeyChanged { side, new, .. } => {
                self.holders.insert((*side, new.clone()));
            }
            Event::KeyTaken { .. } | Event::Overdue(_) | Event::Due => {}
        }
    }

    fn receipt(&mut self, facts: &Facts, spec: &FlowSpec, receipt: &Receipt) {
        let Some(intent) = answered(facts, receipt.intent) else { return };
        let side = intent.side;
        if let Outcome::Refused { failure, observed: _ } = &receipt.outcome {
            self.rivals(intent, failure);
        }
        for seen in shown(receipt) {
            self.observation(spec, side, seen);
        }
        match &receipt.outcome {
            // No other link holds a record that is this one's.
            Outcome::Landed { record, after: _ } => {
                if facts.link.record.get(side).as_ref() != Some(record) {
                    self.holders.insert((side, record.clone()));
                }
            }
            Outcome::Found(found) => self.found(side, found),
            Outcome::Refused { failure: _, observed: Some(found) } => {
                self.holders.insert((side, found.record.clone()));
            }
            Outcome::Refused { failure: _, observed: None }
            | Outcome::Read(_)
            | Outcome::Unknown(_)
            | Outcome::NotSent(_) => {}
        }
    }

    fn rivals(&mut self, intent: &Intent, failure: &Failure) {
        let patience = intent.op != Op::Update || intent.attempts < EXCHANGE_TRIES;
        if patience || failure.class != FailureClass::Uniqueness {
            return;
        }
        let named = intent.values.iter().filter(|(column, value)| {
            !value.is_null() && failure.columns.iter().any(|name| name == column.as_str())
        });
        let wanted = named.map(|(column, value)| (intent.side, column.clone(), value.clone()));
        self.rivals.extend(wanted);
    }

    fn found(&mut self, side: Side, found: &[Found]) {
        self.holders.extend(found.iter().map(|one| (side, one.record.clone())));
    }

    fn observation(&mut self, spec: &FlowSpec, side: Side, seen: &Observation) {
        self.image(spec, side, &seen.image);
        match &seen.presence {
            Presence::Deleted(Deletion::MergedInto(winner)) => {
                self.holders.insert((side, winner.clone()));
            }
            Presence::Deleted(Deletion::Soft | Deletion::Hard | Deletion::Unclassified)
            | Presence::Unknown
            | Presence::Present
            | Presence::OutOfScope(_) => {}
        }
    }

    fn image(&mut self, spec: &FlowSpec, side: Side, image: &Image) {
        if !self.stays_whole {
            self.keys.extend(match_keys(spec, side, image));
        }
        self.parents.extend(parent_records(spec, side, image));
    }

    fn agreed(&mut self, agreed: &Agreed) {
        match agreed {
            Agreed::None => {}
            Agreed::Pair(pair) => self.pair(pair),
            Agreed::Tomb(tomb) => self.pair(&tomb.last),
        }
    }

    fn pair(&mut self, pair: &Pair) {
        for agreed in pair.fields.values() {
            self.value(&agreed.trunk);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Link(link) => {
                self.parent_links.insert(*link);
            }
            Value::Tuple(parts) => parts.iter().for_each(|part| self.value(part)),
            Value::Null
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Boolean(_)
            | Value::Date(_)
            | Value::Instant(_)
            | Value::Set(_) => {}
        }
    }

    fn decision(&mut self, facts: &Facts, conflict: &Conflict) {
        let Some(resolution) = &conflict.resolution else { return };
        match &resolution.choice {
            Choice::LinkWith(record) => {
                let half =
                    Side::BOTH.into_iter().filter(|side| facts.link.record.get(*side).is_none());
                self.holders.extend(half.map(|side| (side, record.clone())));
            }
            Choice::TakeValue(value) => self.value(value),
            Choice::TakeLeft
            | Choice::TakeRight
            | Choice::TakeAgreed
            | Choice::CreateNew
            | Choice::LeaveAlone => {}
        }
    }

    fn into_needs(self) -> Needs {
        Needs {
            keys: self.keys.into_iter().collect(),
            parents: self.parents.into_iter().collect(),
            parent_links: self.parent_links.into_iter().collect(),
            holders: self.holders.into_iter().collect(),
            rivals: self.rivals.into_iter().collect(),
        }
    }
}

fn answered(facts: &Facts, id: IntentId) -> Option<&Intent> {
    Side::BOTH.into_iter().find_map(|side| {
        let open = facts.intents.get(side);
        [&open.write, &open.read].into_iter().flatten().find(|intent| intent.id == id)
    })
}
