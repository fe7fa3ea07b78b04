//! The hub's contract, run against the hub in memory, and what only this one promises: its bounds.

use super::Embedded;
use super::queue::Message;
use crate::envelope::decode;
use async_trait::async_trait;
use duet_ports::envelope::{Body, Envelope};
use duet_ports::hub::{Hub, Outgoing, Published, Queue, Topology};
use duet_testkit::hub_contract::{
    HubRig, SOON, changes, declared, delivering, number, numbered, publish_all, publishing, read,
    topology, usual,
};
use std::sync::Arc;

/// The clients of one process share one hub.
struct Rig(Embedded);

#[async_trait(?Send)]
impl HubRig for Rig {
    async fn hub(&self) -> Arc<dyn Hub> {
        Arc::new(self.0.clone())
    }

    async fn put(&self, queue: &Queue, body: &[u8]) {
        let message = Message::of(decode(body.to_vec()), body.len());
        assert!(self.0.cell(queue).unwrap().put(Arc::new(message)));
    }

    async fn purge(&self) {
        self.0.queues().values().for_each(|cell| cell.purge());
    }

    async fn limit(&self, messages: usize) {
        self.0.queues().values().for_each(|cell| cell.resize(messages));
    }
}

macro_rules! cases {
    ($($module:ident :: $case:ident,)+) => {
        $(
            #[tokio::test]
            async fn $case() {
                $module::$case(&Rig(Embedded::new())).await;
            }
        )+
    };
}

cases! {
    topology::declaring_again_changes_nothing,
    topology::every_queue_exists,
    topology::a_purge_leaves_nothing_stuck,
    publishing::confirmed_messages_arrive_in_order,
    publishing::every_kind_arrives_unchanged,
    publishing::calls_at_once_keep_their_results,
    publishing::a_full_queue_refuses,
    publishing::a_message_too_long_is_told,
    publishing::wake_ups_arrive_and_never_wait,
    delivering::next_takes_what_is_there,
    delivering::prefetch_bounds_what_is_out,
    delivering::what_is_not_acknowledged_comes_again,
    delivering::what_is_given_back_comes_again,
    delivering::an_undecodable_body_is_handed_over,
    delivering::poison_ends_among_the_dead,
    delivering::a_partition_is_handed_over,
    delivering::a_partition_is_given_up_without_loss,
    delivering::wake_ups_are_shared,
}

/// Nobody deletes a queue of this hub, but a connection may be new.
#[tokio::test]
async fn a_message_without_a_queue_is_told_apart() {
    let hub = declared(&Rig(Embedded::new())).await;
    let mixed = [numbered(Queue::Changes(4), 1), numbered(Queue::Changes(0), 2)];
    let fates = hub.publish(&mixed).await.unwrap();
    assert_eq!(fates, [Published::Unroutable, Published::Confirmed]);
    hub.declare(&Topology { partitions: 5, ..usual() }).await.unwrap();
    publish_all(&*hub, &mixed).await;
}

/// Fills a queue until it refuses; how many it took.
async fn fill(hub: &Embedded, message: &Outgoing) -> usize {
    let mut taken = 0;
    while hub.publish(std::slice::from_ref(message)).await.unwrap() == [Published::Confirmed] {
        taken += 1;
    }
    taken
}

/// What is handed out takes room until it is acknowledged: memory is bounded by the queues alone.
#[tokio::test]
async fn what_is_handed_out_takes_room_until_it_is_settled() {
    let hub = Embedded::new();
    hub.declare(&usual()).await.unwrap();
    let message = numbered(Queue::Changes(0), 1);
    let room = fill(&hub, &message).await;
    let mut consumer = hub.consume(Queue::Changes(0), u16::MAX).await.unwrap();
    let held = consumer.next(room, SOON).await.unwrap();
    assert_eq!(held.len(), room);
    assert_eq!(fill(&hub, &message).await, 0, "nothing is settled yet");
    consumer.ack(held[room - 1].tag).await.unwrap();
    assert_eq!(fill(&hub, &message).await, room);
    let (bytes, limit) = (hub.cell(&Queue::Changes(0)).unwrap().held(), super::CONTENT_BYTES_MAX);
    assert!((limit..limit + 1_000).contains(&bytes), "{bytes}");
    let wake = Outgoing { queue: Queue::Retry, envelope: Envelope::unnumbered(Body::WakeRetry) };
    assert!((1_000..10_000).contains(&fill(&hub, &wake).await));
}

/// Poison that the full queue of the dead can't take stays where it is, and isn't lost.
#[tokio::test]
async fn poison_waits_for_room_among_the_dead() {
    let hub = Embedded::new();
    hub.declare(&usual()).await.unwrap();
    fill(&hub, &numbered(Queue::Dead, 7)).await;
    publish_all(&hub, &changes([1])).await;
    let mut consumer = hub.consume(Queue::Changes(0), 1).await.unwrap();
    for _ in 0..25 {
        assert_eq!(number(&read(&mut *consumer, 1).await[0]), 1);
        consumer.give_back().await.unwrap();
    }
    let mut dead = hub.consume(Queue::Dead, u16::MAX).await.unwrap();
    let full = dead.next(usize::MAX, SOON).await.unwrap();
    dead.ack(full[full.len() - 1].tag).await.unwrap();
    read(&mut *consumer, 1).await;
    drop(consumer);
    assert_eq!(number(&read(&mut *dead, 1).await[0]), 1);
    assert_eq!(hub.cell(&Queue::Changes(0)).unwrap().held(), 0, "its room is free again");
}

/// Who waits is woken by what comes, and by the one before it in line going away.
#[tokio::test]
async fn who_waits_is_woken() {
    let hub = Embedded::new();
    hub.declare(&usual()).await.unwrap();
    let active = hub.consume(Queue::Changes(0), 10).await.unwrap();
    let mut waiting = hub.consume(Queue::Changes(0), 10).await.unwrap();
    publish_all(&hub, &changes([1])).await;
    let waiting = tokio::spawn(async move { number(&read(&mut *waiting, 1).await[0]) });
    tokio::task::yield_now().await;
    drop(active);
    assert_eq!(waiting.await.unwrap(), 1);
}
