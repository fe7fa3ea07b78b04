//! How colliding values combine (correctness, 3.3): pure functions of the agreed value and every
//! party's base and value. The result doesn't depend on the order of the parties.
//!
//! Not here: which fields combine, and what follows where they can't (`reconcile::strategy`).

use crate::spec::MergeKind;
use crate::value::Value;
use bigdecimal::BigDecimal;
use std::collections::BTreeSet;

/// One party's part.
#[derive(Clone, Debug)]
pub struct Term {
    /// What the agreed state accounts for on this side; `None`: nothing yet.
    pub base: Option<Value>,
    /// What it holds.
    pub value: Value,
}

/// Why values don't combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmergeable {
    /// Of a kind that doesn't combine, or without the base it needs (F5f).
    Kind,
    /// The result breaks its bounds (F5e).
    Bounds,
    /// A step that the declared path forbids.
    Back,
}

/// Combines the sides that moved with what is agreed. `trunk` is `None` at a first meeting; it is a
/// party of its own when a mover hasn't received it.
///
/// # Errors
/// Why they don't combine.
pub fn combine(
    kind: &MergeKind,
    trunk: Option<&Value>,
    movers: &[Term],
    unseen: bool,
) -> Result<Value, Unmergeable> {
    let values = || parties(trunk, movers, unseen);
    match kind {
        MergeKind::Counter { min, max } => counter(trunk, movers, min.as_ref(), max.as_ref()),
        MergeKind::Set => set(trunk, movers),
        MergeKind::Max => extreme(&values(), |best, next| next > best),
        MergeKind::Min => extreme(&values(), |best, next| next < best),
        MergeKind::Progress { path, also } => {
            progress(path, also, trunk.filter(|_| unseen), movers, &values())
        }
        MergeKind::Strictest { order } => strictest(order, &values()),
        MergeKind::FirstNonEmpty => first_non_empty(&values()),
    }
}

fn parties(trunk: Option<&Value>, movers: &[Term], unseen: bool) -> Vec<Value> {
    let agreed = trunk.filter(|_| unseen).cloned();
    agreed.into_iter().chain(movers.iter().map(|term| term.value.clone())).collect()
}

/// The agreed number plus every side's own contribution.
fn counter(
    trunk: Option<&Value>,
    movers: &[Term],
    min: Option<&Value>,
    max: Option<&Value>,
) -> Result<Value, Unmergeable> {
    let agreed = trunk.ok_or(Unmergeable::Kind)?;
    let mut sum = number(agreed).ok_or(Unmergeable::Kind)?;
    for term in movers {
        let base = term.base.as_ref().and_then(number).ok_or(Unmergeable::Kind)?;
        sum += number(&term.value).ok_or(Unmergeable::Kind)? - base;
    }
    let low = min.and_then(number).is_some_and(|min| sum < min);
    let high = max.and_then(number).is_some_and(|max| sum > max);
    if low || high {
        return Err(Unmergeable::Bounds);
    }
    as_number(sum, agreed).ok_or(Unmergeable::Bounds)
}

fn number(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Integer(number) => Some(BigDecimal::from(*number)),
        Value::Decimal(number) => Some(number.to_big()),
        Value::Null
        | Value::Text(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Set(_)
        | Value::Link(_)
        | Value::Tuple(_) => None,
    }
}

/// The sum in the type of the agreed value; `None` where a whole number can't hold it.
fn as_number(sum: BigDecimal, like: &Value) -> Option<Value> {
    if !matches!(like, Value::Integer(_)) {
        return Some(Value::decimal(sum));
    }
    let text = sum.normalized().to_plain_string();
    text.parse().ok().map(Value::Integer)
}

/// Base plus every addition less every removal; a removal beats an addition of the same element.
fn set(trunk: Option<&Value>, movers: &[Term]) -> Result<Value, Unmergeable> {
    let mut all = match trunk {
        Some(agreed) => elements(agreed).ok_or(Unmergeable::Kind)?,
        None => BTreeSet::new(),
    };
    let mut removed = BTreeSet::new();
    for term in movers {
        let held = elements(&term.value).ok_or(Unmergeable::Kind)?;
        let base = term.base.as_ref().map_or_else(|| Some(BTreeSet::new()), elements);
        let base = base.ok_or(Unmergeable::Kind)?;
        removed.extend(base.difference(&held).cloned());
        all.extend(held.difference(&base).cloned());
    }
    let left: BTreeSet<String> = all.difference(&removed).cloned().collect();
    Ok(Value::Set(left))
}

fn elements(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::Set(items) => Some(items.clone()),
        Value::Null => Some(BTreeSet::new()),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Link(_)
        | Value::Tuple(_) => None,
    }
}

/// The extreme of values of one type; an empty one is no value.
fn extreme(
    values: &[Value],
    better: impl Fn(&Value, &Value) -> bool,
) -> Result<Value, Unmergeable> {
    let mut best: Option<&Value> = None;
    for next in values.iter().filter(|value| !value.is_null()) {
        match best {
            Some(held) if !comparable(held, next) => return Err(Unmergeable::Kind),
            Some(held) if !better(held, next) => {}
            Some(_) | None => best = Some(next),
        }
    }
    Ok(best.cloned().unwrap_or(Value::Null))
}

/// Whether "greater" means something between two values.
fn comparable(a: &Value, b: &Value) -> bool {
    let orders = match a {
        Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_) => true,
        Value::Null | Value::Set(_) | Value::Link(_) | Value::Tuple(_) => false,
    };
    orders && std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// The later of a declared path, or a value beside it that may be reached from every other. A step
/// back that is agreed already, but that a mover hasn't received, is one like any other: which of two
/// changes was seen first decides nothing.
fn progress(
    path: &[Value],
    also: &[(Value, Vec<Value>)],
    unseen: Option<&Value>,
    movers: &[Term],
    values: &[Value],
) -> Result<Value, Unmergeable> {
    let place = |value: &Value| path.iter().position(|step| step == value);
    for term in movers {
        let from = term.base.as_ref().and_then(place);
        let back = |to: &Value| from.zip(place(to)).is_some_and(|(from, to)| to < from);
        if back(&term.value) || unseen.is_some_and(back) {
            return Err(Unmergeable::Back);
        }
    }
    if let Some(beside) = values.iter().find(|value| place(value).is_none()) {
        let (_, from) = also.iter().find(|(value, _)| value == beside).ok_or(Unmergeable::Kind)?;
        let reachable = values.iter().all(|value| value == beside || from.contains(value));
        return if reachable { Ok(beside.clone()) } else { Err(Unmergeable::Back) };
    }
    values.iter().max_by_key(|value| place(value)).cloned().ok_or(Unmergeable::Kind)
}

/// Whether a side that moved alone took a step that the path forbids: back, or to a value beside the
/// path from where that may not be reached. Values that the path doesn't know forbid nothing.
#[must_use]
pub fn forbids(kind: &MergeKind, from: &Value, to: &Value) -> bool {
    let MergeKind::Progress { path, also } = kind else { return false };
    let place = |value: &Value| path.iter().position(|step| step == value);
    let beside = |value: &Value| also.iter().find(|(one, _)| one == value);
    match (place(from), place(to)) {
        (Some(from), Some(to)) => to < from,
        (None, Some(_)) => false,
        (known, None) => {
            let known = known.is_some() || beside(from).is_some();
            known && from != to && beside(to).is_some_and(|(_, origins)| !origins.contains(from))
        }
    }
}

/// The least of a declared order.
fn strictest(order: &[Value], values: &[Value]) -> Result<Value, Unmergeable> {
    let places: Option<Vec<usize>> =
        values.iter().map(|value| order.iter().position(|one| one == value)).collect();
    let least = places.and_then(|places| places.into_iter().min()).ok_or(Unmergeable::Kind)?;
    Ok(order[least].clone())
}

/// The only value that isn't empty.
fn first_non_empty(values: &[Value]) -> Result<Value, Unmergeable> {
    let filled: BTreeSet<&Value> = values.iter().filter(|value| !empty(value)).collect();
    match filled.into_iter().collect::<Vec<_>>().as_slice() {
        [only] => Ok((*only).clone()),
        [] => values.first().cloned().ok_or(Unmergeable::Kind),
        [_, _, ..] => Err(Unmergeable::Kind),
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.is_empty(),
        Value::Set(items) => items.is_empty(),
        Value::Null
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Link(_)
        | Value::Tuple(_) => value.is_null(),
    }
}
