//! The only place where SQL text is put together: every identifier is quoted here, every value is a
//! parameter. Not a query builder: each function makes one statement that this crate needs, in the
//! words of either database. Both answer by the same column names.

mod capture;
mod postgres;
mod rows;
mod sqlite;
mod statement;

pub(crate) use capture::{Capture, Home, Place};
pub(crate) use postgres::capture::channel;
pub(crate) use rows::{Line, Reached, Shape, Wanted};
pub(crate) use statement::{Bound, Statement};

use crate::product::Product;

/// Questions to the catalogues, and what needs no table.
pub(crate) mod catalog {
    pub(crate) use super::postgres::catalog as postgres;
    pub(crate) use super::sqlite::catalog as sqlite;
    use super::{Product, Statement};

    /// The side's time in microseconds, if it has a clock of its own.
    pub(crate) fn now(product: Product) -> Option<Statement> {
        match product {
            Product::Postgres => Some(postgres::now()),
            Product::Sqlite => None,
        }
    }
}

/// How a point to return to inside a transaction is set.
pub(crate) fn savepoint() -> Statement {
    Statement::new("SAVEPOINT duet_piece")
}

/// Gives up the point.
pub(crate) fn release() -> Statement {
    Statement::new("RELEASE SAVEPOINT duet_piece")
}

/// Goes back to the point and gives it up.
pub(crate) fn back() -> Statement {
    Statement::new("ROLLBACK TO SAVEPOINT duet_piece; RELEASE SAVEPOINT duet_piece")
}

/// An identifier as SQL takes it, whatever it holds.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// The record's id of its key parts, as SQL: several are joined as `RecordId::from_parts` does.
fn joined(parts: Vec<String>) -> String {
    if let [only] = parts.as_slice() {
        return only.clone();
    }
    let encoded: Vec<String> = parts
        .iter()
        .map(|part| format!("replace(replace({part}, '%', '%25'), '-', '%2D')"))
        .collect();
    encoded.join(" || '-' || ")
}

/// A list without the comma it begins with.
fn listed(list: &str) -> &str {
    list.trim_start_matches(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_cannot_break_out() {
        assert_eq!(quoted("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
    }
}
