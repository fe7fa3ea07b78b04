//! What happened on one side, in the order in which it took effect. The side writes it, whatever
//! duet believes: this is the evidence that duet is judged by.

use serde::Serialize;
use std::collections::BTreeMap;

/// What a record holds, by column, as text; a column that holds null isn't there.
pub type Fields = BTreeMap<String, String>;

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

impl Place {
    /// Both.
    pub const BOTH: [Place; 2] = [Place::Left, Place::Right];

    /// The opposite one.
    #[must_use]
    pub fn other(self) -> Place {
        match self {
            Place::Left => Place::Right,
            Place::Right => Place::Left,
        }
    }
}

/// Who changed a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Somebody who isn't duet.
    Person,
    /// duet, held to this version of the record, where it named one.
    Duet {
        /// The order of the version that the write expected.
        expected: Option<i64>,
    },
}

/// One change that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When it became visible, in microseconds of virtual time.
    pub at: i64,
    /// The stamp that it carries; earlier than `at` if its transaction stayed open.
    pub stamp: i64,
    /// The record.
    pub record: String,
    /// Who.
    pub by: By,
    /// What it held before; none: it wasn't there.
    pub before: Option<Fields>,
    /// What it held afterwards; none: it was deleted.
    pub after: Option<Fields>,
}

impl Change {
    /// What a column held before and holds afterwards, if the change is about it.
    #[must_use]
    pub fn of(&self, column: &str) -> Option<(Option<&str>, Option<&str>)> {
        let old = self.before.as_ref().and_then(|fields| fields.get(column));
        let new = self.after.as_ref().and_then(|fields| fields.get(column));
        (old != new).then(|| (old.map(String::as_str), new.map(String::as_str)))
    }

    /// Whether duet made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        match self.by {
            By::Person => false,
            By::Duet { .. } => true,
        }
    }
}

/// Everything that happened on a side, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In order.
    pub changes: Vec<Change>,
    /// The grain of the side's stamps, in microseconds; zero: none.
    pub grain: i64,
    /// The records that are there.
    pub rows: BTreeMap<String, Fields>,
}
