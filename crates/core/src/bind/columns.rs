//! Fills in what the sides say: keys, promises, columns in use. Names what isn't there.

use super::{BindKind, BindPlace, Work, closest};
use crate::id::Column;
use crate::side::Side;
use crate::spec::{MatchBy, MatchRule};

/// Fills keys, promises and columns.
pub(super) fn fill(work: &mut Work<'_>) {
    for side in Side::BOTH {
        let facts = *work.facts.get(side);
        let promise = work.promise(side);
        let end = work.spec.ends.get_mut(side);
        end.promise = promise;
        if end.key.is_empty() {
            end.key.clone_from(&facts.key);
        }
        if end.key.is_empty() {
            let sentence = format!("the {side} side tells no key for {}", end.collection);
            let mistake = work.mistake(BindKind::NoKey, BindPlace::End(side), None, sentence);
            mistake.help = Some("name the key columns with `key`".to_owned());
        }
        fill_side(work, side);
    }
    for (index, rule) in work.spec.matching.clone().iter().enumerate() {
        check_rule(work, index, rule);
    }
}

fn fill_side(work: &mut Work<'_>, side: Side) {
    for (place, column) in named(work, side) {
        let facts = *work.facts.get(side);
        if let Some(known) = facts.columns.get(&column) {
            work.spec.ends.get_mut(side).columns.insert(column, known.clone());
            continue;
        }
        let end = work.spec.ends.get(side);
        let sentence = format!("{} {} has no column {column}", end.connection, end.collection);
        let near = closest(column.as_str(), facts.columns.keys().map(Column::as_str));
        let help = near.map(|near| format!("did you mean {near}?"));
        let at = Some((side, &column));
        work.mistake(BindKind::UnknownColumn, place, at, sentence).help = help;
    }
}

/// Every column that the flow names on a side, and where.
fn named(work: &Work<'_>, side: Side) -> Vec<(BindPlace, Column)> {
    let spec = &work.spec;
    let end = spec.ends.get(side);
    let mut named: Vec<(BindPlace, Column)> = Vec::new();
    let mut add = |place: BindPlace, columns: &[Column]| {
        named.extend(columns.iter().map(|column| (place.clone(), column.clone())));
    };
    add(BindPlace::End(side), &end.key);
    for field in &spec.fields {
        add(BindPlace::Field(field.name.clone()), field.columns.get(side));
    }
    for (index, rule) in spec.matching.iter().enumerate() {
        add(BindPlace::Match(index), rule.columns.get(side));
    }
    for column in spec.constants.get(side).keys() {
        add(BindPlace::Constants(side), std::slice::from_ref(column));
    }
    if let Some((column, _)) = &end.soft {
        add(BindPlace::Soft(side), std::slice::from_ref(column));
    }
    if let Some(column) = &end.promise.key_column {
        add(BindPlace::End(side), std::slice::from_ref(column));
    }
    named
}

fn check_rule(work: &mut Work<'_>, index: usize, rule: &MatchRule) {
    let place = BindPlace::Match(index);
    match rule.by {
        MatchBy::Equal => {
            if rule.columns.left.len() != rule.columns.right.len() {
                let sentence = "the rule names more columns on one side than on the other";
                work.mistake(BindKind::PartsDiffer, place, None, sentence.to_owned());
            }
        }
        MatchBy::ExternalId => check_external_id(work, place, rule),
    }
}

/// One side's columns are its key; the other side has one unique column that holds it.
fn check_external_id(work: &mut Work<'_>, place: BindPlace, rule: &MatchRule) {
    let is_key = |side: Side| *rule.columns.get(side) == work.spec.ends.get(side).key;
    let Some(owner) = Side::BOTH.into_iter().rev().find(|side| is_key(*side)) else {
        let sentence = "an external_id rule names the key of one side".to_owned();
        let mistake = work.mistake(BindKind::ExternalIdWithoutKey, place, None, sentence);
        mistake.help = Some("name the key, or use `by = \"equal\"`".to_owned());
        return;
    };
    let holder = owner.other();
    let [column] = rule.columns.get(holder).as_slice() else {
        let sentence = format!("the {holder} side of an external_id rule is one column");
        work.mistake(BindKind::PartsDiffer, place, None, sentence);
        return;
    };
    let facts = *work.facts.get(holder);
    if facts.columns.contains_key(column) && !facts.unique.contains(column) {
        let sentence = format!("{column} is not a unique external id on the {holder} side");
        let at = Some((holder, column));
        let mistake = work.mistake(BindKind::ExternalIdNotUnique, place, at, sentence);
        mistake.help = Some("make it unique there, or use `by = \"equal\"`".to_owned());
    }
}
