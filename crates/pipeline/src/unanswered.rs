//! Calls that nobody told the answer of: their process ended, or came too late. Their attempts are
//! written when something else settles them, so that no call is left out that may have been made.
//!
//! Not here: calls whose receipt is settled (`apply`).

use duet_core::facts::{Event, Facts};
use duet_core::intent::{Intent, IntentState};
use duet_core::retry::{Failure, FailureClass};
use duet_core::side::Side;
use duet_core::verdict::{Effect, Verdict};
use duet_ports::store::Attempt;

/// The calls under way whose receipt isn't among these events, each as an attempt without answer.
pub(crate) fn under_way(facts: &Facts, events: &[Event]) -> Vec<Attempt> {
    let told = |intent: &Intent| {
        events.iter().any(|event| match event {
            Event::Received(receipt) => receipt.intent == intent.id,
            _ => false,
        })
    };
    let open = Side::BOTH.into_iter().flat_map(|side| {
        let open = facts.intents.get(side);
        [&open.write, &open.read]
    });
    let sent = open.flatten().filter(|intent| intent.state == IntentState::Sent);
    sent.filter(|intent| !told(intent)).map(|intent| attempt(facts, intent)).collect()
}

/// Those of them that the verdict settled: seen on the record, or past their deadline.
pub(crate) fn settled(under_way: Vec<Attempt>, verdict: &Verdict) -> Vec<Attempt> {
    let settle = |attempt: Attempt| match state_after(&attempt, verdict)? {
        IntentState::Sent => None,
        IntentState::Confirmed => Some(Attempt { outcome: "seen", failure: None, ..attempt }),
        _ => Some(attempt),
    };
    under_way.into_iter().filter_map(settle).collect()
}

fn state_after(attempt: &Attempt, verdict: &Verdict) -> Option<IntentState> {
    verdict.effects.iter().rev().find_map(|effect| match effect {
        Effect::Settle { intent, state, .. } if *intent == attempt.intent => Some(*state),
        _ => None,
    })
}

fn attempt(facts: &Facts, intent: &Intent) -> Attempt {
    Attempt {
        intent: intent.id,
        link: intent.link,
        number: intent.attempts,
        sent_at: intent.sent_at.unwrap_or(facts.as_of),
        done_at: facts.as_of,
        outcome: "unknown",
        failure: Some(Failure {
            class: FailureClass::UnknownOutcome,
            code: "NO_ANSWER".to_owned(),
            message: "the process that made the call never told its answer".to_owned(),
            columns: Vec::new(),
            retry_after_us: None,
        }),
    }
}
