//! Whole stories over two ideal sides: matched, created, changed on both, converged.

use super::support::{World, field, flow, link_id};
use duet_core::conflict::{Choice, ConflictKind, ConflictState};
use duet_core::intent::Op;
use duet_core::link::Phase;
use duet_core::side::Side::{Left, Right};
use duet_core::spec::{OnNone, Strategy};
use duet_core::value::Value;

fn text(text: &str) -> Value {
    Value::text(text)
}

pub(crate) fn customers() -> World {
    let mut spec = flow(vec![
        field("name", Strategy::ManualReview),
        field("phone", Strategy::LastWriteWins { tie: Vec::new() }),
    ]);
    spec.policy.on_none.left = OnNone::Skip;
    spec.policy.on_none.right = OnNone::Create;
    World::new(spec)
}

fn customer(world: &mut World, side: duet_core::side::Side, id: &str, key: &str, name: &str) {
    let columns = [("key", text(key)), ("name", text(name)), ("phone", Value::Null)];
    world.sides.edit(side, id, &columns);
}

#[test]
fn two_halves_with_one_key_become_one_link() {
    let mut world = customers();
    customer(&mut world, Left, "A1", "K1", "Acme");
    customer(&mut world, Right, "C1", "K1", "Acme");
    world.see(1, Left, "A1");
    world.see(2, Right, "C1");
    world.settle();
    let link = &world.link(1).link;
    assert_eq!(link.phase, Phase::Linked);
    assert_eq!(link.record.right.as_ref().map(|id| id.as_str()), Some("C1"));
    assert!(link.synced_at.is_some(), "{:#?}", world.last);
    assert_eq!(world.link(2).link.phase, Phase::Joined);
    assert!(world.writes.is_empty());
}

#[test]
fn what_exists_only_on_the_right_is_created_and_only_on_the_left_is_left_alone() {
    let mut world = customers();
    customer(&mut world, Left, "A1", "K1", "Acme");
    customer(&mut world, Right, "C2", "K2", "Beta");
    world.see(1, Left, "A1");
    world.see(2, Right, "C2");
    world.settle();
    assert_eq!(world.link(1).link.phase, Phase::Unmatched);
    assert_eq!(world.link(2).link.phase, Phase::Linked);
    assert_eq!(world.writes.len(), 1);
    assert_eq!(world.writes[0].op, Op::Create);
    assert_eq!(world.sides.value(Left, "new-left-1", "name"), Some(&text("Beta")));
    assert!(world.link(2).link.synced_at.is_some());
    assert!(world.settle() < 2);
    assert_eq!(world.writes.len(), 1, "nothing is written twice");
}

#[test]
fn different_fields_combine_and_the_same_field_waits_for_a_person() {
    let mut world = customers();
    customer(&mut world, Left, "A1", "K1", "Acme");
    customer(&mut world, Right, "C1", "K1", "Acme");
    world.see(1, Left, "A1");
    world.see(2, Right, "C1");
    world.settle();
    world.sides.edit(Left, "A1", &[("name", text("Acme Inc"))]);
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd")), ("phone", text("5"))]);
    world.see(9, Left, "A1");
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "phone"), Some(&text("5")));
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Acme Inc")));
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Ltd")));
    let conflict = world.link(1).conflicts.iter().find(|one| one.state.holds());
    // Left's edit was seen first, so it is agreed and written; right's came before that write.
    let conflict = conflict.expect("the name is held");
    assert_eq!(conflict.kind, ConflictKind::BothChanged);
    world.resolve(1, Choice::TakeValue(text("Acme SE")));
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Acme SE")));
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme SE")));
    assert!(world.link(1).conflicts.is_empty());
    assert!(world.history.values().all(|one| one.state == ConflictState::Closed));
    let writes = world.writes.len();
    world.see(9, Left, "A1");
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(world.writes.len(), writes, "an echo writes nothing");
    assert!(world.decide(link_id(1), &[]).echo);
}
