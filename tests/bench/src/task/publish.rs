//! Publish: the process that a running reconciler is fed by. It makes the messages, says `ready`,
//! waits for a line, publishes, says `done`.

use crate::error::BenchError;
use crate::sample::Changes;
use crate::stage;
use duet_ports::envelope::ChangeV1;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::time::Duration;

/// What to publish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Publish {
    /// The broker.
    pub(crate) amqp: String,
    /// Changes.
    pub(crate) count: usize,
    /// Of how many keys.
    pub(crate) keys: u64,
    /// Where the dice start.
    pub(crate) seed: u64,
    /// Partitions.
    pub(crate) partitions: u32,
    /// Changes a second, if they are published evenly.
    pub(crate) rate: Option<u32>,
}

/// How often a detector reads that is fed evenly.
const TICK: Duration = Duration::from_millis(20);

/// Changes that a detector reads at once: all that came since it read before, or as many as it takes.
pub(super) fn reading(rate: Option<u32>) -> usize {
    const MOST: usize = 1_000;
    let ticks = 1_000 / TICK.as_millis();
    let each = |rate: u32| usize::try_from(u128::from(rate) / ticks).unwrap_or(MOST);
    rate.map_or(MOST, each).clamp(1, MOST)
}

pub(super) async fn run(task: &Publish) -> Result<(), BenchError> {
    let changes = Changes::new(task.seed, task.keys).take(task.count);
    let changes: Vec<ChangeV1> = changes.map(|(_, change)| change).collect();
    let readings = stage::messages(&changes, task.partitions, reading(task.rate))?;
    drop(changes);
    let hub = stage::hub(&task.amqp)?;
    say("ready")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(BenchError::io("wait for the word"))?;
    let mut ticks = tokio::time::interval(TICK);
    for messages in readings {
        if task.rate.is_some() {
            ticks.tick().await;
        }
        stage::publish(hub.as_ref(), &messages).await?;
    }
    say("done")
}

fn say(word: &str) -> Result<(), BenchError> {
    let mut out = std::io::stdout();
    let said = writeln!(out, "{word}").and_then(|()| out.flush());
    said.map_err(BenchError::io("tell the bench"))
}
