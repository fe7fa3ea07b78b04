//! Delay: a side that takes 150 ms for a call, as a real Salesforce does; against what so many calls
//! under way can carry at most.

use super::drain::{Shape, duet};
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::side::BATCH;
use crate::statistics::float;
use crate::task::WRITTEN;
use async_trait::async_trait;
use std::time::Duration;

/// How long a call takes.
const CALL_MS: u64 = 150;
/// How long a run is to take at the most that is possible: longer than the start and the end of it.
const SECONDS: u64 = 6;

/// With so many calls under way.
pub(super) struct Delay {
    pub(super) calls: usize,
    pub(super) goal: f64,
}

impl Delay {
    fn ceiling(&self) -> f64 {
        float(self.calls * BATCH) / Duration::from_millis(CALL_MS).as_secs_f64()
    }
}

#[async_trait(?Send)]
impl Row for Delay {
    fn name(&self) -> String {
        format!("delay-{}", self.calls)
    }

    fn what(&self) -> String {
        let plural = if self.calls == 1 { "call" } else { "calls" };
        format!("A side that takes {CALL_MS} ms a call, {} {plural} under way", self.calls)
    }

    fn against(&self) -> String {
        "calls × 200 / 0.15 s".to_owned()
    }

    fn unit(&self) -> &'static str {
        "records/s"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.6)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(self.goal)
    }

    async fn baseline(&self, _lab: &Lab) -> Result<Option<Reading>, BenchError> {
        Ok(Some(Reading::of(self.ceiling())))
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let count = records(self.calls).min(lab.scale.changes);
        let shape = Shape { delay_ms: CALL_MS, parallel: self.calls, ..Shape::DRAIN };
        let reading = duet(lab, count, shape).await?;
        // What a call carries are writes: several changes of a record may be one.
        let changes = reading.value;
        let value = reading.more.get(WRITTEN).copied().unwrap_or_default();
        Ok(Reading { value, ..reading }.with("changes/s", changes))
    }
}

/// Whole batches for so long a run, so that the last call is as full as the others.
fn records(calls: usize) -> usize {
    let each = 1_000 * SECONDS / CALL_MS;
    calls * BATCH * usize::try_from(each).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_carries_1_333_records_a_second() {
        let one = Delay { calls: 1, goal: 0.95 };
        assert!((one.ceiling() - 1_333.3).abs() < 0.1);
        assert_eq!(one.name(), "delay-1");
        assert_eq!((records(1), records(8)), (8_000, 64_000));
    }
}
