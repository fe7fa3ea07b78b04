//! What the org has: versions, resources, objects, fields; and which records changed when.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call},
    condition,
    state::{Context, State},
};
use crate::{
    cell::{instant_text, parse_instant},
    error::ApiError,
    schema::{self, STAMP},
};

/// The newest version in the list; later ones are accepted all the same.
const NEWEST: u32 = 66;
/// The oldest version that is answered.
pub(crate) const OLDEST: u32 = 45;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// `/services/data`.
pub(crate) fn versions() -> Answer {
    let entry = |number: u32| {
        json!({
            "label": format!("Version {number}"), "url": format!("/services/data/v{number}.0"),
            "version": format!("{number}.0"),
        })
    };
    Answer::json(200, (OLDEST..=NEWEST).map(entry).collect())
}

/// `/services/data/v60.0`.
pub(crate) fn resources(base: &str, identity: &str) -> Answer {
    let names = ["sobjects", "query", "queryAll", "composite", "limits", "recent"];
    let mut body: Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("{base}/{name}")))).collect();
    body.insert("identity".to_owned(), json!(identity));
    Answer::json(200, Value::Object(body))
}

/// The schema is as old as the process.
fn dated(state: &State, call: &Call, body: impl FnOnce() -> Value) -> Answer {
    if condition::unchanged_since(call, state.started_ms) {
        return Answer::empty(304);
    }
    let date = condition::http_date(state.started_ms);
    Answer::json(200, body()).with("last-modified", date)
}

/// `/sobjects`.
pub(crate) fn all(ctx: &Context<'_>, call: &Call) -> Answer {
    dated(ctx.state, call, || {
        let objects = ctx.state.org.schema.objects.iter();
        let objects: Vec<_> = objects.map(|one| schema::global_entry(one, &ctx.base)).collect();
        json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects })
    })
}

/// `/sobjects/X`.
pub(crate) fn basic(ctx: &Context<'_>, object: usize) -> Answer {
    let entry = schema::global_entry(ctx.state.org.object(object), &ctx.base);
    Answer::json(200, json!({ "objectDescribe": entry, "recentItems": [] }))
}

/// `/sobjects/X/describe`.
pub(crate) fn describe(ctx: &Context<'_>, object: usize, call: &Call) -> Answer {
    let schema = &ctx.state.org.schema;
    dated(ctx.state, call, || schema::describe(schema, &schema.objects[object], &ctx.base))
}

/// `/sobjects/X/updated` and `/sobjects/X/deleted`, whole minutes only.
pub(crate) fn changed(
    ctx: &Context<'_>,
    object: usize,
    call: &Call,
    deleted: bool,
) -> Result<Answer, ApiError> {
    let minute = |name| {
        let at = call.parameter(name).and_then(|text| parse_instant(&text.replace(' ', "+")));
        at.map(|at| at.div_euclid(MINUTE_MS) * MINUTE_MS).ok_or_else(|| {
            ApiError::bad("INVALID_REPLICATION_DATE", format!("{name}: not an instant"))
        })
    };
    let (start, end) = (minute("start")?, minute("end")?);
    let now = ctx.actor.now_ms;
    let days = if deleted { 15 } else { 30 };
    if start >= end || start < now - days * DAY_MS {
        let text =
            format!("startDate before org replication enabled date, or over {days} days ago");
        return Err(ApiError::bad("INVALID_REPLICATION_DATE", text));
    }
    let org = &ctx.state.org;
    let table = org.table(object);
    let ids: BTreeSet<_> = table.since(start).chain(table.late(now)).collect();
    let rows = ids
        .into_iter()
        .filter_map(|id| org.view(object, id, now))
        .filter(|row| row.is_deleted() == deleted && (start..end).contains(&row.stamp()));
    let covered = json!(instant_text(end.min(now.div_euclid(MINUTE_MS) * MINUTE_MS)));
    if !deleted {
        let ids: Vec<_> = rows.map(|row| row.id().to_string()).collect();
        return Ok(Answer::json(200, json!({ "ids": ids, "latestDateCovered": covered })));
    }
    let records = rows.map(|row| {
        let at = row.cells[STAMP].instant().map(instant_text);
        json!({ "id": row.id().to_string(), "deletedDate": at })
    });
    let body = json!({
        "deletedRecords": records.collect::<Vec<_>>(), "latestDateCovered": covered,
        "earliestDateAvailable": instant_text(now - days * DAY_MS),
    });
    Ok(Answer::json(200, body))
}
