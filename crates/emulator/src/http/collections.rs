//! Collections: up to 200 records in one call, each with its own result.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call, Method},
    rows,
    state::Context,
};
use crate::{
    error::ApiError,
    ids::Id,
    org::{coerce, key},
    schema::{ID, IS_DELETED},
    soql,
};

/// Records of a writing call.
const WRITES_MAX: usize = 200;
/// Ids of a reading call.
const READS_MAX: usize = 2_000;

type Record = Map<String, Value>;

/// What became of one record.
struct Outcome {
    id: Option<Id>,
    created: Option<bool>,
    error: Option<ApiError>,
}

impl Outcome {
    fn done(id: Id) -> Self {
        Self { id: Some(id), created: None, error: None }
    }

    fn failed(id: Option<Id>, error: ApiError) -> Self {
        Self { id, created: None, error: Some(error) }
    }

    fn json(&self) -> Value {
        let errors: Vec<_> = self.error.iter().map(ApiError::result).collect();
        let mut body = json!({ "success": self.error.is_none(), "errors": errors });
        if let Some(id) = self.id {
            body["id"] = json!(id.to_string());
        }
        if let Some(created) = self.created {
            body["created"] = json!(created);
        }
        body
    }
}

/// `/composite/sobjects`.
pub(crate) fn write(ctx: &mut Context<'_>, call: &Call) -> Result<Answer, ApiError> {
    match call.method {
        Method::Post => {
            let (records, all_or_none) = given(call)?;
            ctx.state.wrote(0);
            each(ctx, records, all_or_none, |ctx, record| create(ctx, &record))
        }
        Method::Patch => {
            let (records, all_or_none) = given(call)?;
            ctx.state.wrote(0);
            each(ctx, records, all_or_none, update)
        }
        Method::Delete => {
            let ids = call.parameter("ids").unwrap_or_default().split(',');
            let ids: Vec<_> =
                ids.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
            let all_or_none = call.parameter("allOrNone") == Some("true");
            check_size(ids.len(), WRITES_MAX)?;
            ctx.state.wrote(0);
            each(ctx, ids, all_or_none, |ctx, id| delete(ctx, &id))
        }
        Method::Get | Method::Head | Method::Put => {
            Err(rows::not_allowed(call, "DELETE,PATCH,POST"))
        }
    }
}

/// `/composite/sobjects/X/<field>`.
pub(crate) fn upsert(
    ctx: &mut Context<'_>,
    object: usize,
    field: &str,
    call: &Call,
) -> Result<Answer, ApiError> {
    if ctx.version < 460 || call.method != Method::Patch {
        return Err(rows::not_allowed(call, "PATCH"));
    }
    let one = ctx.state.org.object(object);
    let place = one.find(field).filter(|place| one.fields[*place].id_lookup());
    let place = place.ok_or_else(|| ApiError::no_external_field(field))?;
    let (records, all_or_none) = given(call)?;
    ctx.state.wrote(0);
    let mut seen = HashSet::new();
    each(ctx, records, all_or_none, |ctx, record| {
        let name = ctx.state.org.object(object).fields[place].name.clone();
        let value = record.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name));
        let value = value.map_or(Value::Null, |(_, value)| value.clone());
        if !value.is_null() && !seen.insert(value.to_string().to_lowercase()) {
            let text = format!("Duplicate external id specified: {value}");
            return Ok(Outcome::failed(None, ApiError::bad("DUPLICATE_VALUE", text).on(&name)));
        }
        upsert_one(ctx, object, place, &value, record)
    })
}

/// `/composite/sobjects/X`: reads many; null for what is not there.
pub(crate) fn read(ctx: &Context<'_>, object: usize, call: &Call) -> Result<Answer, ApiError> {
    let (ids, fields) = match call.method {
        Method::Get | Method::Head => {
            let ids = call.parameter("ids").unwrap_or_default();
            let ids = ids.split(',').map(str::to_owned).collect::<Vec<_>>();
            (ids, call.parameter("fields").unwrap_or_default().to_owned())
        }
        Method::Post => {
            let body = call.object()?;
            (strings(&body, "ids")?, strings(&body, "fields")?.join(","))
        }
        Method::Patch | Method::Put | Method::Delete => {
            return Err(rows::not_allowed(call, "GET,HEAD,POST"));
        }
    };
    check_size(ids.len(), READS_MAX)?;
    let (org, now) = (&ctx.state.org, ctx.actor.now_ms);
    let columns = rows::columns(org.object(object), object, Some(&fields))?;
    let found = ids.iter().map(|id| {
        let row = Id::parse(id.trim()).and_then(|id| org.view(object, id, now));
        let row = row.filter(|row| !row.cells[IS_DELETED].is_true());
        row.map_or(Value::Null, |row| soql::record(org, row, object, &columns, &ctx.base, now))
    });
    Ok(Answer::json(200, found.collect()))
}

fn strings(body: &Record, name: &str) -> Result<Vec<String>, ApiError> {
    let list = body.get(name).and_then(Value::as_array);
    let list = list.ok_or_else(|| ApiError::parser(format!("{name} must be a list of strings")))?;
    Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn given(call: &Call) -> Result<(Vec<Record>, bool), ApiError> {
    let mut body = call.object()?;
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or_default();
    let Some(Value::Array(records)) = body.remove("records") else {
        return Err(ApiError::parser("records must be a list"));
    };
    check_size(records.len(), WRITES_MAX)?;
    let records = records.into_iter().map(|record| match record {
        Value::Object(record) => Ok(record),
        _ => Err(ApiError::parser("a record must be an object")),
    });
    Ok((records.collect::<Result<_, _>>()?, all_or_none))
}

fn check_size(count: usize, most: usize) -> Result<(), ApiError> {
    if count <= most {
        return Ok(());
    }
    let text = format!("record limit reached. cannot submit more than {most} records in this call");
    Err(ApiError::bad("EXCEEDED_MAX_SIZE_REQUEST", text))
}

/// Does one after the other. A body that can't be read undoes the call; so does, with
/// `all_or_none`, any error.
fn each<T>(
    ctx: &mut Context<'_>,
    items: Vec<T>,
    all_or_none: bool,
    mut step: impl FnMut(&mut Context<'_>, T) -> Result<Outcome, ApiError>,
) -> Result<Answer, ApiError> {
    let mark = ctx.state.org.mark();
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        match step(ctx, item) {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                ctx.state.org.roll_back(mark);
                return Err(error);
            }
        }
    }
    let failed = outcomes.iter().any(|outcome| outcome.error.is_some());
    if all_or_none && failed {
        ctx.state.org.roll_back(mark);
        outcomes.iter_mut().for_each(undone);
    }
    ctx.state.wrote(outcomes.iter().filter(|outcome| outcome.error.is_none()).count());
    Ok(Answer::json(200, outcomes.iter().map(Outcome::json).collect()))
}

fn undone(outcome: &mut Outcome) {
    if outcome.error.is_none() {
        let text = "Record rolled back because not all records were valid and the request was \
                    using AllOrNone header";
        outcome.error = Some(ApiError::bad("ALL_OR_NONE_OPERATION_ROLLED_BACK", text));
    }
    if outcome.created == Some(true) {
        outcome.id = None;
    }
}

/// An error of one record, unless the whole call can't be read.
fn settled(id: Option<Id>, result: Result<Id, ApiError>) -> Result<Outcome, ApiError> {
    match result {
        Ok(id) => Ok(Outcome::done(id)),
        Err(error) if error.spoils_the_call => Err(error),
        // Unknown ids have a code of their own in collections.
        Err(error) if error.code == "NOT_FOUND" => {
            Ok(Outcome::failed(id, ApiError::cross_reference()))
        }
        Err(error) => Ok(Outcome::failed(id, error)),
    }
}

fn typed(ctx: &Context<'_>, record: &Record) -> Result<usize, ApiError> {
    let name = record.get("attributes").and_then(|attributes| attributes["type"].as_str());
    let object = name.and_then(|name| ctx.state.org.find_object(name));
    object.ok_or_else(|| {
        let text = format!("sObject type '{}' is not supported.", name.unwrap_or_default());
        ApiError::bad("INVALID_TYPE", text)
    })
}

fn create(ctx: &mut Context<'_>, record: &Record) -> Result<Outcome, ApiError> {
    let object = typed(ctx, record)?;
    settled(None, ctx.state.org.create(object, record, &ctx.actor))
}

fn update(ctx: &mut Context<'_>, mut record: Record) -> Result<Outcome, ApiError> {
    let object = typed(ctx, &record)?;
    let name = record.keys().find(|key| key.eq_ignore_ascii_case("Id")).cloned();
    let id = name.and_then(|name| record.remove(&name));
    let Some(Value::String(text)) = id else {
        let text = "Id not specified in an update call";
        return Ok(Outcome::failed(None, ApiError::bad("MISSING_ARGUMENT", text).on("Id")));
    };
    let org = &mut ctx.state.org;
    let prefix = &org.object(object).prefix;
    let Some(id) = Id::parse(&text).filter(|id| id.prefix() == prefix) else {
        let label = format!("{} ID", org.object(object).label);
        return Ok(Outcome::failed(None, ApiError::malformed_id(&label, &text).on("Id")));
    };
    settled(Some(id), org.update(object, id, &record, &ctx.actor).map(|()| id))
}

fn delete(ctx: &mut Context<'_>, text: &str) -> Result<Outcome, ApiError> {
    let org = &mut ctx.state.org;
    let id = Id::parse(text);
    let Some((id, object)) = id.and_then(|id| Some((id, org.object_of(id)?))) else {
        let error = ApiError::malformed_id("Record ID", text).on("Id");
        return Ok(Outcome::failed(None, error));
    };
    settled(Some(id), org.delete(object, id, &ctx.actor).map(|()| id))
}

fn upsert_one(
    ctx: &mut Context<'_>,
    object: usize,
    place: usize,
    value: &Value,
    mut record: Record,
) -> Result<Outcome, ApiError> {
    let org = &ctx.state.org;
    let name = org.object(object).fields[place].name.clone();
    let wanted = coerce(&org.object(object).fields[place], value);
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return settled(None, Err(error)),
    };
    if place == ID {
        return if wanted.is_null() {
            create_typed(ctx, object, record, &name)
        } else {
            update(ctx, record)
        };
    }
    if key(&wanted, true).is_none() {
        let text = format!("{name} not specified");
        return Ok(Outcome::failed(None, ApiError::bad("MISSING_ARGUMENT", text).on(&name)));
    }
    let found = org.matching(object, place, &wanted, ctx.actor.now_ms);
    match found.as_slice() {
        [] => {
            let outcome = settled(None, ctx.state.org.create(object, &record, &ctx.actor))?;
            Ok(Outcome { created: Some(true), ..outcome })
        }
        [id] => {
            record.retain(|key, _| !key.eq_ignore_ascii_case(&name));
            let done = ctx.state.org.update(object, *id, &record, &ctx.actor).map(|()| *id);
            Ok(Outcome { created: Some(false), ..settled(Some(*id), done)? })
        }
        [..] => {
            let text =
                format!("{name}: more than one record found for external id field: {found:?}");
            Ok(Outcome::failed(None, ApiError::bad("DUPLICATE_EXTERNAL_ID", text).on(&name)))
        }
    }
}

fn create_typed(
    ctx: &mut Context<'_>,
    object: usize,
    mut record: Record,
    name: &str,
) -> Result<Outcome, ApiError> {
    record.retain(|key, _| !key.eq_ignore_ascii_case(name));
    let outcome = settled(None, ctx.state.org.create(object, &record, &ctx.actor))?;
    Ok(Outcome { created: Some(true), ..outcome })
}
