//! Where faults strike: every port asks here, so that one stream of chance decides all of them, and
//! what happened is in the trace. A crash is a call that never comes back; whoever runs the step
//! drops it there, with everything that the process had in memory.

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::fault::{Fault, Rates};
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The longest that a call of a port takes, in microseconds, unless a fault makes it longer.
const CALL_US: i64 = 20_000;

/// Chance, faults, time and trace of one run.
pub(crate) struct Luck {
    /// Time.
    pub(crate) clock: Arc<VirtualClock>,
    /// What happened.
    pub(crate) trace: Trace,
    state: Mutex<State>,
    crash: Notify,
}

struct State {
    chance: Chance,
    rates: Rates,
    healed: bool,
    met: BTreeMap<Fault, u64>,
}

impl Luck {
    /// Begins with a seed and rates.
    #[must_use]
    pub(crate) fn new(seed: u64, rates: Rates, trace: Trace) -> Luck {
        let (healed, met) = (false, BTreeMap::new());
        let state = Mutex::new(State { chance: Chance::new(seed), rates, healed, met });
        let clock = Arc::new(VirtualClock::default());
        Luck { clock, trace, state, crash: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever panicked while holding it, the numbers in it are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws something.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.state().chance)
    }

    /// Whether a fault strikes here. If it does it stands in the trace.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        let mut state = self.state();
        let rate = if state.healed { 0 } else { state.rates.of(fault) };
        let strikes = state.chance.meets(rate);
        if strikes {
            *state.met.entry(fault).or_default() += 1;
            drop(state);
            self.note(format_args!("fault {fault:?}"));
        }
        strikes
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        self.state().healed = true;
        self.note("healed");
    }

    /// How often each kind struck.
    #[must_use]
    pub(crate) fn met(&self) -> BTreeMap<Fault, u64> {
        self.state().met.clone()
    }

    /// Notes what happened now.
    pub(crate) fn note(&self, what: impl Display) {
        self.trace.note(self.clock.elapsed(), what);
    }

    /// A call of a port: takes some time, and may be the last thing that the process did.
    pub(crate) async fn cross(&self) {
        let took = self.draw(|chance| chance.between(10, CALL_US));
        self.clock.pass(took);
        self.perhaps_crash().await;
    }

    /// The process may die here.
    pub(crate) async fn perhaps_crash(&self) {
        if self.strikes(Fault::Crash) {
            self.crash.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Runs a step until its end, or until the process dies in it: `None`.
    pub(crate) async fn survive<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = step => Some(done),
            () = self.crash.notified() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luck(rates: Rates) -> Luck {
        Luck::new(1, rates, Trace::new(true))
    }

    #[tokio::test]
    async fn a_crash_ends_a_step_where_it_is() {
        let luck = luck(Rates::only(Fault::Crash, 10_000));
        let mut reached = 0;
        let done = luck.survive(async {
            reached = 1;
            luck.cross().await;
            reached = 2;
        });
        assert_eq!(done.await, None);
        assert_eq!((reached, luck.met()[&Fault::Crash]), (1, 1));
        luck.heal();
        assert_eq!(luck.survive(luck.cross()).await, Some(()), "the next one lives");
    }

    #[test]
    fn a_fault_that_was_not_drawn_or_is_healed_never_strikes() {
        let luck = luck(Rates::only(Fault::Busy, 10_000));
        assert!(luck.strikes(Fault::Busy) && !luck.strikes(Fault::Crash));
        luck.heal();
        assert!(!luck.strikes(Fault::Busy));
        assert_eq!(luck.met(), BTreeMap::from([(Fault::Busy, 1)]));
        assert_eq!(luck.trace.lines().len(), 2);
    }
}
