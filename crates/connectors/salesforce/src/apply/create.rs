//! Creates: inserts that carry a unique field. A repeated one is refused as a duplicate, and the
//! record that holds the value tells by its marker whether it is ours.

use super::{Task, collections, failure_of, found, of_a_parent};
use crate::failure::SideError;
use crate::field_value::encode;
use crate::object::{KEY, MARKER};
use crate::query::{Rows, by_ids};
use crate::record_id;
use crate::soql;
use crate::wire::SaveResult;
use duet_core::id::{Column, RecordId};
use duet_core::intent::Outcome;
use duet_core::observation::Source;
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Call, ConnectorError, Record};
use reqwest::Method;

/// A call that was refused as a duplicate.
pub(super) struct Duplicate {
    pub(super) place: usize,
    failure: Failure,
    /// The records that the side named.
    named: Vec<RecordId>,
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
    if let Some(unique) = &call.unique {
        return Some(unique.clone());
    }
    let has = crate::describe::has_key(&task.view.object);
    has.then(|| (Column::from(KEY), Value::text(call.link.to_string())))
}

fn refused(task: &mut Task<'_>, place: usize, errors: &[SideError]) {
    let failure = of_a_parent(failure_of(errors, 200));
    if failure.class == FailureClass::Uniqueness {
        let named = errors.iter().flat_map(named).collect();
        task.duplicates.push(Duplicate { place, failure, named });
    } else {
        task.refuse(place, failure, None);
    }
}

/// The records that an error names: in its text, or as found by a duplicate rule.
fn named(error: &SideError) -> Vec<RecordId> {
    let rules = error.duplicates.iter().flat_map(|it| it["matchResults"].as_array());
    let records = rules.flatten().flat_map(|rule| rule["matchRecords"].as_array()).flatten();
    let matched =
        records.filter_map(|it| it["record"]["Id"].as_str()).filter_map(record_id::record);
    let text = error.message.rsplit_once("record with id: ").map_or("", |(_, rest)| rest);
    let told = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    matched.chain(told.filter_map(record_id::record)).collect()
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
        let holder = holders
            .iter()
            .find(|holder| one.named.contains(&holder.record))
            .or_else(|| holders.iter().find(|holder| holds(holder, unique.as_ref())));
        match holder.filter(|holder| is_ours(task, call, holder)) {
            Some(ours) => {
                let (record, after) = (ours.record.clone(), Box::new(ours.observation.clone()));
                task.set(one.place, Outcome::Landed { record, after: Some(after) });
            }
            None => {
                let observed = holder.map(|holder| Box::new(found(holder)));
                task.set(one.place, Outcome::Refused { failure: one.failure, observed });
            }
        }
    }
    Ok(())
}

async fn holders(task: &Task<'_>, duplicates: &[Duplicate]) -> Result<Vec<Record>, ConnectorError> {
    let uniques: Vec<(Column, Value)> =
        duplicates.iter().filter_map(|one| unique(task, &task.calls[one.place])).collect();
    let view = task.view.clone().with(uniques.iter().map(|(column, _)| column.clone()));
    let mut conditions = Vec::new();
    let named: Vec<RecordId> = duplicates.iter().flat_map(|one| one.named.clone()).collect();
    if !named.is_empty() {
        conditions.extend(named.chunks(100).map(by_ids));
    }
    for (column, value) in &uniques {
        let literal = soql::literal(value);
        conditions.extend(literal.map(|literal| format!("{column} = {literal}")));
    }
    let mut records = Vec::new();
    // 25 conditions fit an address, whatever the unique values are (255 letters at most).
    for some in conditions.chunks(if uniques.is_empty() { 3 } else { 10 }) {
        let soql = format!("{} WHERE {}", view.select(), some.join(" OR "));
        let found = task.org.rest.query(Rows::Live, &soql, task.until).await?;
        records.extend(task.org.rest.observed(&view, &found, Source::Read, task.until).await?);
    }
    Ok(records)
}

fn holds(holder: &Record, unique: Option<&(Column, Value)>) -> bool {
    let Some((column, value)) = unique else { return false };
    match (holder.observation.image.get(column), value) {
        (Some(Value::Text(held)), Value::Text(sought)) => {
            held.to_lowercase() == sought.trim().to_lowercase()
        }
        (held, sought) => held == Some(sought),
    }
}

/// Whether the record was made by this intent. Without markers, by a create of this link.
fn is_ours(task: &Task<'_>, call: &Call, holder: &Record) -> bool {
    if task.view.object.has(MARKER) {
        holder.observation.marker == Some(call.intent)
    } else {
        holder.observation.key == Some(call.link)
    }
}
