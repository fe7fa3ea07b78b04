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

/// A place so far behind is moved on although nothing changed.
const BEHIND_US: i64 = 2 * DAY_US;
/// A day.
pub(super) const DAY_US: i64 = 24 * 3_600 * Stamp::SECOND;

/// The place after a look at `asked_at` that found nothing behind it. Where nothing changes it moves
/// on to the day before, once a day: its age tells how long nobody looked, not how long nothing
/// happened. What becomes visible late is minutes late, never a day.
pub(super) fn up_to_date(place: Mark, asked_at: Stamp) -> Mark {
    if place.at >= asked_at.plus(-BEHIND_US) { place } else { second(asked_at.plus(-DAY_US)) }
}

/// The place before every record of a second: stamps have whole ones.
pub(super) fn second(at: Stamp) -> Mark {
    Mark { at: Stamp(at.0 - at.0.rem_euclid(Stamp::SECOND)), id: String::new() }
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

    #[test]
    fn a_place_moves_on_once_a_day_where_nothing_changes() {
        let days = |days: i64| Stamp(days * DAY_US);
        let place = |at: Stamp| Mark { at, id: "001".to_owned() };
        for (at, asked_at) in [(days(100), days(100)), (days(98), days(100))] {
            assert_eq!(up_to_date(place(at), asked_at), place(at));
        }
        let behind = place(Stamp(days(98).0 - 1));
        assert_eq!(up_to_date(behind, Stamp(days(100).0 + 1)), second(days(99)));
    }
}
