//! A stopwatch: the one place of the bench that looks at a clock.

use std::time::{Duration, Instant};

/// Runs since it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Instant);

impl Watch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub(crate) fn start() -> Watch {
        Watch(Instant::now())
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Since the start, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}
