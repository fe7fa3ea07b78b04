//! Processes that die at the worst moment, and calls that arrive long after they were given up.

use std::time::Duration;

use duet_core::facts::Event;
use duet_core::intent::{Intent, IntentState, Op, Outcome, Receipt};
use duet_core::side::Side;
use duet_pipeline::apply;
use duet_pipeline::batch::{Batch, Job, Target};
use duet_ports::clock::Clock;
use duet_ports::connector::{self, Call, Connector};
use duet_ports::inspect::Inspect;
use duet_ports::store::Claimed;
use duet_testkit::memory_side::{Fault, Kind, columns};

use super::flowing::linked;
use super::flows::THINGS;
use super::hands::Hands;
use super::rig::Rig;

const DEADLINE: u64 = 4;

/// Takes what is due to the right side, as a process that dies right afterwards.
async fn claimed(rig: &Rig) -> Claimed {
    let name = Side::Right.as_str().into();
    let connection = &rig.context.connections[&name];
    let claimed = apply::claim(&rig.context, &name, connection).await.expect("it is up");
    claimed.expect("something is due")
}

/// Makes the call that a dead process was about to make.
async fn called(rig: &Rig, claimed: &Claimed) -> Vec<Outcome> {
    let call = |intent: &Intent| Call {
        intent: intent.id,
        link: intent.link,
        record: intent.record.clone(),
        values: intent.values.clone(),
        unique: None,
        expected: intent.expected.clone(),
        expected_values: intent.expected_values.clone(),
    };
    let calls = claimed.intents.iter().map(call).collect();
    let batch = connector::Batch { op: claimed.op, path: claimed.path, calls };
    let answers = rig.right().apply(&rig.collection(Side::Right), &batch).await;
    answers.expect("the side answers").outcomes
}

/// Settles an answer, as a process that was held up for long.
async fn settled(rig: &Rig, intent: &Intent, outcome: Outcome) {
    let at = rig.clock.now();
    let receipt = Receipt { intent: intent.id, at, sent_at: at.plus(-1), outcome };
    let event = Event::Received(Box::new(receipt));
    let job = Job { target: Target::Link(intent.link), event, cause: "receipt" };
    duet_pipeline::decide::step(&rig.context, Batch::of(vec![job])).await.expect("it is up");
}

async fn about_to_create(rig: &Rig) -> Hands {
    let mut hands = Hands::of(rig).await;
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    // Searched first, then decided: the create is due.
    hands.work_up_to(Side::Right).await;
    for _ in 0..3 {
        if !rig.intents(Side::Left, "a", Op::Create).await.is_empty() {
            break;
        }
        apply::step(&rig.context, &Side::Right.as_str().into()).await.expect("it is up");
    }
    hands
}

async fn about_to_update(rig: &Rig) -> Hands {
    let mut hands = linked(rig, Side::Left, "1", "Ann").await;
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work_up_to(Side::Right).await;
    hands
}

#[tokio::test]
async fn a_process_that_dies_between_claim_and_call_leaves_work_for_others() {
    let rig = Rig::usual().await;
    let mut hands = about_to_create(&rig).await;
    assert_eq!(claimed(&rig).await.op, Op::Create);
    hands.work().await;
    assert_eq!(rig.write_calls(Side::Right), 0, "it may still be under way");
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!(rig.right().written().len(), 1);
    let create = rig.intents(Side::Left, "a", Op::Create).await.remove(0);
    assert_eq!(rig.outcomes(&create).await, ["unknown", "landed"], "every call is told");
    assert_eq!(create.attempts, 2);
}

#[tokio::test]
async fn the_same_for_an_update() {
    let rig = Rig::usual().await;
    let mut hands = about_to_update(&rig).await;
    assert_eq!(claimed(&rig).await.op, Op::Update);
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2);
    let update = rig.intents(Side::Left, "a", Op::Update).await.remove(0);
    let attempts = rig.store.attempts_of(update.id).await.expect("it is up");
    let codes: Vec<Option<&str>> =
        attempts.iter().map(|one| one.failure.as_ref().map(|it| it.code.as_str())).collect();
    assert_eq!(codes, [Some("NO_ANSWER"), None]);
    assert_eq!(attempts.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    assert!(attempts[0].sent_at < attempts[0].done_at);
}

#[tokio::test]
async fn a_process_that_dies_before_it_settles_an_answer_costs_nothing() {
    let rig = Rig::usual().await;
    let mut hands = about_to_create(&rig).await;
    let taken = claimed(&rig).await;
    called(&rig, &taken).await;
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Ann"));
    let create = rig.intents(Side::Left, "a", Op::Create).await.remove(0);
    assert_eq!(rig.outcomes(&create).await, ["seen"], "the record told it");
    let mut hands2 = hands;
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands2.work_up_to(Side::Right).await;
    let taken = claimed(&rig).await;
    called(&rig, &taken).await;
    hands2.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2);
    assert_eq!(rig.write_calls(Side::Right), 2);
}

#[tokio::test]
async fn an_answer_after_its_recovery_confirms_nothing_and_harms_nothing() {
    let rig = Rig::usual().await;
    let mut hands = about_to_update(&rig).await;
    let taken = claimed(&rig).await;
    let mut outcomes = called(&rig, &taken).await;
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Bea"), "recovered by reading");
    rig.left().put(THINGS, "a", columns(&[("name", "Cid")]));
    hands.work().await;
    settled(&rig, &taken.intents[0], outcomes.remove(0)).await;
    hands.work_through(&rig, DEADLINE, 2).await;
    assert!(rig.agree("1", "Cid"), "the old answer didn't bring the old name back");
    assert_eq!(rig.right().written().len(), 3);
    assert!(rig.conflicts().await.is_empty());
}

#[tokio::test]
async fn an_answer_settled_twice_changes_nothing() {
    let rig = Rig::usual().await;
    let mut hands = about_to_update(&rig).await;
    let taken = claimed(&rig).await;
    let outcome = called(&rig, &taken).await.remove(0);
    for _ in 0..2 {
        settled(&rig, &taken.intents[0], outcome.clone()).await;
    }
    hands.work_through(&rig, DEADLINE, 2).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2);
    let update = rig.intents(Side::Left, "a", Op::Update).await.remove(0);
    assert_eq!(update.state, IntentState::Confirmed);
}

#[tokio::test]
async fn a_create_that_lands_after_its_repetition_makes_no_second_record() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    rig.right().plan(Kind::Create, Fault::Later, 1);
    hands.work_through(&rig, DEADLINE, 4).await;
    assert!(rig.agree("1", "Ann"), "proved not to have landed, and sent again");
    let late = rig.right().land_late(&rig.collection(Side::Right));
    assert!(matches!(late[..], [Outcome::Refused { .. }]), "{late:?}");
    hands.work_through(&rig, DEADLINE, 2).await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!(rig.right().written().len(), 1);
}

#[tokio::test]
async fn an_update_that_lands_after_it_was_given_up_is_taken_into_account() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::Later, 1);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    // Before anything is proved it lands: found by its marker.
    let late = rig.right().land_late(&rig.collection(Side::Right));
    assert!(matches!(late[..], [Outcome::Landed { .. }]), "{late:?}");
    rig.left().put(THINGS, "a", columns(&[("name", "Cid")]));
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Cid"));
    assert!(rig.conflicts().await.is_empty(), "our own write is nobody's edit");
}

#[tokio::test]
async fn a_slow_call_is_cut_off_and_found_out() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.right().plan(Kind::Apply, Fault::Slow(Duration::from_secs(20)), 1);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    let begun = rig.clock.now();
    hands.work().await;
    let took = rig.clock.now().0 - begun.0;
    assert!(took < 10_000_000, "a call ends within its time limit, this took {took} us");
    hands.work_through(&rig, DEADLINE, 3).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.right().written().len(), 2);
}
