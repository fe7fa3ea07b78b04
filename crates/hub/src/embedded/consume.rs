//! Reading one queue: takes, keeps what isn't acknowledged, and gives it back when it goes.

use super::queue::{Cell, Item};
use crate::queues::DELIVERY_LIMIT;
use async_trait::async_trait;
use duet_ports::hub::{Consumer, Delivery, HubError};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Reads one queue.
pub(super) struct EmbeddedConsumer {
    cell: Arc<Cell>,
    /// Where poison goes; none for the dead themselves.
    dead: Option<Arc<Cell>>,
    prefetch: usize,
    /// The place in the queue's line.
    number: u64,
    /// Handed out and not settled, with their tags.
    out: VecDeque<(u64, Item)>,
    /// The last tag.
    handed: u64,
    retired: bool,
}

impl EmbeddedConsumer {
    pub(super) fn new(cell: Arc<Cell>, dead: Option<Arc<Cell>>, prefetch: u16) -> Self {
        let (number, prefetch) = (cell.join(), usize::from(prefetch));
        let out = VecDeque::new();
        EmbeddedConsumer { cell, dead, prefetch, number, out, handed: 0, retired: false }
    }

    fn take(&mut self, max: usize) -> Vec<Delivery> {
        let free = self.prefetch.saturating_sub(self.out.len());
        let items = self.cell.take(self.number, max.min(free));
        items.into_iter().map(|item| self.hand_out(item)).collect()
    }

    fn hand_out(&mut self, item: Item) -> Delivery {
        self.handed += 1;
        let envelope = item.message.envelope.clone();
        let delivery = Delivery { tag: self.handed, redelivered: item.handed > 0, envelope };
        self.out.push_back((self.handed, Item { handed: item.handed + 1, ..item }));
        delivery
    }

    /// Gives back everything that isn't settled; poison goes to the dead, if they have room.
    fn return_all(&mut self) {
        let (mut back, mut buried) = (Vec::new(), Vec::new());
        for (_, item) in self.out.drain(..) {
            let poison = item.handed > DELIVERY_LIMIT;
            match &self.dead {
                Some(dead) if poison && dead.put(Arc::clone(&item.message)) => buried.push(item),
                Some(_) | None => back.push(item),
            }
        }
        self.cell.forget(&buried);
        self.cell.give_back(back);
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next(&mut self, max: usize, patience: Duration) -> Result<Vec<Delivery>, HubError> {
        if self.retired {
            return Ok(Vec::new());
        }
        let cell = Arc::clone(&self.cell);
        let taking = async {
            loop {
                let mut rung = pin!(cell.bell.notified());
                // Listening before looking: nothing put in between is missed.
                rung.as_mut().enable();
                let taken = self.take(max);
                if !taken.is_empty() {
                    return taken;
                }
                rung.await;
            }
        };
        Ok(tokio::time::timeout(patience, taking).await.unwrap_or_default())
    }

    async fn ack(&mut self, up_to: u64) -> Result<(), HubError> {
        if up_to > self.handed {
            return Err(HubError::StaleDelivery);
        }
        let settled = self.out.partition_point(|(tag, _)| *tag <= up_to);
        let settled: Vec<Item> = self.out.drain(..settled).map(|(_, item)| item).collect();
        self.cell.forget(&settled);
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), HubError> {
        self.return_all();
        Ok(())
    }

    fn is_served(&self) -> bool {
        !self.retired && self.handed > 0
    }

    async fn retire(&mut self) -> Result<(), HubError> {
        self.retired = true;
        self.cell.leave(self.number);
        Ok(())
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.return_all();
        self.cell.leave(self.number);
    }
}
