//! Match keys: what of a record must equal what of another for them to be partners.
//!
//! A key made of several columns is joined like a composite record id, so that it can equal one
//! column of the other side. Not here: what follows from candidates (`reconcile::matching`).

use crate::cast::parse_decimal;
use crate::id::{Column, RecordId};
use crate::image::Image;
use crate::intent::FindKey;
use crate::side::Side;
use crate::spec::{FlowSpec, MatchRule, Normalize};
use crate::value::{Value, ValueType};

/// The normalised key of a record by a rule. `None`: blank, or a column was not seen (M7).
#[must_use]
pub fn match_key(rule: &MatchRule, side: Side, image: &Image) -> Option<String> {
    let parts = key_parts(rule, side, image)?;
    let key = normalised(&rule.normalize, RecordId::from_parts(&parts).as_str());
    (!key.is_empty()).then_some(key)
}

/// Every key of a record, with the position of its rule.
#[must_use]
pub fn match_keys(spec: &FlowSpec, side: Side, image: &Image) -> Vec<(usize, String)> {
    let rules = spec.matching.iter().enumerate();
    rules.filter_map(|(place, rule)| Some((place, match_key(rule, side, image)?))).collect()
}

/// What a record of the other side must hold to match this one by this rule.
#[must_use]
pub fn counterpart(
    spec: &FlowSpec,
    rule: &MatchRule,
    side: Side,
    image: &Image,
) -> Option<Vec<(Column, Value)>> {
    match_key(rule, side, image)?;
    let other = side.other();
    let columns = rule.columns.get(other);
    let parts = key_parts(rule, side, image)?;
    let parts = if columns.len() == parts.len() {
        parts
    } else {
        RecordId::from_parts(&parts).to_parts(columns.len())?
    };
    let known = &spec.ends.get(other).columns;
    let typed = columns.iter().zip(parts).map(|(column, part)| {
        let kind = known.get(column).map_or(ValueType::Text, |spec| spec.kind);
        Some((column.clone(), typed(&part, kind)?))
    });
    typed.collect()
}

/// The searches that find a record's partners on the other side.
#[must_use]
pub fn find_keys(spec: &FlowSpec, side: Side, image: &Image) -> Vec<FindKey> {
    let rules = spec.matching.iter().enumerate();
    rules
        .filter_map(|(place, rule)| {
            let columns = counterpart(spec, rule, side, image)?;
            Some(FindKey { rule: Some(place), columns })
        })
        .collect()
}

fn key_parts(rule: &MatchRule, side: Side, image: &Image) -> Option<Vec<String>> {
    let columns = rule.columns.get(side).iter();
    let parts: Option<Vec<String>> = columns.map(|column| text(image.get(column)?)).collect();
    parts.filter(|parts| !parts.is_empty())
}

/// A value as text of a key; `None` where it can't be one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => (!text.trim().is_empty()).then(|| text.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Decimal(number) => Some(number.to_plain_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Date(day) => Some(day.to_string()),
        Value::Instant(at) => Some(at.to_string()),
        Value::Null | Value::Set(_) | Value::Link(_) | Value::Tuple(_) => None,
    }
}

/// The text of a key as a value of a column's type.
fn typed(text: &str, kind: ValueType) -> Option<Value> {
    match kind {
        ValueType::Text => Some(Value::text(text)),
        ValueType::Integer => text.parse().ok().map(Value::Integer),
        ValueType::Decimal => parse_decimal(text).map(Value::decimal),
        ValueType::Boolean => text.parse().ok().map(Value::Boolean),
        ValueType::Date => text.parse().ok().map(Value::Date),
        ValueType::Instant => {
            let at: chrono::DateTime<chrono::Utc> = text.parse().ok()?;
            Some(Value::Instant(at.into()))
        }
        ValueType::Set => None,
    }
}

fn normalised(steps: &[Normalize], text: &str) -> String {
    steps.iter().fold(text.to_owned(), |text, step| match step {
        Normalize::Trim => text.trim().to_owned(),
        Normalize::Lower => text.to_lowercase(),
        Normalize::Upper => text.to_uppercase(),
        Normalize::Alnum => text.chars().filter(|one| one.is_alphanumeric()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_never_becomes_a_huge_number() {
        assert_eq!(typed("1E999999999", ValueType::Decimal), None);
        assert!(typed("1E9", ValueType::Decimal).is_some());
    }
}
