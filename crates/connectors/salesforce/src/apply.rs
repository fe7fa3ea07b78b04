//! Writes: which way a batch goes, what is checked before it leaves, and what its answers mean.
//! Every write leaves the intent's id on the record.

mod collections;
mod create;
mod delete;
mod guarded;
mod update;

use crate::failure::{self, SideError};
use crate::field_value::{encode, raw_text};
use crate::object::MARKER;
use crate::query::ADDRESS_BYTES_MAX;
use crate::salesforce::Org;
use crate::view::View;
use crate::wire::Body;
use duet_core::id::RecordId;
use duet_core::intent::{Found, Op, Outcome, WritePath};
use duet_core::observation::Presence;
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Collection, ConnectorError, Record};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Records as found by id.
type Rows = BTreeMap<RecordId, Record>;

/// Outcomes by the place of their call.
type Outcomes = BTreeMap<usize, Outcome>;

/// Writes a batch; one outcome per call.
pub(crate) async fn apply(
    org: &Org,
    collection: &Collection,
    batch: &Batch,
) -> Result<Vec<Outcome>, ConnectorError> {
    let until = org.rest.deadline();
    let mut task = Task::new(org, collection, batch, until).await?;
    match (batch.op, batch.path) {
        (Op::Create, _) => create::create(&mut task).await,
        (Op::Update, WritePath::Batch) => update::update(&mut task).await,
        (Op::Update, WritePath::Guarded) => guarded::update(&mut task).await,
        (Op::Delete, _) => delete::delete(&mut task).await,
        (Op::Undelete | Op::Read | Op::Find, _) => {
            let text = "this connector has no such write";
            Err(org.rest.error(FailureClass::Permission, "NOT_A_WRITE", text))
        }
    }?;
    Ok(task.finish())
}

/// One batch under way.
struct Task<'a> {
    org: &'a Org,
    view: View,
    calls: &'a [Call],
    until: Instant,
    done: Outcomes,
    /// Creates that were refused as duplicates, still to be looked at.
    duplicates: Vec<create::Duplicate>,
}

impl<'a> Task<'a> {
    async fn new(
        org: &'a Org,
        collection: &Collection,
        batch: &'a Batch,
        until: Instant,
    ) -> Result<Task<'a>, ConnectorError> {
        let calls = &batch.calls;
        let compared = calls.iter().flat_map(|call| call.expected_values.keys().cloned());
        let view = org.view(collection, until).await?.with(compared);
        Ok(Task { org, view, calls, until, done: Outcomes::new(), duplicates: Vec::new() })
    }

    /// The places of calls that have no outcome yet.
    fn open(&self) -> Vec<usize> {
        let duplicate = |place: &usize| self.duplicates.iter().any(|one| one.place == *place);
        let places = 0..self.calls.len();
        places.filter(|place| !self.done.contains_key(place) && !duplicate(place)).collect()
    }

    fn set(&mut self, place: usize, outcome: Outcome) {
        self.done.insert(place, outcome);
    }

    fn refuse(&mut self, place: usize, failure: Failure, observed: Option<&Record>) {
        let observed = observed.map(|one| Box::new(found(one)));
        self.set(place, Outcome::Refused { failure, observed });
    }

    /// A request failed as a whole: its calls are unknown, those after it weren't sent. Where that
    /// is all there is to tell, the batch failed.
    fn fail(&mut self, places: &[usize], error: ConnectorError) -> Result<(), ConnectorError> {
        let all = !error.sent || places.len() == self.calls.len();
        if all && self.done.is_empty() && self.duplicates.is_empty() {
            return Err(error);
        }
        for place in places {
            let failure = error.failure.clone();
            let lost = if error.sent { Outcome::Unknown } else { Outcome::NotSent };
            self.set(*place, lost(failure));
        }
        for place in self.open() {
            self.set(place, Outcome::NotSent(error.failure.clone()));
        }
        Ok(())
    }

    /// One outcome per call, in order.
    fn finish(mut self) -> Vec<Outcome> {
        let missing = || {
            let text = "the side left out an answer";
            Outcome::Unknown(failure::bare(FailureClass::UnknownOutcome, "MISSING_ANSWER", text))
        };
        let outcomes = (0..self.calls.len()).map(|place| self.done.remove(&place));
        outcomes.map(|outcome| outcome.unwrap_or_else(missing)).collect()
    }

    /// Reads the records of these calls and refuses those that aren't as expected.
    async fn pre_read(&mut self, places: &[usize]) -> Result<Rows, ConnectorError> {
        let ids: Vec<RecordId> = places.iter().filter_map(|place| self.id(*place)).collect();
        let source = duet_core::observation::Source::Read;
        let rows = self.org.rest.rows_by_id(&self.view, &ids, source, self.until).await?;
        for &place in places {
            let row = self.id(place).and_then(|id| rows.get(&id));
            if let Some(failure) = objection(&self.calls[place], row) {
                self.refuse(place, failure, row);
            }
        }
        Ok(rows)
    }

    fn id(&self, place: usize) -> Option<RecordId> {
        self.calls[place].record.as_ref().and_then(crate::read::long)
    }

    /// The values of a call with the marker; a value that can't be sent refuses the call.
    fn body(&mut self, place: usize) -> Option<Body> {
        let call = &self.calls[place];
        let mut body = Body::new();
        for (column, value) in &call.values {
            match encode(value) {
                Some(json) => drop(body.insert(column.to_string(), json)),
                None => {
                    let text = "a value has no form that the side takes";
                    let mut failure =
                        failure::bare(FailureClass::Validation, "NOT_REPRESENTABLE", text);
                    failure.columns.push(column.to_string());
                    self.refuse(place, failure, None);
                    return None;
                }
            }
        }
        if self.view.object.has_marker() {
            body.insert(MARKER.to_owned(), raw_text(&call.intent.to_string()));
        }
        Some(body)
    }
}

/// Why a write must not leave, by the record as it is now.
fn objection(call: &Call, row: Option<&Record>) -> Option<Failure> {
    let gone = |text| Some(failure::bare(FailureClass::Gone, "PRE_READ_GONE", text));
    let Some(row) = row else { return gone("the record isn't there") };
    let seen = &row.observation;
    if let Presence::Deleted(_) = seen.presence {
        return gone("the record is deleted");
    }
    let moved = call.expected.is_some() && call.expected != seen.version;
    let differs =
        |(column, value): (_, &Value)| seen.image.get(column).is_some_and(|held| held != value);
    let changed = call.expected_values.iter().any(differs);
    (moved || changed).then(|| {
        let text = "the record has changed since it was decided";
        failure::bare(FailureClass::Stale, "PRE_READ_MOVED", text)
    })
}

fn found(one: &Record) -> Found {
    Found { record: one.record.clone(), rule: None, observation: one.observation.clone() }
}

/// The failure of one record's errors.
fn failure_of(errors: &[SideError], status: u16) -> Failure {
    errors.first().map_or_else(
        || failure::bare(FailureClass::Poison, "NO_REASON", "refused without a reason"),
        |error| error.failure(status),
    )
}

/// A refusal that speaks of a missing record speaks of a parent where the record itself is there,
/// or is only being made.
fn of_a_parent(mut failure: Failure) -> Failure {
    if failure.class == FailureClass::Gone {
        failure.class = FailureClass::Dependency;
    }
    failure
}

/// An answer that doesn't fit its request: nobody knows what was written.
fn unfit(org: &Org, text: &str) -> ConnectorError {
    org.rest.unreadable(true, text, None)
}

/// Ids in one address of a collections call.
fn ids_in_address(ids: &[RecordId]) -> String {
    let ids: Vec<&str> = ids.iter().map(RecordId::as_str).collect();
    let list = ids.join(",");
    debug_assert!(list.len() < ADDRESS_BYTES_MAX, "200 ids of 18 letters");
    list
}
