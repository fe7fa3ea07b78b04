//! Guarded updates: `/composite`, each part conditional on the LastModifiedDate that was decided
//! on, with a read-back in the same request: class K3s.

use super::{Rows, Task, found, of_a_parent, unfit};
use crate::failure::{self, SideError};
use crate::query::{self, by_ids, members, row_id};
use crate::rest::Ask;
use crate::view::{Reading, Stamps};
use crate::wire::{Body, Composite, CompositeAnswer, Part, PartAnswer, QueryPage};
use duet_core::id::RecordId;
use duet_core::intent::Outcome;
use duet_core::observation::{Presence, Source};
use duet_core::retry::{Failure, FailureClass};
use duet_core::stamp::Stamp;
use duet_ports::connector::{ConnectorError, Record};
use reqwest::Method;
use std::collections::{BTreeMap, BTreeSet};

/// Parts of one call, less two for the read-back and the flow's filter.
const UPDATES_MAX: usize = 23;
const READ_BACK: &str = "back";
const MEMBERS: &str = "members";

/// One conditional update, ready to leave.
struct Update {
    place: usize,
    id: RecordId,
    unmodified_since: String,
    body: Body,
}

/// Updates the records of a batch, each under its own condition.
pub(super) async fn update(task: &mut Task<'_>) -> Result<(), ConnectorError> {
    let unversioned: Vec<usize> =
        task.open().into_iter().filter(|place| task.calls[*place].expected.is_none()).collect();
    let rows =
        if unversioned.is_empty() { Rows::new() } else { task.pre_read(&unversioned).await? };
    let (composite, alone): (Vec<_>, Vec<_>) =
        updates(task, &rows).into_iter().partition(|update| !refers(&update.body));
    for chunk in composite.chunks(UPDATES_MAX) {
        let places: Vec<usize> = chunk.iter().map(|update| update.place).collect();
        match send(task, chunk).await {
            Ok(answer) => settle(task, chunk, answer),
            Err(error) => return task.fail(&places, error),
        }
    }
    for update in alone {
        single(task, update).await?;
    }
    Ok(())
}

fn updates(task: &mut Task<'_>, rows: &Rows) -> Vec<Update> {
    let mut updates = Vec::new();
    for place in task.open() {
        let Some(id) = task.id(place) else {
            let text = "no record id of this side";
            task.refuse(place, failure::bare(FailureClass::Gone, "NO_ID", text), None);
            continue;
        };
        let read = rows.get(&id).and_then(|row| row.observation.version.clone());
        let version = task.calls[place].expected.clone().or(read);
        let Some(since) = version.and_then(|it| http_date(Stamps::of(&it)?.modified)) else {
            let text = "the expected version isn't one of this side";
            task.refuse(place, failure::bare(FailureClass::Stale, "VERSION", text), None);
            continue;
        };
        if let Some(body) = task.body(place) {
            updates.push(Update { place, id, unmodified_since: since, body });
        }
    }
    updates
}

fn http_date(at: Stamp) -> Option<String> {
    at.to_datetime().map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// Whether a composite call would take part of a value for a reference to another part.
fn refers(body: &Body) -> bool {
    body.values().any(|json| json.get().contains("@{"))
}

async fn send(task: &Task<'_>, updates: &[Update]) -> Result<Answered, ConnectorError> {
    let rest = &task.org.rest;
    let ids: Vec<RecordId> = updates.iter().map(|update| update.id.clone()).collect();
    let mut requests: Vec<Part> =
        updates.iter().enumerate().map(|(at, update)| part(task, at, update)).collect();
    let back = format!("{} WHERE {}", task.view.select(), by_ids(&ids));
    requests.push(get(READ_BACK, rest.query_path(query::Rows::All, &back)));
    if let Some(filter) = &task.view.filter {
        let soql = members(&task.view, &ids, filter);
        requests.push(get(MEMBERS, rest.query_path(query::Rows::Live, &soql)));
    }
    let expected: Vec<String> = requests.iter().map(|part| part.reference.clone()).collect();
    let call = Composite { all_or_none: false, collate: false, requests };
    let body = serde_json::to_vec(&call).expect("raw values are JSON");
    let ask = Ask::write(Method::POST, rest.path("composite"), Some(body));
    let answer = rest.send(&ask, task.until).await?;
    let told: CompositeAnswer = rest.json(&answer)?;
    let order: Vec<String> = told.parts.iter().map(|part| part.reference.clone()).collect();
    if order != expected {
        return Err(unfit(task.org, "the parts of the answer aren't those of the request"));
    }
    let mut parts = told.parts;
    let reads = parts.split_off(updates.len());
    let rows = read_back(task, &reads, answer.sent_at);
    Ok(Answered { parts, rows })
}

/// What a composite call told: the fate of each update, and the records afterwards.
struct Answered {
    parts: Vec<PartAnswer>,
    rows: BTreeMap<RecordId, Record>,
}

fn part(task: &Task<'_>, at: usize, update: &Update) -> Part {
    let resource = format!("sobjects/{}/{}", task.view.object.name, update.id);
    Part {
        method: "PATCH",
        url: task.org.rest.path(&resource),
        reference: format!("u{at}"),
        headers: [("If-Unmodified-Since", update.unmodified_since.clone())].into(),
        body: Some(update.body.clone()),
    }
}

fn get(reference: &str, url: String) -> Part {
    let (reference, headers) = (reference.to_owned(), BTreeMap::new());
    Part { method: "GET", url, reference, headers, body: None }
}

/// The records after the updates; none where the read-back failed: their versions stay unread.
fn read_back(task: &Task<'_>, reads: &[PartAnswer], sent_at: Stamp) -> BTreeMap<RecordId, Record> {
    let page = |reference: &str| {
        let part = reads.iter().find(|part| part.reference == reference)?;
        let body = part.body.as_ref().filter(|_| part.status == 200)?;
        serde_json::from_str::<QueryPage>(body.get()).ok()
    };
    let Some(rows) = page(READ_BACK) else { return BTreeMap::new() };
    let reading = Reading { at: sent_at, source: Source::WriteAnswer };
    let mut records: Vec<Record> =
        rows.records.iter().filter_map(|row| task.view.record(row, reading)).collect();
    if task.view.filter.is_some() {
        let Some(inside) = page(MEMBERS) else { return BTreeMap::new() };
        let inside: BTreeSet<RecordId> = inside.records.iter().filter_map(row_id).collect();
        query::mark_outside(&mut records, &inside);
    }
    records.into_iter().map(|one| (one.record.clone(), one)).collect()
}

fn settle(task: &mut Task<'_>, updates: &[Update], answer: Answered) {
    for (update, part) in updates.iter().zip(answer.parts) {
        let row = answer.rows.get(&update.id);
        let outcome = if (200..300).contains(&part.status) {
            let after = row.map(|row| Box::new(row.observation.clone()));
            Outcome::Landed { record: update.id.clone(), after }
        } else {
            let failure = part_failure(&part);
            let there = row.is_some_and(|row| row.observation.presence == Presence::Present);
            let failure = if there { of_a_parent(failure) } else { failure };
            Outcome::Refused { failure, observed: row.map(|row| Box::new(found(row))) }
        };
        task.set(update.place, outcome);
    }
}

/// The failure of one part. A failed condition is stale, whatever code comes with it.
fn part_failure(part: &PartAnswer) -> Failure {
    let errors = part.body.as_ref().map(|body| serde_json::from_str(body.get()));
    let errors: Vec<SideError> = errors.and_then(Result::ok).unwrap_or_default();
    let mut failure = super::failure_of(&errors, part.status);
    if part.status == 412 {
        failure.class = FailureClass::Stale;
    }
    failure
}

/// One update in a request of its own: its text looks like a reference of a composite call.
async fn single(task: &mut Task<'_>, update: Update) -> Result<(), ConnectorError> {
    let resource = format!("sobjects/{}/{}", task.view.object.name, update.id);
    let body = serde_json::to_vec(&update.body).expect("raw values are JSON");
    let ask = Ask::write(Method::PATCH, task.org.rest.path(&resource), Some(body))
        .unmodified_since(update.unmodified_since);
    match task.org.rest.send(&ask, task.until).await {
        Ok(_) => task.set(update.place, Outcome::Landed { record: update.id, after: None }),
        Err(error) if !error.sent && concerns_record(&error.failure) => {
            task.refuse(update.place, error.failure, None);
        }
        Err(error) => task.fail(&[update.place], error)?,
    }
    Ok(())
}

/// Whether a failure of a request for one record speaks of that record only.
fn concerns_record(failure: &Failure) -> bool {
    match failure.class {
        FailureClass::Stale
        | FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Gone
        | FailureClass::Dependency
        | FailureClass::Permission
        | FailureClass::Restricted => true,
        FailureClass::Transient => failure.code == "UNABLE_TO_LOCK_ROW",
        FailureClass::Throttled
        | FailureClass::Auth
        | FailureClass::UnknownOutcome
        | FailureClass::Unreachable
        | FailureClass::Poison => false,
    }
}
