//! What a store does with verdicts, and a world of links over two ideal sides.

use super::sides::Sides;
use duet_core::agreed::Agreed;
use duet_core::conflict::{Choice, Conflict, ConflictState, Resolution};
use duet_core::facts::{Claim, Event, Facts, FlowState, Holder, OpenIntents, Parent, Rival};
use duet_core::id::{FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, IntentState};
use duet_core::link::{Link, Memory, Phase};
use duet_core::reconcile::{decide, join, markers};
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_core::verdict::{Effect, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A stamp so many seconds after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Stamp {
    Stamp(1_800_000_000_000_000).plus_seconds(seconds)
}

pub(crate) fn link_id(number: u128) -> LinkId {
    LinkId(Uuid::from_u128(number))
}

/// The facts of a link of which nothing is known.
pub(crate) fn fresh(number: u128) -> Facts {
    Facts {
        as_of: at(0),
        link: Link {
            id: link_id(number),
            flow: FlowName::from("things"),
            rev: 0,
            phase: Phase::Matching,
            record: Both::default(),
            aliases: Vec::new(),
            synced_at: None,
            synced: Both::default(),
            due_at: None,
            waits: 0,
            created_at: at(0),
            memory: Memory::default(),
        },
        agreed: Agreed::None,
        seen: Both::default(),
        conflicts: Vec::new(),
        intents: Both::default(),
        marked: BTreeMap::new(),
        claims: Vec::new(),
        parents: Vec::new(),
        rivals: Vec::new(),
        holders: Vec::new(),
        flow: FlowState { adopted: true, paused: false, deletes_held: false },
    }
}

/// The facts as a store would load them after storing this verdict; closed intents go to `closed`.
pub(crate) fn after(
    facts: &Facts,
    verdict: &Verdict,
    closed: &mut BTreeMap<IntentId, Intent>,
) -> Facts {
    let mut next = facts.clone();
    next.link = verdict.link.clone();
    next.agreed = verdict.agreed.clone();
    next.seen = verdict.seen.clone();
    for effect in &verdict.effects {
        match effect {
            Effect::Settle { intent, state, failure, due_at, landed_at, attempts } => {
                if let Some(old) = closed.get_mut(intent) {
                    old.landed_at = *landed_at;
                    continue;
                }
                let found = take(&mut next.intents, *intent);
                let mut found = found.expect("only an open intent is settled");
                found.state = *state;
                found.failure.clone_from(failure);
                found.due_at = *due_at;
                found.attempts = attempts.unwrap_or(found.attempts);
                if state.is_open() {
                    put(&mut next.intents, found);
                } else {
                    closed.insert(*intent, found);
                }
            }
            Effect::Conflict(conflict) => {
                next.conflicts.retain(|one| one.id != conflict.id);
                if conflict.state != ConflictState::Closed && conflict.link == next.link.id {
                    next.conflicts.push((**conflict).clone());
                }
            }
            Effect::Plan(intent) => put(&mut next.intents, (**intent).clone()),
            Effect::Claim { .. }
            | Effect::Unclaim(_)
            | Effect::Join(_)
            | Effect::Await { .. }
            | Effect::StopWaiting
            | Effect::FieldErrors(_)
            | Effect::WakeChildren(_)
            | Effect::CountDelete(_)
            | Effect::Alert(_) => {}
        }
    }
    next
}

fn take(open: &mut Both<OpenIntents>, id: IntentId) -> Option<Intent> {
    for side in Side::BOTH {
        let slots = open.get_mut(side);
        for slot in [&mut slots.write, &mut slots.read] {
            if slot.as_ref().is_some_and(|one| one.id == id) {
                return slot.take();
            }
        }
    }
    None
}

fn put(open: &mut Both<OpenIntents>, intent: Intent) {
    let slots = open.get_mut(intent.side);
    let slot = if intent.op.writes() { &mut slots.write } else { &mut slots.read };
    assert!(slot.is_none(), "two open intents of one kind: {slot:?} and {intent:?}");
    *slot = Some(intent);
}

/// Links over two ideal sides, with a store in between.
pub(crate) struct World {
    pub(crate) spec: FlowSpec,
    pub(crate) sides: Sides,
    pub(crate) links: BTreeMap<LinkId, Facts>,
    pub(crate) claims: Vec<(usize, String, Side, LinkId)>,
    pub(crate) closed: BTreeMap<IntentId, Intent>,
    /// Every conflict ever stored, as last stored.
    pub(crate) history: BTreeMap<Uuid, Conflict>,
    pub(crate) alerts: Vec<String>,
    pub(crate) last: Option<Verdict>,
    /// Calls that wrote, in order.
    pub(crate) writes: Vec<Intent>,
    joins: usize,
    /// Links of other flows that parent fields name.
    pub(crate) parents: Vec<Parent>,
    /// Links that are to give a unique value up.
    pub(crate) rivals: Vec<Rival>,
    /// Every value that was ever agreed or accounted for.
    pub(crate) agreed_ever: BTreeSet<Value>,
}

impl World {
    pub(crate) fn new(spec: FlowSpec) -> World {
        World {
            spec,
            sides: Sides::new(),
            links: BTreeMap::new(),
            claims: Vec::new(),
            closed: BTreeMap::new(),
            history: BTreeMap::new(),
            alerts: Vec::new(),
            last: None,
            writes: Vec::new(),
            joins: 0,
            parents: Vec::new(),
            rivals: Vec::new(),
            agreed_ever: BTreeSet::new(),
        }
    }

    pub(crate) fn link(&self, number: u128) -> &Facts {
        &self.links[&link_id(number)]
    }

    /// A record was seen: routed by id or alias, else by marker, else to a new link.
    pub(crate) fn see(&mut self, number: u128, side: Side, record: &str) -> Verdict {
        let id = RecordId::from(record);
        let routed = self.links.values().find(|facts| {
            facts.link.record.get(side).as_ref() == Some(&id)
                || facts.link.aliases.iter().any(|one| one.side == side && one.record == id)
        });
        let link = routed.map_or(link_id(number), |facts| facts.link.id);
        let observation = Box::new(self.sides.observe(side, &id));
        self.decide(link, &[Event::Seen { side, record: id, observation }])
    }

    pub(crate) fn decide(&mut self, link: LinkId, events: &[Event]) -> Verdict {
        let mut facts = self.links.get(&link).cloned().unwrap_or_else(|| {
            let mut new = fresh(link.0.as_u128());
            new.link.created_at = self.sides.now();
            new
        });
        facts.as_of = self.sides.now();
        self.load(&mut facts, events);
        let verdict = decide(facts.clone(), events, &self.spec);
        self.check_needs(&facts, events, &verdict);
        self.store(&facts, &verdict);
        self.last = Some(verdict.clone());
        let join = verdict
            .effects
            .iter()
            .find_map(|effect| if let Effect::Join(other) = effect { Some(*other) } else { None });
        if let Some(other) = join {
            self.join(link, other);
        }
        verdict
    }

    fn load(&self, facts: &mut Facts, events: &[Event]) {
        let needs = duet_core::reconcile::needs(facts, events, &self.spec);
        facts.claims = self
            .claims
            .iter()
            .filter(|(rule, key, _, _)| needs.keys.contains(&(*rule, key.clone())))
            .map(|(rule, key, side, link)| self.claim(*rule, key, *side, *link))
            .collect();
        facts.holders =
            needs.holders.iter().filter_map(|(side, record)| self.holder(*side, record)).collect();
        facts.parents.clone_from(&self.parents);
        let asked =
            |one: &&Rival| needs.rivals.contains(&(one.side, one.column.clone(), one.held.clone()));
        facts.rivals = self.rivals.iter().filter(asked).cloned().collect();
        facts.marked = markers(events)
            .into_iter()
            .filter_map(|id| Some((id, self.closed.get(&id)?.clone())))
            .filter(|(_, intent)| intent.link == facts.link.id)
            .collect();
    }

    /// What needn't be loaded makes no difference: with every claim and every holder there is, the
    /// verdict is the same.
    fn check_needs(&self, facts: &Facts, events: &[Event], verdict: &Verdict) {
        let mut all = facts.clone();
        let known = |link: &LinkId| self.links.contains_key(link);
        let claims = self.claims.iter().filter(|(_, _, _, link)| known(link));
        all.claims =
            claims.map(|(rule, key, side, link)| self.claim(*rule, key, *side, *link)).collect();
        let records = |side: Side| {
            self.links
                .values()
                .filter_map(move |facts| Some((side, facts.link.record.get(side).as_ref()?)))
        };
        all.holders = Side::BOTH
            .into_iter()
            .flat_map(records)
            .filter_map(|(side, record)| self.holder(side, record))
            .collect();
        assert_eq!(
            decide(all, events, &self.spec),
            *verdict,
            "it depends on what wasn't asked for"
        );
    }

    fn claim(&self, rule: usize, key: &str, side: Side, link: LinkId) -> Claim {
        let facts = &self.links[&link];
        let creating = creates(facts);
        Claim {
            rule,
            key: key.to_owned(),
            side,
            link,
            phase: facts.link.phase,
            record: facts.link.record.clone(),
            creating,
        }
    }

    fn holder(&self, side: Side, record: &RecordId) -> Option<Holder> {
        let facts = self
            .links
            .values()
            .find(|facts| facts.link.record.get(side).as_ref() == Some(record))?;
        Some(Holder {
            side,
            record: record.clone(),
            link: facts.link.id,
            phase: facts.link.phase,
            whole: facts.link.record.get(side.other()).is_some(),
            creating: creates(facts),
        })
    }

    fn store(&mut self, facts: &Facts, verdict: &Verdict) {
        let next = after(facts, verdict, &mut self.closed);
        let link = next.link.id;
        if let Agreed::Pair(pair) = &next.agreed {
            for entry in pair.fields.values() {
                self.agreed_ever.insert(entry.trunk.clone());
                let both = [&entry.accounted.left, &entry.accounted.right];
                self.agreed_ever.extend(both.into_iter().flatten().cloned());
            }
        }
        for effect in &verdict.effects {
            match effect {
                Effect::Claim { rule, key, side } => {
                    self.claims.push((*rule, key.clone(), *side, link));
                }
                Effect::Unclaim(side) => {
                    self.claims.retain(|(_, _, one, owner)| one != side || *owner != link);
                }
                Effect::Conflict(conflict) => {
                    self.history.insert(conflict.id.0, (**conflict).clone());
                }
                Effect::Alert(text) => self.alerts.push(text.clone()),
                Effect::Plan(_)
                | Effect::Settle { .. }
                | Effect::Join(_)
                | Effect::Await { .. }
                | Effect::StopWaiting
                | Effect::FieldErrors(_)
                | Effect::WakeChildren(_)
                | Effect::CountDelete(_) => {}
            }
        }
        self.links.insert(link, next);
    }

    /// Sends what is due, joins what is to be joined, wakes what waits, until nothing moves.
    /// Returns the number of rounds it took.
    pub(crate) fn settle(&mut self) -> usize {
        for round in 0..40 {
            if !self.round() {
                return round;
            }
        }
        let last = self.last.as_ref().map(|last| (&last.row, &last.rule, &last.outcomes));
        panic!("it never comes to rest: {last:?}");
    }

    fn round(&mut self) -> bool {
        let mut moved = false;
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            moved |= self.send_all(link);
            moved |= self.look(link);
        }
        moved || self.wake()
    }

    fn look(&mut self, link: LinkId) -> bool {
        let joined = self.joins;
        self.decide(link, &[Event::Due]);
        self.joins > joined
    }

    pub(crate) fn join(&mut self, one: LinkId, other: LinkId) -> bool {
        let (older, younger) = (one.min(other), one.max(other));
        let (a, b) = (self.links[&older].clone(), self.links[&younger].clone());
        let Some((joined, verdict)) = join(a, b.clone(), &self.spec) else { return false };
        self.store(&b, &verdict);
        self.links.insert(older, joined);
        self.joins += 1;
        self.decide(older, &[Event::Due]);
        true
    }

    /// Calls every planned intent of a link that is due.
    pub(crate) fn send_all(&mut self, link: LinkId) -> bool {
        let mut moved = false;
        for side in Side::BOTH {
            for write in [true, false] {
                if let Some(intent) = self.send(link, side, write) {
                    self.check_nothing_is_lost(&intent);
                    let receipt = self.sides.call(&intent);
                    if intent.op.writes() {
                        self.writes.push(intent);
                    }
                    self.decide(link, &[Event::Received(Box::new(receipt))]);
                    moved = true;
                }
            }
        }
        moved
    }

    /// I1: what a write destroys was agreed, or a stored conflict holds it.
    pub(crate) fn check_nothing_is_lost(&self, intent: &Intent) {
        for value in self.sides.destroyed_by(intent) {
            let stored = self.history.values().any(|one| {
                let part = one.sides.get(intent.side);
                part.native.values().any(|held| *held == value)
            });
            assert!(
                stored || self.agreed_ever.contains(&value),
                "{value:?} is lost by {} on {}: {}",
                intent.op.as_str(),
                intent.side,
                intent.why
            );
        }
    }

    /// Brings a planned intent that is due to sent, as a store does.
    pub(crate) fn send(&mut self, link: LinkId, side: Side, write: bool) -> Option<Intent> {
        let now = self.sides.now();
        let slots = self.links.get_mut(&link)?.intents.get_mut(side);
        let slot = if write { &mut slots.write } else { &mut slots.read };
        let intent = slot.as_mut()?;
        if intent.state != IntentState::Planned || intent.due_at.is_none_or(|due| due > now) {
            return None;
        }
        intent.state = IntentState::Sent;
        intent.attempts += 1;
        intent.sent_at = Some(now);
        intent.deadline = Some(now.plus_seconds(30));
        Some(intent.clone())
    }

    /// Lets time pass until the next thing is due, at most an hour away.
    fn wake(&mut self) -> bool {
        let mut due: Vec<Stamp> = Vec::new();
        for facts in self.links.values() {
            due.extend(facts.link.due_at);
            for side in Side::BOTH {
                let open = facts.intents.get(side);
                let planned = [&open.write, &open.read].into_iter().flatten();
                let planned = planned.filter(|one| one.state == IntentState::Planned);
                due.extend(planned.filter_map(|one| one.due_at));
            }
        }
        let Some(next) = due.into_iter().min() else { return false };
        if next > self.sides.now().plus_seconds(60) {
            return false;
        }
        self.sides.pass_until(next);
        true
    }

    /// Calls a sent intent and decides on its answer.
    pub(crate) fn decide_with(&mut self, sent: &Intent) {
        let receipt = self.sides.call(sent);
        self.decide(sent.link, &[Event::Received(Box::new(receipt))]);
    }

    pub(crate) fn conflict(&self, number: u128) -> &Conflict {
        self.link(number).conflicts.first().expect("a conflict is open")
    }

    /// A person decides the first open conflict of a link.
    pub(crate) fn resolve(&mut self, number: u128, choice: Choice) -> Verdict {
        let facts = self.links.get_mut(&link_id(number)).expect("the link is there");
        let conflict =
            facts.conflicts.iter_mut().find(|one| one.state.holds()).expect("a conflict is open");
        conflict.state = ConflictState::Decided;
        conflict.resolution = Some(Resolution {
            choice,
            seen: conflict.seen.clone(),
            by: "ada".to_owned(),
            note: None,
            at: at(0),
            earlier: Vec::new(),
        });
        self.decide(link_id(number), &[Event::Due])
    }
}

fn creates(facts: &Facts) -> bool {
    Side::BOTH.into_iter().any(|side| {
        let open = facts.intents.get(side).write.as_ref();
        open.is_some_and(|one| {
            one.op == duet_core::intent::Op::Create && !one.state.is_replaceable()
        })
    })
}
