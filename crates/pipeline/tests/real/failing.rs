//! Sides that refuse, ask to wait, or are gone: one record waits, the others go on; a side that is
//! down is left alone.

use std::time::Duration;

use duet_core::id::ConnectionName;
use duet_core::intent::{IntentState, Op};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_ports::inspect::{Accepted, ErrorFilter, Inspect};
use duet_testkit::memory_side::{Fault, Kind, columns};

use super::flowing::linked;
use super::flows::THINGS;
use super::hands::Hands;
use super::rig::Rig;

fn put(rig: &Rig, side: Side, record: &str, code: &str, name: &str) {
    let values = columns(&[("code", code), ("name", name), ("city", "Oslo")]);
    rig.sides.get(side).put(THINGS, record, values);
}

async fn parked(rig: &Rig) -> usize {
    let states = vec![IntentState::Parked];
    let filter = ErrorFilter { states, limit: 100, ..ErrorFilter::default() };
    rig.store.errors(&filter).await.expect("it is up").len()
}

async fn pause_reason(rig: &Rig, side: Side) -> Option<String> {
    let rows = rig.store.connections().await.expect("it is up");
    let name = ConnectionName::from(side.as_str());
    rows.into_iter().find(|row| row.connection == name)?.reason
}

#[tokio::test]
async fn a_refused_record_is_parked_and_goes_through_when_it_is_mended() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    rig.right().forbid(THINGS, "name", "bad", FailureClass::Validation);
    for (record, name) in [("a", "Ann"), ("b", "bad"), ("c", "Cid")] {
        put(&rig, Side::Left, record, record, name);
    }
    hands.work_through(&rig, 3_600, 3).await;
    assert!(rig.agree("a", "Ann") && rig.agree("c", "Cid"));
    assert_eq!((rig.right().records(THINGS).len(), parked(&rig).await), (2, 1));
    let calls = rig.write_calls(Side::Right);
    hands.work_through(&rig, 3_600, 3).await;
    assert_eq!(rig.write_calls(Side::Right), calls, "only a changed input can help");
    put(&rig, Side::Left, "b", "b", "Bea");
    hands.work().await;
    assert!(rig.agree("b", "Bea"));
    assert_eq!(parked(&rig).await, 0);
}

#[tokio::test]
async fn a_refused_update_keeps_the_record_linked_and_another_field_flowing() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().forbid(THINGS, "name", "bad", FailureClass::Validation);
    rig.left().put(THINGS, "a", columns(&[("name", "bad")]));
    hands.work().await;
    assert_eq!(parked(&rig).await, 1);
    let id = rig.id(Side::Right, "1");
    rig.right().put(THINGS, &id, columns(&[("city", "Rome")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Rome", "the other way is free");
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(parked(&rig).await, 0);
}

#[tokio::test]
async fn a_parked_record_is_tried_again_when_a_person_says_so() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    rig.right().plan(Kind::Create, Fault::Refused(FailureClass::Permission), 1);
    put(&rig, Side::Left, "a", "1", "Ann");
    hands.work().await;
    assert_eq!(parked(&rig).await, 1);
    let intent = rig.intents(Side::Left, "a", Op::Create).await.remove(0);
    use duet_ports::clock::Clock;
    let again = rig.store.set_intent(intent.id, IntentState::Planned, rig.clock.now()).await;
    assert_eq!(again.expect("it is up"), Accepted::Yes);
    hands.work().await;
    assert!(rig.agree("1", "Ann"));
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_and_every_call_leaves_an_attempt() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::Refused(FailureClass::Transient), 3);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work_through(&rig, 10, 5).await;
    assert!(rig.agree("1", "Bea"));
    let update = rig.intents(Side::Left, "a", Op::Update).await.remove(0);
    assert_eq!(rig.outcomes(&update).await, ["refused", "refused", "refused", "landed"]);
    let attempts = rig.store.attempts_of(update.id).await.expect("it is up");
    let numbers: Vec<u32> = attempts.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let classes: Vec<Option<FailureClass>> =
        attempts.iter().map(|one| one.failure.as_ref().map(|failure| failure.class)).collect();
    assert_eq!(classes[0], Some(FailureClass::Transient));
    assert_eq!(classes[3], None);
}

#[tokio::test]
async fn an_unreachable_side_is_left_alone_while_the_other_goes_on() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let id = rig.id(Side::Right, "1");
    let before = rig.right().calls(Kind::Apply);
    rig.right().plan(Kind::Apply, Fault::NotSent(FailureClass::Unreachable), 1_000);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    rig.right().put(THINGS, &id, columns(&[("city", "Rome")]));
    for _ in 0..60 {
        hands.work().await;
        rig.pass(1);
    }
    let calls = rig.right().calls(Kind::Apply) - before;
    assert!((3..=8).contains(&calls), "{calls} calls in a minute of outage");
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Rome");
    assert_eq!(pause_reason(&rig, Side::Right).await.as_deref(), Some("UNREACHABLE"));
    rig.right().heal();
    hands.work_through(&rig, 31, 1).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(pause_reason(&rig, Side::Right).await, None);
    let mut outcomes = Vec::new();
    for update in rig.intents(Side::Left, "a", Op::Update).await {
        if update.side == Side::Right {
            assert!(update.attempts <= 1, "a call that didn't leave is no try");
            outcomes.extend(rig.outcomes(&update).await);
        }
    }
    assert_eq!((outcomes.len(), outcomes.last().unwrap().as_str()), (calls + 1, "landed"));
    assert!(outcomes[..calls].iter().all(|one| one == "not_sent"), "{outcomes:?}");
}

#[tokio::test]
async fn a_side_that_asks_to_wait_is_given_the_time() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let before = rig.right().calls(Kind::Apply);
    rig.right().plan(Kind::Apply, Fault::Throttled(Duration::from_secs(90)), 1);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    for _ in 0..8 {
        hands.work().await;
        rig.pass(11);
    }
    assert_eq!(rig.right().calls(Kind::Apply) - before, 1, "88 of 90 seconds have passed");
    rig.pass(3);
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    let update = rig.intents(Side::Left, "a", Op::Update).await.remove(0);
    assert_eq!(update.attempts, 1, "being asked to wait is no try");
    assert_eq!(rig.outcomes(&update).await, ["not_sent", "landed"]);
}

#[tokio::test]
async fn a_source_that_can_be_read_does_not_end_the_pause_of_the_calls() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let before = rig.right().calls(Kind::Apply);
    rig.right().plan(Kind::Apply, Fault::Throttled(Duration::from_secs(60)), 1);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    rig.right().tell_again(THINGS);
    put(&rig, Side::Left, "b", "2", "Bob");
    for _ in 0..5 {
        rig.pass(10);
        hands.work().await;
    }
    assert_eq!(rig.right().calls(Kind::Apply) - before, 1);
    hands.work_through(&rig, 15, 2).await;
    assert!(rig.agree("1", "Bea") && rig.agree("2", "Bob"));
}

#[tokio::test]
async fn a_record_refused_for_too_many_calls_pauses_its_whole_side() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::Refused(FailureClass::Throttled), 1);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert_eq!(pause_reason(&rig, Side::Right).await.as_deref(), Some("THROTTLED"));
    hands.work_through(&rig, 12, 2).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(pause_reason(&rig, Side::Right).await, None);
    let update = rig.intents(Side::Left, "a", Op::Update).await.remove(0);
    assert_eq!((update.attempts, rig.outcomes(&update).await.len()), (1, 2));
}

#[tokio::test]
async fn a_refused_sign_in_pauses_the_side_and_loses_nothing() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    rig.right().plan(Kind::Any, Fault::NotSent(FailureClass::Auth), 40);
    for number in 0..3 {
        put(&rig, Side::Left, &format!("r{number}"), &number.to_string(), "Ann");
    }
    hands.work_through(&rig, 31, 60).await;
    for number in 0..3 {
        assert!(rig.agree(&number.to_string(), "Ann"));
    }
    assert_eq!(parked(&rig).await, 0);
}

#[tokio::test]
async fn calls_of_a_flow_that_is_no_longer_configured_do_not_block_others() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work_up_to(Side::Right).await;
    let mut without = super::rig::Wanted::default();
    without.flows.clear();
    let bare = rig.process_with(without);
    let calls = rig.write_calls(Side::Right);
    let right = Side::Right.as_str().into();
    assert!(duet_pipeline::apply::step(&bare, &right).await.expect("it is up").is_none());
    assert_eq!(rig.write_calls(Side::Right), calls);
    hands.work().await;
    assert!(rig.agree("1", "Bea"), "where it is configured it goes on at once");
}
