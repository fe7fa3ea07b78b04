//! The flow of all measurements: 20 fields, both ways, the later change wins, bound to two sides as
//! `duet run` binds one.

use crate::error::BenchError;
use crate::sample::{EXTERNAL, FIELDS, FLOW, FieldOf, KEY};
use duet_core::bind::{Rights, SideFacts, bind};
use duet_core::id::Column;
use duet_core::side::{Both, Side};
use duet_core::spec::{
    Ambiguous, BlankKey, Canon, ColumnSpec, DeleteConflict, Direction, End, FieldSpec, FlowSpec,
    LeaveFilter, Mapping, MatchBy, MatchRule, OnNone, OneWayEdit, PathClass, Promise, RecordPolicy,
    SameChange, Strategy, Tie,
};
use duet_core::value::ValueType;
use std::collections::BTreeMap;

/// The connection of a side.
pub(crate) fn connection(side: Side) -> &'static str {
    match side {
        Side::Left => "crm",
        Side::Right => "shop",
    }
}

/// The flow, bound.
///
/// # Errors
/// When binding refuses it.
pub(crate) fn spec() -> Result<FlowSpec, BenchError> {
    let refused = |mistakes: Vec<duet_core::bind::BindMistake>| {
        BenchError::Check(format!("the flow of the bench can't be bound: {mistakes:?}"))
    };
    bind(draft(), &facts(Side::Left), &facts(Side::Right)).map_err(refused)
}

fn draft() -> FlowSpec {
    let by_key = MatchRule {
        by: MatchBy::ExternalId,
        columns: Both::new(vec![EXTERNAL.into()], vec![KEY.into()]),
        normalize: Vec::new(),
    };
    FlowSpec {
        name: FLOW.into(),
        ends: Both::build(end),
        matching: vec![by_key],
        fields: FIELDS.iter().map(field).collect(),
        constants: Both::default(),
        policy: policy(),
        version: String::new(),
    }
}

fn end(side: Side) -> End {
    let (collection, key) = match side {
        Side::Left => ("Contact", "Id"),
        Side::Right => ("contacts", KEY),
    };
    End {
        connection: connection(side).into(),
        collection: collection.to_owned(),
        key: vec![key.into()],
        filter: None,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise::default(),
        columns: BTreeMap::new(),
    }
}

fn field((left, right, kind): &FieldOf) -> FieldSpec {
    FieldSpec {
        name: (*right).into(),
        columns: Both::new(vec![(*left).into()], vec![(*right).into()]),
        mapping: Mapping::Values {
            kind: *kind,
            transforms: Both::default(),
            defaults: Both::default(),
        },
        direction: Direction::Both,
        on_one_way_edit: OneWayEdit::Overwrite,
        strategy: Strategy::LastWriteWins { tie: vec![Tie::Right] },
        propagate_null: true,
        fill_nulls: true,
        same_change: SameChange::Accept,
        sensitive: false,
        create_only: false,
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

/// What a side says about itself. The left one trims texts and takes the empty one for null, as
/// Salesforce does.
fn facts(side: Side) -> SideFacts {
    let own = FIELDS.iter().map(|(left, right, kind)| {
        let name = if side == Side::Left { left } else { right };
        (Column::from(*name), column(side, *kind))
    });
    let keys: &[&str] = if side == Side::Left { &["Id", EXTERNAL] } else { &[KEY] };
    let keys = keys.iter().map(|name| (Column::from(*name), column(side, ValueType::Text)));
    let unique = if side == Side::Left { EXTERNAL } else { KEY };
    SideFacts {
        columns: own.chain(keys).collect(),
        key: vec![if side == Side::Left { "Id".into() } else { KEY.into() }],
        unique: vec![unique.into()],
        key_column: None,
        guarded: PathClass::K3,
        batch: PathClass::K3,
        grain_us: 0,
        skew_us: 0,
        undelete: false,
        may: Rights { create: true, update: true, delete: true },
    }
}

fn column(side: Side, kind: ValueType) -> ColumnSpec {
    let is_left = side == Side::Left;
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
        canon: Canon { trim: is_left, empty_is_null: is_left, ..Canon::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_can_be_bound() {
        let spec = spec().unwrap();
        assert_eq!(spec.fields.len(), 20);
        assert!(!spec.version.is_empty());
    }
}
