//! A connection that is down is paused, not hammered: the breaker, one per connection.
//!
//! In memory only: the store's row (shown by `status`, obeyed by every process) is what counts.

use crate::context::Context;
use crate::error::StageError;
use duet_core::id::ConnectionName;
use duet_core::retry::{Failure, FailureClass};
use duet_core::stamp::Stamp;
use duet_ports::envelope::Body;
use duet_ports::hub::Queue;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// The first pause; doubles with every failure in a row.
const FIRST_US: i64 = Stamp::SECOND;
/// The longest pause: a side that comes back is noticed within half a minute.
const LONGEST_US: i64 = 30 * Stamp::SECOND;
/// Failures in a row after which a connection counts as down.
const DOWN: u32 = 3;

/// Who uses a connection. A source that can be read says nothing about calls, nor they about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Detectors.
    Source,
    /// Reads, searches and writes.
    #[default]
    Calls,
}

/// Failures in a row, who met the last one, and the pause they led to.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    failures: u32,
    stage: Stage,
    until: Option<Stamp>,
}

/// The breakers of all connections.
#[derive(Debug, Default)]
pub struct Pauses(Mutex<BTreeMap<ConnectionName, Streak>>);

impl Pauses {
    fn with<T>(&self, use_it: impl FnOnce(&mut BTreeMap<ConnectionName, Streak>) -> T) -> T {
        // A panic while holding it leaves at worst a wrong pause: its content stays usable.
        let mut guard = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        use_it(&mut guard)
    }

    /// Until when this connection rests, if it does.
    pub fn until(&self, connection: &ConnectionName, now: Stamp) -> Option<Stamp> {
        self.with(|all| all.get(connection).and_then(|streak| streak.until))
            .filter(|until| *until > now)
    }

    /// Whether a connection rests and has failed so often in a row that a pass needn't wait for it.
    pub fn is_down(&self, connection: &ConnectionName, now: Stamp) -> bool {
        let rests = self.until(connection, now).is_some();
        rests && self.with(|all| all.get(connection).is_some_and(|streak| streak.failures >= DOWN))
    }

    fn failed(
        &self,
        connection: &ConnectionName,
        failure: &Failure,
        stage: Stage,
        now: Stamp,
    ) -> Stamp {
        self.with(|all| {
            let streak = all.entry(connection.clone()).or_default();
            streak.stage = stage;
            // Parallel calls that fail together are one failure of the side.
            if let Some(until) = streak.until.filter(|until| *until > now) {
                let asked = now.plus(failure.retry_after_us.unwrap_or(0));
                streak.until = Some(until.max(asked));
                return until.max(asked);
            }
            streak.failures = streak.failures.saturating_add(1);
            let until = now.plus(pause_us(streak.failures, failure));
            streak.until = Some(until);
            until
        })
    }

    fn worked(&self, connection: &ConnectionName, stage: Stage) -> bool {
        self.with(|all| {
            let lifted = all.get(connection).is_some_and(|streak| streak.stage == stage);
            lifted && all.remove(connection).is_some()
        })
    }
}

/// How long to rest after the n-th failure in a row.
fn pause_us(failures: u32, failure: &Failure) -> i64 {
    let doubled = FIRST_US.saturating_mul(1_i64 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_US).max(failure.retry_after_us.unwrap_or(0))
}

/// Whether a failure is the connection's rather than one record's.
#[must_use]
pub fn concerns_connection(class: FailureClass) -> bool {
    match class {
        FailureClass::Throttled | FailureClass::Auth | FailureClass::Unreachable => true,
        FailureClass::Transient
        | FailureClass::Stale
        | FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Gone
        | FailureClass::Dependency
        | FailureClass::Permission
        | FailureClass::Restricted
        | FailureClass::UnknownOutcome
        | FailureClass::Poison => false,
    }
}

impl Context {
    /// Notes that a connection failed as a whole; returns until when it rests.
    ///
    /// # Errors
    /// When the store can't note it.
    pub async fn connection_failed(
        &self,
        connection: &ConnectionName,
        failure: &Failure,
        stage: Stage,
    ) -> Result<Stamp, StageError> {
        let until = self.pauses.failed(connection, failure, stage, self.clock.now());
        tracing::warn!(%connection, code = %failure.code, class = ?failure.class, %until,
            "connection paused");
        self.store.pause_connection(connection, Some(until), Some(&failure.code)).await?;
        Ok(until)
    }

    /// Notes that a connection answered: lifts the pause that the same stage began.
    ///
    /// # Errors
    /// When the store can't note it.
    pub async fn connection_worked(
        &self,
        connection: &ConnectionName,
        stage: Stage,
    ) -> Result<(), StageError> {
        if self.pauses.worked(connection, stage) {
            tracing::info!(%connection, "connection is back");
            self.store.pause_connection(connection, None, None).await?;
            // What waited for it is due: somebody looks at once instead of at the next sweep.
            self.wake(Queue::Retry, Body::WakeRetry).await;
        }
        Ok(())
    }

    /// Waits while a connection rests.
    pub async fn rest(&self, connection: &ConnectionName) {
        let now = self.clock.now();
        if let Some(until) = self.pauses.until(connection, now) {
            let micros = u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0);
            self.clock.sleep(Duration::from_micros(micros)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(retry_after_us: Option<i64>) -> Failure {
        Failure {
            class: FailureClass::Unreachable,
            code: "REFUSED".into(),
            message: String::new(),
            columns: vec![],
            retry_after_us,
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_honour_the_side() {
        let pauses: Vec<i64> = (1..=7).map(|n| pause_us(n, &failure(None)) / FIRST_US).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause_us(1, &failure(Some(90 * Stamp::SECOND))), 90 * Stamp::SECOND);
        assert_eq!(pause_us(u32::MAX, &failure(None)), LONGEST_US);
    }

    #[test]
    fn parallel_failures_count_once_and_success_forgets() {
        let (pauses, shop) = (Pauses::default(), ConnectionName::from("shop"));
        let fail = |now| pauses.failed(&shop, &failure(None), Stage::Calls, now);
        let first = fail(Stamp(0));
        assert_eq!(fail(Stamp(5)), first);
        assert_eq!(pauses.until(&shop, Stamp(5)), Some(first));
        assert_eq!(pauses.until(&shop, first), None);
        let second = fail(first);
        assert_eq!(second.0 - first.0, 2 * FIRST_US);
        assert!(pauses.worked(&shop, Stage::Calls));
        assert!(!pauses.worked(&shop, Stage::Calls));
    }

    #[test]
    fn only_the_stage_that_failed_can_tell_that_it_works_again() {
        let (pauses, shop) = (Pauses::default(), ConnectionName::from("shop"));
        let until = pauses.failed(&shop, &failure(None), Stage::Calls, Stamp(0));
        assert!(!pauses.worked(&shop, Stage::Source));
        assert_eq!(pauses.until(&shop, Stamp(1)), Some(until));
        assert!(pauses.worked(&shop, Stage::Calls));
        assert_eq!(pauses.until(&shop, Stamp(1)), None);
    }

    #[test]
    fn a_longer_wait_that_the_side_asks_for_in_between_counts() {
        let (pauses, shop) = (Pauses::default(), ConnectionName::from("shop"));
        pauses.failed(&shop, &failure(None), Stage::Calls, Stamp(0));
        let asked = failure(Some(60 * Stamp::SECOND));
        let until = pauses.failed(&shop, &asked, Stage::Calls, Stamp(5));
        assert_eq!(until, Stamp(5).plus_seconds(60));
        assert_eq!(pauses.until(&shop, Stamp(6)), Some(until));
    }

    #[test]
    fn a_connection_is_down_while_it_rests_after_some_failures_in_a_row() {
        let (pauses, shop) = (Pauses::default(), ConnectionName::from("shop"));
        let mut now = Stamp(0);
        for _ in 0..DOWN {
            assert!(!pauses.is_down(&shop, now));
            now = now.plus_seconds(100);
            pauses.failed(&shop, &failure(None), Stage::Calls, now);
        }
        assert!(pauses.is_down(&shop, now));
        assert!(!pauses.is_down(&shop, now.plus_seconds(100)), "it is to be tried again");
        pauses.worked(&shop, Stage::Calls);
        assert!(!pauses.is_down(&shop, now));
    }
}
