//! One record: create, read, update, delete, and the same by external id.

use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call, Method},
    condition,
    state::Context,
};
use crate::{
    cell::Cell,
    error::ApiError,
    ids::Id,
    org::{Fields, coerce},
    schema::{ID, Object},
    soql::{self, Column},
};

/// `/sobjects/X` with POST.
pub(crate) fn create(
    ctx: &mut Context<'_>,
    object: usize,
    call: &Call,
) -> Result<Answer, ApiError> {
    let body = call.object()?;
    ctx.state.wrote(0);
    refuse_name(&body, "Id")?;
    let id = ctx.state.org.create(object, &body, &ctx.actor)?;
    ctx.state.wrote(1);
    Ok(created(ctx, object, id, None))
}

fn created(ctx: &Context<'_>, object: usize, id: Id, flag: Option<bool>) -> Answer {
    let mut body = json!({ "id": id.to_string(), "success": true, "errors": [] });
    if let Some(flag) = flag {
        body["created"] = json!(flag);
    }
    let name = &ctx.state.org.object(object).name;
    let location = format!("{}/sobjects/{name}/{id}", ctx.base);
    Answer::json(201, body).with("location", location)
}

/// `/sobjects/X/<id>`.
pub(crate) fn by_id(
    ctx: &mut Context<'_>,
    object: usize,
    id: &str,
    call: &Call,
) -> Result<Answer, ApiError> {
    let id = row_id(ctx.state.org.object(object), id)?;
    match call.method {
        Method::Get | Method::Head => read(ctx, object, id, call),
        Method::Patch => update(ctx, object, id, call),
        Method::Delete => delete(ctx, object, id),
        Method::Post | Method::Put => Err(not_allowed(call, "GET,HEAD,PATCH,DELETE")),
    }
}

/// The id in a path: an id of another object is not found there.
fn row_id(object: &Object, text: &str) -> Result<Id, ApiError> {
    let id = Id::parse(text).filter(|id| id.prefix() == object.prefix);
    id.ok_or_else(|| ApiError::no_external_field(&text.chars().take(80).collect::<String>()))
}

pub(crate) fn not_allowed(call: &Call, allowed: &str) -> ApiError {
    let method = call.method.name();
    let text = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
    ApiError::new(405, "METHOD_NOT_ALLOWED", text)
}

fn refuse_name(body: &Map<String, Value>, name: &str) -> Result<(), ApiError> {
    if body.keys().any(|key| key.eq_ignore_ascii_case(name)) {
        let text = format!("The {name} field should not be specified in the sobject data.");
        return Err(ApiError::bad("INVALID_FIELD", text).on(name));
    }
    Ok(())
}

fn read(ctx: &Context<'_>, object: usize, id: Id, call: &Call) -> Result<Answer, ApiError> {
    let org = &ctx.state.org;
    let row = org.live(object, id, ctx.actor.now_ms)?;
    if condition::unchanged(call, org.object(object), row) {
        return Ok(Answer::empty(304));
    }
    let columns = columns(org.object(object), object, call.parameter("fields"))?;
    let body = soql::record(org, row, object, &columns, &ctx.base, ctx.actor.now_ms);
    Ok(condition::stamped(Answer::json(200, body), org.object(object), row))
}

/// The columns of a comma list; all of them without one.
pub(crate) fn columns(
    one: &Object,
    object: usize,
    list: Option<&str>,
) -> Result<Vec<Column>, ApiError> {
    let column = |field| Column { hops: Vec::new(), field, object };
    let Some(list) = list else { return Ok((0..one.fields.len()).map(column).collect()) };
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let places: Result<Vec<_>, _> = names.map(|name| one.find(name).ok_or(name)).collect();
    let places = places.map_err(|name| {
        let text = format!("No such column '{name}' on entity '{}'.", one.name);
        ApiError::bad("INVALID_FIELD", text)
    })?;
    let mut columns = vec![column(ID)];
    columns.extend(places.into_iter().filter(|place| *place != ID).map(column));
    Ok(columns)
}

fn update(ctx: &mut Context<'_>, object: usize, id: Id, call: &Call) -> Result<Answer, ApiError> {
    let body = call.object()?;
    ctx.state.wrote(0);
    refuse_name(&body, "Id")?;
    change(ctx, object, id, &body, call)?;
    Ok(Answer::empty(204))
}

fn change(
    ctx: &mut Context<'_>,
    object: usize,
    id: Id,
    body: &Map<String, Value>,
    call: &Call,
) -> Result<(), ApiError> {
    let org = &mut ctx.state.org;
    let row = org.live(object, id, ctx.actor.now_ms)?;
    condition::check_write(call, org.object(object), row)?;
    org.update(object, id, body, &ctx.actor)?;
    ctx.state.wrote(1);
    Ok(())
}

fn delete(ctx: &mut Context<'_>, object: usize, id: Id) -> Result<Answer, ApiError> {
    ctx.state.wrote(0);
    ctx.state.org.delete(object, id, &ctx.actor)?;
    ctx.state.wrote(1);
    Ok(Answer::empty(204))
}

/// `/sobjects/X/<field>/<value>`.
pub(crate) fn by_field(
    ctx: &mut Context<'_>,
    object: usize,
    field: &str,
    value: &str,
    call: &Call,
) -> Result<Answer, ApiError> {
    let one = ctx.state.org.object(object);
    let place = one.find(field).filter(|place| one.fields[*place].id_lookup());
    let place = place.ok_or_else(|| ApiError::no_external_field(field))?;
    if place == ID {
        return by_id(ctx, object, value, call);
    }
    let wanted = coerce(&one.fields[place], &json!(value))?;
    if wanted.is_null() {
        let name = &one.fields[place].name;
        return Err(ApiError::bad("MISSING_ARGUMENT", format!("{name} not specified")).on(name));
    }
    let found = ctx.state.org.matching(object, place, &wanted, ctx.actor.now_ms);
    if found.len() > 1 {
        return Ok(choices(ctx, object, &found));
    }
    match (call.method, found.first()) {
        (Method::Patch, found) => upsert(ctx, object, (place, wanted), found.copied(), call),
        (Method::Get | Method::Head, Some(id)) => read(ctx, object, *id, call),
        (Method::Delete, Some(id)) => delete(ctx, object, *id),
        (Method::Get | Method::Head | Method::Delete, None) => Err(ApiError::not_found()),
        (Method::Post | Method::Put, _) => Err(not_allowed(call, "GET,HEAD,PATCH,DELETE")),
    }
}

/// 300: the addresses of the records that the value may mean.
fn choices(ctx: &Context<'_>, object: usize, found: &[Id]) -> Answer {
    let name = &ctx.state.org.object(object).name;
    let urls = found.iter().map(|id| format!("{}/sobjects/{name}/{id}", ctx.base));
    Answer::json(300, json!(urls.collect::<Vec<_>>()))
}

fn upsert(
    ctx: &mut Context<'_>,
    object: usize,
    (place, wanted): (usize, Cell),
    found: Option<Id>,
    call: &Call,
) -> Result<Answer, ApiError> {
    let body = call.object()?;
    ctx.state.wrote(0);
    refuse_name(&body, "Id")?;
    refuse_name(&body, &ctx.state.org.object(object).fields[place].name.clone())?;
    let reports = ctx.version >= 460;
    let Some(id) = found else {
        if call.parameter("updateOnly") == Some("true") {
            return Err(ApiError::not_found());
        }
        let mut given: Fields = ctx.state.org.read_new(object, &body, ctx.actor.now_ms)?;
        given.push((place, wanted));
        let id = ctx.state.org.create_from(object, given, &ctx.actor)?;
        ctx.state.wrote(1);
        return Ok(created(ctx, object, id, reports.then_some(true)));
    };
    change(ctx, object, id, &body, call)?;
    if !reports {
        return Ok(Answer::empty(204));
    }
    let body = json!({ "id": id.to_string(), "success": true, "errors": [], "created": false });
    Ok(Answer::json(200, body))
}
