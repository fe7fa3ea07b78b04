//! Drain: a backlog in the queues, decided, written to the HTTP side and confirmed, with everything
//! that duet keeps: decisions, attempts, conflicts.

use crate::child;
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::task::{Load, Task};
use async_trait::async_trait;

pub(super) struct Drain;

/// Calls under way at once: more than there are partitions, so that none waits for another.
pub(super) const PARALLEL: usize = 4;

#[async_trait(?Send)]
impl Row for Drain {
    fn name(&self) -> String {
        "drain".to_owned()
    }

    fn what(&self) -> String {
        "Backlog drained end to end, all features on, 2 partitions".to_owned()
    }

    fn against(&self) -> String {
        "`pipeline drain`, 2 queues".to_owned()
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
        limit(lab, &["pipeline", "drain", "--queues", "2"], lab.scale.changes).await.map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        duet(lab, lab.scale.changes, Shape::DRAIN).await
    }
}

/// One run of a pipeline of LIMIT.
pub(super) async fn limit(lab: &Lab, what: &[&str], changes: usize) -> Result<Reading, BenchError> {
    let database = lab.database().await?;
    let (keys, changes) = (lab.scale.keys.to_string(), changes.to_string());
    let arguments = [what, &["--runs", "1", "--keys", &keys, "--n", &changes][..]].concat();
    let variables = lab.limit_variables(&database).await?;
    let printed = child::run(&lab.limit, &arguments, &variables).await?;
    lab.drop_database(&database).await?;
    Reading::last(&what.join(" "), &printed)
}

/// How changes come, and how the HTTP side answers.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Published while consumed.
    pub(super) live: bool,
    /// How long a call takes.
    pub(super) delay_ms: u64,
    /// Calls under way at once.
    pub(super) parallel: usize,
    /// How long a write may wait until its call is full.
    pub(super) patience_ms: u64,
    /// Changes a second, if they are published evenly.
    pub(super) rate: Option<u32>,
}

impl Shape {
    /// A backlog, and a side that answers at once.
    pub(super) const DRAIN: Shape =
        Shape { live: false, delay_ms: 0, parallel: PARALLEL, patience_ms: 0, rate: None };
}

/// One run of duet.
pub(super) async fn duet(lab: &Lab, count: usize, shape: Shape) -> Result<Reading, BenchError> {
    let keys = lab.scale.keys;
    let (database, (amqp, host)) = (lab.linked(keys).await?, lab.virtual_host().await?);
    let load = Load {
        database: database.clone(),
        amqp,
        servers: lab.running().await?.servers,
        limit: lab.limit.clone(),
        count,
        keys,
        seed: 1,
        live: shape.live,
        delay_ms: shape.delay_ms,
        parallel: shape.parallel,
        patience_ms: shape.patience_ms,
        rate: shape.rate,
    };
    let printed = child::run_task(&Task::Load(load)).await;
    lab.drop_virtual_host(&host).await?;
    lab.drop_database(&database).await?;
    Reading::last("load", &printed?)
}
