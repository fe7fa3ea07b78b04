//! Between a side's own form of a field and the neutral form that both sides owe each other.
//!
//! `get` makes the neutral form, `put` a side's own, checked against its column. Two laws hold, up
//! to what the columns and transforms declare as not counting: `put(get(x))` is `x`, and
//! `get(put(y))` is `y`. The neutral form drops whatever doesn't count on either side, so a
//! difference that one side can't hold is never a change.
//!
//! Not here: which transforms a flow may use (`bind.rs`) and what follows from a failure.

mod bound;
mod neutral;
mod parent;
mod values;

use crate::canon;
use crate::facts::Parent;
use crate::id::{Column, FlowName, LinkId, RecordId};
use crate::image::Image;
use crate::side::Side;
use crate::spec::{ColumnSpec, FieldSpec, FlowSpec, Mapping};
use crate::value::Value;
use std::borrow::Cow;

pub(crate) use bound::Bound;

/// A value that can't be translated. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapFailure {
    /// It has no equal on the other side, or doesn't fit there (row F8).
    #[error("column {column}: {reason}")]
    NotRepresentable {
        /// The column of the side at hand.
        column: Column,
        /// Why, for people.
        reason: String,
    },
    /// `get`: no link is known for this parent yet (row P2).
    #[error("no link of flow {flow} for the parent on the {side} side")]
    ParentUnlinked {
        /// The parent's flow.
        flow: FlowName,
        /// The side whose record is named.
        side: Side,
        /// The record.
        record: RecordId,
    },
    /// `put`: the parent has no record on that side yet (row P2).
    #[error("the parent of flow {flow} has no record on the {side} side")]
    ParentWithoutRecord {
        /// The parent's flow.
        flow: FlowName,
        /// Its link.
        link: LinkId,
        /// The side that lacks it.
        side: Side,
    },
}

/// The native value of a field on a side: the column's value, a tuple for several columns. `None`:
/// some column was not seen.
#[must_use]
pub fn native(field: &FieldSpec, side: Side, image: &Image) -> Option<Value> {
    let columns = field.columns.get(side);
    if let [only] = columns.as_slice() {
        return image.get(only).cloned();
    }
    let parts: Option<Vec<Value>> = columns.iter().map(|one| image.get(one).cloned()).collect();
    parts.map(Value::Tuple)
}

/// From a side's own form to the neutral form. Parents: record id to link.
///
/// # Errors
/// The value has no neutral form, or names a parent that has no link yet.
pub fn get(
    spec: &FlowSpec,
    field: &FieldSpec,
    side: Side,
    native: &Value,
    parents: &[Parent],
) -> Result<Value, MapFailure> {
    Bound::of(spec, field).get(side, native, parents).map(Cow::into_owned)
}

/// From the neutral form to a side's own, canonical there and checked against its columns (I14).
///
/// # Errors
/// The value doesn't fit that side, or its parent has no record there yet.
pub fn put(
    spec: &FlowSpec,
    field: &FieldSpec,
    side: Side,
    trunk: &Value,
    parents: &[Parent],
) -> Result<Value, MapFailure> {
    Bound::of(spec, field).put(side, trunk, parents).map(Cow::into_owned)
}

/// Why a neutral value that a person typed can't become what both sides hold, by side: it needs a
/// form on each, and both forms must stand for the same.
#[must_use]
pub fn unfit(spec: &FlowSpec, field: &FieldSpec, value: &Value) -> Vec<(Side, MapFailure)> {
    let there_and_back = |side| {
        let own = put(spec, field, side, value, &[])?;
        get(spec, field, side, &own, &[])
    };
    match (there_and_back(Side::Left), there_and_back(Side::Right)) {
        (Ok(left), Ok(right)) if same_trunk(field, &left, &right) => Vec::new(),
        (Ok(left), Ok(_)) => {
            let side = if same_trunk(field, &left, value) { Side::Right } else { Side::Left };
            let column = first_column(field, side);
            vec![(side, misfit(&column, "it would stand for another value than on the other side"))]
        }
        (left, right) => {
            let failed = [(Side::Left, left.err()), (Side::Right, right.err())];
            failed.into_iter().filter_map(|(side, failure)| Some((side, failure?))).collect()
        }
    }
}

/// Spreads a native value over the field's columns.
#[must_use]
pub fn spread(field: &FieldSpec, side: Side, native: &Value) -> Vec<(Column, Value)> {
    let columns = field.columns.get(side);
    parts(native, columns.len())
        .map(|parts| columns.iter().cloned().zip(parts).collect())
        .unwrap_or_default()
}

/// Whether two native values of this field are equal on that side: what doesn't count there, or
/// can't count between the two sides, is left out.
#[must_use]
pub fn same(spec: &FlowSpec, field: &FieldSpec, side: Side, a: &Value, b: &Value) -> bool {
    a == b || Bound::of(spec, field).same(side, a, b)
}

/// Whether two neutral values are equal.
#[must_use]
pub fn same_trunk(field: &FieldSpec, a: &Value, b: &Value) -> bool {
    neutral::same(field, a, b)
}

/// Every parent record that a native image refers to, to be loaded before deciding.
#[must_use]
pub fn parent_records(
    spec: &FlowSpec,
    side: Side,
    image: &Image,
) -> Vec<(FlowName, Side, RecordId)> {
    let named = spec.fields.iter().filter_map(|field| {
        let Mapping::Parent { flow, none, .. } = &field.mapping else { return None };
        let place = parent::Place { spec, field, side, flow, none: none.get(side) };
        let record = parent::record(&place, &native(field, side, image)?).ok()??;
        Some((flow.clone(), side, record))
    });
    let distinct: std::collections::BTreeSet<_> = named.collect();
    distinct.into_iter().collect()
}

/// What is known of a field's column on a side; nothing before the flow is bound.
fn known<'a>(spec: &'a FlowSpec, side: Side, column: &Column) -> Option<&'a ColumnSpec> {
    spec.ends.get(side).columns.get(column)
}

/// The value in its column's canonical form.
fn in_column<'v>(known: Option<&ColumnSpec>, value: Cow<'v, Value>) -> Cow<'v, Value> {
    match known {
        Some(column) => canon::in_form(column, value),
        None => value,
    }
}

/// The parts of a value for `count` columns; null is null in each. `None`: it has other parts.
fn parts(value: &Value, count: usize) -> Option<Vec<Value>> {
    if count == 1 {
        return Some(vec![value.clone()]);
    }
    if let Value::Tuple(parts) = value
        && parts.len() == count
    {
        return Some(parts.clone());
    }
    value.is_null().then(|| vec![Value::Null; count])
}

/// The value for a number of columns, from its parts.
fn assembled(mut parts: Vec<Value>) -> Value {
    if parts.len() == 1 { parts.swap_remove(0) } else { Value::Tuple(parts) }
}

fn misfit(column: &Column, reason: impl Into<String>) -> MapFailure {
    MapFailure::NotRepresentable { column: column.clone(), reason: reason.into() }
}

/// The column that a failure about the whole field is told of.
pub(crate) fn first_column(field: &FieldSpec, side: Side) -> Column {
    let first = field.columns.get(side).first().cloned();
    first.unwrap_or_else(|| Column::new(field.name.as_str()))
}
