//! The write protocol: answers and calls that are lost, refused, late or incomplete. Nothing is
//! written twice, nothing is made twice, and every call leaves an attempt.

use std::sync::atomic::{AtomicU64, Ordering};

use duet_core::intent::{IntentState, Op};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_testkit::memory_side::{Fault, Kind, columns};

use super::flowing::linked;
use super::flows::THINGS;
use super::hands::Hands;
use super::rig::Rig;

/// More than a call's time limit and margin: every deadline has passed.
const DEADLINE: u64 = 4;

async fn made_on_the_left(rig: &Rig) -> Hands {
    let hands = Hands::of(rig).await;
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    hands
}

fn edit(rig: &Rig, name: &str) {
    rig.left().put(THINGS, "a", columns(&[("name", name)]));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_recognised() {
    let rig = Rig::usual().await;
    let mut hands = made_on_the_left(&rig).await;
    rig.right().plan(Kind::Create, Fault::AnswerLost, 1);
    hands.work().await;
    let creates = rig.intents(Side::Left, "a", Op::Create).await;
    assert_eq!(creates.len(), 1);
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!(rig.write_calls(Side::Right), 1, "found, not sent again");
    let create = rig.intents(Side::Left, "a", Op::Create).await.remove(0);
    assert_eq!(create.state, IntentState::Confirmed);
    assert_eq!(rig.outcomes(&create).await, ["unknown"]);
    assert_eq!(rig.links().await.len(), 1);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_recognised_without_being_told_of() {
    let rig = Rig::usual().await;
    let mut hands = made_on_the_left(&rig).await;
    rig.right().plan(Kind::Create, Fault::AnswerLost, 1);
    // The source on the right doesn't answer: only searching can tell.
    rig.right().plan(Kind::Detect, Fault::CallLost, 10_000);
    hands.work_through(&rig, DEADLINE, 4).await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!(rig.right().records(THINGS).len(), 1);
    assert_eq!(rig.write_calls(Side::Right), 1);
    let create = rig.intents(Side::Left, "a", Op::Create).await.remove(0);
    assert_eq!(create.state, IntentState::Confirmed);
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_recognised() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::AnswerLost, 1);
    rig.right().plan(Kind::Detect, Fault::CallLost, 10_000);
    edit(&rig, "Bea");
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2, "the create and one update");
    let update = rig.intents(Side::Left, "a", Op::Update).await.remove(0);
    assert_eq!(update.state, IntentState::Confirmed);
    assert!(rig.conflicts().await.is_empty());
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let told = (count(&rig.context.tally.writes.right), count(&rig.context.tally.landed.right));
    assert_eq!(told, (2, 2), "one that was confirmed by reading landed, too");
}

#[tokio::test]
async fn a_create_lost_on_its_way_is_sent_again_when_that_is_proved() {
    let rig = Rig::usual().await;
    let mut hands = made_on_the_left(&rig).await;
    rig.right().plan(Kind::Create, Fault::CallLost, 1);
    hands.work_through(&rig, DEADLINE, 4).await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!(rig.write_calls(Side::Right), 2);
    assert_eq!(rig.right().written().len(), 1);
    let creates = rig.intents(Side::Left, "a", Op::Create).await;
    assert_eq!(creates.len(), 1, "the same intent, sent again");
    assert_eq!(rig.outcomes(&creates[0]).await, ["unknown", "landed"]);
}

#[tokio::test]
async fn an_update_lost_on_its_way_is_sent_again_when_that_is_proved() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::CallLost, 1);
    edit(&rig, "Bea");
    hands.work_through(&rig, DEADLINE, 4).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2);
    let updates = rig.intents(Side::Left, "a", Op::Update).await;
    assert_eq!(updates.len(), 1);
    assert_eq!(rig.outcomes(&updates[0]).await, ["unknown", "landed"]);
}

#[tokio::test]
async fn a_create_of_unknown_outcome_is_never_repeated_blindly() {
    let rig = Rig::usual().await;
    let mut hands = made_on_the_left(&rig).await;
    rig.right().plan(Kind::Create, Fault::CallLost, 1);
    hands.work().await;
    for _ in 0..5 {
        rig.left().tell_again(THINGS);
        hands.work().await;
    }
    assert_eq!(rig.write_calls(Side::Right), 1, "before its deadline nothing is proved");
    // Neither is it afterwards as long as nobody can search.
    rig.right().plan(Kind::Find, Fault::NotSent(FailureClass::Transient), 3);
    rig.pass(DEADLINE);
    hands.work().await;
    assert_eq!(rig.write_calls(Side::Right), 1);
    rig.right().heal();
    hands.work_through(&rig, 10, 4).await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!(rig.right().written().len(), 1);
}

#[tokio::test]
async fn an_edit_while_the_outcome_is_unknown_follows_it() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::AnswerLost, 1);
    edit(&rig, "Bea");
    hands.work().await;
    edit(&rig, "Cid");
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Cid"));
    assert_eq!(rig.right().written().len(), 3);
    assert!(rig.conflicts().await.is_empty());
}

#[tokio::test]
async fn somebody_elses_edit_over_an_unknown_update_is_seen() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::AnswerLost, 1);
    edit(&rig, "Bea");
    rig.right().plan(Kind::Detect, Fault::CallLost, 50);
    hands.work_up_to(Side::Right).await;
    hands.apply(Side::Right).await;
    let id = rig.id(Side::Right, "1");
    assert_eq!(rig.text(Side::Right, &id, "name").unwrap(), "Bea", "it landed");
    rig.right().put(THINGS, &id, columns(&[("name", "Theirs")]));
    rig.right().heal();
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Theirs"), "their edit was made on ours");
    assert!(rig.conflicts().await.is_empty());
}

#[tokio::test]
async fn a_side_that_leaves_out_an_answer_is_asked_what_happened() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    for number in 0..3 {
        let code = number.to_string();
        let values = columns(&[("code", &code), ("name", "Ann"), ("city", "Oslo")]);
        rig.left().put(THINGS, &format!("r{number}"), values);
    }
    rig.right().plan(Kind::Create, Fault::AnswerMissing, 1);
    hands.work_through(&rig, DEADLINE, 4).await;
    for number in 0..3 {
        assert!(rig.agree(&number.to_string(), "Ann"), "{number}");
    }
    assert_eq!(rig.right().written().len(), 3, "none was made twice");
}

#[tokio::test]
async fn a_read_that_is_not_answered_is_repeated() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.left().plan(Kind::Read, Fault::AnswerMissing, 1);
    rig.left().plan(Kind::Read, Fault::CallLost, 1);
    rig.left().plan(Kind::Read, Fault::Refused(FailureClass::Transient), 1);
    rig.left().put_untold(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work_through(&rig, 10, 5).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.left().calls(Kind::Read), 4);
}

#[tokio::test]
async fn a_stale_write_is_read_and_decided_again() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let id = rig.id(Side::Right, "1");
    edit(&rig, "Bea");
    hands.work_up_to(Side::Right).await;
    // Changed after it was decided, before the call leaves.
    rig.right().put(THINGS, &id, columns(&[("city", "Rome")]));
    hands.apply(Side::Right).await;
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Rome");
    let updates = rig.intents(Side::Left, "a", Op::Update).await;
    let refused: Vec<_> = updates.iter().filter(|one| one.state == IntentState::Refused).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(rig.outcomes(refused[0]).await, ["refused"]);
}

#[tokio::test]
async fn a_write_refused_as_stale_without_a_reason_is_tried_again() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::Refused(FailureClass::Stale), 2);
    edit(&rig, "Bea");
    hands.work_through(&rig, 2, 4).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2);
}

#[tokio::test]
async fn a_create_that_finds_its_own_record_takes_it() {
    let rig = Rig::usual().await;
    let mut hands = made_on_the_left(&rig).await;
    // Somebody made a record with the same code, of which the right has not told yet.
    rig.right().plan(Kind::Detect, Fault::CallLost, 3);
    let values = columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]);
    rig.right().put(THINGS, "b", values);
    hands.work_through(&rig, 2, 3).await;
    assert_eq!(rig.right().records(THINGS).len(), 1, "the search found it");
    assert_eq!(rig.links().await.len(), 1);
    assert_eq!(rig.writes(), 0);
}
