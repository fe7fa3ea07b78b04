//! Holds and a person's decisions (3.5): step by step.

use super::protocol::{linked, write};
use super::stories::customers;
use super::support::{World, link_id};
use duet_core::conflict::{
    Choice, CloseReason, ConflictKind, ConflictState, Decider, Resolution, Standing, Weighed,
};
use duet_core::facts::Event;
use duet_core::side::Side::{Left, Right};
use duet_core::spec::DeletePolicy;
use duet_core::stamp::Stamp;
use duet_core::value::Value;

fn text(text: &str) -> Value {
    Value::text(text)
}

/// Both sides changed the name before either reached the other.
fn held() -> World {
    let mut world = linked(customers());
    world.sides.edit(Left, "A1", &[("name", text("L"))]);
    world.sides.edit(Right, "C1", &[("name", text("R"))]);
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = true;
    world.see(9, Left, "A1");
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = false;
    world.see(9, Right, "C1");
    assert_eq!(world.conflict(1).kind, ConflictKind::BothChanged);
    world
}

fn only(world: &World) -> &duet_core::conflict::Conflict {
    world.history.values().next().expect("one conflict")
}

#[test]
fn h1_a_held_field_that_changes_again_shows_the_new_values() {
    let mut world = held();
    let (seen, rev) = (world.conflict(1).seen.clone(), world.conflict(1).rev);
    world.sides.edit(Right, "C1", &[("name", text("R2"))]);
    world.see(9, Right, "C1");
    let open = world.conflict(1);
    assert!(open.seen != seen && open.rev == rev + 1 && open.state == ConflictState::Open);
    world.settle();
    assert!(world.writes.is_empty());
}

#[test]
fn h2_both_sides_reach_the_same_by_themselves() {
    let mut world = held();
    world.sides.edit(Right, "C1", &[("name", text("L"))]);
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(only(&world).reason, Some(CloseReason::Converged));
    assert!(world.writes.is_empty() && world.link(1).link.synced_at.is_some());
}

#[test]
fn h3_one_side_goes_back_and_the_other_counts() {
    let mut world = held();
    world.sides.edit(Right, "C1", &[("name", text("Acme"))]);
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(only(&world).reason, Some(CloseReason::Dissolved));
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("L")));
}

#[test]
fn h4_every_choice_is_applied_and_closed_when_it_is_confirmed() {
    let choices = [
        (Choice::TakeLeft, "L"),
        (Choice::TakeRight, "R"),
        (Choice::TakeAgreed, "Acme"),
        (Choice::TakeValue(text("X")), "X"),
    ];
    for (choice, wanted) in choices {
        let mut world = held();
        world.resolve(1, choice);
        assert_eq!(world.conflict(1).state, ConflictState::Applied);
        world.settle();
        let both = [world.sides.value(Left, "A1", "name"), world.sides.value(Right, "C1", "name")];
        assert_eq!(both, [Some(&text(wanted)), Some(&text(wanted))]);
        let stored = only(&world);
        assert_eq!(stored.reason, Some(CloseReason::Converged));
        assert_eq!(stored.decided_by, Some(Decider::Person("ada".to_owned())));
    }
}

#[test]
fn h4_left_alone_stays_as_it_is() {
    let mut world = held();
    world.resolve(1, Choice::LeaveAlone);
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("L")));
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("R")));
    assert!(world.writes.is_empty());
    world.sides.edit(Right, "C1", &[("name", text("R2"))]);
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("L")).or(Some(&text("R2"))));
}

#[test]
fn h5_a_decision_about_other_values_is_refused() {
    let mut world = held();
    world.sides.edit(Right, "C1", &[("name", text("R2"))]);
    let facts = world.links.get_mut(&link_id(1)).expect("the link");
    facts.flow.paused = true;
    world.see(9, Right, "C1");
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = false;
    world.resolve(1, Choice::TakeRight);
    let open = world.conflict(1);
    assert_eq!(open.state, ConflictState::Open);
    assert!(open.resolution.is_some(), "kept as a suggestion");
    world.settle();
    assert!(world.writes.is_empty());
}

#[test]
fn h6_a_change_while_the_decision_is_written_is_asked_again() {
    let mut world = held();
    world.resolve(1, Choice::TakeLeft);
    assert!(write(&world, Right).is_some());
    world.sides.edit(Right, "C1", &[("name", text("R2"))]);
    world.settle();
    let open = world.conflict(1);
    assert_eq!(open.state, ConflictState::Open);
    assert!(open.resolution.is_some());
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("R2")));
}

#[test]
fn h7_a_deletion_absorbs_the_hold_of_a_field() {
    let mut world = held();
    world.spec.policy.deletes.left = DeletePolicy::Propagate;
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    let open: Vec<_> = world.link(1).conflicts.iter().map(|one| one.kind).collect();
    assert_eq!(open, vec![ConflictKind::DeleteUpdate]);
    let closed = world.history.values().find(|one| one.kind == ConflictKind::BothChanged);
    assert_eq!(closed.and_then(|one| one.reason), Some(CloseReason::Obsolete));
}

#[test]
fn h8_a_field_that_is_no_longer_mapped_closes_its_hold() {
    let mut world = held();
    world.spec.fields.remove(0);
    world.decide(link_id(1), &[Event::Due]);
    assert_eq!(only(&world).reason, Some(CloseReason::Obsolete));
}

#[test]
fn h9_a_snoozed_hold_comes_back_and_is_told() {
    let mut world = held();
    let until = world.sides.now().plus_seconds(30);
    let facts = world.links.get_mut(&link_id(1)).expect("the link");
    facts.conflicts[0].state = ConflictState::Snoozed;
    facts.conflicts[0].until = Some(until);
    let verdict = world.decide(link_id(1), &[Event::Due]);
    assert_eq!(verdict.link.due_at, Some(until));
    world.settle();
    assert_eq!(world.conflict(1).state, ConflictState::Open);
    assert_eq!(world.alerts.len(), 1);
}

#[test]
fn h10_a_second_field_is_held_apart_and_others_flow() {
    let mut world = held();
    world.spec.fields[1].strategy = duet_core::spec::Strategy::ManualReview;
    world.sides.edit(Left, "A1", &[("phone", text("2"))]);
    world.sides.edit(Right, "C1", &[("phone", text("3"))]);
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = true;
    world.see(9, Left, "A1");
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = false;
    world.see(9, Right, "C1");
    assert_eq!(world.link(1).conflicts.len(), 2);
    let first = world.conflict(1).scope.clone();
    world.resolve(1, Choice::TakeLeft);
    world.settle();
    assert_eq!(world.link(1).conflicts.len(), 1);
    assert_ne!(world.conflict(1).scope, first);
}

#[test]
fn h11_a_decision_repeated_changes_nothing() {
    let mut world = held();
    world.resolve(1, Choice::TakeLeft);
    world.settle();
    let writes = world.writes.len();
    world.decide(link_id(1), &[Event::Due]);
    world.settle();
    assert_eq!(world.writes.len(), writes);
    assert!(world.link(1).conflicts.is_empty());
}

fn decided(by: &str, choice: Choice, seen: &str) -> Resolution {
    let (by, seen) = (by.to_owned(), seen.to_owned());
    Resolution { choice, seen, by, note: None, at: Stamp(7), earlier: Vec::new() }
}

/// Two people looked at revision 1; ann's decision made it 2. Every state, every second choice,
/// every revision that bob may name, with and without naming what ann decided.
#[test]
fn h11_of_two_persons_the_first_wins() {
    let ann = decided("ann", Choice::TakeLeft, "now");
    let weigh = |state, rev: i64, bob: &Resolution| {
        Standing { state, rev: 2, seen: "now", made: Some(&ann) }.weigh(rev, bob)
    };
    let choices = [Choice::TakeLeft, Choice::TakeRight, Choice::TakeValue(text("L"))];
    for (choice, rev, seen, names) in choices.into_iter().flat_map(|choice| {
        let looks = [(1, "now"), (2, "now"), (2, "then")].into_iter();
        let looks = looks.flat_map(|(rev, seen)| [(rev, seen, false), (rev, seen, true)]);
        looks.map(move |(rev, seen, names)| (choice.clone(), rev, seen, names))
    }) {
        let mut bob = decided("bob", choice, seen);
        bob.earlier.extend(names.then(|| ann.clone()));
        let same = bob.choice == ann.choice && seen == "now";
        let fresh = if rev == 2 && seen == "now" { Weighed::New } else { Weighed::Stale };
        let stands = if same { Weighed::Again } else { Weighed::Stale };
        for state in [ConflictState::Open, ConflictState::Snoozed] {
            assert_eq!(weigh(state, rev, &bob), fresh, "a suggestion binds nobody");
        }
        let waits = if names && !same { fresh } else { stands };
        assert_eq!(weigh(ConflictState::Decided, rev, &bob), waits, "{bob:?} at {rev}");
        assert_eq!(weigh(ConflictState::Applied, rev, &bob), stands, "{bob:?} at {rev}");
        assert_eq!(weigh(ConflictState::Closed, rev, &bob), Weighed::Over);
        let rule = Standing { state: ConflictState::Applied, rev: 2, seen: "now", made: None };
        assert_eq!(rule.weigh(rev, &bob), Weighed::Over, "a rule is at it");
    }
}

#[test]
fn a_hold_of_one_field_lets_the_others_through() {
    let mut world = held();
    world.sides.edit(Right, "C1", &[("phone", text("7"))]);
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "phone"), Some(&text("7")));
    assert_eq!(world.conflict(1).state, ConflictState::Open);
}

#[test]
fn a_deletion_is_decided_by_a_person() {
    for (choice, left, right) in
        [(Choice::TakeLeft, 0, 0), (Choice::TakeRight, 1, 1), (Choice::LeaveAlone, 0, 1)]
    {
        let mut world = linked(customers());
        world.sides.delete(Left, "A1");
        world.see(9, Left, "A1");
        assert_eq!(world.conflict(1).kind, ConflictKind::DeleteUpdate);
        world.resolve(1, choice);
        world.settle();
        let present = (world.sides.present(Left).len(), world.sides.present(Right).len());
        assert_eq!(present, (left, right));
        assert!(world.link(1).conflicts.is_empty(), "{:?}", world.link(1).conflicts);
    }
}
