//! The embedded hub, with what a broker does to messages: it loses, doubles and delays them, and
//! forgets to say so.

use crate::fault::Fault;
use crate::luck::Luck;
use async_trait::async_trait;
use duet_hub::Embedded;
use duet_ports::envelope::Numbered;
use duet_ports::hub::{
    Consumer, Delivery, Depth, Hub, HubError, Outgoing, Published, Queue, Topology,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The hub of a run.
pub(crate) struct SimHub {
    luck: Arc<Luck>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    inner: Embedded,
    topology: Option<Topology>,
    /// Accepted, and not in its queue yet.
    delayed: Vec<Outgoing>,
    /// Everything that was ever to be published.
    seen: Vec<Numbered>,
}

impl SimHub {
    /// A hub without queues.
    #[must_use]
    pub(crate) fn new(luck: Arc<Luck>) -> SimHub {
        SimHub { luck, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Lists and a handle: whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> Embedded {
        self.state().inner.clone()
    }

    /// Empties every queue. Who consumes must subscribe again.
    ///
    /// # Errors
    /// As of [`Hub::declare`].
    pub(crate) async fn purge(&self) -> Result<(), HubError> {
        let topology = {
            let mut state = self.state();
            state.inner = Embedded::new();
            state.delayed.clear();
            state.topology.clone()
        };
        match topology {
            Some(topology) => self.inner().declare(&topology).await,
            None => Ok(()),
        }
    }

    /// A delayed message arrives. Whether there was one.
    ///
    /// # Errors
    /// As of [`Hub::publish`].
    pub(crate) async fn arrive(&self) -> Result<bool, HubError> {
        let message = {
            let mut state = self.state();
            let place = self.luck.draw(|chance| chance.place(state.delayed.len()));
            (!state.delayed.is_empty()).then(|| state.delayed.remove(place))
        };
        let Some(message) = message else { return Ok(false) };
        self.inner().publish(std::slice::from_ref(&message)).await?;
        Ok(true)
    }

    /// Numbers of this source that were ever published under this token.
    #[must_use]
    pub(crate) fn numbers(&self, source: &str, token: i64) -> Vec<i64> {
        let state = self.state();
        let ours = state.seen.iter().filter(|one| one.source == source && one.token == token);
        let mut numbers: Vec<i64> = ours.map(|one| one.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    async fn put(&self, message: &Outgoing) -> Result<Published, HubError> {
        if self.luck.strikes(Fault::PublishRefused) {
            return Ok(Published::Refused);
        }
        if self.luck.strikes(Fault::PublishLost) {
            return Ok(Published::Unknown);
        }
        if self.luck.strikes(Fault::Delayed) {
            self.state().delayed.push(message.clone());
            return Ok(Published::Confirmed);
        }
        let times = if self.luck.strikes(Fault::Duplicated) { 2 } else { 1 };
        let fates = self.inner().publish(&vec![message.clone(); times]).await?;
        if self.luck.strikes(Fault::ConfirmLost) {
            return Ok(Published::Unknown);
        }
        Ok(fates.first().copied().unwrap_or(Published::Unknown))
    }
}

#[async_trait]
impl Hub for SimHub {
    async fn declare(&self, topology: &Topology) -> Result<(), HubError> {
        self.state().topology = Some(topology.clone());
        self.inner().declare(topology).await
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<Vec<Published>, HubError> {
        self.luck.cross().await;
        let mut fates = Vec::with_capacity(messages.len());
        for message in messages {
            self.state().seen.extend(message.envelope.number.clone());
            fates.push(self.put(message).await?);
        }
        self.luck.perhaps_crash().await;
        Ok(fates)
    }

    async fn wake(&self, message: Outgoing) {
        if !self.luck.strikes(Fault::WakeLost) {
            self.inner().wake(message).await;
        }
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, HubError> {
        let inner = self.inner().consume(queue, prefetch).await?;
        Ok(Box::new(SimConsumer { inner, luck: Arc::clone(&self.luck) }))
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth, HubError> {
        self.inner().depth(queue).await
    }
}

struct SimConsumer {
    inner: Box<dyn Consumer>,
    luck: Arc<Luck>,
}

#[async_trait]
impl Consumer for SimConsumer {
    async fn next(&mut self, max: usize, patience: Duration) -> Result<Vec<Delivery>, HubError> {
        self.luck.cross().await;
        // Some at a time, so that batches have every size.
        let some = self.luck.draw(|chance| chance.place(max)) + 1;
        self.inner.next(some, patience).await
    }

    async fn ack(&mut self, up_to: u64) -> Result<(), HubError> {
        // What was decided is committed by now.
        self.luck.cross().await;
        if self.luck.strikes(Fault::AckLost) {
            self.inner.give_back().await?;
            return Err(HubError::StaleDelivery);
        }
        self.inner.ack(up_to).await
    }

    async fn give_back(&mut self) -> Result<(), HubError> {
        self.inner.give_back().await
    }

    fn is_served(&self) -> bool {
        self.inner.is_served()
    }

    async fn retire(&mut self) -> Result<(), HubError> {
        self.inner.retire().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Rates;
    use crate::trace::Trace;
    use duet_ports::envelope::{Body, ENVELOPE_VERSION, Envelope};

    const QUEUE: Queue = Queue::Changes(0);

    async fn hub(rates: Rates) -> SimHub {
        let hub = SimHub::new(Arc::new(Luck::new(1, rates, Trace::new(false))));
        let topology = Topology { partitions: 1, connections: Vec::new() };
        hub.declare(&topology).await.expect("it is in memory");
        hub
    }

    fn message(number: i64) -> Outgoing {
        let number = Some(Numbered { source: "a".into(), token: 1, number });
        let envelope = Envelope { v: ENVELOPE_VERSION, number, body: Body::WakeRetry };
        Outgoing { queue: QUEUE, envelope }
    }

    async fn ready(hub: &SimHub) -> u32 {
        hub.depth(&QUEUE).await.expect("it is there").ready
    }

    #[tokio::test]
    async fn each_fault_does_to_a_message_what_it_says() {
        for (fault, fate, inside) in [
            (Fault::PublishRefused, Published::Refused, 0),
            (Fault::PublishLost, Published::Unknown, 0),
            (Fault::Delayed, Published::Confirmed, 0),
            (Fault::Duplicated, Published::Confirmed, 2),
            (Fault::ConfirmLost, Published::Unknown, 1),
        ] {
            let hub = hub(Rates::only(fault, 10_000)).await;
            let fates = hub.publish(&[message(1)]).await.expect("it is in memory");
            assert_eq!((fates, ready(&hub).await), (vec![fate], inside), "{fault:?}");
            assert_eq!(hub.numbers("a", 1), [1], "{fault:?}");
        }
    }

    #[tokio::test]
    async fn what_is_delayed_arrives_and_what_is_purged_is_gone() {
        let hub = hub(Rates::only(Fault::Delayed, 10_000)).await;
        hub.publish(&[message(1), message(2)]).await.expect("it is in memory");
        assert!(hub.arrive().await.expect("it is in memory"));
        assert_eq!(ready(&hub).await, 1);
        hub.purge().await.expect("it is in memory");
        assert_eq!(ready(&hub).await, 0);
        assert!(!hub.arrive().await.expect("it is in memory"));
    }

    #[tokio::test]
    async fn what_was_acknowledged_in_vain_comes_again() {
        let hub = hub(Rates::only(Fault::AckLost, 10_000)).await;
        hub.publish(&[message(1)]).await.expect("it is in memory");
        let mut consumer = hub.consume(QUEUE, 10).await.expect("it is there");
        for again in [false, true] {
            let taken = consumer.next(1, Duration::ZERO).await.expect("it is in memory");
            assert_eq!(taken[0].redelivered, again);
            assert!(consumer.ack(taken[0].tag).await.is_err());
        }
        hub.luck.heal();
        let taken = consumer.next(1, Duration::ZERO).await.expect("it is in memory");
        consumer.ack(taken[0].tag).await.expect("nothing goes wrong any more");
        assert_eq!(ready(&hub).await, 0);
    }
}
