//! Every identifier, as a type of its own: a left id can't be passed where a link's id belongs.

use crate::value::Text;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Text);

        impl $name {
            /// Wraps a text that is known to be one.
            pub fn new(text: impl Into<Text>) -> Self {
                $name(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $name(Text::new(text))
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

uuid_id! {
    /// A link: the identity of one record on both sides. Time-ordered (UUID v7), so "older" is "less".
    LinkId
}
uuid_id! {
    /// An intent. Also the write marker that a side stores beside what the intent wrote.
    /// Derived from its link and revision ([`derived`]), so that the core stays deterministic.
    IntentId
}
uuid_id! {
    /// A conflict; derived like an intent's id.
    ConflictId
}
uuid_id! {
    /// A field error: a value of a link that is kept back. Derived from the link and the field.
    FieldErrorId
}
text_id! {
    /// A flow's name, as in `[flow.NAME]`.
    FlowName
}
text_id! {
    /// A connection's name, as in `[connections.NAME]`.
    ConnectionName
}
text_id! {
    /// A record's id on its side: the text of its key; parts of a composite key joined by `-`,
    /// with `-` and `%` inside a part percent-encoded ([`RecordId::from_parts`]).
    RecordId
}
text_id! {
    /// A mapped field's name, as in `[flow.X.fields]`.
    FieldName
}
text_id! {
    /// A column of a table, or a field of an object, as its side names it.
    Column
}
text_id! {
    /// A row of the decision tables, such as `R23`, `F5a`, `G7`, `H4`, `M3`, `P2`, `S1`.
    Row
}

impl RecordId {
    /// The id of a record whose key has these parts, in key order. One part stands as it is.
    #[must_use]
    pub fn from_parts(parts: &[String]) -> RecordId {
        if let [only] = parts {
            return RecordId::new(only.as_str());
        }
        let encoded: Vec<String> =
            parts.iter().map(|part| part.replace('%', "%25").replace('-', "%2D")).collect();
        RecordId::new(encoded.join("-"))
    }

    /// The key parts of an id with `count` parts; `None` when it doesn't have that many.
    #[must_use]
    pub fn to_parts(&self, count: usize) -> Option<Vec<String>> {
        if count == 1 {
            return Some(vec![self.0.to_string()]);
        }
        let parts: Vec<String> =
            self.0.split('-').map(|part| part.replace("%2D", "-").replace("%25", "%")).collect();
        (parts.len() == count).then_some(parts)
    }
}

/// An id derived from a link, its revision and a name: the same facts give the same ids.
#[must_use]
pub fn derived(link: LinkId, rev: i64, name: &str) -> Uuid {
    Uuid::new_v5(&link.0, format!("{rev}/{name}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composite_keys_come_back() {
        for parts in [vec!["10248", "11"], vec!["a-b", "c%2D"], vec!["", "-"], vec!["%", "%25"]] {
            let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
            let id = RecordId::from_parts(&parts);
            assert_eq!(id.to_parts(parts.len()), Some(parts));
        }
        assert_eq!(RecordId::from("a-b").to_parts(1), Some(vec!["a-b".to_owned()]));
        assert_eq!(RecordId::from("a-b").to_parts(3), None);
    }

    #[test]
    fn derived_ids_depend_on_all_their_parts() {
        let link = LinkId(Uuid::from_u128(1));
        let other = LinkId(Uuid::from_u128(2));
        let ids = [
            derived(link, 1, "a"),
            derived(link, 2, "a"),
            derived(link, 1, "b"),
            derived(other, 1, "a"),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(derived(link, 1, "a"), ids[0]);
    }
}
