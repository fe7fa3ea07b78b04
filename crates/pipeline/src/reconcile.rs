//! Reconcile: one batch of messages of one partition is one transaction.
//!
//! Nothing is acknowledged before its commit; a change that can't be decoded becomes a dead letter
//! in the batch's transaction and the rest goes on. A message of a flow that isn't configured here
//! is left unsettled: the process that published it, which knows the flow, sends it again.

use crate::batch::{Aftermath, Batch, Job, Target};
use crate::context::Context;
use crate::error::StageError;
use crate::letter;
use crate::poison::{self, FAILURES_MAX, SUSPECT};
use duet_core::facts::Event;
use duet_core::id::RecordId;
use duet_core::observation::{Observation, Presence, Source};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::envelope::{Body, ChangeV1, Envelope, WhatV1};
use duet_ports::hub::{Consumer, Delivery};
use duet_ports::store::{Address, DeadLetter};
use serde_json::value::RawValue;
use std::time::Duration;

/// Where changes die that can't be decoded or decided.
pub(crate) const PLACE: &str = "reconcile";
/// Most messages taken at once; each carries up to [`crate::detect::CHANGES_PER_MESSAGE`] changes.
const MESSAGES: usize = 16;

/// Takes what one partition holds, decides it, commits, acknowledges. Returns what it led to;
/// nothing came within `patience`: all zero.
///
/// Idempotence: a message that comes again brings observations that are known by then.
///
/// # Errors
/// When the hub or the store can't be reached. Unacknowledged messages come again.
pub async fn step(
    context: &Context,
    consumer: &mut dyn Consumer,
    patience: Duration,
) -> Result<Aftermath, StageError> {
    let deliveries = consumer.next(MESSAGES, patience).await?;
    match decide(context, consumer, deliveries).await {
        Err(error @ StageError::Store(_)) => {
            consumer.give_back().await?;
            Err(error)
        }
        done => done,
    }
}

/// Decides deliveries in order, together, but for those that failed before: each of these alone.
async fn decide(
    context: &Context,
    consumer: &mut dyn Consumer,
    deliveries: Vec<Delivery>,
) -> Result<Aftermath, StageError> {
    let mut aftermath = Aftermath::default();
    let mut together = Vec::new();
    for delivery in deliveries {
        let failures =
            if delivery.redelivered { poison::count(context, &delivery).await? } else { 0 };
        if failures < SUSPECT {
            together.push(delivery);
            continue;
        }
        aftermath.add(commit(context, consumer, std::mem::take(&mut together), 0).await?);
        aftermath.add(commit(context, consumer, vec![delivery], failures).await?);
    }
    aftermath.add(commit(context, consumer, together, 0).await?);
    Ok(aftermath)
}

async fn commit(
    context: &Context,
    consumer: &mut dyn Consumer,
    deliveries: Vec<Delivery>,
    failures: u32,
) -> Result<Aftermath, StageError> {
    let Some(last) = deliveries.last().map(|delivery| delivery.tag) else {
        return Ok(Aftermath::default());
    };
    let mut batch = batch_of(context, deliveries);
    if failures >= FAILURES_MAX {
        batch = poison::given_up(batch);
    }
    let aftermath = crate::decide::step(context, batch).await?;
    consumer.ack(last).await?;
    Ok(aftermath)
}

/// Everything these messages ask for, as one batch.
pub(crate) fn batch_of(context: &Context, deliveries: Vec<Delivery>) -> Batch {
    let mut batch = Batch::default();
    for delivery in deliveries {
        match delivery.envelope {
            Ok(envelope) => add_envelope(context, envelope, &mut batch),
            Err(undecodable) => batch.dead.push(DeadLetter {
                place: PLACE.into(),
                reason: format!("the message can't be decoded: {}", undecodable.reason),
                body: undecodable.body,
                ..DeadLetter::default()
            }),
        }
    }
    batch
}

fn add_envelope(context: &Context, envelope: Envelope, batch: &mut Batch) {
    let numbered = envelope.number.is_some();
    if envelope.number.as_ref().is_some_and(|number| context.is_left_to_its_source(number)) {
        tracing::debug!("a message of a flow whose key changed is left to its source");
        return;
    }
    match envelope.body {
        Body::Changes { changes } => {
            let changes: Vec<Result<ChangeV1, DeadLetter>> =
                changes.iter().map(|change| decoded(change)).collect();
            let mut known = changes.iter().flatten();
            // A source is of one flow. Its position stays where it is, so nothing is lost.
            if let Some(stranger) = known.find(|one| context.flow(&one.flow).is_none())
                && numbered
            {
                tracing::warn!(flow = %stranger.flow,
                    "changes of a flow that isn't configured here are left to who publishes them");
                return;
            }
            for change in changes {
                match change.and_then(|change| job_of(context, change)) {
                    Ok(job) => batch.jobs.push(job),
                    Err(letter) => batch.dead.push(letter),
                }
            }
        }
        Body::WakeLinks { links } => batch.jobs.extend(links.into_iter().map(Job::due)),
        Body::WakeIntents { .. } | Body::WakeRetry => {}
    }
    batch.numbers.extend(envelope.number);
}

fn decoded(raw: &RawValue) -> Result<ChangeV1, DeadLetter> {
    serde_json::from_str(raw.get()).map_err(|error| {
        // The parser's text may quote a value; line and column tell as much without one.
        let place = format!("line {} column {}", error.line(), error.column());
        let reason = format!("the change can't be decoded ({place})");
        letter::of_text(raw.get(), PLACE, reason)
    })
}

fn job_of(context: &Context, change: ChangeV1) -> Result<Job, DeadLetter> {
    if context.flow(&change.flow).is_some() {
        let now = sides_time(context, &change);
        return Ok(job_of_change(change, now));
    }
    // Nobody sends a change without a number again.
    let reason = format!("no flow named {} is configured", change.flow);
    let text = serde_json::to_string(&change).unwrap_or_default();
    Err(letter::of_text(&text, PLACE, reason))
}

/// The present time of a change's side. What is told of a record there compares with reads of that
/// side: by our own clock a gap would count as later than the read that closes it, or as earlier
/// than one that was made before.
fn sides_time(context: &Context, change: &ChangeV1) -> Stamp {
    let connection =
        context.flow(&change.flow).and_then(|spec| context.connection_of(spec, change.side));
    connection.map_or_else(|| context.clock.now(), |connection| connection.connector.now())
}

/// A change as a job, at the present time of its side.
#[must_use]
pub fn job_of_change(change: ChangeV1, now: Stamp) -> Job {
    let ChangeV1 { flow, side, record, what } = change;
    let (event, marker, cause) = match what {
        WhatV1::Seen(observation) => {
            let marker = observation.marker;
            (Event::Seen { side, record: record.clone(), observation }, marker, seen(side))
        }
        WhatV1::KeyChanged { old, order } => {
            let event = Event::KeyChanged { side, old: old.clone(), new: record, order };
            let address = Address { flow, side, record: old, marker: None };
            return Job { target: Target::Record(address), event, cause: "key changed" };
        }
        WhatV1::Gap => (gap(side, record.clone(), now), None, "gap"),
    };
    let address = Address { flow, side, record, marker };
    Job { target: Target::Record(address), event, cause }
}

fn seen(side: Side) -> &'static str {
    match side {
        Side::Left => "seen left",
        Side::Right => "seen right",
    }
}

/// "Something happened there, nobody knows what": row R00 reads the record.
pub(crate) fn gap(side: Side, record: RecordId, now: Stamp) -> Event {
    let observation = Observation {
        presence: Presence::Unknown,
        read_at: now,
        source: Source::Event,
        ..Observation::default()
    };
    Event::Seen { side, record, observation: Box::new(observation) }
}
