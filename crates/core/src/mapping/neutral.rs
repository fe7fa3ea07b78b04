//! What doesn't count between the two sides is left out of the neutral form.

use super::bound::Bound;
use super::values::Rule;
use crate::canon;
use crate::cast;
use crate::side::Side;
use crate::spec::{Canon, FieldSpec, Mapping, Transform};
use crate::transform;
use crate::value::{Value, ValueType};
use std::borrow::Cow;

/// The neutral value without what one of the two columns can't hold, case excepted.
pub(super) fn settled<'v>(
    field: &Bound<'_>,
    rule: Rule<'_>,
    index: usize,
    value: Cow<'v, Value>,
) -> Cow<'v, Value> {
    let mut value = value;
    for side in Side::BOTH {
        if let Some(canon) = plain_canon(field, rule, index, side) {
            value = canon::settled(canon, value);
        }
    }
    let empty = matches!(&*value, Value::Set(items) if items.is_empty());
    if empty { Cow::Owned(Value::Null) } else { value }
}

/// The rules of a side's column, if its steps keep the meaning of those rules: after a shift of the
/// point or a value map they would speak about something else.
fn plain_canon<'a>(
    field: &Bound<'a>,
    rule: Rule<'_>,
    index: usize,
    side: Side,
) -> Option<&'a Canon> {
    if !rule.transforms.get(side).iter().all(transform::only_settles) {
        return None;
    }
    field.known(side, index).map(|known| &known.canon)
}

/// See [`compared`]; a reference is compared as it is.
pub(super) fn same(field: &FieldSpec, a: &Value, b: &Value) -> bool {
    let Mapping::Values { kind, transforms, defaults } = &field.mapping else { return a == b };
    let rule = Rule { kind: *kind, transforms, defaults };
    a == b || compared(rule, Cow::Borrowed(a)) == compared(rule, Cow::Borrowed(b))
}

/// A neutral value as it is compared: without what transforms take away, and with null for what
/// stands in for null on a side, since that side can't tell them apart.
pub(super) fn compared<'v>(rule: Rule<'_>, value: Cow<'v, Value>) -> Cow<'v, Value> {
    if is_plain(rule, &value) {
        return value;
    }
    let steps: Vec<&Transform> = settling(rule).collect();
    let stand_ins: Vec<Value> = Side::BOTH
        .into_iter()
        .filter_map(|side| {
            let default = rule.defaults.get(side).clone()?;
            let neutral = transform::get(rule.transforms.get(side), default).ok()?;
            Some(plain(rule.kind, &steps, neutral))
        })
        .collect();
    let compared = each(&value, |part| {
        let part = plain(rule.kind, &steps, part);
        if stand_ins.contains(&part) { Value::Null } else { part }
    });
    Cow::Owned(if compared.is_null() { Value::Null } else { compared })
}

/// Steps that only take away what doesn't count.
fn settling<'a>(rule: Rule<'a>) -> impl Iterator<Item = &'a Transform> {
    let steps = Side::BOTH.into_iter().flat_map(move |side| rule.transforms.get(side));
    steps.filter(|step| transform::only_settles(step))
}

/// Whether nothing is to be taken away from a value, and nothing stands in for null.
fn is_plain(rule: Rule<'_>, value: &Value) -> bool {
    let one = match value {
        Value::Set(items) => !items.is_empty(),
        Value::Tuple(_) => false,
        Value::Null
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Link(_) => true,
    };
    let typed = value.kind().is_none_or(|kind| kind == rule.kind);
    let defaults = rule.defaults.left.is_some() || rule.defaults.right.is_some();
    one && typed && !defaults && settling(rule).next().is_none()
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
