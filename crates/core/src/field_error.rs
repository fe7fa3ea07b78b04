//! Field errors: values that are kept back while the record's other fields go on, because the other
//! side can't hold them (row F8) or their parent's record did not come in time (row P4).
//!
//! Not here: when one is found (`reconcile`). A whole call that a side refused is a failure of its
//! intent (`retry`).

use crate::id::{Column, FieldErrorId, FieldName, LinkId, derived};
use crate::side::Side;
use crate::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// Why a value is kept back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldErrorCode {
    /// It has no equal on the other side, or doesn't fit there (row F8).
    Unmappable,
    /// The parent's record that it names did not come in time (row P4).
    Dependency,
}

impl FieldErrorCode {
    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FieldErrorCode::Unmappable => "unmappable",
            FieldErrorCode::Dependency => "dependency",
        }
    }
}

/// A value that is kept back. Holds no value of a record; of a parent its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field. A link has at most one error per field.
    pub field: FieldName,
    /// Why.
    pub code: FieldErrorCode,
    /// The side whose value is kept back.
    pub source: Side,
    /// The side of `column`: the source, where its value can't be read as the field's, else the
    /// side that can't take it.
    pub side: Side,
    /// The column that the value was meant for or comes from; of a group one of them.
    pub column: Column,
    /// What is wrong, for people, without the value.
    pub reason: String,
    /// Since when: the first verdict that found it so, without a break.
    pub since: Stamp,
}

impl FieldError {
    /// Its id: the same for as long as the field of this link is in error, and when it is again.
    #[must_use]
    pub fn id(&self, link: LinkId) -> FieldErrorId {
        FieldErrorId(derived(link, 0, &format!("field error/{}", self.field)))
    }

    /// The same error but for the words and the time: it goes on.
    #[must_use]
    pub fn continues(&self, earlier: &FieldError) -> bool {
        self.field == earlier.field
            && self.code == earlier.code
            && self.source == earlier.source
            && self.side == earlier.side
            && self.column == earlier.column
    }

    /// What a person can do about it, in one or two sentences without values.
    #[must_use]
    pub fn advice(&self) -> String {
        let FieldError { field, source, side, column, .. } = self;
        match self.code {
            FieldErrorCode::Unmappable if source == side => format!(
                "Correct the {source} record, or let field {field} of the flow understand its \
                 value (`map`, transforms). A corrected record goes through by itself; after a \
                 change of the flow use `duet errors retry`."
            ),
            FieldErrorCode::Unmappable => format!(
                "Correct the {source} record, or let the {side} column {column} or field {field} \
                 of the flow take its value. A corrected record goes through by itself; after a \
                 change of the column or the flow use `duet errors retry`."
            ),
            FieldErrorCode::Dependency => format!(
                "Let the parent's flow bring its record to both sides, or correct the {source} \
                 record's reference; field {field} follows by itself."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Shows what makes two errors one, and that advice names sides and columns.

    use super::*;
    use uuid::Uuid;

    fn error(field: &str, code: FieldErrorCode, side: Side) -> FieldError {
        FieldError {
            field: field.into(),
            code,
            source: Side::Right,
            side,
            column: "Phone".into(),
            reason: "too long".to_owned(),
            since: Stamp(1),
        }
    }

    #[test]
    fn an_error_keeps_its_id_whatever_it_says() {
        let link = LinkId(Uuid::from_u128(7));
        let first = error("phone", FieldErrorCode::Unmappable, Side::Left);
        let again = FieldError { reason: "longer".into(), since: Stamp(9), ..first.clone() };
        assert!(again.continues(&first));
        assert_eq!(first.id(link), again.id(link));
        let other = error("fax", FieldErrorCode::Unmappable, Side::Left);
        assert!(!other.continues(&first));
        assert_ne!(first.id(link), other.id(link));
        assert_ne!(first.id(link), first.id(LinkId(Uuid::from_u128(8))));
        let moved = error("phone", FieldErrorCode::Unmappable, Side::Right);
        assert!(!moved.continues(&first));
    }

    #[test]
    fn advice_says_whom_to_ask_for_what() {
        let put = error("phone", FieldErrorCode::Unmappable, Side::Left).advice();
        assert!(put.contains("right record") && put.contains("left column Phone"), "{put}");
        let got = error("phone", FieldErrorCode::Unmappable, Side::Right).advice();
        assert!(got.contains("right record") && !got.contains("column"), "{got}");
        let parent = error("phone", FieldErrorCode::Dependency, Side::Left).advice();
        assert!(parent.contains("parent's flow"), "{parent}");
    }

    #[test]
    fn names_are_those_that_are_stored() {
        for code in [FieldErrorCode::Unmappable, FieldErrorCode::Dependency] {
            let stored = serde_json::to_value(code).expect("a name");
            assert_eq!(stored, code.as_str());
        }
    }
}
