//! What failures of a SQLite file mean, by result code.

use super::Doing;
use duet_core::retry::FailureClass;
use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

/// The words of a reference that was refused: by a trigger of SQLite's own where the reference says
/// `RESTRICT`, which has the code of the user's triggers.
const REFERENCE: &str = "FOREIGN KEY constraint failed";

/// The name of a result code, and what to do where the words alone don't tell.
const NAMES: [(i32, &str, &str); 33] = [
    (1, "SQLITE_ERROR", ""),
    (3, "SQLITE_PERM", ""),
    (5, "SQLITE_BUSY", BUSY),
    (6, "SQLITE_LOCKED", BUSY),
    (7, "SQLITE_NOMEM", ""),
    (8, "SQLITE_READONLY", READ_ONLY),
    (9, "SQLITE_INTERRUPT", ""),
    (10, "SQLITE_IOERR", "look at the disk, and at whether the file is on a network drive"),
    (
        11,
        "SQLITE_CORRUPT",
        "the file is damaged: put back a copy, then `duet capture remove` and `install`",
    ),
    (13, "SQLITE_FULL", "make room on the disk"),
    (
        14,
        "SQLITE_CANTOPEN",
        "there is no such file, it is a folder, or this user may not open it: check `path`",
    ),
    (15, "SQLITE_PROTOCOL", BUSY),
    (17, "SQLITE_SCHEMA", ""),
    (18, "SQLITE_TOOBIG", ""),
    (19, "SQLITE_CONSTRAINT", ""),
    (20, "SQLITE_MISMATCH", ""),
    (23, "SQLITE_AUTH", ""),
    (26, "SQLITE_NOTADB", "check `path`: it leads to something else, or the file is encrypted"),
    (261, "SQLITE_BUSY_RECOVERY", BUSY),
    (275, "SQLITE_CONSTRAINT_CHECK", ""),
    (517, "SQLITE_BUSY_SNAPSHOT", BUSY),
    (773, "SQLITE_BUSY_TIMEOUT", BUSY),
    (787, "SQLITE_CONSTRAINT_FOREIGNKEY", ""),
    (1032, "SQLITE_READONLY_DBMOVED", "another file has taken its place"),
    (1299, "SQLITE_CONSTRAINT_NOTNULL", ""),
    (1544, "SQLITE_READONLY_DIRECTORY", READ_ONLY),
    (1555, "SQLITE_CONSTRAINT_PRIMARYKEY", ""),
    (1811, "SQLITE_CONSTRAINT_TRIGGER", ""),
    (2067, "SQLITE_CONSTRAINT_UNIQUE", ""),
    (2323, "SQLITE_CONSTRAINT_VTAB", ""),
    (2579, "SQLITE_CONSTRAINT_ROWID", ""),
    (2835, "SQLITE_CONSTRAINT_PINNED", ""),
    (3091, "SQLITE_CONSTRAINT_DATATYPE", ""),
];

const BUSY: &str = "another program holds the file for longer than was waited for";
const READ_ONLY: &str = "this user may not write the file, or make files beside it";

/// The extended result code.
fn number(told: &SqliteError) -> i32 {
    told.code().and_then(|code| code.parse().ok()).unwrap_or(1)
}

/// The result code without what it is extended by.
fn primary(told: &SqliteError) -> i32 {
    number(told) & 0xff
}

/// The class of a failure.
pub(super) fn class(told: &SqliteError, doing: Doing) -> FailureClass {
    class_of(number(told), told.message(), doing)
}

/// Codes are an open set: one that isn't listed goes by what it extends.
fn class_of(code: i32, words: &str, doing: Doing) -> FailureClass {
    match code {
        787 => reference(doing),
        1811 if words == REFERENCE => reference(doing),
        1555 | 2067 | 2579 => FailureClass::Uniqueness,
        _ => match code & 0xff {
            // Busy, locked, no memory, interrupted, a race for the log, the schema changed.
            5 | 6 | 7 | 9 | 15 | 17 => FailureClass::Transient,
            // Read-only, input or output, damaged, full, not to be opened, no database: it concerns
            // every record, and passes when somebody has mended the file.
            8 | 10 | 11 | 13 | 14 | 26 => FailureClass::Unreachable,
            // Too big, a constraint, no row id.
            18..=20 => FailureClass::Validation,
            // No such column or table, a view, a function that isn't there; not allowed.
            1 | 3 | 23 => FailureClass::Permission,
            _ => FailureClass::Poison,
        },
    }
}

fn reference(doing: Doing) -> FailureClass {
    match doing {
        Doing::Deleting => FailureClass::Restricted,
        Doing::Other => FailureClass::Dependency,
    }
}

/// Somebody else held the file.
pub(super) fn is_contention(told: &SqliteError) -> bool {
    matches!(primary(told), 5 | 6)
}

/// The file, or its folder, can't be written.
pub(super) fn is_read_only(told: &SqliteError) -> bool {
    primary(told) == 8
}

/// A constraint refused a row, or a trigger of the user's did.
pub(super) fn is_constraint(told: &SqliteError) -> bool {
    primary(told) == 19
}

/// The table isn't what it was when we looked at it. SQLite has one code for all of these.
pub(super) fn is_outdated(told: &SqliteError) -> bool {
    let words = told.message();
    let missing = ["no such column", "no such table", "has no column named"];
    primary(told) == 17 || (primary(told) == 1 && missing.iter().any(|part| words.contains(part)))
}

/// Its name, or its number where it has none here.
pub(super) fn code(told: &SqliteError) -> String {
    known(number(told)).map_or_else(|| number(told).to_string(), |(_, name, _)| (*name).to_owned())
}

fn known(code: i32) -> Option<&'static (i32, &'static str, &'static str)> {
    let find = |code| NAMES.iter().find(|(number, _, _)| *number == code);
    find(code).or_else(|| find(code & 0xff))
}

/// What SQLite says, and what to do about it.
pub(super) fn message(told: &SqliteError) -> String {
    match known(number(told)) {
        Some((_, _, cure)) if !cure.is_empty() => format!("{}: {cure}", told.message()),
        Some(_) | None => told.message().to_owned(),
    }
}

/// The columns of `UNIQUE constraint failed: items.a, items.b`.
pub(super) fn columns(told: &SqliteError) -> Vec<String> {
    if !is_constraint(told) || !matches!(number(told), 1299 | 1555 | 2067 | 2579 | 3091) {
        return Vec::new();
    }
    let Some((_, list)) = told.message().split_once("constraint failed: ") else {
        return Vec::new();
    };
    let column = |place: &str| place.rsplit_once('.').map(|(_, column)| column.to_owned());
    list.split(", ").filter_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_a_user_meets_has_its_class() {
        let cases = [
            (5, FailureClass::Transient),
            (517, FailureClass::Transient),
            (6, FailureClass::Transient),
            (8, FailureClass::Unreachable),
            (1032, FailureClass::Unreachable),
            (10, FailureClass::Unreachable),
            (13, FailureClass::Unreachable),
            (14, FailureClass::Unreachable),
            (26, FailureClass::Unreachable),
            (275, FailureClass::Validation),
            (1299, FailureClass::Validation),
            (1811, FailureClass::Validation),
            (3091, FailureClass::Validation),
            (20, FailureClass::Validation),
            (787, FailureClass::Dependency),
            (1555, FailureClass::Uniqueness),
            (2067, FailureClass::Uniqueness),
            (2579, FailureClass::Uniqueness),
            (1, FailureClass::Permission),
            (21, FailureClass::Poison),
        ];
        for (code, expected) in cases {
            assert_eq!(class_of(code, "", Doing::Other), expected, "{code}");
        }
        assert_eq!(class_of(787, "", Doing::Deleting), FailureClass::Restricted);
        assert_eq!(class_of(1811, REFERENCE, Doing::Deleting), FailureClass::Restricted);
    }

    #[test]
    fn codes_have_their_names() {
        assert_eq!(known(5).map(|(_, name, _)| *name), Some("SQLITE_BUSY"));
        assert_eq!(known(3338).map(|(_, name, _)| *name), Some("SQLITE_IOERR"));
        assert_eq!(known(99), None);
    }
}
