//! The statements in SQLite's words. Values come as they are stored, lists as JSON; rows answer each
//! value under a name of its own, as SQLite stores it.
//!
//! Triggers run in the library of whatever program writes the table. They keep to what SQLite has
//! had since 3.24 (2018), and need none of its extensions; what duet itself runs may be newer.

pub(super) mod capture;
pub(crate) mod catalog;
pub(super) mod changes;
pub(super) mod rows;
mod telling;
pub(super) mod triggers;
pub(super) mod writes;

use super::capture::Capture;
use super::{Shape, Statement, quoted};
use crate::table::{Affinity, ColumnInfo};

/// The time in microseconds. SQLite's clock has milliseconds; all of one statement are the same.
const NOW: &str = "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000 \
                   + CAST(substr(strftime('%f', 'now'), 4, 3) AS INTEGER) * 1000)";

/// A text constant: for DDL, where parameters aren't allowed.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table of the capture.
fn table(home: &str, name: &str) -> String {
    quoted(&format!("{home}{name}"))
}

/// Takes `?1` and `?2`, flow and side.
fn of(capture: &Capture, text: String) -> Statement {
    Statement::new(text).with(capture.flow.as_str()).with(capture.side.as_str())
}

/// Takes `?1` and `?2` of a shape.
fn of_shape(shape: &Shape, text: String) -> Statement {
    Statement::new(text).with(shape.owner.0).with(shape.owner.1.as_str())
}

fn from(shape: &Shape) -> String {
    quoted(&shape.table.name)
}

/// A part of a key as text, whatever is stored there. A floating-point number in 15 digits, as
/// SQLite writes it, unless it takes 17 to tell it from its neighbours.
pub(super) fn key_part(column: &str) -> String {
    format!(
        "CASE typeof({column}) \
         WHEN 'real' THEN CASE WHEN CAST(CAST({column} AS TEXT) AS REAL) = {column} \
             THEN CAST({column} AS TEXT) ELSE printf('%!.17g', {column}) END \
         WHEN 'blob' THEN '\\x' || lower(hex({column})) \
         ELSE CAST({column} AS TEXT) END"
    )
}

/// Whether a stored value is the one that a text names. Comparisons turn a text into a number where
/// the column is one of numbers; where it has no affinity, all that the text may mean is tried.
fn equals(stored: &str, text: &str, column: &ColumnInfo) -> String {
    let bytes = format!("unhex(CASE WHEN {text} LIKE '\\x%' THEN substr({text}, 3) END)");
    match column.affinity {
        Affinity::RowId => format!("{stored} = {text}"),
        Affinity::Blob => format!(
            "{stored} IN ({text}, CAST({text} AS NUMERIC), {bytes}) AND {exact} = {text}",
            exact = key_part(stored)
        ),
        Affinity::Fixed
        | Affinity::Text
        | Affinity::Integer
        | Affinity::Real
        | Affinity::Numeric => {
            format!("{stored} IN ({text}, {bytes})")
        }
    }
}

/// The version and marker of a row, joined as `duet_r`.
fn versions(shape: &Shape) -> String {
    let Some(capture) = &shape.capture else {
        return "CASE WHEN ?1 = ?2 THEN NULL END AS seq, NULL AS write_id, NULL AS changed_at, \
                NULL AS column_times"
            .to_owned();
    };
    let home = capture.home.name;
    format!(
        "max(COALESCE(duet_r.seq, 0), COALESCE((SELECT base FROM {captures} \
             WHERE flow = ?1 AND side = ?2), 0)) AS seq, \
         duet_r.write_id AS write_id, duet_r.changed_at AS changed_at, \
         (SELECT json_group_object(duet_t.name, duet_t.at) FROM {columns} AS duet_t \
          WHERE duet_t.flow = ?1 AND duet_t.side = ?2 AND duet_t.key = duet_r.key) AS column_times",
        captures = table(home, "capture"),
        columns = table(home, "column"),
    )
}

/// Joins `duet_r`, the version and marker of the record with this id.
fn join(shape: &Shape, key: &str) -> String {
    match &shape.capture {
        Some(capture) => format!(
            "LEFT JOIN {} AS duet_r ON duet_r.flow = ?1 AND duet_r.side = ?2 \
             AND duet_r.key = {key}",
            table(capture.home.name, "row")
        ),
        None => String::new(),
    }
}

/// `, {value} AS c0`: the values to read, each under a name of its own.
fn cells(shape: &Shape) -> String {
    let cell = |(n, column): (usize, &&ColumnInfo)| format!(", {} AS c{n}", shape.column(column));
    shape.columns.iter().enumerate().map(cell).collect()
}

/// `, duet_x.c0`: the same, taken on.
fn cell_names(shape: &Shape) -> String {
    (0..shape.columns.len()).map(|n| format!(", duet_x.c{n}")).collect()
}

/// `, value ->> 0 AS p0`: so many elements of a list, from this one on.
fn elements(first: usize, count: usize, name: char) -> String {
    (0..count).map(|n| format!(", duet_j.value ->> {} AS {name}{n}", first + n)).collect()
}

/// Operands in a tree as flat as can be: SQLite bounds how deep an expression may be nested.
fn balanced(operator: &str, mut terms: Vec<String>) -> Option<String> {
    while terms.len() > 1 {
        terms = terms
            .chunks(8)
            .map(|chunk| format!("({})", chunk.join(&format!(" {operator} "))))
            .collect();
    }
    terms.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_cannot_break_out() {
        assert_eq!(literal("it's \\ here"), "'it''s \\ here'");
        assert_eq!(table("duet_", "row"), "\"duet_row\"");
    }

    #[test]
    fn many_terms_are_not_nested_deep() {
        assert_eq!(balanced("OR", Vec::new()), None);
        let terms: Vec<String> = (0..2_000).map(|n| format!("t{n}")).collect();
        let tree = balanced("OR", terms).expect("there are terms");
        let (mut depth, mut most) = (0, 0);
        for letter in tree.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            most = most.max(depth);
        }
        assert!(most <= 5 && tree.contains("t1999"), "{most}");
    }
}
