//! Consume: loops over the hub's queues. Partitions above this process's share are given up to
//! others; wake-ups are taken and passed on.

use crate::context::Context;
use crate::error::StageError;
use crate::presence::Presence;
use crate::rest::Rest;
use crate::run::topology;
use duet_core::id::ConnectionName;
use duet_core::stamp::Stamp;
use duet_ports::hub::{Consumer, Queue};
use duet_ports::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Unacknowledged messages of a partition's consumer.
pub(crate) const PREFETCH: u16 = 1_000;
/// How long a consumer waits for a first message before it looks whether to stop.
const PATIENCE: Duration = Duration::from_millis(500);
/// A partition that nobody wants is offered every 32 sixths of a lease at last.
const PAUSE_DOUBLINGS: u32 = 5;

/// Consumes one queue; subscribes again when the connection was lost.
pub(crate) async fn queue_loop(
    context: Arc<Context>,
    presence: Arc<Presence>,
    queue: Queue,
    prefetch: u16,
    stop: CancellationToken,
) {
    let mut rest = Rest::new(format!("consume {queue:?}"));
    let mut sharing = Sharing::default();
    while !stop.is_cancelled() {
        match context.hub.consume(queue.clone(), prefetch).await {
            Ok(mut consumer) => {
                let work =
                    Work { context: &context, presence: &presence, queue: &queue, stop: &stop };
                let end = work.consume(consumer.as_mut(), &mut sharing, &mut rest).await;
                drop(consumer);
                if let Queue::Changes(partition) = queue {
                    presence.note(partition, false);
                }
                if let Some(unreachable) = end {
                    without_store(&context, &stop, &mut rest, unreachable).await;
                }
            }
            Err(error) => {
                rest.failed(&context, &stop, &error.into()).await;
                declare(&context).await;
            }
        }
    }
}

/// One queue to be consumed.
struct Work<'a> {
    context: &'a Context,
    presence: &'a Presence,
    queue: &'a Queue,
    stop: &'a CancellationToken,
}

impl Work<'_> {
    /// Consumes until stopped, until the store can't be reached, or until the queue was given up to
    /// another process: then it is subscribed to again, behind that one.
    async fn consume(
        &self,
        consumer: &mut dyn Consumer,
        sharing: &mut Sharing,
        rest: &mut Rest,
    ) -> Option<StageError> {
        let Work { context, presence, queue, stop } = *self;
        while !stop.is_cancelled() {
            match queue_step(context, queue, consumer).await {
                Ok(()) => rest.worked(),
                Err(error @ StageError::Store(StoreError::Unreachable { .. })) => {
                    return Some(error);
                }
                Err(error) => rest.failed(context, stop, &error).await,
            }
            match sharing.step(context, presence, queue, consumer).await {
                Ok(false) => {}
                Ok(true) => return None,
                // Back to the broker goes what could not be finished; the store is waited for.
                Err(error) => return Some(error),
            }
        }
        None
    }
}

/// How often a partition above the share was given up while so many processes were at work.
#[derive(Debug, Default)]
struct Sharing {
    live: u32,
    times: u32,
    not_before: Option<Stamp>,
}

impl Sharing {
    /// Gives a partition above the share up. Whether it did.
    ///
    /// Idempotence: what is given up is subscribed to again, at the end of the line.
    ///
    /// # Errors
    /// When what was under way could not be finished: it goes to the other process.
    async fn step(
        &mut self,
        context: &Context,
        presence: &Presence,
        queue: &Queue,
        consumer: &mut dyn Consumer,
    ) -> Result<bool, StageError> {
        let Queue::Changes(partition) = queue else { return Ok(false) };
        presence.note(*partition, consumer.is_served());
        if !presence.is_surplus(*partition)
            || !self.is_time(presence.live(), context.clock.now(), context.options.lease)
        {
            return Ok(false);
        }
        tracing::info!(partition, "given up to another process");
        give_up(context, consumer).await?;
        Ok(true)
    }

    /// A partition that came back was wanted by nobody: the one who was counted may just have died.
    /// It is offered again after a sixth of a lease, then after twice as long each time, and at
    /// once when another number of processes is at work.
    fn is_time(&mut self, live: u32, now: Stamp, lease: Duration) -> bool {
        if self.live != live {
            *self = Sharing { live, ..Sharing::default() };
        }
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let pause = (lease / 6) * (1 << self.times.min(PAUSE_DOUBLINGS));
        self.times += 1;
        self.not_before = Some(now.plus(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)));
        true
    }
}

/// Takes nothing more and finishes what came already. The next in line works beside it meanwhile:
/// rows are locked, and observations join by version.
async fn give_up(context: &Context, consumer: &mut dyn Consumer) -> Result<(), StageError> {
    consumer.retire().await?;
    while consumer.is_served() {
        crate::reconcile::step(context, consumer, PATIENCE).await?;
    }
    Ok(())
}

/// Waits for the store without consuming: giving messages back over and over would make the broker
/// take them for poison.
async fn without_store(
    context: &Context,
    stop: &CancellationToken,
    rest: &mut Rest,
    unreachable: StageError,
) {
    let mut failure = Some(unreachable);
    while let Some(error) = failure.filter(|_| !stop.is_cancelled()) {
        rest.failed(context, stop, &error).await;
        failure = context.store.connections().await.err().map(StageError::from);
    }
}

/// A broker that came back empty gets its queues again.
async fn declare(context: &Context) {
    if let Err(error) = context.hub.declare(&topology(context)).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "can't declare the topology");
    }
}

async fn queue_step(
    context: &Context,
    queue: &Queue,
    consumer: &mut dyn Consumer,
) -> Result<(), StageError> {
    match queue {
        Queue::Changes(_) | Queue::Bulk => {
            crate::reconcile::step(context, consumer, PATIENCE).await?;
        }
        Queue::Dead => {
            crate::dead::step(context, consumer, PATIENCE).await?;
        }
        Queue::Intents(connection) => {
            if drained(consumer).await? {
                ring(context, connection);
            }
        }
        Queue::Retry => {
            if drained(consumer).await? {
                crate::retry::step(context).await?;
            }
        }
    }
    Ok(())
}

/// Takes and acknowledges wake-ups: many mean the same as one.
async fn drained(consumer: &mut dyn Consumer) -> Result<bool, StageError> {
    let wakes = consumer.next(usize::from(PREFETCH), PATIENCE).await?;
    let Some(last) = wakes.last() else { return Ok(false) };
    consumer.ack(last.tag).await?;
    Ok(true)
}

fn ring(context: &Context, connection: &ConnectionName) {
    if let Some(connection) = context.connections.get(connection) {
        connection.slots.ask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wants_is_offered_ever_more_seldom() {
        let (mut sharing, lease) = (Sharing::default(), Duration::from_secs(6));
        let mut offered = Vec::new();
        for second in 0..100 {
            if sharing.is_time(2, Stamp(second * Stamp::SECOND), lease) {
                offered.push(second);
            }
        }
        assert_eq!(offered, [0, 1, 3, 7, 15, 31, 63, 95]);
        assert!(sharing.is_time(3, Stamp(99 * Stamp::SECOND), lease), "somebody new may want it");
        assert!(!sharing.is_time(3, Stamp(99 * Stamp::SECOND), lease));
    }
}
