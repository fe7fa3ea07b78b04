//! One `duet run`: what it has in memory, and its stages, each by its own `step`.

use crate::flow::THINGS;
use crate::hub::SimHub;
use crate::luck::Luck;
use crate::plan::Plan;
use crate::side::SimSide;
use crate::store::SimStore;
use duet_core::id::ConnectionName;
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_pipeline::context::{Connection, Context, Options, Tally};
use duet_pipeline::detect::Detection;
use duet_pipeline::error::StageError;
use duet_pipeline::pause::{Pauses, Stage, concerns_connection};
use duet_pipeline::recent::Recent;
use duet_pipeline::{apply, dead, reconcile, retry, sweep};
use duet_ports::clock::{Clock, Entropy};
use duet_ports::connector::Connector;
use duet_ports::hub::{Consumer, Hub, Queue};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Unacknowledged messages of a consumer.
const PREFETCH: u16 = 100;

/// What outlives a process.
pub(crate) struct Ground {
    pub(crate) luck: Arc<Luck>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) sides: Both<SimSide>,
    pub(crate) hub: Arc<SimHub>,
    pub(crate) store: Arc<SimStore>,
    pub(crate) spec: Arc<FlowSpec>,
}

/// A process. Dropped, it has died.
pub(crate) struct Process {
    pub(crate) context: Arc<Context>,
    hub: Arc<SimHub>,
    detections: Both<Option<Detection>>,
    /// Messages of each source that weren't settled when it was last looked at.
    unsettled: Both<usize>,
    consumers: BTreeMap<Queue, Box<dyn Consumer>>,
}

/// A stage to be stepped.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Detect(Side),
    Reconcile(u32),
    Dead,
    Apply(Side),
    Retry,
    Sweep,
}

impl Process {
    /// Begins; `name` is one that no process ever had.
    pub(crate) fn begin(ground: &Ground, plan: &Plan, name: String) -> Process {
        let connections: BTreeMap<ConnectionName, Connection> = Side::BOTH
            .into_iter()
            .map(|side| {
                let connector: Arc<dyn Connector> = Arc::new(ground.sides.get(side).clone());
                (side.as_str().into(), Connection::new(connector))
            })
            .collect();
        if plan.hands_over {
            connections.values().for_each(|connection| connection.slots.open());
        }
        let clock: Arc<dyn Clock> = ground.luck.clock.clone();
        let context = Context {
            store: ground.store.clone(),
            hub: ground.hub.clone(),
            connections,
            flows: BTreeMap::from([(THINGS.into(), Arc::clone(&ground.spec))]),
            rekeyed: BTreeMap::new(),
            clock,
            entropy: Arc::clone(&ground.entropy),
            options: options(plan, name),
            pauses: Pauses::default(),
            tally: Tally::default(),
            recent: Recent::default(),
        };
        Process {
            context: Arc::new(context),
            hub: Arc::clone(&ground.hub),
            detections: Both::default(),
            unsettled: Both::default(),
            consumers: BTreeMap::new(),
        }
    }

    /// The queues were emptied: consumers belong to what is gone.
    pub(crate) fn unsubscribe(&mut self) {
        self.consumers.clear();
    }

    /// Whether everything that it published is settled.
    pub(crate) fn is_settled(&self) -> bool {
        (self.unsettled.left, self.unsettled.right) == (0, 0)
    }

    /// Runs one step to its end. How much it moved.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<usize, StageError> {
        match step {
            Step::Detect(side) => self.detect(*side).await,
            Step::Reconcile(partition) => self.consume(Queue::Changes(*partition)).await,
            Step::Dead => self.consume(Queue::Dead).await,
            Step::Apply(side) => {
                let done = apply::step(&self.context, &side.as_str().into()).await?;
                Ok(usize::from(done.is_some()))
            }
            Step::Retry => Ok(retry::step(&self.context).await?.decided),
            Step::Sweep => Ok(sweep::step(&self.context).await?.decided),
        }
    }

    /// Reads a source as the loop of `run` does: not while its connection rests.
    async fn detect(&mut self, side: Side) -> Result<usize, StageError> {
        let connection: ConnectionName = side.as_str().into();
        let done = self.read(side).await;
        if let Err(StageError::LeaseHeld { .. }) = &done {
            (*self.detections.get_mut(side), *self.unsettled.get_mut(side)) = (None, 0);
        }
        if let Err(StageError::Connector(cause)) = &done
            && concerns_connection(cause.failure.class)
        {
            self.context.connection_failed(&connection, &cause.failure, Stage::Source).await?;
        }
        done
    }

    async fn read(&mut self, side: Side) -> Result<usize, StageError> {
        let context = &self.context;
        let connection: ConnectionName = side.as_str().into();
        let place = self.detections.get_mut(side);
        if place.is_none() {
            let Some(spec) = context.flows.values().next() else { return Ok(0) };
            *place = Detection::open(context, spec, side).await?;
        }
        let Some(detection) = place else { return Ok(0) };
        let read = context.pauses.until(&connection, context.clock.now()).is_none();
        let progress = detection.step(context, read).await?;
        if read {
            context.connection_worked(&connection, Stage::Source).await?;
        }
        *self.unsettled.get_mut(side) = progress.unsettled;
        Ok(progress.read + progress.settled)
    }

    /// Decides what a queue holds; nothing is waited for.
    async fn consume(&mut self, queue: Queue) -> Result<usize, StageError> {
        let consumer = match self.consumers.entry(queue.clone()) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(self.hub.consume(queue.clone(), PREFETCH).await?)
            }
        };
        if self.hub.depth(&queue).await?.ready == 0 {
            return Ok(0);
        }
        let (context, patience) = (&self.context, Duration::ZERO);
        let aftermath = match queue {
            Queue::Dead => dead::step(context, consumer.as_mut(), patience).await?,
            _ => reconcile::step(context, consumer.as_mut(), patience).await?,
        };
        Ok(aftermath.decided + aftermath.dead)
    }
}

fn options(plan: &Plan, process: String) -> Options {
    Options {
        partitions: plan.partitions,
        process,
        resend_after: Duration::from_secs(20),
        lease: Duration::from_secs(30),
        batch: 5,
        unsettled_max: 20,
        sweep: Duration::from_secs(1),
        call_margin: Duration::from_secs(1),
    }
}
