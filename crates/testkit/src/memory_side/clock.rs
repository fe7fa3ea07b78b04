//! The machine's clock, moved by hand: a test passes an hour without waiting for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use duet_core::stamp::Stamp;
use duet_ports::clock::{Clock, System};

/// How often a sleeper looks whether time was moved.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The real clock plus what a test added.
#[derive(Debug, Default)]
pub struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    /// Moves time on.
    pub fn pass(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).expect("a test passes no ages");
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for ShiftedClock {
    fn now(&self) -> Stamp {
        System.now().plus(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, pause: Duration) {
        let until = self.now().plus(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
        loop {
            let left = u64::try_from(until.0.saturating_sub(self.now().0)).unwrap_or(0);
            if left == 0 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY.min(Duration::from_micros(left))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    //! Shows that passing time wakes sleepers.

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_time_is_passed() {
        let clock = std::sync::Arc::new(ShiftedClock::default());
        let before = clock.now();
        let sleeper = std::sync::Arc::clone(&clock);
        let sleeping = tokio::spawn(async move { sleeper.sleep(Duration::from_secs(3_600)).await });
        // One thread: afterwards the sleeper has begun.
        tokio::task::yield_now().await;
        clock.pass(Duration::from_secs(3_600));
        let woke = tokio::time::timeout(Duration::from_secs(60), sleeping).await;
        assert!(woke.is_ok(), "an hour has passed");
        assert!(clock.now() >= before.plus_seconds(3_600));
    }
}
