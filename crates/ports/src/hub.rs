//! The port to the hub: it carries messages and forgets. Purging it costs time, never data.
//!
//! **Delivery** is at least once. **Order** holds within one queue for one consumer, except for what
//! is redelivered. **Acknowledgement** is cumulative and happens after the commit, never before.

use crate::envelope::Envelope;
use async_trait::async_trait;
use duet_core::id::ConnectionName;
use std::time::Duration;

/// The hub failed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Not reachable, or the connection was lost; it comes back by itself.
    #[error("the hub can't be reached ({what})")]
    Unreachable {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A queue exists with other arguments.
    #[error("queue {queue} exists with other settings: {detail}")]
    Mismatch {
        /// The queue.
        queue: String,
        /// What differs.
        detail: String,
    },
    /// A queue doesn't exist: [`Hub::declare`] makes it.
    #[error("queue {queue} doesn't exist")]
    Missing {
        /// The queue.
        queue: String,
    },
    /// The delivery belongs to a connection that is gone: the acknowledgement did not happen.
    #[error("the delivery is stale; it will come again")]
    StaleDelivery,
}

/// The longest message body that is sent or decoded. Brokers take 16 MiB by default.
pub const BODY_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// The queues of duet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// `duet.changes.N`: changes of one partition, one consumer at a time.
    Changes(u32),
    /// `duet.intents.<connection>`: wake-ups of the apply stage.
    Intents(ConnectionName),
    /// `duet.retry`: wake-ups of the retry stage.
    Retry,
    /// `duet.bulk`: scan chunks, so that a scan never delays live changes.
    Bulk,
    /// `duet.dead`: what the broker gave up on; consumed one at a time.
    Dead,
}

/// What exists on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Number of change partitions, fixed at install.
    pub partitions: u32,
    /// Connections with a queue of their own.
    pub connections: Vec<ConnectionName>,
}

/// A message to publish.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to.
    pub queue: Queue,
    /// What.
    pub envelope: Envelope,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Safe in the queue.
    Confirmed,
    /// The queue is full or the broker refused: send again later.
    Refused,
    /// No such queue: the topology is gone and must be declared again.
    Unroutable,
    /// The confirm was lost: it may be there. Send again under the same number.
    Unknown,
    /// Longer than [`BODY_LIMIT_BYTES`]: it was not sent and never can be. Split it.
    TooLarge,
}

/// A message received.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Grows within one consumer; acknowledging one settles all before it.
    pub tag: u64,
    /// Delivered before, to someone: only such messages count towards poison.
    pub redelivered: bool,
    /// The decoded envelope, or what was wrong with the body.
    pub envelope: Result<Envelope, Undecodable>,
}

/// A body that can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message of {} bytes can't be decoded: {reason}", .body.len())]
pub struct Undecodable {
    /// The body, for the dead-letter row.
    pub body: Vec<u8>,
    /// Why.
    pub reason: String,
}

/// State of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready messages.
    pub ready: u32,
    /// Consumers; whether those that only stand by are counted depends on the broker.
    pub consumers: u32,
}

/// Reads one queue.
///
/// A lost connection ends with [`HubError::Unreachable`]; the next `next` subscribes again.
#[async_trait]
pub trait Consumer: Send {
    /// Waits at most `patience` for the first message, then takes what is there without waiting,
    /// up to `max`. Empty: nothing came.
    ///
    /// # Errors
    /// When the connection is gone; everything unacknowledged will come again.
    async fn next(&mut self, max: usize, patience: Duration) -> Result<Vec<Delivery>, HubError>;

    /// Acknowledges this delivery and all before it.
    ///
    /// # Errors
    /// [`HubError::StaleDelivery`] when the connection changed meanwhile.
    async fn ack(&mut self, up_to: u64) -> Result<(), HubError>;

    /// Gives back everything not acknowledged: it will be delivered again.
    ///
    /// # Errors
    /// When the connection is gone, which has the same effect.
    async fn give_back(&mut self) -> Result<(), HubError>;

    /// Whether anything was handed out under the present subscription. Of a queue with one consumer
    /// at a time it tells that this is the one. A subscription made again starts with no.
    fn is_served(&self) -> bool;

    /// Asks for nothing more: another consumer of the queue gets what comes from now on. What is on
    /// its way already still comes by `next` and is acknowledged as ever; then `next` gives nothing
    /// and doesn't subscribe again, and [`Consumer::is_served`] says no.
    ///
    /// # Errors
    /// When the connection is gone; everything unacknowledged goes to another consumer then.
    async fn retire(&mut self) -> Result<(), HubError>;
}

/// The hub.
#[async_trait]
pub trait Hub: Send + Sync {
    /// Makes everything of the topology exist. Idempotent.
    ///
    /// # Errors
    /// Unreachable, or a queue exists with other settings.
    async fn declare(&self, topology: &Topology) -> Result<(), HubError>;

    /// Publishes, all polled together; one result per message, in order.
    ///
    /// # Errors
    /// Only when nothing could be sent at all.
    async fn publish(&self, messages: &[Outgoing]) -> Result<Vec<Published>, HubError>;

    /// Publishes a wake-up without waiting for its fate. A wake-up may be lost: the sweep finds
    /// what it was for.
    async fn wake(&self, message: Outgoing);

    /// Reads a queue; at most `prefetch` unacknowledged.
    ///
    /// # Errors
    /// Unreachable.
    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, HubError>;

    /// How full a queue is.
    ///
    /// # Errors
    /// Unreachable, or no such queue.
    async fn depth(&self, queue: &Queue) -> Result<Depth, HubError>;
}
