//! Values to text and back: what stands in a text is a matter of the column's kind. Canonical forms
//! are the core's business and are applied right after.

mod stored;

use crate::table::{Affinity, ColumnInfo, Kind};
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
pub(crate) fn decode(text: Option<String>, column: &ColumnInfo, spec: &ColumnSpec) -> Value {
    text.map_or(Value::Null, |text| canonical(spec, read(text, column)))
}

/// What can't be read as its kind says (`NaN`, `infinity`, a year before Christ, on SQLite whatever
/// was stored beside the declared type) stays text: it is kept and shown, and refused where another
/// side can't hold it.
fn read(text: String, column: &ColumnInfo) -> Value {
    let value = match column.kind {
        Kind::Integer(..) => text.parse().ok().map(Value::Integer),
        Kind::Numeric if column.affinity != Affinity::Fixed => {
            stored::declared_number(&text, &column.spec).map(Value::decimal)
        }
        Kind::Numeric | Kind::Real | Kind::Double => number(&text).map(Value::decimal),
        Kind::Boolean => boolean(&text).map(Value::Boolean),
        Kind::Flag => stored::flag(&text).map(Value::Boolean),
        Kind::Date => text.parse().ok().map(Value::Date),
        Kind::Timestamp => NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f")
            .ok()
            .map(|at| Value::Instant(at.and_utc().into())),
        Kind::Timestamptz => DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%#z")
            .ok()
            .map(|at| Value::Instant(at.with_timezone(&Utc).into())),
        Kind::Moment => stored::moment(&text).map(Value::Instant),
        Kind::Array => set(&text).map(Value::Set),
        Kind::Text | Kind::Padded | Kind::Uuid | Kind::Enum | Kind::Bytes | Kind::Other => None,
    };
    value.unwrap_or_else(|| Value::text(text))
}

fn number(text: &str) -> Option<BigDecimal> {
    // The library reads `1_000`, no database does.
    let number: BigDecimal = text.parse().ok().filter(|_| !text.contains('_'))?;
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

/// A value as the text that a statement makes the column's type of.
pub(crate) fn encode(value: &Value, column: &ColumnInfo) -> Result<Option<String>, Unfit> {
    let kind = column.kind;
    let text = match value {
        Value::Null => return Ok(None),
        Value::Text(text) => text.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_plain_string(),
        Value::Boolean(flag) if kind == Kind::Flag => u8::from(*flag).to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) if kind == Kind::Moment => stored::moment_text(*at).ok_or(Unfit)?,
        Value::Instant(at) => instant(*at)?,
        Value::Set(items) => serde_json::to_string(items).map_err(|_| Unfit)?,
        Value::Link(_) | Value::Tuple(_) => return Err(Unfit),
    };
    let is_set = matches!(value, Value::Set(_));
    (is_set == (kind == Kind::Array) && fits(&text, column)).then_some(Some(text)).ok_or(Unfit)
}

fn instant(at: Stamp) -> Result<String, Unfit> {
    let at = at.to_datetime().ok_or(Unfit)?;
    Ok(at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
}

/// Whether a text will become a value of the column, as far as that can be told without asking. One
/// bad key must not fail a statement about two hundred; and SQLite, which would store anything, is
/// given nothing that would come back as something else.
pub(crate) fn fits(text: &str, column: &ColumnInfo) -> bool {
    if text.contains('\0') {
        return false;
    }
    if column.affinity != Affinity::Fixed {
        return stored::fits(text, column);
    }
    match column.kind {
        Kind::Integer(least, most) => {
            text.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
        }
        Kind::Numeric | Kind::Real | Kind::Double => number(text).is_some() || text == "NaN",
        Kind::Boolean | Kind::Flag => boolean(text).is_some(),
        Kind::Date => text.parse::<NaiveDate>().is_ok() || text.ends_with("infinity"),
        Kind::Uuid => uuid::Uuid::parse_str(text).is_ok(),
        Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Moment
        | Kind::Text
        | Kind::Padded
        | Kind::Enum
        | Kind::Array
        | Kind::Bytes
        | Kind::Other => true,
    }
}

/// Whether a text can be the key part of a row. Only a row id holds nothing but numbers on SQLite.
pub(crate) fn may_be_key(text: &str, column: &ColumnInfo) -> bool {
    match column.affinity {
        Affinity::Fixed | Affinity::RowId => fits(text, column),
        Affinity::Text
        | Affinity::Integer
        | Affinity::Numeric
        | Affinity::Real
        | Affinity::Blob => !text.contains('\0'),
    }
}

/// Whether a value fits a column, labels included: what a search may ask for.
pub(crate) fn needle(value: &Value, column: &ColumnInfo) -> Result<Option<String>, Unfit> {
    let text = encode(value, column)?;
    let known = match (&column.spec.allowed, &text) {
        (Some(labels), Some(text)) => labels.contains(text),
        (None, _) | (_, None) => true,
    };
    if known { Ok(text) } else { Err(Unfit) }
}

#[cfg(test)]
fn text_spec() -> ColumnSpec {
    ColumnSpec {
        kind: duet_core::value::ValueType::Text,
        nullable: true,
        max_length: None,
        scale: None,
        precision: None,
        range: None,
        allowed: None,
        createable: true,
        updateable: true,
        canon: duet_core::spec::Canon::default(),
    }
}

#[cfg(test)]
fn column(kind: Kind, affinity: Affinity, spec: ColumnSpec) -> ColumnInfo {
    ColumnInfo { name: "c".into(), type_name: String::new(), affinity, kind, spec }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind) -> ColumnInfo {
        column(kind, Affinity::Fixed, text_spec())
    }

    fn there_and_back(text: &str, kind: Kind) -> String {
        let column = of(kind);
        encode(&read(text.to_owned(), &column), &column).expect("it fits").expect("it isn't null")
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
        let small = of(small);
        assert_eq!(encode(&Value::Integer(40_000), &small), Err(Unfit));
        assert_eq!(encode(&Value::text("abc"), &small), Err(Unfit));
        assert_eq!(encode(&Value::text("nul\0"), &of(Kind::Text)), Err(Unfit));
        assert_eq!(encode(&Value::text("x"), &of(Kind::Array)), Err(Unfit));
        assert_eq!(encode(&Value::Tuple(vec![]), &of(Kind::Text)), Err(Unfit));
        assert!(!fits("12", &of(Kind::Uuid)));
    }
}
