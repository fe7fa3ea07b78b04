//! A record as it is seen.

use super::{Row, SimSide, State};
use duet_core::id::RecordId;
use duet_core::image::Image;
use duet_core::observation::{Absence, Deletion, Observation, Presence, Source, Version};
use duet_core::stamp::Stamp;
use duet_ports::connector::Record;

impl SimSide {
    /// The record as it is now.
    pub(super) fn observe(
        &self,
        state: &State,
        record: &RecordId,
        at: Stamp,
        source: Source,
    ) -> Record {
        let blank = Observation { read_at: at, source, ..Observation::default() };
        let observation = match state.rows.get(record) {
            None => {
                let presence = Presence::OutOfScope(Absence::Visibility);
                Observation { presence, ..blank }
            }
            Some(row) => Observation {
                presence: presence(row),
                image: if row.deleted { Image::new() } else { row.image.clone() },
                version: Some(version(row)),
                changed_at: Some(row.changed_at),
                marker: row.marker.filter(|_| self.shared.nature.has_marker()),
                ..blank
            },
        };
        Record { record: record.clone(), observation }
    }
}

pub(super) fn version(row: &Row) -> Version {
    Version { order: Some(row.version), token: row.version.to_string() }
}

fn presence(row: &Row) -> Presence {
    if row.deleted { Presence::Deleted(Deletion::Hard) } else { Presence::Present }
}
