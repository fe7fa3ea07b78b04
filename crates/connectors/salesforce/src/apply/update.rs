//! Updates in collections: a pre-read of the batch, what has moved on isn't sent, the rest in one
//! call. Between the two another may write: class K1p.

use super::{Task, collections, failure_of, of_a_parent, unfit};
use crate::failure::{Code, SideError};
use crate::field_value::raw_text;
use crate::wire::SaveResult;
use duet_core::intent::Outcome;
use duet_core::retry::Failure;
use duet_ports::connector::ConnectorError;
use reqwest::Method;

/// Updates the records of a batch.
pub(super) async fn update(task: &mut Task<'_>) -> Result<(), ConnectorError> {
    let open = task.open();
    task.pre_read(&open).await?;
    let mut bodies = Vec::new();
    for place in task.open() {
        if let (Some(id), Some(mut body)) = (task.id(place), task.body(place)) {
            body.insert("id".to_owned(), raw_text(id.as_str()));
            bodies.push((place, body));
        }
    }
    collections::send(task, Method::PATCH, bodies, settle).await
}

fn settle(
    task: &mut Task<'_>,
    places: &[usize],
    results: Vec<SaveResult>,
) -> Result<(), ConnectorError> {
    let other = |(place, result): (&usize, &SaveResult)| {
        let told = result.id.as_deref().and_then(crate::record_id::record);
        told.is_some() && told != task.id(*place)
    };
    if places.iter().zip(&results).any(other) {
        return task.fail(places, unfit(task.org, "an answer names another record"));
    }
    for (&place, result) in places.iter().zip(results) {
        let Some(record) = task.id(place) else { continue };
        if result.success {
            task.set(place, Outcome::Landed { record, after: None });
        } else {
            task.refuse(place, refusal(&result.errors), None);
        }
    }
    Ok(())
}

/// Why a record that the pre-read has just shown was refused.
fn refusal(errors: &[SideError]) -> Failure {
    let failure = failure_of(errors, 200);
    let key = Code::parse(&failure.code) == Some(Code::InvalidCrossReferenceKey);
    if key { of_a_parent(failure) } else { failure }
}
