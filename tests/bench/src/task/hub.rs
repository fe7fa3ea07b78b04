//! Hub: duet's hub on RabbitMQ, one change in a message, so that messages are as long as LIMIT's:
//! published until each is confirmed, or read until each is acknowledged.

use crate::error::BenchError;
use crate::processes::{Servers, since, usage};
use crate::reading::Reading;
use crate::sample::Changes;
use crate::stage;
use crate::statistics::float;
use crate::watch::Watch;
use duet_ports::envelope::ChangeV1;
use duet_ports::hub::{Hub, Outgoing, Queue, Topology};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What to do with how many messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Carry {
    /// A virtual host without queues.
    pub(crate) amqp: String,
    /// Its process.
    pub(crate) servers: Servers,
    /// Messages.
    pub(crate) count: usize,
    /// Whether they are read; else they are published.
    pub(crate) consume: bool,
}

/// Messages unacknowledged at most, and acknowledged together: as LIMIT does.
const PREFETCH: u16 = 1_000;
const TOGETHER: usize = 200;
/// A message that doesn't come for so long doesn't come.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(task: &Carry) -> Result<Reading, BenchError> {
    let hub = stage::hub(&task.amqp)?;
    hub.declare(&Topology { partitions: 1, connections: Vec::new() }).await?;
    let changes = Changes::new(1, 100_000).take(task.count);
    let changes: Vec<ChangeV1> = changes.map(|(_, change)| change).collect();
    // Readings of one change are messages of one change.
    let messages: Vec<Outgoing> = stage::messages(&changes, 1, 1)?.concat();
    drop(changes);
    if task.consume {
        stage::publish(hub.as_ref(), &messages).await?;
    }
    let (before, watch) = (usage(task.servers)?, Watch::start());
    match task.consume {
        true => consume(hub.as_ref(), messages.len()).await?,
        false => stage::publish(hub.as_ref(), &messages).await?,
    }
    let (seconds, used) = (watch.seconds(), since(&before, task.servers)?);
    Ok(Reading::of_records(float(messages.len()) / seconds, messages.len(), &used))
}

async fn consume(hub: &dyn Hub, count: usize) -> Result<(), BenchError> {
    let mut consumer = hub.consume(Queue::Changes(0), PREFETCH).await?;
    let mut got = 0;
    while got < count {
        let deliveries = consumer.next(TOGETHER, PATIENCE).await?;
        let Some(last) = deliveries.last() else {
            return Err(BenchError::Check(format!("{got} of {count} messages came")));
        };
        if let Some(bad) = deliveries.iter().find_map(|one| one.envelope.as_ref().err()) {
            return Err(BenchError::Check(format!("a message of the bench: {bad}")));
        }
        got += deliveries.len();
        consumer.ack(last.tag).await?;
    }
    Ok(())
}
