//! Run: loops over the steps. Adds pacing and shutdown, nothing else: a stage that fails rests and
//! steps again, a stop lets every step under way finish.

use crate::consume::{PREFETCH, queue_loop};
use crate::context::{Connection, Context};
use crate::detect::{Detection, Progress};
use crate::error::StageError;
use crate::pause::Stage;
use crate::presence::{self, Presence};
use crate::rest::{Rest, wait};
use crate::slots::WORKERS_PER_LINE;
use duet_core::id::ConnectionName;
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_ports::hub::{Queue, Topology};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often settled marks are looked up while messages are unsettled.
const SETTLE_EVERY: Duration = Duration::from_millis(25);

/// Stages at work.
pub struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
    presence: Arc<Presence>,
}

impl Running {
    /// The partitions whose messages came to this process so far, ascending.
    #[must_use]
    pub fn partitions(&self) -> Vec<u32> {
        self.presence.served()
    }

    /// Asks every stage to finish its step, and waits for it, at most `patience`. Whether all did.
    pub async fn stop(self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}

/// Everything that exists on the hub for these flows.
#[must_use]
pub fn topology(context: &Context) -> Topology {
    Topology {
        partitions: context.options.partitions,
        connections: context.connections.keys().cloned().collect(),
    }
}

/// Starts every stage, with a detector for every source.
#[must_use]
pub fn start(context: &Arc<Context>) -> Running {
    let running = start_without_detectors(context);
    for (spec, side) in context.sources() {
        let (context, presence) = (Arc::clone(context), Arc::clone(&running.presence));
        let work = detect_loop(context, presence, Arc::clone(spec), side, running.stop.clone());
        running.tasks.spawn(work);
    }
    running
}

/// Starts every stage but the detectors.
#[must_use]
pub fn start_without_detectors(context: &Arc<Context>) -> Running {
    let presence = Arc::new(Presence::new(context.options.partitions));
    let running = Running { stop: CancellationToken::new(), tasks: TaskTracker::new(), presence };
    let Running { stop, tasks, presence } = &running;
    tasks.spawn(presence::keep(Arc::clone(context), Arc::clone(presence), stop.clone()));
    let consume = |queue, prefetch| {
        let (context, presence) = (Arc::clone(context), Arc::clone(presence));
        tasks.spawn(queue_loop(context, presence, queue, prefetch, stop.clone()));
    };
    (0..context.options.partitions)
        .for_each(|partition| consume(Queue::Changes(partition), PREFETCH));
    consume(Queue::Dead, 1);
    consume(Queue::Retry, PREFETCH);
    for (name, connection) in &context.connections {
        consume(Queue::Intents(name.clone()), PREFETCH);
        for _ in 0..connection.connector.limits().parallel.max(1) * WORKERS_PER_LINE {
            tasks.spawn(apply_loop(Arc::clone(context), name.clone(), stop.clone()));
        }
    }
    tasks.spawn(retry_loop(Arc::clone(context), stop.clone()));
    tasks.spawn(sweep_loop(Arc::clone(context), stop.clone()));
    running
}

/// One worker of a connection. It ends when nothing is left that was handed over.
async fn apply_loop(context: Arc<Context>, name: ConnectionName, stop: CancellationToken) {
    let mut rest = Rest::new(format!("apply {name}"));
    let Some(connection) = context.connections.get(&name) else { return };
    connection.slots.open();
    while !(stop.is_cancelled() && connection.slots.close()) {
        let done = match stop.is_cancelled() {
            true => crate::apply::finish(&context, &name).await,
            false => crate::apply::step(&context, &name).await,
        };
        match done {
            Ok(Some(_)) => rest.worked(),
            Ok(None) => idle(&context, &name, connection, &stop).await,
            Err(error) => rest.failed(&context, &stop, &error).await,
        }
    }
    // The last call that was under way may have been the only one that others waited for.
    connection.slots.ring();
}

/// Waits until a connection may have work. Once stopped, only for what is handed over still.
async fn idle(
    context: &Context,
    name: &ConnectionName,
    connection: &Connection,
    stop: &CancellationToken,
) {
    let was_stopped = stop.is_cancelled();
    // What waits for company is looked at again when its patience may be over.
    let patience = connection.connector.limits().patience;
    let rest = context.options.sweep;
    let pause = if patience.is_zero() { rest } else { rest.min(patience) };
    let stopped =
        async { if was_stopped { std::future::pending().await } else { stop.cancelled().await } };
    tokio::select! {
        () = stopped => return,
        () = connection.slots.rung() => {}
        () = context.clock.sleep(pause) => {}
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = context.rest(name) => {}
    }
}

async fn retry_loop(context: Arc<Context>, stop: CancellationToken) {
    let mut rest = Rest::new("retry");
    while !stop.is_cancelled() {
        match crate::retry::step(&context).await {
            Ok(_) => {
                rest.worked();
                wait(&context, &stop, context.options.sweep).await;
            }
            Err(error) => rest.failed(&context, &stop, &error).await,
        }
    }
}

async fn sweep_loop(context: Arc<Context>, stop: CancellationToken) {
    let mut rest = Rest::new("sweep");
    while !stop.is_cancelled() {
        match crate::sweep::step(&context).await {
            // A full batch: more links are due.
            Ok(aftermath) if aftermath.decided >= context.options.batch => rest.worked(),
            Ok(_) => {
                rest.worked();
                wait(&context, &stop, context.options.sweep).await;
            }
            Err(error) => rest.failed(&context, &stop, &error).await,
        }
    }
}

async fn detect_loop(
    context: Arc<Context>,
    presence: Arc<Presence>,
    spec: Arc<FlowSpec>,
    side: Side,
    stop: CancellationToken,
) {
    let mut rest = Rest::new(format!("detect {}/{side}", spec.name));
    let connection = spec.ends.get(side).connection.clone();
    while !stop.is_cancelled() {
        if presence.is_cut_off() {
            wait(&context, &stop, context.options.lease / 3).await;
            continue;
        }
        match Detection::open(&context, &spec, side).await {
            Ok(Some(detection)) => {
                detect_open(&context, &presence, detection, &stop, &mut rest).await;
            }
            // Another process reads it, or our own last life still does: its lease runs out.
            Ok(None) => wait(&context, &stop, context.options.lease / 3).await,
            Err(error) => source_failed(&context, &connection, &stop, &mut rest, error).await,
        }
    }
}

/// Reads one source until stopped, until the lease is lost, or until nothing could be published for
/// so long that another process shall try.
async fn detect_open(
    context: &Context,
    presence: &Presence,
    mut detection: Detection,
    stop: &CancellationToken,
    rest: &mut Rest,
) {
    let connection = detection.spec().ends.get(detection.place().1).connection.clone();
    let mut pace = Pace::default();
    while !stop.is_cancelled() && !presence.is_cut_off() {
        // What the side asked of the calls holds for its sources too.
        let read = pace.read && context.pauses.until(&connection, context.clock.now()).is_none();
        match detection.step(context, read).await {
            Ok(progress) => {
                rest.worked();
                if read && context.connection_worked(&connection, Stage::Source).await.is_err() {
                    tracing::debug!(%connection, "the pause could not be lifted");
                }
                pace.rest(context, &mut detection, progress, stop).await;
            }
            Err(error @ StageError::LeaseHeld { .. }) => {
                rest.failed(context, stop, &error).await;
                return;
            }
            Err(StageError::Connector(lost)) if lost.is_lost_position() => {
                // Opened again it begins at its end, with a scan for what was missed.
                rest.failed(context, stop, &lost.into()).await;
                break;
            }
            Err(error) => source_failed(context, &connection, stop, rest, error).await,
        }
    }
    if let Err(error) = detection.close(context).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "lease not given back");
    }
}

async fn source_failed(
    context: &Context,
    connection: &ConnectionName,
    stop: &CancellationToken,
    rest: &mut Rest,
    error: StageError,
) {
    if let StageError::Connector(cause) = &error
        && crate::pause::concerns_connection(cause.failure.class)
        && context.connection_failed(connection, &cause.failure, Stage::Source).await.is_ok()
    {
        tokio::select! {
            () = stop.cancelled() => {}
            () = context.rest(connection) => {}
        }
        return;
    }
    rest.failed(context, stop, &error).await;
}

/// When a detector reads, and when it only looks what is settled.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) read: bool,
    read_at: Option<duet_core::stamp::Stamp>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { read: true, read_at: None }
    }
}

impl Pace {
    /// Waits until there is something to do at the source: more at once, an announcement, the
    /// next poll, or marks to look up.
    pub(crate) async fn rest(
        &mut self,
        context: &Context,
        detection: &mut Detection,
        progress: Progress,
        stop: &CancellationToken,
    ) {
        let now = context.clock.now();
        if self.read {
            self.read_at = Some(now);
        }
        if progress.more && progress.unsettled < context.options.unsettled_max {
            self.read = true;
            return;
        }
        let (spec, side) = (detection.spec(), detection.place().1);
        let poll = context
            .connection_of(spec, side)
            .map_or(SETTLE_EVERY, |connection| connection.connector.limits().poll);
        let next = self.read_at.unwrap_or(now).plus(micros(poll));
        let left = Duration::from_micros(u64::try_from(next.0 - now.0).unwrap_or(0));
        let soon = progress.unsettled > 0 || progress.scanning;
        let patience = if soon { left.min(SETTLE_EVERY) } else { left };
        tokio::select! {
            () = stop.cancelled() => {}
            () = detection.wait(patience) => {}
        }
        let woke = context.clock.now();
        let announced = woke.0.saturating_sub(now.0) < micros(patience);
        self.read = announced || woke >= next;
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
