//! The edge: text with NUL can't be stored, so nothing is decided from it. A change that holds some
//! becomes a dead letter that names record and column; an answer that does is refused, so that its
//! call waits for a person. Both are over when the record is mended and seen again.
//!
//! Not here: what else can't be stored is a broken invariant, found by the store itself.

use crate::batch::{Batch, Job};
use crate::letter;
use duet_core::facts::Event;
use duet_core::id::{Column, RecordId};
use duet_core::intent::{Found, Outcome, Receipt};
use duet_core::observation::Observation;
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;

/// Where such changes die.
const PLACE: &str = "edge";
/// The code of a call whose answer holds such text.
const CODE: &str = "TEXT_WITH_NUL";
/// What stands for NUL where a sentence holds it.
const SHOWN: &str = "\u{fffd}";

/// What of a record holds NUL.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Column(Column),
    Key,
    Version,
    Actor,
}

impl Place {
    fn sentence(&self) -> String {
        let place = match self {
            Place::Column(column) => format!("column {column}"),
            Place::Key => {
                let what = "NUL (U+0000) or bytes that are no text";
                return format!("the key holds {what}, which can't be stored");
            }
            Place::Version => "the version".to_owned(),
            Place::Actor => "the name of who changed it".to_owned(),
        };
        format!("{place} holds text with NUL (U+0000), which can't be stored")
    }
}

/// The batch without what can't be stored.
pub(crate) fn admit(mut batch: Batch) -> Batch {
    let (mut jobs, mut dead) = (Vec::with_capacity(batch.jobs.len()), Vec::new());
    for mut job in std::mem::take(&mut batch.jobs) {
        if let Event::Received(receipt) = &mut job.event {
            answer(receipt);
        }
        match refused(&job) {
            Some(place) => {
                let reason = place.sentence();
                tracing::warn!(
                    flow = job.flow().map(tracing::field::display),
                    reason,
                    "a change is refused"
                );
                dead.extend(letter::of_job(&job, PLACE, &reason));
            }
            None => jobs.push(job),
        }
    }
    batch.jobs = jobs;
    batch.dead.extend(dead);
    batch
}

fn refused(job: &Job) -> Option<Place> {
    match &job.event {
        Event::Seen { record, observation, .. } => key(record).or_else(|| seen(observation)),
        Event::KeyChanged { old, new, .. } => key(old).or_else(|| key(new)),
        Event::KeyTaken { record, .. } => key(record),
        Event::Received(_) | Event::Overdue(_) | Event::Due => None,
    }
}

fn key(record: &RecordId) -> Option<Place> {
    record.as_str().contains('\0').then_some(Place::Key)
}

fn seen(observation: &Observation) -> Option<Place> {
    let mut columns = observation.image.iter();
    let column = columns.find(|(_, value)| holds_nul(value)).map(|(column, _)| column);
    let actor = || observation.actor.name.as_ref().is_some_and(|name| name.contains('\0'));
    let version = || observation.version.as_ref().is_some_and(|one| one.token.contains('\0'));
    column
        .map(|column| Place::Column(column.clone()))
        .or_else(|| actor().then_some(Place::Actor))
        .or_else(|| version().then_some(Place::Version))
}

fn found(found: &Found) -> Option<Place> {
    key(&found.record).or_else(|| seen(&found.observation))
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.contains('\0'),
        Value::Set(items) => items.iter().any(|item| item.contains('\0')),
        Value::Tuple(parts) => parts.iter().any(holds_nul),
        Value::Null
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Link(_) => false,
    }
}

/// An answer that can be stored. What a write left behind is read again if it can't be; a read or a
/// search that can't be used is refused.
fn answer(receipt: &mut Receipt) {
    let place = match &mut receipt.outcome {
        Outcome::Landed { record, after } => {
            after.take_if(|after| seen(after).is_some());
            key(record)
        }
        Outcome::Read(observation) => seen(observation),
        Outcome::Found(all) => all.iter().find_map(found),
        Outcome::Refused { failure, observed } => {
            observed.take_if(|observed| found(observed).is_some());
            legible(failure);
            None
        }
        Outcome::Unknown(failure) | Outcome::NotSent(failure) => {
            legible(failure);
            None
        }
    };
    let Some(place) = place else { return };
    let failure = failure(&place);
    receipt.outcome = match receipt.outcome {
        Outcome::Landed { .. } => Outcome::Unknown(failure),
        _ => Outcome::Refused { failure, observed: None },
    };
}

fn failure(place: &Place) -> Failure {
    let columns = match place {
        Place::Column(column) => vec![column.to_string()],
        Place::Key | Place::Version | Place::Actor => Vec::new(),
    };
    Failure {
        class: FailureClass::Validation,
        code: CODE.into(),
        message: place.sentence(),
        columns,
        retry_after_us: None,
    }
}

/// A side's own words may hold anything.
fn legible(failure: &mut Failure) {
    let Failure { code, message, columns, .. } = failure;
    for text in [code, message].into_iter().chain(columns) {
        if text.contains('\0') {
            *text = text.replace('\0', SHOWN);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Shows where NUL is looked for, and what becomes of each kind of news that holds it.

    use super::*;
    use crate::batch::Target;
    use duet_core::id::{IntentId, LinkId};
    use duet_core::observation::{Actor, Version};
    use duet_core::side::Side;
    use duet_core::stamp::Stamp;
    use duet_ports::store::Address;

    const BAD: &str = "a\0b";

    fn nil() -> LinkId {
        serde_json::from_str("\"00000000-0000-0000-0000-000000000000\"").expect("an id")
    }

    fn holding(value: Value) -> Observation {
        let image = [(Column::from("Name"), value)].into();
        Observation { image, read_at: Stamp(7), ..Observation::default() }
    }

    fn job(record: &str, observation: Observation) -> Job {
        let (flow, side, record) = ("things".into(), Side::Left, RecordId::from(record));
        let address = Address { flow, side, record: record.clone(), marker: None };
        let event = Event::Seen { side, record, observation: Box::new(observation) };
        Job { target: Target::Record(address), event, cause: "test" }
    }

    fn received(outcome: Outcome) -> Outcome {
        let receipt =
            Receipt { intent: IntentId(nil().0), at: Stamp(0), sent_at: Stamp(0), outcome };
        let event = Event::Received(Box::new(receipt));
        let job = Job { target: Target::Link(nil()), event, cause: "receipt" };
        let mut admitted = admit(Batch::of(vec![job]));
        assert!(admitted.dead.is_empty(), "an answer is no dead letter");
        match admitted.jobs.remove(0).event {
            Event::Received(receipt) => receipt.outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_with_nul_dies_alone_and_tells_record_and_column() {
        let named = |name: &str| Actor { name: Some(name.into()), ..Actor::default() };
        let bad = [
            ("r", holding(Value::text(BAD)), "column Name"),
            ("r", holding(Value::Set([BAD.to_owned()].into())), "column Name"),
            ("r", holding(Value::Tuple(vec![Value::Null, Value::text(BAD)])), "column Name"),
            (BAD, holding(Value::Null), "the key"),
            ("r", Observation { actor: named(BAD), ..holding(Value::Null) }, "who changed it"),
            (
                "r",
                Observation {
                    version: Some(Version { order: None, token: BAD.into() }),
                    ..holding(Value::Null)
                },
                "the version",
            ),
        ];
        for (record, observation, word) in bad {
            let good = job("good", holding(Value::text("a\\0b")));
            let batch = Batch::of(vec![job(record, observation), good.clone()]);
            let admitted = admit(batch);
            assert_eq!(admitted.jobs, [good], "{word}");
            let [letter] = admitted.dead.as_slice() else { panic!("one letter: {word}") };
            assert!(letter.reason.contains(word), "{}", letter.reason);
            assert!(!letter.reason.contains('\0') && letter.read_at == Some(Stamp(7)));
            assert_eq!(
                (letter.side, letter.record.clone()),
                (Some(Side::Left), Some(record.into()))
            );
        }
    }

    #[test]
    fn a_key_change_onto_nul_is_refused_too() {
        let changed = |old: &str, new: &str| Event::KeyChanged {
            side: Side::Left,
            old: old.into(),
            new: new.into(),
            order: None,
        };
        for event in [changed("a", BAD), changed(BAD, "a")] {
            let job = Job { event, ..job("a", Observation::default()) };
            let admitted = admit(Batch::of(vec![job]));
            assert_eq!((admitted.jobs.len(), admitted.dead.len()), (0, 1));
            assert_eq!(admitted.dead[0].read_at, None, "being seen again doesn't end it");
        }
    }

    #[test]
    fn an_answer_with_nul_is_refused_or_read_again() {
        let bad = || holding(Value::text(BAD));
        let refused = |outcome: &Outcome| match outcome {
            Outcome::Refused { failure, observed: None } => {
                assert!(!failure.message.contains('\0'), "no value is told");
                failure.class == FailureClass::Validation && failure.columns == ["Name"]
            }
            _ => false,
        };
        assert!(refused(&received(Outcome::Read(Box::new(bad())))));
        let hit = |observation| Found { record: "r".into(), rule: None, observation };
        let good = || hit(holding(Value::text("x")));
        assert!(refused(&received(Outcome::Found(vec![good(), hit(bad())]))));
        let landed = |record: &str, after: Observation| {
            received(Outcome::Landed { record: record.into(), after: Some(Box::new(after)) })
        };
        assert_eq!(landed("r", bad()), Outcome::Landed { record: "r".into(), after: None });
        assert!(matches!(landed(BAD, good().observation), Outcome::Unknown(_)));
        let words =
            Failure { message: BAD.into(), columns: vec![BAD.into()], ..failure(&Place::Key) };
        let observed = Some(Box::new(hit(bad())));
        match received(Outcome::Refused { failure: words, observed }) {
            Outcome::Refused { failure, observed: None } => {
                assert_eq!(
                    (failure.message.as_str(), failure.columns[0].as_str()),
                    ("a\u{fffd}b", "a\u{fffd}b")
                );
            }
            other => panic!("{other:?}"),
        }
        let fine = Outcome::Read(Box::new(good().observation));
        assert_eq!(received(fine.clone()), fine);
    }
}
