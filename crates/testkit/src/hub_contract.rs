//! What every hub promises, as tests over the port. An implementation gives a [`HubRig`] and runs
//! each case; cases that need a broker's faults ask a [`BrokerRig`] for them.
//!
//! It never looks inside an implementation: queues are filled, emptied and broken through the rig.

pub mod delivering;
pub mod losing;
pub mod publishing;
pub mod topology;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duet_core::id::FlowName;
use duet_core::side::Side;
use duet_ports::envelope::{Body, ChangeV1, ENVELOPE_VERSION, Envelope, Numbered, WhatV1};
use duet_ports::hub::{Consumer, Delivery, Hub, HubError, Outgoing, Published, Queue, Topology};

use crate::wait::wait_until;

/// For anything that a hub does soon.
pub const SOON: Duration = Duration::from_secs(60);
/// For a look that may find nothing.
const MOMENT: Duration = Duration::from_millis(200);

/// One empty hub and the means to disturb it.
#[async_trait(?Send)]
pub trait HubRig {
    /// A client of its own, as another process would have. Nothing is declared yet.
    async fn hub(&self) -> Arc<dyn Hub>;

    /// Puts a body into a queue as a foreign program would.
    async fn put(&self, queue: &Queue, body: &[u8]);

    /// Deletes every message.
    async fn purge(&self);

    /// Lets every queue hold only about so many messages from now on.
    async fn limit(&self, messages: usize);
}

/// A rig whose hub is a server of its own, which others may reach and which may fail.
#[async_trait(?Send)]
pub trait BrokerRig: HubRig {
    /// Makes a queue with settings that duet doesn't want.
    async fn make_differently(&self, queue: &Queue);

    /// Deletes a queue.
    async fn delete(&self, queue: &Queue);

    /// Cuts every connection of the clients made so far; they may connect again.
    async fn cut(&self);

    /// Carries requests out but cuts the connection instead of answering, or stops doing so.
    async fn lose_answers(&self, lost: bool);

    /// Ends the broker at once and starts it again on its data: only where it belongs to the rig
    /// alone.
    async fn crash(&self);

    /// Makes the broker refuse messages for lack of memory, or take them again: only where it
    /// belongs to the rig alone.
    async fn starve(&self, starved: bool);
}

/// Four partitions and a connection called `shop`.
#[must_use]
pub fn usual() -> Topology {
    Topology { partitions: 4, connections: vec!["shop".into()] }
}

/// A client whose topology is declared.
pub async fn declared(rig: &dyn HubRig) -> Arc<dyn Hub> {
    let hub = rig.hub().await;
    hub.declare(&usual()).await.expect("an empty hub takes the topology");
    hub
}

/// A change message with a number.
#[must_use]
pub fn numbered(queue: Queue, number: i64) -> Outgoing {
    let change = ChangeV1 {
        flow: FlowName::from("customers"),
        side: Side::Left,
        record: number.to_string().as_str().into(),
        what: WhatV1::Seen(Box::default()),
    };
    let change = serde_json::value::to_raw_value(&change).expect("a change has string keys");
    let envelope = Envelope {
        v: ENVELOPE_VERSION,
        number: Some(Numbered { source: "customers/left".to_owned(), token: 1, number }),
        body: Body::Changes { changes: vec![change] },
    };
    Outgoing { queue, envelope }
}

/// Change messages for partition 0.
pub fn changes(numbers: impl IntoIterator<Item = i64>) -> Vec<Outgoing> {
    numbers.into_iter().map(|number| numbered(Queue::Changes(0), number)).collect()
}

/// The number in a delivery.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn number(delivery: &Delivery) -> i64 {
    let envelope = delivery.envelope.as_ref().expect("a sample is an envelope");
    envelope.number.as_ref().expect("a sample has a number").number
}

/// Publishes, and insists that everything is confirmed.
pub async fn publish_all(hub: &dyn Hub, messages: &[Outgoing]) {
    let fates = hub.publish(messages).await.expect("the hub is up");
    assert_eq!(fates, vec![Published::Confirmed; messages.len()]);
}

/// Publishes again whatever isn't confirmed, as a detector does, until everything is.
pub async fn publish_stubbornly(hub: &dyn Hub, messages: Vec<Outgoing>) -> Vec<Published> {
    let mut seen = Vec::new();
    let mut left = messages;
    let trying = async {
        while !left.is_empty() {
            let Ok(fates) = hub.publish(&left).await else { continue };
            let mut fate = fates.iter();
            left.retain(|_| fate.next() != Some(&Published::Confirmed));
            seen.extend(fates);
        }
    };
    tokio::time::timeout(3 * SOON, trying).await.expect("everything is confirmed in the end");
    seen
}

/// Reads until so many deliveries came.
pub async fn read(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    let reading = async {
        while all.len() < count {
            all.extend(consumer.next(count - all.len(), SOON).await.expect("the hub is up"));
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("the deliveries come soon");
    all
}

/// Reads until so many deliveries came, subscribing again after each loss.
pub async fn read_stubbornly(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut all: Vec<Delivery> = Vec::new();
    let reading = async {
        while all.len() < count {
            match consumer.next(count - all.len(), SOON).await {
                Ok(deliveries) => all.extend(deliveries),
                // Nothing of before the loss can be settled: it comes again.
                Err(_) => all.clear(),
            }
        }
    };
    tokio::time::timeout(3 * SOON, reading).await.expect("the deliveries come in the end");
    all
}

/// Insists that nothing is there to read.
pub async fn nothing_comes(consumer: &mut dyn Consumer) {
    let deliveries = consumer.next(10, MOMENT).await.expect("the hub is up");
    assert!(deliveries.is_empty(), "{deliveries:?}");
}

/// Waits until a queue holds so many ready messages.
pub async fn wait_for_ready(hub: &dyn Hub, queue: &Queue, ready: u32) {
    wait_until(SOON, &format!("{queue:?} holds {ready} messages"), || async {
        hub.depth(queue).await.is_ok_and(|depth| depth.ready == ready)
    })
    .await;
}

/// Insists on a stale tag.
pub fn assert_stale(answer: Result<(), HubError>) {
    assert!(matches!(answer, Err(HubError::StaleDelivery)), "{answer:?}");
}
