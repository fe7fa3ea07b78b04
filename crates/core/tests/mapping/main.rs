//! Mapping: round-trip laws of every transform, what fits a column, defaults, groups, parents.

mod columns;
mod hostile;
mod parents;
mod round_trips;
mod table;

use duet_core::id::Column;
use duet_core::side::{Both, Side};
use duet_core::spec::{
    Canon, ColumnSpec, Direction, End, FieldSpec, FlowSpec, Mapping, OneWayEdit, Promise,
    RecordPolicy, SameChange, Strategy, Transform,
};
use duet_core::value::{Value, ValueType};
use std::collections::BTreeMap;

/// A column of a type that takes everything of it.
pub(crate) fn column(kind: ValueType) -> ColumnSpec {
    ColumnSpec {
        kind,
        nullable: true,
        max_length: None,
        scale: None,
        precision: None,
        range: None,
        allowed: None,
        createable: true,
        updateable: true,
        canon: Canon::default(),
    }
}

/// A field of as many columns per side as are given, named `a0`, `a1`, … on both.
pub(crate) fn flow(left: Vec<ColumnSpec>, right: Vec<ColumnSpec>, mapping: Mapping) -> FlowSpec {
    let columns = Both::new(named(&left), named(&right));
    let field = FieldSpec {
        name: "field".into(),
        columns,
        mapping,
        direction: Direction::Both,
        on_one_way_edit: OneWayEdit::Overwrite,
        strategy: Strategy::ManualReview,
        propagate_null: true,
        fill_nulls: true,
        same_change: SameChange::Accept,
        sensitive: false,
        create_only: false,
    };
    FlowSpec {
        name: "flow".into(),
        ends: Both::new(end(left), end(right)),
        matching: Vec::new(),
        fields: vec![field],
        constants: Both::default(),
        policy: policy(),
        version: String::new(),
    }
}

fn named(columns: &[ColumnSpec]) -> Vec<Column> {
    (0..columns.len()).map(|place| Column::new(format!("a{place}"))).collect()
}

fn end(columns: Vec<ColumnSpec>) -> End {
    let names = named(&columns);
    End {
        connection: "side".into(),
        collection: "things".into(),
        key: vec!["id".into()],
        filter: None,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise::default(),
        columns: names.into_iter().zip(columns).collect(),
    }
}

fn policy() -> RecordPolicy {
    RecordPolicy {
        deletes: Both::default(),
        on_delete_conflict: Default::default(),
        on_leave_filter: Default::default(),
        on_none: Both::default(),
        on_blank_key: Default::default(),
        on_ambiguous: Default::default(),
        initial: None,
        create_grace_us: 0,
    }
}

/// Values of a neutral type, through steps on the left side only.
pub(crate) fn values(kind: ValueType, left: Vec<Transform>) -> Mapping {
    Mapping::Values { kind, transforms: Both::new(left, Vec::new()), defaults: Both::default() }
}

pub(crate) fn get(flow: &FlowSpec, side: Side, native: &Value) -> Option<Value> {
    duet_core::mapping::get(flow, &flow.fields[0], side, native, &[]).ok()
}

pub(crate) fn put(flow: &FlowSpec, side: Side, trunk: &Value) -> Option<Value> {
    duet_core::mapping::put(flow, &flow.fields[0], side, trunk, &[]).ok()
}

pub(crate) fn number(text: &str) -> Value {
    Value::decimal(text.parse().expect("a number"))
}
