//! Named, invertible steps between a side's own form and the neutral form. `get` goes in, `put`
//! goes back in reverse order. A step that can't take a value says so; it never guesses.

use crate::canon;
use crate::cast;
use crate::spec::Transform;
use crate::stamp::Stamp;
use crate::value::{Value, ValueType};
use chrono::NaiveTime;
use std::collections::BTreeSet;

/// Why a step can't take a value. Holds no value.
pub type Reason = &'static str;

/// Applies the steps in order.
///
/// # Errors
/// When a step can't take the value.
pub fn get(steps: &[Transform], value: Value) -> Result<Value, Reason> {
    steps.iter().try_fold(value, |value, step| step_in(step, value))
}

/// Takes the steps back in reverse order. `start` is the type of the column, what the steps go
/// back to.
///
/// # Errors
/// When a step can't give the value back.
pub fn put(steps: &[Transform], value: Value, start: Option<ValueType>) -> Result<Value, Reason> {
    steps.iter().enumerate().rev().try_fold(value, |value, (place, step)| {
        let before = steps[..place].iter().fold(start, kind_after);
        step_out(step, value, before)
    })
}

/// The type after a step, given the type before it.
#[must_use]
pub fn kind_after(before: Option<ValueType>, step: &Transform) -> Option<ValueType> {
    match step {
        Transform::Trim | Transform::Lower | Transform::Upper => before,
        Transform::Map(pairs) => pairs.iter().find_map(|(_, neutral)| neutral.kind()).or(before),
        Transform::Scale(_) | Transform::Round(_) => Some(ValueType::Decimal),
        Transform::Split(_) => Some(ValueType::Set),
        Transform::DayOf(_) => Some(ValueType::Date),
        Transform::Cast(to) => Some(*to),
    }
}

/// Whether a step may take values of this type.
#[must_use]
pub fn takes(step: &Transform, kind: ValueType) -> bool {
    use ValueType::{Decimal, Instant, Integer, Set, Text};
    match step {
        Transform::Trim | Transform::Lower | Transform::Upper => [Text, Set].contains(&kind),
        Transform::Map(_) => true,
        Transform::Scale(_) | Transform::Round(_) => [Integer, Decimal].contains(&kind),
        Transform::Split(_) => kind == Text,
        Transform::DayOf(_) => kind == Instant,
        Transform::Cast(to) => cast::exists(kind, *to),
    }
}

/// Whether a step only takes away what doesn't count: applied to a neutral value it changes
/// nothing but how it is written.
#[must_use]
pub fn only_settles(step: &Transform) -> bool {
    match step {
        Transform::Trim | Transform::Lower | Transform::Upper | Transform::Round(_) => true,
        Transform::Map(_)
        | Transform::Scale(_)
        | Transform::Split(_)
        | Transform::DayOf(_)
        | Transform::Cast(_) => false,
    }
}

fn step_in(step: &Transform, value: Value) -> Result<Value, Reason> {
    if value == Value::Null && !matches!(step, Transform::Map(_)) {
        return Ok(value);
    }
    match step {
        Transform::Trim => texts(value, |text| text.trim().to_owned()),
        Transform::Lower => texts(value, |text| text.to_lowercase()),
        Transform::Upper => texts(value, |text| text.to_uppercase()),
        Transform::Map(pairs) => mapped(pairs.iter().map(|(side, neutral)| (side, neutral)), value),
        Transform::Scale(power) => shifted(value, *power),
        Transform::Split(separator) => split(value, separator),
        Transform::DayOf(offset) => day_of(value, *offset),
        Transform::Cast(to) => cast::cast(value, *to).ok_or("it has no equal of the other type"),
        Transform::Round(digits) => rounded(value, *digits),
    }
}

fn step_out(step: &Transform, value: Value, before: Option<ValueType>) -> Result<Value, Reason> {
    if value == Value::Null && !matches!(step, Transform::Map(_)) {
        return Ok(value);
    }
    match step {
        Transform::Trim | Transform::Lower | Transform::Upper | Transform::Round(_) => Ok(value),
        Transform::Map(pairs) => mapped(pairs.iter().map(|(side, neutral)| (neutral, side)), value),
        Transform::Scale(power) => shifted(value, power.saturating_neg()),
        Transform::Split(separator) => join(value, separator),
        Transform::DayOf(offset) => midnight(value, *offset),
        Transform::Cast(_) => match before {
            Some(kind) => cast_back(value, kind),
            None => Ok(value),
        },
    }
}

/// A cast that comes back as it was: `007` is not the number 7.
fn cast_back(value: Value, to: ValueType) -> Result<Value, Reason> {
    let there = cast::cast(value.clone(), to);
    let back = value.kind().and_then(|kind| cast::cast(there.clone()?, kind));
    match there {
        Some(there) if back == Some(value) => Ok(there),
        Some(_) | None => Err("it has no equal of the column's type"),
    }
}

fn texts(value: Value, change: impl Fn(&str) -> String) -> Result<Value, Reason> {
    if let Value::Set(items) = value {
        return Ok(Value::Set(items.iter().map(|item| change(item)).collect()));
    }
    if let Value::Text(text) = value {
        return Ok(Value::text(change(&text)));
    }
    Err("it isn't text")
}

fn mapped<'a>(
    mut pairs: impl Iterator<Item = (&'a Value, &'a Value)>,
    value: Value,
) -> Result<Value, Reason> {
    match pairs.find(|(from, _)| cast::equal(from, &value)) {
        Some((_, to)) => Ok(to.clone()),
        None if value == Value::Null => Ok(value),
        None => Err("the value map doesn't name it"),
    }
}

fn shifted(value: Value, power: i32) -> Result<Value, Reason> {
    let Some(Value::Decimal(number)) = cast::number(value, ValueType::Decimal) else {
        return Err("it isn't a number");
    };
    Ok(Value::Decimal(number.shifted(power)))
}

fn rounded(value: Value, digits: u32) -> Result<Value, Reason> {
    let Some(Value::Decimal(number)) = cast::number(value, ValueType::Decimal) else {
        return Err("it isn't a number");
    };
    if number.fractional_digit_count() <= i64::from(digits) {
        return Ok(Value::Decimal(number));
    }
    Ok(Value::decimal(canon::round(&number.to_big(), digits)))
}

fn split(value: Value, separator: &str) -> Result<Value, Reason> {
    let Value::Text(text) = value else { return Err("it isn't text") };
    let items: BTreeSet<String> =
        text.split(separator).filter(|item| !item.is_empty()).map(str::to_owned).collect();
    Ok(if items.is_empty() { Value::Null } else { Value::Set(items) })
}

fn join(value: Value, separator: &str) -> Result<Value, Reason> {
    let Value::Set(items) = value else { return Err("it isn't a set") };
    let lost = |item: &String| item.is_empty() || item.contains(separator);
    let items: Vec<String> = items.into_iter().collect();
    let text = items.join(separator);
    // An end of one item and the start of the next may make a separator of several characters.
    let back = text.split(separator).filter(|item| !item.is_empty()).eq(items.iter());
    if items.iter().any(lost) || !back {
        return Err("an item is empty or holds the separator");
    }
    Ok(if items.is_empty() { Value::Null } else { Value::text(text) })
}

fn day_of(value: Value, offset: i32) -> Result<Value, Reason> {
    let Value::Instant(at) = value else { return Err("it isn't an instant") };
    let local = at.plus_seconds(i64::from(offset)).to_datetime();
    local.map(|at| Value::Date(at.date_naive())).ok_or("it is outside the calendar")
}

fn midnight(value: Value, offset: i32) -> Result<Value, Reason> {
    let Value::Date(day) = value else { return Err("it isn't a date") };
    let at = Stamp::from(day.and_time(NaiveTime::MIN).and_utc());
    Ok(Value::Instant(at.plus_seconds(-i64::from(offset))))
}
