//! Creates: inserts that carry a unique field. A repeated one is refused as a duplicate, and the
//! record that holds the value tells by its marker whether it is ours.

use super::{Task, collections, failure_of, found, of_a_parent};
use crate::failure::SideError;
use crate::field_value::encode;
use crate::find;
use crate::object::KEY;
use crate::query::{Rows, by_ids, chunks, encoded};
use crate::record_id;
use crate::wire::SaveResult;
use duet_core::id::{Column, RecordId};
use duet_core::intent::Outcome;
use duet_core::observation::Source;
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Call, ConnectorError, Record};
use reqwest::Method;
use std::collections::{BTreeMap, BTreeSet};

/// A call that was refused as a duplicate.
pub(super) struct Duplicate {
    pub(super) place: usize,
    failure: Failure,
    /// The records that the side named.
    named: Vec<RecordId>,
    /// Whether the holder of the unique value is among them. Duplicate rules name what is alike.
    told: bool,
}

/// Inserts the records of a batch.
pub(super) async fn create(task: &mut Task<'_>) -> Result<(), ConnectorError> {
    let mut bodies = Vec::new();
    for place in task.open() {
        let Some(mut body) = task.body(place) else { continue };
        if let Some((column, value)) = unique(task, &task.calls[place])
            && let Some(json) = encode(&value)
        {
            body.insert(column.to_string(), json);
        }
        bodies.push((place, body));
    }
    collections::send(task, Method::POST, bodies, settle).await?;
    let duplicates = std::mem::take(&mut task.duplicates);
    settle_duplicates(task, duplicates).await
}

fn settle(
    task: &mut Task<'_>,
    places: &[usize],
    results: Vec<SaveResult>,
) -> Result<(), ConnectorError> {
    for (&place, result) in places.iter().zip(results) {
        let id = result.id.as_deref().and_then(record_id::record);
        match id.filter(|_| result.success) {
            Some(record) => task.set(place, Outcome::Landed { record, after: None }),
            // A success that names no record stays without outcome: unknown.
            None if result.success => {}
            None => refused(task, place, &result.errors),
        }
    }
    Ok(())
}

/// The column and value that make a create unique.
fn unique(task: &Task<'_>, call: &Call) -> Option<(Column, Value)> {
    // An empty value is held by many.
    if let Some(unique) = call.unique.as_ref().filter(|(_, value)| !value.is_null()) {
        return Some(unique.clone());
    }
    let has = task.view.object.has_key();
    has.then(|| (Column::from(KEY), Value::text(call.link.to_string())))
}

fn refused(task: &mut Task<'_>, place: usize, errors: &[SideError]) {
    let failure = of_a_parent(failure_of(errors, 200));
    if failure.class == FailureClass::Uniqueness {
        let mut named: Vec<RecordId> = errors.iter().flat_map(holder).collect();
        let told = !named.is_empty();
        named.extend(errors.iter().flat_map(alike));
        task.duplicates.push(Duplicate { place, failure, named, told });
    } else {
        task.refuse(place, failure, None);
    }
}

/// The record that an error names as the holder of a unique value: in its text only.
fn holder(error: &SideError) -> Vec<RecordId> {
    let text = error.message.rsplit_once("record with id: ").map_or("", |(_, rest)| rest);
    let told = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    told.filter_map(record_id::record).collect()
}

/// The records that a duplicate rule found.
fn alike(error: &SideError) -> Vec<RecordId> {
    let rules = error.duplicates.iter().flat_map(|it| it["matchResults"].as_array());
    let records = rules.flatten().flat_map(|rule| rule["matchRecords"].as_array()).flatten();
    records.filter_map(|it| it["record"]["Id"].as_str()).filter_map(record_id::record).collect()
}

/// Reads the records that stand in the way: ours means landed.
async fn settle_duplicates(
    task: &mut Task<'_>,
    duplicates: Vec<Duplicate>,
) -> Result<(), ConnectorError> {
    if duplicates.is_empty() {
        return Ok(());
    }
    let holders = match holders(task, &duplicates).await {
        Ok(holders) => holders,
        // Whether they are ours isn't known: the creates are to be recovered by reading.
        Err(error) => {
            for one in duplicates {
                task.set(one.place, Outcome::Unknown(error.failure.clone()));
            }
            return Ok(());
        }
    };
    for one in duplicates {
        let call = &task.calls[one.place];
        let unique = unique(task, call);
        let named = holders.iter().filter(|holder| one.named.contains(&holder.record));
        let alike = holders.iter().filter(|holder| holds(holder, unique.as_ref()));
        let known: Vec<&Record> = named.chain(alike).collect();
        match known.iter().find(|holder| is_ours(task, call, holder)) {
            Some(ours) => {
                let (record, after) = (ours.record.clone(), Box::new(ours.observation.clone()));
                task.set(one.place, Outcome::Landed { record, after: Some(after) });
            }
            None => {
                let observed = known.first().map(|holder| Box::new(found(holder)));
                task.set(one.place, Outcome::Refused { failure: one.failure, observed });
            }
        }
    }
    Ok(())
}

/// The records that were named, and where the holder of a value wasn't, those that hold it.
async fn holders(task: &Task<'_>, duplicates: &[Duplicate]) -> Result<Vec<Record>, ConnectorError> {
    let mut values: BTreeMap<Column, BTreeSet<Vec<Value>>> = BTreeMap::new();
    for one in duplicates.iter().filter(|one| !one.told) {
        if let Some((column, value)) = unique(task, &task.calls[one.place]) {
            values.entry(column).or_default().insert(vec![value]);
        }
    }
    let view = task.view.clone().with(values.keys().cloned());
    let select = format!("{} WHERE ", view.select());
    let named: BTreeSet<RecordId> = duplicates.iter().flat_map(|one| one.named.clone()).collect();
    let named: Vec<RecordId> = named.into_iter().collect();
    let mut conditions: Vec<String> = chunks(&named, &select).map(by_ids).collect();
    for (column, values) in values {
        conditions.extend(find::conditions(&[column], &values, encoded(&select).len()));
    }
    let mut records = Vec::new();
    for condition in conditions {
        let soql = format!("{select}{condition}");
        let found = task.org.rest.query(Rows::Live, &soql, task.until).await?;
        records.extend(task.org.rest.observed(&view, &found, Source::Read, task.until).await?);
    }
    Ok(records)
}

fn holds(holder: &Record, unique: Option<&(Column, Value)>) -> bool {
    let Some((column, value)) = unique else { return false };
    let held = holder.observation.image.get(column);
    held.is_some_and(|held| find::is_equal(held, value))
}

/// Whether the record was made by this intent. Without markers, by a create of this link.
fn is_ours(task: &Task<'_>, call: &Call, holder: &Record) -> bool {
    if task.view.object.has_marker() {
        holder.observation.marker == Some(call.intent)
    } else {
        holder.observation.key == Some(call.link)
    }
}
