//! Slots: how many calls of a connection this process has under way at once, and the calls that
//! were committed as *sent* and leave as soon as a line to the side is free (design, 2.4.2).
//!
//! A *line* is the right to have one call under way. It ends with the answer: while that is settled
//! the next call is under way already, so there are more workers than lines. A *slot* is the promise
//! that a worker will take care of a call that was handed over, from its decision to its settling.
//!
//! In memory only: a call that is lost here is found by its deadline.

use duet_core::intent::Op;
use duet_ports::store::Claimed;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Workers per line: one waits for the side, one settles what it answered.
pub(crate) const WORKERS_PER_LINE: usize = 2;
/// Calls that may be promised per line, at most.
const PROMISES_PER_LINE: u32 = 8;
/// How long a promised call may have to wait for a line, by the time that the last call took. Well
/// within the margin of deadlines: past that it would have to be planned again.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The lines and slots of one connection. Nothing is promised until a worker is there.
pub struct Slots {
    state: Arc<Mutex<State>>,
    /// Rung when there may be something to do for a worker.
    bell: Arc<Notify>,
    /// Planned intents may be due in the store.
    asked: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Calls that may be under way at once.
    lines: usize,
    /// Those that are.
    calling: usize,
    workers: usize,
    /// Slots that were given out.
    promised: usize,
    /// How long the last call took.
    took: Duration,
    /// Whether the last call to leave was handed over.
    was_handed_over: bool,
    waiting: VecDeque<Departure>,
}

/// The promise to take care of one call. Dropped, it is kept, or void.
pub(crate) struct Slot {
    state: Arc<Mutex<State>>,
    bell: Arc<Notify>,
}

/// The right to have one call under way. Dropped, it is free again.
pub(crate) struct Line {
    state: Arc<Mutex<State>>,
    bell: Arc<Notify>,
}

/// One call whose intents are stored as *sent*, and its slots.
pub(crate) struct Departure {
    pub(crate) claimed: Claimed,
    pub(crate) slots: Vec<Slot>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.promised = state.promised.saturating_sub(1);
        drop(state);
        // A worker that wants to end may be waiting for a call that won't come.
        self.bell.notify_one();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.calling = state.calling.saturating_sub(1);
        let more = !state.waiting.is_empty();
        drop(state);
        if more {
            self.bell.notify_one();
        }
    }
}

impl Line {
    /// A call that took so long was answered, or given up. Others may use the line.
    pub(crate) fn answered(self, took: Duration) {
        lock(&self.state).took = took;
        let bell = Arc::clone(&self.bell);
        drop(self);
        bell.notify_one();
    }
}

impl State {
    /// Calls that may be promised: so many that none waits too long, at least one per line.
    fn room(&self) -> usize {
        let calls = WAIT_MAX.as_micros() / self.took.as_micros().max(1);
        let per_line = calls.clamp(1, u128::from(PROMISES_PER_LINE));
        usize::try_from(per_line).unwrap_or(1).saturating_mul(self.lines)
    }
}

impl Slots {
    /// Nothing under way, of so many calls at once.
    #[must_use]
    pub fn of(lines: usize) -> Slots {
        let state = State { lines: lines.max(1), ..State::default() };
        Slots {
            state: Arc::new(Mutex::new(state)),
            bell: Arc::new(Notify::new()),
            // What an earlier life of this process planned may be due.
            asked: AtomicBool::new(true),
        }
    }

    /// A worker begins: it steps the apply stage until it ends.
    pub fn open(&self) {
        lock(&self.state).workers += 1;
    }

    /// A worker wants to end. Whether it may: the others keep what was promised.
    pub(crate) fn close(&self) -> bool {
        let mut state = lock(&self.state);
        let may = state.workers > state.promised.min(state.lines);
        if may {
            state.workers -= 1;
        }
        may
    }

    /// Whether a call may be promised just now.
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.workers > 0 && state.promised < state.room()
    }

    /// A slot for a call that may be handed over.
    pub(crate) fn promise(&self) -> Option<Slot> {
        let mut state = lock(&self.state);
        if state.workers == 0 || state.promised >= state.room() {
            return None;
        }
        state.promised += 1;
        Some(Slot { state: Arc::clone(&self.state), bell: Arc::clone(&self.bell) })
    }

    /// A free line.
    pub(crate) fn line(&self) -> Option<Line> {
        let mut state = lock(&self.state);
        if state.calling >= state.lines {
            return None;
        }
        state.calling += 1;
        Some(Line { state: Arc::clone(&self.state), bell: Arc::clone(&self.bell) })
    }

    /// Hands a call over to a worker: it was committed as *sent*.
    pub(crate) fn leave(&self, departure: Departure) {
        lock(&self.state).waiting.push_back(departure);
        self.bell.notify_one();
    }

    /// Whether those in the store come next: after each call that was handed over, or such calls, given
    /// again and again, would keep them waiting.
    pub(crate) fn is_stores_turn(&self) -> bool {
        let was_handed_over = std::mem::take(&mut lock(&self.state).was_handed_over);
        was_handed_over && self.is_asked()
    }

    /// The call that has waited longest for a line, and what waits behind it and may go with it: so
    /// many intents of that operation at most.
    pub(crate) fn next(&self, most: impl Fn(Op) -> usize) -> Option<Departure> {
        let mut state = lock(&self.state);
        let mut departure = state.waiting.pop_front()?;
        state.was_handed_over = true;
        let most = most(departure.claimed.op);
        let rest = std::mem::take(&mut state.waiting);
        for other in rest {
            match departure.takes(&other, most) {
                true => departure.join(other),
                false => state.waiting.push_back(other),
            }
        }
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
}

impl Departure {
    fn takes(&self, other: &Departure, most: usize) -> bool {
        let (own, of_other) = (&self.claimed, &other.claimed);
        let kind = |claimed: &Claimed| (claimed.side, claimed.op, claimed.path);
        own.flow == of_other.flow
            && kind(own) == kind(of_other)
            && own.intents.len() + of_other.intents.len() <= most
    }

    fn join(&mut self, other: Departure) {
        self.claimed.intents.extend(other.claimed.intents);
        self.slots.extend(other.slots);
    }
}

/// A panic while holding it leaves the state whole: nothing in here panics half-way.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::intent::{Intent, WritePath};
    use duet_core::side::Side;

    const MOST: usize = 3;

    fn intent() -> Intent {
        serde_json::from_value(serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000001",
            "link": "00000000-0000-0000-0000-000000000002", "flow": "f", "side": "left",
            "connection": "crm", "op": "update", "path": "batch", "record": "r", "values": {},
            "find": [], "expected": null, "expected_values": {}, "carries": {}, "state": "sent",
            "attempts": 1, "due_at": null, "sent_at": null, "deadline": null, "planned_at": 0,
            "landed_at": null, "failure": null, "why": "",
        }))
        .expect("an intent")
    }

    fn departure(slot: Slot, op: Op, count: usize) -> Departure {
        let (flow, side, path) = ("f".into(), Side::Left, WritePath::Batch);
        let claimed = Claimed { flow, side, op, path, intents: vec![intent(); count] };
        Departure { claimed, slots: vec![slot] }
    }

    fn opened(lines: usize, workers: usize) -> Slots {
        let slots = Slots::of(lines);
        (0..workers).for_each(|_| slots.open());
        slots
    }

    fn promise(slots: &Slots) -> Slot {
        slots.promise().expect("there is room")
    }

    fn is_open(slots: &Slots) -> bool {
        lock(&slots.state).workers > 0
    }

    async fn is_rung(slots: &Slots) -> bool {
        tokio::time::timeout(Duration::ZERO, slots.rung()).await.is_ok()
    }

    #[test]
    fn nothing_is_promised_without_workers_and_they_stay_until_it_is_kept() {
        let slots = Slots::of(1);
        assert!(slots.promise().is_none() && !slots.has_room());
        let slots = opened(1, 2);
        let slot = promise(&slots);
        assert!(slots.close(), "one is left");
        assert!(!slots.close(), "who else would take the call?");
        slots.leave(departure(slot, Op::Update, 1));
        let left = slots.next(|_| MOST).expect("handed over");
        assert!(!slots.close(), "it isn't settled");
        drop(left);
        assert!(slots.close() && !is_open(&slots) && slots.promise().is_none());
    }

    #[tokio::test]
    async fn a_broken_promise_wakes_a_worker_that_waits_for_it() {
        let slots = opened(1, 1);
        assert!(!is_rung(&slots).await);
        drop(promise(&slots));
        assert!(is_rung(&slots).await);
    }

    #[tokio::test]
    async fn as_many_calls_are_under_way_as_there_are_lines() {
        let slots = opened(2, 4);
        let (first, second) = (slots.line().expect("free"), slots.line().expect("free"));
        assert!(slots.line().is_none());
        drop(first);
        assert!(!is_rung(&slots).await, "nobody called: a worker would wake itself for ever");
        drop(slots.line().expect("free again"));
        second.answered(Duration::from_millis(1));
        assert!(is_rung(&slots).await, "another call may leave");
    }

    #[test]
    fn the_longer_calls_take_the_fewer_are_promised() {
        for (took_ms, room) in [(0, 16), (250, 16), (500, 8), (1_999, 2), (60_000, 2)] {
            let slots = opened(2, 1);
            slots.line().expect("free").answered(Duration::from_millis(took_ms));
            let promised: Vec<Slot> = std::iter::from_fn(|| slots.promise()).collect();
            assert_eq!((promised.len(), slots.has_room()), (room, false), "{took_ms} ms");
        }
    }

    #[test]
    fn what_waits_leaves_together_as_far_as_one_call_takes_it() {
        let slots = opened(1, 1);
        let given = [(Op::Update, 1), (Op::Create, 1), (Op::Update, 1), (Op::Update, 2)];
        for (op, count) in given.into_iter().chain([(Op::Update, 1)]) {
            slots.leave(departure(promise(&slots), op, count));
        }
        let mut left = Vec::new();
        while let Some(one) = slots.next(|_| MOST) {
            left.push((one.claimed.op, one.claimed.intents.len(), one.slots.len()));
        }
        assert_eq!(left, [(Op::Update, 3, 3), (Op::Create, 1, 1), (Op::Update, 2, 1)]);
        assert_eq!(lock(&slots.state).promised, 0);
    }

    #[test]
    fn what_waits_in_the_store_has_every_second_turn_if_there_is_any() {
        let slots = opened(1, 1);
        assert!(!slots.is_stores_turn(), "nothing was handed over before");
        for _ in 0..2 {
            slots.leave(departure(promise(&slots), Op::Update, MOST));
            drop(slots.next(|_| MOST));
            assert!(slots.is_stores_turn() && !slots.is_stores_turn());
        }
        slots.answer();
        slots.leave(departure(promise(&slots), Op::Update, MOST));
        drop(slots.next(|_| MOST));
        assert!(!slots.is_stores_turn(), "nobody said that there is any");
    }

    #[tokio::test]
    async fn a_question_stays_until_somebody_looks() {
        let slots = opened(1, 1);
        assert!(slots.is_asked(), "an earlier process may have left something");
        slots.answer();
        assert!(!slots.is_asked());
        slots.ask();
        assert!(slots.is_asked() && is_rung(&slots).await);
    }
}
