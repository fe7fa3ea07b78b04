//! Laws: an outcome for every combination, symmetry, independence of order, idempotence, agreement
//! in an ideal world, and nothing lost. Small domains are enumerated, long stories are drawn.

use super::support::flow::{column, typed};
use super::support::{World, after, at, field, flow, link_id};
use super::tables::{Case, facts, mirrored, spec, value};
use duet_core::agreed::Agreed;
use duet_core::facts::{Event, Facts};
use duet_core::id::{FieldName, RecordId};
use duet_core::intent::{IntentState, Op};
use duet_core::observation::Version;
use duet_core::reconcile::decide;
use duet_core::side::Side::{self, Left, Right};
use duet_core::spec::*;
use duet_core::value::{Value, ValueType};
use duet_core::verdict::{Effect, Verdict};
use proptest::prelude::{
    Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::strategy::Strategy as _;
use std::collections::BTreeMap;

fn text(text: &str) -> Value {
    Value::text(text)
}

fn merge(kind: MergeKind) -> Strategy {
    Strategy::Merge { kind, otherwise: Box::new(Strategy::ManualReview) }
}

fn path() -> Vec<Value> {
    ["a", "b", "c"].map(text).to_vec()
}

fn strategies() -> Vec<Strategy> {
    vec![
        Strategy::ManualReview,
        Strategy::LastWriteWins { tie: Vec::new() },
        Strategy::LastWriteWins { tie: vec![Tie::UserOverAutomation, Tie::Left] },
        Strategy::SourceOfTruth(Left),
        Strategy::SourceOfTruth(Right),
        merge(MergeKind::Max),
        merge(MergeKind::Min),
        merge(MergeKind::Progress { path: path(), also: Vec::new() }),
        merge(MergeKind::Strictest { order: path() }),
        merge(MergeKind::FirstNonEmpty),
    ]
}

/// One side of a case: a value, or how it is not there, with what is accounted for.
fn parts() -> Vec<Option<toml::Value>> {
    let texts = [
        "",
        "value = 'a'",
        "value = 'b'",
        "value = 'c'",
        "value = '~'",
        "value = 'b'\nacc = 'b'",
        "value = 'c'\nacc = 'b'\nat = 70\nby = 'user'",
        "is = 'gone'",
        "is = 'gone'\ndeletes = 'propagate'",
        "is = 'soft'\nundelete = true",
        "is = 'out'",
        "is = 'hidden'",
        "is = 'unknown'",
        "is = 'merged'",
        "is = 'unclassified'",
        "value = 'a'\nnone = 'create'",
        "value = 'b'\nstale = true",
    ];
    let parsed = texts
        .map(|text| (!text.is_empty()).then(|| toml::Value::Table(text.parse().expect("a side"))));
    parsed.to_vec()
}

fn every_case() -> Vec<Case> {
    let mut all = Vec::new();
    let bases = [(None, false), (Some("a"), false), (Some("a"), true)];
    let deletes = [
        DeleteConflict::ManualReview,
        DeleteConflict::UpdateWins,
        DeleteConflict::DeleteWins,
        DeleteConflict::LastWriteWins,
    ];
    let directions = [Direction::Both, Direction::ToLeft, Direction::ToRight];
    for (base, tomb) in bases {
        for (place, strategy) in strategies().into_iter().enumerate() {
            for left in parts() {
                for right in parts() {
                    all.push(Case {
                        base: base.map(|base| toml::Value::String(base.to_owned())),
                        tomb,
                        left: left.clone(),
                        right: right.clone(),
                        strategy: Some(strategy.clone()),
                        direction: Some(directions[place % 3]),
                        on_delete_conflict: Some(deletes[place % 4]),
                        propagate_null: Some(place % 2 == 0),
                        fill_nulls: Some(place % 3 == 0),
                        ..Case::default()
                    });
                }
            }
        }
    }
    all
}

/// What a verdict says, without ids, by side.
fn gist(verdict: &Verdict, swap: bool) -> BTreeMap<String, String> {
    let name = |side: Side| if swap { side.other() } else { side }.to_string();
    let mut told = BTreeMap::new();
    for effect in &verdict.effects {
        match effect {
            Effect::Plan(plan) => {
                let mut values: Vec<String> = plan
                    .values
                    .iter()
                    .map(|(column, value)| format!("{}={value:?}", &column.as_str()[2..]))
                    .collect();
                values.sort();
                let text = format!("{} {values:?}", plan.op.as_str());
                told.insert(format!("plan {} {}", name(plan.side), plan.op.writes()), text);
            }
            Effect::Conflict(one) => {
                let text = format!("{:?} {:?}", one.state, one.reason);
                told.insert(format!("conflict {:?} {:?}", one.kind, one.scope), text);
            }
            Effect::Settle { .. }
            | Effect::Claim { .. }
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
    told.insert("phase".to_owned(), format!("{:?}", verdict.link.phase));
    if let Agreed::Pair(pair) = &verdict.agreed {
        let trunk = pair.fields.get(&FieldName::from("f")).map(|one| &one.trunk);
        told.insert("trunk".to_owned(), format!("{trunk:?}"));
    }
    told
}

#[test]
fn every_combination_has_one_outcome_that_stands_and_mirrors() {
    let cases = every_case();
    assert!(cases.len() > 8_000, "{}", cases.len());
    for case in cases {
        let (spec, facts) = (spec(&case), facts(&case));
        let verdict = decide(facts.clone(), &[Event::Due], &spec);
        assert!(!verdict.rule.is_empty(), "no rule: {case:?}");
        assert_eq!(verdict, decide(facts.clone(), &[Event::Due], &spec), "{case:?}");
        let next = after(&facts, &verdict, &mut BTreeMap::new());
        let again = decide(next, &[Event::Due], &spec);
        let effects = &again.effects;
        assert!(!again.changed, "not at rest: {case:?}\n{} {effects:?}", again.row);
        let other = mirrored(case.clone());
        let mirror =
            decide(super::tables::facts(&other), &[Event::Due], &super::tables::spec(&other));
        assert_eq!(gist(&verdict, false), gist(&mirror, true), "not symmetric: {case:?}");
    }
}

#[test]
fn the_order_of_observations_does_not_matter() {
    for case in every_case().into_iter().filter(|case| case.base.is_some() && !case.tomb) {
        let (spec, full) = (spec(&case), facts(&case));
        if [&full.seen.left, &full.seen.right].into_iter().any(Option::is_none) || returns(&case) {
            continue;
        }
        let orders: Vec<Facts> = [[Left, Right], [Right, Left]]
            .into_iter()
            .map(|order| one_after_the_other(&full, order, &spec))
            .collect();
        let ends: Vec<_> = orders.iter().map(rest).collect();
        assert_eq!(ends[0], ends[1], "{case:?}");
    }
}

/// States in which order may matter, by the tables themselves: a side that is behind and moves (a
/// strategy asked twice sees another trunk than one asked once; stories cover agreement there), and
/// what was folded before a record left the flow's scope.
fn returns(case: &Case) -> bool {
    let part = |side: &Option<toml::Value>, name: &str| {
        side.as_ref().and_then(|side| side.get(name)).cloned()
    };
    [&case.left, &case.right].into_iter().any(|side| {
        let gone = |is: &toml::Value| ["gone", "soft"].contains(&is.as_str().unwrap_or_default());
        part(side, "acc").is_some() || part(side, "is").is_some_and(|is| !gone(&is))
    })
}

/// Decides as the observations come in, over what was agreed before; nothing is sent meanwhile.
fn one_after_the_other(full: &Facts, order: [Side; 2], spec: &FlowSpec) -> Facts {
    let mut facts = full.clone();
    for side in Side::BOTH {
        let before = facts.seen.get_mut(side).as_mut().expect("both are seen");
        before.presence = duet_core::observation::Presence::Present;
        before.version = Some(Version { order: Some(1), token: "1".to_owned() });
        before.read_at = at(1);
        let Agreed::Pair(pair) = &facts.agreed else { panic!("a pair") };
        let known = pair.fields[&FieldName::from("f")].accounted.get(side).clone();
        before.image.insert(column(side, "f"), known.expect("accounted"));
    }
    for side in order {
        let record = facts.link.record.get(side).clone().expect("both are known");
        let observation = Box::new(full.seen.get(side).clone().expect("both are seen"));
        let event = Event::Seen { side, record, observation };
        let verdict = decide(facts.clone(), &[event], spec);
        facts = after(&facts, &verdict, &mut BTreeMap::new());
    }
    facts
}

/// Where a link came to rest: the trunk where nothing is held, what is held, the open writes.
fn rest(facts: &Facts) -> (Option<Value>, Vec<String>, Vec<String>) {
    let held: Vec<String> = facts
        .conflicts
        .iter()
        .filter(|one| one.state.holds())
        .map(|one| format!("{:?} {:?}", one.scope, one.sides.left.native))
        .collect();
    // A record that is being brought back or deleted is compared when that is done.
    let back = Side::BOTH.into_iter().any(|side| {
        facts
            .intents
            .get(side)
            .write
            .as_ref()
            .is_some_and(|open| matches!(open.op, Op::Undelete | Op::Delete))
    });
    let trunk = match &facts.agreed {
        Agreed::Pair(pair) if held.is_empty() && !back => {
            pair.fields.get(&FieldName::from("f")).map(|one| one.trunk.clone())
        }
        Agreed::Pair(_) | Agreed::None | Agreed::Tomb(_) => None,
    };
    let writes = Side::BOTH.into_iter().filter_map(|side| {
        let open = facts.intents.get(side).write.as_ref()?;
        Some(format!("{side} {} {:?}", open.op.as_str(), open.values))
    });
    (trunk, held, writes.collect())
}

/// One step of a drawn story.
#[derive(Clone, Debug)]
enum Step {
    Edit(Side, u8),
    Clear(Side),
    See(Side),
    Old,
    Send(Side),
    Lose(Side, bool),
    Pass(u8),
}

fn side() -> impl proptest::strategy::Strategy<Value = Side> {
    prop_oneof![Just(Left), Just(Right)]
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    prop_oneof![
        4 => (side(), any::<u8>()).prop_map(|(side, value)| Step::Edit(side, value)),
        1 => side().prop_map(Step::Clear),
        4 => side().prop_map(Step::See),
        1 => Just(Step::Old),
        4 => side().prop_map(Step::Send),
        2 => (side(), any::<bool>()).prop_map(|(side, landed)| Step::Lose(side, landed)),
        1 => any::<u8>().prop_map(Step::Pass),
    ]
}

struct Story {
    world: World,
    make: fn(u8, &mut i64) -> Value,
    count: i64,
    old: Vec<Event>,
}

/// In an ideal world two sides agree within so many rounds, in each of which every call that is due is
/// made and answered; rounds that only wait for the next thing to fall due included.
const ROUNDS_MAX: usize = 10;

const RECORDS: [(Side, &str); 2] = [(Left, "A1"), (Right, "C1")];

fn record(side: Side) -> &'static str {
    match side {
        Left => "A1",
        Right => "C1",
    }
}

impl Story {
    fn new(
        strategy: Strategy,
        kind: ValueType,
        make: fn(u8, &mut i64) -> Value,
        first: &Value,
    ) -> Story {
        let mut world = World::new(flow(vec![typed(field("f", strategy), kind)]));
        for (side, id) in RECORDS {
            world.sides.edit(side, id, &[("key", text("K")), ("f", first.clone())]);
        }
        world.see(1, Left, "A1");
        world.see(2, Right, "C1");
        world.settle();
        assert!(world.link(1).link.synced_at.is_some());
        Story { world, make, count: 0, old: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Edit(side, value) => {
                let value = (self.make)(*value, &mut self.count);
                self.world.sides.edit(*side, record(*side), &[("f", value)]);
            }
            Step::Clear(side) => {
                self.world.sides.edit(*side, record(*side), &[("f", Value::Null)]);
            }
            Step::See(side) => self.see(*side),
            Step::Old => {
                if let Some(event) = self.old.first().cloned() {
                    self.world.decide(link_id(1), &[event]);
                }
            }
            Step::Send(side) => self.send(*side),
            Step::Lose(side, landed) => self.lose(*side, *landed),
            Step::Pass(seconds) => self.world.sides.pass(i64::from(*seconds)),
        }
    }

    fn see(&mut self, side: Side) {
        let id = RecordId::from(record(side));
        let observation = Box::new(self.world.sides.observe(side, &id));
        let event = Event::Seen { side, record: id, observation };
        self.old.push(event.clone());
        self.world.decide(link_id(1), &[event]);
    }

    fn send(&mut self, side: Side) {
        if let Some(sent) = self.world.send(link_id(1), side, true) {
            self.world.check_nothing_is_lost(&sent);
            self.world.decide_with(&sent);
        }
    }

    /// The call leaves, takes effect or not, and its answer is lost.
    fn lose(&mut self, side: Side, landed: bool) {
        let Some(sent) = self.world.send(link_id(1), side, true) else { return };
        if landed {
            self.world.check_nothing_is_lost(&sent);
            self.world.sides.call(&sent);
        }
        let deadline = sent.deadline.expect("sent with a deadline");
        self.world.sides.pass_until(deadline);
        self.world.decide(link_id(1), &[Event::Overdue(sent.id)]);
    }

    /// Outside changes stop, everything is seen, nothing fails any more.
    fn heal(&mut self) -> usize {
        for side in Side::BOTH {
            self.see(side);
        }
        let writes = self.world.writes.len();
        let rounds = self.world.settle();
        assert!(rounds <= ROUNDS_MAX, "{rounds} rounds until rest: {:#?}", self.world.last);
        self.world.writes.len() - writes
    }

    fn values(&self) -> (Value, Value) {
        let value =
            |side| self.world.sides.value(side, record(side), "f").expect("a value").clone();
        (value(Left), value(Right))
    }

    fn check(&mut self) {
        let writes = self.heal();
        assert!(writes <= 4, "{writes} writes after the last change");
        let facts = self.world.link(1).clone();
        let held = facts.conflicts.iter().any(|one| one.state.holds());
        for side in Side::BOTH {
            let open = facts.intents.get(side).write.as_ref();
            assert!(open.is_none_or(|one| one.state != IntentState::Planned), "{open:?}");
        }
        let (left, right) = self.values();
        if !held {
            assert_eq!(left, right, "they don't agree: {:#?}", self.world.last);
            assert!(facts.conflicts.is_empty(), "{:?}", facts.conflicts);
        }
        self.check_quiet(&facts);
    }

    /// After rest, old news changes nothing and writes nothing (I3, I4).
    fn check_quiet(&mut self, facts: &Facts) {
        let writes = self.world.writes.len();
        for event in self.old.clone() {
            self.world.decide(link_id(1), &[event]);
            self.world.settle();
        }
        assert_eq!(self.world.writes.len(), writes, "an echo");
        assert_eq!(self.world.link(1).agreed, facts.agreed);
    }
}

/// Both sides edit, and every call may lose its answer in every way: each story comes to rest in time.
#[test]
fn every_small_story_ends_in_agreement_in_time() {
    let mut stories = 0;
    for strategy in strategies() {
        for first in edits(Left) {
            for second in edits(Right) {
                for (between, after) in troubles().into_iter().flat_map(with_troubles) {
                    let steps = [
                        std::slice::from_ref(&first),
                        &between,
                        std::slice::from_ref(&second),
                        &after,
                    ];
                    let mut story =
                        Story::new(strategy.clone(), ValueType::Text, small, &text("a"));
                    steps.concat().iter().for_each(|step| story.step(step));
                    story.check();
                    stories += 1;
                }
            }
        }
    }
    assert!(stories > 7_000, "{stories}");
}

fn edits(side: Side) -> [Step; 3] {
    [Step::Edit(side, 1), Step::Edit(side, 2), Step::Clear(side)]
}

fn with_troubles(between: Vec<Step>) -> impl Iterator<Item = (Vec<Step>, Vec<Step>)> {
    troubles().into_iter().map(move |after| (between.clone(), after))
}

/// What may happen after an edit.
fn troubles() -> Vec<Vec<Step>> {
    let mut troubles = vec![Vec::new()];
    for side in Side::BOTH {
        troubles.push(vec![Step::See(side)]);
        for then in [
            Step::Send(side.other()),
            Step::Lose(side.other(), true),
            Step::Lose(side.other(), false),
        ] {
            troubles.push(vec![Step::See(side), then]);
        }
    }
    troubles
}

fn distinct(_: u8, count: &mut i64) -> Value {
    *count += 1;
    Value::text(format!("v{count}"))
}

fn small(value: u8, _: &mut i64) -> Value {
    Value::text(["a", "b", "c"][usize::from(value % 3)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn stories_end_in_agreement_and_nothing_is_lost(
        strategy in proptest::sample::select(strategies()),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut story = Story::new(strategy, ValueType::Text, distinct, &text("v0"));
        for step in &steps {
            story.step(step);
        }
        story.check();
    }

    #[test]
    fn stories_of_few_values_end_in_agreement(
        strategy in proptest::sample::select(strategies()),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut story = Story::new(strategy, ValueType::Text, small, &text("a"));
        for step in &steps {
            story.step(step);
        }
        story.check();
    }

    /// C6: a counter equals its beginning plus every outside change, whatever was lost or repeated.
    #[test]
    fn counters_add_up(
        steps in proptest::collection::vec(
            prop_oneof![
                3 => (side(), -5i64..6).prop_map(Ok),
                5 => step().prop_map(Err),
            ], 1..40),
    ) {
        let kind = MergeKind::Counter { min: None, max: None };
        let mut story =
            Story::new(merge(kind), ValueType::Integer, distinct, &Value::Integer(100));
        let mut sum = 100;
        for step in &steps {
            match step {
                Ok((side, change)) => {
                    let held = story.world.sides.value(*side, record(*side), "f");
                    let Some(Value::Integer(held)) = held else { panic!("a number") };
                    let next = Value::Integer(held + change);
                    sum += change;
                    story.world.sides.edit(*side, record(*side), &[("f", next)]);
                }
                Err(Step::Edit(..) | Step::Clear(_)) => {}
                Err(step) => story.step(step),
            }
        }
        story.heal();
        prop_assert_eq!(story.values(), (Value::Integer(sum), Value::Integer(sum)));
    }

    /// Tags: the base and every addition survive unless removed, whatever the order.
    #[test]
    fn sets_agree(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let items = |value: u8, _: &mut i64| {
            let all = ["a", "b", "c"].iter().enumerate();
            let held = all.filter(|(bit, _)| value >> bit & 1 == 1);
            Value::Set(held.map(|(_, name)| (*name).to_owned()).collect())
        };
        let first = value(&toml::Value::Array(vec!["a".into()]));
        let mut story = Story::new(merge(MergeKind::Set), ValueType::Set, items, &first);
        for step in &steps {
            if !matches!(step, Step::Clear(_)) {
                story.step(step);
            }
        }
        story.heal();
        let (left, right) = story.values();
        let empty = |value: Value| if value == Value::Null { Value::Set([].into()) } else { value };
        prop_assert_eq!(empty(left), empty(right));
    }

    /// Deletions on either side in the middle of a story: one record or none, never a duplicate.
    #[test]
    fn deletions_end_in_agreement(
        policy in proptest::sample::select(vec![
            DeleteConflict::UpdateWins, DeleteConflict::DeleteWins, DeleteConflict::ManualReview,
        ]),
        gone in side(),
        before in proptest::collection::vec(step(), 0..12),
        late in proptest::collection::vec(step(), 0..6),
    ) {
        let mut story = Story::new(Strategy::SourceOfTruth(Left), ValueType::Text, distinct, &text("v0"));
        story.world.spec.policy.on_delete_conflict = policy;
        story.world.spec.policy.deletes.left = DeletePolicy::Propagate;
        story.world.spec.policy.deletes.right = DeletePolicy::Propagate;
        before.iter().for_each(|step| story.step(step));
        story.world.sides.delete(gone, record(gone));
        let seen = |step: &&Step| matches!(step, Step::See(_) | Step::Send(_) | Step::Lose(..));
        late.iter().filter(seen).for_each(|step| story.step(step));
        story.heal();
        let count = |side| story.world.sides.present(side).len();
        let held = story.world.link(1).conflicts.iter().any(|one| one.state.holds());
        prop_assert!(count(Left) <= 1 && count(Right) <= 1);
        if !held {
            prop_assert_eq!(count(Left), count(Right));
        }
        let creates = story.world.writes.iter().filter(|one| one.op == Op::Create).count();
        prop_assert!(creates <= 1);
    }
}
