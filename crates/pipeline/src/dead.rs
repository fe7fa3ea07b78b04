//! `duet.dead`: what the broker gave up on, one message at a time. The attempt is counted in the
//! store before the message is decided alone; the fifth failure becomes dead letters.

use crate::batch::Aftermath;
use crate::context::Context;
use crate::error::StageError;
use crate::poison::{self, FAILURES_MAX};
use crate::reconcile::batch_of;
use duet_ports::hub::Consumer;
use std::time::Duration;

/// Takes one message of the dead-letter queue.
///
/// Idempotence: a message that comes again is counted again, and settled at the latest then.
///
/// # Errors
/// When the hub or the store can't be reached, or the message failed again; it comes again.
pub async fn step(
    context: &Context,
    consumer: &mut dyn Consumer,
    patience: Duration,
) -> Result<Aftermath, StageError> {
    let Some(delivery) = consumer.next(1, patience).await?.into_iter().next() else {
        return Ok(Aftermath::default());
    };
    let tag = delivery.tag;
    match alone(context, delivery).await {
        Ok(aftermath) => {
            consumer.ack(tag).await?;
            Ok(aftermath)
        }
        Err(error) => {
            consumer.give_back().await?;
            Err(error)
        }
    }
}

async fn alone(
    context: &Context,
    delivery: duet_ports::hub::Delivery,
) -> Result<Aftermath, StageError> {
    let failures = poison::count(context, &delivery).await?;
    let mut batch = batch_of(context, vec![delivery]);
    if failures >= FAILURES_MAX {
        batch = poison::given_up(batch);
    }
    Ok(crate::decide::step(context, batch).await?)
}
