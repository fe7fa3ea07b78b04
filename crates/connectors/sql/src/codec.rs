//! Values to text and back. PostgreSQL sees and gives text only; what stands in it is a matter of
//! the column's kind. Canonical forms are the core's business and are applied right after.

use crate::table::{ColumnInfo, Kind};
use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use duet_core::canon::canonical;
use duet_core::spec::ColumnSpec;
use duet_core::stamp::Stamp;
use duet_core::value::{DECIMAL_DIGITS_MAX, Value};
use std::collections::BTreeSet;

/// A value that no value of the column can equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of this column")]
pub(crate) struct Unfit;

/// The value that a cell holds, in canonical form.
pub(crate) fn decode(text: Option<String>, kind: Kind, spec: &ColumnSpec) -> Value {
    text.map_or(Value::Null, |text| canonical(spec, read(text, kind)))
}

/// What can't be read as its kind says (`NaN`, `infinity`, a year before Christ) stays text: it is
/// kept and shown, and refused where another side can't hold it.
fn read(text: String, kind: Kind) -> Value {
    let value = match kind {
        Kind::Integer(..) => text.parse().ok().map(Value::Integer),
        Kind::Numeric | Kind::Real | Kind::Double => number(&text).map(Value::decimal),
        Kind::Boolean => boolean(&text).map(Value::Boolean),
        Kind::Date => text.parse().ok().map(Value::Date),
        Kind::Timestamp => NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f")
            .ok()
            .map(|at| Value::Instant(at.and_utc().into())),
        Kind::Timestamptz => DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%#z")
            .ok()
            .map(|at| Value::Instant(at.with_timezone(&Utc).into())),
        Kind::Array => set(&text).map(Value::Set),
        Kind::Text | Kind::Padded | Kind::Uuid | Kind::Enum | Kind::Other => None,
    };
    value.unwrap_or(Value::Text(text))
}

fn number(text: &str) -> Option<BigDecimal> {
    let number: BigDecimal = text.parse().ok()?;
    (number.digits() <= DECIMAL_DIGITS_MAX).then_some(number)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "t" => Some(true),
        "false" | "f" => Some(false),
        _ => None,
    }
}

/// Arrays come as JSON; empty places in them count as not there.
fn set(text: &str) -> Option<BTreeSet<String>> {
    let items: Vec<Option<String>> = serde_json::from_str(text).ok()?;
    Some(items.into_iter().flatten().collect())
}

/// A value as the text that a statement casts to the column's type.
pub(crate) fn encode(value: &Value, kind: Kind) -> Result<Option<String>, Unfit> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_plain_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) => instant(*at)?,
        Value::Set(items) => serde_json::to_string(items).map_err(|_| Unfit)?,
        Value::Link(_) | Value::Tuple(_) => return Err(Unfit),
    };
    let is_set = matches!(value, Value::Set(_));
    (is_set == (kind == Kind::Array) && fits(&text, kind)).then_some(Some(text)).ok_or(Unfit)
}

fn instant(at: Stamp) -> Result<String, Unfit> {
    let at = at.to_datetime().ok_or(Unfit)?;
    Ok(at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
}

/// Whether the cast of a text will pass, as far as that can be told without asking the server. One
/// bad key must not fail a statement about two hundred.
pub(crate) fn fits(text: &str, kind: Kind) -> bool {
    if text.contains('\0') {
        return false;
    }
    match kind {
        Kind::Integer(least, most) => {
            text.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
        }
        Kind::Numeric | Kind::Real | Kind::Double => number(text).is_some() || text == "NaN",
        Kind::Boolean => boolean(text).is_some(),
        Kind::Date => text.parse::<NaiveDate>().is_ok() || text.ends_with("infinity"),
        Kind::Uuid => uuid::Uuid::parse_str(text).is_ok(),
        Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Text
        | Kind::Padded
        | Kind::Enum
        | Kind::Array
        | Kind::Other => true,
    }
}

/// Whether a value fits a column, labels included: what a search may ask for.
pub(crate) fn needle(value: &Value, column: &ColumnInfo) -> Result<Option<String>, Unfit> {
    let text = encode(value, column.kind)?;
    let known = match (&column.spec.allowed, &text) {
        (Some(labels), Some(text)) => labels.contains(text),
        (None, _) | (_, None) => true,
    };
    if known { Ok(text) } else { Err(Unfit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str, kind: Kind) -> String {
        encode(&read(text.to_owned(), kind), kind).expect("it fits").expect("it isn't null")
    }

    #[test]
    fn values_come_back() {
        let cases = [
            ("32767", Kind::Integer(-32768, 32767)),
            ("12.5", Kind::Numeric),
            ("true", Kind::Boolean),
            ("2026-11-21", Kind::Date),
            ("2026-11-21 10:20:30.123456+00", Kind::Timestamptz),
            (r#"["a","b"]"#, Kind::Array),
            ("NaN", Kind::Numeric),
            ("infinity", Kind::Date),
        ];
        for (text, kind) in cases {
            assert_eq!(there_and_back(text, kind), text);
        }
        assert_eq!(
            there_and_back("2026-11-21 10:20:30", Kind::Timestamp),
            "2026-11-21 10:20:30.000000+00"
        );
    }

    #[test]
    fn what_cannot_be_a_value_is_told_before_it_is_sent() {
        let small = Kind::Integer(-32768, 32767);
        assert_eq!(encode(&Value::Integer(40_000), small), Err(Unfit));
        assert_eq!(encode(&Value::text("abc"), small), Err(Unfit));
        assert_eq!(encode(&Value::text("nul\0"), Kind::Text), Err(Unfit));
        assert_eq!(encode(&Value::text("x"), Kind::Array), Err(Unfit));
        assert_eq!(encode(&Value::Tuple(vec![]), Kind::Text), Err(Unfit));
        assert!(!fits("12", Kind::Uuid));
    }
}
