//! From a path to what answers it.

use serde_json::json;

use super::{
    call::{Answer, Call, Method},
    collections, composite, discover, query, rows, session, soap,
    state::{Context, State, is_data, version_of},
};
use crate::error::ApiError;

/// Answers a request that is not for the admin.
pub(crate) fn answer(state: &mut State, call: &Call, host: &str) -> Answer {
    let answer = dispatch(state, call, host).unwrap_or_else(Answer::from);
    if is_data(call) {
        let usage = state.usage.header();
        return answer.with("sforce-limit-info", usage);
    }
    answer
}

fn dispatch(state: &mut State, call: &Call, host: &str) -> Result<Answer, ApiError> {
    match call.parts().as_slice() {
        ["services", "oauth2", "token"] => Ok(session::token(state, call, host)),
        ["services", "oauth2", "revoke"] => Ok(session::revoke(state, call)),
        ["services", "oauth2", "introspect"] => Ok(session::introspect(state, call)),
        ["services", "oauth2", "userinfo"] => {
            state.sessions.authorize(call)?;
            Ok(Answer::json(200, session::userinfo(host)))
        }
        ["id", _, _] => {
            state.sessions.authorize(call)?;
            Ok(Answer::json(200, session::identity(host)))
        }
        ["services", "Soap", "u" | "c", version, ..] if call.method == Method::Post => {
            Ok(soap::answer(state, call, version, host))
        }
        ["services", "data"] => Ok(discover::versions()),
        ["services", "data", version, rest @ ..] => {
            state.sessions.authorize(call)?;
            count(state)?;
            let actor = state.client();
            let mut ctx = Context { state, actor, version: 0, base: String::new() };
            if rest.is_empty() {
                let number = supported(version)?;
                let base = format!("/services/data/v{}.{}", number / 10, number % 10);
                let identity =
                    session::identity(host)["id"].as_str().unwrap_or_default().to_owned();
                return Ok(discover::resources(&base, &identity));
            }
            versioned(&mut ctx, call, version, rest)
        }
        _ => Err(ApiError::not_found()),
    }
}

fn count(state: &mut State) -> Result<(), ApiError> {
    if state.usage.used >= state.usage.limit {
        return Err(ApiError::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
    }
    state.usage.used += 1;
    Ok(())
}

fn supported(version: &str) -> Result<u32, ApiError> {
    match version_of(version) {
        None => Err(ApiError::not_found()),
        Some(number) if number < discover::OLDEST * 10 => {
            let text = format!("The emulator answers version {}.0 and later.", discover::OLDEST);
            Err(ApiError::new(410, "UNSUPPORTED_API_VERSION", text))
        }
        Some(number) => Ok(number),
    }
}

/// Answers what stands below a version; composite calls come here for each of their parts.
pub(crate) fn versioned(
    ctx: &mut Context<'_>,
    call: &Call,
    version: &str,
    rest: &[&str],
) -> Result<Answer, ApiError> {
    ctx.version = supported(version)?;
    ctx.base = format!("/services/data/v{}.{}", ctx.version / 10, ctx.version % 10);
    let [first, rest @ ..] = rest else { return Err(ApiError::not_found()) };
    let reads = matches!(call.method, Method::Get | Method::Head);
    match (first.to_lowercase().as_str(), rest) {
        ("sobjects", rest) => sobjects(ctx, call, rest),
        ("composite", rest) => composites(ctx, call, rest),
        ("query" | "queryall" | "limits" | "recent", _) if !reads => {
            Err(rows::not_allowed(call, "GET,HEAD"))
        }
        ("query", []) => query::query(ctx, call, false),
        ("queryall", []) => query::query(ctx, call, true),
        ("query" | "queryall", [locator]) => query::more(ctx, locator),
        ("limits", []) => Ok(Answer::json(200, ctx.state.usage.report())),
        ("recent", []) => Ok(Answer::json(200, json!([]))),
        _ => Err(ApiError::not_found()),
    }
}

fn sobjects(ctx: &mut Context<'_>, call: &Call, rest: &[&str]) -> Result<Answer, ApiError> {
    let [name, rest @ ..] = rest else { return Ok(discover::all(ctx, call)) };
    let object = ctx.state.org.find_object(name).ok_or_else(ApiError::not_found)?;
    let reads = matches!(call.method, Method::Get | Method::Head);
    match rest {
        [] if call.method == Method::Post => rows::create(ctx, object, call),
        [] if reads => Ok(discover::basic(ctx, object)),
        [] => Err(rows::not_allowed(call, "GET,HEAD,POST")),
        ["describe"] if reads => Ok(discover::describe(ctx, object, call)),
        ["updated"] if reads => discover::changed(ctx, object, call, false),
        ["deleted"] if reads => discover::changed(ctx, object, call, true),
        [id] if id.eq_ignore_ascii_case("Id") && call.method == Method::Post => {
            rows::create(ctx, object, call)
        }
        [id] => rows::by_id(ctx, object, id, call),
        [field, value] => rows::by_field(ctx, object, field, value, call),
        [_, _, ..] => Err(ApiError::not_found()),
    }
}

fn composites(ctx: &mut Context<'_>, call: &Call, rest: &[&str]) -> Result<Answer, ApiError> {
    let object = |ctx: &Context<'_>, name: &str| {
        ctx.state.org.find_object(name).ok_or_else(ApiError::not_found)
    };
    match rest {
        [] if call.method == Method::Post => composite::composite(ctx, call),
        [] => Err(rows::not_allowed(call, "POST")),
        ["sobjects"] => collections::write(ctx, call),
        ["sobjects", name] => collections::read(ctx, object(ctx, name)?, call),
        ["sobjects", name, field] => {
            let object = object(ctx, name)?;
            collections::upsert(ctx, object, field, call)
        }
        [_, ..] => Err(ApiError::not_found()),
    }
}
