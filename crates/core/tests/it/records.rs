//! Records that go, come back, are merged, change their key: step by step.

use super::protocol::{linked, write};
use super::stories::customers;
use super::support::sides::failure;
use super::support::{World, link_id};
use duet_core::agreed::Agreed;
use duet_core::conflict::{Choice, ConflictKind, ConflictState};
use duet_core::facts::{Event, FlowState, Holder};
use duet_core::id::{Column, RecordId};
use duet_core::intent::{IntentState, Op, Outcome, Receipt};
use duet_core::link::{Alias, Phase};
use duet_core::observation::{Absence, Deletion, Observation, Presence};
use duet_core::retry::FailureClass;
use duet_core::side::Both;
use duet_core::side::Side::{Left, Right};
use duet_core::spec::{DeleteConflict, DeletePolicy, LeaveFilter, OnNone};
use duet_core::value::Value;
use duet_core::verdict::Effect;

fn text(text: &str) -> Value {
    Value::text(text)
}

fn propagating() -> World {
    let mut world = customers();
    world.spec.policy.deletes.left = DeletePolicy::Propagate;
    world.spec.policy.deletes.right = DeletePolicy::Propagate;
    linked(world)
}

#[test]
fn r30_a_deletion_is_carried_over_and_remembered() {
    let mut world = propagating();
    world.sides.delete(Left, "A1");
    let verdict = world.see(9, Left, "A1");
    assert_eq!(verdict.row.as_str(), "R30");
    assert!(verdict.effects.contains(&Effect::CountDelete(Right)));
    world.settle();
    assert!(world.sides.present(Right).is_empty());
    assert_eq!(world.link(1).link.phase, Phase::Tombstoned);
    assert!(world.claims.is_empty(), "a tombstone claims nothing (R53, M5)");
}

#[test]
fn r32_the_other_side_changed_between_plan_and_deletion() {
    let mut world = propagating();
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.settle();
    assert_eq!(world.sides.present(Right).len(), 1);
    assert_eq!(world.conflict(1).kind, ConflictKind::DeleteUpdate);
}

#[test]
fn r38_the_brake_holds_deletions_until_it_is_lifted() {
    let mut world = propagating();
    world.links.get_mut(&link_id(1)).expect("the link").flow.deletes_held = true;
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    world.settle();
    assert_eq!(world.sides.present(Right).len(), 1);
    let running = FlowState { adopted: true, paused: false, deletes_held: false };
    world.links.get_mut(&link_id(1)).expect("the link").flow = running;
    world.settle();
    assert!(world.sides.present(Right).is_empty());
}

#[test]
fn r39_dependants_refuse_the_deletion_and_both_stay() {
    let mut world = propagating();
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    let sent = world.send(link_id(1), Right, true).expect("a delete is sent");
    let refusal = failure(FailureClass::Restricted);
    let now = world.sides.now();
    let outcome = Outcome::Refused { failure: refusal, observed: None };
    let receipt = Receipt { intent: sent.id, at: now, sent_at: now, outcome };
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    assert_eq!(world.conflict(1).kind, ConflictKind::DeleteRefused);
    world.settle();
    assert!(write(&world, Right).is_none(), "it isn't tried again by itself");
    world.resolve(1, Choice::TakeRight);
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1, "the record is made again");
    assert!(world.link(1).conflicts.is_empty());
}

#[test]
fn r35_a_changed_record_outlives_a_deletion() {
    let mut world = propagating();
    world.spec.policy.on_delete_conflict = DeleteConflict::UpdateWins;
    world.sides.delete(Left, "A1");
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.see(9, Left, "A1");
    world.see(9, Right, "C1");
    world.settle();
    let link = &world.link(1).link;
    let made = link.record.left.clone().expect("made again");
    assert_eq!(world.sides.value(Left, made.as_str(), "name"), Some(&text("Acme Ltd")));
    assert!(link.aliases.contains(&Alias { side: Left, record: RecordId::from("A1") }));
    assert!(link.synced_at.is_some());
    assert!(world.link(1).conflicts.is_empty(), "{:?}", world.link(1).conflicts);
    assert_eq!(world.history.len(), 1, "the decision is stored");
}

#[test]
fn r36_what_a_deletion_destroys_was_stored_before() {
    let mut world = propagating();
    world.spec.policy.on_delete_conflict = DeleteConflict::DeleteWins;
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.sides.delete(Left, "A1");
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = true;
    world.see(9, Right, "C1");
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = false;
    world.see(9, Left, "A1");
    world.settle();
    assert!(world.sides.present(Right).is_empty());
    let stored = world.history.values().next().expect("a conflict is stored");
    assert!(stored.sides.right.values.values().any(|value| *value == text("Acme Ltd")));
    assert_eq!(stored.state, ConflictState::Closed);
}

/// A record was deleted on the left, and the deletion on the right destroyed an edit nobody saw.
fn destroyed() -> World {
    let mut world = propagating();
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    let sent = world.send(link_id(1), Right, true).expect("a delete is sent");
    let record = RecordId::from("C1");
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.sides.become_(Right, "C1", Presence::Deleted(Deletion::Soft));
    let after = Some(Box::new(world.sides.observe(Right, &record)));
    let now = world.sides.now();
    let outcome = Outcome::Landed { record, after };
    let receipt = Receipt { intent: sent.id, at: now, sent_at: now, outcome };
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    world
}

#[test]
fn a_deletion_without_a_condition_tells_what_it_destroyed() {
    let world = destroyed();
    let open = world.conflict(1);
    assert_eq!((open.kind, open.state), (ConflictKind::DeleteUpdate, ConflictState::Open));
    assert!(open.sides.right.values.values().any(|value| *value == text("Acme Ltd")));
}

#[test]
fn what_a_deletion_destroyed_stays_deleted_or_is_made_again_as_a_person_decides() {
    for undelete in [false, true] {
        for (choice, left) in
            [(Choice::TakeLeft, 0), (Choice::LeaveAlone, 0), (Choice::TakeRight, 1)]
        {
            let mut world = destroyed();
            world.spec.ends.right.promise.undelete = undelete;
            world.settle();
            assert_eq!(world.link(1).link.phase, Phase::Tombstoned);
            world.resolve(1, choice.clone());
            world.settle();
            let there = [Left, Right].map(|side| world.sides.present(side).len());
            assert_eq!(there, [left, left], "{choice:?} {undelete}");
            assert!(world.link(1).conflicts.is_empty(), "{:?}", world.link(1).conflicts);
            for side in [Left, Right] {
                let record = world.sides.present(side).first().map(|id| id.as_str().to_owned());
                let name = record.and_then(|id| world.sides.value(side, &id, "name").cloned());
                assert_eq!(name, (left > 0).then(|| text("Acme Ltd")), "{choice:?} {undelete}");
            }
        }
    }
}

#[test]
fn h5_a_decision_about_a_destroyed_record_that_names_other_values_is_refused() {
    let mut world = destroyed();
    world.links.get_mut(&link_id(1)).expect("the link").conflicts[0].seen =
        "of yesterday".to_owned();
    world.resolve(1, Choice::TakeRight);
    world.settle();
    assert_eq!(world.conflict(1).state, ConflictState::Open);
    assert!(world.sides.present(Right).is_empty() && world.conflict(1).sides.right.present);
    world.resolve(1, Choice::TakeRight);
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1, "the second one names what is there");
}

#[test]
fn r41_back_in_scope_is_compared_with_what_was_agreed() {
    let mut world = linked(customers());
    world.spec.policy.on_leave_filter = LeaveFilter::Unlink;
    world.sides.become_(Left, "A1", Presence::OutOfScope(Absence::Filter));
    world.see(9, Left, "A1");
    assert_eq!(world.link(1).link.phase, Phase::Unlinked);
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.see(9, Right, "C1");
    world.sides.become_(Left, "A1", Presence::Present);
    let verdict = world.see(9, Left, "A1");
    assert_eq!(verdict.row.as_str(), "R41");
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Acme Ltd")));
}

#[test]
fn a_person_s_unlinking_stays() {
    let mut world = linked(customers());
    world.links.get_mut(&link_id(1)).expect("the link").link.phase = Phase::Unlinked;
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.see(9, Right, "C1");
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Acme")));
}

/// Both records are gone, and the right one comes back under its id.
fn came_back(world: &mut World) {
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    world.settle();
    assert_eq!(world.link(1).link.phase, Phase::Tombstoned);
    let columns = [("key", text("K1")), ("name", text("Again")), ("phone", text("2"))];
    world.sides.edit(Right, "C1", &columns);
    world.sides.become_(Right, "C1", Presence::Present);
}

#[test]
fn r50_what_came_back_alone_is_made_again_on_the_other_side() {
    for on_none in [OnNone::Skip, OnNone::Flag, OnNone::Create] {
        let mut world = propagating();
        world.spec.policy.on_none = Both::build(|_| on_none);
        came_back(&mut world);
        let verdict = world.see(9, Right, "C1");
        assert_eq!(verdict.row.as_str(), "R50");
        world.settle();
        let link = &world.link(1).link;
        assert_eq!((link.phase, link.memory.revived), (Phase::Linked, false), "{on_none:?}");
        let left = link.record.left.clone().expect("it is made");
        assert_eq!(world.sides.value(Left, left.as_str(), "name"), Some(&text("Again")));
    }
}

#[test]
fn r50_what_came_back_on_both_sides_under_new_ids_is_one_pair() {
    let mut world = propagating();
    came_back(&mut world);
    let columns = [("key", text("K1")), ("name", text("Again")), ("phone", text("2"))];
    world.sides.edit(Left, "A2", &columns);
    world.see(9, Right, "C1");
    world.settle();
    let record = &world.link(1).link.record;
    assert_eq!(
        (record.left.as_ref(), record.right.as_ref()),
        (Some(&"A2".into()), Some(&"C1".into()))
    );
    let there = world
        .sides
        .rows
        .left
        .keys()
        .filter(|id| world.sides.value(Left, id.as_str(), "name") == Some(&text("Again")));
    assert_eq!(there.count(), 1, "nothing is made");
}

#[test]
fn r53_a_new_record_with_an_old_key_is_a_new_link() {
    let mut world = propagating();
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    world.settle();
    let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(Right, "C2", &columns);
    world.see(3, Right, "C2");
    world.settle();
    assert_eq!(world.link(1).link.phase, Phase::Tombstoned);
    assert_eq!(world.link(3).link.phase, Phase::Linked);
}

#[test]
fn r54_news_of_a_forgotten_deletion_is_read_or_buried_and_never_revives_by_itself() {
    let mut world = propagating();
    world.sides.edit(Left, "A9", &[("key", text("K9")), ("name", text("x")), ("phone", text("1"))]);
    world.sides.become_(Left, "A9", Presence::Unknown);
    let verdict = world.see(5, Left, "A9");
    assert_eq!(verdict.row.as_str(), "R00");
    world.sides.delete(Left, "A9");
    world.settle();
    assert_eq!(world.link(5).link.phase, Phase::Tombstoned);
    assert_eq!(world.writes.len(), 0);
}

#[test]
fn r10_a_link_of_which_nothing_is_known_asks_for_nothing() {
    let mut world = customers();
    let verdict = world.decide(link_id(1), &[Event::Due]);
    assert_eq!(verdict.row.as_str(), "R10");
    assert!(!verdict.changed && verdict.effects.is_empty() && verdict.link.due_at.is_none());
}

#[test]
fn s1_a_link_follows_the_surviving_record_of_a_merge() {
    let mut world = linked(customers());
    world.sides.edit(
        Left,
        "W",
        &[("key", text("K1")), ("name", text("Acme")), ("phone", text("2"))],
    );
    world.sides.become_(Left, "A1", Presence::Deleted(Deletion::MergedInto(RecordId::from("W"))));
    world.see(9, Left, "A1");
    world.settle();
    let link = &world.link(1).link;
    assert_eq!(link.record.left, Some(RecordId::from("W")));
    assert!(link.aliases.contains(&Alias { side: Left, record: RecordId::from("A1") }));
    assert_eq!(world.sides.value(Right, "C1", "phone"), Some(&text("2")));
}

#[test]
fn s1_the_surviving_record_s_half_link_is_joined() {
    let mut world = linked(customers());
    world.sides.edit(
        Left,
        "W",
        &[("key", text("K7")), ("name", text("Acme")), ("phone", text("2"))],
    );
    world.see(7, Left, "W");
    world.settle();
    world.sides.become_(Left, "A1", Presence::Deleted(Deletion::MergedInto(RecordId::from("W"))));
    world.see(9, Left, "A1");
    world.settle();
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("W")));
    assert_eq!(world.link(7).link.phase, Phase::Joined);
    assert_eq!(world.sides.value(Right, "C1", "phone"), Some(&text("2")));
}

#[test]
fn s2_two_linked_records_merged_wait_for_a_person() {
    let mut world = linked(customers());
    let winner = RecordId::from("W");
    let merged = Presence::Deleted(Deletion::MergedInto(winner.clone()));
    world.sides.become_(Left, "A1", merged);
    let mut facts = world.link(1).clone();
    facts.as_of = world.sides.now();
    facts.holders = vec![Holder {
        side: Left,
        record: winner,
        link: link_id(8),
        phase: Phase::Linked,
        whole: true,
        creating: false,
    }];
    let record = RecordId::from("A1");
    let observation = Box::new(world.sides.observe(Left, &record));
    let events = [Event::Seen { side: Left, record, observation }];
    let verdict = duet_core::reconcile::decide(facts, &events, &world.spec);
    assert_eq!(verdict.row.as_str(), "S2");
    let kinds: Vec<_> = verdict
        .effects
        .iter()
        .filter_map(|effect| if let Effect::Conflict(one) = effect { Some(one.kind) } else { None })
        .collect();
    assert_eq!(kinds, vec![ConflictKind::Merged]);
}

#[test]
fn s3_a_former_record_that_comes_back_is_given_up() {
    let mut world = linked(customers());
    world.sides.edit(
        Left,
        "W",
        &[("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))],
    );
    world.sides.become_(Left, "A1", Presence::Deleted(Deletion::MergedInto(RecordId::from("W"))));
    world.see(9, Left, "A1");
    world.settle();
    world.sides.become_(Left, "A1", Presence::Present);
    world.see(9, Left, "A1");
    assert!(world.link(1).link.aliases.is_empty());
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("W")));
    assert_eq!(world.alerts.len(), 1);
}

#[test]
fn a_key_that_changes_keeps_its_link() {
    let mut world = linked(customers());
    let (old, new) = (RecordId::from("C1"), RecordId::from("C2"));
    let row = world.sides.rows.right.remove(&old).expect("the row");
    world.sides.rows.right.insert(new.clone(), row);
    let event = Event::KeyChanged { side: Right, old: old.clone(), new: new.clone(), order: None };
    let verdict = world.decide(link_id(1), &[event]);
    assert!(verdict.effects.contains(&Effect::WakeChildren(Right)));
    world.sides.edit(Right, "C2", &[("name", text("Acme Ltd"))]);
    world.see(9, Right, "C2");
    world.settle();
    let link = &world.link(1).link;
    assert_eq!(link.record.right, Some(new));
    assert!(link.aliases.contains(&Alias { side: Right, record: old }));
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Acme Ltd")));
}

#[test]
fn a_read_of_a_former_key_says_nothing_about_the_record() {
    let mut world = linked(customers());
    let (old, new) = (RecordId::from("C1"), RecordId::from("C2"));
    world.sides.pass(1);
    let gap = Box::new(Observation { read_at: world.sides.now(), ..Observation::default() });
    let event = Event::Seen { side: Right, record: old.clone(), observation: gap };
    world.decide(link_id(1), &[event]);
    let read = world.send(link_id(1), Right, false).expect("a read is out");
    let row = world.sides.rows.right.remove(&old).expect("the row");
    world.sides.rows.right.insert(new.clone(), row);
    let event = Event::KeyChanged { side: Right, old, new: new.clone(), order: None };
    world.decide(link_id(1), &[event]);
    let receipt = world.sides.call(&read);
    assert!(matches!(&receipt.outcome, Outcome::Read(seen) if seen.presence != Presence::Present));
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    world.settle();
    assert_eq!(world.link(1).link.phase, Phase::Linked);
    assert_eq!(world.link(1).link.record.right, Some(new));
    assert!(world.link(1).conflicts.is_empty(), "{:?}", world.link(1).conflicts);
}

#[test]
fn r30_a_soft_deletion_counts_every_edit_against_it() {
    let mut world = customers();
    let mark = (Column::from("gone"), Value::Boolean(true));
    world.spec.ends.right.soft = Some(mark.clone());
    world.spec.policy.deletes.left = DeletePolicy::Soft;
    let mut world = linked(world);
    world.sides.delete(Left, "A1");
    world.see(9, Left, "A1");
    let planned = write(&world, Right).expect("the mark is planned");
    assert_eq!(planned.op, Op::Update);
    assert_eq!(planned.values.get(&mark.0), Some(&mark.1));
    let seen = world.link(1).seen.right.as_ref().expect("it was seen");
    assert_eq!(planned.expected_values, seen.image);
}

#[test]
fn r15_a_planned_create_is_dropped_when_its_source_goes() {
    let mut world = customers();
    let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(Right, "C1", &columns);
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let planned = write(&world, Left).expect("a create is planned").clone();
    assert_eq!(planned.op, Op::Create);
    world.sides.delete(Right, "C1");
    world.see(1, Right, "C1");
    assert_eq!(world.closed[&planned.id].state, IntentState::Superseded);
    assert!(matches!(world.link(1).agreed, Agreed::Tomb(_)));
}

#[test]
fn r15_a_create_that_is_out_is_settled_first_and_then_deleted() {
    let mut world = customers();
    world.spec.policy.deletes.right = DeletePolicy::Propagate;
    let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(Right, "C1", &columns);
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is sent");
    world.sides.delete(Right, "C1");
    assert_eq!(world.see(1, Right, "C1").row.as_str(), "R02");
    let receipt = world.sides.call(&sent);
    let verdict = world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    assert_eq!(verdict.row.as_str(), "R30");
    world.settle();
    assert!(world.sides.present(Left).is_empty());
}
