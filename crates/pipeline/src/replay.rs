//! Replay: a dead letter that a person asked for is decided again. What was seen of a record may be
//! old by now, so the record is read anew, as after a gap; a changed key is told once more.

use crate::batch::{Aftermath, Batch, Job, Target};
use crate::context::Context;
use crate::error::StageError;
use crate::reconcile::{gap, job_of_change};
use duet_core::facts::Event;
use duet_ports::envelope::{ChangeV1, WhatV1};
use duet_ports::inspect::{DeadLetterRow, LetterChange, LetterState};
use duet_ports::store::Address;

/// Most letters at once: each may be as long as a message.
const LIMIT: u64 = 20;

/// Decides the letters that were asked for again. From then on links and intents tell what follows;
/// what can't be decided this time either is a letter of its own.
///
/// Idempotence: a letter that is decided twice leads to one read more.
///
/// # Errors
/// When the store can't be reached; the letter is asked for still.
pub async fn step(context: &Context) -> Result<Aftermath, StageError> {
    let mut aftermath = Aftermath::default();
    loop {
        let asked = context.store.asked_letters(&context.flow_names(), LIMIT).await?;
        let is_last = u64::try_from(asked.len()).is_ok_and(|length| length < LIMIT);
        let mut replayed = 0;
        for (letter, body) in asked {
            let Some(job) = job_of(context, &letter, &body) else { continue };
            aftermath.add(crate::decide::step(context, Batch::of(vec![job])).await?);
            let change = LetterChange { state: LetterState::Replayed, by: None, note: None };
            context.store.set_dead_letter(letter.id, &change, context.clock.now()).await?;
            replayed += 1;
        }
        if is_last || replayed == 0 {
            return Ok(aftermath);
        }
    }
}

/// What a letter asks for; none if its flow isn't worked on here.
fn job_of(context: &Context, letter: &DeadLetterRow, body: &[u8]) -> Option<Job> {
    let (flow, side) = (letter.flow.clone()?, letter.side?);
    let record = letter.record.clone()?;
    let connector = &context.connection_of(context.flow(&flow)?, side)?.connector;
    if let Ok(change) = serde_json::from_slice::<ChangeV1>(body)
        && matches!(change.what, WhatV1::KeyChanged { .. })
    {
        return Some(job_of_change(change, connector.now()));
    }
    let event = match serde_json::from_slice::<Event>(body) {
        Ok(event @ (Event::KeyChanged { .. } | Event::KeyTaken { .. })) => event,
        Ok(Event::Seen { .. } | Event::Received(_) | Event::Overdue(_) | Event::Due) | Err(_) => {
            gap(side, record.clone(), connector.now())
        }
    };
    let address = Address { flow, side, record, marker: None };
    Some(Job { target: Target::Record(address), event, cause: "dead letter" })
}
