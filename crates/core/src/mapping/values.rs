//! Fields that carry values: each column on its own, through its transforms. A value that nothing
//! changes on its way is never copied.

use super::bound::Bound;
use super::{MapFailure, assembled, first_column, in_column, misfit, neutral, parts};
use crate::canon;
use crate::cast;
use crate::fit;
use crate::side::{Both, Side};
use crate::spec::{ColumnSpec, Transform};
use crate::transform;
use crate::value::{Value, ValueType};
use std::borrow::Cow;

/// How the values of a field translate, as its mapping says.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) kind: ValueType,
    pub(super) transforms: &'a Both<Vec<Transform>>,
    pub(super) defaults: &'a Both<Option<Value>>,
}

/// One column of a field on one side.
struct Cell<'a> {
    field: &'a Bound<'a>,
    rule: Rule<'a>,
    side: Side,
    index: usize,
    known: Option<&'a ColumnSpec>,
}

fn cell<'a>(field: &'a Bound<'a>, rule: Rule<'a>, side: Side, index: usize) -> Cell<'a> {
    Cell { field, rule, side, index, known: field.known(side, index) }
}

/// Does one thing to every column of a field; `None`: the value has other parts.
fn each<'v, E>(
    field: &Bound<'_>,
    rule: Rule<'_>,
    side: Side,
    value: &'v Value,
    mut change: impl FnMut(&Cell<'_>, Cow<'v, Value>) -> Result<Cow<'v, Value>, E>,
) -> Option<Result<Cow<'v, Value>, E>> {
    let count = field.columns.get(side).len();
    if count == 1 {
        return Some(change(&cell(field, rule, side, 0), Cow::Borrowed(value)));
    }
    let parts = parts(value, count)?;
    let changed = parts.into_iter().enumerate().map(|(index, part)| {
        change(&cell(field, rule, side, index), Cow::Owned(part)).map(Cow::into_owned)
    });
    let changed: Result<Vec<Value>, E> = changed.collect();
    Some(changed.map(|parts| Cow::Owned(assembled(parts))))
}

/// See [`super::get`].
pub(super) fn get<'v>(
    field: &Bound<'_>,
    rule: Rule<'_>,
    side: Side,
    native: &'v Value,
) -> Result<Cow<'v, Value>, MapFailure> {
    each(field, rule, side, native, |cell, part| cell.get(part)).unwrap_or_else(|| {
        Err(misfit(&first_column(field, side), "it isn't a group of the field's size"))
    })
}

/// See [`super::put`].
pub(super) fn put<'v>(
    field: &Bound<'_>,
    rule: Rule<'_>,
    side: Side,
    trunk: &'v Value,
) -> Result<Cow<'v, Value>, MapFailure> {
    each(field, rule, side, trunk, |cell, part| cell.put(part)).unwrap_or_else(|| {
        Err(misfit(&first_column(field, side), "it has another number of parts"))
    })
}

/// See [`super::same`]: the neutral form, or where there is none the canonical one.
pub(super) fn standing<'v>(
    field: &Bound<'_>,
    rule: Rule<'_>,
    side: Side,
    native: &'v Value,
) -> Cow<'v, Value> {
    let stood = each(field, rule, side, native, |cell, part| {
        Ok::<_, std::convert::Infallible>(cell.standing(part))
    });
    match stood {
        None => Cow::Borrowed(native),
        Some(Ok(stood)) => neutral::compared(rule, stood),
    }
}

impl Cell<'_> {
    fn steps(&self) -> &[Transform] {
        self.rule.transforms.get(self.side)
    }

    fn misfit(&self, reason: impl Into<String>) -> MapFailure {
        misfit(&self.field.columns.get(self.side)[self.index], reason)
    }

    fn get<'v>(&self, native: Cow<'v, Value>) -> Result<Cow<'v, Value>, MapFailure> {
        let mut value = in_column(self.known, native);
        if !self.steps().is_empty() {
            let stepped = transform::get(self.steps(), value.into_owned());
            value = Cow::Owned(stepped.map_err(|reason| self.misfit(reason))?);
        }
        let kind = self.rule.kind;
        if *value != Value::Null && value.kind() != Some(kind) {
            let number = cast::number(value.into_owned(), kind);
            let wrong = || self.misfit(format!("it isn't {}", kind.as_str()));
            value = Cow::Owned(number.ok_or_else(wrong)?);
        }
        Ok(neutral::settled(self.field, self.rule, self.index, value))
    }

    fn put<'v>(&self, trunk: Cow<'v, Value>) -> Result<Cow<'v, Value>, MapFailure> {
        let mut value = trunk;
        if !self.steps().is_empty() {
            let kind = self.known.map(|column| column.kind);
            let stepped = transform::put(self.steps(), value.into_owned(), kind);
            value = Cow::Owned(stepped.map_err(|reason| self.misfit(reason))?);
        }
        value = in_column(self.known, value);
        if *value == Value::Null {
            value = Cow::Owned(self.stand_in());
        }
        if let Some(column) = self.known {
            fit::check(column, &value).map_err(|reason| self.misfit(reason))?;
        }
        Ok(value)
    }

    /// What is written for null: the default, or an empty set where only that is allowed.
    fn stand_in(&self) -> Value {
        let needs_set = |column: &ColumnSpec| column.kind == ValueType::Set && !column.nullable;
        match (self.rule.defaults.get(self.side), self.known) {
            (Some(default), known) => in_column(known, Cow::Borrowed(default)).into_owned(),
            (None, Some(column)) if needs_set(column) => {
                Value::Set(std::collections::BTreeSet::new())
            }
            (None, _) => Value::Null,
        }
    }

    fn standing<'v>(&self, native: Cow<'v, Value>) -> Cow<'v, Value> {
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
