//! Runs a plan: candidates from an index where there is one, filter, sort, cut; and the JSON of
//! one record.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    ast::Op,
    bind::{Column, Order, Plan, is_own, is_own_id},
    eval::{Check, Filter, cell, compare},
};
use crate::{
    cell::Cell,
    ids::Id,
    org::{Key, Org, Row, key},
    schema::{Kind, STAMP},
};

/// The ids of all rows that a plan selects, in its order.
pub(crate) fn select(org: &Org, plan: &Plan, with_deleted: bool, now_ms: i64) -> Vec<Id> {
    let ids = match plan.filter.as_ref().and_then(|filter| candidates(org, plan.object, filter)) {
        Some(mut ids) => {
            ids.extend(org.table(plan.object).late(now_ms));
            ids.into_iter().collect()
        }
        None => org.table(plan.object).ids().collect::<Vec<_>>(),
    };
    let passes = |row: &Arc<Row>| {
        (with_deleted || !row.is_deleted())
            && plan.filter.as_ref().is_none_or(|filter| filter.passes(org, row, now_ms))
    };
    let rows = ids.into_iter().filter_map(|id| org.view(plan.object, id, now_ms));
    let mut rows: Vec<_> = rows.filter(|row| passes(row)).collect();
    rows.sort_by(|one, other| by_order(org, &plan.order, one, other, now_ms));
    let limit = plan.limit.unwrap_or(usize::MAX);
    rows.into_iter().skip(plan.offset).take(limit).map(|row| row.id()).collect()
}

fn by_order(org: &Org, order: &[Order], one: &Row, other: &Row, now_ms: i64) -> Ordering {
    for sort in order {
        let a = cell(org, one, &sort.column, now_ms).unwrap_or(&Cell::Null);
        let b = cell(org, other, &sort.column, now_ms).unwrap_or(&Cell::Null);
        let step = match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if sort.nulls_last => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, true) if sort.nulls_last => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) if sort.descending => compare(b, a),
            (false, false) => compare(a, b),
        };
        if step.is_ne() {
            return step;
        }
    }
    one.id().cmp(&other.id())
}

/// Ids among which all matches are; nothing if only a full scan finds them.
fn candidates(org: &Org, object: usize, filter: &Filter) -> Option<BTreeSet<Id>> {
    match filter {
        Filter::All(parts) => {
            let found = parts.iter().filter_map(|part| candidates(org, object, part));
            found.min_by_key(BTreeSet::len)
        }
        Filter::Any(parts) => {
            let found: Option<Vec<_>> =
                parts.iter().map(|part| candidates(org, object, part)).collect();
            Some(found?.into_iter().flatten().collect())
        }
        Filter::Not(_) => None,
        Filter::Test { column, check, sensitive } if is_own(column) => {
            by_check(org, object, column, check, *sensitive)
        }
        Filter::Test { .. } => None,
    }
}

fn by_check(
    org: &Org,
    object: usize,
    column: &Column,
    check: &Check,
    sensitive: bool,
) -> Option<BTreeSet<Id>> {
    let keys: Vec<Key> = match check {
        Check::In { keys, with_null: false, negated: false } => keys.iter().cloned().collect(),
        Check::Compare(Op::Equal, wanted) => vec![key(wanted, sensitive)?],
        Check::Compare(Op::Greater | Op::GreaterEqual, Cell::Instant(at))
            if column.field == STAMP =>
        {
            return Some(org.table(object).since(*at).collect());
        }
        Check::Compare(..) | Check::In { .. } | Check::Range(..) => return None,
        Check::Includes { .. } | Check::Like(_) => return None,
    };
    if is_own_id(column) {
        let id = |key| if let Key::Id(id) = key { Some(id) } else { None };
        return Some(keys.into_iter().filter_map(id).collect());
    }
    if let (STAMP, [Key::Instant(at)]) = (column.field, keys.as_slice()) {
        return Some(org.table(object).since(*at).collect());
    }
    let field = &org.object(object).fields[column.field];
    let found = keys.iter().flat_map(|key| org.table(object).by_key(column.field, key));
    field.indexed().then(|| found.collect())
}

/// A record as a query or a row answer shows it.
pub(crate) fn record(
    org: &Org,
    row: &Row,
    object: usize,
    columns: &[Column],
    base: &str,
    now_ms: i64,
) -> Value {
    let mut body = Map::new();
    body.insert("attributes".to_owned(), attributes(org, object, row.id(), base));
    let mut parents: Vec<usize> = Vec::new();
    for column in columns {
        match column.hops.split_first() {
            None => {
                let field = &org.object(object).fields[column.field];
                body.insert(field.name.clone(), shown(org, object, row, column.field));
            }
            Some((hop, _)) if !parents.contains(hop) => parents.push(*hop),
            Some(_) => {}
        }
    }
    for hop in parents {
        let field = &org.object(object).fields[hop];
        let name = field.target.as_ref().and_then(|target| target.relationship.clone());
        let inner: Vec<_> = columns.iter().filter_map(|column| below(column, hop)).collect();
        let parent = row.cells[hop].id().and_then(|id| Some((org.object_of(id)?, id)));
        let parent = parent.and_then(|(at, id)| Some((at, org.view(at, id, now_ms)?)));
        let value =
            parent.map_or(Value::Null, |(at, row)| record(org, row, at, &inner, base, now_ms));
        body.insert(name.unwrap_or_default(), value);
    }
    Value::Object(body)
}

fn below(column: &Column, hop: usize) -> Option<Column> {
    let (first, rest) = column.hops.split_first()?;
    (*first == hop).then(|| Column { hops: rest.to_vec(), ..column.clone() })
}

fn attributes(org: &Org, object: usize, id: Id, base: &str) -> Value {
    let name = &org.object(object).name;
    json!({ "type": name, "url": format!("{base}/sobjects/{name}/{id}") })
}

/// The JSON of one field; compound addresses are put together from their parts.
fn shown(org: &Org, object: usize, row: &Row, place: usize) -> Value {
    let one = org.object(object);
    let field = &one.fields[place];
    if field.kind != Kind::Address {
        return row.cells[place].json(field.kind);
    }
    let start = field.name.trim_end_matches("Address");
    let mut body = Map::new();
    for part in ["Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude"] {
        let at = one.find(&format!("{start}{part}")).expect("addresses come with their parts");
        let name = format!("{}{}", part[..1].to_lowercase(), &part[1..]);
        body.insert(name, row.cells[at].json(one.fields[at].kind));
    }
    if body.values().all(Value::is_null) {
        return Value::Null;
    }
    body.insert("geocodeAccuracy".to_owned(), Value::Null);
    Value::Object(body)
}
