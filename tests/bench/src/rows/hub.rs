//! Hub: messages published and read, against LIMIT's fastest way of doing so.

use crate::child;
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::task::{Carry, Task};
use async_trait::async_trait;

/// Publishing, or reading.
pub(super) struct Carrying {
    pub(super) consume: bool,
}

#[async_trait(?Send)]
impl Row for Carrying {
    fn name(&self) -> String {
        if self.consume { "hub-consume".to_owned() } else { "hub-publish".to_owned() }
    }

    fn what(&self) -> String {
        match self.consume {
            true => "Hub, messages read and acknowledged, one queue".to_owned(),
            false => "Hub, messages published and confirmed, one queue".to_owned(),
        }
    }

    fn against(&self) -> String {
        match self.consume {
            true => "`hub consume`, 200 acknowledged together".to_owned(),
            false => "`hub publish`, 256 under way".to_owned(),
        }
    }

    fn unit(&self) -> &'static str {
        "messages/s"
    }

    fn first(&self) -> Wanted {
        Wanted::AtLeast(0.4)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(0.8)
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        let what = if self.consume { "consume" } else { "publish" };
        let case = ["--kinds", "quorum", "--modes", "pipe256", "--acks", "1000/200"];
        let arguments = [&["hub", what, "--runs", "1"], &case[..]].concat();
        // No database: what is named here is never opened.
        let variables = lab.limit_variables("").await?;
        let printed = child::run(&lab.limit, &arguments, &variables).await?;
        Reading::last("hub", &printed).map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let (amqp, host) = lab.virtual_host().await?;
        let servers = lab.running().await?.servers;
        let (count, consume) = (lab.scale.changes, self.consume);
        let task = Task::Carry(Carry { amqp, servers, count, consume });
        let printed = child::run_task(&task).await;
        lab.drop_virtual_host(&host).await?;
        Reading::last("hub", &printed?)
    }
}
