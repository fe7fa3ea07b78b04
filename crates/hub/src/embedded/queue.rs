//! One queue: what waits in it, how much room is left, who may take. It knows neither consumers'
//! tags nor why a message comes back.

use crate::envelope::encoded_len;
use duet_ports::envelope::Envelope;
use duet_ports::hub::{BODY_LIMIT_BYTES, Depth, Undecodable};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What a message costs beside its content: its own fields and its places in the maps.
const OVERHEAD_BYTES: usize = 256;

/// A message as it is kept.
pub(super) struct Message {
    pub(super) envelope: Result<Envelope, Undecodable>,
    bytes: usize,
}

impl Message {
    /// `None`: longer than a hub carries.
    pub(super) fn new(envelope: &Envelope) -> Option<Self> {
        let length = encoded_len(envelope);
        let kept = || Message::of(Ok(envelope.clone()), length);
        (length <= BODY_LIMIT_BYTES).then(kept)
    }

    pub(super) fn of(envelope: Result<Envelope, Undecodable>, length: usize) -> Self {
        Message { envelope, bytes: length + OVERHEAD_BYTES }
    }
}

/// A message in a queue or in a consumer's hands.
#[derive(Clone)]
pub(super) struct Item {
    /// Its place in the queue, which it keeps when it comes back.
    pub(super) place: u64,
    /// How often it was handed out.
    pub(super) handed: u32,
    pub(super) message: Arc<Message>,
}

/// One queue and the bell of those who wait for something in it.
pub(super) struct Cell {
    state: Mutex<State>,
    pub(super) bell: Notify,
    /// Only the consumer that came first takes.
    exclusive: bool,
}

struct State {
    ready: BTreeMap<u64, Item>,
    next_place: u64,
    /// Bytes of what is ready and of what is handed out.
    held: usize,
    room: usize,
    /// Consumers that still ask for something, first come first.
    line: Vec<u64>,
    next_consumer: u64,
}

impl Cell {
    pub(super) fn new(room: usize, exclusive: bool) -> Self {
        let state = State {
            ready: BTreeMap::new(),
            next_place: 0,
            held: 0,
            room,
            line: Vec::new(),
            next_consumer: 0,
        };
        Cell { state: Mutex::new(state), bell: Notify::new(), exclusive }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false`: the queue is full. The message that fills it still gets in, so that a long one
    /// isn't overtaken by shorter ones behind it.
    pub(super) fn put(&self, message: Arc<Message>) -> bool {
        let mut state = self.state();
        if state.held >= state.room {
            return false;
        }
        let place = state.next_place;
        state.next_place += 1;
        state.held += message.bytes;
        state.ready.insert(place, Item { place, handed: 0, message });
        drop(state);
        self.bell.notify_waiters();
        true
    }

    /// Stands at the end of the line.
    pub(super) fn join(&self) -> u64 {
        let mut state = self.state();
        let consumer = state.next_consumer;
        state.next_consumer += 1;
        state.line.push(consumer);
        consumer
    }

    /// Leaves the line: the next one gets what comes from now on.
    pub(super) fn leave(&self, consumer: u64) {
        self.state().line.retain(|other| *other != consumer);
        self.bell.notify_waiters();
    }

    /// What this consumer may take, up to `max`.
    pub(super) fn take(&self, consumer: u64, max: usize) -> Vec<Item> {
        let mut state = self.state();
        let served = if self.exclusive {
            state.line.first() == Some(&consumer)
        } else {
            state.line.contains(&consumer)
        };
        if !served {
            return Vec::new();
        }
        let count = max.min(state.ready.len());
        (0..count).filter_map(|_| state.ready.pop_first()).map(|(_, item)| item).collect()
    }

    /// Puts items back into their places.
    pub(super) fn give_back(&self, items: impl IntoIterator<Item = Item>) {
        self.state().ready.extend(items.into_iter().map(|item| (item.place, item)));
        self.bell.notify_waiters();
    }

    /// Forgets items that are settled.
    pub(super) fn forget<'a>(&self, items: impl IntoIterator<Item = &'a Item>) {
        let freed: usize = items.into_iter().map(|item| item.message.bytes).sum();
        self.state().held -= freed;
    }

    pub(super) fn depth(&self) -> Depth {
        let state = self.state();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Depth { ready: count(state.ready.len()), consumers: count(state.line.len()) }
    }

    #[cfg(test)]
    pub(super) fn purge(&self) {
        let mut state = self.state();
        let gone: Vec<Item> = std::mem::take(&mut state.ready).into_values().collect();
        drop(state);
        self.forget(&gone);
    }

    #[cfg(test)]
    pub(super) fn resize(&self, messages: usize) {
        self.state().room = messages * OVERHEAD_BYTES;
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.state().held
    }
}
