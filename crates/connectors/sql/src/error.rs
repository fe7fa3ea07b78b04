//! What a failure means: each database's codes to class. What follows from a class is decided by the
//! core.

mod file;
mod server;

use duet_core::id::ConnectionName;
use duet_core::retry::{Failure, FailureClass};
use duet_ports::connector::ConnectorError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// What was being done: a broken reference means another thing to a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Anything but deleting.
    Other,
    /// Deleting.
    Deleting,
}

/// What the database itself told.
enum Told<'a> {
    Server(&'a PgDatabaseError),
    File(&'a SqliteError),
}

fn told(error: &sqlx::Error) -> Option<Told<'_>> {
    let sqlx::Error::Database(told) = error else { return None };
    match told.try_downcast_ref::<PgDatabaseError>() {
        Some(server) => Some(Told::Server(server)),
        None => told.try_downcast_ref::<SqliteError>().map(Told::File),
    }
}

impl Told<'_> {
    fn class(&self, doing: Doing) -> FailureClass {
        match self {
            Told::Server(told) => server::class(told.code(), doing),
            Told::File(told) => file::class(told, doing),
        }
    }
}

/// Whether a failure is about the rows of a statement, so that one of them alone may be to blame.
pub(crate) fn is_about_rows(error: &sqlx::Error) -> bool {
    told(error).is_some_and(|told| match told.class(Doing::Other) {
        FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Dependency
        | FailureClass::Restricted
        | FailureClass::Permission => true,
        FailureClass::Transient
        | FailureClass::Throttled
        | FailureClass::Auth
        | FailureClass::Stale
        | FailureClass::Gone
        | FailureClass::UnknownOutcome
        | FailureClass::Unreachable
        | FailureClass::Poison => false,
    })
}

/// Whether somebody else held what we needed: to be tried again without waiting for it.
pub(crate) fn is_contention(error: &sqlx::Error) -> bool {
    match told(error) {
        Some(Told::Server(told)) => server::is_contention(told.code()),
        Some(Told::File(told)) => file::is_contention(told),
        None => false,
    }
}

/// Whether rights are missing.
pub(crate) fn is_denied(error: &sqlx::Error) -> bool {
    matches!(told(error), Some(Told::Server(told)) if told.code() == "42501")
}

/// Whether nothing can be written where we write.
pub(crate) fn is_read_only(error: &sqlx::Error) -> bool {
    match told(error) {
        Some(Told::Server(told)) => told.code() == "25006",
        Some(Told::File(told)) => file::is_read_only(told),
        None => false,
    }
}

/// Whether a constraint, or a trigger of the user's, refused a row of a statement.
pub(crate) fn is_constraint(error: &sqlx::Error) -> bool {
    match told(error) {
        Some(Told::Server(told)) => told.code().starts_with("23"),
        Some(Told::File(told)) => file::is_constraint(told),
        None => false,
    }
}

/// Whether a commit that failed so surely left nothing behind. Anything else the server says while
/// it commits (it is being shut down, it crashes) leaves that open.
pub(crate) fn is_surely_undone(error: &sqlx::Error) -> bool {
    is_about_rows(error) || is_contention(error)
}

/// Whether the table isn't what it was when we looked at it.
pub(crate) fn is_outdated(error: &sqlx::Error) -> bool {
    match told(error) {
        Some(Told::Server(told)) => server::is_outdated(told.code()),
        Some(Told::File(told)) => file::is_outdated(told),
        None => false,
    }
}

/// What the database said, if it was the database that said it.
pub(crate) fn words(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Database(told) => Some(told.message().to_owned()),
        _ => None,
    }
}

/// A failure as it is stored. Its message is the database's own and may hold values.
pub(crate) fn failure(error: &sqlx::Error, doing: Doing) -> Failure {
    let Some(told) = told(error) else { return local_failure(error) };
    let (code, message, columns) = match &told {
        Told::Server(told) => {
            (told.code().to_owned(), server::message(told), server::columns(told))
        }
        Told::File(told) => (file::code(told), file::message(told), file::columns(told)),
    };
    Failure { class: told.class(doing), code, message, columns, retry_after_us: None }
}

fn local_failure(error: &sqlx::Error) -> Failure {
    let (class, code) = match error {
        // Only a lost answer to a commit leaves something open, and `whole` knows of it.
        sqlx::Error::Io(_) => (FailureClass::Unreachable, "io"),
        sqlx::Error::Tls(_) => (FailureClass::Unreachable, "tls"),
        sqlx::Error::PoolTimedOut => (FailureClass::Unreachable, "no_connection"),
        sqlx::Error::PoolClosed => (FailureClass::Unreachable, "closed"),
        sqlx::Error::Configuration(_) => (FailureClass::Auth, "configuration"),
        _ => (FailureClass::Poison, "protocol"),
    };
    Failure { message: error.to_string(), ..made(class, code, "") }
}

/// A failure of our own making.
pub(crate) fn made(class: FailureClass, code: &str, message: impl Into<String>) -> Failure {
    Failure {
        class,
        code: code.to_owned(),
        message: message.into(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}

/// A call failed as a whole. The cause is kept where it can't hold values: the network's.
pub(crate) fn whole(connection: &ConnectionName, error: sqlx::Error, sent: bool) -> ConnectorError {
    let mut failure = failure(&error, Doing::Other);
    if sent {
        failure.class = FailureClass::UnknownOutcome;
    }
    let source: Option<Box<dyn std::error::Error + Send + Sync>> = match error {
        sqlx::Error::Io(cause) => Some(Box::new(cause)),
        _ => None,
    };
    ConnectorError { connection: connection.clone(), failure, sent, source }
}

/// A call failed as a whole for a reason of our own.
pub(crate) fn refused(connection: &ConnectionName, failure: Failure) -> ConnectorError {
    ConnectorError { connection: connection.clone(), failure, sent: false, source: None }
}

/// A call took longer than its limit. Statements and locks have shorter ones, which the server
/// tells: one that told nothing hangs, or can't be reached any more.
pub(crate) fn too_long(connection: &ConnectionName, sent: bool) -> ConnectorError {
    let class = if sent { FailureClass::UnknownOutcome } else { FailureClass::Unreachable };
    let failure = made(class, "timeout", "the call took longer than its time limit");
    ConnectorError { connection: connection.clone(), failure, sent, source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_unreachable_and_a_lost_commit_unknown() {
        let (shop, lost) = (ConnectionName::from("shop"), || {
            sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())
        });
        for (sent, class) in
            [(false, FailureClass::Unreachable), (true, FailureClass::UnknownOutcome)]
        {
            let told = [whole(&shop, lost(), sent), too_long(&shop, sent)];
            assert!(told.iter().all(|told| told.failure.class == class && told.sent == sent));
        }
    }
}
