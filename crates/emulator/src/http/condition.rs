//! Conditional requests: dates at a grain of one second, against LastModifiedDate; tags on
//! Account only.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::DateTime;

use super::call::{Answer, Call};
use crate::{
    clock::whole_second,
    error::ApiError,
    org::Row,
    schema::{MODIFIED_DATE, Object},
};

/// `Wed, 21 Oct 2015 07:28:00 GMT`.
pub(crate) fn http_date(at_ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn parsed(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.timestamp_millis())
}

fn modified(row: &Row) -> i64 {
    row.cells[MODIFIED_DATE].instant().map(whole_second).unwrap_or_default()
}

/// The tag of a row's state, for the objects that have one.
pub(crate) fn tag(object: &Object, row: &Row) -> Option<String> {
    if object.name != "Account" {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    format!("{:?}", row.cells).hash(&mut hasher);
    Some(format!("\"{:016x}--gzip\"", hasher.finish()))
}

fn lists(header: &str, tag: Option<&String>) -> bool {
    let mut tags = header.split(',').map(str::trim);
    tag.is_some_and(|tag| tags.any(|one| one == tag || one == "*"))
}

/// Adds `Last-Modified`, and the tag if there is one.
pub(crate) fn stamped(answer: Answer, object: &Object, row: &Row) -> Answer {
    let answer = answer.with("last-modified", http_date(modified(row)));
    match tag(object, row) {
        Some(tag) => answer.with("etag", tag),
        None => answer,
    }
}

/// True if a reader has the newest state already: 304.
pub(crate) fn unchanged(call: &Call, object: &Object, row: &Row) -> bool {
    let tag = tag(object, row);
    if let Some(header) = call.header("if-none-match").filter(|_| tag.is_some()) {
        return lists(header, tag.as_ref());
    }
    unchanged_since(call, modified(row))
}

/// True if `If-Modified-Since` is there and nothing changed after it.
pub(crate) fn unchanged_since(call: &Call, modified_ms: i64) -> bool {
    let since = call.header("if-modified-since").and_then(parsed);
    since.is_some_and(|since| whole_second(modified_ms) <= since)
}

/// Refuses a write whose condition doesn't hold.
pub(crate) fn check_write(call: &Call, object: &Object, row: &Row) -> Result<(), ApiError> {
    let failed = || {
        let text = "The request could not be processed because a precondition failed.";
        Err(ApiError::new(412, "PRECONDITION_FAILED", text))
    };
    if let Some(header) = call.header("if-unmodified-since") {
        match parsed(header) {
            None => {
                return Err(ApiError::bad(
                    "INVALID_HTTP_HEADER",
                    "If-Unmodified-Since: not a date",
                ));
            }
            Some(since) if modified(row) > since => return failed(),
            Some(_) => {}
        }
    }
    if let Some(since) = call.header("if-modified-since").and_then(parsed)
        && modified(row) <= since
    {
        return failed();
    }
    let Some(tag) = tag(object, row) else { return Ok(()) };
    match (call.header("if-match"), call.header("if-none-match")) {
        (Some(header), _) if !header.contains(['"', '*']) => {
            Err(ApiError::bad("INVALID_HTTP_HEADER", "If-Match: not a quoted tag"))
        }
        (Some(header), _) if !lists(header, Some(&tag)) => failed(),
        (_, Some(header)) if lists(header, Some(&tag)) => failed(),
        _ => Ok(()),
    }
}
