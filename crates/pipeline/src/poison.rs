//! Poison: a message that keeps breaking whoever handles it. Counted in the store before the
//! message is handled, so that a crash counts too; given up in the end, so that the rest goes on.

use crate::batch::Batch;
use crate::context::Context;
use crate::letter;
use duet_core::facts::Event;
use duet_ports::envelope::{Body, Envelope};
use duet_ports::hub::Delivery;
use duet_ports::store::StoreError;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Failures after which a message becomes dead letters.
pub(crate) const FAILURES_MAX: u32 = 5;
/// Handled so often before, a message is handled alone: its neighbours must not be blamed.
pub(crate) const SUSPECT: u32 = 2;

/// Counts a handling of this message and returns the count; 0 for a wake-up, which may be lost.
pub(crate) async fn count(context: &Context, delivery: &Delivery) -> Result<u32, StoreError> {
    match name(delivery) {
        Some(name) => context.store.count_poison(&name).await,
        None => Ok(0),
    }
}

/// What a message is counted under: its number, else its content.
fn name(delivery: &Delivery) -> Option<String> {
    match &delivery.envelope {
        Ok(Envelope { number: Some(number), .. }) => Some(number.name()),
        Ok(Envelope { number: None, body, .. }) => match body {
            Body::Changes { changes } => {
                let texts: Vec<&str> = changes.iter().map(|change| change.get()).collect();
                Some(format!("unnumbered/{:016x}", digest(&texts)))
            }
            Body::WakeLinks { .. } | Body::WakeIntents { .. } | Body::WakeRetry => None,
        },
        Err(undecodable) => Some(format!("undecodable/{:016x}", digest(&undecodable.body))),
    }
}

fn digest(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// The same batch with every job that carries something turned into a dead letter.
pub(crate) fn given_up(batch: Batch) -> Batch {
    let Batch { jobs, numbers, mut dead, attempts } = batch;
    let reason = format!("handling it failed {FAILURES_MAX} times");
    dead.extend(jobs.iter().filter_map(|job| letter::of_job(job, "dead", &reason)));
    Batch { jobs: Vec::new(), numbers, dead, attempts }
}

/// Whether something would be lost with the event. A link that is due stays due, and an answer is
/// found out by reading.
pub(crate) fn carries(event: &Event) -> bool {
    match event {
        Event::Seen { .. } | Event::KeyChanged { .. } | Event::KeyTaken { .. } => true,
        Event::Received(_) | Event::Overdue(_) | Event::Due => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Job;
    use duet_ports::envelope::{ENVELOPE_VERSION, Numbered};
    use duet_ports::hub::Undecodable;
    use serde_json::value::RawValue;

    fn changes(text: &str) -> Body {
        let change = RawValue::from_string(text.to_owned()).expect("JSON");
        Body::Changes { changes: vec![change] }
    }

    fn name_of(number: Option<i64>, body: Body) -> Option<String> {
        let numbered = |number| Numbered { source: "things/left".into(), token: 3, number };
        let number = number.map(numbered);
        let envelope = Ok(Envelope { v: ENVELOPE_VERSION, number, body });
        name(&Delivery { tag: 1, redelivered: true, envelope })
    }

    fn name_of_bytes(body: &[u8]) -> Option<String> {
        let undecodable = Undecodable { body: body.to_vec(), reason: "test".into() };
        name(&Delivery { tag: 1, redelivered: true, envelope: Err(undecodable) })
    }

    #[test]
    fn a_message_is_counted_under_its_number_else_under_its_content() {
        assert_eq!(name_of(Some(9), changes("1")).as_deref(), Some("things/left/3/9"));
        assert_eq!(name_of(None, changes("1")), name_of(None, changes("1")));
        assert_ne!(name_of(None, changes("1")), name_of(None, changes("2")));
        assert_eq!(name_of_bytes(b"ab"), name_of_bytes(b"ab"));
        assert_ne!(name_of_bytes(b"ab"), name_of_bytes(b"ba"));
        let name = name_of(None, changes("\"secret\"")).expect("counted");
        assert!(!name.contains("secret"), "{name}");
    }

    #[test]
    fn wake_ups_are_not_counted() {
        for body in [Body::WakeRetry, Body::WakeLinks { links: Vec::new() }] {
            assert_eq!(name_of(None, body), None);
        }
    }

    #[test]
    fn a_batch_given_up_still_settles_its_message() {
        let numbers = vec![Numbered { source: "things/left".into(), token: 3, number: 9 }];
        let nil = serde_json::from_str("\"00000000-0000-0000-0000-000000000000\"").expect("an id");
        let batch =
            Batch { jobs: vec![Job::due(nil)], numbers: numbers.clone(), ..Batch::default() };
        let given_up = given_up(batch);
        assert_eq!(given_up.numbers, numbers);
        assert!(given_up.jobs.is_empty());
        assert!(given_up.dead.is_empty(), "a link that is due stays due");
    }
}
