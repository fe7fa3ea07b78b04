//! Values as other types and as text, wherever nothing is lost on the way. Not a transform by
//! itself: `transform.rs` names the steps that a mapping may take.

use crate::stamp::Stamp;
use crate::value::{DECIMAL_DIGITS_MAX, Value, ValueType};
use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate};
use std::borrow::Cow;

/// Digits of a decimal in the store, zeros included: more than any side tells (the longest of
/// PostgreSQL have 131,072 before the point), and no more than a message holds.
const STORED_DIGITS_MAX: u64 = 200 * DECIMAL_DIGITS_MAX;

/// The text of a plain value, as keys and casts write it; none for null, sets, references, groups.
#[must_use]
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Decimal(number) => Some(number.to_plain_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Date(day) => Some(day.to_string()),
        Value::Instant(at) => Some(at.to_string()),
        Value::Null | Value::Set(_) | Value::Link(_) | Value::Tuple(_) => None,
    }
}

/// The value as another type; none where it has no equal there.
#[must_use]
pub fn cast(value: Value, to: ValueType) -> Option<Value> {
    if value == Value::Null || value.kind() == Some(to) {
        return Some(value);
    }
    match to {
        ValueType::Text => text_of(&value).map(Value::text),
        ValueType::Integer => to_integer(&value).map(Value::Integer),
        ValueType::Decimal => to_decimal(&value).map(Value::decimal),
        ValueType::Boolean => to_boolean(&value).map(Value::Boolean),
        ValueType::Date => text_in(&value)?.parse::<NaiveDate>().ok().map(Value::Date),
        ValueType::Instant => to_instant(text_in(&value)?).map(Value::Instant),
        ValueType::Set => None,
    }
}

/// The value as another type, if both are numbers or it has that type already.
#[must_use]
pub fn number(value: Value, to: ValueType) -> Option<Value> {
    let numbers = [ValueType::Integer, ValueType::Decimal];
    match value.kind() {
        None => (value == Value::Null).then_some(value),
        Some(kind) if kind == to => Some(value),
        Some(kind) if numbers.contains(&kind) && numbers.contains(&to) => cast(value, to),
        Some(_) => None,
    }
}

/// See [`number`]; what isn't a number of the other type stays as it is.
pub(crate) fn as_number(value: Cow<'_, Value>, to: ValueType) -> Cow<'_, Value> {
    let other = |kind: ValueType| {
        let numbers = [ValueType::Integer, ValueType::Decimal];
        kind != to && numbers.contains(&kind) && numbers.contains(&to)
    };
    if !value.kind().is_some_and(other) {
        return value;
    }
    match cast(value.clone().into_owned(), to) {
        Some(typed) => Cow::Owned(typed),
        None => value,
    }
}

/// Whether two values are equal, numbers by their value.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
    a == b
        || match (a, b) {
            (Value::Integer(whole), Value::Decimal(number))
            | (Value::Decimal(number), Value::Integer(whole)) => {
                number.is_integer() && number.to_i64() == Some(*whole)
            }
            (_, _) => false,
        }
}

/// Whether a cast from one type to another and back exists.
#[must_use]
pub fn exists(from: ValueType, to: ValueType) -> bool {
    use ValueType::{Boolean, Decimal, Integer, Set, Text};
    if from == Set || to == Set {
        return from == to;
    }
    let numbers = [Integer, Decimal];
    from == to
        || from == Text
        || to == Text
        || (numbers.contains(&from) && numbers.contains(&to))
        || matches!((from, to), (Boolean, Integer) | (Integer, Boolean))
}

/// A decimal from its text, bounded: a short text must not become a gigabyte of digits.
#[must_use]
pub fn parse_decimal(text: &str) -> Option<BigDecimal> {
    bounded(text, DECIMAL_DIGITS_MAX)
}

/// A decimal from its stored text. Sums and shifts of numbers that came in may be longer than these
/// were: what was stored must always come back, and a text from outside still stays small.
#[must_use]
pub(crate) fn stored_decimal(text: &str) -> Option<BigDecimal> {
    bounded(text, STORED_DIGITS_MAX)
}

fn bounded(text: &str, digits: u64) -> Option<BigDecimal> {
    let most = i64::try_from(digits).expect("the limit is small");
    if text.len() > 2 * usize::try_from(digits).expect("the limit is small") {
        return None;
    }
    let number: BigDecimal = text.parse().ok()?;
    let (_, scale) = number.as_bigint_and_exponent();
    (number.digits() <= digits && (-most..=most).contains(&scale)).then_some(number)
}

fn text_in(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text.trim()) } else { None }
}

fn to_integer(value: &Value) -> Option<i64> {
    if let Value::Boolean(flag) = value {
        return Some(i64::from(*flag));
    }
    if let Value::Decimal(number) = value {
        return number.is_integer().then(|| number.to_i64()).flatten();
    }
    text_in(value)?.parse().ok()
}

fn to_decimal(value: &Value) -> Option<BigDecimal> {
    if let Value::Integer(whole) = value {
        return Some(BigDecimal::from(*whole));
    }
    parse_decimal(text_in(value)?)
}

fn to_boolean(value: &Value) -> Option<bool> {
    if let Value::Integer(number) = value {
        return [0, 1].contains(number).then_some(*number == 1);
    }
    text_in(value)?.parse().ok()
}

fn to_instant(text: &str) -> Option<Stamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Stamp(at.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cast_makes_comes_back() {
        let there_and_back = [
            (Value::Integer(-7), ValueType::Text),
            (Value::Integer(1), ValueType::Boolean),
            (Value::Integer(12), ValueType::Decimal),
            (Value::decimal("0.05".parse().expect("a number")), ValueType::Text),
            (Value::Boolean(false), ValueType::Integer),
            (Value::Boolean(true), ValueType::Text),
            (Value::Date(NaiveDate::from_ymd_opt(1996, 7, 4).expect("a day")), ValueType::Text),
            (Value::Instant(Stamp(1_234_567)), ValueType::Text),
        ];
        for (value, to) in there_and_back {
            let from = value.kind().expect("a plain value");
            let there = cast(value.clone(), to).expect("it can be cast");
            assert_eq!(cast(there, from), Some(value));
        }
    }

    #[test]
    fn what_has_no_equal_is_refused() {
        assert_eq!(cast(Value::Integer(2), ValueType::Boolean), None);
        assert_eq!(cast(Value::text("1.5"), ValueType::Integer), None);
        assert_eq!(cast(Value::Integer(1), ValueType::Set), None);
        assert_eq!(number(Value::text("1"), ValueType::Integer), None);
        let half = Value::decimal("0.5".parse().expect("a number"));
        assert_eq!(number(half, ValueType::Integer), None);
    }

    #[test]
    fn a_short_text_of_a_huge_number_is_refused() {
        assert!(parse_decimal("1e1000000000").is_none());
        assert!(parse_decimal("1e-1000000000").is_none());
        assert!(parse_decimal(&"9".repeat(3_000)).is_none());
        assert!(parse_decimal("1e400").is_some());
        assert!(stored_decimal("1e1000000000").is_none());
    }

    #[test]
    fn the_longest_numbers_come_back_from_the_store() {
        let long = "7".repeat(1_000);
        let longest = [format!("-{long}e1000"), format!("-{long}e-1000"), "1e1000".to_owned()];
        let longest = longest.map(|text| parse_decimal(&text).expect("just within the bounds"));
        let sum = &longest[0] + &longest[1];
        for number in longest.into_iter().chain([sum]) {
            let value = Value::decimal(number);
            let stored = serde_json::to_string(&value).expect("a value can be written");
            let back: Value = serde_json::from_str(&stored).expect("and read again");
            assert!(back == value, "{} characters", stored.len());
        }
    }
}
