//! Pauses between attempts: doubled up to a limit, with half of each left to chance, so that many
//! processes don't come back at the same moment.

use duet_ports::clock::Entropy;
use std::time::Duration;

/// The pauses of one connection.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Backoff { min, max, next: min }
    }

    /// The next attempt starts from the shortest pause again.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self, entropy: &dyn Entropy) -> Duration {
        let whole = self.next.min(self.max);
        self.next = (whole * 2).min(self.max);
        let half = whole / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
        half + Duration::from_micros(entropy.below(micros + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Always the largest number, or always zero.
    struct Fixed(bool);

    impl Entropy for Fixed {
        fn id(&self) -> Uuid {
            Uuid::nil()
        }

        fn below(&self, bound: u64) -> u64 {
            if self.0 { bound - 1 } else { 0 }
        }
    }

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(300));
        let pauses: Vec<_> = (0..4).map(|_| backoff.pause(&Fixed(true))).collect();
        assert_eq!(pauses, [ms(100), ms(200), ms(300), ms(300)]);
        backoff.reset();
        assert_eq!(backoff.pause(&Fixed(false)), ms(50));
    }
}
