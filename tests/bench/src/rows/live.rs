//! Live: changes are published while they are decided and written.

use super::drain::{Shape, duet, limit};
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use async_trait::async_trait;

pub(super) struct Live;

#[async_trait(?Send)]
impl Row for Live {
    fn name(&self) -> String {
        "live".to_owned()
    }

    fn what(&self) -> String {
        "Live (published while consumed)".to_owned()
    }

    fn against(&self) -> String {
        "`pipeline live`, 1 queue".to_owned()
    }

    fn unit(&self) -> &'static str {
        "records/s"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.4)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(1.0)
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        limit(lab, &["pipeline", "live", "--queues", "1"], lab.scale.changes).await.map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        duet(lab, lab.scale.changes, Shape { live: true, ..Shape::DRAIN }).await
    }
}
