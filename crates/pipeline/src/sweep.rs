//! Sweep: whatever a lost wake-up forgot is found by its due time: create grace, parent waits,
//! reads to repeat, hold deadlines, decisions made by another process, dead letters to be replayed.

use crate::batch::{Aftermath, Batch, Job};
use crate::context::Context;
use crate::error::StageError;

/// Takes the links that are due and decides them again.
///
/// Idempotence: a link with nothing to do is an echo; what was taken and not decided is due again
/// a minute later.
///
/// # Errors
/// When the store can't be reached.
pub async fn step(context: &Context) -> Result<Aftermath, StageError> {
    let replayed = crate::replay::step(context).await?;
    let (flows, now) = (context.flow_names(), context.clock.now());
    let links = context.store.due_links(&flows, context.options.batch, now).await?;
    if links.is_empty() {
        return Ok(replayed);
    }
    let jobs = links.into_iter().map(Job::due).collect();
    let mut aftermath = crate::decide::step(context, Batch::of(jobs)).await?;
    aftermath.add(replayed);
    Ok(aftermath)
}
