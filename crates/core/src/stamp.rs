//! Points in time as they are stored and compared: microseconds since the epoch, UTC.
//!
//! An `i64` orders the same in every database; database timestamp types do not
//! (`docs/decisions/0001-stamps-are-microseconds.md`).

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z. Given to the core, never read by it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Stamp(pub i64);

impl Stamp {
    /// One second, in the unit of a stamp.
    pub const SECOND: i64 = 1_000_000;

    /// This stamp moved by `micros`; saturates instead of wrapping.
    #[must_use]
    pub fn plus(self, micros: i64) -> Stamp {
        Stamp(self.0.saturating_add(micros))
    }

    /// This stamp moved by whole seconds.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Stamp {
        self.plus(seconds.saturating_mul(Self::SECOND))
    }

    /// As a calendar time; `None` outside the calendar's range.
    #[must_use]
    pub fn to_datetime(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }
}

impl From<DateTime<Utc>> for Stamp {
    fn from(at: DateTime<Utc>) -> Self {
        Stamp(at.timestamp_micros())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}
