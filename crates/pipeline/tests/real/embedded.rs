//! The same ways on the hub in memory: one process, no broker. What only a broker can suffer stays
//! with the others.

use duet_pipeline::run::topology;

use super::looping::{self, STOP, agreed, make, running};
use super::rig::{Rig, Wanted};
use super::{flowing, positions};

async fn embedded(wanted: Wanted) -> Rig {
    Rig::of(Wanted { embedded: true, ..wanted }).await
}

#[tokio::test]
async fn a_record_made_on_one_side_is_made_on_the_other() {
    let rig = embedded(Wanted::default()).await;
    flowing::what_is_made_on_one_side_is_made_on_the_other(&rig).await;
}

#[tokio::test]
async fn what_is_delivered_again_is_decided_once() {
    let rig = embedded(Wanted::default()).await;
    positions::what_is_delivered_again_is_decided_once(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_edits_on_both_sides_converge_and_come_to_rest() {
    looping::random_edits_converge_and_come_to_rest(&embedded(looping::wanted()).await).await;
}

/// The queues end with the process. What was in them is read again, because its position was never
/// given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_with_full_queues_loses_and_doubles_nothing() {
    let rig = embedded(looping::wanted()).await;
    let mut written = 0;
    for round in 0..3 {
        let process = rig.another_process();
        process.hub.declare(&topology(&process)).await.expect("it is in memory");
        let running = running(&rig, &process).await;
        make(&rig, round * 40..round * 40 + 40);
        written += 40;
        // The first ones end while messages are under way, the last one finishes.
        if round == 2 {
            agreed(&rig, 120).await;
        }
        assert!(running.stop(STOP).await, "every stage finishes its step");
    }
    assert_eq!((rig.writes(), rig.links().await.len()), (written, 120));
    assert!(rig.dead().await.is_empty());
}
