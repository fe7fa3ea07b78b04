//! What `publish` and `wake` promise.

use duet_core::id::LinkId;
use duet_ports::envelope::{Body, Envelope};
use duet_ports::hub::{BODY_LIMIT_BYTES, Outgoing, Published, Queue};
use uuid::Uuid;

use super::{
    BrokerRig, HubRig, changes, declared, number, numbered, publish_all, publish_stubbornly, read,
    wait_for_ready,
};

/// What is confirmed is there, in the order of the call.
pub async fn confirmed_messages_arrive_in_order(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    publish_all(&*hub, &changes(1..=600)).await;
    publish_all(&*hub, &changes(601..=700)).await;
    publish_all(&*hub, &[]).await;
    let mut consumer = hub.consume(Queue::Changes(0), 1_000).await.expect("the queue exists");
    let numbers: Vec<i64> = read(&mut *consumer, 700).await.iter().map(number).collect();
    assert_eq!(numbers, (1..=700).collect::<Vec<_>>());
}

/// Every kind of message comes back as it was sent.
pub async fn every_kind_arrives_unchanged(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    let links = vec![LinkId(Uuid::from_u128(1)), LinkId(Uuid::from_u128(2))];
    let kinds = [
        numbered(Queue::Bulk, 1).envelope,
        Envelope::unnumbered(Body::WakeLinks { links }),
        Envelope::unnumbered(Body::WakeIntents { connection: "shop".to_owned() }),
        Envelope::unnumbered(Body::WakeRetry),
    ];
    let sent = kinds.map(|envelope| Outgoing { queue: Queue::Bulk, envelope });
    publish_all(&*hub, &sent).await;
    let mut consumer = hub.consume(Queue::Bulk, 10).await.expect("the queue exists");
    let came = read(&mut *consumer, sent.len()).await;
    for (sent, came) in sent.iter().zip(&came) {
        let came = came.envelope.as_ref().expect("an envelope");
        let json = |envelope| serde_json::to_string(envelope).expect("string keys only");
        assert_eq!(json(came), json(&sent.envelope));
    }
}

/// A message without a queue is told apart from its neighbours, and the next publish finds the
/// topology made again.
pub async fn an_unroutable_message_is_told(rig: &dyn BrokerRig) {
    let hub = declared(rig).await;
    rig.delete(&Queue::Changes(1)).await;
    let mixed: Vec<Outgoing> =
        (1..=300).map(|n| numbered(Queue::Changes(u32::from(n % 3 == 0)), n)).collect();
    let fates = hub.publish(&mixed).await.expect("the hub is up");
    for (message, fate) in mixed.iter().zip(&fates) {
        let expected = match message.queue {
            Queue::Changes(1) => Published::Unroutable,
            _ => Published::Confirmed,
        };
        assert_eq!(*fate, expected, "{:?}", message.queue);
    }
    publish_all(&*hub, &mixed).await;
    wait_for_ready(&*hub, &Queue::Changes(1), 100).await;
}

/// Calls under way at once don't mix up their results: half of them go to a queue that isn't there,
/// and is not to be made.
pub async fn calls_at_once_keep_their_results(rig: &dyn HubRig) {
    const NOBODYS: u32 = 9;
    let hub = declared(rig).await;
    let calls = (0..12_u32).map(|call| {
        let hub = hub.clone();
        tokio::spawn(async move {
            let queue = Queue::Changes(call % 2 * NOBODYS);
            let messages: Vec<_> = (0..100).map(|n| numbered(queue.clone(), n)).collect();
            (queue, hub.publish(&messages).await.expect("the hub is up"))
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let (queue, fates) = call.await.expect("a publish doesn't panic");
        let expected = match queue {
            Queue::Changes(NOBODYS) => Published::Unroutable,
            _ => Published::Confirmed,
        };
        assert_eq!(fates, vec![expected; 100], "{queue:?}");
    }
    wait_for_ready(&*hub, &Queue::Changes(0), 600).await;
}

/// A full queue refuses; after room was made it takes messages again.
pub async fn a_full_queue_refuses(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    rig.limit(5).await;
    let mut refused = 0;
    let mut sent = 0;
    // The limit is soft: what is under way while it is reached still gets in.
    while refused == 0 && sent < 500 {
        sent += 1;
        let fates = hub.publish(&changes([sent])).await.expect("the hub is up");
        refused += fates.iter().filter(|fate| **fate == Published::Refused).count();
    }
    assert_eq!(refused, 1, "the queue took {sent} messages");
    rig.purge().await;
    publish_stubbornly(&*hub, changes([sent])).await;
}

/// What is too long is told and doesn't hold up the rest.
pub async fn a_message_too_long_is_told(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    let long = Body::WakeIntents { connection: "x".repeat(BODY_LIMIT_BYTES) };
    let messages = [
        numbered(Queue::Changes(0), 1),
        Outgoing { queue: Queue::Changes(0), envelope: Envelope::unnumbered(long) },
        numbered(Queue::Changes(0), 2),
    ];
    let fates = hub.publish(&messages).await.expect("the hub is up");
    assert_eq!(fates, [Published::Confirmed, Published::TooLarge, Published::Confirmed]);
    wait_for_ready(&*hub, &Queue::Changes(0), 2).await;
}

/// A wake-up arrives although nobody waits for it, and a flood of them blocks nobody.
pub async fn wake_ups_arrive_and_never_wait(rig: &dyn HubRig) {
    let hub = declared(rig).await;
    let retry = Outgoing { queue: Queue::Retry, envelope: Envelope::unnumbered(Body::WakeRetry) };
    let mut consumer = hub.consume(Queue::Retry, 100).await.expect("the queue exists");
    let flood = async {
        for _ in 0..20_000 {
            hub.wake(retry.clone()).await;
        }
    };
    tokio::time::timeout(super::SOON, flood).await.expect("a wake-up never waits");
    let came = read(&mut *consumer, 1).await;
    assert!(matches!(came[0].envelope.as_ref().expect("an envelope").body, Body::WakeRetry));
}
