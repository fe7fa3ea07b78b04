//! The whole process in loops, as `duet run` has it: many records, several partitions, parts that
//! fail and come back, two processes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use duet_core::id::RecordId;
use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_core::spec::{Strategy, Tie};
use duet_pipeline::context::{Context, Options};
use duet_pipeline::run::{self, Running};
use duet_ports::clock::{Entropy, System};
use duet_ports::hub::Queue;
use duet_testkit::memory_side::{Fault, Kind, MemorySide, columns};
use duet_testkit::wait::wait_until;

use super::flows::{THINGS, things};
use super::rig::{Rig, SOON, Wanted};

pub(crate) const STOP: Duration = Duration::from_secs(60);

/// Several partitions; the later change wins, so that nothing waits for a person.
pub(crate) async fn rig() -> Rig {
    Rig::of(wanted()).await
}

pub(crate) fn wanted() -> Wanted {
    let mut spec = things();
    for field in &mut spec.fields {
        field.strategy = Strategy::LastWriteWins { tie: vec![Tie::Left] };
    }
    let options = Options {
        partitions: 4,
        resend_after: Duration::from_secs(1),
        lease: Duration::from_secs(3),
        ..Wanted::default().options
    };
    Wanted { flows: vec![spec], options, ..Wanted::default() }
}

/// Loops that have opened every source.
pub(crate) async fn running(rig: &Rig, context: &Arc<Context>) -> Running {
    let before = Both::build(|side| rig.sides.get(side).calls(Kind::Detect));
    let running = run::start(context);
    wait_until(SOON, "both sources are read", || async {
        let read = |side| rig.sides.get(side).calls(Kind::Detect) > *before.get(side);
        read(Side::Left) && read(Side::Right)
    })
    .await;
    running
}

pub(crate) fn make(rig: &Rig, records: std::ops::Range<u32>) {
    for number in records {
        let side = if number % 2 == 0 { Side::Left } else { Side::Right };
        let code = number.to_string();
        let values = columns(&[("code", &code), ("name", "Ann"), ("city", "Oslo")]);
        rig.sides.get(side).put(THINGS, &format!("x{number}"), values);
    }
}

/// Records of a side by code: name and city.
pub(crate) fn contents(side: &MemorySide) -> BTreeMap<String, (String, String)> {
    let text = |record: &RecordId, column: &str| {
        side.text(THINGS, record.as_str(), column).unwrap_or_default()
    };
    let records = side.records(THINGS);
    let all: BTreeMap<_, _> = records
        .iter()
        .map(|record| (text(record, "code"), (text(record, "name"), text(record, "city"))))
        .collect();
    assert_eq!(all.len(), records.len(), "a record was doubled");
    all
}

pub(crate) async fn agreed(rig: &Rig, records: usize) {
    wait_until(SOON, "both sides hold the same", || async {
        let left = contents(rig.left());
        left.len() == records && left == contents(rig.right())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_edits_on_both_sides_converge_and_come_to_rest() {
    random_edits_converge_and_come_to_rest(&rig().await).await;
}

/// Also after a stop and another start, and when everything is told again.
pub(crate) async fn random_edits_converge_and_come_to_rest(rig: &Rig) {
    let running = running(rig, &rig.context).await;
    make(rig, 0..60);
    agreed(rig, 60).await;
    let seed = System.below(u64::from(u32::MAX));
    let mut turn = seed;
    for edit in 0..200_u32 {
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let side = if (turn >> 33) % 2 == 0 { Side::Left } else { Side::Right };
        let column = if (turn >> 35) % 2 == 0 { "name" } else { "city" };
        let code = ((turn >> 37) % 60).to_string();
        let value = format!("{edit}");
        rig.sides.get(side).put(THINGS, &rig.id(side, &code), columns(&[(column, &value)]));
        if edit % 20 == 0 {
            tokio::task::yield_now().await;
        }
    }
    agreed(rig, 60).await;
    assert!(running.stop(STOP).await, "every stage finishes its step");
    assert_eq!(rig.links().await.len(), 60);
    assert!(rig.dead().await.is_empty());
    let written = rig.writes();
    let again = running_again(rig).await;
    for side in Side::BOTH {
        rig.sides.get(side).tell_again(THINGS);
    }
    wait_until(SOON, "everything told again is decided", || async {
        rig.context.tally.read.load(std::sync::atomic::Ordering::Relaxed) > 0
            && rig.counts().await.intents.is_empty()
    })
    .await;
    assert!(again.stop(STOP).await);
    assert_eq!(rig.writes(), written, "seed {seed}");
    assert_eq!(contents(rig.left()), contents(rig.right()), "seed {seed}");
}

async fn running_again(rig: &Rig) -> Running {
    running(rig, &rig.context).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_fault_in_turn_loses_and_doubles_nothing() {
    let rig = rig().await;
    let running = running(&rig, &rig.context).await;
    let faults = [
        Fault::AnswerLost,
        Fault::CallLost,
        Fault::Refused(FailureClass::Transient),
        Fault::AnswerMissing,
        Fault::NotSent(FailureClass::Unreachable),
        Fault::Throttled(Duration::from_millis(500)),
        Fault::Slow(Duration::from_millis(300)),
    ];
    for (number, fault) in (0_u32..).zip(faults) {
        for side in Side::BOTH {
            rig.sides.get(side).plan(Kind::Apply, fault.clone(), 1);
        }
        make(&rig, number * 6..number * 6 + 6);
        wait_until(SOON, "calls meet the fault", || async {
            rig.clock.pass(Duration::from_millis(200));
            let left = contents(rig.left());
            left.len() == (number as usize + 1) * 6 && left == contents(rig.right())
        })
        .await;
    }
    wait_until(SOON, "nothing is under way", || async {
        rig.clock.pass(Duration::from_millis(200));
        rig.counts().await.intents.is_empty()
    })
    .await;
    assert!(running.stop(STOP).await);
    assert_eq!(rig.writes(), 42, "each record was made once");
    assert_eq!(rig.links().await.len(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_the_hub_costs_time_and_nothing_else() {
    let rig = rig().await;
    let running = running(&rig, &rig.context).await;
    for round in 0..4 {
        make(&rig, round * 20..round * 20 + 20);
        rig.purge();
    }
    agreed(&rig, 80).await;
    assert!(running.stop(STOP).await);
    assert_eq!(rig.writes(), 80);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_takes_over_where_the_first_one_stopped() {
    let rig = rig().await;
    let first = running(&rig, &rig.context).await;
    make(&rig, 0..20);
    agreed(&rig, 20).await;
    let other = rig.another_process();
    let second = run::start(&other);
    make(&rig, 20..40);
    agreed(&rig, 40).await;
    assert!(first.stop(STOP).await);
    make(&rig, 40..60);
    agreed(&rig, 60).await;
    assert!(second.stop(STOP).await);
    assert_eq!((rig.writes(), rig.links().await.len()), (60, 60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_is_replaced_when_its_leases_run_out() {
    let rig = rig().await;
    let first = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime of its own");
    let dying = rig.another_process();
    let started = first.spawn(async move { run::start(&dying) }).await.expect("it starts");
    wait_until(SOON, "it reads", || async { rig.left().calls(Kind::Detect) > 0 }).await;
    wait_until(SOON, "it reads", || async { rig.right().calls(Kind::Detect) > 0 }).await;
    make(&rig, 0..10);
    agreed(&rig, 10).await;
    make(&rig, 10..20);
    // Every task of it stops where it is: no goodbye, no lease given back.
    first.shutdown_background();
    drop(started);
    let second = run::start(&rig.context);
    agreed(&rig, 20).await;
    assert!(second.stop(STOP).await);
    assert_eq!((rig.writes(), rig.links().await.len()), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_store_costs_time_and_no_message() {
    let rig = Rig::of(Wanted { cuttable: true, ..wanted() }).await;
    let running = running(&rig, &rig.context).await;
    make(&rig, 0..10);
    agreed(&rig, 10).await;
    make(&rig, 10..40);
    rig.cut_store(true);
    make(&rig, 40..50);
    // Minutes of outage: more tries than the broker would take for poison.
    for _ in 0..60 {
        rig.pass(5);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.cut_store(false);
    wait_until(SOON, "both sides hold the same", || async {
        rig.pass(1);
        let left = contents(rig.left());
        left.len() == 50 && left == contents(rig.right())
    })
    .await;
    let depth = rig.context.hub.depth(&Queue::Dead).await.expect("it is up");
    assert_eq!(depth.ready, 0, "nothing was taken for poison");
    assert!(running.stop(STOP).await);
    assert!(rig.dead().await.is_empty());
    assert_eq!((rig.writes(), rig.links().await.len()), (50, 50));
}
