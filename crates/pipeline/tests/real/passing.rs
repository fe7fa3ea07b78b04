//! One pass (`duet sync`): it ends when everything there was is done, and not before.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_pipeline::detect::Detection;
use duet_pipeline::error::StageError;
use duet_pipeline::sync;
use duet_ports::inspect::FlowCounts;
use duet_testkit::memory_side::{Fault, Kind, Promises, columns};

use super::flows::{THINGS, promising, things};
use super::rig::{Rig, SOON, Wanted};

fn put(rig: &Rig, side: Side, record: &str, code: &str, name: &str) {
    let values = columns(&[("code", code), ("name", name), ("city", "Oslo")]);
    rig.sides.get(side).put(THINGS, record, values);
}

async fn pass(rig: &Rig) -> FlowCounts {
    let passing = sync::once(&rig.context, &|_| ControlFlow::Continue(()));
    let done = tokio::time::timeout(SOON, passing).await.expect("a pass ends");
    done.expect("everything is up").remove(&rig.spec().name).expect("of this flow")
}

/// The first pass only notes where both sides stand.
async fn watched(rig: Rig) -> Rig {
    pass(&rig).await;
    rig
}

#[tokio::test]
async fn a_pass_brings_everything_over_and_the_next_one_writes_nothing() {
    let rig = watched(Rig::usual().await).await;
    for number in 0..40 {
        let side = if number % 2 == 0 { Side::Left } else { Side::Right };
        put(&rig, side, &format!("x{number}"), &number.to_string(), "Ann");
    }
    let counts = pass(&rig).await;
    assert!(counts.intents.is_empty(), "{counts:?}");
    for number in 0..40 {
        assert!(rig.agree(&number.to_string(), "Ann"), "{number}");
    }
    assert_eq!(rig.writes(), 40);
    pass(&rig).await;
    assert_eq!(rig.writes(), 40, "the second pass sees only echoes");
    for number in 0..40 {
        let id = rig.id(Side::Left, &number.to_string());
        rig.left().put(THINGS, &id, columns(&[("name", "Bea")]));
    }
    pass(&rig).await;
    assert_eq!(rig.writes(), 80);
    pass(&rig).await;
    assert_eq!(rig.writes(), 80);
}

#[tokio::test]
async fn a_pass_waits_for_the_grace_of_creates() {
    let mut spec = things();
    spec.policy.create_grace_us = 1_500_000;
    let rig = watched(Rig::flow(spec).await).await;
    put(&rig, Side::Left, "a", "1", "Ann");
    pass(&rig).await;
    assert!(rig.agree("1", "Ann"));
}

#[tokio::test]
async fn a_pass_waits_for_versions_to_be_fresh() {
    let seconds = Promises::of_whole_seconds();
    let spec = promising(things(), Side::Left, seconds);
    let promises = Both::new(seconds, Promises::default());
    let rig = Rig::of(Wanted { flows: vec![spec], promises, ..Wanted::default() }).await;
    let rig = watched(rig).await;
    put(&rig, Side::Left, "a", "1", "Ann");
    pass(&rig).await;
    put(&rig, Side::Left, "a", "1", "Bea");
    let id = rig.id(Side::Right, "1");
    rig.right().put(THINGS, &id, columns(&[("city", "Rome")]));
    pass(&rig).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Rome");
}

#[tokio::test]
async fn a_pass_does_not_wait_for_what_is_parked_or_tried_again_later() {
    let rig = watched(Rig::usual().await).await;
    rig.right().forbid(THINGS, "name", "bad", FailureClass::Validation);
    rig.right().forbid(THINGS, "name", "late", FailureClass::Transient);
    for (record, name) in [("a", "Ann"), ("b", "bad"), ("c", "late")] {
        put(&rig, Side::Left, record, record, name);
    }
    let counts = pass(&rig).await;
    assert!(rig.agree("a", "Ann"));
    let state = |name: &str| {
        counts.intents.iter().find(|(state, _)| state == name).map(|(_, count)| *count)
    };
    assert_eq!((state("parked"), state("retrying")), (Some(1), Some(1)), "{counts:?}");
}

#[tokio::test]
async fn a_pass_does_not_wait_for_a_side_that_takes_no_calls() {
    let rig = watched(Rig::usual().await).await;
    rig.right().plan(Kind::Create, Fault::NotSent(FailureClass::Unreachable), 1_000);
    rig.right().plan(Kind::Find, Fault::NotSent(FailureClass::Unreachable), 1_000);
    put(&rig, Side::Left, "a", "1", "Ann");
    pass(&rig).await;
    assert!(rig.right().records(THINGS).is_empty());
    rig.right().heal();
    rig.pass(31);
    pass(&rig).await;
    assert!(rig.agree("1", "Ann"), "the next pass finds what was left");
}

#[tokio::test]
async fn a_pass_waits_for_an_outcome_that_nobody_told() {
    let rig = watched(Rig::usual().await).await;
    rig.right().plan(Kind::Create, Fault::AnswerLost, 1);
    put(&rig, Side::Left, "a", "1", "Ann");
    let counts = pass(&rig).await;
    assert!(rig.agree("1", "Ann"));
    assert!(counts.intents.is_empty(), "{counts:?}");
    assert_eq!(rig.right().written().len(), 1);
}

#[tokio::test]
async fn a_pass_is_refused_while_somebody_else_reads_a_source() {
    let rig = Rig::usual().await;
    let other = rig.another_process();
    let held = Detection::open(&other, rig.spec(), Side::Right).await.expect("it opens");
    let held = held.expect("nobody reads it");
    let refused = sync::once(&rig.context, &|_| ControlFlow::Continue(())).await;
    assert!(matches!(refused, Err(StageError::LeaseHeld { .. })), "{refused:?}");
    held.close(&other).await.expect("it is up");
    pass(&rig).await;
}

#[tokio::test]
async fn a_pass_over_a_side_that_cannot_be_read_fails_and_leaves_no_lease_behind() {
    let rig = watched(Rig::usual().await).await;
    rig.right().plan(Kind::Detect, Fault::NotSent(FailureClass::Unreachable), 1);
    put(&rig, Side::Left, "a", "1", "Ann");
    let failed = sync::once(&rig.context, &|_| ControlFlow::Continue(())).await;
    assert!(matches!(failed, Err(StageError::Connector(_))), "{failed:?}");
    pass(&rig).await;
    assert!(rig.agree("1", "Ann"));
}

#[tokio::test]
async fn whoever_watches_a_pass_sees_it_end() {
    let rig = watched(Rig::usual().await).await;
    put(&rig, Side::Left, "a", "1", "Ann");
    let last = Arc::new(std::sync::Mutex::new(sync::Standing::default()));
    let seen = Arc::clone(&last);
    let watch = move |standing: &sync::Standing| {
        *seen.lock().expect("one writer") = standing.clone();
        ControlFlow::Continue(())
    };
    let limit = Duration::from_secs(30);
    let pass = tokio::time::timeout(limit, sync::once(&rig.context, &watch)).await;
    pass.expect("it ends").expect("everything is up");
    let last = last.lock().expect("one writer").clone();
    assert_eq!(last, sync::Standing { sources: (2, 2), under_way: 0 });
}

#[tokio::test]
async fn a_pass_that_is_broken_off_leaves_no_lease_behind_and_the_next_one_goes_on() {
    let rig = watched(Rig::usual().await).await;
    for number in 0..40 {
        put(&rig, Side::Left, &format!("x{number}"), &number.to_string(), "Ann");
    }
    let looks = std::sync::atomic::AtomicU32::new(0);
    let watch = |_: &sync::Standing| {
        looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ControlFlow::Break(())
    };
    let broken = tokio::time::timeout(SOON, sync::once(&rig.context, &watch)).await;
    let counts = broken.expect("it ends").expect("a break is no failure");
    assert_eq!(looks.into_inner(), 1, "it ends at the first look");
    assert_eq!(counts.len(), 1, "it still tells where it stands");
    pass(&rig).await;
    for number in 0..40 {
        assert!(rig.agree(&number.to_string(), "Ann"), "{number}");
    }
}
