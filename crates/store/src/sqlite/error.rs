//! What an error of SQLite means for the caller, and what to do about it: one table.

use crate::fault::{Meaning, Source, of_driver, of_lists, told};
use duet_ports::store::StoreError;
use sea_orm::DbErr;
use sqlx::Error;
use sqlx::error::DatabaseError;
use std::path::Path;

/// Why a file can't be worked with, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Trouble {
    advice: String,
    #[source]
    source: Option<Source>,
}

/// A cause with what to do about it.
pub(super) fn advised(advice: impl Into<String>, source: Option<Source>) -> Source {
    Box::new(Trouble { advice: advice.into(), source })
}

/// Turns an error of the driver into the port's. `what` was tried with `file`.
pub(crate) fn fault(what: &'static str, file: &Path) -> impl FnOnce(Error) -> StoreError {
    move |error| {
        let (meaning, broken) = (meaning(&error), broken(&error));
        explained(what, file, meaning, &broken, code(&error), Box::new(error))
    }
}

/// Turns an error of the list layer into the port's.
pub(crate) fn list_fault(what: &'static str, file: &Path) -> impl FnOnce(DbErr) -> StoreError {
    move |error| {
        let inner = of_lists(&error);
        let meaning = match (&error, &inner) {
            (DbErr::ConnectionAcquire(_), _) => Meaning::Busy,
            (_, Some(inner)) => meaning(inner),
            (_, None) => Meaning::Refused,
        };
        let code = inner.as_deref().and_then(code);
        explained(what, file, meaning, "a rule of the schema", code, Box::new(error))
    }
}

fn explained(
    what: &'static str,
    file: &Path,
    meaning: Meaning,
    broken: &str,
    code: Option<i32>,
    cause: Source,
) -> StoreError {
    let place = file.display().to_string();
    let cause = match meaning {
        Meaning::Busy => advised(format!("{place} is locked; try again"), Some(cause)),
        Meaning::Unreachable => match code.and_then(advice) {
            Some(advice) => advised(advice, Some(cause)),
            None => cause,
        },
        Meaning::NotMigrated | Meaning::Corrupt | Meaning::Refused => cause,
    };
    told(what, meaning, Some(place), broken, cause)
}

/// SQLite's own code, with the details in its upper bytes.
fn code(error: &Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// What a constraint guards, in SQLite's words: table and columns, never values.
fn broken(error: &Error) -> String {
    let message = error.as_database_error().map(DatabaseError::message);
    let guarded = message.and_then(|message| message.split_once("failed: "));
    guarded.map_or("a rule of the schema", |(_, guarded)| guarded).to_owned()
}

fn meaning(error: &Error) -> Meaning {
    match (error, code(error)) {
        (Error::Database(refusal), Some(code)) => meaning_of_code(code, refusal.message()),
        // All connections of this process are in use.
        (Error::PoolTimedOut, _) => Meaning::Busy,
        _ => of_driver(error),
    }
}

/// The codes of SQLite; the lowest byte is the class.
fn meaning_of_code(code: i32, message: &str) -> Meaning {
    match code & 0xff {
        // Another connection writes; its log is being recovered; the lock could not be had.
        5 | 6 | 15 => Meaning::Busy,
        1 if message.starts_with("no such table") || message.starts_with("no such column") => {
            Meaning::NotMigrated
        }
        19 => meaning_of_constraint(code, message),
        class if advice(class).is_some() => Meaning::Unreachable,
        _ => Meaning::Refused,
    }
}

/// A second link for a record is a lost race that the next try sees.
fn meaning_of_constraint(code: i32, message: &str) -> Meaning {
    let about = |table: &str| message.contains(&format!("failed: {table}."));
    match code >> 8 {
        // A primary key, a unique index.
        6 | 8 if about("links") || about("aliases") => Meaning::Busy,
        // A check, no value where one must be, and the same two of other tables.
        1 | 5 | 6 | 8 => Meaning::Corrupt,
        _ => Meaning::Refused,
    }
}

/// What to do where a file can't be worked with at all at the moment: a full disk must stop duet, not
/// turn changes into dead letters.
fn advice(code: i32) -> Option<&'static str> {
    const RIGHTS: &str = "the file is read-only; give the user who runs duet the right to write it \
                          and its folder";
    // The file isn't where it was.
    const MOVED: i32 = 8 | (4 << 8);
    Some(match (code, code & 0xff) {
        (MOVED, _) => {
            "the file was moved or deleted while duet had it open; put it back and start again"
        }
        (_, 3 | 8 | 23) => RIGHTS,
        (_, 7) => "there is no memory left",
        (_, 10) => "the file can't be read or written; look at the disk and the system's log",
        (_, 11) => "the file is damaged; stop duet and put a backup in its place",
        (_, 13) => "there is no room left on its disk; make room, and what is missing comes again",
        (_, 14) => {
            "the file can't be opened; the user who runs duet must be allowed to read and write it \
             and its folder"
        }
        (_, 22) => "its disk can't hold files as large as this one",
        (_, 26) => "the file is not a SQLite database; name another one, or move it away",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_port_promises() {
        let cases = [
            (5, Meaning::Busy),
            (5 | (1 << 8), Meaning::Busy),
            (5 | (2 << 8), Meaning::Busy),
            (6, Meaning::Busy),
            (8, Meaning::Unreachable),
            (10 | (3 << 8), Meaning::Unreachable),
            (11, Meaning::Unreachable),
            (13, Meaning::Unreachable),
            (14, Meaning::Unreachable),
            (26, Meaning::Unreachable),
            (1, Meaning::Refused),
            (20, Meaning::Refused),
        ];
        for (code, expected) in cases {
            assert_eq!(meaning_of_code(code, ""), expected, "{code}");
        }
        assert_eq!(meaning_of_code(1, "no such table: links"), Meaning::NotMigrated);
        assert_eq!(meaning_of_code(1, "no such column: memory"), Meaning::NotMigrated);
    }

    #[test]
    fn only_races_over_identity_are_tried_again() {
        let unique = 19 | (8 << 8);
        let told = |table: &str| format!("UNIQUE constraint failed: {table}.a, {table}.b");
        assert_eq!(meaning_of_code(unique, &told("links")), Meaning::Busy);
        assert_eq!(meaning_of_code(19 | (6 << 8), &told("aliases")), Meaning::Busy);
        assert_eq!(meaning_of_code(unique, &told("intents")), Meaning::Corrupt);
        let appended = 19 | (7 << 8);
        assert_eq!(meaning_of_code(appended, "decisions are append-only"), Meaning::Refused);
    }

    #[test]
    fn a_file_that_moved_is_told_apart_from_one_without_rights() {
        let moved = advice(1032).expect("it is known");
        assert!(moved.contains("moved"), "{moved}");
        assert!(advice(8).is_some_and(|rights| rights.contains("right to write")));
        assert_eq!(advice(1), None);
    }

    #[test]
    fn a_worker_that_ended_is_unreachable_at_its_file() {
        let told = fault("commit", Path::new("/x/duet.db"))(Error::WorkerCrashed);
        assert_eq!(told.to_string(), "can't reach the state database /x/duet.db (commit)");
        assert!(matches!(told, StoreError::Unreachable { what: "commit", .. }));
    }
}
