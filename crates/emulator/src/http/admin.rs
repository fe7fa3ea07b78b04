//! `/emulator/admin/…`: faults, edits by hand, counters. For tests; no token needed.
//! Described in `docs/reference/emulator.md`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call, Method},
    fault::Switches,
    journal::Keeps,
    state::State,
};
use crate::{
    clock::now_ms,
    error::ApiError,
    ids::Id,
    org::coerce,
    rules::{Refusal, Rewrite},
};

/// The longest time that something may last: a day.
const LASTS_MS_MAX: i64 = 86_400_000;

/// The body of `POST /emulator/admin/faults`: what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    latency_ms: Option<u64>,
    unavailable_next: Option<u32>,
    unavailable_rate: Option<f64>,
    lost_next: Option<u32>,
    lost_rate: Option<f64>,
    lock_rate: Option<f64>,
    outage_ms: Option<i64>,
    late_visibility_ms: Option<i64>,
    daily_limit: Option<u64>,
    refuse: Option<Vec<Refusal>>,
    rewrite: Option<Vec<Rewrite>>,
}

/// The body of `POST /emulator/admin/mark`; it may be left out.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Mark {
    keep: bool,
    reads: bool,
}

/// The body of `POST /emulator/admin/edit`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    operation: Operation,
    object: String,
    id: Option<String>,
    /// The record that survives a merge.
    into: Option<String>,
    #[serde(default)]
    record: Map<String, Value>,
    /// What the record must hold for the edit to be made.
    #[serde(default, rename = "if")]
    expected: Map<String, Value>,
    #[serde(default)]
    visible_after_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    Create,
    Update,
    Delete,
    Merge,
}

/// Answers a request below `/emulator/admin`.
pub(crate) fn answer(state: &mut State, call: &Call) -> Answer {
    let parts = call.parts();
    let result = match (call.method, &parts[2..]) {
        (Method::Post, ["faults"]) => set(state, call),
        (Method::Delete, ["faults"]) => {
            state.faults.clear();
            state.org.rules.clear();
            Ok(Answer::empty(204))
        }
        (Method::Get, ["faults"]) => Ok(Answer::json(200, json!(state.faults.switches))),
        (Method::Post, ["expire-sessions"]) => {
            state.sessions.expire();
            Ok(Answer::empty(204))
        }
        (Method::Post, ["edit"]) => edit(state, call),
        (Method::Post, ["mark"]) => mark(state, call),
        (Method::Get, ["kept"]) => Ok(Answer::json(200, state.journal.kept())),
        (Method::Get, ["log"]) => Ok(Answer::json(200, state.journal.report())),
        _ => Err(ApiError::not_found()),
    };
    result.unwrap_or_else(Answer::from)
}

fn body<'a, T: Deserialize<'a>>(call: &'a Call) -> Result<T, ApiError> {
    serde_json::from_slice(&call.body).map_err(|error| ApiError::parser(error.to_string()))
}

fn set(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let wanted: Wanted = body(call)?;
    let now = state.faults.switches.clone();
    state.faults.switches = Switches {
        latency_ms: wanted.latency_ms.unwrap_or(now.latency_ms),
        unavailable_next: wanted.unavailable_next.unwrap_or(now.unavailable_next),
        unavailable_rate: wanted.unavailable_rate.unwrap_or(now.unavailable_rate),
        lost_next: wanted.lost_next.unwrap_or(now.lost_next),
        lost_rate: wanted.lost_rate.unwrap_or(now.lost_rate),
    };
    if let Some(outage_ms) = wanted.outage_ms {
        state.faults.outage_until_ms = now_ms() + outage_ms.clamp(0, LASTS_MS_MAX);
    }
    if let Some(limit) = wanted.daily_limit {
        state.usage.limit = limit;
        state.usage.used = 0;
    }
    let rules = &mut state.org.rules;
    rules.lock_rate = wanted.lock_rate.unwrap_or(rules.lock_rate);
    let late_ms = wanted.late_visibility_ms.unwrap_or(rules.late_ms);
    rules.late_ms = late_ms.clamp(0, LASTS_MS_MAX);
    if let Some(refusals) = wanted.refuse {
        rules.refusals = refusals;
    }
    if let Some(rewrites) = wanted.rewrite {
        rules.rewrites = rewrites;
    }
    Ok(Answer::empty(204))
}

fn mark(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let mark: Mark = if call.body.is_empty() { Mark::default() } else { body(call)? };
    state.journal.mark(match (mark.keep, mark.reads) {
        (_, true) => Keeps::Everything,
        (true, false) => Keeps::Writes,
        (false, false) => Keeps::Nothing,
    });
    Ok(Answer::empty(204))
}

fn edit(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let edit: Edit = body(call)?;
    let object = state.org.find_object(&edit.object).ok_or_else(ApiError::not_found)?;
    let actor = state.person(edit.visible_after_ms.clamp(0, LASTS_MS_MAX));
    let read = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        Id::parse(text).ok_or_else(|| ApiError::malformed_id("Id", text))
    };
    let id = || read(edit.id.as_deref());
    let id = match edit.operation {
        Operation::Create => state.org.create(object, &edit.record, &actor)?,
        Operation::Update => {
            let id = id()?;
            meets(state, object, id, &edit.expected)?;
            state.org.update(object, id, &edit.record, &actor)?;
            id
        }
        Operation::Delete => {
            let id = id()?;
            state.org.delete(object, id, &actor)?;
            id
        }
        Operation::Merge => {
            let survivor = read(edit.into.as_deref())?;
            state.org.merge(object, id()?, survivor, &actor)?;
            survivor
        }
    };
    Ok(Answer::json(200, json!({ "id": id.to_string() })))
}

/// A person who looked at the record first wouldn't edit it if it held something else by now.
fn meets(
    state: &State,
    object: usize,
    id: Id,
    expected: &Map<String, Value>,
) -> Result<(), ApiError> {
    if expected.is_empty() {
        return Ok(());
    }
    let (one, row) = (state.org.object(object), state.org.live(object, id, now_ms())?);
    for (name, value) in expected {
        let place = one.find(name).ok_or_else(ApiError::not_found)?;
        if row.cells[place] != coerce(&one.fields[place], value)? {
            let text = "The record holds something else by now";
            return Err(ApiError::new(412, "PRECONDITION_FAILED", text).on(name));
        }
    }
    Ok(())
}
