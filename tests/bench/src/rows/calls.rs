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

/// On a backlog.
pub(super) struct OnBacklog;

/// At half of what is drained, with a second of patience.
pub(super) struct AtHalfLoad;

fn full() -> Result<Option<Reading>, BenchError> {
    Ok(Some(Reading::of(float(BATCH))))
}

fn records_a_call(reading: Reading) -> Reading {
    let (each, rate) = (reading.more.get(RECORDS_A_CALL).copied(), reading.value);
    Reading { value: each.unwrap_or_default(), ..reading }.with("records/s", rate)
}

#[async_trait(?Send)]
impl Row for OnBacklog {
    fn name(&self) -> String {
        "calls-backlog".to_owned()
    }

    fn what(&self) -> String {
        "Records in a writing call, on a backlog".to_owned()
    }

    fn against(&self) -> String {
        "200".to_owned()
    }

    fn unit(&self) -> &'static str {
        "records"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.9)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(0.99)
    }

    async fn baseline(&self, _lab: &Lab) -> Result<Option<Reading>, BenchError> {
        full()
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        duet(lab, lab.scale.changes, Shape::DRAIN).await.map(records_a_call)
    }
}

#[async_trait(?Send)]
impl Row for AtHalfLoad {
    fn name(&self) -> String {
        "calls-half".to_owned()
    }

    fn what(&self) -> String {
        "Records in a writing call, at half load with 1 s of patience".to_owned()
    }

    fn against(&self) -> String {
        "200".to_owned()
    }

    fn unit(&self) -> &'static str {
        "records"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.9)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(0.98)
    }

    async fn baseline(&self, _lab: &Lab) -> Result<Option<Reading>, BenchError> {
        full()
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let live = Shape { live: true, ..Shape::DRAIN };
        let most = duet(lab, lab.scale.changes, live).await?.value;
        let rate = half(most);
        // As long as the first run took, twice: long enough for many full calls.
        let reading = duet(lab, lab.scale.changes, Shape { rate: Some(rate), ..live }).await?;
        Ok(records_a_call(reading))
    }
}

fn half(most: f64) -> u32 {
    (most / 2.0).max(1.0) as u32
}
