//! What holds when connections are lost, the broker dies, or it is short of memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duet_ports::clock::{Entropy, System};
use duet_ports::hub::{Consumer, Hub, HubError, Published, Queue};

use super::{
    BrokerRig, SOON, assert_stale, changes, declared, number, publish_all, publish_stubbornly,
    read, read_stubbornly, wait_for_ready,
};
use crate::wait::wait_until;

/// After a cut the tags of before are stale, and everything unsettled comes again.
pub async fn a_cut_makes_tags_stale(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=11)).await;
    let mut consumer = hub.consume(Queue::Changes(0), 10).await.expect("the queue exists");
    let held = read(&mut *consumer, 10).await;
    consumer.ack(held[3].tag).await.expect("the subscription lives");
    // The prefetch lets it through only when the broker has the acknowledgement.
    assert_eq!(number(&read(&mut *consumer, 1).await[0]), 11);
    rig.cut().await;
    let lost = consumer.next(1, SOON).await;
    assert!(matches!(lost, Err(HubError::Unreachable { .. })), "{lost:?}");
    assert_stale(consumer.ack(held[9].tag).await);
    let again = read_stubbornly(&mut *consumer, 7).await;
    assert_eq!(again.iter().map(number).collect::<Vec<_>>(), (5..=11).collect::<Vec<_>>());
    assert!(again[0].tag > held[9].tag, "tags grow over all subscriptions");
    assert_stale(consumer.ack(held[9].tag).await);
    consumer.ack(again[6].tag).await.expect("the subscription lives");
    drop(consumer);
    wait_for_ready(&*hub, &Queue::Changes(0), 0).await;
}

/// A confirm that is lost is told as unknown, though the message is there.
pub async fn a_lost_confirm_is_unknown(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes([1])).await;
    rig.lose_answers(true).await;
    let fates = hub.publish(&changes([2])).await.expect("it was sent");
    assert_eq!(fates, [Published::Unknown]);
    rig.lose_answers(false).await;
    wait_for_ready(&*hub, &Queue::Changes(0), 2).await;
    assert_eq!(publish_stubbornly(&*hub, changes([2])).await.last(), Some(&Published::Confirmed));
    wait_for_ready(&*hub, &Queue::Changes(0), 3).await;
}

/// A cut in the middle of a large publish: nothing is told as confirmed that isn't there, and
/// sending the rest again under the same numbers loses nothing.
pub async fn a_cut_while_publishing_loses_nothing(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    let sending = {
        let hub = hub.clone();
        tokio::spawn(async move { publish_stubbornly(&*hub, changes(1..=3_000)).await })
    };
    wait_until(SOON, "messages are under way", || async {
        hub.depth(&Queue::Changes(0)).await.is_ok_and(|depth| depth.ready > 0)
    })
    .await;
    rig.cut().await;
    let fates = sending.await.expect("a publish doesn't panic");
    let allowed = [Published::Confirmed, Published::Unknown];
    assert!(fates.iter().all(|fate| allowed.contains(fate)), "{fates:?}");
    everything_is_there(&*hub, 3_000).await;
}

/// Everything confirmed is still there after the broker died, and all sides go on by themselves.
pub async fn a_crash_loses_nothing(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    let mut consumer = hub.consume(Queue::Changes(0), 100).await.expect("the queue exists");
    publish_all(&*hub, &changes(1..=5)).await;
    let held = read(&mut *consumer, 5).await;
    consumer.ack(held[1].tag).await.expect("the subscription lives");
    let ended = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(publish_until(hub.clone(), Arc::clone(&ended)));
    rig.crash().await;
    ended.store(true, Ordering::Relaxed);
    let last = sending.await.expect("a publish doesn't panic");
    assert_stale(consumer.ack(held[4].tag).await);
    let mut numbers = BTreeSet::new();
    while !(3..=last).all(|n| numbers.contains(&n)) {
        collect(&mut *consumer, &mut numbers).await;
    }
}

/// Publishes ten at a time from number 6 on until told to end; the last number confirmed.
async fn publish_until(hub: Arc<dyn Hub>, ended: Arc<AtomicBool>) -> i64 {
    let mut last = 5;
    while !ended.load(Ordering::Relaxed) {
        publish_stubbornly(&*hub, changes(last + 1..=last + 10)).await;
        last += 10;
    }
    last
}

/// A broker short of memory is told as unreachable within the limits, and messages flow again when
/// it recovers. Consuming goes on meanwhile.
pub async fn a_blocked_connection_is_told(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=5)).await;
    rig.starve(true).await;
    let mut consumer = hub.consume(Queue::Changes(0), 100).await.expect("the queue exists");
    let mut seen = Vec::new();
    let told = loop {
        match hub.publish(&changes([6])).await {
            Ok(fates) => seen.extend(fates),
            Err(error) => break error,
        }
        assert!(seen.len() < 1_000, "the alarm was never told");
    };
    let HubError::Unreachable { what, .. } = told else { panic!("{told:?}") };
    assert!(what.contains("blocked"), "{what}");
    assert!(!seen.contains(&Published::Refused), "{seen:?}");
    let came = read(&mut *consumer, 5).await;
    consumer.ack(came[4].tag).await.expect("consuming goes on");
    rig.starve(false).await;
    publish_stubbornly(&*hub, changes([7])).await;
    let mut numbers = BTreeSet::new();
    while !numbers.contains(&7) {
        numbers.extend(read_stubbornly(&mut *consumer, 1).await.iter().map(number));
    }
}

/// A queue deleted under a consumer ends the subscription; the next one finds it made again.
pub async fn a_deleted_queue_is_made_again(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    let mut consumer = hub.consume(Queue::Changes(2), 100).await.expect("the queue exists");
    rig.delete(&Queue::Changes(2)).await;
    let lost = consumer.next(1, SOON).await;
    assert!(matches!(lost, Err(HubError::Unreachable { .. })), "{lost:?}");
    let subscribed = consumer.next(1, Duration::from_millis(1)).await;
    assert!(subscribed.is_ok_and(|deliveries| deliveries.is_empty()));
    publish_all(&*hub, &[super::numbered(Queue::Changes(2), 1)]).await;
    assert_eq!(number(&read(&mut *consumer, 1).await[0]), 1);
}

/// Cuts at random while one side publishes and another consumes: everything confirmed arrives, and
/// tags never fall.
pub async fn cuts_at_random_lose_nothing(rig: &dyn BrokerRig) {
    let seed = System.below(u64::MAX);
    let (hub, reader) = (declared(rig).await, declared(rig).await);
    let ended = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(publish_until(hub, Arc::clone(&ended)));
    let reading = tokio::spawn(read_until(reader, Arc::clone(&ended)));
    for step in 1..=8_u32 {
        // Any odd factor: the pauses only have to differ.
        let pause = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(step * 7) % 400;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        rig.cut().await;
    }
    ended.store(true, Ordering::Relaxed);
    let last = sending.await.unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
    let mut numbers = reading.await.unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
    let hub = declared(rig).await;
    let mut consumer = hub.consume(Queue::Changes(0), 100).await.expect("the queue exists");
    let arriving = async {
        while !(6..=last).all(|n| numbers.contains(&n)) {
            collect(&mut *consumer, &mut numbers).await;
        }
    };
    tokio::time::timeout(3 * SOON, arriving)
        .await
        .unwrap_or_else(|_| panic!("not everything confirmed arrives, seed {seed}"));
}

/// Reads and settles from number 6 on until told to end; what was settled.
async fn read_until(hub: Arc<dyn Hub>, ended: Arc<AtomicBool>) -> BTreeSet<i64> {
    let mut consumer = loop {
        if let Ok(consumer) = hub.consume(Queue::Changes(0), 50).await {
            break consumer;
        }
    };
    let (mut numbers, mut highest) = (BTreeSet::new(), 0);
    while !ended.load(Ordering::Relaxed) {
        for delivery in consumer.next(20, Duration::from_millis(50)).await.unwrap_or_default() {
            assert!(delivery.tag > highest, "{} after {highest}", delivery.tag);
            highest = delivery.tag;
            match consumer.ack(highest).await {
                Ok(()) => numbers.extend([number(&delivery)]),
                stale => assert_stale(stale),
            }
        }
    }
    numbers
}

async fn everything_is_there(hub: &dyn Hub, count: i64) {
    let mut consumer = hub.consume(Queue::Changes(0), 1_000).await.expect("the queue exists");
    let mut numbers = BTreeSet::new();
    while !(1..=count).all(|n| numbers.contains(&n)) {
        collect(&mut *consumer, &mut numbers).await;
    }
}

/// Reads what is there and settles it; a loss in between is harmless, it comes again.
async fn collect(consumer: &mut dyn Consumer, numbers: &mut BTreeSet<i64>) {
    let came = consumer.next(1_000, SOON).await.unwrap_or_default();
    numbers.extend(came.iter().map(number));
    if let Some(last) = came.last() {
        let _ = consumer.ack(last.tag).await;
    }
}
