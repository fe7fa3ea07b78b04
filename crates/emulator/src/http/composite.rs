//! `/composite`: several requests in one, which may use each other's answers.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Body, Call, Method},
    route,
    state::Context,
};
use crate::error::ApiError;

/// Sub-requests of one call.
const REQUESTS_MAX: usize = 25;
/// Of these, queries and collections.
const HEAVY_MAX: usize = 5;

const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

/// Headers that a sub-request may not have.
const CLOSED: [&str; 3] = ["accept", "authorization", "content-type"];

/// One sub-request as it came.
struct Part {
    method: Method,
    url: String,
    reference: String,
    body: Value,
    headers: HashMap<String, String>,
}

/// One answer, by its reference.
struct Done {
    reference: String,
    answer: Answer,
}

/// Carries out a composite call.
pub(crate) fn composite(ctx: &mut Context<'_>, call: &Call) -> Result<Answer, ApiError> {
    let body = call.object()?;
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or_default();
    let parts = parts(&body)?;
    let mark = ctx.state.org.mark();
    let written = ctx.state.writes.records;
    let mut done: Vec<Done> = Vec::with_capacity(parts.len());
    let mut failed = None;
    for part in parts {
        let answer = match failed {
            Some(_) if all_or_none => halted(ROLLED_BACK),
            Some(_) | None => step(ctx, call, &part, &done, all_or_none),
        };
        if has_failed(&answer, all_or_none) {
            failed = failed.or(Some(done.len()));
        }
        done.push(Done { reference: part.reference, answer });
    }
    if let Some(place) = failed.filter(|_| all_or_none) {
        ctx.state.org.roll_back(mark);
        ctx.state.writes.records = written;
        for one in &mut done[..place] {
            one.answer = halted(ROLLED_BACK);
        }
    }
    let answers: Vec<_> = done.iter().map(shown).collect();
    Ok(Answer::json(200, json!({ "compositeResponse": answers })))
}

/// Carries out one sub-request, which leaves nothing behind if it fails.
fn step(
    ctx: &mut Context<'_>,
    call: &Call,
    part: &Part,
    done: &[Done],
    all_or_none: bool,
) -> Answer {
    let mark = ctx.state.org.mark();
    let answer = carry_out(ctx, call, part, done, all_or_none);
    if has_failed(&answer, false) {
        ctx.state.org.roll_back(mark);
    }
    answer
}

/// A collection answers 200 whatever became of its records; to `allOrNone` they count all the same.
fn has_failed(answer: &Answer, all_or_none: bool) -> bool {
    if answer.is_failure() {
        return answer.status != 304;
    }
    let Body::Json(Value::Array(results)) = &answer.body else { return false };
    all_or_none && results.iter().any(|result| result["success"] == false)
}

fn halted(text: &str) -> Answer {
    ApiError::bad("PROCESSING_HALTED", text).into()
}

fn shown(done: &Done) -> Value {
    let headers: BTreeMap<_, _> =
        done.answer.headers.iter().map(|(name, value)| (titled(name), value.clone())).collect();
    let body = match &done.answer.body {
        Body::Json(body) => body.clone(),
        Body::Empty | Body::Html(_) | Body::Xml(_) => Value::Null,
    };
    json!({
        "body": body, "httpHeaders": headers, "httpStatusCode": done.answer.status,
        "referenceId": done.reference,
    })
}

fn titled(name: &str) -> String {
    if name == "etag" {
        return "ETag".to_owned();
    }
    let words = name.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
    words.collect::<Vec<_>>().join("-")
}

fn parts(body: &Map<String, Value>) -> Result<Vec<Part>, ApiError> {
    let Some(Value::Array(list)) = body.get("compositeRequest") else {
        return Err(ApiError::parser("compositeRequest must be a list"));
    };
    if list.len() > REQUESTS_MAX {
        let text = format!("Limit of {REQUESTS_MAX} reached for composite requests");
        return Err(ApiError::bad("LIMIT_EXCEEDED", text));
    }
    let parts: Vec<_> = list.iter().map(part).collect::<Result<_, _>>()?;
    let heavy = ["/query", "/composite/sobjects"];
    let count = |part: &&Part| heavy.iter().any(|word| part.url.contains(word));
    if parts.iter().filter(count).count() > HEAVY_MAX {
        let text = format!("Limit of {HEAVY_MAX} queries and collections reached");
        return Err(ApiError::bad("LIMIT_EXCEEDED", text));
    }
    for (at, part) in parts.iter().enumerate() {
        if parts[..at].iter().any(|other| other.reference == part.reference) {
            let text = format!("Duplicate referenceId: {}", part.reference);
            return Err(ApiError::parser(text));
        }
    }
    Ok(parts)
}

fn part(value: &Value) -> Result<Part, ApiError> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let method = Method::parse(&text("method").to_uppercase());
    let method = method.ok_or_else(|| ApiError::parser("a sub-request has no known method"))?;
    let reference = text("referenceId");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !reference.starts_with(|c: char| c.is_ascii_alphanumeric()) || !reference.chars().all(plain)
    {
        let text = "Provided referenceId must start with a letter or a number, and it can contain \
                    only letters, numbers and underscores.";
        return Err(ApiError::parser(text));
    }
    let given = value["httpHeaders"].as_object().into_iter().flatten();
    let headers: HashMap<_, _> = given
        .filter_map(|(name, value)| Some((name.to_lowercase(), value.as_str()?.to_owned())))
        .collect();
    if let Some(name) = CLOSED.iter().find(|name| headers.contains_key(**name)) {
        return Err(ApiError::parser(format!("The header {name} is not allowed in a sub-request")));
    }
    Ok(Part { method, url: text("url"), reference, body: value["body"].clone(), headers })
}

fn carry_out(
    ctx: &mut Context<'_>,
    outer: &Call,
    part: &Part,
    done: &[Done],
    all_or_none: bool,
) -> Answer {
    let filled = filled(&part.url, done).and_then(|url| Ok((url, fill(&part.body, done)?)));
    let (url, mut body) = match filled {
        Ok(filled) => filled,
        Err(text) => return halted(&text),
    };
    if let Value::Object(fields) = &mut body
        && all_or_none
        && url.contains("/composite/sobjects")
    {
        fields.insert("allOrNone".to_owned(), Value::Bool(true));
    }
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut call = Call::new(part.method, &url, bytes);
    for name in ["sforce-call-options", "sforce-query-options"] {
        if let Some(value) = outer.header(name) {
            call.headers.insert(name.to_owned(), value.to_owned());
        }
    }
    call.headers.extend(part.headers.clone());
    if all_or_none {
        // The outer one overrides; the first of a name counts.
        call.query.insert(0, ("allOrNone".to_owned(), "true".to_owned()));
    }
    match call.parts().as_slice() {
        ["services", "data", _, "composite"] => halted("Composite requests can't be nested"),
        ["services", "data", version, rest @ ..] => {
            route::versioned(ctx, &call, version, rest).unwrap_or_else(Answer::from)
        }
        _ => ApiError::not_found().into(),
    }
}

/// Puts earlier answers into all strings of a body.
fn fill(value: &Value, done: &[Done]) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(filled(text, done)?),
        Value::Array(list) => {
            Value::Array(list.iter().map(|one| fill(one, done)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, one)| Ok((name.clone(), fill(one, done)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

/// Replaces each `@{refA.records[0].Id}` in a text.
fn filled(text: &str, done: &[Done]) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((path, tail)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&looked_up(path, done)?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn looked_up(path: &str, done: &[Done]) -> Result<String, String> {
    let (reference, inner) = path.split_once('.').unwrap_or((path, ""));
    let missing =
        || format!("Invalid reference specified. No value for {path} found in {reference}");
    let one = done.iter().find(|one| one.reference == reference).ok_or_else(missing)?;
    let Body::Json(body) = &one.answer.body else { return Err(missing()) };
    if one.answer.is_failure() {
        return Err(missing());
    }
    let mut value = body;
    for step in inner.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
        value = match step.parse::<usize>() {
            Ok(place) => value.get(place),
            Err(_) => value.get(step),
        }
        .ok_or_else(missing)?;
    }
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(missing()),
    }
}
