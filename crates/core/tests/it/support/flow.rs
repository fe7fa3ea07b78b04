//! Flows for tests: columns `l_NAME` and `r_NAME` for a field `NAME`, plain text unless told.

use duet_core::id::{Column, ConnectionName, FieldName, FlowName};
use duet_core::side::{Both, Side};
use duet_core::spec::*;
use duet_core::value::ValueType;
use std::collections::BTreeMap;

pub(crate) fn column(side: Side, name: &str) -> Column {
    match side {
        Side::Left => Column::new(format!("l_{name}")),
        Side::Right => Column::new(format!("r_{name}")),
    }
}

pub(crate) fn field(name: &str, strategy: Strategy) -> FieldSpec {
    FieldSpec {
        name: FieldName::from(name),
        columns: Both::build(|side| vec![column(side, name)]),
        mapping: Mapping::Values {
            kind: ValueType::Text,
            transforms: Both::default(),
            defaults: Both::default(),
        },
        direction: Direction::Both,
        on_one_way_edit: OneWayEdit::Overwrite,
        strategy,
        propagate_null: true,
        fill_nulls: true,
        same_change: SameChange::Accept,
        sensitive: false,
        create_only: false,
    }
}

/// The same field with values of another type.
pub(crate) fn typed(mut field: FieldSpec, kind: ValueType) -> FieldSpec {
    field.mapping =
        Mapping::Values { kind, transforms: Both::default(), defaults: Both::default() };
    field
}

fn end(side: Side) -> End {
    End {
        connection: ConnectionName::from(side.as_str()),
        collection: "things".to_owned(),
        key: vec![column(side, "id")],
        filter: None,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise { key_column: Some(column(side, "duet")), ..Promise::default() },
        columns: BTreeMap::new(),
    }
}

pub(crate) fn policy() -> RecordPolicy {
    RecordPolicy {
        deletes: Both::default(),
        on_delete_conflict: DeleteConflict::ManualReview,
        on_leave_filter: LeaveFilter::Freeze,
        on_none: Both::default(),
        on_blank_key: BlankKey::Hold,
        on_ambiguous: Ambiguous::Flag,
        initial: None,
        create_grace_us: 0,
    }
}

/// A flow of these fields, matched by the column `key` of both sides.
pub(crate) fn flow(fields: Vec<FieldSpec>) -> FlowSpec {
    FlowSpec {
        name: FlowName::from("things"),
        ends: Both::build(end),
        matching: vec![MatchRule {
            by: MatchBy::Equal,
            columns: Both::build(|side| vec![column(side, "key")]),
            normalize: vec![Normalize::Trim],
        }],
        fields,
        constants: Both::default(),
        policy: policy(),
        version: "test".to_owned(),
    }
}

/// What is known of a column, all permitted.
pub(crate) fn any_column(kind: ValueType) -> ColumnSpec {
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
