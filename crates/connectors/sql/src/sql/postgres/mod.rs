//! The statements in PostgreSQL's words. Values come as texts and lists of texts, and are cast to
//! their columns' types; rows answer in texts, too.

pub(super) mod capture;
pub(crate) mod catalog;
pub(super) mod changes;
pub(super) mod rows;
pub(super) mod writes;

use super::{Shape, Statement, quoted};
use crate::table::{ColumnInfo, Kind};
use duet_core::side::Side;

/// A text constant: for DDL, where parameters aren't allowed.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A stamp as microseconds since the epoch.
fn micros(expression: &str) -> String {
    format!("(extract(epoch FROM {expression}) * 1000000)::bigint")
}

/// Takes `$1` and `$2`, flow and side.
fn owned(statement: Statement, flow: &str, side: Side) -> Statement {
    statement.with(flow).with(side.as_str())
}

/// Takes `$1` and `$2` of a shape.
fn of_shape(shape: &Shape, text: String) -> Statement {
    owned(Statement::new(text), shape.owner.0, shape.owner.1)
}

fn from(shape: &Shape) -> String {
    format!("{}.{}", quoted(&shape.table.schema), quoted(&shape.table.name))
}

fn cells(shape: &Shape) -> String {
    let text = |column: &&ColumnInfo| as_text(&shape.column(column), column.kind);
    let cells: Vec<String> = shape.columns.iter().map(text).collect();
    format!("ARRAY[{}]::text[]", cells.join(", "))
}

/// `table.a = source.p0::type AND …` over the key columns.
fn key_match(shape: &Shape, source: &str) -> String {
    let parts: Vec<String> = (0..)
        .zip(&shape.table.key)
        .map(|(n, column)| {
            format!("{} = {source}.p{n}::{}", shape.column(column), column.type_name)
        })
        .collect();
    parts.join(" AND ")
}

/// A row's version: that of its last change, at least the capture's base. What was written while
/// nobody looked has another version than before.
fn version(shape: &Shape) -> String {
    match &shape.capture {
        Some(capture) => format!(
            "GREATEST(duet_r.seq, (SELECT base FROM {}.duet_capture \
             WHERE flow = $1::text AND side = $2::text))",
            quoted(capture.home.name)
        ),
        None => "duet_r.seq".to_owned(),
    }
}

/// Joins `duet_r`, the version and marker of the record with this id. Takes `$1` and `$2`, flow
/// and side, in any case, so that callers bind the same with and without a capture.
fn versions(shape: &Shape, key: &str) -> String {
    match &shape.capture {
        Some(capture) => format!(
            "LEFT JOIN {}.duet_row AS duet_r ON duet_r.flow = $1::text \
             AND duet_r.side = $2::text AND duet_r.key = {key}",
            quoted(capture.home.name)
        ),
        None => "LEFT JOIN (SELECT NULL::bigint AS seq, NULL::uuid AS write_id, \
                 NULL::timestamptz AS changed_at, NULL::jsonb AS column_times \
                 WHERE $1::text = $2::text) AS duet_r ON false"
            .to_owned(),
    }
}

/// `, $4::text[], $5::text[]`: as many array parameters, from this number on.
fn arrays(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!(", ${n}::text[]")).collect()
}

/// A value as text in a form that `codec` reads, in sessions with the settings of `session`.
fn as_text(column: &str, kind: Kind) -> String {
    match kind {
        Kind::Array => format!("to_jsonb({column})::text"),
        Kind::Integer(..)
        | Kind::Numeric
        | Kind::Real
        | Kind::Double
        | Kind::Text
        | Kind::Padded
        | Kind::Boolean
        | Kind::Flag
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Moment
        | Kind::Uuid
        | Kind::Enum
        | Kind::Bytes
        | Kind::Other => format!("{column}::text"),
    }
}

/// A parameter as a value of its column. Never with a length: a text that is too long is refused by
/// the assignment, while an explicit cast to `varchar(5)` would cut it silently.
fn from_text(parameter: &str, column: &ColumnInfo) -> String {
    if column.kind == Kind::Array {
        return format!(
            "CASE WHEN {parameter} IS NULL THEN NULL ELSE \
             ARRAY(SELECT jsonb_array_elements_text({parameter}::jsonb))::{} END",
            column.type_name
        );
    }
    format!("{parameter}::{}", column.type_name)
}

/// A part of a key as text: as JSON writes it (that is what the triggers see), padding cut.
pub(super) fn key_part(column: &str, kind: Kind) -> String {
    match kind {
        Kind::Integer(..)
        | Kind::Numeric
        | Kind::Text
        | Kind::Padded
        | Kind::Uuid
        | Kind::Enum
        | Kind::Boolean => format!("{column}::text"),
        Kind::Real
        | Kind::Double
        | Kind::Flag
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Moment
        | Kind::Array
        | Kind::Bytes
        | Kind::Other => format!("(to_jsonb({column}) #>> '{{}}')"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_cannot_break_out() {
        assert_eq!(literal("it's \\ here"), "E'it''s \\\\ here'");
    }
}
