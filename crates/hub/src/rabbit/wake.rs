//! Wake-ups: put into a bounded queue in memory, sent by a task of their own, dropped when they
//! can't be. The sweep finds what a lost one was for.

use super::line::Line;
use super::publish::{Ready, publish};
use crate::queues::Names;
use duet_ports::clock::Clock;
use duet_ports::hub::Outgoing;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Taken from the queue at once.
const TOGETHER: usize = 256;

/// The task that sends wake-ups.
pub(super) struct Waker {
    pub(super) line: Line,
    pub(super) names: Names,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) silence_limit: Duration,
    /// Raised when a wake-up came back: the topology must be declared again.
    pub(super) gone: Arc<AtomicBool>,
    pub(super) stop: CancellationToken,
}

impl Waker {
    /// Sends until the queue is closed or the hub ends.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Outgoing>) {
        let mut taken = Vec::with_capacity(TOGETHER);
        loop {
            let count = tokio::select! {
                () = self.stop.cancelled() => return,
                count = waiting.recv_many(&mut taken, TOGETHER) => count,
            };
            if count == 0 {
                return;
            }
            self.send(&taken).await;
            taken.clear();
        }
    }

    async fn send(&self, wakes: &[Outgoing]) {
        let Ok(session) = self.line.session_now() else {
            tracing::debug!(count = wakes.len(), "wake-ups dropped, the hub is down");
            return;
        };
        let ready = self.distinct(wakes);
        match publish(&session, &self.names, &ready, self.silence_limit).await {
            Ok(sent) => {
                if sent.gone {
                    self.gone.store(true, Ordering::Relaxed);
                }
            }
            Err(failure) => tracing::debug!(cause = %failure, "wake-ups dropped"),
        }
    }

    /// One of each: two equal wake-ups say no more than one.
    fn distinct(&self, wakes: &[Outgoing]) -> Vec<Ready> {
        let now = self.clock.now();
        let mut ready: Vec<Ready> = Vec::with_capacity(wakes.len());
        for wake in wakes {
            if let Ok(Some(wake)) = Ready::new(&self.names, wake, now)
                && !ready.iter().any(|other| other.same(&wake))
            {
                ready.push(wake);
            }
        }
        ready
    }
}
