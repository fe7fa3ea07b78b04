//! What is asked for before a decision: match keys only where a partner may be looked for, holders
//! only of records that aren't the link's own, rivals only of values that stay taken. That nothing
//! else makes a difference is checked with every decision of these tests (`World::decide`).

use super::protocol::linked;
use super::stories::customers;
use super::support::sides::failure;
use super::support::{World, at, link_id};
use duet_core::conflict::{Choice, Resolution};
use duet_core::facts::{Event, Facts};
use duet_core::id::{IntentId, RecordId};
use duet_core::intent::{Found, Intent, Outcome, Receipt};
use duet_core::link::Phase;
use duet_core::observation::{Deletion, Observation, Presence};
use duet_core::reconcile::{Needs, needs};
use duet_core::retry::{EXCHANGE_TRIES, FailureClass};
use duet_core::side::Side::{self, Left, Right};
use duet_core::value::Value;

/// A linked customer with an update of the right side under way.
fn writing() -> (World, Intent) {
    let mut world = linked(customers());
    world.sides.edit(Left, "A1", &[("name", Value::text("Acme Inc"))]);
    world.see(1, Left, "A1");
    let intent = world.link(1).intents.right.write.clone().expect("it is to be written");
    (world, intent)
}

fn asked(world: &World, facts: &Facts, event: Event) -> Needs {
    needs(facts, &[event], &world.spec)
}

fn seen(world: &World, side: Side, record: &str, id: &str) -> Event {
    let observation = Box::new(world.sides.observe(side, &RecordId::from(record)));
    Event::Seen { side, record: RecordId::from(id), observation }
}

fn become_(presence: Presence) -> Observation {
    Observation { presence, ..Observation::default() }
}

fn received(intent: IntentId, outcome: Outcome) -> Event {
    Event::Received(Box::new(Receipt { intent, at: at(9), sent_at: at(8), outcome }))
}

fn landed(record: &str, after: Option<Observation>) -> Outcome {
    Outcome::Landed { record: RecordId::from(record), after: after.map(Box::new) }
}

fn found(record: &str) -> Found {
    let observation = Observation { presence: Presence::Present, ..Observation::default() };
    Found { record: RecordId::from(record), rule: Some(0), observation }
}

fn keys(needs: &Needs) -> usize {
    needs.keys.len()
}

#[test]
fn a_record_that_is_alone_asks_who_else_has_its_key() {
    let mut world = customers();
    world.sides.edit(Left, "A1", &[("key", Value::text("K1")), ("name", Value::text("Acme"))]);
    let facts = super::support::state::fresh(1);
    let needs = asked(&world, &facts, seen(&world, Left, "A1", "A1"));
    assert_eq!(needs.keys, [(0, "K1".to_owned())]);
    assert_eq!(needs.holders, [(Left, RecordId::from("A1"))], "led here by a marker, perhaps");
}

#[test]
fn a_whole_link_asks_for_nothing_while_both_records_are_there() {
    let (world, intent) = writing();
    let facts = world.link(1);
    let here = || world.sides.observe(Right, &RecordId::from("C1"));
    for event in [
        seen(&world, Left, "A1", "A1"),
        seen(&world, Right, "C1", "C1"),
        received(intent.id, landed("C1", None)),
        received(intent.id, landed("C1", Some(here()))),
        received(intent.id, Outcome::Read(Box::new(here()))),
    ] {
        assert_eq!(asked(&world, facts, event.clone()), Needs::default(), "{event:?}");
    }
    assert_eq!(needs(facts, &[], &world.spec), Needs::default());
}

#[test]
fn whatever_may_part_a_link_asks_for_its_keys() {
    let (world, intent) = writing();
    let facts = world.link(1);
    let gone = || become_(Presence::Deleted(Deletion::Hard));
    let of_another = |observation| {
        let (side, record) = (Left, RecordId::from("A1"));
        Event::Seen { side, record, observation: Box::new(observation) }
    };
    let refused = |observed: Option<Found>| Outcome::Refused {
        failure: failure(FailureClass::Gone),
        observed: observed.map(Box::new),
    };
    for event in [
        Event::Due,
        Event::Overdue(intent.id),
        Event::KeyTaken { side: Left, record: RecordId::from("A1") },
        Event::KeyChanged {
            side: Left,
            old: RecordId::from("A1"),
            new: RecordId::from("A9"),
            order: None,
        },
        of_another(gone()),
        of_another(become_(Presence::Unknown)),
        seen(&world, Left, "A1", "A9"),
        received(intent.id, landed("C9", None)),
        received(intent.id, landed("C1", Some(gone()))),
        received(intent.id, Outcome::Read(Box::new(gone()))),
        received(intent.id, Outcome::Found(vec![found("C9")])),
        received(intent.id, refused(None)),
        received(intent.id, Outcome::Unknown(failure(FailureClass::UnknownOutcome))),
        received(intent.id, Outcome::NotSent(failure(FailureClass::Unreachable))),
        received(IntentId(link_id(77).0), landed("C1", None)),
    ] {
        assert_eq!(keys(&asked(&world, facts, event.clone())), 1, "{event:?}");
    }
}

#[test]
fn a_link_that_is_not_whole_asks_for_its_keys_whatever_happens() {
    let (world, _) = writing();
    let event = || seen(&world, Left, "A1", "A1");
    let half = |change: fn(&mut Facts)| {
        let mut facts = world.link(1).clone();
        change(&mut facts);
        keys(&asked(&world, &facts, event()))
    };
    assert_eq!(half(|_| {}), 0);
    assert_eq!(half(|facts| facts.link.record.right = None), 1);
    assert_eq!(half(|facts| facts.link.phase = Phase::Matching), 1);
    assert_eq!(half(|facts| facts.link.phase = Phase::Tombstoned), 1);
    assert_eq!(half(|facts| facts.seen.right = None), 1);
    let gone = |facts: &mut Facts| {
        let right = facts.seen.right.as_mut().expect("it was seen");
        right.presence = Presence::Deleted(Deletion::Soft);
    };
    assert_eq!(half(gone), 1);
}

#[test]
fn one_event_among_others_is_enough_to_ask() {
    let (world, intent) = writing();
    let calm = || seen(&world, Left, "A1", "A1");
    let events = [calm(), Event::Overdue(intent.id), calm()];
    assert_eq!(keys(&needs(world.link(1), &events, &world.spec)), 1);
}

#[test]
fn the_holder_of_a_record_is_asked_for_unless_it_is_this_link() {
    let (world, intent) = writing();
    let facts = world.link(1);
    let held = |outcome| asked(&world, facts, received(intent.id, outcome)).holders;
    assert!(held(landed("C1", None)).is_empty());
    assert_eq!(held(landed("C9", None)), [(Right, RecordId::from("C9"))]);
    let several = Outcome::Found(vec![found("C2"), found("C3")]);
    assert_eq!(held(several), [(Right, RecordId::from("C2")), (Right, RecordId::from("C3"))]);
    let taken = Outcome::Refused {
        failure: failure(FailureClass::Uniqueness),
        observed: Some(Box::new(found("C4"))),
    };
    assert_eq!(held(taken), [(Right, RecordId::from("C4"))]);
    let winner = RecordId::from("A7");
    let merged = become_(Presence::Deleted(Deletion::MergedInto(winner.clone())));
    let (side, record) = (Left, RecordId::from("A1"));
    let event = Event::Seen { side, record, observation: Box::new(merged) };
    assert_eq!(asked(&world, facts, event).holders, [(Left, winner)]);
}

#[test]
fn rivals_are_asked_for_when_a_unique_value_stays_taken() {
    let (mut world, intent) = writing();
    let taken = |columns: &[&str]| {
        let mut failure = failure(FailureClass::Uniqueness);
        failure.columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Outcome::Refused { failure, observed: None }
    };
    let column = intent.values.keys().next().expect("it writes one").clone();
    let tried =
        |world: &World, outcome| asked(world, world.link(1), received(intent.id, outcome)).rivals;
    assert!(tried(&world, taken(&[column.as_str()])).is_empty(), "it may be free soon");
    let facts = world.links.get_mut(&link_id(1)).expect("it is there");
    let write = facts.intents.right.write.as_mut().expect("it is open");
    write.attempts = EXCHANGE_TRIES;
    let wanted = [(Right, column.clone(), Value::text("Acme Inc"))];
    assert_eq!(tried(&world, taken(&[column.as_str()])), wanted);
    assert!(tried(&world, taken(&["another"])).is_empty());
    assert!(tried(&world, taken(&[])).is_empty(), "nobody knows which");
}

#[test]
fn every_marker_that_events_name_is_looked_up_once() {
    let (mut world, intent) = writing();
    world.sides.call(&intent);
    let marked = seen(&world, Right, "C1", "C1");
    let shown = world.sides.observe(Right, &RecordId::from("C1"));
    assert_eq!(shown.marker, Some(intent.id), "the write left it");
    let other = IntentId(link_id(78).0);
    for (events, wanted) in [
        (vec![Event::Due], vec![]),
        (vec![seen(&world, Left, "A1", "A1")], vec![]),
        (vec![marked.clone(), marked.clone()], vec![intent.id]),
        (vec![Event::Overdue(other)], vec![other]),
        (vec![received(other, landed("C1", None))], vec![other]),
        (vec![received(other, landed("C1", Some(shown.clone())))], vec![other, intent.id]),
        (vec![received(other, Outcome::Read(Box::new(shown)))], vec![other, intent.id]),
        (
            vec![Event::KeyTaken { side: Left, record: RecordId::from("A1") }, marked],
            vec![intent.id],
        ),
    ] {
        let mut wanted: Vec<IntentId> = wanted;
        wanted.sort_unstable();
        assert_eq!(duet_core::reconcile::markers(&events), wanted, "{events:?}");
    }
}

#[test]
fn what_a_person_chose_is_looked_up() {
    let mut world = customers();
    for (number, side, id) in [(1, Left, "A1"), (2, Left, "A2"), (3, Right, "C1")] {
        let columns = [("key", Value::text("K1")), ("name", Value::text("Acme"))];
        world.sides.edit(side, id, &columns);
        world.see(number, side, id);
    }
    world.settle();
    let mut facts = world.link(3).clone();
    let with = |facts: &mut Facts, choice: Choice| {
        let open = facts.conflicts.first_mut().expect("a person is asked");
        let (seen, by) = (open.seen.clone(), "ada".to_owned());
        let (note, earlier) = (None, Vec::new());
        open.resolution = Some(Resolution { choice, seen, by, note, at: at(0), earlier });
        asked(&world, facts, Event::Due)
    };
    let parent = link_id(55);
    let chosen = with(&mut facts, Choice::LinkWith(RecordId::from("A2")));
    assert_eq!(chosen.holders, [(Left, RecordId::from("A2"))]);
    let value = with(&mut facts, Choice::TakeValue(Value::Link(parent)));
    assert_eq!((value.holders, value.parent_links), (Vec::new(), vec![parent]));
    assert!(with(&mut facts, Choice::CreateNew).holders.is_empty());
}
