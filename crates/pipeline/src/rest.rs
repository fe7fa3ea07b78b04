//! The rest of a stage after failures in a row, and waits that a stop ends. No stage sleeps by
//! itself.

use crate::context::Context;
use crate::error::StageError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The longest rest of a stage that fails.
const REST_MAX: Duration = Duration::from_secs(10);

/// The rest of a stage after failures in a row.
pub(crate) struct Rest {
    stage: String,
    failures: u32,
}

impl Rest {
    pub(crate) fn new(stage: impl Into<String>) -> Rest {
        Rest { stage: stage.into(), failures: 0 }
    }

    pub(crate) fn worked(&mut self) {
        if self.failures > 0 {
            tracing::info!(stage = %self.stage, "works again");
        }
        self.failures = 0;
    }

    /// Notes a failure (the first of a streak is logged) and waits.
    pub(crate) async fn failed(
        &mut self,
        context: &Context,
        stop: &CancellationToken,
        error: &StageError,
    ) {
        if self.failures == 0 {
            tracing::warn!(stage = %self.stage, error = error as &dyn std::error::Error, "rests");
        }
        let pause = Duration::from_millis(100 << self.failures.min(7)).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        wait(context, stop, pause).await;
    }
}

/// Waits, or until stopped.
pub(crate) async fn wait(context: &Context, stop: &CancellationToken, pause: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = context.clock.sleep(pause) => {}
    }
}
