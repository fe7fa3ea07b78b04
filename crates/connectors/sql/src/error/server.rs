//! What a PostgreSQL server's failures mean, by SQLSTATE.

use super::Doing;
use duet_core::retry::FailureClass;
use sqlx::postgres::PgDatabaseError;

/// The class of a SQLSTATE. Codes are an open set: one that isn't listed goes by its first two
/// letters, and a class that isn't listed makes no sense here.
pub(super) fn class(code: &str, doing: Doing) -> FailureClass {
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

/// Somebody else held what we needed.
pub(super) fn is_contention(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03")
}

/// The table isn't what it was when we looked at it.
pub(super) fn is_outdated(code: &str) -> bool {
    matches!(code, "42703" | "42P01" | "42704" | "42883" | "42804" | "0A000" | "3F000")
}

/// Everything that the server says.
pub(super) fn message(told: &PgDatabaseError) -> String {
    let mut message = told.message().to_owned();
    for more in [told.detail(), told.hint()].into_iter().flatten() {
        message.push_str(". ");
        message.push_str(more);
    }
    message
}

/// The column named by the server, else those of a detail such as `Key (a, b)=(1, 2) already …`.
pub(super) fn columns(told: &PgDatabaseError) -> Vec<String> {
    if let Some(column) = told.column() {
        return vec![column.to_owned()];
    }
    let listed = told.detail().and_then(|detail| detail.strip_prefix("Key ("));
    let listed = listed.and_then(|rest| rest.split_once(")=")).map(|(columns, _)| columns);
    listed.map_or_else(Vec::new, |columns| columns.split(", ").map(str::to_owned).collect())
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
}
