//! What an error of PostgreSQL means for the caller: one table.

use crate::fault::{Meaning, Source, of_driver, of_lists, told};
use duet_ports::store::StoreError;
use sea_orm::DbErr;
use sqlx::Error;

/// Turns an error of the driver into the port's. `what` was tried.
pub(crate) fn fault(what: &'static str) -> impl FnOnce(Error) -> StoreError {
    move |error| {
        let meaning = meaning(&error);
        let constraint = error.as_database_error().and_then(|refusal| refusal.constraint());
        let broken = constraint.unwrap_or("a rule of the schema").to_owned();
        told(what, meaning, None, &broken, cause(error))
    }
}

/// The system's own words, where the driver only passes them on.
fn cause(error: Error) -> Source {
    match error {
        Error::Io(error) => Box::new(error),
        other => Box::new(other),
    }
}

/// Turns an error of the list layer into the port's.
pub(crate) fn list_fault(what: &'static str) -> impl FnOnce(DbErr) -> StoreError {
    move |error| {
        let meaning = match (&error, of_lists(&error)) {
            (DbErr::ConnectionAcquire(_), _) => Meaning::Unreachable,
            (_, Some(inner)) => meaning(&inner),
            (_, None) => Meaning::Refused,
        };
        told(what, meaning, None, "a rule of the schema", Box::new(error))
    }
}

fn meaning(error: &Error) -> Meaning {
    match error {
        Error::Database(refusal) => {
            meaning_of_code(refusal.code().as_deref().unwrap_or_default(), refusal.constraint())
        }
        other => of_driver(other),
    }
}

/// PostgreSQL's own code (SQLSTATE); its first two characters are the class.
fn meaning_of_code(code: &str, constraint: Option<&str>) -> Meaning {
    match code {
        // Serialization failure, deadlock, lock not available, statement timeout.
        "40001" | "40P01" | "55P03" | "57014" => Meaning::Busy,
        // Shutting down, crashed, starting up, idle too long in a transaction, read-only standby.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => Meaning::Unreachable,
        "42P01" | "42703" | "42P10" => Meaning::NotMigrated,
        "23505" => meaning_of_duplicate(constraint),
        "23502" | "23514" => Meaning::Corrupt,
        // Connection trouble; no room, no memory, too many connections.
        _ if code.starts_with("08") || code.starts_with("53") => Meaning::Unreachable,
        _ => Meaning::Refused,
    }
}

/// A second link for a record, or a second claim, is a lost race that the next try sees.
fn meaning_of_duplicate(constraint: Option<&str>) -> Meaning {
    match constraint {
        Some("links_left" | "links_right" | "links_pkey" | "aliases_pkey") => Meaning::Busy,
        Some(_) => Meaning::Corrupt,
        None => Meaning::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_port_promises() {
        let cases = [
            ("40001", Meaning::Busy),
            ("40P01", Meaning::Busy),
            ("55P03", Meaning::Busy),
            ("57P01", Meaning::Unreachable),
            ("08006", Meaning::Unreachable),
            ("53300", Meaning::Unreachable),
            ("42P01", Meaning::NotMigrated),
            ("42703", Meaning::NotMigrated),
            ("22P02", Meaning::Refused),
            ("23001", Meaning::Refused),
        ];
        for (code, expected) in cases {
            assert_eq!(meaning_of_code(code, None), expected, "{code}");
        }
    }

    #[test]
    fn only_races_over_identity_are_tried_again() {
        assert_eq!(meaning_of_code("23505", Some("links_left")), Meaning::Busy);
        assert_eq!(meaning_of_code("23505", Some("intents_open_write")), Meaning::Corrupt);
    }

    #[test]
    fn a_lost_connection_is_unreachable() {
        let lost = Error::Io(std::io::ErrorKind::ConnectionReset.into());
        let told = fault("commit")(lost);
        assert!(matches!(told, StoreError::Unreachable { what: "commit", .. }));
        assert_eq!(told.to_string(), "can't reach the state database (commit)");
    }
}
