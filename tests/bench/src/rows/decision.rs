//! Decision: the core with its mapping against LIMIT's whole cycle of a merge.

use crate::child;
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::task::{Decisions, Task};
use async_trait::async_trait;

pub(super) struct Decision;

#[async_trait(?Send)]
impl Row for Decision {
    fn name(&self) -> String {
        "decision".to_owned()
    }

    fn what(&self) -> String {
        "Decision with mapping, 20 fields, both sides changed, one core".to_owned()
    }

    fn against(&self) -> String {
        "`merge`, full cycle".to_owned()
    }

    fn unit(&self) -> &'static str {
        "decisions/s"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.3)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(0.7)
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        let count = lab.scale.decisions.to_string();
        let arguments = ["merge", "cycle", "--runs", "1", "--n", &count];
        let variables = [("LIMIT_JSON", "1".to_owned()), ("LIMIT_TRIES", "1".to_owned())];
        let printed = child::run(&lab.limit, &arguments, &variables).await?;
        Reading::last("merge", &printed).map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let count = lab.scale.decisions;
        let alone = measured(count, false).await?;
        let whole = measured(count, true).await?;
        Ok(alone.with("with reading and writing JSON", whole.value))
    }
}

async fn measured(count: usize, whole: bool) -> Result<Reading, BenchError> {
    let printed = child::run_task(&Task::Decide(Decisions { count, whole })).await?;
    Reading::last("decide", &printed)
}
