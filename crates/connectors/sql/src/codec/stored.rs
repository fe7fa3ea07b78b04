//! What SQLite stores. It takes any value in any column and turns some into others on the way: what
//! would come back as something else doesn't fit.

use super::number;
use crate::answer::{real_text, unhexed};
use crate::table::{Affinity, ColumnInfo, Kind};
use bigdecimal::{BigDecimal, RoundingMode};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use duet_core::spec::ColumnSpec;
use duet_core::stamp::Stamp;
use std::num::NonZeroU64;

/// Digits of a decimal that an 8-byte float keeps for certain.
const EXACT_DIGITS: NonZeroU64 = NonZeroU64::new(15).expect("fifteen is not zero");

/// One of the numbers that stand for true and false; not `true`, which is a text here.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// A time as SQLite and its programs write it. Without a zone it is UTC, as `CURRENT_TIMESTAMP` is.
pub(super) fn moment(text: &str) -> Option<Stamp> {
    let text = text.replacen('T', " ", 1);
    let zoned = text.strip_suffix(['Z', 'z']).map(|text| format!("{text}+00:00"));
    for form in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%d %H:%M:%S%.f %#z"] {
        if let Ok(at) = DateTime::parse_from_str(zoned.as_ref().unwrap_or(&text), form) {
            return Some(at.to_utc().into());
        }
    }
    let plain = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let at = plain.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let at = at.or_else(|| {
        text.parse::<NaiveDate>().ok().map(|day| NaiveDateTime::new(day, NaiveTime::MIN))
    });
    at.map(|at| at.and_utc().into())
}

/// A time in SQLite's own form, with as many digits as it has.
pub(super) fn moment_text(at: Stamp) -> Option<String> {
    let at = at.to_datetime()?;
    let whole = at.format("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = at.format("%.6f").to_string();
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let text = format!("{whole}{fraction}");
    // A year of five digits, or before Christ, would read back as something else.
    (moment(&text).is_some()).then_some(text)
}

/// A number in a column that declares its digits. Stored as a float it may be off in its last places
/// (`0.1 + 0.2`), which is no other number; one that is really finer than declared doesn't fit.
pub(super) fn declared_number(text: &str, spec: &ColumnSpec) -> Option<BigDecimal> {
    let exact = number(text)?;
    let Some(scale) = spec.scale else { return Some(exact) };
    let rounded = exact.with_precision_round(EXACT_DIGITS, RoundingMode::HalfUp);
    [exact, rounded].into_iter().find(|number| is_within(number, spec.precision, scale))
}

fn is_within(number: &BigDecimal, precision: Option<u32>, scale: u32) -> bool {
    let number = number.normalized();
    let before =
        i64::try_from(number.digits()).unwrap_or(i64::MAX) - number.fractional_digit_count();
    let most = precision.map(|precision| i64::from(precision) - i64::from(scale));
    number.fractional_digit_count() <= i64::from(scale) && most.is_none_or(|most| before <= most)
}

/// Whether a text becomes a value of the column and comes back as it is.
pub(super) fn fits(text: &str, column: &ColumnInfo) -> bool {
    match column.kind {
        Kind::Integer(least, most) => {
            text.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
        }
        Kind::Numeric | Kind::Real | Kind::Double => {
            is_kept(text, column)
                && number(text).is_some_and(|number| match column.spec.scale {
                    Some(scale) => is_within(&number, column.spec.precision, scale),
                    None => true,
                })
        }
        Kind::Boolean | Kind::Flag => flag(text).is_some(),
        Kind::Date => text.parse::<NaiveDate>().is_ok_and(|day| day.to_string() == text),
        Kind::Moment | Kind::Timestamp | Kind::Timestamptz => moment(text).is_some(),
        Kind::Bytes => unhexed(text).is_some(),
        Kind::Text | Kind::Padded | Kind::Uuid | Kind::Enum | Kind::Array | Kind::Other => {
            let length = column.spec.max_length.and_then(|most| usize::try_from(most).ok());
            length.is_none_or(|most| text.chars().count() <= most) && stays_text(text, column)
        }
    }
}

/// Whether a number is one that SQLite keeps: a whole one of 64 bits, or one that a float tells apart.
fn is_kept(text: &str, column: &ColumnInfo) -> bool {
    if column.affinity != Affinity::Real && text.parse::<i64>().is_ok() {
        return true;
    }
    let (Some(meant), Ok(stored)) = (number(text), text.parse::<f64>()) else { return false };
    stored.is_finite() && number(&real_text(stored)).is_some_and(|stored| stored == meant)
}

/// Whether a text is left alone: a column of numbers makes `7` of `007`.
fn stays_text(text: &str, column: &ColumnInfo) -> bool {
    match column.affinity {
        Affinity::Text | Affinity::Blob | Affinity::Fixed => true,
        Affinity::RowId | Affinity::Integer | Affinity::Numeric | Affinity::Real => {
            let bare = text.trim_matches(|letter: char| letter.is_ascii_whitespace());
            let is_number = bare.starts_with(|letter: char| {
                letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.')
            }) && bare.parse::<f64>().is_ok();
            let same = |number: i64| number.to_string() == text;
            !is_number || text.parse::<i64>().is_ok_and(same)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{column, decode, encode, text_spec};
    use super::*;
    use duet_core::value::Value;

    fn column_of(kind: Kind, affinity: Affinity) -> ColumnInfo {
        column(kind, affinity, text_spec())
    }

    fn price() -> ColumnInfo {
        let spec = ColumnSpec {
            kind: duet_core::value::ValueType::Decimal,
            precision: Some(6),
            scale: Some(2),
            ..text_spec()
        };
        column(Kind::Numeric, Affinity::Numeric, spec)
    }

    fn decimal(text: &str) -> Value {
        Value::decimal(text.parse().expect("a number"))
    }

    #[test]
    fn times_are_read_in_every_usual_form() {
        let expected = moment("2026-11-21 10:20:30").expect("a time");
        for text in [
            "2026-11-21T10:20:30",
            "2026-11-21T10:20:30Z",
            "2026-11-21 10:20:30.000",
            "2026-11-21T11:20:30.000000+01:00",
            "2026-11-21 05:20:30-05",
            "2026-11-21 10:20:30 +0000",
        ] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
        assert_eq!(moment("2026-11-21"), moment("2026-11-21 00:00"));
        for not in ["", "now", "1795256430", "21.11.2026", "2026-11-21 25:00:00"] {
            assert_eq!(moment(not), None, "{not}");
        }
    }

    #[test]
    fn times_are_written_with_as_many_digits_as_they_have() {
        for text in ["2026-11-21 10:20:30", "2026-11-21 10:20:30.5", "2026-11-21 10:20:30.123456"] {
            assert_eq!(moment(text).and_then(moment_text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_float_stands_for_the_decimal_that_is_declared() {
        let column = price();
        let seen = |text: &str| decode(Some(text.to_owned()), &column, &column.spec);
        assert_eq!(seen("0.30000000000000004"), decimal("0.3"));
        assert_eq!(seen("59.969999999999995"), decimal("59.97"));
        assert_eq!(seen("12"), decimal("12"));
        assert_eq!(seen("12.345"), Value::text("12.345"), "finer than declared");
        assert_eq!(seen("12345.5"), Value::text("12345.5"), "longer than declared");
        assert_eq!(seen("cheap"), Value::text("cheap"));
    }

    #[test]
    fn what_would_come_back_as_something_else_does_not_fit() {
        let numeric = Affinity::Numeric;
        let fit = [
            (price(), "1234.56"),
            (column_of(Kind::Double, Affinity::Real), "0.1"),
            (column_of(Kind::Numeric, numeric), "9007199254740993"),
            (column_of(Kind::Other, numeric), "7"),
            (column_of(Kind::Other, numeric), "a-7"),
            (column_of(Kind::Text, Affinity::Text), "007"),
            (column_of(Kind::Bytes, Affinity::Blob), "\\x00ff"),
        ];
        for (column, text) in fit {
            assert!(fits(text, &column), "{text}: {column:?}");
        }
        let unfit = [
            (price(), "1.234"),
            (price(), "12345.6"),
            (column_of(Kind::Double, Affinity::Real), "9007199254740993"),
            (column_of(Kind::Double, Affinity::Real), "0.12345678901234567890"),
            (column_of(Kind::Numeric, numeric), "12345678901234567890.5"),
            (column_of(Kind::Numeric, numeric), "NaN"),
            (column_of(Kind::Other, numeric), "007"),
            (column_of(Kind::Other, numeric), " 7"),
            (column_of(Kind::Other, numeric), "1e5"),
            (column_of(Kind::Flag, numeric), "true"),
            (column_of(Kind::Date, numeric), "tomorrow"),
            (column_of(Kind::Moment, numeric), "tomorrow"),
            (column_of(Kind::Bytes, Affinity::Blob), "bytes"),
        ];
        for (column, text) in unfit {
            assert!(!fits(text, &column), "{text}: {column:?}");
        }
    }

    #[test]
    fn flags_are_numbers() {
        let column = column_of(Kind::Flag, Affinity::Numeric);
        assert_eq!(encode(&Value::Boolean(true), &column), Ok(Some("1".to_owned())));
        assert_eq!(flag("0"), Some(false));
        assert_eq!(flag("true"), None);
    }
}
