//! The canonical form of a value in a column: what a side keeps of it. Connectors bring images into
//! it before they leave them, `mapping` brings what is to be written into it.

use crate::cast;
use crate::decimal::Decimal;
use crate::spec::{Canon, ColumnSpec};
use crate::stamp::Stamp;
use crate::value::{Text, Value};
use bigdecimal::{BigDecimal, RoundingMode};
use std::borrow::Cow;
use std::num::NonZeroU64;

/// Significant digits that a 4-byte float keeps of any decimal: six for certain, seven nearly
/// always; its shortest text has at most nine.
const SINGLE_PRECISION_DIGITS: NonZeroU64 = NonZeroU64::new(7).expect("seven is not zero");

/// Brings a value into the canonical form of a column. Idempotent. Case is kept: it counts for
/// writing, [`folded`] takes it away for comparing.
#[must_use]
pub fn canonical(column: &ColumnSpec, value: Value) -> Value {
    in_form(column, Cow::Owned(value)).into_owned()
}

/// The same, of a value that most often has this form already: then it isn't copied.
pub(crate) fn in_form<'v>(column: &ColumnSpec, value: Cow<'v, Value>) -> Cow<'v, Value> {
    settled(&column.canon, cast::as_number(value, column.kind))
}

/// See [`settle`]: copied only where something is taken away.
pub(crate) fn settled<'v>(canon: &Canon, value: Cow<'v, Value>) -> Cow<'v, Value> {
    if is_settled(canon, &value) {
        return value;
    }
    Cow::Owned(settle(canon, value.into_owned()))
}

/// Whether [`settle`] leaves a value as it is, as far as that is told at a glance.
fn is_settled(canon: &Canon, value: &Value) -> bool {
    match value {
        Value::Text(text) => {
            let trimmed = || text.trim().len() == text.len();
            !(canon.line_ends && text.contains('\r')
                || canon.trim && !trimmed()
                || canon.padded && text.ends_with(' ')
                || canon.empty_is_null && text.is_empty())
        }
        Value::Decimal(number) => {
            let digits = number.fractional_digit_count();
            !canon.single_precision && canon.scale.is_none_or(|scale| digits <= i64::from(scale))
        }
        Value::Instant(_) => canon.instant_grain_us.is_none(),
        Value::Set(items) => !canon.empty_is_null || !items.is_empty(),
        Value::Tuple(_) => false,
        Value::Null | Value::Integer(_) | Value::Boolean(_) | Value::Date(_) | Value::Link(_) => {
            true
        }
    }
}

/// A value with everything taken away that doesn't count by these rules, but case.
#[must_use]
pub fn settle(canon: &Canon, value: Value) -> Value {
    match value {
        Value::Text(text) => settle_text(canon, text),
        Value::Decimal(number) => settle_decimal(canon, &number),
        Value::Instant(at) => Value::Instant(settle_instant(canon, at)),
        Value::Set(items) if canon.empty_is_null && items.is_empty() => Value::Null,
        Value::Tuple(parts) => {
            Value::Tuple(parts.into_iter().map(|part| settle(canon, part)).collect())
        }
        Value::Null
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Set(_)
        | Value::Link(_) => value,
    }
}

/// A canonical value as it is compared: without case where case doesn't count.
#[must_use]
pub fn folded<'v>(canon: &Canon, value: Cow<'v, Value>) -> Cow<'v, Value> {
    match &*value {
        Value::Text(text) if canon.fold_case => Cow::Owned(Value::text(text.to_lowercase())),
        Value::Text(_)
        | Value::Null
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Set(_)
        | Value::Link(_)
        | Value::Tuple(_) => value,
    }
}

/// The rules of two columns at once: what doesn't count in one of them can't count between them.
#[must_use]
pub fn joined(a: &Canon, b: &Canon) -> Canon {
    Canon {
        trim: a.trim || b.trim,
        empty_is_null: a.empty_is_null || b.empty_is_null,
        line_ends: a.line_ends || b.line_ends,
        fold_case: a.fold_case || b.fold_case,
        scale: a.scale.into_iter().chain(b.scale).min(),
        instant_grain_us: a.instant_grain_us.into_iter().chain(b.instant_grain_us).max(),
        single_precision: a.single_precision || b.single_precision,
        padded: a.padded || b.padded,
    }
}

/// Rounds to digits after the point, halves away from zero, as both SQL and people do.
#[must_use]
pub fn round(number: &BigDecimal, digits: u32) -> BigDecimal {
    number.with_scale_round(i64::from(digits), RoundingMode::HalfUp)
}

fn settle_text(canon: &Canon, text: Text) -> Value {
    let mut text = text;
    if canon.line_ends && text.contains('\r') {
        text = unify_line_ends(&text).into();
    }
    if canon.trim {
        text = trimmed(text, str::trim);
    } else if canon.padded {
        text = trimmed(text, |text| text.trim_end_matches(' '));
    }
    if canon.empty_is_null && text.is_empty() { Value::Null } else { Value::Text(text) }
}

fn trimmed(text: Text, cut: impl Fn(&str) -> &str) -> Text {
    let kept = cut(&text);
    if kept.len() == text.len() { text } else { Text::new(kept) }
}

/// Every CR before a LF goes, so that doing it twice changes nothing.
fn unify_line_ends(text: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let last = lines.pop().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for line in lines {
        out.push_str(line.trim_end_matches('\r'));
        out.push('\n');
    }
    out.push_str(last);
    out
}

fn settle_decimal(canon: &Canon, number: &Decimal) -> Value {
    let mut number = number.to_big();
    if canon.single_precision {
        number = number.with_precision_round(SINGLE_PRECISION_DIGITS, RoundingMode::HalfUp);
    }
    if let Some(scale) = canon.scale {
        number = round(&number, scale);
    }
    Value::decimal(number)
}

fn settle_instant(canon: &Canon, at: Stamp) -> Stamp {
    match canon.instant_grain_us {
        Some(grain) if grain > 1 => Stamp(at.0.div_euclid(grain).saturating_mul(grain)),
        Some(_) | None => at,
    }
}
