//! Takes sample values there and back: a two-way mapping that can't come back is refused.

use super::{BindKind, BindPlace, Work};
use crate::canon;
use crate::cast::parse_decimal;
use crate::fit;
use crate::mapping;
use crate::side::Side;
use crate::spec::{ColumnSpec, FieldSpec, FlowSpec, Mapping, Transform};
use crate::stamp::Stamp;
use crate::value::{Value, ValueType};
use chrono::NaiveDate;

/// Checks every field that carries values.
pub(super) fn check(work: &mut Work<'_>) {
    for field in work.spec.fields.clone() {
        let Mapping::Values { transforms, .. } = &field.mapping else { continue };
        let place = BindPlace::Field(field.name.clone());
        for side in Side::BOTH {
            check_lengths(work, &field, side);
            if repeats(transforms.get(side)) {
                let sentence = "two entries of `map` lead to one value".to_owned();
                work.mistake(BindKind::NoRoundTrip, place.clone(), None, sentence);
            } else if field.direction.owner().is_none()
                && let Some(sentence) = lost(&work.spec, &field, side)
            {
                let mistake = work.mistake(BindKind::NoRoundTrip, place.clone(), None, sentence);
                mistake.help = Some("give the field one `direction`".to_owned());
            }
        }
    }
}

/// Whether a value map has one value twice among the side's own.
fn repeats(steps: &[Transform]) -> bool {
    let maps = steps.iter().filter_map(|step| match step {
        Transform::Map(pairs) => Some(pairs),
        Transform::Trim
        | Transform::Lower
        | Transform::Upper
        | Transform::Scale(_)
        | Transform::Split(_)
        | Transform::DayOf(_)
        | Transform::Cast(_)
        | Transform::Round(_) => None,
    });
    maps.into_iter().any(|pairs| {
        pairs.iter().enumerate().any(|(place, (from, to))| {
            pairs[..place].iter().any(|(other, neutral)| other == from || neutral == to)
        })
    })
}

/// Why samples of this side don't come back; none if they do.
fn lost(spec: &FlowSpec, field: &FieldSpec, side: Side) -> Option<String> {
    let columns = field.columns.get(side);
    let known = spec.ends.get(side).columns.get(columns.first()?)?;
    let Mapping::Values { transforms, .. } = &field.mapping else { return None };
    let mut translated = 0;
    for sample in samples(known, transforms.get(side)) {
        let native = match columns.len() {
            1 => sample,
            count => Value::Tuple(vec![sample; count]),
        };
        let Ok(trunk) = mapping::get(spec, field, side, &native, &[]) else { continue };
        translated += 1;
        let back = mapping::put(spec, field, side, &trunk, &[]);
        if !back.is_ok_and(|back| mapping::same(spec, field, side, &back, &native)) {
            return Some(format!("a sample value of the {side} side doesn't come back"));
        }
        let Ok(there) = mapping::put(spec, field, side.other(), &trunk, &[]) else { continue };
        let again = mapping::get(spec, field, side.other(), &there, &[]);
        if !again.is_ok_and(|again| mapping::same_trunk(field, &again, &trunk)) {
            let other = side.other();
            return Some(format!("a sample value comes back from the {other} side as another"));
        }
    }
    (translated == 0).then(|| format!("no sample value of the {side} side can be translated"))
}

fn samples(column: &ColumnSpec, steps: &[Transform]) -> Vec<Value> {
    let mut all = plain_samples(column);
    if let Some(Transform::Map(pairs)) = steps.iter().find(|step| matches!(step, Transform::Map(_)))
    {
        all = pairs.iter().map(|(from, _)| from.clone()).collect();
    }
    all.into_iter()
        .map(|sample| canon::canonical(column, sample))
        .filter(|sample| *sample != Value::Null && fit::check(column, sample).is_ok())
        .collect()
}

fn plain_samples(column: &ColumnSpec) -> Vec<Value> {
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let allowed = || column.allowed.clone().unwrap_or_else(|| texts(&["a", "7", "Ä b", "a;b"]));
    let numbers = ["0", "1.5", "-20.25", "1000", "0.01"];
    let days = ["1996-07-04", "2024-02-29", "2026-12-31"];
    match column.kind {
        ValueType::Text => allowed().into_iter().map(Value::text).collect(),
        ValueType::Integer => [0, 1, -7, 40].into_iter().map(Value::Integer).collect(),
        ValueType::Decimal => {
            numbers.iter().filter_map(|text| parse_decimal(text)).map(Value::decimal).collect()
        }
        ValueType::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
        ValueType::Date => {
            days.iter().filter_map(|day| day.parse::<NaiveDate>().ok()).map(Value::Date).collect()
        }
        ValueType::Instant => [0, 836_438_400_000_000, 1_795_305_599_123_456]
            .into_iter()
            .map(|at| Value::Instant(Stamp(at)))
            .collect(),
        ValueType::Set => {
            let items = column.allowed.clone().unwrap_or_else(|| texts(&["a", "b"]));
            let one = items.iter().take(1).cloned().collect();
            vec![Value::Set(one), Value::Set(items.into_iter().take(2).collect())]
        }
    }
}

/// Texts that may be too long for the side they are written to.
fn check_lengths(work: &mut Work<'_>, field: &FieldSpec, to: Side) {
    if field.direction.owner() == Some(to) || mapped(field) {
        return;
    }
    let from = to.other();
    for (source, target) in field.columns.get(from).iter().zip(field.columns.get(to)) {
        let spec = |side: Side, column| work.spec.ends.get(side).columns.get(column);
        let (Some(long), Some(short)) = (spec(from, source), spec(to, target)) else { continue };
        if long.kind != ValueType::Text || short.kind != ValueType::Text {
            continue;
        }
        let Some(most) = short.max_length else { continue };
        let holds = match long.max_length {
            Some(length) if length <= most => continue,
            Some(length) => length.to_string(),
            None => "any number of".to_owned(),
        };
        let sentence = format!("{source} holds {holds} characters, {target} allows {most}");
        let place = BindPlace::Field(field.name.clone());
        let mistake = work.mistake(BindKind::TooLong, place, Some((to, target)), sentence);
        mistake.help =
            Some("a longer value is kept back and reported; the record's others go on".to_owned());
    }
}

fn mapped(field: &FieldSpec) -> bool {
    let Mapping::Values { transforms, .. } = &field.mapping else { return true };
    let steps = transforms.left.iter().chain(&transforms.right);
    steps.into_iter().any(|step| matches!(step, Transform::Map(_)))
}
