//! What a failure of PostgreSQL means: SQLSTATE to class, in one function. What follows from a
//! class is decided by the core.

use duet_core::id::ConnectionName;
use duet_core::retry::{Failure, FailureClass};
use duet_ports::connector::ConnectorError;
use sqlx::postgres::PgDatabaseError;

/// What was being done: a broken reference means another thing to a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Anything but deleting.
    Other,
    /// Deleting.
    Deleting,
}

/// The class of a SQLSTATE. Codes are an open set: one that isn't listed goes by its first two
/// letters, and a class that isn't listed makes no sense here.
pub(crate) fn class(code: &str, doing: Doing) -> FailureClass {
    match code {
        // Serialization, deadlock, lock not obtained, cancelled by a time limit.
        "40001" | "40P01" | "55P03" | "57014" => FailureClass::Transient,
        "23505" | "23P01" => FailureClass::Uniqueness,
        "23001" => FailureClass::Restricted,
        "23503" if doing == Doing::Deleting => FailureClass::Restricted,
        "23503" => FailureClass::Dependency,
        // Read-only: a server that was failed over from, or isn't promoted yet. It concerns every
        // write, and passes.
        "25006" => FailureClass::Unreachable,
        // Not allowed; no such column, table, type, function, schema; type mismatch.
        "42501" | "42703" | "42P01" | "42704" | "42883" | "3F000" | "42804" => {
            FailureClass::Permission
        }
        // No such database.
        "3D000" => FailureClass::Permission,
        _ => class_of_class(code.get(..2).unwrap_or_default()),
    }
}

fn class_of_class(letters: &str) -> FailureClass {
    match letters {
        // Connection, resources, operator intervention, system, invalid transaction state.
        "08" | "57" => FailureClass::Unreachable,
        "53" | "58" | "40" | "25" | "55" => FailureClass::Transient,
        "28" => FailureClass::Auth,
        // Data, integrity, check option, raised by a trigger, by an external routine.
        "22" | "23" | "44" | "P0" | "38" | "39" | "27" => FailureClass::Validation,
        "42" => FailureClass::Permission,
        _ => FailureClass::Poison,
    }
}

/// Whether a failure is about the rows of a statement, so that one of them alone may be to blame.
pub(crate) fn is_about_rows(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|told| match class(told.code(), Doing::Other) {
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
    database(error).is_some_and(|told| matches!(told.code(), "40001" | "40P01" | "55P03"))
}

/// Whether a commit that failed so surely left nothing behind. Anything else the server says while
/// it commits (it is being shut down, it crashes) leaves that open.
pub(crate) fn is_surely_undone(error: &sqlx::Error) -> bool {
    is_about_rows(error) || is_contention(error)
}

/// Whether the table isn't what it was when we looked at it.
pub(crate) fn is_outdated(error: &sqlx::Error) -> bool {
    let codes = ["42703", "42P01", "42704", "42883", "42804", "0A000", "3F000"];
    database(error).is_some_and(|told| codes.contains(&told.code()))
}

/// What the server told, if it was the server that told.
pub(crate) fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    match error {
        sqlx::Error::Database(told) => told.try_downcast_ref::<PgDatabaseError>(),
        _ => None,
    }
}

/// A failure as it is stored. Its message is the server's own and may hold values.
pub(crate) fn failure(error: &sqlx::Error, doing: Doing) -> Failure {
    match database(error) {
        Some(told) => told_failure(told, doing),
        None => local_failure(error),
    }
}

fn told_failure(told: &PgDatabaseError, doing: Doing) -> Failure {
    let mut message = told.message().to_owned();
    for more in [told.detail(), told.hint()].into_iter().flatten() {
        message.push_str(". ");
        message.push_str(more);
    }
    Failure {
        class: class(told.code(), doing),
        code: told.code().to_owned(),
        message,
        columns: columns(told),
        retry_after_us: None,
    }
}

/// The column named by the server, else those of a detail such as `Key (a, b)=(1, 2) already …`.
fn columns(told: &PgDatabaseError) -> Vec<String> {
    if let Some(column) = told.column() {
        return vec![column.to_owned()];
    }
    let listed = told.detail().and_then(|detail| detail.strip_prefix("Key ("));
    let listed = listed.and_then(|rest| rest.split_once(")=")).map(|(columns, _)| columns);
    listed.map_or_else(Vec::new, |columns| columns.split(", ").map(str::to_owned).collect())
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
    fn every_code_that_a_user_meets_has_its_class() {
        let cases = [
            ("40001", FailureClass::Transient),
            ("40P01", FailureClass::Transient),
            ("55P03", FailureClass::Transient),
            ("57014", FailureClass::Transient),
            ("53300", FailureClass::Transient),
            ("57P03", FailureClass::Unreachable),
            ("57P01", FailureClass::Unreachable),
            ("25006", FailureClass::Unreachable),
            ("08006", FailureClass::Unreachable),
            ("28P01", FailureClass::Auth),
            ("23505", FailureClass::Uniqueness),
            ("23502", FailureClass::Validation),
            ("23514", FailureClass::Validation),
            ("22001", FailureClass::Validation),
            ("22003", FailureClass::Validation),
            ("22P02", FailureClass::Validation),
            ("P0001", FailureClass::Validation),
            ("23503", FailureClass::Dependency),
            ("23001", FailureClass::Restricted),
            ("42501", FailureClass::Permission),
            ("42703", FailureClass::Permission),
            ("42P01", FailureClass::Permission),
            ("XX000", FailureClass::Poison),
            ("", FailureClass::Poison),
        ];
        for (code, expected) in cases {
            assert_eq!(class(code, Doing::Other), expected, "{code}");
        }
        assert_eq!(class("23503", Doing::Deleting), FailureClass::Restricted);
    }

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
