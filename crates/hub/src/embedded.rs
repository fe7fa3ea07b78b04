//! The hub in this process's memory: bounded queues between the stages of one process
//! (`docs/decisions/0058-*`). Its messages end with the process; the store holds back the sources'
//! positions until what was published is settled, so that a restart publishes it again.
//!
//! Memory is bounded by the room of each queue, which counts what waits and what is handed out and
//! not acknowledged, plus the one message that filled it.

mod consume;
#[cfg(test)]
mod contract;
mod queue;

use crate::queues::{Names, queues};
use async_trait::async_trait;
use consume::EmbeddedConsumer;
use duet_ports::hub::{
    BODY_LIMIT_BYTES, Consumer, Depth, Hub, HubError, Outgoing, Published, Queue, Topology,
};
use queue::{Cell, Message};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Room of a queue of messages with content: as much as the longest message needs alone, and
/// thousands of usual ones.
const CONTENT_BYTES_MAX: usize = BODY_LIMIT_BYTES;
/// Room of a queue of wake-ups: a few thousand. More than that say nothing new.
const WAKES_BYTES_MAX: usize = 1024 * 1024;

/// The hub in this process's memory. Clones are the same hub; dropping the last one ends it.
#[derive(Clone, Default)]
pub struct Embedded {
    queues: Arc<Mutex<BTreeMap<Queue, Arc<Cell>>>>,
}

impl Embedded {
    /// A hub without queues: [`Hub::declare`] makes them.
    #[must_use]
    pub fn new() -> Self {
        Embedded::default()
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<Queue, Arc<Cell>>> {
        // A poisoned lock still holds a whole map: queues are added one by one.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, queue: &Queue) -> Option<Arc<Cell>> {
        self.queues().get(queue).cloned()
    }

    fn cell(&self, queue: &Queue) -> Result<Arc<Cell>, HubError> {
        let missing = || HubError::Missing { queue: Names::new("duet").queue(queue) };
        self.find(queue).ok_or_else(missing)
    }

    fn put(&self, message: &Outgoing) -> Published {
        let Some(cell) = self.find(&message.queue) else { return Published::Unroutable };
        let Some(message) = Message::new(&message.envelope) else { return Published::TooLarge };
        if cell.put(Arc::new(message)) { Published::Confirmed } else { Published::Refused }
    }
}

fn room(queue: &Queue) -> usize {
    match queue {
        Queue::Intents(_) | Queue::Retry => WAKES_BYTES_MAX,
        Queue::Changes(_) | Queue::Bulk | Queue::Dead => CONTENT_BYTES_MAX,
    }
}

#[async_trait]
impl Hub for Embedded {
    async fn declare(&self, topology: &Topology) -> Result<(), HubError> {
        let mut made = self.queues();
        for queue in queues(topology) {
            let exclusive = matches!(queue, Queue::Changes(_));
            let room = room(&queue);
            made.entry(queue).or_insert_with(|| Arc::new(Cell::new(room, exclusive)));
        }
        Ok(())
    }

    /// Each message is settled with the hub before this returns; it waits for nobody.
    async fn publish(&self, messages: &[Outgoing]) -> Result<Vec<Published>, HubError> {
        let fates: Vec<Published> = messages.iter().map(|message| self.put(message)).collect();
        if fates.contains(&Published::Refused) {
            // Whoever tries again at once must not keep the thread from those who make room.
            tokio::task::yield_now().await;
        }
        Ok(fates)
    }

    async fn wake(&self, message: Outgoing) {
        let fate = self.put(&message);
        if fate != Published::Confirmed {
            tracing::debug!(?fate, "a wake-up was dropped");
        }
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, HubError> {
        let cell = self.cell(&queue)?;
        // What the dead can't settle has no further place to go.
        let dead = if queue == Queue::Dead { None } else { self.find(&Queue::Dead) };
        Ok(Box::new(EmbeddedConsumer::new(cell, dead, prefetch)))
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth, HubError> {
        Ok(self.cell(queue)?.depth())
    }
}
