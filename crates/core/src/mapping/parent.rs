//! Fields that refer to a record of another flow: translated through that record's link (P1-P4).

use super::{MapFailure, assembled, first_column, in_column, known, misfit, parts};
use crate::canon;
use crate::cast;
use crate::facts::Parent;
use crate::fit;
use crate::id::{FlowName, LinkId, RecordId};
use crate::side::Side;
use crate::spec::{FieldSpec, FlowSpec};
use crate::value::Value;
use std::borrow::Cow;

/// A parent field on one side.
pub(super) struct Place<'a> {
    pub(super) spec: &'a FlowSpec,
    pub(super) field: &'a FieldSpec,
    pub(super) side: Side,
    pub(super) flow: &'a FlowName,
    pub(super) none: &'a Option<Value>,
}

/// See [`super::get`].
pub(super) fn get(
    place: &Place<'_>,
    native: &Value,
    parents: &[Parent],
) -> Result<Value, MapFailure> {
    let Some(record) = record(place, native)? else { return Ok(Value::Null) };
    let known = || parents.iter().filter(|parent| parent.flow == *place.flow);
    // Who holds an id comes before who held it once.
    let found = known()
        .find(|parent| parent.record.get(place.side).as_ref() == Some(&record))
        .or_else(|| known().find(|parent| held(parent, place.side, &record)));
    match found {
        Some(parent) => Ok(Value::Link(parent.link)),
        None => {
            Err(MapFailure::ParentUnlinked { flow: place.flow.clone(), side: place.side, record })
        }
    }
}

/// See [`super::put`].
pub(super) fn put(
    place: &Place<'_>,
    trunk: &Value,
    parents: &[Parent],
) -> Result<Value, MapFailure> {
    if let Value::Link(link) = trunk {
        return written(place, &record_of(place, *link, parents)?);
    }
    if trunk.is_null() {
        return checked(place, nothing(place));
    }
    Err(misfit(&first_column(place.field, place.side), "it isn't a reference"))
}

/// The record that a native value names; none for null and for what stands for "no parent".
pub(super) fn record(place: &Place<'_>, native: &Value) -> Result<Option<RecordId>, MapFailure> {
    let columns = place.field.columns.get(place.side);
    let first = || first_column(place.field, place.side);
    let native = settled(place, native)
        .ok_or_else(|| misfit(&first(), "it isn't a group of the field's size"))?;
    if *place.none == Some(assembled(native.clone())) || native.contains(&Value::Null) {
        return Ok(None);
    }
    let mut texts = Vec::with_capacity(columns.len());
    for part in &native {
        texts.push(cast::text_of(part).ok_or_else(|| misfit(&first(), "it can't be a key"))?);
    }
    Ok(Some(RecordId::from_parts(&texts)))
}

/// See [`super::same`].
pub(super) fn standing(place: &Place<'_>, native: &Value) -> Value {
    let Some(parts) = settled(place, native) else { return native.clone() };
    let columns = place.field.columns.get(place.side);
    let folded = parts.into_iter().zip(columns).map(|(part, column)| {
        match known(place.spec, place.side, column) {
            Some(known) => canon::folded(&known.canon, Cow::Owned(part)).into_owned(),
            None => part,
        }
    });
    let value = assembled(folded.collect());
    if value.is_null() || *place.none == Some(value.clone()) { Value::Null } else { value }
}

fn settled(place: &Place<'_>, native: &Value) -> Option<Vec<Value>> {
    let columns = place.field.columns.get(place.side);
    let given = parts(native, columns.len())?;
    let each = given.into_iter().zip(columns);
    Some(
        each.map(|(part, column)| {
            in_column(known(place.spec, place.side, column), Cow::Owned(part)).into_owned()
        })
        .collect(),
    )
}

fn held(parent: &Parent, side: Side, record: &RecordId) -> bool {
    parent.aliases.iter().any(|alias| alias.side == side && alias.record == *record)
}

fn record_of(place: &Place<'_>, link: LinkId, parents: &[Parent]) -> Result<RecordId, MapFailure> {
    let known = parents.iter().find(|parent| parent.link == link);
    known.and_then(|parent| parent.record.get(place.side).clone()).ok_or_else(|| {
        MapFailure::ParentWithoutRecord { flow: place.flow.clone(), link, side: place.side }
    })
}

fn nothing(place: &Place<'_>) -> Vec<Value> {
    let count = place.field.columns.get(place.side).len();
    let none = place.none.as_ref().and_then(|none| parts(none, count));
    none.unwrap_or_else(|| vec![Value::Null; count])
}

fn written(place: &Place<'_>, record: &RecordId) -> Result<Value, MapFailure> {
    let columns = place.field.columns.get(place.side);
    let Some(texts) = record.to_parts(columns.len()) else {
        let column = first_column(place.field, place.side);
        return Err(misfit(&column, "the parent's key has another number of parts"));
    };
    let typed: Result<Vec<Value>, MapFailure> = columns
        .iter()
        .zip(texts)
        .map(|(column, text)| match known(place.spec, place.side, column) {
            Some(known) => cast::cast(Value::text(text), known.kind)
                .ok_or_else(|| misfit(column, "the parent's key isn't of the column's type")),
            None => Ok(Value::text(text)),
        })
        .collect();
    checked(place, typed?)
}

fn checked(place: &Place<'_>, values: Vec<Value>) -> Result<Value, MapFailure> {
    let columns = place.field.columns.get(place.side);
    let mut fitting = Vec::with_capacity(values.len());
    for (column, value) in columns.iter().zip(values) {
        let known = known(place.spec, place.side, column);
        let value = in_column(known, Cow::Owned(value)).into_owned();
        if let Some(known) = known {
            fit::check(known, &value).map_err(|reason| misfit(column, reason))?;
        }
        fitting.push(value);
    }
    Ok(assembled(fitting))
}
