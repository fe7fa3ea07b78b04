//! What the emulator refuses: errors of the API (an answer to the client), and errors at start.

use std::{borrow::Cow, io, net::SocketAddr, path::PathBuf};

use serde_json::{Value, json};

/// Why the emulator could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// It serves this machine only: it has no real security.
    #[error("the emulator listens on loopback addresses only, not on {address}")]
    NotLoopback {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A file or folder can't be read or written.
    #[error("can't use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another emulator has the data file.
    #[error("{} is used by another emulator", path.display())]
    InUse {
        /// The data file.
        path: PathBuf,
    },
    /// A line of the data file isn't what this emulator writes.
    #[error("{}, line {line}: {reason}", path.display())]
    Data {
        /// The data file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong; names fields, never their values.
        reason: String,
    },
    /// A metadata file isn't XML.
    #[error("{}: not well-formed XML", path.display())]
    Xml {
        /// The metadata file.
        path: PathBuf,
        /// Why not.
        source: roxmltree::Error,
    },
    /// A metadata file says something that the emulator can't do.
    #[error("{}: <{element}>: {reason}", path.display())]
    Metadata {
        /// The metadata file.
        path: PathBuf,
        /// The element that is missing or wrong.
        element: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An error as the API answers it, for a request or for one record of it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
    /// A body that can't be read at all: the whole call fails, not one record of it.
    pub(crate) spoils_the_call: bool,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let (message, code) = (message.into(), Cow::Borrowed(code));
        Self { status, code, message, fields: Vec::new(), spoils_the_call: false }
    }

    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn on(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn no_external_field(text: &str) -> Self {
        let known = "Provided external ID field does not exist or is not accessible:";
        Self::new(404, "NOT_FOUND", format!("{known} {text}"))
    }

    pub(crate) fn deleted() -> Self {
        Self::new(404, "ENTITY_IS_DELETED", "entity is deleted")
    }

    pub(crate) fn cross_reference() -> Self {
        Self::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    }

    pub(crate) fn malformed_id(label: &str, text: &str) -> Self {
        let shown: String = text.chars().take(40).collect();
        Self::bad("MALFORMED_ID", format!("{label}: id value of incorrect type: {shown}"))
    }

    pub(crate) fn parser(message: impl Into<String>) -> Self {
        Self { spoils_the_call: true, ..Self::bad("JSON_PARSER_ERROR", message) }
    }

    /// As an element of a REST error body.
    pub(crate) fn rest(&self) -> Value {
        let mut body = json!({ "message": self.message, "errorCode": self.code });
        if !self.fields.is_empty() {
            body["fields"] = json!(self.fields);
        }
        body
    }

    /// As an element of `errors` in a collection's result.
    pub(crate) fn result(&self) -> Value {
        json!({ "statusCode": self.code, "message": self.message, "fields": self.fields })
    }
}
