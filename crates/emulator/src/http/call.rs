//! A request and an answer, free of the HTTP library, so that composite calls can make their own.

use std::collections::HashMap;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// The methods that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Patch,
    Put,
    Delete,
}

impl Method {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Decoded; empty ones (from repeated slashes) left out.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// By lower-case name.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Bytes,
}

impl Call {
    /// A request to `target`, a path with an optional query.
    pub(crate) fn new(method: Method, target: &str, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments = path.split('/').filter(|part| !part.is_empty());
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        Self {
            method,
            segments: segments.map(decoded).collect(),
            query: form(query.as_bytes()),
            headers: HashMap::new(),
            body,
        }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The body as a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, ApiError> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(body)) => Ok(body),
            Ok(_) => Err(ApiError::parser("The request body must be a JSON object.")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(ApiError::parser(format!(
                    "Unexpected content at [line:{line}, column:{column}]"
                )))
            }
        }
    }
}

/// The pairs of a form or a query.
pub(crate) fn form(text: &[u8]) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(text);
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Html(&'static str),
    Xml(String),
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.status >= 300
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::json(error.status, json!([error.rest()]))
    }
}
