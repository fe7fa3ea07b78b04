//! Binding: what each mistake looks like, and what a bound flow has been given.

mod mistakes;
mod settled;

use duet_core::bind::{BindKind, BindMistake, Rights, SideFacts, examine};
use duet_core::side::{Both, Side};
use duet_core::spec::{
    Canon, ColumnSpec, Direction, End, FieldSpec, FlowSpec, Mapping, MatchBy, MatchRule,
    OneWayEdit, PathClass, Promise, RecordPolicy, SameChange, Strategy, Transform,
};
use duet_core::value::ValueType;
use std::collections::BTreeMap;

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

pub(crate) fn facts(columns: &[(&str, ColumnSpec)]) -> SideFacts {
    SideFacts {
        columns: columns.iter().map(|(name, spec)| ((*name).into(), spec.clone())).collect(),
        key: vec!["id".into()],
        unique: vec!["ext".into()],
        key_column: None,
        guarded: PathClass::K3,
        batch: PathClass::K3,
        grain_us: 0,
        skew_us: 0,
        undelete: false,
        may: Rights { create: true, update: true, delete: true },
    }
}

pub(crate) fn field(name: &str, left: &[&str], right: &[&str]) -> FieldSpec {
    let columns = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    FieldSpec {
        name: name.into(),
        columns: Both::new(columns(left), columns(right)),
        mapping: Mapping::Values {
            kind: ValueType::Text,
            transforms: Both::default(),
            defaults: Both::default(),
        },
        direction: Direction::Both,
        on_one_way_edit: OneWayEdit::Overwrite,
        strategy: Strategy::ManualReview,
        propagate_null: true,
        fill_nulls: true,
        same_change: SameChange::Accept,
        sensitive: false,
        create_only: false,
    }
}

pub(crate) fn with(mut field: FieldSpec, side: Side, steps: Vec<Transform>) -> FieldSpec {
    let Mapping::Values { transforms, .. } = &mut field.mapping else { unreachable!() };
    *transforms.get_mut(side) = steps;
    field
}

pub(crate) fn draft(fields: Vec<FieldSpec>) -> FlowSpec {
    let end = |connection: &str, key: &str| End {
        connection: connection.into(),
        collection: "things".into(),
        key: vec![key.into()],
        filter: None,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise::default(),
        columns: BTreeMap::new(),
    };
    FlowSpec {
        name: "flow".into(),
        ends: Both::new(end("crm", "id"), end("shop", "id")),
        matching: vec![MatchRule {
            by: MatchBy::ExternalId,
            columns: Both::new(vec!["ext".into()], vec!["id".into()]),
            normalize: Vec::new(),
        }],
        fields,
        constants: Both::default(),
        policy: RecordPolicy {
            deletes: Both::default(),
            on_delete_conflict: Default::default(),
            on_leave_filter: Default::default(),
            on_none: Both::default(),
            on_blank_key: Default::default(),
            on_ambiguous: Default::default(),
            initial: None,
            create_grace_us: 0,
        },
        version: String::new(),
    }
}

/// Both sides: an id, an external id, and one column `a` per side.
pub(crate) fn sides(left: ColumnSpec, right: ColumnSpec) -> (SideFacts, SideFacts) {
    let text = column(ValueType::Text);
    let side = |own| facts(&[("id", text.clone()), ("ext", text.clone()), ("a", own)]);
    (side(left), side(right))
}

pub(crate) fn told(spec: FlowSpec, sides: &(SideFacts, SideFacts)) -> Vec<BindMistake> {
    examine(spec, &sides.0, &sides.1).1
}

pub(crate) fn kinds(spec: FlowSpec, sides: &(SideFacts, SideFacts)) -> Vec<BindKind> {
    told(spec, sides).iter().map(|mistake| mistake.kind).collect()
}
