//! Several processes: they share the partitions and take over from one that dies, or that the hub
//! can't be reached from. Nothing is lost on the way, and nothing is done twice.

use std::future::Future;
use std::time::Duration;

use duet_core::side::Side;
use duet_pipeline::run::{self, Running};
use duet_ports::clock::Clock;
use duet_ports::inspect::Inspect;
use duet_ports::store::Store;
use duet_testkit::memory_side::Kind;
use duet_testkit::servers::Fault;
use duet_testkit::wait::wait_until;

use super::looping::{STOP, agreed, make, rig, running};
use super::rig::{Rig, SOON};

/// Waits until every source was opened: it begins where it is then.
async fn both_are_read(rig: &Rig) {
    wait_until(SOON, "both sources are read", || async {
        Side::BOTH.into_iter().all(|side| rig.sides.get(side).calls(Kind::Detect) > 0)
    })
    .await;
}

/// Makes a few records at a time until something holds; each is made once.
async fn feed(rig: &Rig, made: &mut u32, what: &str, holds: impl Fn() -> bool) {
    let feeding = async {
        while !holds() {
            make(rig, *made..*made + 4);
            *made += 4;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, feeding).await.is_ok(), "in the end {what}");
}

async fn all_agree(rig: &Rig, made: u32) {
    agreed(rig, made as usize).await;
}

fn share_fairly(one: &Running, other: &Running) -> bool {
    let mut both = [one.partitions(), other.partitions()].concat();
    both.sort_unstable();
    one.partitions().len() == 2 && both == [0, 1, 2, 3]
}

/// A process on a runtime of its own, so that it can die without a goodbye.
fn mortal<T: Send + 'static>(
    start: impl Future<Output = T> + Send + 'static,
) -> (tokio::runtime::Runtime, tokio::task::JoinHandle<T>) {
    let own = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime of its own");
    let started = own.spawn(start);
    (own, started)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_partitions_and_one_takes_over_from_the_other() {
    let rig = rig().await;
    let dying = rig.another_process();
    let (own, started) = mortal(async move { run::start(&dying) });
    let first = started.await.expect("it starts");
    both_are_read(&rig).await;
    let mut made = 0;
    feed(&rig, &mut made, "one has all", || first.partitions() == [0, 1, 2, 3]).await;
    let second = run::start(&rig.context);
    feed(&rig, &mut made, "each has two", || share_fairly(&first, &second)).await;
    all_agree(&rig, made).await;
    let (left, right) = (first.partitions(), second.partitions());
    let before = made;
    feed(&rig, &mut made, "more flows", || made_enough(&rig, before + 40)).await;
    all_agree(&rig, made).await;
    assert_eq!((first.partitions(), second.partitions()), (left, right), "nothing moves any more");
    make(&rig, made..made + 20);
    made += 20;
    own.shutdown_background();
    drop(first);
    // While the dead one still counts, what is above the share of two may be given up once more:
    // nobody else takes it, and the next message tells that it came back.
    wait_until(SOON, "the dead process is forgotten", || async {
        rig.store.processes(rig.clock.now()).await.is_ok_and(|rows| rows.len() == 1)
    })
    .await;
    feed(&rig, &mut made, "the other one has all", || second.partitions() == [0, 1, 2, 3]).await;
    all_agree(&rig, made).await;
    assert!(second.stop(STOP).await);
    assert_eq!((rig.writes(), rig.links().await.len()), (made as usize, made as usize));
    assert!(rig.dead().await.is_empty());
}

/// Both sides together were given so many records, and hold each other's.
fn made_enough(rig: &Rig, records: u32) -> bool {
    let held = |side: Side| rig.sides.get(side).records(super::flows::THINGS).len();
    held(Side::Left).min(held(Side::Right)) >= records as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_share_from_the_beginning() {
    let rig = rig().await;
    let other = rig.another_process();
    let (first, second) = (run::start(&rig.context), run::start(&other));
    both_are_read(&rig).await;
    let mut made = 0;
    feed(&rig, &mut made, "each has two", || share_fairly(&first, &second)).await;
    all_agree(&rig, made).await;
    // Who stops goes at once: nobody waits for its lease.
    assert!(second.stop(STOP).await);
    let live = rig.store.live_processes(rig.clock.now()).await.expect("it is up");
    assert_eq!(live, 1);
    feed(&rig, &mut made, "one has all", || first.partitions() == [0, 1, 2, 3]).await;
    all_agree(&rig, made).await;
    assert!(first.stop(STOP).await);
    assert_eq!(rig.writes(), made as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_lost_the_hub_leaves_its_sources_to_another() {
    let rig = rig().await;
    let (cut_off, way) = rig.process_behind_proxy().await;
    let first = running(&rig, &cut_off).await;
    make(&rig, 0..10);
    agreed(&rig, 10).await;
    assert_eq!(holders(&rig).await, ["cut", "cut"]);
    let second = run::start(&rig.context);
    way.set(Fault::Refuse);
    way.drop_connections();
    make(&rig, 10..20);
    agreed(&rig, 20).await;
    assert_eq!(holders(&rig).await, ["test", "test"], "though the store was there all the time");
    way.set(Fault::None);
    wait_until(SOON, "it is at work again", || async {
        rig.store.live_processes(rig.clock.now()).await.is_ok_and(|live| live == 2)
    })
    .await;
    assert!(second.stop(STOP).await);
    let read = rig.left().calls(Kind::Detect);
    make(&rig, 20..30);
    agreed(&rig, 30).await;
    assert!(rig.left().calls(Kind::Detect) > read);
    assert_eq!(holders(&rig).await, ["cut", "cut"], "it takes them again");
    assert!(first.stop(STOP).await);
    assert_eq!(rig.writes(), 30);
    assert!(rig.dead().await.is_empty());
}

/// The processes that read the sources.
async fn holders(rig: &Rig) -> Vec<String> {
    let rows = rig.store.sources().await.expect("it is up");
    let process = |holder: String| holder.split('/').next().unwrap_or_default().to_owned();
    rows.into_iter().filter_map(|row| row.holder).map(|(holder, _)| process(holder)).collect()
}
