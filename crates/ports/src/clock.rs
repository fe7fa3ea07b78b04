//! Time and chance, given from outside, so that a simulation can repeat every run.

use duet_core::stamp::Stamp;
use std::time::Duration;
use uuid::Uuid;

/// The only clock.
///
/// `now` never promises to be monotonic: a stamp is compared with other stamps of the same source
/// only. `sleep` returns at the earliest after `pause`; it may be cut short by nothing but dropping.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Now, in microseconds since the epoch.
    fn now(&self) -> Stamp;

    /// Waits.
    async fn sleep(&self, pause: Duration);
}

/// The only source of new ids and random numbers.
pub trait Entropy: Send + Sync {
    /// A new time-ordered id (UUID v7): links.
    fn id(&self) -> Uuid;

    /// A number in `0..bound` (jitter); `bound` is at least 1.
    fn below(&self, bound: u64) -> u64;
}

/// The machine's own clock and random source: the one place that reads them.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

#[async_trait::async_trait]
impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's real implementation")]
    fn now(&self) -> Stamp {
        chrono::Utc::now().into()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

impl Entropy for System {
    #[expect(clippy::disallowed_methods, reason = "this is the Entropy port's real implementation")]
    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn below(&self, bound: u64) -> u64 {
        let (_, random) = self.id().as_u64_pair();
        // The variant bits on top are the same in every id; the 62 below them are random.
        (random & (u64::MAX >> 2)) % bound.max(1)
    }
}
