//! Load: the real stages between the broker, the database and the HTTP side, with changes in the
//! queues beforehand (drain) or published meanwhile (live). A record counts when its write landed
//! on the HTTP side and is confirmed in the store.

use super::{Publish, Task, publish};
use crate::child::Child;
use crate::error::BenchError;
use crate::ledger::Account;
use crate::processes::{Servers, peak_mib, since, usage};
use crate::reading::Reading;
use crate::sample::Changes;
use crate::stage::{self, Stage, Wiring};
use crate::statistics::float;
use crate::watch::Watch;
use duet_pipeline::run::start_without_detectors;
use duet_ports::clock::{Clock, System};
use duet_ports::envelope::ChangeV1;
use duet_ports::hub::Queue;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Partitions of the change queues: as many as there are processors in LIMIT's own best case.
const PARTITIONS: u32 = 2;
/// The broker has written a backlog down after so long.
const REST: Duration = Duration::from_millis(500);
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// Figures beside the first one: records in a writing call, and records written a second.
pub(crate) const RECORDS_A_CALL: &str = "records a call";
/// Records written a second: fewer than changes where several of a record became one write.
pub(crate) const WRITTEN: &str = "written/s";
/// Between two looks whether everything is done.
const LOOK: Duration = Duration::from_millis(2);

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    /// A database with links for all keys.
    pub(crate) database: String,
    /// A virtual host without queues.
    pub(crate) amqp: String,
    /// Their processes.
    pub(crate) servers: Servers,
    /// LIMIT, which has the HTTP side.
    pub(crate) limit: PathBuf,
    /// Changes.
    pub(crate) count: usize,
    /// Keys.
    pub(crate) keys: u64,
    /// Where the dice start.
    pub(crate) seed: u64,
    /// Published while consumed.
    pub(crate) live: bool,
    /// How long the HTTP side takes for a call.
    pub(crate) delay_ms: u64,
    /// Calls under way at once.
    pub(crate) parallel: usize,
    /// How long a write may wait until its call is full.
    pub(crate) patience_ms: u64,
    /// Changes a second, if they are published evenly.
    pub(crate) rate: Option<u32>,
}

pub(super) async fn run(task: &Load) -> Result<Reading, BenchError> {
    let mut serving = Child::start(&task.limit, &["serve"])?;
    let http = serving.line()?;
    let wiring = Wiring {
        database: task.database.clone(),
        amqp: task.amqp.clone(),
        http,
        delay_ms: task.delay_ms,
        parallel: task.parallel,
        patience_ms: task.patience_ms,
        partitions: PARTITIONS,
    };
    let stage = stage::stage(&wiring).await?;
    let changes = Changes::new(task.seed, task.keys).take(task.count);
    let changes: Vec<ChangeV1> = changes.map(|(_, change)| change).collect();
    changes.iter().for_each(|change| stage.ledger.expect(change));
    let messages = stage::messages(&changes, PARTITIONS, publish::reading(task.rate))?;
    drop(changes);
    let count = messages.iter().map(Vec::len).sum();
    let mut publisher = match task.live {
        true => Some(publisher(task)?),
        false => {
            stage::publish(stage.context.hub.as_ref(), &messages.concat()).await?;
            tokio::time::sleep(REST).await;
            None
        }
    };
    drop(messages);
    let (before, watch) = (usage(task.servers)?, Watch::start());
    let running = start_without_detectors(&stage.context);
    if let Some(publisher) = &mut publisher {
        publisher.say("go")?;
    }
    done(&stage, count, &watch).await?;
    let (seconds, used) = (watch.seconds(), since(&before, task.servers)?);
    running.stop(Duration::from_secs(20)).await;
    check(&stage, count).await?;
    let reading = Reading::of_records(float(task.count) / seconds, task.count, &used);
    Ok(described(reading, &stage, seconds))
}

fn publisher(task: &Load) -> Result<Child, BenchError> {
    let publish = Publish {
        amqp: task.amqp.clone(),
        count: task.count,
        keys: task.keys,
        seed: task.seed,
        partitions: PARTITIONS,
        rate: task.rate,
    };
    let mut publisher = Child::task(&Task::Publish(publish))?;
    match publisher.line()?.as_str() {
        "ready" => Ok(publisher),
        other => Err(BenchError::Check(format!("the publisher said {other:?}"))),
    }
}

fn described(reading: Reading, stage: &Stage, seconds: f64) -> Reading {
    let (calls, records) = stage.left.written();
    let peak = peak_mib(std::process::id()).unwrap_or(0.0);
    reading
        .with(RECORDS_A_CALL, records as f64 / (calls.max(1)) as f64)
        .with(WRITTEN, records as f64 / seconds)
        .with("calls", calls as f64)
        .with("peak MiB", peak)
}

/// Waits until everything landed and is confirmed.
async fn done(stage: &Stage, messages: usize, watch: &Watch) -> Result<(), BenchError> {
    while stage.ledger.open() > 0 || !is_confirmed(stage, messages).await? {
        if watch.elapsed() > PATIENCE {
            return Err(BenchError::Check(format!(
                "not done after {} s: {}",
                PATIENCE.as_secs(),
                state(stage, messages).await?
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn is_confirmed(stage: &Stage, messages: usize) -> Result<bool, BenchError> {
    let store = stage.context.store.as_ref();
    if stage::settled(store).await? < messages {
        return Ok(false);
    }
    Ok(!store.is_under_way(&stage::flow_of(&stage.context).name, System.now()).await?)
}

async fn state(stage: &Stage, messages: usize) -> Result<String, BenchError> {
    let settled = stage::settled(stage.context.store.as_ref()).await?;
    let Account { open, repeated, strange } = stage.ledger.account();
    let (calls, records) = stage.left.written();
    Ok(format!(
        "{settled} of {messages} messages settled, {open} records not as they should be, \
         {repeated} writes repeated, {strange} strange, {records} records in {calls} calls"
    ))
}

/// Every change arrived, none twice, and nothing is left.
async fn check(stage: &Stage, messages: usize) -> Result<(), BenchError> {
    let mut waiting = 0;
    for partition in 0..PARTITIONS {
        waiting += stage.context.hub.depth(&Queue::Changes(partition)).await?.ready;
    }
    let settled = stage::settled(stage.context.store.as_ref()).await?;
    let dead = stage.context.tally.dead.load(Ordering::Relaxed);
    let is_well = stage.ledger.account() == Account::default();
    if is_well && waiting == 0 && settled == messages && dead == 0 {
        return Ok(());
    }
    let state = state(stage, messages).await?;
    Err(BenchError::Check(format!("{state}, {waiting} messages left, {dead} dead letters")))
}
