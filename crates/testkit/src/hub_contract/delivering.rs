//! What a consumer promises.

use std::time::Duration;

use duet_ports::hub::Queue;

use super::{
    HubRig, SOON, assert_stale, changes, declared, nothing_comes, number, publish_all, read,
    wait_for_ready,
};

/// More than a message may be given back.
const GIVEN_BACK_MAX: usize = 40;

/// `next` takes what is there without waiting for more, and nothing when nothing comes.
pub async fn next_takes_what_is_there(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    let mut consumer = hub.consume(Queue::Changes(0), 1_000).await.expect("the queue exists");
    nothing_comes(&mut *consumer).await;
    publish_all(&*hub, &changes(1..=3)).await;
    let waited = tokio::time::timeout(SOON, consumer.next(100, 2 * SOON)).await;
    let first = waited.expect("it doesn't wait for company").expect("the hub is up");
    assert!(!first.is_empty());
    let rest = read(&mut *consumer, 3 - first.len()).await;
    let tags: Vec<u64> = first.iter().chain(&rest).map(|delivery| delivery.tag).collect();
    assert!(tags.is_sorted_by(|a, b| a < b), "{tags:?}");
    publish_all(&*hub, &changes(4..=9)).await;
    let few = consumer.next(2, SOON).await.expect("the hub is up");
    assert!(few.len() <= 2);
}

/// No more than the prefetch is out at once.
pub async fn prefetch_bounds_what_is_out(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=10)).await;
    let mut consumer = hub.consume(Queue::Changes(0), 4).await.expect("the queue exists");
    let first = read(&mut *consumer, 4).await;
    nothing_comes(&mut *consumer).await;
    consumer.ack(first[1].tag).await.expect("the subscription lives");
    let more = read(&mut *consumer, 2).await;
    assert_eq!(more.iter().map(number).collect::<Vec<_>>(), [5, 6]);
}

/// Acknowledging one settles all before it; the rest comes again to the next consumer, in order
/// and marked.
pub async fn what_is_not_acknowledged_comes_again(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=20)).await;
    let mut consumer = hub.consume(Queue::Changes(0), 1_000).await.expect("the queue exists");
    let first = read(&mut *consumer, 20).await;
    assert!(first.iter().all(|delivery| !delivery.redelivered));
    consumer.ack(first[11].tag).await.expect("the subscription lives");
    consumer.ack(first[11].tag).await.expect("twice is harmless");
    consumer.ack(first[3].tag).await.expect("so is one settled already");
    assert_stale(consumer.ack(first[19].tag + 1).await);
    drop(consumer);
    let mut next = hub.consume(Queue::Changes(0), 1_000).await.expect("the queue exists");
    let again = read(&mut *next, 8).await;
    assert!(again.iter().all(|delivery| delivery.redelivered));
    assert_eq!(again.iter().map(number).collect::<Vec<_>>(), (13..=20).collect::<Vec<_>>());
    next.ack(again[7].tag).await.expect("the subscription lives");
    nothing_comes(&mut *next).await;
    drop(next);
    wait_for_ready(&*hub, &Queue::Changes(0), 0).await;
}

/// What is given back comes again to the same consumer.
pub async fn what_is_given_back_comes_again(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=6)).await;
    let mut consumer = hub.consume(Queue::Changes(0), 1_000).await.expect("the queue exists");
    let first = read(&mut *consumer, 6).await;
    consumer.ack(first[1].tag).await.expect("the subscription lives");
    consumer.give_back().await.expect("the subscription lives");
    consumer.give_back().await.expect("nothing is out any more");
    let again = read(&mut *consumer, 4).await;
    assert!(again.iter().all(|delivery| delivery.redelivered));
    let mut numbers: Vec<i64> = again.iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 4, 5, 6]);
    consumer.ack(again[3].tag).await.expect("the subscription lives");
    nothing_comes(&mut *consumer).await;
}

/// A body that isn't an envelope is handed over as such, in its place, and can be settled.
pub async fn an_undecodable_body_is_handed_over(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes([1])).await;
    rig.put(&Queue::Changes(0), b"\xff nonsense").await;
    rig.put(&Queue::Changes(0), br#"{"v":7,"body":"wake_retry"}"#).await;
    publish_all(&*hub, &changes([2])).await;
    let mut consumer = hub.consume(Queue::Changes(0), 100).await.expect("the queue exists");
    let came = read(&mut *consumer, 4).await;
    assert_eq!((number(&came[0]), number(&came[3])), (1, 2));
    let nonsense = came[1].envelope.as_ref().expect_err("no envelope");
    assert_eq!(nonsense.body, b"\xff nonsense");
    let unknown = came[2].envelope.as_ref().expect_err("an unknown version");
    assert!(unknown.reason.contains("version 7"), "{}", unknown.reason);
    consumer.ack(came[3].tag).await.expect("the subscription lives");
    drop(consumer);
    wait_for_ready(&*hub, &Queue::Changes(0), 0).await;
}

/// A message given back again and again ends in the queue of the dead; its neighbours don't.
pub async fn poison_ends_among_the_dead(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes([1])).await;
    let mut consumer = hub.consume(Queue::Changes(0), 1).await.expect("the queue exists");
    let mut tries = 0;
    while tries < GIVEN_BACK_MAX {
        let came = consumer.next(1, Duration::from_secs(1)).await.expect("the hub is up");
        if came.is_empty() && hub.depth(&Queue::Dead).await.expect("the queue exists").ready == 0 {
            continue; // It is on its way back.
        }
        if came.is_empty() {
            break;
        }
        assert_eq!(came[0].redelivered, tries > 0);
        tries += 1;
        consumer.give_back().await.expect("the subscription lives");
    }
    assert_eq!(tries, 21, "the first delivery and 20 more");
    publish_all(&*hub, &changes([2])).await;
    assert_eq!(number(&read(&mut *consumer, 1).await[0]), 2);
    let mut dead = hub.consume(Queue::Dead, 1).await.expect("the queue exists");
    let came = read(&mut *dead, 1).await;
    assert_eq!(number(&came[0]), 1);
    dead.ack(came[0].tag).await.expect("the subscription lives");
    nothing_comes(&mut *dead).await;
}

/// Only one consumer of a partition is active; when it goes the next takes over, in order.
pub async fn a_partition_is_handed_over(rig: &dyn HubRig) {
    let (one, other) = (declared(rig).await, declared(rig).await);
    let mut active = one.consume(Queue::Changes(0), 10).await.expect("the queue exists");
    let mut waiting = other.consume(Queue::Changes(0), 10).await.expect("the queue exists");
    publish_all(&*one, &changes(1..=8)).await;
    let held = read(&mut *active, 8).await;
    active.ack(held[2].tag).await.expect("the subscription lives");
    nothing_comes(&mut *waiting).await;
    drop(active);
    let taken = read(&mut *waiting, 5).await;
    assert_eq!(taken.iter().map(number).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    assert_stale(waiting.ack(taken[4].tag + 1).await);
    waiting.ack(taken[4].tag).await.expect("the subscription lives");
}

/// A consumer that retires finishes what it has; the next one gets all the rest, and nothing twice.
pub async fn a_partition_is_given_up_without_loss(rig: &dyn HubRig) {
    let (one, other) = (declared(rig).await, declared(rig).await);
    let mut active = one.consume(Queue::Changes(0), 20).await.expect("the queue exists");
    let mut waiting = other.consume(Queue::Changes(0), 100).await.expect("the queue exists");
    assert!(!active.is_served() && !waiting.is_served());
    publish_all(&*one, &changes(1..=60)).await;
    let first = read(&mut *active, 5).await;
    assert!(active.is_served() && !waiting.is_served());
    active.retire().await.expect("the subscription lives");
    active.ack(first[4].tag).await.expect("what it holds is still its own");
    let mut finished: Vec<i64> = first.iter().map(number).collect();
    while active.is_served() {
        let more = active.next(7, SOON).await.expect("the hub is up");
        assert!(more.iter().all(|delivery| !delivery.redelivered));
        finished.extend(more.iter().map(number));
        if let Some(last) = more.last() {
            active.ack(last.tag).await.expect("the subscription lives");
        }
    }
    nothing_comes(&mut *active).await;
    let given_up = 60 - finished.len();
    let taken = read(&mut *waiting, given_up).await;
    assert!(taken.iter().all(|delivery| !delivery.redelivered), "nothing was given back");
    waiting.ack(taken[given_up - 1].tag).await.expect("the subscription lives");
    assert!(waiting.is_served());
    finished.extend(taken.iter().map(number));
    assert_eq!(finished, (1..=60).collect::<Vec<_>>(), "each once, in order");
    // Who comes back stands at the end of the line.
    let mut back = one.consume(Queue::Changes(0), 20).await.expect("the queue exists");
    publish_all(&*one, &changes(61..=62)).await;
    assert_eq!(read(&mut *waiting, 2).await.len(), 2);
    nothing_comes(&mut *back).await;
    drop(waiting);
    assert_eq!(read(&mut *back, 2).await.iter().map(number).collect::<Vec<_>>(), [61, 62]);
}

/// Consumers of another queue share its messages.
pub async fn wake_ups_are_shared(rig: &dyn HubRig) {
    let (one, other) = (declared(rig).await, declared(rig).await);
    let queue = Queue::Intents("shop".into());
    let mut first = one.consume(queue.clone(), 1).await.expect("the queue exists");
    let mut second = other.consume(queue.clone(), 1).await.expect("the queue exists");
    let messages: Vec<_> = (1..=2).map(|n| super::numbered(queue.clone(), n)).collect();
    publish_all(&*one, &messages).await;
    let mut numbers = [number(&read(&mut *first, 1).await[0]), 0];
    numbers[1] = number(&read(&mut *second, 1).await[0]);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}
