//! What doesn't count between the two sides is left out of the neutral form.

use crate::canon;
use crate::cast;
use crate::side::Side;
use crate::spec::{Canon, FieldSpec, FlowSpec, Mapping, Transform};
use crate::transform;
use crate::value::{Value, ValueType};

/// The neutral value without what one of the two columns can't hold, case excepted.
pub(super) fn settled(spec: &FlowSpec, field: &FieldSpec, index: usize, value: Value) -> Value {
    let mut value = value;
    for side in Side::BOTH {
        if let Some(canon) = plain_canon(spec, field, index, side) {
            value = canon::settle(canon, value);
        }
    }
    if matches!(&value, Value::Set(items) if items.is_empty()) { Value::Null } else { value }
}

/// The rules of a side's column, if its steps keep the meaning of those rules: after a shift of the
/// point or a value map they would speak about something else.
fn plain_canon<'a>(
    spec: &'a FlowSpec,
    field: &FieldSpec,
    index: usize,
    side: Side,
) -> Option<&'a Canon> {
    let Mapping::Values { transforms, .. } = &field.mapping else { return None };
    if !transforms.get(side).iter().all(transform::only_settles) {
        return None;
    }
    let column = field.columns.get(side).get(index)?;
    spec.ends.get(side).columns.get(column).map(|known| &known.canon)
}

/// A neutral value as it is compared: without what transforms take away, and with null for what
/// stands in for null on a side, since that side can't tell them apart.
pub(super) fn compared(field: &FieldSpec, value: &Value) -> Value {
    let Mapping::Values { kind, transforms, defaults } = &field.mapping else {
        return value.clone();
    };
    let steps: Vec<&Transform> = Side::BOTH
        .into_iter()
        .flat_map(|side| transforms.get(side))
        .filter(|step| transform::only_settles(step))
        .collect();
    let stand_ins: Vec<Value> = Side::BOTH
        .into_iter()
        .filter_map(|side| {
            let default = defaults.get(side).clone()?;
            let neutral = transform::get(transforms.get(side), default).ok()?;
            Some(plain(*kind, &steps, neutral))
        })
        .collect();
    let compared = each(value, |part| {
        let part = plain(*kind, &steps, part);
        if stand_ins.contains(&part) { Value::Null } else { part }
    });
    if compared.is_null() { Value::Null } else { compared }
}

fn each(value: &Value, change: impl Fn(Value) -> Value) -> Value {
    if let Value::Tuple(parts) = value {
        return Value::Tuple(parts.iter().cloned().map(change).collect());
    }
    change(value.clone())
}

fn plain(kind: ValueType, steps: &[&Transform], value: Value) -> Value {
    let mut value = cast::number(value.clone(), kind).unwrap_or(value);
    for step in steps {
        value = transform::get(std::slice::from_ref(*step), value.clone()).unwrap_or(value);
    }
    value = cast::number(value.clone(), kind).unwrap_or(value);
    if matches!(&value, Value::Set(items) if items.is_empty()) { Value::Null } else { value }
}
