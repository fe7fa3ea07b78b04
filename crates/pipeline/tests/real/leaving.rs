//! How writes leave (design, 2.4.2): at once where a call may be under way, in full calls where the
//! side asks for patience, not at all while the connection rests, and before the process ends.

use std::time::Duration;

use duet_core::link::Phase;
use duet_core::side::{Both, Side};
use duet_ports::clock::Clock;
use duet_ports::store::Store;
use duet_testkit::memory_side::{Promises, columns};
use duet_testkit::wait::wait_until;

use super::flows::THINGS;
use super::looping::{STOP, agreed, make, running};
use super::rig::{Rig, SOON, Wanted};

/// A rig whose right side takes four records in a call and waits for them.
async fn patient(patience: Duration) -> Rig {
    let mut promises = Both::<Promises>::default();
    promises.right.limits.patience = patience;
    promises.right.limits.batch = 4;
    Rig::of(Wanted { promises, ..super::looping::wanted() }).await
}

/// Records that both sides hold alike: linking them writes nothing.
fn pairs(rig: &Rig, count: u32) {
    for number in 0..count {
        for side in Side::BOTH {
            let values =
                columns(&[("code", &number.to_string()), ("name", "Ann"), ("city", "Oslo")]);
            rig.sides.get(side).put(THINGS, &format!("x{number}"), values);
        }
    }
}

async fn linked(rig: &Rig, count: u64) {
    wait_until(SOON, "all are linked and at rest", || async {
        let counts = rig.counts().await;
        // The two halves of a pair may have met as two links, which were joined.
        let at_rest = counts.phases.iter().all(|(phase, _)| *phase != Phase::Matching);
        at_rest && counts.phases.contains(&(Phase::Linked, count)) && counts.intents.is_empty()
    })
    .await;
}

async fn planned(rig: &Rig, count: u64) {
    wait_until(SOON, "they are planned", || async {
        rig.counts().await.intents == [("planned".to_owned(), count)]
    })
    .await;
}

fn edit(rig: &Rig, number: u64) {
    rig.left().put(THINGS, &format!("x{number}"), columns(&[("name", "Bea")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_gather_until_their_call_is_full() {
    let rig = patient(Duration::from_secs(3_600)).await;
    let running = running(&rig, &rig.context).await;
    pairs(&rig, 4);
    linked(&rig, 4).await;
    for number in 0..3 {
        edit(&rig, number);
        planned(&rig, number + 1).await;
    }
    assert_eq!(rig.write_calls(Side::Right), 0, "a fourth may come");
    edit(&rig, 3);
    agreed(&rig, 4).await;
    assert_eq!(rig.write_calls(Side::Right), 1);
    assert!(running.stop(STOP).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_ends() {
    let rig = patient(Duration::from_millis(300)).await;
    let running = running(&rig, &rig.context).await;
    pairs(&rig, 1);
    linked(&rig, 1).await;
    let before = rig.clock.now();
    edit(&rig, 0);
    agreed(&rig, 1).await;
    assert!(rig.clock.now() >= before.plus(300_000), "it waited");
    assert!(running.stop(STOP).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_another_process_paused_is_left_alone() {
    let rig = super::looping::rig().await;
    let running = running(&rig, &rig.context).await;
    pairs(&rig, 1);
    linked(&rig, 1).await;
    let right = "right".into();
    let until = rig.clock.now().plus_seconds(3_600);
    rig.store.pause_connection(&right, Some(until), Some("BUSY")).await.expect("it is up");
    edit(&rig, 0);
    planned(&rig, 1).await;
    assert_eq!(rig.write_calls(Side::Right), 0);
    rig.store.pause_connection(&right, None, None).await.expect("it is up");
    agreed(&rig, 1).await;
    assert!(running.stop(STOP).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_over_leaves_before_the_process_ends() {
    let rig = super::looping::rig().await;
    let running = running(&rig, &rig.context).await;
    make(&rig, 0..120);
    wait_until(SOON, "the first are written", || async { rig.writes() > 0 }).await;
    assert!(running.stop(STOP).await, "every stage finishes its step");
    let open = rig.counts().await.intents;
    assert!(open.iter().all(|(state, _)| state == "planned"), "{open:?}");
}
