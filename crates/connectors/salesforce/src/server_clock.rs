//! The side's time: our clock, corrected by the `Date` of its answers (one-second grain). As long
//! as our clock fits what the answers say it is used as it is, so that stamps don't jitter.

use chrono::DateTime;
use duet_core::stamp::Stamp;
use duet_ports::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Our clock and what is known of its distance to the side's.
pub(crate) struct ServerClock {
    clock: Arc<dyn Clock>,
    /// Least and most that must be added to our clock, in microseconds.
    bounds: Mutex<Option<(i64, i64)>>,
}

impl ServerClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        ServerClock { clock, bounds: Mutex::new(None) }
    }

    /// Our own time.
    pub(crate) fn local(&self) -> Stamp {
        self.clock.now()
    }

    /// The side's time.
    pub(crate) fn now(&self) -> Stamp {
        self.clock.now().plus(self.offset_us())
    }

    pub(crate) async fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause).await;
    }

    /// What is added to our clock: nothing while our clock is possible, else the nearest possible.
    pub(crate) fn offset_us(&self) -> i64 {
        let bounds = *self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        bounds.map_or(0, |(least, most)| 0.clamp(least, most))
    }

    /// Learns from an answer that was asked for at `sent` and came at `received`, by our clock.
    pub(crate) fn learn(&self, date: &str, sent: Stamp, received: Stamp) {
        let Ok(date) = DateTime::parse_from_rfc2822(date) else { return };
        let told = date.timestamp_micros();
        let (least, most) = (told - received.0, told + Stamp::SECOND - sent.0);
        if least > most {
            return;
        }
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        let narrowed = bounds.map(|(low, high)| (low.max(least), high.min(most)));
        // An empty interval means that a clock was set: start anew.
        *bounds = narrowed.filter(|(low, high)| low <= high).or(Some((least, most)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(i64);

    #[async_trait::async_trait]
    impl Clock for Fixed {
        fn now(&self) -> Stamp {
            Stamp(self.0)
        }
        async fn sleep(&self, _pause: Duration) {}
    }

    const NOON: i64 = 1_792_584_000_000_000;

    fn clock() -> ServerClock {
        ServerClock::new(Arc::new(Fixed(NOON)))
    }

    fn date(seconds: i64) -> String {
        Stamp(NOON).plus_seconds(seconds).to_datetime().unwrap().to_rfc2822()
    }

    #[test]
    fn a_clock_that_fits_is_not_corrected() {
        let clock = clock();
        clock.learn(&date(0), Stamp(NOON + 300_000), Stamp(NOON + 400_000));
        assert_eq!(clock.offset_us(), 0);
    }

    #[test]
    fn a_late_clock_is_set_forward_and_several_answers_narrow_it() {
        let clock = clock();
        clock.learn(&date(10), Stamp(NOON), Stamp(NOON + 100_000));
        assert_eq!(clock.offset_us(), 9_900_000);
        clock.learn(&date(11), Stamp(NOON + 400_000), Stamp(NOON + 500_000));
        assert_eq!(clock.offset_us(), 10_500_000);
    }

    #[test]
    fn a_clock_that_was_set_is_learned_anew() {
        let clock = clock();
        clock.learn(&date(10), Stamp(NOON), Stamp(NOON));
        clock.learn(&date(-10), Stamp(NOON), Stamp(NOON));
        assert_eq!(clock.offset_us(), -9_000_000);
    }
}
