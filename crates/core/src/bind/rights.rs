//! Whether the sides let the flow do what it is to do: columns, credentials, classes of paths.

use super::{BindKind, BindPlace, Work};
use crate::id::Column;
use crate::side::Side;
use crate::spec::{
    ColumnSpec, DeletePolicy, FieldSpec, FlowSpec, Mapping, MatchBy, MergeKind, OnNone, PathClass,
    Strategy,
};
use crate::value::ValueType;
use std::collections::{BTreeMap, BTreeSet};

/// Every column that the flow may change on an existing record.
pub(super) fn changes(spec: &FlowSpec) -> Vec<(Side, &FieldSpec, &Column)> {
    let mut changes = Vec::new();
    for side in Side::BOTH {
        for field in spec.fields.iter().filter(|field| reaches(field, side) && !field.create_only) {
            changes.extend(field.columns.get(side).iter().map(|column| (side, field, column)));
        }
    }
    changes
}

/// Checks everything of this file.
pub(super) fn check(work: &mut Work<'_>) {
    for side in Side::BOTH {
        settle_create_only(work, side);
        check_columns(work, side);
        check_credentials(work, side);
        check_class(work, side);
        check_required(work, side);
    }
    check_counters(work);
}

/// Whether values of the field are written to the side.
fn reaches(field: &FieldSpec, side: Side) -> bool {
    field.direction.owner() != Some(side)
}

fn creates(spec: &FlowSpec, side: Side) -> bool {
    *spec.policy.on_none.get(side.other()) == OnNone::Create
}

/// A reference that can be set once only, or that is a part of the key, is carried by creates.
fn settle_create_only(work: &mut Work<'_>, side: Side) {
    let facts = *work.facts.get(side);
    let key = work.spec.ends.get(side).key.clone();
    for field in &mut work.spec.fields {
        let fixed = |column: &Column| {
            let once = facts.columns.get(column).is_some_and(|c| c.createable && !c.updateable);
            once || key.contains(column)
        };
        let parent = matches!(field.mapping, Mapping::Parent { .. });
        if parent && reaches(field, side) && field.columns.get(side).iter().any(fixed) {
            field.create_only = true;
        }
    }
}

fn check_columns(work: &mut Work<'_>, side: Side) {
    let facts = *work.facts.get(side);
    let mut writers: BTreeMap<Column, String> = BTreeMap::new();
    for field in work.spec.fields.clone() {
        if !reaches(&field, side) {
            continue;
        }
        for column in field.columns.get(side) {
            let place = BindPlace::Field(field.name.clone());
            let at = Some((side, column));
            if let Some(first) = writers.insert(column.clone(), field.name.to_string()) {
                let sentence = format!("{column} is written by the field {first} too");
                work.mistake(BindKind::WrittenTwice, place.clone(), at, sentence);
            }
            let Some(known) = facts.columns.get(column) else { continue };
            if let Some((kind, sentence)) = unwritable(&field, column, known) {
                let help = "take a `direction` away from that side, or give the right to edit it";
                work.mistake(kind, place, at, sentence).help = Some(help.to_owned());
            }
        }
    }
}

fn unwritable(
    field: &FieldSpec,
    column: &Column,
    known: &ColumnSpec,
) -> Option<(BindKind, String)> {
    if known.updateable || (field.create_only && known.createable) {
        return None;
    }
    if known.createable {
        let sentence = format!("{column} can be set by a create only, and changes would go there");
        return Some((BindKind::OnlyOnCreate, sentence));
    }
    Some((BindKind::NotWritable, format!("{column} can't be written, and changes would go there")))
}

fn check_credentials(work: &mut Work<'_>, side: Side) {
    let may = work.facts.get(side).may;
    let changed = changes(&work.spec).iter().any(|(to, _, _)| *to == side);
    let deleted = *work.spec.policy.deletes.get(side.other()) == DeletePolicy::Propagate;
    let wanted = [
        (creates(&work.spec, side), may.create, "create", "on_none"),
        (changed, may.update, "change", "direction"),
        (deleted, may.delete, "delete", "deletes"),
    ];
    for (wanted, allowed, verb, key) in wanted {
        if wanted && !allowed {
            let end = work.spec.ends.get(side);
            let sentence =
                format!("{}: no right to {verb} records of {}", end.connection, end.collection);
            let mistake = work.mistake(BindKind::NotAllowed, BindPlace::End(side), None, sentence);
            mistake.help = Some(format!("give the right to the user of duet, or change `{key}`"));
        }
    }
}

/// A blind write may only be aimed at a side that never has the last word.
fn check_class(work: &mut Work<'_>, side: Side) {
    if work.facts.get(side).guarded > PathClass::K0 {
        return;
    }
    for field in work.spec.fields.clone() {
        let other_rules = field.strategy == Strategy::SourceOfTruth(side.other());
        let one_way = field.direction.owner() == Some(side.other());
        if reaches(&field, side) && !one_way && !other_rules {
            let sentence = format!("the {side} side takes blind writes only (class K0)");
            let place = BindPlace::Field(field.name.clone());
            let mistake = work.mistake(BindKind::ClassTooWeak, place, None, sentence);
            let help = format!("let the {} side be its source of truth", side.other());
            mistake.help = Some(help);
        }
    }
}

fn check_counters(work: &mut Work<'_>) {
    let weak: Vec<Side> = Side::BOTH
        .into_iter()
        .filter(|side| work.facts.get(*side).guarded < PathClass::K3s)
        .collect();
    for field in work.spec.fields.clone() {
        let Strategy::Merge { kind: MergeKind::Counter { .. }, .. } = &field.strategy else {
            continue;
        };
        for side in &weak {
            let class = work.facts.get(*side).guarded;
            let sentence =
                format!("a counter needs class K3 or K3s, the {side} side has {class:?}");
            let place = BindPlace::Field(field.name.clone());
            let mistake = work.mistake(BindKind::CounterNeedsMarker, place, None, sentence);
            let help = "install capture, or add the marker field, on that side";
            mistake.help = Some(help.to_owned());
        }
    }
}

/// Columns that a create must carry. A side may fill some of them by itself, which descriptions
/// don't tell; truth values and keys nearly always are, so nothing is said of those.
fn check_required(work: &mut Work<'_>, side: Side) {
    if !creates(&work.spec, side) {
        return;
    }
    let covered = covered(&work.spec, side);
    let facts = *work.facts.get(side);
    for (column, known) in &facts.columns {
        let needed = !known.nullable && known.createable && known.kind != ValueType::Boolean;
        if needed && !covered.contains(column) {
            let sentence = format!("creates need {column}, and nothing in the flow sets it");
            let at = Some((side, column));
            let place = BindPlace::End(side);
            let mistake = work.mistake(BindKind::RequiredUncovered, place, at, sentence);
            mistake.help = Some(format!("map it, or set it in `constants.{side}`"));
        }
    }
}

fn covered(spec: &FlowSpec, side: Side) -> BTreeSet<Column> {
    let end = spec.ends.get(side);
    let fields = spec.fields.iter().filter(|field| reaches(field, side));
    let ids = spec.matching.iter().filter(|rule| rule.by == MatchBy::ExternalId);
    let mut covered: BTreeSet<Column> =
        fields.flat_map(|field| field.columns.get(side)).cloned().collect();
    covered.extend(ids.flat_map(|rule| rule.columns.get(side)).cloned());
    covered.extend(spec.constants.get(side).keys().cloned());
    covered.extend(end.key.iter().chain(&end.promise.key_column).cloned());
    covered
}
