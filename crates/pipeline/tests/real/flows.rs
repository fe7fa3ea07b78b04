//! Flows for tests: tables of one name on both sides, columns of one name, matched by `code`.

use std::collections::BTreeMap;

use duet_core::id::FlowName;
use duet_core::side::{Both, Side};
use duet_core::spec::{
    AfterWait, Ambiguous, BlankKey, DeleteConflict, DeletePolicy, Direction, End, FieldSpec,
    FlowSpec, LeaveFilter, Mapping, MatchBy, MatchRule, MissingParent, OnNone, OneWayEdit, Promise,
    RecordPolicy, SameChange, Strategy,
};
use duet_core::value::ValueType;
use duet_testkit::memory_side::{KEY_COLUMN, Promises};

pub(crate) const THINGS: &str = "things";

/// A mapped field of texts, a person's matter when both sides change it.
pub(crate) fn field(name: &str) -> FieldSpec {
    let kind = ValueType::Text;
    let values = Mapping::Values { kind, transforms: Both::default(), defaults: Both::default() };
    FieldSpec {
        name: name.into(),
        columns: Both::build(|_| vec![name.into()]),
        mapping: values,
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

/// A field that names a record of another flow.
pub(crate) fn parent(name: &str, flow: &str) -> FieldSpec {
    let missing = MissingParent { wait_us: None, then: AfterWait::Flag };
    let mapping = Mapping::Parent { flow: FlowName::from(flow), missing, none: Both::default() };
    FieldSpec { mapping, ..field(name) }
}

fn end(side: Side, table: &str, promises: Promises) -> End {
    End {
        connection: side.as_str().into(),
        collection: table.to_owned(),
        key: vec!["id".into()],
        filter: None,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise {
            guarded: promises.class,
            batch: promises.class,
            grain_us: promises.grain_us,
            skew_us: 0,
            key_column: promises.key_column.then(|| KEY_COLUMN.into()),
            undelete: false,
        },
        columns: BTreeMap::new(),
    }
}

fn policy() -> RecordPolicy {
    RecordPolicy {
        deletes: Both::default(),
        on_delete_conflict: DeleteConflict::ManualReview,
        on_leave_filter: LeaveFilter::Freeze,
        on_none: Both::build(|_| OnNone::Create),
        on_blank_key: BlankKey::Hold,
        on_ambiguous: Ambiguous::Flag,
        initial: None,
        create_grace_us: 0,
    }
}

/// A flow over tables of its own name.
pub(crate) fn flow(name: &str, fields: Vec<FieldSpec>) -> FlowSpec {
    let code = MatchRule {
        by: MatchBy::Equal,
        columns: Both::build(|_| vec!["code".into()]),
        normalize: Vec::new(),
    };
    FlowSpec {
        name: name.into(),
        ends: Both::build(|side| end(side, name, Promises::default())),
        matching: vec![code],
        fields,
        constants: Both::default(),
        policy: policy(),
        version: "test".to_owned(),
    }
}

/// The usual flow: `code`, `name` and `city`.
pub(crate) fn things() -> FlowSpec {
    flow(THINGS, vec![field("code"), field("name"), field("city")])
}

/// A flow whose deletions are treated so, on both sides.
pub(crate) fn deleting(policy: DeletePolicy) -> FlowSpec {
    let mut spec = things();
    spec.policy.deletes = Both::build(|_| policy);
    spec
}

/// The same flow with a side that promises something else.
pub(crate) fn promising(mut spec: FlowSpec, side: Side, promises: Promises) -> FlowSpec {
    let table = spec.ends.get(side).collection.clone();
    *spec.ends.get_mut(side) = end(side, &table, promises);
    spec
}
