//! Apply: takes intents that are due, calls the side, settles the receipts.
//!
//! Write protocol (correctness, 4.5): *sent* is committed before the call leaves; the receipt is
//! joined and decided again in one transaction; a crash in between is found by the deadline.

use crate::batch::{Aftermath, Batch, Job, Target};
use crate::call::{Answered, call};
use crate::context::{Connection, Context, Tally};
use crate::error::StageError;
use crate::pause::{Stage, concerns_connection};
use crate::slots::{Departure, Line};
use duet_core::facts::Event;
use duet_core::id::{ConnectionName, IntentId};
use duet_core::intent::{Intent, Outcome, Receipt};
use duet_core::retry::{Failure, FailureClass};
use duet_core::stamp::Stamp;
use duet_ports::connector::ConnectorError;
use duet_ports::store::{Attempt, Claimed, Most};
use std::time::Duration;

/// Carries a call that was handed over, or takes one batch of due intents of a connection: sends it,
/// settles what came back. `None`: nothing was to be done, every line is taken, or the connection
/// rests.
///
/// Idempotence: an intent leaves *planned* in the transaction that takes it, so it is sent by one
/// process; a receipt that is settled twice finds its intent closed and changes nothing.
///
/// # Errors
/// When the store can't be reached: what was sent is recovered by its deadline.
pub async fn step(
    context: &Context,
    name: &ConnectionName,
) -> Result<Option<Aftermath>, StageError> {
    let Some(connection) = context.connections.get(name) else { return Ok(None) };
    let Some(line) = connection.slots.line() else { return Ok(None) };
    let departure = match connection.slots.is_stores_turn() {
        true => None,
        false => next(connection),
    };
    if let Some(departure) = departure {
        return depart(context, name, connection, departure, line).await;
    }
    if let Some(claimed) = claimed(context, name, connection).await? {
        return carry(context, name, connection, &claimed, line).await;
    }
    match next(connection) {
        Some(departure) => depart(context, name, connection, departure, line).await,
        None => Ok(None),
    }
}

/// Carries a call that was handed over, and nothing else: the process is about to end.
pub(crate) async fn finish(
    context: &Context,
    name: &ConnectionName,
) -> Result<Option<Aftermath>, StageError> {
    let Some(connection) = context.connections.get(name) else { return Ok(None) };
    let Some(line) = connection.slots.line() else { return Ok(None) };
    match next(connection) {
        Some(departure) => depart(context, name, connection, departure, line).await,
        None => Ok(None),
    }
}

fn next(connection: &Connection) -> Option<Departure> {
    let limits = connection.connector.limits();
    connection.slots.next(|op| if op.writes() { limits.batch } else { limits.read })
}

/// Takes due intents from the store, if the connection doesn't rest.
async fn claimed(
    context: &Context,
    name: &ConnectionName,
    connection: &Connection,
) -> Result<Option<Claimed>, StageError> {
    if context.pauses.until(name, context.clock.now()).is_some() {
        return Ok(None);
    }
    connection.slots.answer();
    let claimed = claim(context, name, connection).await?;
    if claimed.is_some() {
        // Where there was one batch there may be another: a second worker looks too.
        connection.slots.ask();
    }
    Ok(claimed)
}

/// Carries a call that was committed as *sent* here. A pause that began meanwhile is obeyed.
async fn depart(
    context: &Context,
    name: &ConnectionName,
    connection: &Connection,
    departure: Departure,
    line: Line,
) -> Result<Option<Aftermath>, StageError> {
    let Departure { claimed, slots } = departure;
    let now = context.clock.now();
    let done = match context.pauses.until(name, now) {
        None => carry(context, name, connection, &claimed, line).await?,
        Some(until) => {
            take_back(context, &claimed, until, now).await?;
            None
        }
    };
    drop(slots);
    Ok(done)
}

/// Plans again what was never sent.
async fn take_back(
    context: &Context,
    claimed: &Claimed,
    until: Stamp,
    now: Stamp,
) -> Result<(), StageError> {
    if are_ours(claimed, now) {
        context.store.unclaim(&ids(claimed), until, None).await?;
    }
    Ok(())
}

/// Past its deadline an intent may have been sent again by another process: not ours any more.
fn are_ours(claimed: &Claimed, now: Stamp) -> bool {
    let expired = |intent: &Intent| intent.deadline.is_some_and(|deadline| deadline <= now);
    !claimed.intents.iter().any(expired)
}

/// Brings intents to *sent*, their deadline counted from here.
///
/// # Errors
/// When the store can't be reached.
pub async fn claim(
    context: &Context,
    name: &ConnectionName,
    connection: &Connection,
) -> Result<Option<Claimed>, StageError> {
    let limits = connection.connector.limits();
    let now = context.clock.now();
    let deadline = context.deadline(connection, now);
    let most = Most { writes: limits.batch, reads: limits.read, patience: limits.patience };
    Ok(context.store.claim(name, &context.flow_names(), most, now, deadline).await?)
}

async fn carry(
    context: &Context,
    name: &ConnectionName,
    connection: &Connection,
    claimed: &Claimed,
    line: Line,
) -> Result<Option<Aftermath>, StageError> {
    let Some(spec) = context.flow(&claimed.flow) else {
        return Err(StageError::NoFlow { flow: claimed.flow.clone() });
    };
    let connector = connection.connector.as_ref();
    let sent_at = context.clock.now();
    let sides_sent_at = connector.now();
    let (timeout, margin) = (connector.limits().timeout, context.options.call_margin);
    let deadline = claimed.intents.iter().filter_map(|intent| intent.deadline).min();
    let limit = deadline.and_then(|deadline| time_left(deadline, sent_at, timeout, margin));
    let Some(limit) = limit else {
        tracing::warn!(connection = %name, "too late for a call: planned again while it is ours");
        take_back(context, claimed, sent_at, sent_at).await?;
        connection.slots.ask();
        return Ok(Some(Aftermath::default()));
    };
    let called = call(connector, spec, claimed, limit).await;
    let (done_at, sides_done_at) = (context.clock.now(), connector.now());
    line.answered(between(sent_at, done_at));
    let answered = match called {
        Ok(answered) => {
            note_health(context, name, &answered.outcomes).await?;
            answered
        }
        Err(error) => match failed(context, name, claimed, error, sent_at, done_at).await? {
            Some(outcomes) => Answered { outcomes, at: None },
            None => return Ok(None),
        },
    };
    if claimed.op.writes() {
        Tally::add(context.tally.writes.get(claimed.side), claimed.intents.len());
    }
    let sides_at = answered.at.unwrap_or(sides_done_at);
    let times = Times { sent_at, done_at, sides_sent_at, sides_at };
    let batch = settle(&claimed.intents, answered.outcomes, times);
    Ok(Some(crate::decide::step(context, batch).await?))
}

fn between(earlier: Stamp, later: Stamp) -> Duration {
    Duration::from_micros(u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or_default())
}

/// How long a call may take that ends `margin` after its time limit at the latest: it must be dead
/// before its deadline, so it doesn't start at all with less than its time limit left.
fn time_left(deadline: Stamp, now: Stamp, timeout: Duration, margin: Duration) -> Option<Duration> {
    let left = Duration::from_micros(u64::try_from(deadline.0.saturating_sub(now.0)).ok()?);
    (left >= timeout).then(|| left.min(timeout.saturating_add(margin / 2)))
}

/// An answer lifts the connection's pause, unless it says that the connection is to wait.
async fn note_health(
    context: &Context,
    name: &ConnectionName,
    outcomes: &[Outcome],
) -> Result<(), StageError> {
    let asked = outcomes.iter().filter_map(fault).find(|one| concerns_connection(one.class));
    match asked {
        Some(failure) => context.connection_failed(name, &failure, Stage::Calls).await.map(drop),
        None => context.connection_worked(name, Stage::Calls).await,
    }
}

/// A call that failed as a whole. `None`: it didn't leave, and waits for its connection.
async fn failed(
    context: &Context,
    name: &ConnectionName,
    claimed: &Claimed,
    error: ConnectorError,
    sent_at: Stamp,
    done_at: Stamp,
) -> Result<Option<Vec<Outcome>>, StageError> {
    let ConnectorError { failure, sent, .. } = error;
    let count = claimed.intents.len();
    let lost = sent && claimed.op.writes();
    if concerns_connection(failure.class) || failure.class == FailureClass::UnknownOutcome {
        let until = context.connection_failed(name, &failure, Stage::Calls).await?;
        if !lost {
            give_back(context, claimed, &failure, until, sent_at, done_at).await?;
            return Ok(None);
        }
    }
    let outcome = if lost { Outcome::Unknown(failure) } else { Outcome::NotSent(failure) };
    Ok(Some(vec![outcome; count]))
}

/// Calls that didn't leave are planned again, without an attempt counted; the attempt is told.
async fn give_back(
    context: &Context,
    claimed: &Claimed,
    failure: &Failure,
    until: Stamp,
    sent_at: Stamp,
    done_at: Stamp,
) -> Result<(), StageError> {
    let attempts = claimed
        .intents
        .iter()
        .map(|intent| attempt(intent, "not_sent", Some(failure.clone()), sent_at, done_at))
        .collect();
    if are_ours(claimed, done_at) {
        context.store.unclaim(&ids(claimed), until, Some(failure)).await?;
    }
    crate::decide::step(context, Batch { attempts, ..Batch::default() }).await?;
    Ok(())
}

fn ids(claimed: &Claimed) -> Vec<IntentId> {
    claimed.intents.iter().map(|intent| intent.id).collect()
}

/// When a batch of calls left and came back, by our clock and by the side's.
#[derive(Clone, Copy)]
struct Times {
    sent_at: Stamp,
    done_at: Stamp,
    sides_sent_at: Stamp,
    sides_at: Stamp,
}

/// Receipts and attempts of a batch.
fn settle(intents: &[Intent], outcomes: Vec<Outcome>, times: Times) -> Batch {
    let Times { sent_at, done_at, sides_sent_at, sides_at } = times;
    let mut batch = Batch::default();
    for (intent, outcome) in intents.iter().zip(outcomes) {
        batch.attempts.push(attempt(intent, word(&outcome), fault(&outcome), sent_at, done_at));
        let receipt = Receipt { intent: intent.id, at: sides_at, sent_at: sides_sent_at, outcome };
        batch.jobs.push(Job {
            target: Target::Link(intent.link),
            event: Event::Received(Box::new(receipt)),
            cause: "receipt",
        });
    }
    batch
}

fn attempt(
    intent: &Intent,
    outcome: &'static str,
    failure: Option<Failure>,
    sent_at: Stamp,
    done_at: Stamp,
) -> Attempt {
    Attempt {
        intent: intent.id,
        link: intent.link,
        number: intent.attempts,
        sent_at,
        done_at,
        outcome,
        // The intent keeps the sentence for people, as long as it is open.
        failure: failure.map(Failure::without_message),
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Landed { .. } => "landed",
        Outcome::Read(_) => "read",
        Outcome::Found(_) => "found",
        Outcome::Refused { .. } => "refused",
        Outcome::Unknown(_) => "unknown",
        Outcome::NotSent(_) => "not_sent",
    }
}

fn fault(outcome: &Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Refused { failure, .. }
        | Outcome::Unknown(failure)
        | Outcome::NotSent(failure) => Some(failure.clone()),
        Outcome::Landed { .. } | Outcome::Read(_) | Outcome::Found(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::intent::{Op, WritePath};

    fn intent() -> Intent {
        serde_json::from_value(serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000001",
            "link": "00000000-0000-0000-0000-000000000002", "flow": "f", "side": "left",
            "connection": "crm", "op": "update", "path": "batch", "record": "r", "values": {},
            "find": [], "expected": null, "expected_values": {}, "carries": {}, "state": "sent",
            "attempts": 1, "due_at": null, "sent_at": null, "deadline": null, "planned_at": 0,
            "landed_at": null, "failure": null, "why": "",
        }))
        .expect("an intent")
    }

    #[test]
    fn an_attempt_keeps_what_failed_and_not_the_sides_sentence() {
        let failure = Failure {
            class: FailureClass::Uniqueness,
            code: "DUPLICATE_VALUE".into(),
            message: "ann@example.org is taken".into(),
            columns: vec!["Email".into()],
            retry_after_us: Some(7),
        };
        let outcome = Outcome::Refused { failure: failure.clone(), observed: None };
        let times = Times {
            sent_at: Stamp(1),
            done_at: Stamp(2),
            sides_sent_at: Stamp(1),
            sides_at: Stamp(2),
        };
        let batch = settle(&[intent()], vec![outcome.clone()], times);
        let kept = batch.attempts[0].failure.clone().expect("it failed");
        assert_eq!(kept, Failure { message: String::new(), ..failure });
        let Event::Received(receipt) = &batch.jobs[0].event else { panic!("a receipt") };
        assert_eq!(receipt.outcome, outcome, "people need the sentence in the intent");
    }

    #[test]
    fn what_may_have_been_sent_again_is_nobody_s_to_give_back() {
        let (flow, side, op) = ("f".into(), duet_core::side::Side::Left, Op::Update);
        let mut claimed =
            Claimed { flow, side, op, path: WritePath::Batch, intents: vec![intent(), intent()] };
        assert!(are_ours(&claimed, Stamp(9)), "none has a deadline");
        claimed.intents[1].deadline = Some(Stamp(9));
        assert!(are_ours(&claimed, Stamp(8)) && !are_ours(&claimed, Stamp(9)));
    }

    #[test]
    fn no_call_starts_with_less_than_its_time_limit_left() {
        let (timeout, margin) = (Duration::from_secs(10), Duration::from_secs(4));
        let left = |now: i64| time_left(Stamp(0).plus_seconds(14), Stamp(now), timeout, margin);
        assert_eq!(left(0), Some(Duration::from_secs(12)));
        assert_eq!(left(3 * Stamp::SECOND), Some(Duration::from_secs(11)));
        assert_eq!(left(4 * Stamp::SECOND), Some(timeout));
        assert_eq!(left(4 * Stamp::SECOND + 1), None);
        assert_eq!(left(15 * Stamp::SECOND), None);
    }
}
