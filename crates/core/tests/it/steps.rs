//! What a case of the tables may add to two sides: parents, candidates, and steps that follow the
//! first decision (edits, a person's choice, the answer of a call).
//!
//! Not here: the cases' fields and what is compared (`tables`).

use super::support::flow::column;
use super::support::sides::failure;
use super::support::{after, at, link_id};
use super::tables::{Case, Part, observed, part_of, value};
use duet_core::conflict::{Choice, ConflictState, Resolution};
use duet_core::facts::{Claim, Event, Facts, Parent};
use duet_core::id::{FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, IntentState, Outcome, Receipt};
use duet_core::link::Phase;
use duet_core::observation::Version;
use duet_core::reconcile::{decide, markers};
use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is known of the parent that a reference names.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParentIs {
    /// Both its records.
    Linked,
    /// Only its record on the left.
    OnLeft,
    /// Only its record on the right.
    OnRight,
    /// Nothing.
    Unknown,
    /// It was deleted on both sides.
    Gone,
}

impl ParentIs {
    pub(crate) fn mirrored(self) -> ParentIs {
        match self {
            ParentIs::OnLeft => ParentIs::OnRight,
            ParentIs::OnRight => ParentIs::OnLeft,
            ParentIs::Linked | ParentIs::Unknown | ParentIs::Gone => self,
        }
    }
}

/// Another link that claims the key at hand.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CandidateIs {
    Half,
    Creating,
    Taken,
    Frozen,
    Tombstoned,
    Unlinked,
    Joined,
}

/// One step after a decision.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Then {
    left: Option<toml::Value>,
    right: Option<toml::Value>,
    /// A person's choice about the first conflict.
    choose: Option<String>,
    value: Option<toml::Value>,
    /// The choice names other values than those shown.
    unseen: bool,
    /// How the call ends that was planned.
    answer: Option<Answer>,
    /// What the record is when the answer comes.
    meets: Option<toml::Value>,
    /// Seconds that pass.
    pass: i64,
    /// The first conflict is put off for so many seconds.
    snooze: Option<i64>,
    /// The field is mapped no longer.
    unmapped: bool,
    /// The brake on deletions is lifted.
    lifted: bool,
    /// The call is thrown away by a person.
    discarded: bool,
    /// What is known of the parent from now on.
    parent: Option<ParentIs>,
    /// The record seen on this side carries the mark of our first write there.
    marked: Option<Side>,
    /// The record of these sides got another key.
    rekeyed: Vec<Side>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// It landed, and the answer shows the record.
    Landed,
    /// It landed, and the answer shows nothing.
    Unread,
    /// Nothing is known of it, and its deadline passed.
    Lost,
    /// It left.
    Sent,
    #[serde(untagged)]
    Refused(FailureClass),
}

impl Then {
    pub(crate) fn mirrored(mut self) -> Then {
        std::mem::swap(&mut self.left, &mut self.right);
        self.parent = self.parent.map(ParentIs::mirrored);
        self.marked = self.marked.map(Side::other);
        self.rekeyed = self.rekeyed.into_iter().map(Side::other).collect();
        self.choose = self.choose.map(|choice| match choice.as_str() {
            "left" => "right".to_owned(),
            "right" => "left".to_owned(),
            _ => choice,
        });
        self
    }

    fn part(&self, side: Side) -> Option<Part> {
        let given = match side {
            Side::Left => self.left.clone(),
            Side::Right => self.right.clone(),
        };
        given.map(|given| part_of(Some(given)))
    }

    fn choice(&self) -> Option<Choice> {
        if let Some(given) = &self.value {
            return Some(Choice::TakeValue(value(given)));
        }
        self.choose.as_deref().map(|choice| match choice {
            "left" => Choice::TakeLeft,
            "right" => Choice::TakeRight,
            "agreed" => Choice::TakeAgreed,
            "alone" => Choice::LeaveAlone,
            "new" => Choice::CreateNew,
            other => Choice::LinkWith(RecordId::from(other)),
        })
    }
}

/// What the last decision of a case is about, and the intents that were closed before it.
pub(crate) struct Last {
    pub(crate) facts: Facts,
    pub(crate) events: Vec<Event>,
    pub(crate) spec: FlowSpec,
    pub(crate) closed: BTreeMap<IntentId, Intent>,
}

/// Decides and takes every step of a case; what is left is the last decision.
pub(crate) fn before_the_last(case: &Case, facts: Facts, spec: FlowSpec) -> Last {
    let (mut facts, mut spec) = (facts, spec);
    let mut events = vec![Event::Due];
    let mut closed = BTreeMap::new();
    for (place, then) in case.then.iter().enumerate() {
        let verdict = decide(facts.clone(), &events, &spec);
        facts = after(&facts, &verdict, &mut closed);
        (facts.claims, facts.parents) = (claims(case), parents(case));
        events = step(case, then, place, &mut facts, &mut spec);
        mark(then, &facts, &closed, &mut events);
        let known = markers(&events).into_iter();
        facts.marked = known.filter_map(|id| Some((id, closed.get(&id)?.clone()))).collect();
    }
    Last { facts, events, spec, closed }
}

/// Puts the mark of our first write there on what is seen of a side.
fn mark(then: &Then, facts: &Facts, closed: &BTreeMap<IntentId, Intent>, events: &mut [Event]) {
    let Some(side) = then.marked else { return };
    let open = facts.intents.get(side).write.as_ref();
    let ended = closed.values().filter(|one| one.side == side && one.op.writes());
    let first = ended.chain(open).min_by_key(|one| one.planned_at).expect("a write there");
    for event in events {
        if let Event::Seen { side: seen, observation, .. } = event
            && *seen == side
        {
            observation.marker = Some(first.id);
        }
    }
}

fn step(
    case: &Case,
    then: &Then,
    place: usize,
    facts: &mut Facts,
    spec: &mut FlowSpec,
) -> Vec<Event> {
    facts.as_of = facts.as_of.plus_seconds(then.pass + 1);
    if then.unmapped {
        spec.fields.clear();
    }
    facts.flow.deletes_held &= !then.lifted;
    if let Some(is) = then.parent {
        facts.parents = parents(&Case { parent: Some(is), ..case.clone() });
    }
    decide_conflict(then, facts);
    let mut events: Vec<Event> = Vec::new();
    for side in Side::BOTH {
        events.extend(rekey(then, place, facts, side));
        events.extend(edit(case, then, place, facts, side));
    }
    events.extend(answer(case, then, place, facts));
    if events.is_empty() {
        events.push(Event::Due);
    }
    events
}

fn decide_conflict(then: &Then, facts: &mut Facts) {
    let until = then.snooze.map(|seconds| facts.as_of.plus_seconds(seconds));
    let open = facts.conflicts.iter_mut().find(|one| one.state.holds());
    if let (Some(until), Some(open)) = (until, open) {
        (open.state, open.until) = (ConflictState::Snoozed, Some(until));
    }
    let Some(choice) = then.choice() else { return };
    let open = facts.conflicts.iter_mut().find(|one| one.state.holds()).expect("a conflict");
    open.state = ConflictState::Decided;
    let seen = if then.unseen { "of yesterday".to_owned() } else { open.seen.clone() };
    let by = "ada".to_owned();
    open.resolution =
        Some(Resolution { choice, seen, by, note: None, at: at(0), earlier: Vec::new() });
}

fn rekey(then: &Then, place: usize, facts: &Facts, side: Side) -> Option<Event> {
    let old = facts.link.record.get(side).clone().filter(|_| then.rekeyed.contains(&side))?;
    Some(Event::KeyChanged { side, old, new: other_key(place, side), order: None })
}

fn other_key(place: usize, side: Side) -> RecordId {
    RecordId::new(format!("{side}-again-{place}"))
}

fn edit(case: &Case, then: &Then, place: usize, facts: &Facts, side: Side) -> Option<Event> {
    let part = then.part(side)?;
    let record = facts.link.record.get(side).clone();
    let record = record.unwrap_or_else(|| RecordId::new(format!("{side}-1")));
    let rekeyed = then.rekeyed.contains(&side);
    let record = if rekeyed { other_key(place, side) } else { record };
    let observation = Box::new(later(case, &part, place, side)?);
    Some(Event::Seen { side, record, observation })
}

/// An observation of a version of its own, read after all before it.
fn later(
    case: &Case,
    part: &Part,
    place: usize,
    side: Side,
) -> Option<duet_core::observation::Observation> {
    let mut seen = observed(case, part, side)?;
    let order = 200 + i64::try_from(place).expect("a few steps");
    seen.version = Some(Version { order: Some(order), token: order.to_string() });
    seen.read_at = at(order);
    Some(seen)
}

/// The open write leaves, and is answered.
fn answer(case: &Case, then: &Then, place: usize, facts: &mut Facts) -> Vec<Event> {
    let now = facts.as_of;
    let side = Side::BOTH.into_iter().find(|side| facts.intents.get(*side).write.is_some());
    let Some(side) = side else {
        assert!(then.answer.is_none() && !then.discarded, "nothing is planned");
        return Vec::new();
    };
    let open = facts.intents.get_mut(side).write.as_mut().expect("just found");
    if then.discarded {
        open.state = IntentState::Discarded;
    }
    let Some(answer) = then.answer else { return Vec::new() };
    open.state = IntentState::Sent;
    open.attempts += 1;
    (open.sent_at, open.deadline) = (Some(now), Some(now.plus_seconds(30)));
    let sent = open.clone();
    let meets = then.meets.clone().map(|given| part_of(Some(given)));
    let seen = meets.and_then(|part| later(case, &part, place, side)).map(Box::new);
    let record = sent.record.clone().unwrap_or_else(|| RecordId::new(format!("{side}-1")));
    let outcome = match answer {
        Answer::Sent => return Vec::new(),
        Answer::Lost => return vec![Event::Overdue(sent.id)],
        Answer::Unread => Outcome::Landed { record, after: None },
        Answer::Landed => {
            let after = seen.or_else(|| Some(Box::new(landed(case, &sent, place))));
            Outcome::Landed { record, after }
        }
        Answer::Refused(class) => {
            let found = seen.map(|observation| duet_core::intent::Found {
                record,
                rule: None,
                observation: *observation,
            });
            Outcome::Refused { failure: failure(class), observed: found.map(Box::new) }
        }
    };
    let receipt = Receipt { intent: sent.id, at: now, sent_at: now, outcome };
    vec![Event::Received(Box::new(receipt))]
}

/// The record as the call left it.
fn landed(case: &Case, sent: &Intent, place: usize) -> duet_core::observation::Observation {
    let mut seen = later(case, &Part::default(), place, sent.side).expect("it is there");
    seen.image.extend(sent.values.clone());
    seen.marker = Some(sent.id);
    seen.image.entry(column(sent.side, "f")).or_insert(duet_core::value::Value::Null);
    seen
}

/// The link of the parent with this name.
pub(crate) fn parent_link(name: &str) -> LinkId {
    link_id(1_000 + name.bytes().map(u128::from).sum::<u128>())
}

pub(crate) fn parents(case: &Case) -> Vec<Parent> {
    let Some(is) = case.parent else { return Vec::new() };
    let known = ["p", "q"].into_iter().map(|name| {
        let there = |side| match is {
            ParentIs::Linked | ParentIs::Gone => true,
            ParentIs::OnLeft => name == "p" || side == Side::Left,
            ParentIs::OnRight => name == "p" || side == Side::Right,
            ParentIs::Unknown => name == "p",
        };
        let id = |side| there(side).then(|| RecordId::new(format!("{name}-{side}")));
        Parent {
            flow: FlowName::from("people"),
            link: parent_link(name),
            record: Both::build(id),
            aliases: Vec::new(),
            phase: if is == ParentIs::Gone { Phase::Tombstoned } else { Phase::Linked },
        }
    });
    known.filter(|parent| parent.record.left.is_some() || parent.record.right.is_some()).collect()
}

/// Links that claim the case's key for a record of the side that is not there yet.
pub(crate) fn claims(case: &Case) -> Vec<Claim> {
    let ours = if case.left.is_some() { Side::Left } else { Side::Right };
    let mut all: Vec<Claim> = Vec::new();
    for (place, is) in case.candidates.iter().enumerate() {
        all.push(claim(place, *is, ours.other()));
    }
    if case.rivals {
        all.push(claim(90, CandidateIs::Half, ours));
    }
    all
}

fn claim(place: usize, is: CandidateIs, side: Side) -> Claim {
    let number = 50 + u128::try_from(place).expect("a few candidates");
    let mut record = Both::default();
    *record.get_mut(side) = Some(RecordId::new(format!("C{place}")));
    let phase = match is {
        CandidateIs::Half | CandidateIs::Creating => Phase::Matching,
        CandidateIs::Taken => Phase::Linked,
        CandidateIs::Frozen => Phase::Frozen,
        CandidateIs::Tombstoned => Phase::Tombstoned,
        CandidateIs::Unlinked => Phase::Unlinked,
        CandidateIs::Joined => Phase::Joined,
    };
    if matches!(is, CandidateIs::Taken | CandidateIs::Frozen) {
        *record.get_mut(side.other()) = Some(RecordId::from("another"));
    }
    let creating = is == CandidateIs::Creating;
    Claim { rule: 0, key: "K".to_owned(), side, link: link_id(number), phase, record, creating }
}
