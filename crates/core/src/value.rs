//! Typed values. Absent (no entry in an image), null and a value are three different things.

mod wire;

use crate::decimal::Decimal;
use crate::id::LinkId;
use crate::stamp::Stamp;
use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A text that never changes: a short one needs no memory of its own, a long one is shared by its
/// copies.
pub use smol_str::SmolStr as Text;

/// One value in canonical form: equal values compare equal with `==`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Known to be empty. "Not seen" is the absence of an entry, never this.
    Null,
    /// Text.
    Text(Text),
    /// A whole number.
    Integer(i64),
    /// A decimal number of any length, normalised ([`Value::decimal`]): `1.20` is `1.2`.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
    /// A calendar day.
    Date(NaiveDate),
    /// A point in time.
    Instant(Stamp),
    /// A set of texts (tags, multi-select picklists).
    Set(BTreeSet<String>),
    /// A reference to another record, by its link: what trunk and agreed values hold for a parent.
    Link(LinkId),
    /// The values of a group of columns, in the group's order.
    Tuple(Vec<Value>),
}

/// The kind of a value, without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// [`Value::Text`].
    Text,
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Decimal`].
    Decimal,
    /// [`Value::Boolean`].
    Boolean,
    /// [`Value::Date`].
    Date,
    /// [`Value::Instant`].
    Instant,
    /// [`Value::Set`].
    Set,
}

impl ValueType {
    /// Its name, as configuration and messages write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ValueType::Text => "text",
            ValueType::Integer => "integer",
            ValueType::Decimal => "decimal",
            ValueType::Boolean => "boolean",
            ValueType::Date => "date",
            ValueType::Instant => "instant",
            ValueType::Set => "set",
        }
    }
}

/// The most digits a decimal may have; a longer one is refused where it enters.
pub const DECIMAL_DIGITS_MAX: u64 = 1_000;

impl Value {
    /// A decimal in canonical form (no trailing zeros).
    #[must_use]
    pub fn decimal(number: BigDecimal) -> Value {
        Value::Decimal(number.into())
    }

    /// Text from anything that is text.
    pub fn text(text: impl Into<Text>) -> Value {
        Value::Text(text.into())
    }

    /// Its kind; none for null, references and groups.
    #[must_use]
    pub fn kind(&self) -> Option<ValueType> {
        match self {
            Value::Text(_) => Some(ValueType::Text),
            Value::Integer(_) => Some(ValueType::Integer),
            Value::Decimal(_) => Some(ValueType::Decimal),
            Value::Boolean(_) => Some(ValueType::Boolean),
            Value::Date(_) => Some(ValueType::Date),
            Value::Instant(_) => Some(ValueType::Instant),
            Value::Set(_) => Some(ValueType::Set),
            Value::Null | Value::Link(_) | Value::Tuple(_) => None,
        }
    }

    /// Whether this is null, or a group of nothing but nulls.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Tuple(parts) => parts.iter().all(Value::is_null),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Boolean(_)
            | Value::Date(_)
            | Value::Instant(_)
            | Value::Set(_)
            | Value::Link(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_comes_back_from_json() {
        let all = vec![
            Value::Null,
            Value::text("a"),
            Value::Integer(-7),
            Value::decimal("1.20".parse().expect("a number")),
            Value::Boolean(true),
            Value::Date(NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day")),
            Value::Instant(Stamp(5)),
            Value::Set(BTreeSet::from(["x".to_owned(), "y".to_owned()])),
            Value::Link(LinkId(uuid::Uuid::from_u128(9))),
            Value::Tuple(vec![Value::Null, Value::text("b"), Value::Integer(1)]),
        ];
        for value in all {
            let json = serde_json::to_string(&value).expect("a value can be written");
            let back: Value = serde_json::from_str(&json).expect(&json);
            assert_eq!(back, value, "{json}");
        }
    }

    #[test]
    fn a_short_text_of_a_huge_number_is_refused() {
        let huge = r#"{"decimal":"1E999999999"}"#;
        assert!(serde_json::from_str::<Value>(huge).is_err());
    }

    #[test]
    fn decimals_compare_by_value() {
        let short = Value::decimal("1.2".parse().expect("a number"));
        let long = Value::decimal("1.200".parse().expect("a number"));
        assert_eq!(short, long);
    }
}
