//! What lapin's errors mean for a caller of the port. The broker's own words are kept: they name
//! queues and settings, never content.

use duet_ports::hub::HubError;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{Error, ErrorKind};
use std::borrow::Cow;
use std::fmt;

/// Why a connection is not usable: kept by its line and told to every caller meanwhile.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// Not connected, with what was tried and the cause where one is known.
    Lost(Cow<'static, str>, Option<Error>),
    /// The broker is short of memory or disk and takes no messages; in its words.
    Blocked(String),
    /// A queue or the exchange exists with other settings.
    Mismatch {
        /// Its name.
        queue: String,
        /// The broker's words.
        detail: String,
    },
    /// No such queue.
    Missing(String),
}

impl Failure {
    /// The connection or a channel of it is lost.
    pub(super) fn lost(what: impl Into<Cow<'static, str>>, cause: Option<Error>) -> Failure {
        Failure::Lost(what.into(), cause)
    }

    /// What an error about one queue means.
    pub(super) fn of_queue(queue: &str, what: &'static str, error: Error) -> Failure {
        match soft(&error) {
            Some((AMQPSoftError::PRECONDITIONFAILED, detail)) => {
                Failure::Mismatch { queue: queue.to_owned(), detail }
            }
            Some((AMQPSoftError::NOTFOUND, _)) => Failure::Missing(queue.to_owned()),
            Some(_) | None => Failure::lost(what, Some(error)),
        }
    }
}

/// One line for the log: what was tried and why it failed. An error of lapin tells its own causes.
impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Lost(what, None) => write!(to, "could not {what}"),
            Failure::Lost(what, Some(cause)) => write!(to, "could not {what}: {cause}"),
            Failure::Blocked(reason) => write!(to, "blocked by the broker: {reason}"),
            Failure::Mismatch { queue, detail } => {
                write!(to, "queue {queue} exists with other settings: {detail}")
            }
            Failure::Missing(queue) => write!(to, "there is no queue {queue}"),
        }
    }
}

impl From<Failure> for HubError {
    fn from(failure: Failure) -> HubError {
        match failure {
            Failure::Lost(what, source) => HubError::Unreachable {
                what: what.into_owned(),
                source: source.map(|error| Box::new(error) as Box<_>),
            },
            Failure::Blocked(reason) => HubError::Unreachable {
                what: format!("blocked by the broker: {reason}"),
                source: None,
            },
            Failure::Mismatch { queue, detail } => HubError::Mismatch { queue, detail },
            Failure::Missing(queue) => HubError::Missing { queue },
        }
    }
}

/// The kind and text of an error that closed one channel but not the connection.
pub(super) fn soft(error: &Error) -> Option<(AMQPSoftError, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(told) => match told.kind() {
            AMQPErrorKind::Soft(kind) => Some((kind.clone(), told.get_message().to_string())),
            AMQPErrorKind::Hard(_) => None,
        },
        // The rest never comes from the broker.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_lost_connection_is_told_in_one_short_line() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let told = Failure::lost("connect to broker:5672", Some(refused.into())).to_string();
        assert_eq!(told, "could not connect to broker:5672: IO error: connection refused");
        let told = Failure::lost("keep the connection", None).to_string();
        assert_eq!(told, "could not keep the connection");
    }
}
