//! The agreed state: what both sides owe each other, and what of each side it takes into account.

use crate::id::{FieldName, RecordId};
use crate::observation::{ActorClass, Version};
use crate::side::Both;
use crate::stamp::Stamp;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// By field name. A mapped field without an entry is not agreed yet (first-link rows).
    pub fields: BTreeMap<FieldName, AgreedField>,
}

/// What is agreed of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedField {
    /// The trunk: the content both sides owe each other, in the flow's neutral form.
    pub trunk: Value,
    /// When the trunk last changed.
    pub at: Stamp,
    /// Where the trunk's content came from.
    pub origin: Origin,
    /// Per side, the last value, in the side's own form as read, that the trunk takes into account.
    /// The merge base of that side. `None`: the side has never confirmed anything.
    #[serde(with = "accounted")]
    pub accounted: Both<Option<Value>>,
    /// Per side, whether its difference from this trunk is tolerated (rows F7, F10); a new trunk
    /// value clears it.
    #[serde(default)]
    pub tolerated: Both<bool>,
    /// How many changes in a row were caused by duet's own writes (loop breaker, I16).
    #[serde(default)]
    pub hops: u8,
    /// When the content was changed at its origin: the interval's ends, where known (3.4).
    #[serde(default)]
    pub changed: Option<(Stamp, Stamp)>,
    /// Who changed it there.
    #[serde(default)]
    pub by: ActorClass,
    /// Per side, when a change of this field was last taken in: both within ten minutes ask for
    /// the guarded path (design, section 6).
    #[serde(default)]
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

/// How accounted values are stored. Absent, null and a value are three things: a side that has
/// never confirmed anything is left out, and `null` is the value.
mod accounted {
    use super::{Both, Value};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        right: Option<&'a Value>,
    }

    #[derive(Deserialize)]
    struct Read {
        #[serde(default, deserialize_with = "known")]
        left: Option<Value>,
        #[serde(default, deserialize_with = "known")]
        right: Option<Value>,
    }

    fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(from).map(Some)
    }

    pub(super) fn serialize<S: Serializer>(
        values: &Both<Option<Value>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let Both { left, right } = values;
        Written { left: left.as_ref(), right: right.as_ref() }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Both<Option<Value>>, D::Error> {
        Read::deserialize(from).map(|Read { left, right }| Both { left, right })
    }
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
        let stored = serde_json::to_string(&field).unwrap();
        assert_eq!(serde_json::from_str::<AgreedField>(&stored).unwrap(), field);
        let swapped = AgreedField {
            accounted: Both { left: None, right: Some(Value::Integer(1)) },
            ..field.clone()
        };
        let stored = serde_json::to_string(&swapped).unwrap();
        assert_eq!(serde_json::from_str::<AgreedField>(&stored).unwrap(), swapped);
    }
}
