//! Calls: how full they are. A metered side counts calls, not records.

use super::drain::{Shape, duet};
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::side::BATCH;
use crate::statistics::float;
use crate::task::RECORDS_A_CALL;
use async_trait::async_trait;

/// How long a write may wait until its call is full, at half load.
const PATIENCE_MS: u64 = 1_000;

/// Where writes come from.
pub(super) enum Calls {
    /// All of them are there.
    OnBacklog,
    /// Half of what is drained comes in, and writes have patience.
    AtHalfLoad,
}

fn full() -> Result<Option<Reading>, BenchError> {
    Ok(Some(Reading::of(float(BATCH))))
}

fn records_a_call(reading: Reading) -> Reading {
    let (each, rate) = (reading.more.get(RECORDS_A_CALL).copied(), reading.value);
    Reading { value: each.unwrap_or_default(), ..reading }.with("records/s", rate)
}

#[async_trait(?Send)]
impl Row for Calls {
    fn name(&self) -> String {
        match self {
            Calls::OnBacklog => "calls-backlog".to_owned(),
            Calls::AtHalfLoad => "calls-half".to_owned(),
        }
    }

    fn what(&self) -> String {
        let when = match self {
            Calls::OnBacklog => "on a backlog",
            Calls::AtHalfLoad => "at half load with 1 s of patience",
        };
        format!("Records in a writing call, {when}")
    }

    fn against(&self) -> String {
        BATCH.to_string()
    }

    fn unit(&self) -> &'static str {
        "records"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.9)
    }

    fn goal(&self) -> Wanted {
        match self {
            Calls::OnBacklog => Wanted::AtLeast(0.99),
            Calls::AtHalfLoad => Wanted::AtLeast(0.98),
        }
    }

    async fn baseline(&self, _lab: &Lab) -> Result<Option<Reading>, BenchError> {
        full()
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let count = lab.scale.changes;
        let shape = match self {
            Calls::OnBacklog => Shape::DRAIN,
            Calls::AtHalfLoad => {
                let live = Shape { live: true, ..Shape::DRAIN };
                let rate = Some(half(duet(lab, count, live).await?.value));
                Shape { rate, patience_ms: PATIENCE_MS, ..live }
            }
        };
        duet(lab, count, shape).await.map(records_a_call)
    }
}

fn half(most: f64) -> u32 {
    (most / 2.0).max(1.0) as u32
}
