//! Slots: how many calls of a connection this process has under way at once, and the calls that
//! were committed as *sent* and leave as soon as a worker takes them (design, 2.4.2).
//!
//! In memory only: a call that is lost here is found by its deadline.

use duet_ports::store::Claimed;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The slots of one connection. None is open until a worker brings one.
pub struct Slots {
    free: Arc<Semaphore>,
    workers: AtomicUsize,
    departures: Mutex<VecDeque<Departure>>,
    /// Rung when there may be something to do for a worker.
    bell: Arc<Notify>,
    /// Planned intents may be due in the store.
    asked: AtomicBool,
}

/// The right to have one call under way. Dropped, it is free again.
pub(crate) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    /// Rung if nobody works on it: a worker may be waiting for a call that won't come.
    bell: Option<Arc<Notify>>,
}

/// One call whose intents are stored as *sent*, and its slot.
pub(crate) struct Departure {
    pub(crate) claimed: Claimed,
    pub(crate) slot: Slot,
}

impl Default for Slots {
    fn default() -> Self {
        Slots {
            free: Arc::new(Semaphore::new(0)),
            workers: AtomicUsize::new(0),
            departures: Mutex::default(),
            bell: Arc::new(Notify::new()),
            // What an earlier life of this process planned may be due.
            asked: AtomicBool::new(true),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Free first: whoever hears the bell finds it so.
        drop(self.permit.take());
        if let Some(bell) = &self.bell {
            bell.notify_one();
        }
    }
}

impl Slots {
    /// A worker begins: one call more may be under way. It steps the apply stage until it ends.
    pub fn open(&self) {
        self.workers.fetch_add(1, Ordering::AcqRel);
        self.free.add_permits(1);
    }

    /// A worker wants to end: takes a slot away, if one is free. Whether it did.
    pub(crate) fn close(&self) -> bool {
        let closed = self.free.try_acquire().map(SemaphorePermit::forget).is_ok();
        if closed {
            self.workers.fetch_sub(1, Ordering::AcqRel);
        }
        closed
    }

    /// Whether calls are left to workers. Without any, whoever steps calls by itself.
    pub(crate) fn has_workers(&self) -> bool {
        self.workers.load(Ordering::Acquire) > 0
    }

    /// Whether a slot is free just now.
    pub(crate) fn has_free(&self) -> bool {
        self.free.available_permits() > 0
    }

    /// A free slot for a worker.
    pub(crate) fn take(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Slot { permit: Some(permit), bell: None })
    }

    /// A free slot for a call that may be handed over.
    pub(crate) fn promise(&self) -> Option<Slot> {
        let mut slot = self.take()?;
        slot.bell = Some(Arc::clone(&self.bell));
        Some(slot)
    }

    /// Hands a call over to a worker: it was committed as *sent*.
    pub(crate) fn leave(&self, departure: Departure) {
        self.waiting().push_back(departure);
        self.bell.notify_one();
    }

    /// The call that has waited longest for a worker.
    pub(crate) fn next(&self) -> Option<Departure> {
        let mut departure = self.waiting().pop_front()?;
        departure.slot.bell = None;
        Some(departure)
    }

    /// Tells workers that planned intents may be due in the store.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Tells another worker to look too.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether planned intents may be due.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Somebody looks now.
    pub(crate) fn answer(&self) {
        self.asked.store(false, Ordering::Release);
    }

    /// Waits until there may be something to do.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Departure>> {
        // A panic while holding it leaves the list whole: push and pop don't panic half-way.
        self.departures.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::id::FlowName;
    use duet_core::intent::{Op, WritePath};
    use duet_core::side::Side;
    use std::time::Duration;

    fn departure(slot: Slot) -> Departure {
        let (flow, side, op) = (FlowName::from("things"), Side::Left, Op::Update);
        Departure {
            claimed: Claimed { flow, side, op, path: WritePath::Batch, intents: Vec::new() },
            slot,
        }
    }

    async fn is_rung(slots: &Slots) -> bool {
        tokio::time::timeout(Duration::ZERO, slots.rung()).await.is_ok()
    }

    #[tokio::test]
    async fn what_is_promised_can_neither_be_taken_nor_closed() {
        let slots = Slots::default();
        assert!(slots.promise().is_none() && !slots.has_workers());
        slots.open();
        let slot = slots.promise().expect("one is open");
        assert!(slots.take().is_none() && !slots.close());
        slots.leave(departure(slot));
        assert!(is_rung(&slots).await);
        let left = slots.next().expect("handed over");
        assert!(!slots.close(), "its call is under way");
        drop(left);
        assert!(slots.close() && !slots.close() && !slots.has_workers());
    }

    #[tokio::test]
    async fn a_broken_promise_wakes_a_worker_and_its_own_slot_doesnt() {
        let slots = Slots::default();
        slots.open();
        drop(slots.take());
        assert!(!is_rung(&slots).await, "it would never rest");
        drop(slots.promise());
        assert!(is_rung(&slots).await);
        slots.leave(departure(slots.promise().expect("free again")));
        assert!(is_rung(&slots).await);
        drop(slots.next());
        assert!(!is_rung(&slots).await);
    }

    #[tokio::test]
    async fn a_question_stays_until_somebody_looks() {
        let slots = Slots::default();
        assert!(slots.is_asked(), "an earlier process may have left something");
        slots.answer();
        assert!(!slots.is_asked());
        slots.ask();
        assert!(slots.is_asked() && is_rung(&slots).await);
    }
}
