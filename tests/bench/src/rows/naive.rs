//! Naive: the same backlog against a program that takes one message, one row and one call at a time.

use super::drain::{Shape, duet, limit};
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use async_trait::async_trait;

pub(super) struct Naive;

#[async_trait(?Send)]
impl Row for Naive {
    fn name(&self) -> String {
        "naive".to_owned()
    }

    fn what(&self) -> String {
        "The same".to_owned()
    }

    fn against(&self) -> String {
        "`naive drain`, 1 queue".to_owned()
    }

    fn unit(&self) -> &'static str {
        "records/s"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(6.0)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(14.0)
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        limit(lab, &["naive", "drain", "--queues", "1"], lab.scale.naive).await.map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        duet(lab, lab.scale.changes, Shape::DRAIN).await
    }
}
