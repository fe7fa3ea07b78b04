//! Matching (3.6): candidates by claims and by searching, creates, joins, decisions.

use super::protocol::write;
use super::stories::customers;
use super::support::sides::failure;
use super::support::{World, link_id};
use duet_core::conflict::{Choice, CloseReason, ConflictKind, ConflictState};
use duet_core::facts::Event;
use duet_core::id::RecordId;
use duet_core::intent::{Found, Op, Outcome, Receipt};
use duet_core::link::Phase;
use duet_core::retry::FailureClass;
use duet_core::side::Side::{self, Left, Right};
use duet_core::spec::{BlankKey, DeletePolicy, MatchBy, MatchRule};
use duet_core::value::Value;

fn text(text: &str) -> Value {
    Value::text(text)
}

fn record(world: &mut World, side: Side, id: &str, key: Value) {
    let columns = [("key", key), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(side, id, &columns);
}

#[test]
fn m1_a_record_nobody_has_seen_yet_is_found_and_linked() {
    let mut world = customers();
    record(&mut world, Left, "A1", text("K1"));
    record(&mut world, Right, "C1", text("K1"));
    world.see(1, Right, "C1");
    world.settle();
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("A1")));
    assert!(world.writes.is_empty());
}

#[test]
fn m2_the_create_waits_for_its_grace_and_searches_again() {
    let mut world = customers();
    world.spec.policy.create_grace_us = 5_000_000;
    record(&mut world, Right, "C1", text("K1"));
    let verdict = world.see(1, Right, "C1");
    assert_eq!(verdict.row.as_str(), "M2");
    assert_eq!(verdict.link.due_at, Some(verdict.link.created_at.plus_seconds(5)));
    // The partner comes while it waits.
    record(&mut world, Left, "A1", text("K1"));
    world.settle();
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("A1")));
    assert!(world.writes.is_empty(), "nothing is created");
}

#[test]
fn m3_several_candidates_wait_for_a_person_and_nothing_is_written() {
    let mut world = customers();
    record(&mut world, Left, "A1", text("K1"));
    record(&mut world, Left, "A2", text("K1"));
    record(&mut world, Right, "C1", text("K1"));
    for (number, side, id) in [(1, Left, "A1"), (2, Left, "A2"), (3, Right, "C1")] {
        world.see(number, side, id);
    }
    world.settle();
    let open = world.conflict(3);
    assert_eq!(open.kind, ConflictKind::AmbiguousMatch);
    assert_eq!(open.candidates, vec![RecordId::from("A1"), RecordId::from("A2")]);
    assert!(world.writes.is_empty());
    world.resolve(3, Choice::LinkWith(RecordId::from("A2")));
    world.settle();
    let joined = world.link(2);
    assert_eq!(joined.link.record.right, Some(RecordId::from("C1")));
    assert!(joined.conflicts.is_empty(), "{:?}", joined.conflicts);
    assert_eq!(joined.link.phase, Phase::Linked);
}

#[test]
fn m3_a_person_may_ask_for_a_new_record_or_leave_it_alone() {
    for (choice, count) in [(Choice::CreateNew, 3), (Choice::LeaveAlone, 2)] {
        let mut world = customers();
        record(&mut world, Left, "A1", text("K1"));
        record(&mut world, Left, "A2", text("K1"));
        record(&mut world, Right, "C1", text("K1"));
        world.see(3, Right, "C1");
        world.settle();
        assert_eq!(world.conflict(3).kind, ConflictKind::AmbiguousMatch);
        world.resolve(3, choice);
        world.settle();
        assert_eq!(world.sides.present(Left).len(), count);
        assert!(world.link(3).conflicts.is_empty());
    }
}

/// A1 on the left and C1 on the right have been linked by the key K1.
fn taken() -> World {
    let mut world = customers();
    record(&mut world, Left, "A1", text("K1"));
    record(&mut world, Right, "C1", text("K1"));
    world.see(1, Left, "A1");
    world.see(2, Right, "C1");
    world.settle();
    world
}

#[test]
fn m4_a_candidate_that_has_a_partner_waits_for_a_person() {
    let mut world = taken();
    record(&mut world, Right, "C2", text("K1"));
    world.see(3, Right, "C2");
    world.settle();
    assert_eq!(world.conflict(3).kind, ConflictKind::Duplicate);
    assert!(world.writes.is_empty());
}

#[test]
fn m4_twins_of_a_record_that_has_a_partner_both_wait_for_a_person() {
    let mut world = taken();
    for (number, id) in [(3, "C2"), (4, "C3")] {
        record(&mut world, Right, id, text("K1"));
        world.see(number, Right, id);
    }
    world.settle();
    for number in [3, 4] {
        assert_eq!(world.conflict(number).kind, ConflictKind::Duplicate);
    }
    assert!(world.writes.is_empty());
}

/// Two on the left hold the key of one on the right; `seen` ones have a link of their own.
fn ambiguous(seen: bool) -> World {
    let mut world = customers();
    for id in ["A1", "A2"] {
        record(&mut world, Left, id, text("K1"));
    }
    record(&mut world, Right, "C1", text("K1"));
    if seen {
        world.see(1, Left, "A1");
        world.see(2, Left, "A2");
    }
    world.see(3, Right, "C1");
    world.send_all(link_id(3));
    assert_eq!(world.conflict(3).kind, ConflictKind::AmbiguousMatch);
    world
}

fn over(world: &World, reason: CloseReason) -> bool {
    world.history.values().any(|one| one.reason == Some(reason))
        && world.links.values().all(|facts| facts.conflicts.is_empty())
}

#[test]
fn m3_a_duplicate_that_a_person_removed_dissolves_the_conflict_within_a_minute() {
    for seen in [true, false] {
        let mut world = ambiguous(seen);
        let asked = world.sides.now();
        world.sides.delete(Left, "A2");
        if seen {
            world.see(2, Left, "A2");
        }
        world.settle();
        assert!(world.sides.now() <= asked.plus_seconds(62), "seen {seen}");
        let linked = world.links.values().find(|one| one.link.phase == Phase::Linked);
        let linked = linked.expect("the two that are left are linked");
        assert_eq!(linked.link.record.left, Some(RecordId::from("A1")), "seen {seen}");
        assert_eq!(linked.link.record.right, Some(RecordId::from("C1")));
        assert!(over(&world, CloseReason::Converged), "{:?}", world.history);
        assert!(world.writes.is_empty());
    }
}

#[test]
fn m3_a_duplicate_that_got_another_key_dissolves_the_conflict() {
    let mut world = ambiguous(true);
    world.sides.edit(Left, "A1", &[("key", text("K9"))]);
    world.see(1, Left, "A1");
    world.settle();
    assert_eq!(world.link(2).link.record.right, Some(RecordId::from("C1")));
    assert!(over(&world, CloseReason::Converged));
}

#[test]
fn m3_when_none_is_left_a_new_record_is_made() {
    let mut world = ambiguous(false);
    world.sides.delete(Left, "A1");
    world.sides.delete(Left, "A2");
    world.settle();
    assert_eq!(world.writes.iter().map(|one| one.op).collect::<Vec<_>>(), vec![Op::Create]);
    assert!(over(&world, CloseReason::Converged));
}

#[test]
fn m3_becomes_m4_when_one_of_two_finds_its_partner() {
    let mut world = ambiguous(true);
    record(&mut world, Right, "C9", text("K9"));
    let left = world.links.get_mut(&link_id(1)).expect("the first one's link");
    left.link.record.right = Some(RecordId::from("C9"));
    left.link.phase = Phase::Linked;
    world.sides.delete(Left, "A2");
    world.see(2, Left, "A2");
    world.settle();
    let kinds: Vec<_> = world.link(3).conflicts.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, vec![ConflictKind::Duplicate], "one conflict about one question");
    let former = world.history.values().find(|one| one.kind == ConflictKind::AmbiguousMatch);
    assert_eq!(former.and_then(|one| one.reason), Some(CloseReason::Dissolved));
}

#[test]
fn m4_a_candidate_that_gets_another_key_frees_the_one_that_waits() {
    let mut world = super::protocol::linked(customers());
    record(&mut world, Right, "C2", text("K1"));
    world.see(3, Right, "C2");
    world.send_all(link_id(3));
    assert_eq!(world.conflict(3).kind, ConflictKind::Duplicate);
    world.sides.edit(Left, "A1", &[("key", text("K9"))]);
    world.see(1, Left, "A1");
    world.settle();
    assert!(world.link(3).conflicts.is_empty(), "{:?}", world.link(3).conflicts);
    assert_eq!(world.sides.present(Left).len(), 2, "it got a partner of its own");
    assert_eq!(world.link(3).link.phase, Phase::Linked);
}

#[test]
fn m4_a_record_that_was_taken_apart_is_nobody_s_without_a_person() {
    let mut world = customers();
    world.spec.policy.deletes.right = DeletePolicy::Unlink;
    let mut world = super::protocol::linked(world);
    world.sides.delete(Right, "C1");
    world.see(1, Right, "C1");
    assert_eq!(world.link(1).link.phase, Phase::Unlinked);
    record(&mut world, Right, "C2", text("K1"));
    world.see(3, Right, "C2");
    world.send_all(link_id(3));
    // The link that was taken apart still holds the record: it belongs to one link only.
    assert_eq!(world.conflict(3).kind, ConflictKind::Duplicate);
    assert_eq!(world.link(3).link.record.left, None);
    world.resolve(3, Choice::LinkWith(RecordId::from("A1")));
    assert_eq!(world.conflict(3).state, ConflictState::Open, "asked again");
    world.resolve(3, Choice::CreateNew);
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 2);
    assert!(world.link(3).conflicts.is_empty());
}

#[test]
fn m3_candidates_are_looked_at_ever_more_rarely() {
    let mut world = ambiguous(false);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let due = world.link(3).link.due_at.expect("it comes back");
        pauses.push((due.0 - world.sides.now().0 + 500_000) / 1_000_000);
        world.sides.pass_until(due);
        world.decide(link_id(3), &[Event::Due]);
        assert!(world.send_all(link_id(3)), "the other side is searched");
    }
    assert_eq!(pauses[..4], [60, 60, 120, 240]);
    assert_eq!(pauses[9..], [3_600, 3_600, 3_600]);
    let conflict = world.conflict(3).clone();
    assert_eq!((conflict.rev, conflict.state), (0, ConflictState::Open), "nobody is bothered");
    assert!(world.writes.is_empty());
}

#[test]
fn m3_between_two_looks_nothing_is_searched() {
    let mut world = ambiguous(false);
    for _ in 0..5 {
        world.sides.pass(10);
        let verdict = world.decide(link_id(3), &[Event::Due]);
        assert!(verdict.effects.is_empty(), "{:?}", verdict.effects);
    }
    world.resolve(3, Choice::LeaveAlone);
    world.sides.pass(120);
    let verdict = world.decide(link_id(3), &[Event::Due]);
    assert!(verdict.effects.is_empty() && verdict.link.due_at.is_none());
}

#[test]
fn m6_a_record_that_came_while_the_search_was_out_is_linked_and_nothing_is_made() {
    let mut world = customers();
    record(&mut world, Right, "C1", text("K1"));
    world.see(1, Right, "C1");
    let search = world.send(link_id(1), Left, false).expect("a search is out");
    let nothing = world.sides.call(&search);
    // Another flow of events records the partner's key; its own decision waits.
    let mut waiting = super::support::state::fresh(2);
    waiting.flow.paused = true;
    world.links.insert(link_id(2), waiting);
    record(&mut world, Left, "A1", text("K1"));
    world.see(2, Left, "A1");
    world.links.get_mut(&link_id(2)).expect("the second link").flow.paused = false;
    world.decide(link_id(1), &[Event::Received(Box::new(nothing))]);
    world.settle();
    assert_eq!(world.sides.present(Left), vec![&RecordId::from("A1")], "no duplicate");
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("A1")));
    assert!(world.writes.is_empty());
}

#[test]
fn m6_a_candidate_that_is_making_its_partner_is_waited_for() {
    let mut world = customers();
    world.spec.policy.on_none.left = duet_core::spec::OnNone::Create;
    record(&mut world, Right, "C1", text("K1"));
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is out");
    record(&mut world, Left, "A1", text("K1"));
    let verdict = world.see(2, Left, "A1");
    assert_eq!(verdict.row.as_str(), "M6");
    assert!(verdict.link.due_at.is_some());
    // The create meets the record that a user made meanwhile.
    let held = RecordId::from("A1");
    let observation = world.sides.observe(Left, &held);
    let observed = Some(Box::new(Found { record: held, rule: Some(0), observation }));
    let outcome = Outcome::Refused { failure: failure(FailureClass::Uniqueness), observed };
    let now = world.sides.now();
    let receipt = Receipt { intent: sent.id, at: now, sent_at: now, outcome };
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1);
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("A1")));
    assert_eq!(world.link(2).link.phase, Phase::Joined);
}

#[test]
fn m7_without_a_key_nothing_is_linked_unless_creating_is_asked_for() {
    let mut world = customers();
    record(&mut world, Right, "C1", Value::Null);
    world.see(1, Right, "C1");
    world.settle();
    assert_eq!(world.link(1).link.phase, Phase::Unmatched);
    assert!(world.writes.is_empty());
    world.spec.policy.on_blank_key = BlankKey::Create;
    world.decide(link_id(1), &[Event::Due]);
    world.settle();
    assert_eq!(world.writes.len(), 1);
}

#[test]
fn m8_a_create_that_meets_its_own_record_has_landed() {
    let mut world = customers();
    record(&mut world, Right, "C1", text("K1"));
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is out");
    world.sides.call(&sent);
    let receipt = world.sides.call(&sent);
    assert!(matches!(receipt.outcome, Outcome::Refused { .. }));
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    assert!(write(&world, Left).is_none());
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1);
    assert!(world.link(1).link.synced_at.is_some());
}

#[test]
fn m9_a_key_edited_after_linking_changes_nothing() {
    let mut world = super::protocol::linked(customers());
    record(&mut world, Right, "C2", text("K2"));
    world.see(3, Right, "C2");
    world.settle();
    world.sides.edit(Left, "A1", &[("key", text("K2"))]);
    world.see(9, Left, "A1");
    world.settle();
    assert_eq!(world.link(1).link.record.right, Some(RecordId::from("C1")));
    assert_eq!(world.link(1).link.phase, Phase::Linked);
}

#[test]
fn an_answer_of_a_create_whose_record_has_a_link_joins_the_two() {
    let mut world = customers();
    record(&mut world, Right, "C1", text("K1"));
    world.see(5, Right, "C1");
    world.send_all(link_id(5));
    let sent = world.send(link_id(5), Left, true).expect("a create is out");
    let receipt = world.sides.call(&sent);
    let Outcome::Landed { record, .. } = &receipt.outcome else { panic!("it landed") };
    // Its event is routed to a link of its own, because the marker was not known there.
    let record = record.clone();
    let mut blind = world.sides.observe(Left, &record);
    (blind.marker, blind.key) = (None, None);
    let observation = Box::new(blind);
    world.decide(link_id(6), &[Event::Seen { side: Left, record: record.clone(), observation }]);
    world.see(6, Left, record.as_str());
    world.decide(link_id(5), &[Event::Received(Box::new(receipt))]);
    world.settle();
    assert_eq!(world.link(5).link.record.left, Some(record));
    assert_eq!(world.link(6).link.phase, Phase::Joined);
    assert_eq!(world.sides.present(Left).len(), 1);
}

#[test]
fn linking_fills_the_external_id_and_a_create_carries_it() {
    let mut world = customers();
    let column = super::support::flow::column;
    world.spec.matching.insert(
        0,
        MatchRule {
            by: MatchBy::ExternalId,
            columns: duet_core::side::Both::new(
                vec![column(Left, "ext")],
                vec![column(Right, "id")],
            ),
            normalize: Vec::new(),
        },
    );
    record(&mut world, Left, "A1", text("K1"));
    world.sides.edit(Left, "A1", &[("ext", Value::Null)]);
    record(&mut world, Right, "C1", text("K1"));
    record(&mut world, Right, "C2", text("K2"));
    world.see(1, Left, "A1");
    world.see(2, Right, "C1");
    world.see(3, Right, "C2");
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "ext"), Some(&text("C1")));
    assert_eq!(world.sides.value(Left, "new-left-1", "ext"), Some(&text("C2")));
    assert_eq!(world.writes.iter().filter(|one| one.op == Op::Create).count(), 1);
}

#[test]
fn h5_a_choice_among_candidates_is_refused_when_the_record_changed_since() {
    for choice in [Choice::LinkWith(RecordId::from("A2")), Choice::CreateNew, Choice::LeaveAlone] {
        let mut world = ambiguous(true);
        world.links.get_mut(&link_id(3)).expect("the link").flow.paused = true;
        world.sides.edit(Right, "C1", &[("name", text("Other Ltd"))]);
        world.see(3, Right, "C1");
        world.links.get_mut(&link_id(3)).expect("the link").flow.paused = false;
        world.resolve(3, choice.clone());
        let open = world.conflict(3);
        assert_eq!(open.state, ConflictState::Open, "{choice:?}");
        assert!(open.sides.right.values.values().any(|value| *value == text("Other Ltd")));
        world.settle();
        assert!(world.writes.is_empty() && world.link(3).link.record.left.is_none());
    }
}

#[test]
fn h4_a_partner_that_was_chosen_stays_chosen_while_it_is_read() {
    let mut world = ambiguous(false);
    world.resolve(3, Choice::LinkWith(RecordId::from("A2")));
    world.sides.edit(Right, "C1", &[("name", text("Other Ltd"))]);
    world.see(3, Right, "C1");
    world.settle();
    assert_eq!(world.link(3).link.record.left, Some(RecordId::from("A2")));
}
