//! What a flow's links are keyed by: which record an id means on each side. Decides whether links of
//! an earlier configuration still mean the same records.
//!
//! Not here: where it is noted (`ports`), and what is done about a change (`pipeline`, `cli`).

use crate::id::{Column, ConnectionName, FlowName};
use crate::side::{Both, Side};
use crate::spec::End;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the record ids of one side of a flow are made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyedBy {
    /// The connection.
    pub connection: ConnectionName,
    /// Table or object.
    pub collection: String,
    /// Key columns, in order. Empty: the configuration leaves them to the side, which wasn't asked.
    pub key: Vec<Column>,
}

impl KeyedBy {
    /// What an end is keyed by; `told` are the side's own key columns, for one that names none.
    #[must_use]
    pub fn of(end: &End, told: &[Column]) -> KeyedBy {
        let key = if end.key.is_empty() { told.to_vec() } else { end.key.clone() };
        KeyedBy { connection: end.connection.clone(), collection: end.collection.clone(), key }
    }

    /// Whether an id means the same record here and there. Unknown key columns differ from none.
    fn means_as(&self, other: &KeyedBy) -> bool {
        let known = !self.key.is_empty() && !other.key.is_empty();
        self.connection == other.connection
            && self.collection == other.collection
            && (!known || self.key == other.key)
    }
}

impl fmt::Display for KeyedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.key.iter().map(Column::as_str).collect();
        let key = if columns.is_empty() { "primary key".to_owned() } else { columns.join(", ") };
        write!(f, "{} ({key}) of connection {}", self.collection, self.connection)
    }
}

/// A side whose record ids mean other records by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The side.
    pub side: Side,
    /// What the links are keyed by.
    pub was: KeyedBy,
    /// What the configuration says.
    pub is: KeyedBy,
}

/// A flow whose links are keyed by something else than the configuration says. Its ids can't be told
/// from those of other records, so nothing of it may be read, decided or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rekeyed {
    /// The flow.
    pub flow: FlowName,
    /// What moved, left first; never empty.
    pub sides: Vec<Moved>,
}

impl Rekeyed {
    /// What to do about it.
    pub const ADVICE: &'static str = "put the key back, or start over under another name of the \
                                      flow: docs/reference/keys.md";

    /// Compares what a flow's links are keyed by with the configuration. `None`: they fit.
    #[must_use]
    pub fn of(flow: &FlowName, noted: &Both<KeyedBy>, now: &Both<KeyedBy>) -> Option<Rekeyed> {
        let moved = |side: Side| {
            let (was, is) = (noted.get(side), now.get(side));
            (!was.means_as(is)).then(|| Moved { side, was: was.clone(), is: is.clone() })
        };
        let sides: Vec<Moved> = Side::BOTH.into_iter().filter_map(moved).collect();
        (!sides.is_empty()).then(|| Rekeyed { flow: flow.clone(), sides })
    }
}

impl fmt::Display for Rekeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key of flow {} changed", self.flow)?;
        for Moved { side, was, is } in &self.sides {
            write!(f, "; its links hold ids of {was} on the {side}, the configuration says {is}")?;
        }
        f.write_str(
            ". Under the new key they would mean other records, and their own would look deleted: \
             nothing of the flow is read, decided or written",
        )
    }
}
