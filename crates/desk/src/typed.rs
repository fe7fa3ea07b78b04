//! Values as people type them, read by the field's type. A group is typed as a JSON list.

use crate::error::DeskError;
use duet_core::cast::cast;
use duet_core::mapping;
use duet_core::spec::{FieldSpec, FlowSpec, Mapping};
use duet_core::value::{Value, ValueType};

/// Reads a typed value in the field's neutral form.
///
/// # Errors
/// When the text isn't a value of the field's type.
pub fn value(field: &FieldSpec, text: &str) -> Result<Value, DeskError> {
    let bad = |why: String| DeskError::BadChoice { choice: format!("{text:?}"), why };
    let kind = match &field.mapping {
        Mapping::Values { kind, .. } => *kind,
        Mapping::Parent { .. } => {
            return Err(bad("a reference can't be typed; take a side instead".into()));
        }
    };
    let width = field.columns.left.len();
    if width == 1 {
        return one(kind, text).ok_or_else(|| bad(format!("the field holds {}", word(kind))));
    }
    let parts: Vec<Option<String>> = serde_json::from_str(text)
        .map_err(|_| bad(format!("a group is typed as a JSON list of {width} texts or nulls")))?;
    if parts.len() != width {
        return Err(bad(format!("the group has {width} parts, not {}", parts.len())));
    }
    let parts = parts.iter().map(|part| match part {
        None => Some(Value::Null),
        Some(text) => one(kind, text),
    });
    let parts: Option<Vec<Value>> = parts.collect();
    parts.map(Value::Tuple).ok_or_else(|| bad(format!("its parts hold {}", word(kind))))
}

/// Whether both sides of a bound flow can hold a typed value, each in its own form.
///
/// # Errors
/// [`DeskError::Unfit`] with side, column and reason of each that can't.
pub fn fits_both(spec: &FlowSpec, field: &FieldSpec, value: &Value) -> Result<(), DeskError> {
    let unfit = mapping::unfit(spec, field, value);
    let told: Vec<String> = unfit.iter().map(|(side, why)| format!("{side}, {why}")).collect();
    if told.is_empty() {
        return Ok(());
    }
    Err(DeskError::Unfit { field: field.name.clone(), why: told.join("; ") })
}

/// A typed value in the type of values that are known of the field: only a bound flow knows a
/// field's type, and what people do needs no connection to a side. `None`: not of that type.
pub(crate) fn like(value: Value, known: &[&Value]) -> Option<Value> {
    match value {
        Value::Text(text) => match known.iter().find_map(|one| one.kind()) {
            Some(kind) => one(kind, &text),
            None => Some(Value::Text(text)),
        },
        Value::Tuple(parts) => {
            let part = |(at, part)| like(part, &known_parts(known, at));
            parts.into_iter().enumerate().map(part).collect::<Option<_>>().map(Value::Tuple)
        }
        other => Some(other),
    }
}

fn known_parts<'a>(known: &[&'a Value], at: usize) -> Vec<&'a Value> {
    let part = |one: &&'a Value| match one {
        Value::Tuple(parts) => parts.get(at),
        _ => None,
    };
    known.iter().filter_map(part).collect()
}

fn one(kind: ValueType, text: &str) -> Option<Value> {
    if kind == ValueType::Set {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Some(Value::Set(items.map(str::to_owned).collect()));
    }
    cast(Value::text(text), kind)
}

fn word(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Text => "text",
        ValueType::Integer => "whole numbers",
        ValueType::Decimal => "numbers such as 12.50",
        ValueType::Boolean => "true or false",
        ValueType::Date => "days such as 2026-11-21",
        ValueType::Instant => "times such as 2026-11-21T10:00:00Z",
        ValueType::Set => "words separated by commas",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_by_type() {
        assert_eq!(one(ValueType::Integer, "-12"), Some(Value::Integer(-12)));
        assert_eq!(one(ValueType::Boolean, "true"), Some(Value::Boolean(true)));
        assert_eq!(one(ValueType::Integer, "twelve"), None);
        assert_eq!(one(ValueType::Date, "2026-02-30"), None);
        let set = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(one(ValueType::Set, "b, a,,"), Some(Value::Set(set)));
    }

    #[test]
    fn a_value_takes_the_type_of_those_it_replaces() {
        let text = |text: &str| Value::text(text);
        assert_eq!(like(text("5"), &[&Value::Null, &Value::Integer(9)]), Some(Value::Integer(5)));
        assert_eq!(like(text("five"), &[&Value::Integer(9)]), None);
        assert_eq!(like(text("5"), &[&text("x")]), Some(text("5")));
        let known = Value::Tuple(vec![Value::Integer(1), Value::Null]);
        let typed = Value::Tuple(vec![text("2"), text("2")]);
        let expected = Value::Tuple(vec![Value::Integer(2), text("2")]);
        assert_eq!(like(typed, &[&known]), Some(expected));
    }
}
