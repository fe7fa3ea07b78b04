//! Fields that carry values: each column on its own, through its transforms.

use super::{MapFailure, assembled, first_column, in_column, known, misfit, neutral, parts};
use crate::canon;
use crate::cast;
use crate::fit;
use crate::id::Column;
use crate::side::Side;
use crate::spec::{ColumnSpec, FieldSpec, FlowSpec, Mapping, Transform};
use crate::transform;
use crate::value::{Value, ValueType};

/// One column of a field on one side.
struct Cell<'a> {
    spec: &'a FlowSpec,
    field: &'a FieldSpec,
    index: usize,
    column: &'a Column,
    known: Option<&'a ColumnSpec>,
    steps: &'a [Transform],
    kind: ValueType,
    default: Option<&'a Value>,
}

fn cells<'a>(spec: &'a FlowSpec, field: &'a FieldSpec, side: Side) -> Vec<Cell<'a>> {
    let Mapping::Values { kind, transforms, defaults } = &field.mapping else { return Vec::new() };
    let columns = field.columns.get(side).iter().enumerate();
    columns
        .map(|(index, column)| Cell {
            spec,
            field,
            index,
            column,
            known: known(spec, side, column),
            steps: transforms.get(side),
            kind: *kind,
            default: defaults.get(side).as_ref(),
        })
        .collect()
}

/// See [`super::get`].
pub(super) fn get(
    spec: &FlowSpec,
    field: &FieldSpec,
    side: Side,
    native: &Value,
) -> Result<Value, MapFailure> {
    let cells = cells(spec, field, side);
    let Some(parts) = parts(native, cells.len()) else {
        return Err(misfit(&first_column(field, side), "it isn't a group of the field's size"));
    };
    let values: Result<Vec<Value>, MapFailure> =
        cells.iter().zip(parts).map(|(cell, part)| cell.get(part)).collect();
    values.map(assembled)
}

/// See [`super::put`].
pub(super) fn put(
    spec: &FlowSpec,
    field: &FieldSpec,
    side: Side,
    trunk: &Value,
) -> Result<Value, MapFailure> {
    let cells = cells(spec, field, side);
    let Some(given) = parts(trunk, cells.len()) else {
        return Err(misfit(&first_column(field, side), "it has another number of parts"));
    };
    let values: Result<Vec<Value>, MapFailure> =
        cells.iter().zip(given).map(|(cell, part)| cell.put(part)).collect();
    values.map(assembled)
}

/// See [`super::same`]: the neutral form, or where there is none the canonical one.
pub(super) fn standing(spec: &FlowSpec, field: &FieldSpec, side: Side, native: &Value) -> Value {
    let cells = cells(spec, field, side);
    let Some(parts) = parts(native, cells.len()) else { return native.clone() };
    let stood = cells.iter().zip(parts).map(|(cell, part)| cell.standing(part)).collect();
    neutral::compared(field, &assembled(stood))
}

impl Cell<'_> {
    fn get(&self, native: Value) -> Result<Value, MapFailure> {
        let value = transform::get(self.steps, in_column(self.known, native))
            .map_err(|reason| misfit(self.column, reason))?;
        let value = cast::number(value, self.kind)
            .ok_or_else(|| misfit(self.column, format!("it isn't {}", self.kind.as_str())))?;
        Ok(neutral::settled(self.spec, self.field, self.index, value))
    }

    fn put(&self, trunk: Value) -> Result<Value, MapFailure> {
        let value = transform::put(self.steps, trunk, self.known.map(|column| column.kind))
            .map_err(|reason| misfit(self.column, reason))?;
        let mut value = in_column(self.known, value);
        if value == Value::Null {
            value = self.stand_in();
        }
        if let Some(column) = self.known {
            fit::check(column, &value).map_err(|reason| misfit(self.column, reason))?;
        }
        Ok(value)
    }

    /// What is written for null: the default, or an empty set where only that is allowed.
    fn stand_in(&self) -> Value {
        let needs_set = |column: &ColumnSpec| column.kind == ValueType::Set && !column.nullable;
        match (self.default, self.known) {
            (Some(default), known) => in_column(known, default.clone()),
            (None, Some(column)) if needs_set(column) => {
                Value::Set(std::collections::BTreeSet::new())
            }
            (None, _) => Value::Null,
        }
    }

    fn standing(&self, native: Value) -> Value {
        let value = match self.get(native.clone()) {
            Ok(value) => value,
            Err(_) => in_column(self.known, native),
        };
        match self.known {
            Some(column) => canon::folded(&column.canon, value),
            None => value,
        }
    }
}
