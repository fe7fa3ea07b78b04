//! Parents that come late where null stands in for them (P4), drawn at random: whatever was lost,
//! repeated or under way, no reference is lost, and both sides agree when every parent has come.

use super::parents::orders;
use super::support::{World, link_id};
use duet_core::facts::{Event, Parent};
use duet_core::id::{FlowName, RecordId};
use duet_core::link::Phase;
use duet_core::side::Both;
use duet_core::side::Side::{self, Left, Right};
use duet_core::spec::{AfterWait, Direction, MissingParent, Strategy, Tie};
use duet_core::value::Value;
use proptest::prelude::{Just, ProptestConfig, any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

const PARENTS: [&str; 3] = ["P", "Q", "R"];
const RECORDS: [(Side, &str); 2] = [(Left, "A1"), (Right, "C1")];

#[derive(Clone, Debug)]
enum Step {
    /// A record refers to one of the parents, or to none.
    Refer(Side, u8),
    See(Side),
    Again(u8),
    Send(Side),
    Lose(Side, bool),
    Pass(u8),
    /// A parent gets a link, with a record on this side only or on both.
    Arrive(u8, Option<Side>),
}

fn side() -> impl proptest::strategy::Strategy<Value = Side> {
    prop_oneof![Just(Left), Just(Right)]
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    prop_oneof![
        4 => (side(), any::<u8>()).prop_map(|(side, parent)| Step::Refer(side, parent)),
        5 => side().prop_map(Step::See),
        1 => any::<u8>().prop_map(Step::Again),
        5 => side().prop_map(Step::Send),
        2 => (side(), any::<bool>()).prop_map(|(side, landed)| Step::Lose(side, landed)),
        3 => any::<u8>().prop_map(Step::Pass),
        1 => (any::<u8>(), prop_oneof![Just(None), side().prop_map(Some)])
            .prop_map(|(parent, only)| Step::Arrive(parent, only)),
    ]
}

fn name(parent: u8) -> Option<&'static str> {
    PARENTS.get(usize::from(parent % 4)).copied()
}

fn reference(parent: Option<&str>, side: Side) -> Value {
    parent.map_or(Value::Null, |name| Value::text(format!("{name}-{side}")))
}

fn record(side: Side) -> &'static str {
    match side {
        Left => "A1",
        Right => "C1",
    }
}

struct Story {
    world: World,
    old: Vec<Event>,
    /// Who edits: a side that nobody edits is never written to by anybody but us.
    editors: Vec<Side>,
    /// What was last referred to on each side.
    last: Both<Option<&'static str>>,
    written: Vec<Side>,
}

impl Story {
    fn new(strategy: Strategy, editors: &[Side]) -> Story {
        let missing = MissingParent { wait_us: Some(10_000_000), then: AfterWait::Null };
        let mut world = orders("people", missing);
        world.spec.fields[2].strategy = strategy;
        for (side, id) in RECORDS {
            let columns = ["name", "phone"].map(|column| (column, Value::text("1")));
            world.sides.edit(side, id, &columns);
            world.sides.edit(side, id, &[("key", Value::text("K")), ("parent", Value::Null)]);
        }
        world.see(1, Left, "A1");
        world.see(2, Right, "C1");
        world.settle();
        assert!(world.link(1).link.synced_at.is_some());
        let (old, written, editors) = (Vec::new(), Vec::new(), editors.to_vec());
        Story { world, old, editors, last: Both::default(), written }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Refer(side, parent) => self.refer(*side, *parent),
            Step::See(side) => self.see(*side),
            Step::Again(which) => {
                let known = self.old.get(usize::from(*which) % self.old.len().max(1)).cloned();
                self.world.decide(link_id(1), &Vec::from_iter(known));
            }
            Step::Send(side) => self.send(*side, true, true),
            Step::Lose(side, landed) => self.send(*side, *landed, false),
            Step::Pass(seconds) => {
                self.world.sides.pass(i64::from(*seconds % 20));
                self.world.decide(link_id(1), &[Event::Due]);
            }
            Step::Arrive(parent, only) => self.arrive(parent % 3, *only),
        }
    }

    fn refer(&mut self, side: Side, parent: u8) {
        if self.editors.contains(&side) {
            *self.last.get_mut(side) = name(parent);
            let value = reference(name(parent), side);
            self.world.sides.edit(side, record(side), &[("parent", value)]);
        }
    }

    fn see(&mut self, side: Side) {
        let id = RecordId::from(record(side));
        let observation = Box::new(self.world.sides.observe(side, &id));
        let event = Event::Seen { side, record: id, observation };
        self.old.push(event.clone());
        self.world.decide(link_id(1), &[event]);
    }

    /// The open write leaves; it takes effect or not, and is answered or not.
    fn send(&mut self, side: Side, landed: bool, answered: bool) {
        let Some(sent) = self.world.send(link_id(1), side, true) else { return };
        self.written.push(side);
        if landed {
            self.world.check_nothing_is_lost(&sent);
        }
        if answered {
            return self.world.decide_with(&sent);
        }
        if landed {
            self.world.sides.call(&sent);
        }
        self.world.sides.pass_until(sent.deadline.expect("sent with a deadline"));
        self.world.decide(link_id(1), &[Event::Overdue(sent.id)]);
    }

    fn arrive(&mut self, parent: u8, only: Option<Side>) {
        let link = link_id(900 + u128::from(parent));
        let id = |side| RecordId::new(format!("{}-{side}", PARENTS[usize::from(parent)]));
        let known = self.world.parents.iter().position(|one| one.link == link);
        let mut record =
            known.map_or_else(Both::default, |known| self.world.parents.remove(known).record);
        for side in Side::BOTH.into_iter().filter(|side| only.is_none_or(|only| only == *side)) {
            *record.get_mut(side) = Some(id(side));
        }
        let flow = FlowName::from("people");
        let aliases = Vec::new();
        self.world.parents.push(Parent { flow, link, record, aliases, phase: Phase::Linked });
    }

    /// Every parent comes, everything is seen, nothing fails any more.
    fn heal(&mut self) {
        for parent in 0..3 {
            self.arrive(parent, None);
        }
        for side in Side::BOTH {
            self.see(side);
        }
        self.world.settle();
    }

    fn held(&self) -> bool {
        self.world.link(1).conflicts.iter().any(|one| one.state.holds())
    }

    fn value(&self, side: Side) -> Value {
        self.world.sides.value(side, record(side), "parent").expect("a column").clone()
    }
}

fn strategies() -> Vec<Strategy> {
    vec![
        Strategy::ManualReview,
        Strategy::LastWriteWins { tie: Vec::new() },
        Strategy::LastWriteWins { tie: vec![Tie::Right] },
        Strategy::SourceOfTruth(Left),
        Strategy::SourceOfTruth(Right),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Where one side edits, it is never written to, and the other one follows it in the end.
    #[test]
    fn the_side_that_refers_is_followed_and_never_written_over(
        strategy in proptest::sample::select(strategies()),
        editor in side(),
        one_way in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut story = Story::new(strategy, &[editor]);
        if one_way {
            story.world.spec.fields[2].direction = match editor {
                Left => Direction::ToRight,
                Right => Direction::ToLeft,
            };
        }
        steps.iter().for_each(|step| story.step(step));
        story.heal();
        let wanted = *story.last.get(editor);
        prop_assert_eq!(story.value(editor), reference(wanted, editor));
        prop_assert_eq!(story.value(editor.other()), reference(wanted, editor.other()));
        let written = story.written.iter().chain(story.world.writes.iter().map(|one| &one.side));
        prop_assert_eq!(written.filter(|side| **side == editor).count(), 0);
        prop_assert_eq!(story.world.history.len(), 0, "nobody is asked");
        prop_assert_eq!(story.world.link(1).link.memory.missing.len(), 0);
    }

    /// Where both edit, they agree in the end or a person is asked, and nothing is lost on the way.
    #[test]
    fn both_sides_agree_when_every_parent_has_come(
        strategy in proptest::sample::select(strategies()),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut story = Story::new(strategy, &[Left, Right]);
        steps.iter().for_each(|step| story.step(step));
        story.heal();
        let ends = Side::BOTH.map(|side| story.value(side));
        let parent =
            |value: &Value| format!("{value:?}").replace("-left", "").replace("-right", "");
        if !story.held() {
            prop_assert_eq!(parent(&ends[0]), parent(&ends[1]));
        }
        let writes = story.world.writes.len();
        for event in story.old.clone() {
            story.world.decide(link_id(1), &[event]);
            story.world.settle();
        }
        prop_assert_eq!(story.world.writes.len(), writes, "an echo");
    }
}
