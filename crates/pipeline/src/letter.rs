//! Dead letters as they are written: what of a change is known is named, so that a person can find
//! the record, and a later look at it ends the letter.

use crate::batch::{Batch, Job, Target};
use crate::poison::carries;
use duet_core::facts::Event;
use duet_core::id::{FlowName, RecordId};
use duet_core::observation::{Observation, Presence, Version};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::store::{DeadLetter, SeenRecord};
use serde::Deserialize;

/// A dead letter for a job that carries something that would be lost; a link that is due stays due,
/// and an answer is found out by reading.
pub(crate) fn of_job(job: &Job, place: &str, reason: &str) -> Option<DeadLetter> {
    let address = match &job.target {
        Target::Record(address) => Some(address),
        Target::Link(_) => None,
    };
    carries(&job.event).then(|| DeadLetter {
        flow: address.map(|address| address.flow.clone()),
        side: address.map(|address| address.side),
        record: address.map(|address| address.record.clone()),
        read_at: look(&job.event).map(|seen| seen.read_at),
        version: look(&job.event).and_then(|seen| Some(seen.version.as_ref()?.token.clone())),
        place: place.into(),
        reason: reason.into(),
        body: serde_json::to_vec(&job.event).unwrap_or_default(),
    })
}

/// A look at a record. Nothing else ends by being seen again.
fn look(event: &Event) -> Option<&Observation> {
    match event {
        Event::Seen { observation, .. } => Some(observation),
        Event::KeyChanged { .. }
        | Event::KeyTaken { .. }
        | Event::Received(_)
        | Event::Overdue(_)
        | Event::Due => None,
    }
}

/// What a change tells of itself even if the whole of it isn't understood.
#[derive(Deserialize)]
struct Named {
    flow: Option<FlowName>,
    side: Option<Side>,
    record: Option<RecordId>,
    seen: Option<SeenAt>,
}

#[derive(Deserialize)]
struct SeenAt {
    read_at: Option<Stamp>,
    version: Option<Version>,
}

/// A dead letter for the text of a change.
pub(crate) fn of_text(text: &str, place: &str, reason: String) -> DeadLetter {
    let nothing = Named { flow: None, side: None, record: None, seen: None };
    let Named { flow, side, record, seen } = serde_json::from_str(text).unwrap_or(nothing);
    DeadLetter {
        flow,
        side,
        record,
        read_at: seen.as_ref().and_then(|seen| seen.read_at),
        version: seen.and_then(|seen| seen.version).map(|version| version.token),
        place: place.into(),
        reason,
        body: text.as_bytes().to_vec(),
    }
}

/// The looks at records that a batch decides, or buries: older letters about them are over.
pub(crate) fn seen(batch: &Batch) -> Vec<SeenRecord<'_>> {
    let decided = batch.jobs.iter().filter_map(|job| match (&job.target, &job.event) {
        (Target::Record(address), Event::Seen { observation, .. })
            if observation.presence != Presence::Unknown =>
        {
            let (flow, side, record) = (&address.flow, address.side, &address.record);
            Some(SeenRecord { flow, side, record, read_at: observation.read_at, died: None })
        }
        _ => None,
    });
    let buried = batch.dead.iter().filter_map(|letter| {
        let (flow, side) = (letter.flow.as_ref()?, letter.side?);
        let (record, read_at) = (letter.record.as_ref()?, letter.read_at?);
        Some(SeenRecord { flow, side, record, read_at, died: letter.version.as_deref() })
    });
    decided.chain(buried).collect()
}

#[cfg(test)]
mod tests {
    //! Shows what is known of changes that aren't understood.

    use super::*;

    #[test]
    fn what_is_not_understood_still_tells_its_record() {
        let text = r#"{"flow":"things","side":"left","record":"r1","seen":{"read_at":7,
            "version":{"order":null,"token":"v3"}},"x":[]}"#;
        let letter = of_text(text, "reconcile", "no".into());
        assert_eq!(letter.flow, Some("things".into()));
        assert_eq!((letter.side, letter.record), (Some(Side::Left), Some("r1".into())));
        assert_eq!((letter.read_at, letter.body), (Some(Stamp(7)), text.as_bytes().to_vec()));
        assert_eq!(letter.version.as_deref(), Some("v3"));
        for text in ["17", "", r#"{"flow":"things","side":"middle"}"#] {
            let letter = of_text(text, "reconcile", "no".into());
            assert_eq!((letter.flow, letter.record, letter.read_at), (None, None, None), "{text}");
        }
    }
}
