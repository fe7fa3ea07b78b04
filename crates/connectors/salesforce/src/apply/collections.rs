//! Calls of `/composite/sobjects`: up to 200 records, each with a fate of its own. A call that is
//! refused as a whole for what one of its records holds is halved, so that the others pass.

use super::{Task, unfit};
use crate::field_value::raw_text;
use crate::rest::Ask;
use crate::wire::{Body, Collections, SaveResult};
use duet_core::retry::FailureClass;
use duet_ports::connector::ConnectorError;
use reqwest::Method;
use serde_json::value::RawValue;

/// Calls that halving may cost in one batch: finds two bad records among 200. When they are used
/// up, the rest of a refused call shares its refusal.
const CALLS_MAX: usize = 32;

/// What is done with the results of one call.
pub(super) type Settle = fn(&mut Task<'_>, &[usize], Vec<SaveResult>) -> Result<(), ConnectorError>;

/// Sends records and settles what comes back, call by call.
pub(super) async fn send(
    task: &mut Task<'_>,
    method: Method,
    bodies: Vec<(usize, Body)>,
    settle: Settle,
) -> Result<(), ConnectorError> {
    let mut waiting: Vec<Vec<(usize, Body)>> =
        bodies.chunks(task.org.batch).rev().map(<[_]>::to_vec).collect();
    let mut calls = 0;
    while let Some(chunk) = waiting.pop() {
        let places: Vec<usize> = chunk.iter().map(|(place, _)| *place).collect();
        calls += 1;
        match call(task, &method, &chunk).await {
            Ok(results) => settle(task, &places, results)?,
            Err(error) if !concerns_records(&error) => return task.fail(&places, error),
            Err(_) if chunk.len() > 1 && calls < CALLS_MAX => {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                waiting.extend([second.to_vec(), first.to_vec()]);
            }
            Err(error) => {
                for place in places {
                    task.refuse(place, error.failure.clone(), None);
                }
            }
        }
    }
    Ok(())
}

/// Whether a call was refused for what its records hold: values or fields.
fn concerns_records(error: &ConnectorError) -> bool {
    let class = error.failure.class;
    !error.sent && matches!(class, FailureClass::Validation | FailureClass::Permission)
}

async fn call(
    task: &Task<'_>,
    method: &Method,
    bodies: &[(usize, Body)],
) -> Result<Vec<SaveResult>, ConnectorError> {
    let kind = format!("{{\"type\":{}}}", raw_text(&task.view.object.name));
    let kind = RawValue::from_string(kind).expect("an object with a string");
    let records = bodies.iter().map(|(_, body)| {
        let mut body = body.clone();
        body.insert("attributes".to_owned(), kind.clone());
        body
    });
    let request = Collections { all_or_none: false, records: records.collect() };
    let body = serde_json::to_vec(&request).expect("raw values are JSON");
    let path = task.org.rest.path("composite/sobjects");
    let ask = Ask::write(method.clone(), path, Some(body));
    let answer = task.org.rest.send(&ask, task.until).await?;
    let results: Vec<SaveResult> = task.org.rest.json(&answer)?;
    if results.len() != bodies.len() {
        return Err(unfit(task.org, "the number of results isn't that of the records"));
    }
    Ok(results)
}
