//! The agreed state: what both sides owe each other, and what of each side it takes into account.

mod form;

use crate::id::{FieldName, RecordId};
use crate::observation::{ActorClass, Version};
use crate::side::Both;
use crate::sorted::Sorted;
use crate::stamp::Stamp;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// The agreed state of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreed {
    /// Nothing was ever agreed.
    #[default]
    None,
    /// Content is agreed.
    Pair(Pair),
    /// Both sides agree that the record is gone.
    Tomb(Tomb),
}

/// Agreed content, per field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// By field name. A mapped field without an entry is not agreed yet (first-link rows).
    pub fields: Sorted<FieldName, AgreedField>,
}

/// What is agreed of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedField {
    /// The trunk: the content both sides owe each other, in the flow's neutral form.
    pub trunk: Value,
    /// When the trunk last changed.
    pub at: Stamp,
    /// Where the trunk's content came from.
    pub origin: Origin,
    /// Per side, the last value, in the side's own form as read, that the trunk takes into account.
    /// The merge base of that side. `None`: the side has never confirmed anything.
    pub accounted: Both<Option<Value>>,
    /// Per side, whether its difference from this trunk is tolerated (rows F7, F10); a new trunk
    /// value clears it.
    pub tolerated: Both<bool>,
    /// How many changes in a row were caused by duet's own writes (loop breaker, I16).
    pub hops: u8,
    /// When the content was changed at its origin: the interval's ends, where known (3.4).
    pub changed: Option<(Stamp, Stamp)>,
    /// Who changed it there.
    pub by: ActorClass,
    /// Per side, when a change of this field was last taken in: both within ten minutes ask for
    /// the guarded path (design, section 6).
    pub moved: Both<Option<Stamp>>,
}

/// Where content came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The left side.
    Left,
    /// The right side.
    Right,
    /// Both sides held it.
    Both,
    /// A merge of several values.
    Merge,
    /// A person chose it.
    Person,
}

/// The memory of an agreed deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tomb {
    /// When the deletion was agreed.
    pub at: Stamp,
    /// Each side's version at the deletion: only what is newer can bring the record back (I13).
    pub version: Both<Option<Version>>,
    /// Each side's record id at the deletion.
    pub record: Both<Option<RecordId>>,
    /// The last agreed content, the base if the record comes back (row R51).
    pub last: Pair,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_that_a_side_confirmed_is_not_the_same_as_nothing_confirmed() {
        let field = AgreedField {
            trunk: Value::Null,
            at: Stamp(1),
            origin: Origin::Both,
            accounted: Both { left: Some(Value::Null), right: None },
            tolerated: Both::default(),
            hops: 0,
            changed: None,
            by: ActorClass::default(),
            moved: Both::default(),
        };
        let swapped = AgreedField {
            accounted: Both { left: None, right: Some(Value::Integer(1)) },
            ..field.clone()
        };
        for field in [field, swapped] {
            let pair = Pair { fields: [("f".into(), field)].into() };
            let stored = serde_json::to_string(&pair).unwrap();
            assert_eq!(serde_json::from_str::<Pair>(&stored).unwrap(), pair, "{stored}");
        }
    }
}
