//! The write protocol (W0-W6), late calls, unread versions, freshness, parked calls: step by step.

use super::stories::customers;
use super::support::sides::failure;
use super::support::{World, link_id};
use duet_core::agreed::Agreed;
use duet_core::conflict::{Choice, ConflictKind};
use duet_core::facts::Event;
use duet_core::id::{FieldName, RecordId};
use duet_core::intent::{Found, Intent, IntentState, Op, Outcome, Receipt, WritePath};
use duet_core::observation::Observation;
use duet_core::retry::{AGE_MAX_US, BACKOFF_MAX_US, BACKOFF_MIN_US, FailureClass, STALE_AT_ONCE};
use duet_core::side::Both;
use duet_core::side::Side::{self, Left, Right};
use duet_core::spec::{MergeKind, PathClass, Strategy};
use duet_core::stamp::Stamp;
use duet_core::value::Value;

fn text(text: &str) -> Value {
    Value::text(text)
}

/// A linked customer whose name was just changed on the left: a write to the right is planned.
fn one_write() -> World {
    let mut world = linked(customers());
    world.sides.edit(Left, "A1", &[("name", text("Acme Inc"))]);
    world.see(9, Left, "A1");
    world
}

pub(crate) fn linked(mut world: World) -> World {
    for (side, id) in [(Left, "A1"), (Right, "C1")] {
        let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
        world.sides.edit(side, id, &columns);
    }
    world.see(1, Left, "A1");
    world.see(2, Right, "C1");
    world.settle();
    assert!(world.link(1).link.synced_at.is_some());
    world
}

pub(crate) fn write(world: &World, side: Side) -> Option<&Intent> {
    world.link(1).intents.get(side).write.as_ref()
}

fn read(world: &World, side: Side) -> Option<&Intent> {
    world.link(1).intents.get(side).read.as_ref()
}

fn receive(world: &mut World, intent: &Intent, outcome: Outcome) {
    let now = world.sides.now();
    let receipt = Receipt { intent: intent.id, at: now, sent_at: now, outcome };
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
}

fn unknown() -> Outcome {
    Outcome::Unknown(failure(FailureClass::UnknownOutcome))
}

#[test]
fn w0_a_planned_call_is_replaced_when_the_facts_change() {
    let mut world = one_write();
    let first = write(&world, Right).expect("a write is planned").id;
    world.sides.edit(Left, "A1", &[("name", text("Acme SE"))]);
    world.see(9, Left, "A1");
    let second = write(&world, Right).expect("another one is planned");
    assert_ne!(first, second.id);
    assert_eq!(world.closed[&first].state, IntentState::Superseded);
    assert!(second.values.values().any(|value| *value == text("Acme SE")));
}

#[test]
fn w1_while_a_call_is_out_nothing_is_planned_for_it() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    world.sides.edit(Left, "A1", &[("name", text("Acme SE"))]);
    let verdict = world.see(9, Left, "A1");
    assert_eq!(verdict.row.as_str(), "R02");
    assert_eq!(write(&world, Right).map(|one| one.id), Some(sent.id));
}

#[test]
fn w2_an_overdue_call_is_unknown_and_read_after_its_deadline() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    let verdict = world.decide(link_id(1), &[Event::Overdue(sent.id)]);
    assert_eq!(verdict.row.as_str(), "R01");
    assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Unknown));
    assert_eq!(read(&world, Right).and_then(|one| one.due_at), sent.deadline);
}

#[test]
fn w3_applied_and_the_answer_lost_is_confirmed_by_its_marker() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    world.sides.call(&sent);
    receive(&mut world, &sent, unknown());
    world.settle();
    assert_eq!(world.closed[&sent.id].state, IntentState::Confirmed);
    assert_eq!(world.writes.len(), 0, "it isn't sent again");
    assert!(world.link(1).link.synced_at.is_some());
}

#[test]
fn w4_an_observation_with_the_marker_is_the_receipt() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    world.sides.call(&sent);
    world.see(9, Right, "C1");
    assert_eq!(world.closed[&sent.id].state, IntentState::Confirmed);
    assert!(write(&world, Right).is_none());
}

#[test]
fn w5_not_landed_is_sent_again_under_the_same_id() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    receive(&mut world, &sent, unknown());
    world.settle();
    assert_eq!(world.writes.iter().map(|one| one.id).collect::<Vec<_>>(), vec![sent.id]);
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
}

#[test]
fn w5_overtaken_is_superseded_and_decided_again() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    world.sides.edit(Right, "C1", &[("phone", text("7"))]);
    receive(&mut world, &sent, unknown());
    world.settle();
    assert_eq!(world.closed[&sent.id].state, IntentState::Superseded);
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
    assert_eq!(world.sides.value(Left, "A1", "phone"), Some(&text("7")));
}

#[test]
fn w5_a_read_sent_before_the_deadline_proves_nothing() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    receive(&mut world, &sent, unknown());
    let mut early = read(&world, Right).expect("a read is planned").clone();
    early.state = IntentState::Sent;
    early.sent_at = Some(world.sides.now());
    world.links.get_mut(&link_id(1)).expect("the link").intents.right.read = Some(early.clone());
    let receipt = world.sides.call(&early);
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Unknown));
    assert_eq!(read(&world, Right).and_then(|one| one.due_at), sent.deadline, "asked again");
}

#[test]
fn w5_a_create_that_did_land_is_found_by_its_key() {
    let mut world = customers();
    let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(Right, "C1", &columns);
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is sent");
    assert_eq!(sent.op, Op::Create);
    world.sides.call(&sent);
    receive(&mut world, &sent, unknown());
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1, "no duplicate");
    assert!(world.link(1).link.record.left.is_some());
    assert!(world.link(1).link.synced_at.is_some());
}

#[test]
fn w5_a_create_that_did_not_land_is_repeated_once() {
    let mut world = customers();
    world.sides.edit(
        Right,
        "C1",
        &[("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))],
    );
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is sent");
    receive(&mut world, &sent, unknown());
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1);
    assert_eq!(world.writes.iter().map(|one| one.id).collect::<Vec<_>>(), vec![sent.id]);
}

/// A create that carries nothing to search for was sent, and its process ended.
fn lost_create() -> (World, Intent) {
    let mut world = customers();
    world.spec.ends.left.promise.key_column = None;
    let columns = [("key", text("K1")), ("name", text("Acme")), ("phone", text("1"))];
    world.sides.edit(Right, "C1", &columns);
    world.see(1, Right, "C1");
    world.send_all(link_id(1));
    let sent = world.send(link_id(1), Left, true).expect("a create is sent");
    world.sides.call(&sent);
    world.sides.pass(60);
    world.decide(link_id(1), &[Event::Overdue(sent.id)]);
    world.settle();
    world.sides.pass(7_200);
    world.decide(link_id(1), &[Event::Due]);
    world.settle();
    let kinds: Vec<ConflictKind> = world.link(1).conflicts.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ConflictKind::CreateAmbiguous]);
    assert_eq!(world.sides.present(Left).len(), 1, "made once more it would be there twice");
    (world, sent)
}

#[test]
fn w5_a_create_that_no_search_can_find_is_a_person_s_matter() {
    let (mut world, _) = lost_create();
    world.resolve(1, Choice::LinkWith("new-left-1".into()));
    world.settle();
    assert_eq!(world.link(1).link.record.left, Some(RecordId::from("new-left-1")));
    let (mut world, _) = lost_create();
    world.sides.rows.left.clear();
    world.resolve(1, Choice::CreateNew);
    world.settle();
    assert_eq!(world.sides.present(Left).len(), 1, "made, as decided");
    let (mut world, _) = lost_create();
    world.resolve(1, Choice::LeaveAlone);
    world.settle();
    assert_eq!(
        (world.sides.present(Left).len(), world.link(1).link.record.left.clone()),
        (1, None)
    );
}

#[test]
fn w5_a_create_in_doubt_is_over_when_its_record_is_seen_with_its_marker() {
    let (mut world, sent) = lost_create();
    let record = RecordId::from("new-left-1");
    let observation = Box::new(world.sides.observe(Left, &record));
    world.decide(link_id(1), &[Event::Seen { side: Left, record, observation }]);
    world.settle();
    assert!(world.link(1).conflicts.is_empty() && world.link(1).link.synced_at.is_some());
    assert!(world.closed[&sent.id].landed_at.is_some());
    assert_eq!(world.sides.present(Left).len(), 1);
}

#[test]
fn w6_an_answer_that_comes_too_late_confirms_nothing_and_reads() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    let receipt = world.sides.call(&sent);
    world.see(9, Right, "C1");
    assert!(write(&world, Right).is_none());
    world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
    assert_eq!(read(&world, Right).map(|one| one.op), Some(Op::Read));
}

#[test]
fn a_late_call_is_taken_into_account_once() {
    let mut world = one_write();
    let late = world.send(link_id(1), Right, true).expect("sent");
    world.sides.edit(Right, "C1", &[("phone", text("7"))]);
    receive(&mut world, &late, unknown());
    world.settle();
    assert_eq!(world.closed[&late.id].state, IntentState::Superseded);
    // The call takes effect after all, over what was written meanwhile.
    let row = world.sides.rows.right.get_mut(&RecordId::from("C1")).expect("the row");
    row.marker = Some(late.id);
    world.sides.edit(Right, "C1", &[("name", text("Acme Inc"))]);
    world.see(9, Right, "C1");
    assert!(world.closed[&late.id].landed_at.is_some());
    let first = world.closed[&late.id].landed_at;
    world.see(9, Right, "C1");
    assert_eq!(world.closed[&late.id].landed_at, first);
    world.settle();
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
}

#[test]
fn the_version_after_our_own_write_is_unread_until_it_is_read() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    let before = world.sides.observe(Right, &RecordId::from("C1"));
    world.sides.call(&sent);
    let record = RecordId::from("C1");
    receive(&mut world, &sent, Outcome::Landed { record: record.clone(), after: None });
    let seen = world.link(1).seen.right.clone().expect("seen");
    assert!(seen.unread_since.is_some() && seen.version.is_none());
    let early = Event::Seen { side: Right, record, observation: Box::new(before) };
    world.decide(link_id(1), &[early]);
    assert_eq!(world.link(1).seen.right.as_ref(), Some(&seen), "read before our write: not joined");
    assert!(read(&world, Right).is_some(), "it asks for a read");
    world.settle();
    let seen = world.link(1).seen.right.as_ref().expect("seen");
    assert!(seen.unread_since.is_none() && seen.version.is_some());
}

#[test]
fn a_fresh_version_of_a_one_second_side_is_read_again_before_it_is_expected() {
    let mut world = customers();
    world.spec.ends.right.promise.grain_us = Stamp::SECOND;
    world.spec.ends.right.promise.guarded = PathClass::K3s;
    let mut world = linked(world);
    world.sides.edit(Right, "C1", &[("phone", text("7"))]);
    world.sides.edit(Left, "A1", &[("name", text("Acme Inc"))]);
    world.see(9, Right, "C1");
    world.see(9, Left, "A1");
    assert!(write(&world, Right).is_none(), "not against a fresh version");
    let planned = read(&world, Right).expect("a read is planned");
    let changed = world.link(1).seen.right.as_ref().and_then(|seen| seen.changed_at);
    assert!(planned.due_at >= changed.map(|at| at.plus_seconds(2)));
    world.settle();
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
}

#[test]
fn two_fresh_observations_of_one_version_that_differ_are_read_again() {
    let mut world = customers();
    world.spec.ends.right.promise.grain_us = Stamp::SECOND;
    let mut world = linked(world);
    let record = RecordId::from("C1");
    world.sides.edit(Right, "C1", &[("phone", text("7"))]);
    let one = world.sides.observe(Right, &record);
    let mut other: Observation = one.clone();
    other.image.insert(super::support::flow::column(Right, "phone"), text("8"));
    other.read_at = one.read_at.plus(1);
    for observation in [one, other] {
        let observation = Box::new(observation);
        world.decide(
            link_id(1),
            &[Event::Seen { side: Right, record: record.clone(), observation }],
        );
    }
    assert!(world.link(1).seen.right.as_ref().is_some_and(|seen| seen.uncertain));
    assert_eq!(world.last.as_ref().map(|last| last.row.as_str()), Some("R00"));
    world.settle();
    assert_eq!(world.sides.value(Left, "A1", "phone"), Some(&text("7")));
}

#[test]
fn a_refused_row_is_parked_until_an_input_changes() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    let refusal = failure(FailureClass::Validation);
    receive(&mut world, &sent, Outcome::Refused { failure: refusal, observed: None });
    assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Parked));
    world.settle();
    world.see(9, Left, "A1");
    assert_eq!(write(&world, Right).map(|one| one.id), Some(sent.id), "the same stays parked");
    world.sides.edit(Left, "A1", &[("name", text("Acme SE"))]);
    world.see(9, Left, "A1");
    world.settle();
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme SE")));
}

#[test]
fn a_discarded_call_stays_discarded_until_it_would_write_something_else() {
    let mut world = one_write();
    let slot = &mut world.links.get_mut(&link_id(1)).expect("the link").intents.right.write;
    slot.as_mut().expect("planned").state = IntentState::Discarded;
    world.sides.edit(Right, "C1", &[("other", text("x"))]);
    world.see(9, Right, "C1");
    assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Discarded));
    world.sides.edit(Left, "A1", &[("name", text("Acme SE"))]);
    world.see(9, Left, "A1");
    assert_eq!(write(&world, Right).map(|one| one.state), Some(IntentState::Planned));
}

#[test]
fn r32_a_failed_version_check_decides_again_on_what_is_there() {
    let mut world = one_write();
    world.sides.edit(Right, "C1", &[("name", text("Acme Ltd"))]);
    world.send_all(link_id(1));
    let link = world.link(1);
    assert_eq!(link.conflicts.len(), 1, "both changed: a person decides");
    assert!(write(&world, Right).is_none());
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Ltd")));
}

#[test]
fn writes_refused_as_stale_again_and_again_wait_longer_and_longer() {
    for shown in [false, true] {
        let mut world = one_write();
        let mut waits = Vec::new();
        for _ in 0..40 {
            let due = write(&world, Right).and_then(|one| one.due_at).expect("it is planned");
            world.sides.pass_until(due);
            let sent = world.send(link_id(1), Right, true).expect("sent");
            let record = RecordId::from("C1");
            let observation = world.sides.observe(Right, &record);
            let observed = shown.then(|| Box::new(Found { record, rule: None, observation }));
            let failure = failure(FailureClass::Stale);
            receive(&mut world, &sent, Outcome::Refused { failure, observed });
            let planned = write(&world, Right).expect("it is planned again");
            waits.push(planned.due_at.expect("it has a time").0 - world.sides.now().0);
        }
        let (at_once, later) = waits.split_at(STALE_AT_ONCE as usize);
        assert!(at_once.iter().all(|wait| *wait <= 0), "shown {shown}: {at_once:?}");
        for (tries, wait) in later.iter().enumerate() {
            let most = (BACKOFF_MIN_US << tries.min(12)).min(BACKOFF_MAX_US);
            assert!((BACKOFF_MIN_US..=most).contains(wait), "shown {shown}: {later:?}");
        }
        assert!(later.iter().sum::<i64>() > 10 * BACKOFF_MIN_US * 60, "{later:?}");
        // A later edit waits as long; what lands ends the waits.
        let due = write(&world, Right).and_then(|one| one.due_at);
        world.sides.edit(Left, "A1", &[("name", text("Acme SE"))]);
        world.see(9, Left, "A1");
        assert_eq!(write(&world, Right).and_then(|one| one.due_at), due);
        world.sides.pass_until(due.expect("it has a time"));
        world.settle();
        assert_eq!(world.link(1).link.memory.not_before, Both::default());
        assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme SE")));
    }
}

#[test]
fn throttled_and_unreachable_wait_and_count_no_try() {
    for class in [FailureClass::Throttled, FailureClass::Unreachable, FailureClass::Auth] {
        let mut world = one_write();
        let sent = world.send(link_id(1), Right, true).expect("sent");
        receive(&mut world, &sent, Outcome::NotSent(failure(class)));
        let planned = write(&world, Right).expect("still open");
        assert_eq!((planned.state, planned.attempts), (IntentState::Planned, 0), "{class:?}");
        assert!(planned.due_at > Some(world.sides.now()), "{class:?}");
    }
}

#[test]
fn passing_failures_are_tried_again_later() {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    let refusal = failure(FailureClass::Transient);
    receive(&mut world, &sent, Outcome::Refused { failure: refusal, observed: None });
    let planned = write(&world, Right).expect("still open");
    assert_eq!((planned.id, planned.attempts), (sent.id, 1));
    assert!(planned.due_at >= Some(world.sides.now().plus_seconds(1)));
    world.settle();
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
}

/// Sends what is planned for the right when it is due, and answers a passing failure.
fn fail_again(world: &mut World) {
    let due = write(world, Right).and_then(|one| one.due_at).expect("it is tried again");
    world.sides.pass_until(due);
    let sent = world.send(link_id(1), Right, true).expect("sent");
    let refusal = failure(FailureClass::Transient);
    receive(world, &sent, Outcome::Refused { failure: refusal, observed: None });
}

#[test]
fn a_call_is_parked_after_a_day_of_failures_in_a_row_however_old_it_is() {
    let mut world = one_write();
    world.sides.pass(48 * 3_600);
    let state = |world: &World| write(world, Right).map(|one| one.state);
    fail_again(&mut world);
    assert_eq!(state(&world), Some(IntentState::Planned), "an outage isn't the call's fault");
    world.sides.pass(48 * 3_600);
    fail_again(&mut world);
    assert_eq!(state(&world), Some(IntentState::Planned), "it was held back in between");
    let first = world.sides.now();
    while state(&world) == Some(IntentState::Planned) {
        assert!(world.sides.now() < first.plus(AGE_MAX_US + 2 * BACKOFF_MAX_US));
        fail_again(&mut world);
    }
    assert!(world.sides.now() >= first.plus(AGE_MAX_US));
    let now = world.sides.now();
    let slot = &mut world.links.get_mut(&link_id(1)).expect("the link").intents.right.write;
    let open = slot.as_mut().expect("parked");
    (open.state, open.due_at) = (IntentState::Planned, Some(now));
    fail_again(&mut world);
    assert_eq!(state(&world), Some(IntentState::Planned), "by hand it begins anew");
    let due = write(&world, Right).and_then(|one| one.due_at).expect("planned");
    world.sides.pass_until(due);
    world.settle();
    assert!(world.link(1).link.memory.failing.is_empty(), "nothing is kept of what landed");
}

#[test]
fn counters_and_contested_fields_take_the_guarded_path_and_others_the_batch() {
    let world = one_write();
    assert_eq!(write(&world, Right).map(|one| one.path), Some(WritePath::Batch));
    let mut world = linked(customers());
    world.sides.edit(Right, "C1", &[("name", text("x"))]);
    world.see(9, Right, "C1");
    world.settle();
    world.sides.edit(Left, "A1", &[("name", text("y"))]);
    world.see(9, Left, "A1");
    assert_eq!(write(&world, Right).map(|one| one.path), Some(WritePath::Guarded));
    let mut world = customers();
    let otherwise = Box::new(Strategy::ManualReview);
    let kind = MergeKind::Counter { min: None, max: None };
    world.spec.fields[0].strategy = Strategy::Merge { kind, otherwise };
    let mut world = linked(world);
    world.sides.edit(Left, "A1", &[("name", text("1"))]);
    world.see(9, Left, "A1");
    assert_eq!(write(&world, Right).map(|one| one.path), Some(WritePath::Guarded));
}

#[test]
fn i16_our_own_writes_that_change_a_field_again_and_again_stop_at_a_person() {
    let mut world = linked(customers());
    world.sides.edit(Left, "A1", &[("name", text("0"))]);
    world.see(9, Left, "A1");
    // A trigger on either side rewrites the name whenever duet writes it.
    for turn in 1..=8 {
        for side in Side::BOTH {
            let Some(sent) = world.send(link_id(1), side, true) else { continue };
            let mut receipt = world.sides.call(&sent);
            let record = sent.record.clone().expect("an update");
            world.sides.edit(side, record.as_str(), &[("name", text(&format!("{turn} {side}")))]);
            if let Outcome::Landed { after, .. } = &mut receipt.outcome {
                *after = Some(Box::new(world.sides.observe(side, &record)));
            }
            world.decide(link_id(1), &[Event::Received(Box::new(receipt))]);
        }
    }
    let kinds: Vec<_> = world.link(1).conflicts.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, vec![ConflictKind::Oscillation]);
}

#[test]
fn a_flow_that_is_not_running_records_and_decides_nothing() {
    let mut world = linked(customers());
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = true;
    world.sides.edit(Left, "A1", &[("name", text("Acme Inc"))]);
    let verdict = world.see(9, Left, "A1");
    assert!(verdict.effects.is_empty() && verdict.changed && verdict.link.due_at.is_none());
    world.links.get_mut(&link_id(1)).expect("the link").flow.paused = false;
    world.settle();
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
}

#[test]
fn r20_a_new_version_without_news_is_noted_and_is_an_echo() {
    let mut world = linked(customers());
    world.sides.edit(Left, "A1", &[("other", text("x"))]);
    let verdict = world.see(9, Left, "A1");
    assert_eq!(verdict.row.as_str(), "R20");
    assert!(verdict.changed && verdict.echo && verdict.effects.is_empty());
    let again = world.see(9, Left, "A1");
    assert!(again.echo && again.effects.is_empty());
}

#[test]
fn r00_a_gap_is_read_and_changes_nothing_by_itself() {
    let mut world = linked(customers());
    world.sides.pass(1);
    let record = RecordId::from("A1");
    let gap = Box::new(Observation { read_at: world.sides.now(), ..Observation::default() });
    world.decide(link_id(1), &[Event::Seen { side: Left, record, observation: gap }]);
    assert_eq!(read(&world, Left).map(|one| one.op), Some(Op::Read), "a gap is read");
    world.settle();
    let Agreed::Pair(pair) = &world.link(1).agreed else { panic!("still agreed") };
    assert_eq!(pair.fields[&FieldName::from("name")].trunk, text("Acme"));
}

/// Nobody knows how a write ended, and the read that would tell is refused.
fn read_refused() -> World {
    let mut world = one_write();
    let sent = world.send(link_id(1), Right, true).expect("sent");
    receive(&mut world, &sent, unknown());
    world.sides.pass_until(sent.deadline.expect("it was sent"));
    let asked = world.send(link_id(1), Right, false).expect("the read is due");
    let refusal = failure(FailureClass::Permission);
    receive(&mut world, &asked, Outcome::Refused { failure: refusal, observed: None });
    world
}

#[test]
fn a_parked_read_is_asked_anew_when_something_happens() {
    let mut world = read_refused();
    let parked = read(&world, Right).expect("it stays open").clone();
    assert_eq!(parked.state, IntentState::Parked, "not asked again in the verdict that parks it");
    world.decide(link_id(1), &[Event::Due]);
    let anew = read(&world, Right).expect("a read is planned");
    assert!(anew.id != parked.id && anew.state == IntentState::Planned);
    assert_eq!(world.closed[&parked.id].state, IntentState::Superseded);
    world.settle();
    assert!(write(&world, Right).is_none(), "the write is settled");
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Acme Inc")));
}

#[test]
fn a_parked_read_is_over_when_its_record_is_seen() {
    let mut world = linked(customers());
    world.sides.pass(1);
    let record = RecordId::from("A1");
    let gap = Box::new(Observation { read_at: world.sides.now(), ..Observation::default() });
    world.decide(link_id(1), &[Event::Seen { side: Left, record, observation: gap }]);
    let asked = world.send(link_id(1), Left, false).expect("a gap is read");
    let refusal = failure(FailureClass::Validation);
    receive(&mut world, &asked, Outcome::Refused { failure: refusal, observed: None });
    assert_eq!(read(&world, Left).map(|one| one.state), Some(IntentState::Parked));
    world.see(9, Right, "C1");
    let kept = read(&world, Left).expect("the other side tells nothing of it");
    assert!(kept.state.is_replaceable(), "{:?}", kept.state);
    world.sides.pass(1);
    world.sides.edit(Left, "A1", &[("name", text("Mended"))]);
    world.see(9, Left, "A1");
    let left = read(&world, Left).map(|one| one.state);
    assert_ne!(left, Some(IntentState::Parked), "nobody has to mend what is known by now");
    world.settle();
    assert_eq!(read(&world, Left), None);
    assert_eq!(world.sides.value(Right, "C1", "name"), Some(&text("Mended")));
}

#[test]
fn a_discarded_read_waits_until_something_happens() {
    let mut world = read_refused();
    let slot = &mut world.links.get_mut(&link_id(1)).expect("the link").intents.right.read;
    slot.as_mut().expect("parked").state = IntentState::Discarded;
    world.decide(link_id(1), &[Event::Due]);
    assert_eq!(read(&world, Right).map(|one| one.state), Some(IntentState::Discarded));
    world.see(9, Left, "A1");
    assert_eq!(read(&world, Right).map(|one| one.state), Some(IntentState::Planned));
    world.settle();
    assert!(write(&world, Right).is_none());
}
