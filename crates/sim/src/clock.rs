//! The ports of time and chance, both virtual: time stands still between calls and jumps where the
//! scheduler says so; ids and jitter come from the seed.

use crate::chance::Chance;
use duet_core::stamp::Stamp;
use duet_ports::clock::{Clock, Entropy};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::{Builder, Uuid};

/// When every simulation begins: a Thursday, at midnight, so that stamps in a trace are easy to read.
pub(crate) const BEGIN: Stamp = Stamp(1_767_225_600 * Stamp::SECOND);

/// Time that moves only when somebody moves it.
#[derive(Debug)]
pub(crate) struct VirtualClock(AtomicI64);

impl Default for VirtualClock {
    fn default() -> Self {
        VirtualClock(AtomicI64::new(BEGIN.0))
    }
}

impl VirtualClock {
    /// Moves time on.
    pub(crate) fn pass(&self, micros: i64) {
        self.0.fetch_add(micros.max(0), Ordering::Relaxed);
    }

    /// Microseconds since the simulation began: what a trace shows.
    #[must_use]
    pub(crate) fn elapsed(&self) -> i64 {
        self.now().0 - BEGIN.0
    }
}

#[async_trait::async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }

    /// Nobody else is at work while a step sleeps, so time jumps.
    async fn sleep(&self, pause: Duration) {
        self.pass(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
    }
}

/// Ids and jitter from the seed.
#[derive(Debug)]
pub(crate) struct SeededEntropy {
    chance: Mutex<Chance>,
    clock: std::sync::Arc<VirtualClock>,
}

impl SeededEntropy {
    /// Begins with a seed; ids carry the virtual time.
    #[must_use]
    pub(crate) fn new(seed: u64, clock: std::sync::Arc<VirtualClock>) -> SeededEntropy {
        SeededEntropy { chance: Mutex::new(Chance::new(seed)), clock }
    }

    fn draw(&self) -> u64 {
        // A number is drawn whole or not at all.
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }
}

impl Entropy for SeededEntropy {
    fn id(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().0 / 1_000).unwrap_or(0);
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&self.draw().to_be_bytes()[..2]);
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    fn below(&self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_sleeper_moves_time_and_wakes_at_once() {
        let clock = VirtualClock::default();
        clock.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.elapsed(), 3_600 * Stamp::SECOND);
        clock.pass(-5);
        assert_eq!(clock.now(), BEGIN.plus_seconds(3_600), "time never goes back");
    }

    #[test]
    fn ids_come_from_the_seed_and_are_ordered_by_time() {
        let clock = Arc::new(VirtualClock::default());
        let ids = |seed| {
            let entropy = SeededEntropy::new(seed, Arc::clone(&clock));
            [entropy.id(), entropy.id()]
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
        let [earlier, other] = ids(1);
        assert_ne!(earlier, other);
        clock.pass(1_000);
        assert!(ids(1)[0] > earlier.max(other));
        assert_eq!(SeededEntropy::new(1, clock).below(0), 0);
    }
}
