//! One stored value of one field, and its JSON form.

use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::{Value, json};

use crate::{ids::Id, schema::Kind};

/// A value as the org stores it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Id(Id),
    Date(NaiveDate),
    /// Milliseconds since 1970.
    Instant(i64),
}

impl Cell {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn id(&self) -> Option<Id> {
        if let Self::Id(id) = self { Some(*id) } else { None }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn instant(&self) -> Option<i64> {
        if let Self::Instant(at) = self { Some(*at) } else { None }
    }

    pub(crate) fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// The value as answers and the data file show it.
    pub(crate) fn json(&self, kind: Kind) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => json!(value),
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers of at most 32 bits")]
            Self::Number(value) if kind == Kind::Int => json!(*value as i64),
            Self::Number(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Id(id) => json!(id.to_string()),
            Self::Date(date) => json!(date.to_string()),
            Self::Instant(at) => json!(instant_text(*at)),
        }
    }
}

/// `2018-12-17T21:00:17.000+0000`.
pub(crate) fn instant_text(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.3f+0000")
        .to_string()
}

/// ISO 8601 with `Z` or an offset, with or without a colon in it.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .filter(|at| (1700..=4000).contains(&at.year()))
        .map(|at| at.timestamp_millis())
}

/// `YYYY-MM-DD`, exactly.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let exact = text.len() == 10;
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| exact && (1700..=4000).contains(&date.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_usual_form() {
        for text in ["2018-12-17T21:00:17Z", "2018-12-17T21:00:17.000+0000"] {
            assert_eq!(
                parse_instant(text).map(instant_text).unwrap(),
                "2018-12-17T21:00:17.000+0000"
            );
        }
        assert_eq!(
            parse_instant("2018-12-17T22:00:17+01:00"),
            parse_instant("2018-12-17T21:00:17Z")
        );
        assert!(parse_instant("2018-12-17").is_none());
        assert!(parse_instant("99999-12-17T21:00:17Z").is_none());
    }

    #[test]
    fn dates_are_strict() {
        assert!(parse_date("2024-02-29").is_some());
        assert!(["2023-02-29", "2024-2-9", "", "x"].iter().all(|text| parse_date(text).is_none()));
    }
}
