//! What `declare` and `depth` promise.

use duet_ports::hub::{Depth, Hub, HubError, Queue, Topology};

use super::{BrokerRig, HubRig, changes, declared, publish_all, usual, wait_for_ready};

/// Declaring again, by anyone and with less, changes nothing.
pub async fn declaring_again_changes_nothing(rig: &dyn HubRig) {
    let first = declared(rig).await;
    publish_all(&*first, &changes(1..=3)).await;
    let second = declared(rig).await;
    let less = Topology { partitions: 1, connections: Vec::new() };
    second.declare(&less).await.expect("less is there too");
    wait_for_ready(&*second, &Queue::Changes(0), 3).await;
    assert_eq!(depth(&*first, &Queue::Changes(3)).await, Depth::default());
}

/// Every queue of the topology exists, no other does.
pub async fn every_queue_exists(rig: &dyn HubRig) {
    let hub = rig.hub().await;
    let missing = hub.depth(&Queue::Retry).await;
    assert!(matches!(missing, Err(HubError::Missing { .. })), "{missing:?}");
    hub.declare(&usual()).await.expect("an empty hub takes the topology");
    let all = [Queue::Retry, Queue::Bulk, Queue::Dead, Queue::Intents("shop".into())];
    for queue in all.into_iter().chain((0..4).map(Queue::Changes)) {
        assert_eq!(depth(&*hub, &queue).await, Depth::default(), "{queue:?}");
    }
    for queue in [Queue::Changes(4), Queue::Intents("other".into())] {
        let missing = hub.depth(&queue).await;
        assert!(matches!(missing, Err(HubError::Missing { .. })), "{missing:?}");
        let missing = hub.consume(queue, 1).await.err().expect("no such queue");
        assert!(matches!(missing, HubError::Missing { .. }), "{missing:?}");
    }
}

/// A queue with other settings is reported with its name and what differs, and left as it is.
pub async fn other_settings_are_reported(rig: &dyn BrokerRig) {
    rig.make_differently(&Queue::Bulk).await;
    let hub = rig.hub().await;
    for _ in 0..2 {
        match hub.declare(&usual()).await {
            Err(HubError::Mismatch { queue, detail }) => {
                assert!(queue.ends_with(".bulk"), "{queue}");
                assert!(detail.contains("x-"), "{detail}");
            }
            other => panic!("a mismatch goes unnoticed: {other:?}"),
        }
    }
    rig.delete(&Queue::Bulk).await;
    hub.declare(&usual()).await.expect("the hub goes on after a mismatch");
}

/// A purge takes the messages and leaves the hub working.
pub async fn a_purge_leaves_nothing_stuck(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=50)).await;
    let mut consumer = hub.consume(Queue::Changes(0), 10).await.expect("the queue exists");
    let held = super::read(&mut *consumer, 10).await;
    rig.purge().await;
    wait_for_ready(&*hub, &Queue::Changes(0), 0).await;
    publish_all(&*hub, &changes([51])).await;
    consumer.ack(held[9].tag).await.expect("what was delivered is still held");
    let next = super::read(&mut *consumer, 1).await;
    assert_eq!(super::number(&next[0]), 51);
    consumer.ack(next[0].tag).await.expect("the subscription lives");
    wait_for_ready(&*hub, &Queue::Changes(0), 0).await;
}

async fn depth(hub: &dyn Hub, queue: &Queue) -> Depth {
    hub.depth(queue).await.expect("the queue exists")
}
