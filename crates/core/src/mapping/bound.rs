//! A field with what is known of its columns on both sides, looked up once for all that is asked of
//! it while a record is decided.

use super::{MapFailure, parent, values};
use crate::facts::Parent;
use crate::side::{Both, Side};
use crate::spec::{ColumnSpec, FieldSpec, FlowSpec, Mapping};
use crate::value::Value;
use std::borrow::Cow;
use std::ops::Deref;

/// A field of a flow, and its columns.
#[derive(Clone, Debug)]
pub(crate) struct Bound<'a> {
    flow: &'a FlowSpec,
    field: &'a FieldSpec,
    /// Its place among the flow's fields.
    pub(crate) at: usize,
    known: Both<Known<'a>>,
}

/// What is known of the columns on one side; nothing before the flow is bound.
#[derive(Clone, Debug)]
struct Known<'a> {
    first: Option<&'a ColumnSpec>,
    rest: Vec<Option<&'a ColumnSpec>>,
}

/// What a field's values go through.
enum Way<'a> {
    Values(values::Rule<'a>),
    Parent(parent::Place<'a>),
}

impl Deref for Bound<'_> {
    type Target = FieldSpec;

    fn deref(&self) -> &FieldSpec {
        self.field
    }
}

impl<'a> Bound<'a> {
    /// Every field of a flow, in its order.
    pub(crate) fn all(flow: &'a FlowSpec) -> Vec<Bound<'a>> {
        let fields = flow.fields.iter().enumerate();
        fields.map(|(at, field)| Bound { at, ..Bound::of(flow, field) }).collect()
    }

    /// One field of a flow.
    pub(super) fn of(flow: &'a FlowSpec, field: &'a FieldSpec) -> Bound<'a> {
        let known = Both::build(|side| {
            let all = &flow.ends.get(side).columns;
            let mut known = field.columns.get(side).iter().map(|column| all.get(column));
            Known { first: known.next().flatten(), rest: known.collect() }
        });
        Bound { flow, field, at: 0, known }
    }

    /// What is known of one of its columns.
    pub(super) fn known(&self, side: Side, index: usize) -> Option<&'a ColumnSpec> {
        let known = self.known.get(side);
        match index.checked_sub(1) {
            None => known.first,
            Some(later) => known.rest.get(later).copied().flatten(),
        }
    }

    fn way(&self, side: Side) -> Way<'a> {
        match &self.field.mapping {
            Mapping::Values { kind, transforms, defaults } => {
                Way::Values(values::Rule { kind: *kind, transforms, defaults })
            }
            Mapping::Parent { flow, none, .. } => {
                let (spec, field) = (self.flow, self.field);
                Way::Parent(parent::Place { spec, field, side, flow, none: none.get(side) })
            }
        }
    }

    /// See [`super::get`].
    pub(crate) fn get<'v>(
        &self,
        side: Side,
        native: &'v Value,
        parents: &[Parent],
    ) -> Result<Cow<'v, Value>, MapFailure> {
        match self.way(side) {
            Way::Values(rule) => values::get(self, rule, side, native),
            Way::Parent(place) => parent::get(&place, native, parents).map(Cow::Owned),
        }
    }

    /// See [`super::put`].
    pub(crate) fn put<'v>(
        &self,
        side: Side,
        trunk: &'v Value,
        parents: &[Parent],
    ) -> Result<Cow<'v, Value>, MapFailure> {
        match self.way(side) {
            Way::Values(rule) => values::put(self, rule, side, trunk),
            Way::Parent(place) => parent::put(&place, trunk, parents).map(Cow::Owned),
        }
    }

    /// See [`super::same`].
    pub(crate) fn same(&self, side: Side, a: &Value, b: &Value) -> bool {
        a == b || self.standing(side, a) == self.standing(side, b)
    }

    fn standing<'v>(&self, side: Side, native: &'v Value) -> Cow<'v, Value> {
        match self.way(side) {
            Way::Values(rule) => values::standing(self, rule, side, native),
            Way::Parent(place) => Cow::Owned(parent::standing(&place, native)),
        }
    }
}
