//! Positions as they are stored: a place in the order of (stamp, id), as JSON.

use crate::soql::Mark;
use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use serde::{Deserialize, Serialize};

/// A place, and for a head also the detector and cycle that it was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) mark: Mark,
    pub(super) cycle: Option<(Stamp, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    at: Stamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cycle: Option<(Stamp, u64)>,
}

impl Place {
    pub(super) fn at(mark: Mark) -> Place {
        Place { mark, cycle: None }
    }

    pub(super) fn position(&self) -> Position {
        let Mark { at, id } = self.mark.clone();
        let stored = Stored { at, id, cycle: self.cycle };
        Position(serde_json::to_string(&stored).expect("plain values have no failing serializer"))
    }

    pub(super) fn parse(position: &Position) -> Option<Place> {
        let stored: Stored = serde_json::from_str(&position.0).ok()?;
        Some(Place { mark: Mark { at: stored.at, id: stored.id }, cycle: stored.cycle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let mark = Mark { at: Stamp(7), id: "001".to_owned() };
        let places = [
            Place::at(mark.clone()),
            Place::at(Mark::default()),
            Place { mark, cycle: Some((Stamp(1), 2)) },
        ];
        for place in places {
            assert_eq!(Place::parse(&place.position()), Some(place));
        }
        assert_eq!(Place::parse(&Position("17".to_owned())), None);
    }
}
