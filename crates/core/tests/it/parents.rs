//! Relations (3.7): references to other records, step by step.

use super::protocol::{linked, write};
use super::stories::customers;
use super::support::flow::{any_column, column};
use super::support::sides::failure;
use super::support::{World, field, link_id};
use duet_core::facts::{Event, Parent, Rival};
use duet_core::id::{Column, FlowName, RecordId};
use duet_core::intent::{IntentState, Op, Outcome, Receipt};
use duet_core::link::Phase;
use duet_core::retry::{EXCHANGE_TRIES, Failure, FailureClass};
use duet_core::side::Both;
use duet_core::side::Side::{Left, Right};
use duet_core::spec::{AfterWait, Mapping, MissingParent, Strategy};
use duet_core::value::{Value, ValueType};
use duet_core::verdict::Effect;

fn text(text: &str) -> Value {
    Value::text(text)
}

/// Orders that refer to a record of flow `of`.
pub(crate) fn orders(of: &str, missing: MissingParent) -> World {
    let mut world = customers();
    let mut parent = field("parent", Strategy::ManualReview);
    parent.mapping = Mapping::Parent { flow: FlowName::from(of), missing, none: Both::default() };
    world.spec.fields.push(parent);
    world
}

fn forever() -> MissingParent {
    MissingParent { wait_us: None, then: AfterWait::Flag }
}

fn order(world: &mut World) {
    let columns = [
        ("key", text("K1")),
        ("name", text("Order")),
        ("phone", text("1")),
        ("parent", text("P-right")),
    ];
    world.sides.edit(Right, "O1", &columns);
    world.see(1, Right, "O1");
}

fn parent(left: Option<&str>) -> Parent {
    Parent {
        flow: FlowName::from("people"),
        link: link_id(77),
        record: Both::new(left.map(RecordId::from), Some(RecordId::from("P-right"))),
        aliases: Vec::new(),
        phase: Phase::Linked,
    }
}

#[test]
fn p1_a_reference_is_translated_through_the_parent_s_link() {
    let mut world = orders("people", forever());
    world.parents = vec![parent(Some("P-left"))];
    order(&mut world);
    world.settle();
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
}

#[test]
fn p2_a_create_waits_for_its_parent_and_goes_when_it_is_there() {
    for known in [None, Some(parent(None))] {
        let mut world = orders("people", forever());
        world.parents = known.into_iter().collect();
        order(&mut world);
        world.send_all(link_id(1));
        let verdict = world.last.clone().expect("a verdict");
        assert_eq!(verdict.row.as_str(), "P2");
        assert!(verdict.effects.iter().any(|one| matches!(one, Effect::Await { .. })));
        assert_eq!(verdict.link.due_at, Some(world.sides.now().plus_seconds(1)));
        assert!(write(&world, Left).is_none());
        world.parents = vec![parent(Some("P-left"))];
        world.settle();
        assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
        assert!(world.link(1).link.memory.awaited.is_empty());
    }
}

#[test]
fn p2_looks_are_a_second_apart_and_double_to_a_minute() {
    let mut world = orders("people", forever());
    order(&mut world);
    world.send_all(link_id(1));
    let mut waits = Vec::new();
    for _ in 0..9 {
        let due = world.link(1).link.due_at.expect("it waits");
        waits.push((due.0 - world.sides.now().0) / 1_000_000);
        world.sides.pass_until(due);
        world.decide(link_id(1), &[Event::Due]);
        world.send_all(link_id(1));
    }
    assert_eq!(waits[..6], [1, 2, 4, 8, 16, 32]);
    assert!(waits[6..].iter().all(|wait| (50..=64).contains(wait)), "{waits:?}");
}

#[test]
fn p2_a_field_that_waits_for_its_parent_lets_the_others_through() {
    let mut world = orders("people", forever());
    world.parents = vec![parent(Some("P-left"))];
    order(&mut world);
    world.settle();
    world.sides.edit(Right, "O1", &[("parent", text("Q-right")), ("name", text("Order 2"))]);
    world.see(1, Right, "O1");
    world.send_all(link_id(1));
    assert_eq!(world.sides.value(Left, "new-left-1", "name"), Some(&text("Order 2")));
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
    assert!(world.link(1).link.due_at.is_some());
}

#[test]
fn p4_a_parent_that_does_not_come_is_left_to_a_person_or_left_empty() {
    for (then, parked) in [(AfterWait::Flag, true), (AfterWait::Null, false)] {
        let mut world = orders("people", MissingParent { wait_us: Some(10_000_000), then });
        world.parents = vec![parent(None)];
        order(&mut world);
        world.send_all(link_id(1));
        world.sides.pass(30);
        world.decide(link_id(1), &[Event::Due]);
        world.send_all(link_id(1));
        world.decide(link_id(1), &[Event::Due]);
        if parked {
            let open = write(&world, Left).expect("a parked create");
            assert_eq!((open.op, open.state), (Op::Create, IntentState::Parked));
            let class = open.failure.as_ref().map(|failure| failure.class);
            assert_eq!(class, Some(FailureClass::Dependency));
            world.parents = vec![parent(Some("P-left"))];
            world.settle();
        } else {
            world.settle();
            assert_eq!(world.sides.present(Left).len(), 1);
        }
        assert_eq!(world.sides.present(Left).len(), 1);
    }
}

/// An order whose parent nobody knows is made without it after ten seconds.
fn made_without_its_parent(change: impl Fn(&mut World)) -> World {
    let missing = MissingParent { wait_us: Some(10_000_000), then: AfterWait::Null };
    let mut world = orders("people", missing);
    change(&mut world);
    order(&mut world);
    world.send_all(link_id(1));
    assert!(write(&world, Left).is_none(), "it waits first");
    assert!(world.link(1).link.due_at <= Some(world.sides.now().plus_seconds(10)));
    world.sides.pass(11);
    world.decide(link_id(1), &[Event::Due]);
    world.settle();
    world
}

#[test]
fn p4_a_record_made_without_its_parent_owes_the_reference() {
    for fill_nulls in [true, false] {
        let mut world = made_without_its_parent(|world| {
            world.spec.fields[2].fill_nulls = fill_nulls;
            world.spec.fields[2].strategy = Strategy::LastWriteWins { tie: Vec::new() };
        });
        assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&Value::Null));
        // Our null comes back, later than the reference was set.
        world.see(9, Left, "new-left-1");
        world.settle();
        assert_eq!(world.sides.value(Right, "O1", "parent"), Some(&text("P-right")));
        assert!(world.link(1).conflicts.is_empty());
        world.parents = vec![parent(Some("P-left"))];
        world.settle();
        assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
        assert_eq!(world.sides.value(Right, "O1", "parent"), Some(&text("P-right")));
        assert!(world.history.is_empty(), "{:?}", world.history);
    }
}

#[test]
fn p4_what_stands_for_no_parent_is_written_where_there_is_a_word_for_it() {
    let none = |world: &mut World| {
        let Mapping::Parent { none, .. } = &mut world.spec.fields[2].mapping else {
            panic!("a reference")
        };
        none.left = Some(text("NOBODY"));
    };
    let mut world = made_without_its_parent(none);
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("NOBODY")));
    world.parents = vec![parent(Some("P-left"))];
    world.settle();
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
    world.sides.edit(Right, "O1", &[("parent", text("Q-right"))]);
    world.see(1, Right, "O1");
    world.sides.pass(11);
    world.decide(link_id(1), &[Event::Due]);
    world.settle();
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("NOBODY")));
    assert_eq!(world.sides.value(Right, "O1", "parent"), Some(&text("Q-right")));
}

#[test]
fn p4_a_column_that_must_hold_something_keeps_what_it_has() {
    let missing = MissingParent { wait_us: Some(10_000_000), then: AfterWait::Null };
    let mut world = orders("people", missing);
    let mut known = any_column(ValueType::Text);
    known.nullable = false;
    world.spec.ends.left.columns.insert(column(Left, "parent"), known);
    world.parents = vec![parent(Some("P-left"))];
    order(&mut world);
    world.settle();
    world.sides.edit(Right, "O1", &[("parent", text("Q-right"))]);
    world.see(1, Right, "O1");
    world.sides.pass(11);
    let verdict = world.decide(link_id(1), &[Event::Due]);
    let told: Vec<&str> = verdict.outcomes.iter().map(|told| told.row.as_str()).collect();
    assert!(told.contains(&"P4"), "{told:?}");
    world.settle();
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
    let errors = &world.link(1).link.memory.field_errors;
    assert_eq!(errors.len(), 1, "a person is told: {errors:?}");
}

#[test]
fn p2_a_second_reference_has_a_time_of_its_own() {
    let missing = MissingParent { wait_us: Some(100_000_000), then: AfterWait::Null };
    let mut world = orders("people", missing);
    let mut second = world.spec.fields[2].clone();
    second.name = "second".into();
    second.columns = Both::build(|side| vec![column(side, "second")]);
    world.spec.fields.push(second);
    world.parents = vec![parent(Some("P-left"))];
    let own = [("key", text("K1")), ("name", text("Order")), ("phone", text("1"))];
    let all = [("parent", text("P-right")), ("second", text("P-right"))];
    world.sides.edit(Right, "O1", &[own.as_slice(), all.as_slice()].concat());
    world.see(1, Right, "O1");
    world.settle();
    world.sides.edit(Right, "O1", &[("parent", text("Q-right"))]);
    world.see(1, Right, "O1");
    world.sides.pass(90);
    world.sides.edit(Right, "O1", &[("second", text("R-right"))]);
    world.see(1, Right, "O1");
    world.sides.pass(20);
    world.decide(link_id(1), &[Event::Due]);
    world.send_all(link_id(1));
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&Value::Null));
    assert_eq!(world.sides.value(Left, "new-left-1", "second"), Some(&text("P-left")));
}

#[test]
fn p5_a_reference_within_the_flow_is_filled_afterwards() {
    let mut world = orders("things", forever());
    let mut own = parent(None);
    own.flow = FlowName::from("things");
    world.parents = vec![own.clone()];
    order(&mut world);
    world.send_all(link_id(1));
    world.send_all(link_id(1));
    assert_eq!(world.sides.present(Left).len(), 1, "made without its parent");
    world.sides.edit(Left, "new-left-1", &[("parent", Value::Null)]);
    world.see(1, Left, "new-left-1");
    own.record.left = Some(RecordId::from("P-left"));
    world.parents = vec![own];
    world.settle();
    assert_eq!(world.sides.value(Left, "new-left-1", "parent"), Some(&text("P-left")));
}

#[test]
fn p6_after_a_parent_s_deletion_the_other_side_is_read_before_it_is_judged() {
    let mut world = orders("people", forever());
    world.parents = vec![parent(Some("P-left"))];
    order(&mut world);
    world.settle();
    world.parents[0].phase = Phase::Tombstoned;
    // Both sides cascade; the left one's own event is late.
    world.sides.delete(Right, "O1");
    world.sides.delete(Left, "new-left-1");
    let verdict = world.see(1, Right, "O1");
    assert_eq!(verdict.row.as_str(), "P6");
    world.settle();
    assert_eq!(world.link(1).link.phase, Phase::Tombstoned);
    assert!(world.link(1).conflicts.is_empty());
}

/// A customer whose new name, unique on the right, is taken there; so many refusals later.
fn clash(rivals: impl Fn(&Column) -> Vec<Rival>, refusals: u32) -> (World, Column) {
    let mut world = customers();
    let unique = column(Right, "name");
    world.spec.ends.right.columns.insert(unique.clone(), any_column(ValueType::Text));
    let mut world = linked(world);
    world.rivals = rivals(&unique);
    world.sides.edit(Left, "A1", &[("name", text("Beta"))]);
    world.see(9, Left, "A1");
    refuse(&mut world, &unique, refusals);
    (world, unique)
}

/// The next calls to the right are refused because a unique value is taken.
fn refuse(world: &mut World, unique: &Column, times: u32) {
    for _ in 0..times {
        let due = write(world, Right).and_then(|one| one.due_at).expect("a write is planned");
        world.sides.pass_until(due);
        let sent = world.send(link_id(1), Right, true).expect("sent");
        let mut refusal = failure(FailureClass::Uniqueness);
        refusal.columns = vec![unique.to_string()];
        let now = world.sides.now();
        let outcome = Outcome::Refused { failure: refusal, observed: None };
        let receipt = Receipt { intent: sent.id, at: now, sent_at: now, outcome };
        world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    }
}

/// The holder of the name that is wanted; it is to get this one.
fn rival(column: &Column, wanted: &str, refused: bool) -> Rival {
    let (side, link, column) = (Right, link_id(2), column.clone());
    Rival { side, column, held: text("Beta"), link, wanted: text(wanted), refused }
}

#[test]
fn p7_two_records_that_exchange_a_unique_value_get_there_in_steps() {
    for (wanted, refused) in [("Acme", false), ("third", true)] {
        let (mut world, unique) =
            clash(|column| vec![rival(column, wanted, refused)], EXCHANGE_TRIES);
        let sent = world.send(link_id(1), Right, true).expect("it gives way at once");
        assert_eq!(sent.values.get(&unique), Some(&Value::Null));
        world.decide_with(&sent);
        refuse(&mut world, &unique, EXCHANGE_TRIES + 1);
        assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Planned));
        // The other record takes the old value in the end; ours follows.
        world.settle();
        assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Beta")));
        assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Beta")), "nothing is lost");
    }
}

#[test]
fn p7_a_value_that_nobody_gives_up_is_a_person_s_matter_and_ours_stays() {
    let others = |column: &Column| vec![Rival { held: text("x"), ..rival(column, "Acme", true) }];
    for rivals in [&others as &dyn Fn(&Column) -> Vec<Rival>, &|_| Vec::new()] {
        let (mut world, _) = clash(rivals, EXCHANGE_TRIES);
        assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Parked));
        world.settle();
        assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme")));
        assert!(world.link(1).link.memory.vacate.is_empty());
    }
}

#[test]
fn p7_a_holder_that_is_on_its_way_to_another_value_is_waited_for() {
    let (mut world, _) = clash(|column| vec![rival(column, "third", false)], EXCHANGE_TRIES + 2);
    assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Planned));
    world.settle();
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Beta")));
}

#[test]
fn p4_a_create_that_lacks_its_parent_is_never_sent_when_it_is_planned_by_hand() {
    let missing = MissingParent { wait_us: Some(10_000_000), then: AfterWait::Flag };
    let mut world = orders("people", missing);
    world.parents = vec![parent(None)];
    order(&mut world);
    world.send_all(link_id(1));
    world.sides.pass(30);
    world.decide(link_id(1), &[Event::Due]);
    world.send_all(link_id(1));
    world.decide(link_id(1), &[Event::Due]);
    let slot = &mut world.links.get_mut(&link_id(1)).expect("the link").intents.left.write;
    let open = slot.as_mut().expect("a parked create");
    assert!(open.failure.as_ref().is_some_and(Failure::is_missing_parent));
    (open.state, open.due_at) = (IntentState::Planned, Some(open.planned_at));
    world.decide(link_id(1), &[Event::Due]);
    assert_eq!(write(&world, Left).map(|one| one.state), Some(IntentState::Parked));
    world.settle();
    assert!(world.writes.is_empty(), "the record isn't complete");
}

#[test]
fn p8_children_are_woken_when_their_parent_gets_a_record() {
    let mut world = customers();
    let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(Right, "C1", &columns);
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is out");
    let receipt = world.sides.call(&sent);
    let verdict = world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    for side in [Left, Right] {
        assert!(verdict.effects.contains(&Effect::WakeChildren(side)));
    }
}
