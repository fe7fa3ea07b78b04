//! Whether a value fits a column (invariant I14): what doesn't is never sent. Reasons name limits,
//! never values.

use crate::decimal::Decimal;
use crate::spec::ColumnSpec;
use crate::value::Value;

/// Checks a canonical value against its column.
///
/// # Errors
/// The reason why it doesn't fit, for people, without the value.
pub fn check(column: &ColumnSpec, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => check_null(column),
        Value::Text(text) => kind(column, value).and_then(|()| check_text(column, text)),
        Value::Integer(number) => kind(column, value).and_then(|()| check_range(column, *number)),
        Value::Decimal(number) => kind(column, value).and_then(|()| check_digits(column, number)),
        Value::Set(items) => kind(column, value)
            .and_then(|()| items.iter().try_for_each(|item| check_allowed(column, item))),
        Value::Boolean(_) | Value::Date(_) | Value::Instant(_) => kind(column, value),
        Value::Link(_) | Value::Tuple(_) => Err("a column holds one plain value".to_owned()),
    }
}

fn kind(column: &ColumnSpec, value: &Value) -> Result<(), String> {
    let name = |kind: Option<crate::value::ValueType>| kind.map_or("group", |kind| kind.as_str());
    if value.kind() == Some(column.kind) {
        return Ok(());
    }
    Err(format!("the column holds {}, not {}", column.kind.as_str(), name(value.kind())))
}

fn check_null(column: &ColumnSpec) -> Result<(), String> {
    if column.nullable { Ok(()) } else { Err("the column needs a value".to_owned()) }
}

fn check_text(column: &ColumnSpec, text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("the text holds a NUL".to_owned());
    }
    let length = text.chars().count();
    if let Some(most) = column.max_length
        && u64::try_from(length).unwrap_or(u64::MAX) > u64::from(most)
    {
        return Err(format!("the text has {length} characters, the column holds {most}"));
    }
    check_allowed(column, text)
}

fn check_allowed(column: &ColumnSpec, text: &str) -> Result<(), String> {
    match &column.allowed {
        Some(allowed) if !allowed.iter().any(|one| one == text) => {
            Err(format!("it is none of the column's {} values", allowed.len()))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_range(column: &ColumnSpec, number: i64) -> Result<(), String> {
    match column.range {
        Some((least, most)) if !(least..=most).contains(&number) => {
            Err(format!("the column holds numbers from {least} to {most}"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_digits(column: &ColumnSpec, number: &Decimal) -> Result<(), String> {
    let after = u64::try_from(number.fractional_digit_count().max(0)).unwrap_or(u64::MAX);
    if let Some(scale) = column.scale
        && after > u64::from(scale)
    {
        return Err(format!("the column holds {scale} digits after the point"));
    }
    let Some(precision) = column.precision else { return Ok(()) };
    let room = precision.saturating_sub(column.scale.unwrap_or(0));
    if digits_before_point(number) > i128::from(room) {
        return Err(format!("the column holds {room} digits before the point"));
    }
    Ok(())
}

fn digits_before_point(number: &Decimal) -> i128 {
    if number.is_zero() {
        return 0;
    }
    (i128::from(number.digits()) - i128::from(number.fractional_digit_count())).max(0)
}
