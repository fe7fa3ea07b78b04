//! One pass: every source is read up to where it stood at the start, all of it is settled, and
//! nothing is under way any more. Retries that are due are tried once; what waits for a person, a
//! parent or a later retry is reported.

use crate::context::Context;
use crate::detect::Detection;
use crate::error::StageError;
use crate::run::start_without_detectors;
use duet_core::id::FlowName;
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use duet_ports::inspect::FlowCounts;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// What falls due later than this is left for the next pass.
const HORIZON_US: i64 = 60 * Stamp::SECOND;
/// How often the pass looks whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks in a row that must find nothing: the numbers of one look are not of one instant.
const QUIET_LOOKS: u32 = 2;
/// How long the stages may take to finish their steps at the end.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// Where a pass stands, for whoever watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Sources that reached their target, of how many.
    pub sources: (usize, usize),
    /// Flows with anything under way, and connections with retries to be tried.
    pub under_way: u64,
}

/// Who watches a pass; a break ends it in order, with what is under way finished.
pub type Watch<'a> = &'a (dyn Fn(&Standing) -> ControlFlow<()> + Send + Sync);

/// Runs one pass over every flow.
///
/// # Errors
/// [`StageError::LeaseHeld`] when another process reads one of the sources; or when a port can't
/// be reached at the start or a side can't be read.
pub async fn once(
    context: &Arc<Context>,
    watch: Watch<'_>,
) -> Result<BTreeMap<FlowName, FlowCounts>, StageError> {
    crate::replay::step(context).await?;
    let mut sources = open(context).await?;
    let running = start_without_detectors(context);
    let done = drive(context, &mut sources, watch).await;
    running.stop(STOP_PATIENCE).await;
    let closed = close(context, sources).await;
    done.and_then(|counts| closed.map(|()| counts))
}

async fn open(context: &Context) -> Result<Vec<(Detection, Position)>, StageError> {
    let mut sources = Vec::new();
    for (spec, side) in context.sources() {
        match open_one(context, spec, side).await {
            Ok(source) => sources.push(source),
            Err(error) => {
                close(context, sources).await?;
                return Err(error);
            }
        }
    }
    Ok(sources)
}

async fn open_one(
    context: &Context,
    spec: &Arc<FlowSpec>,
    side: Side,
) -> Result<(Detection, Position), StageError> {
    let Some(mut detection) = Detection::open(context, spec, side).await? else {
        let name = crate::detect::source_name(&spec.name, side);
        return Err(StageError::LeaseHeld { name });
    };
    match detection.head().await {
        Ok(head) => Ok((detection, head)),
        Err(error) => {
            detection.close(context).await?;
            Err(error)
        }
    }
}

/// Gives every lease back; the first failure is told.
async fn close(context: &Context, sources: Vec<(Detection, Position)>) -> Result<(), StageError> {
    let mut done = Ok(());
    for (detection, _) in sources {
        let closed = detection.close(context).await;
        done = done.and(closed.map_err(StageError::from));
    }
    done
}

async fn drive(
    context: &Context,
    sources: &mut [(Detection, Position)],
    watch: Watch<'_>,
) -> Result<BTreeMap<FlowName, FlowCounts>, StageError> {
    let mut reached = vec![false; sources.len()];
    let started = context.clock.now();
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        for ((detection, head), reached) in sources.iter_mut().zip(&mut reached) {
            detection.step(context, !*reached).await?;
            *reached = *reached || detection.settled_up_to(head).await?;
        }
        // Retries first: one that leaves in between is counted as sent.
        let now = context.clock.now();
        let retries = retries(context, started, now).await?;
        let under_way = under_way(context, now).await?;
        let there = reached.iter().filter(|reached| **reached).count();
        let standing = Standing { sources: (there, sources.len()), under_way: under_way + retries };
        if watch(&standing).is_break() {
            break;
        }
        let is_quiet = there == sources.len() && standing.under_way == 0;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        context.clock.sleep(LOOK_EVERY).await;
    }
    counts(context).await
}

async fn counts(context: &Context) -> Result<BTreeMap<FlowName, FlowCounts>, StageError> {
    let mut counts = BTreeMap::new();
    for flow in context.flows.keys() {
        counts.insert(flow.clone(), context.store.counts(flow).await?);
    }
    Ok(counts)
}

/// Connections with calls that failed before and were due when the pass began: it tries them once.
async fn retries(context: &Context, started: Stamp, now: Stamp) -> Result<u64, StageError> {
    let flows = context.flow_names();
    let (connections, _) = context.store.due_intents(&flows, 1, started).await?;
    let tried = connections.iter().filter(|connection| {
        context.connections.contains_key(*connection) && !context.pauses.is_down(connection, now)
    });
    Ok(u64::try_from(tried.count()).unwrap_or(u64::MAX))
}

/// Whether one of a flow's connections is down: what waits for it is left for the next pass.
fn is_down(context: &Context, flow: &FlowName, now: Stamp) -> bool {
    let Some(spec) = context.flow(flow) else { return true };
    let down = |side| context.pauses.is_down(&spec.ends.get(side).connection, now);
    Side::BOTH.into_iter().any(down)
}

/// How many flows have something under way: sent or unknown intents, planned ones that never failed,
/// and links due soon. What failed, waits for a parent or for a person isn't.
async fn under_way(context: &Context, now: Stamp) -> Result<u64, StageError> {
    let mut flows = 0;
    for flow in context.flows.keys().filter(|flow| !is_down(context, flow, now)) {
        let until = now.plus(HORIZON_US);
        flows += u64::from(context.store.is_under_way(flow, until).await?);
    }
    Ok(flows)
}
