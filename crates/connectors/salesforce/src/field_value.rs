//! Values between the wire and their canonical form, both ways, to the digit.

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use duet_core::canon::canonical;
use duet_core::spec::ColumnSpec;
use duet_core::stamp::Stamp;
use duet_core::value::{DECIMAL_DIGITS_MAX, Value, ValueType};
use serde_json::value::RawValue;

/// The canonical value of a JSON text; `None` when it isn't of the column's type. `ids`: record
/// ids, brought to 18 characters.
pub(crate) fn decode(json: &str, column: &ColumnSpec, ids: bool) -> Option<Value> {
    if json == "null" {
        return Some(Value::Null);
    }
    let typed = match column.kind {
        ValueType::Text => text(plain(json)?, ids),
        ValueType::Integer => Value::Integer(integer(json)?),
        ValueType::Decimal => Value::decimal(number(json)?),
        ValueType::Boolean => Value::Boolean(serde_json::from_str(json).ok()?),
        ValueType::Date => Value::Date(plain(json)?.parse::<NaiveDate>().ok()?),
        ValueType::Instant => Value::Instant(stamp(&plain(json)?)?),
        ValueType::Set => set(&plain(json)?),
    };
    Some(canonical(column, typed))
}

/// A point in time in any of the forms that the platform writes.
pub(crate) fn stamp(text: &str) -> Option<Stamp> {
    let parsed = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    parsed.ok().map(|at| Stamp(at.timestamp_micros()))
}

/// The text of a JSON string; of anything else, the JSON itself.
fn plain(json: &str) -> Option<String> {
    if json.starts_with('"') { serde_json::from_str(json).ok() } else { Some(json.to_owned()) }
}

fn text(text: String, ids: bool) -> Value {
    let long = ids.then(|| crate::record_id::long(&text)).flatten();
    Value::text(long.unwrap_or(text))
}

fn number(json: &str) -> Option<BigDecimal> {
    let number: BigDecimal = plain(json)?.parse().ok()?;
    // The exponent is bounded before anything prints the number in full.
    let (digits, scale) = (number.digits(), number.fractional_digit_count());
    let bound = i64::try_from(DECIMAL_DIGITS_MAX).expect("a small constant");
    (digits <= DECIMAL_DIGITS_MAX && scale.abs() <= bound).then_some(number)
}

fn integer(json: &str) -> Option<i64> {
    let number = number(json)?;
    if number.is_integer() { number.to_i64() } else { None }
}

fn set(text: &str) -> Value {
    let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
    let items: std::collections::BTreeSet<String> = items.map(str::to_owned).collect();
    if items.is_empty() { Value::Null } else { Value::Set(items) }
}

/// A value as it is sent; `None` where the platform has no form for it.
pub(crate) fn encode(value: &Value) -> Option<Box<RawValue>> {
    let json = match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_plain_string(),
        Value::Text(text) => quoted(text),
        Value::Date(day) => quoted(&day.format("%Y-%m-%d").to_string()),
        Value::Instant(at) => {
            quoted(&at.to_datetime()?.to_rfc3339_opts(SecondsFormat::Millis, true))
        }
        Value::Set(items) if items.iter().any(|item| item.contains(';')) => return None,
        Value::Set(items) if items.is_empty() => "null".to_owned(),
        Value::Set(items) => quoted(&items.iter().cloned().collect::<Vec<_>>().join(";")),
        Value::Link(_) | Value::Tuple(_) => return None,
    };
    RawValue::from_string(json).ok()
}

/// A text as it is sent.
pub(crate) fn raw_text(text: &str) -> Box<RawValue> {
    RawValue::from_string(quoted(text)).expect("a JSON string is JSON")
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::spec::Canon;

    fn column(kind: ValueType, canon: Canon) -> ColumnSpec {
        ColumnSpec {
            kind,
            canon,
            nullable: true,
            max_length: None,
            scale: None,
            precision: None,
            range: None,
            allowed: None,
            createable: true,
            updateable: true,
        }
    }

    fn read(json: &str, kind: ValueType) -> Option<Value> {
        let canon = Canon {
            trim: true,
            empty_is_null: true,
            line_ends: true,
            scale: Some(2),
            instant_grain_us: Some(1_000_000),
            ..Canon::default()
        };
        decode(json, &column(kind, canon), false)
    }

    #[test]
    fn values_become_canonical() {
        let dec = |text: &str| Some(Value::decimal(text.parse().unwrap()));
        let set = Value::Set(["a".to_owned(), "b".to_owned()].into());
        let cases = [
            (r#"" a\r\nb ""#, ValueType::Text, Some(Value::text("a\nb"))),
            (r#""  ""#, ValueType::Text, Some(Value::Null)),
            ("null", ValueType::Decimal, Some(Value::Null)),
            ("5.0", ValueType::Integer, Some(Value::Integer(5))),
            ("5.5", ValueType::Integer, None),
            ("0.1", ValueType::Decimal, dec("0.1")),
            ("1.005", ValueType::Decimal, dec("1.01")),
            ("12345678901234567.89", ValueType::Decimal, dec("12345678901234567.89")),
            ("1.5E7", ValueType::Decimal, dec("15000000")),
            ("1E99999999", ValueType::Decimal, None),
            ("true", ValueType::Boolean, Some(Value::Boolean(true))),
            (r#""b;a;""#, ValueType::Set, Some(set)),
            (r#""2026-13-01""#, ValueType::Date, None),
        ];
        for (json, kind, value) in cases {
            assert_eq!(read(json, kind), value, "{json}");
        }
    }

    #[test]
    fn every_form_of_a_point_in_time_is_read() {
        let at = Stamp(1_545_080_417_000_000);
        for text in [
            "2018-12-17T21:00:17.000+0000",
            "2018-12-17T21:00:17.000Z",
            "2018-12-17T21:00:17Z",
            "2018-12-17T22:00:17+01:00",
        ] {
            assert_eq!(stamp(text), Some(at), "{text}");
        }
        let json = r#""2018-12-17T21:00:17.999Z""#;
        assert_eq!(read(json, ValueType::Instant), Some(Value::Instant(at)));
    }

    #[test]
    fn ids_get_eighteen_characters() {
        let column = column(ValueType::Text, Canon::default());
        let value = decode(r#""00190000001pPvH""#, &column, true);
        assert_eq!(value, Some(Value::text("00190000001pPvHAAU")));
    }

    #[test]
    fn values_are_sent_to_the_digit() {
        let sent = |value: &Value| encode(value).map(|raw| raw.get().to_owned());
        let number = Value::decimal("12345678901234567.89".parse().unwrap());
        assert_eq!(sent(&number).as_deref(), Some("12345678901234567.89"));
        assert_eq!(sent(&Value::text("a\"b\n")).as_deref(), Some(r#""a\"b\n""#));
        let at = Value::Instant(Stamp(1_545_080_417_000_000));
        assert_eq!(sent(&at).as_deref(), Some(r#""2018-12-17T21:00:17.000Z""#));
        let set = Value::Set(["b".to_owned(), "a".to_owned()].into());
        assert_eq!(sent(&set).as_deref(), Some(r#""a;b""#));
        assert_eq!(sent(&Value::Set(["a;b".to_owned()].into())), None);
        assert_eq!(sent(&Value::Tuple(vec![])), None);
    }
}
