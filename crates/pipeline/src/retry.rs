//! Retry: the error-retry queue is the intents with a due time. Wakes the apply stage of
//! connections that have some, and settles what nobody answered.

use crate::batch::{Aftermath, Batch, Job};
use crate::context::Context;
use crate::error::StageError;

/// Most overdue intents at once.
const LIMIT: usize = 200;

/// Rings connections with due intents; takes up intents past their deadline as of unknown outcome.
///
/// Idempotence: ringing twice finds nothing the second time; an overdue intent that was settled
/// meanwhile is no longer *sent* and stays as it is.
///
/// # Errors
/// When the store can't be reached.
pub async fn step(context: &Context) -> Result<Aftermath, StageError> {
    let now = context.clock.now();
    let flows = context.flow_names();
    let (connections, overdue) = context.store.due_intents(&flows, LIMIT, now).await?;
    let awake = connections
        .into_iter()
        .filter(|connection| context.pauses.until(connection, now).is_none())
        .collect();
    context.ring(&awake).await;
    if overdue.is_empty() {
        return Ok(Aftermath::default());
    }
    let jobs = overdue.into_iter().map(|(link, intent)| Job::overdue(link, intent)).collect();
    Ok(crate::decide::step(context, Batch::of(jobs)).await?)
}
