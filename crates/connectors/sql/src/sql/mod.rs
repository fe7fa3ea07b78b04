//! The only place where SQL text is put together: every identifier is quoted here, every value is a
//! parameter. Not a query builder: each function makes one statement that this crate needs.

pub(crate) mod capture;
pub(crate) mod catalog;
pub(crate) mod changes;
pub(crate) mod rows;
pub(crate) mod writes;

use crate::table::{ColumnInfo, Kind, Table};
use sqlx::AssertSqlSafe;

/// A statement made by this module: the proof that its text holds no value from outside.
#[derive(Clone, Debug)]
pub(crate) struct Sql(String);

impl Sql {
    /// The text, for one execution.
    pub(crate) fn text(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.0.clone())
    }
}

/// What a statement about rows of one table needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    /// The table.
    pub(crate) table: &'a Table,
    /// The columns to read, in order.
    pub(crate) columns: Vec<&'a ColumnInfo>,
    /// The flow's filter: the configuration's own SQL, evaluated over the table alone.
    pub(crate) filter: Option<&'a str>,
    /// The schema of the capture; none: no versions, no markers.
    pub(crate) capture: Option<&'a str>,
}

/// An identifier as SQL takes it, whatever it holds.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text constant: for DDL, where parameters aren't allowed.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A stamp as microseconds since the epoch.
fn micros(expression: &str) -> String {
    format!("(extract(epoch FROM {expression}) * 1000000)::bigint")
}

impl Shape<'_> {
    fn from(&self) -> String {
        format!("{}.{}", quoted(&self.table.schema), quoted(&self.table.name))
    }

    fn column(&self, column: &ColumnInfo) -> String {
        format!("{}.{}", quoted(&self.table.name), quoted(column.name.as_str()))
    }

    fn scope(&self) -> String {
        // The line end closes a comment that the filter may end with.
        self.filter.map_or_else(|| "true".to_owned(), |filter| format!("(({filter}\n) IS TRUE)"))
    }

    fn cells(&self) -> String {
        let cells: Vec<String> =
            self.columns.iter().map(|column| as_text(&self.column(column), column.kind)).collect();
        format!("ARRAY[{}]::text[]", cells.join(", "))
    }

    /// The record's id, exactly as the triggers make it.
    fn key_text(&self) -> String {
        let parts: Vec<String> = self.key_parts();
        if let [only] = parts.as_slice() {
            return only.clone();
        }
        let encoded: Vec<String> = parts
            .iter()
            .map(|part| format!("replace(replace({part}, '%', '%25'), '-', '%2D')"))
            .collect();
        encoded.join(" || '-' || ")
    }

    fn key_parts(&self) -> Vec<String> {
        self.table.key.iter().map(|column| key_part(&self.column(column), column.kind)).collect()
    }

    fn key_columns(&self) -> String {
        let columns: Vec<String> =
            self.table.key.iter().map(|column| self.column(column)).collect();
        columns.join(", ")
    }

    /// `table.a = source.p0::type AND …` over the key columns.
    fn key_match(&self, source: &str) -> String {
        let parts: Vec<String> = (0..)
            .zip(&self.table.key)
            .map(|(n, column)| {
                format!("{} = {source}.p{n}::{}", self.column(column), column.type_name)
            })
            .collect();
        parts.join(" AND ")
    }

    /// `, p0, p1` for as many key columns as there are.
    fn part_names(&self) -> String {
        (0..self.table.key.len()).map(|n| format!(", p{n}")).collect()
    }

    /// A row's version: that of its last change, at least the capture's base. What was written while
    /// nobody looked has another version than before.
    fn version(&self) -> String {
        match self.capture {
            Some(schema) => format!(
                "GREATEST(duet_r.seq, (SELECT base FROM {}.duet_capture \
                 WHERE flow = $1::text AND side = $2::text))",
                quoted(schema)
            ),
            None => "duet_r.seq".to_owned(),
        }
    }

    /// Joins `duet_r`, the version and marker of the record with this id. Takes `$1` and `$2`, flow
    /// and side, in any case, so that callers bind the same with and without a capture.
    fn versions(&self, key: &str) -> String {
        match self.capture {
            Some(schema) => format!(
                "LEFT JOIN {}.duet_row AS duet_r ON duet_r.flow = $1::text \
                 AND duet_r.side = $2::text AND duet_r.key = {key}",
                quoted(schema)
            ),
            None => "LEFT JOIN (SELECT NULL::bigint AS seq, NULL::uuid AS write_id, \
                     NULL::timestamptz AS changed_at, NULL::jsonb AS column_times \
                     WHERE $1::text = $2::text) AS duet_r ON false"
                .to_owned(),
        }
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
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Uuid
        | Kind::Enum
        | Kind::Other => format!("{column}::text"),
    }
}

/// A parameter as a value of its column. Never with a length: a text that is too long is refused by
/// the assignment, while an explicit cast to `varchar(5)` would cut it silently.
fn from_text(parameter: &str, column: &ColumnInfo) -> String {
    match column.kind {
        Kind::Array => format!(
            "CASE WHEN {parameter} IS NULL THEN NULL ELSE \
             ARRAY(SELECT jsonb_array_elements_text({parameter}::jsonb))::{} END",
            column.type_name
        ),
        Kind::Integer(..)
        | Kind::Numeric
        | Kind::Real
        | Kind::Double
        | Kind::Text
        | Kind::Padded
        | Kind::Boolean
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Uuid
        | Kind::Enum
        | Kind::Other => format!("{parameter}::{}", column.type_name),
    }
}

/// A part of a key as text: as JSON writes it (that is what the triggers see), padding cut.
fn key_part(column: &str, kind: Kind) -> String {
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
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Array
        | Kind::Other => format!("(to_jsonb({column}) #>> '{{}}')"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_constants_cannot_break_out() {
        assert_eq!(quoted("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(literal("it's \\ here"), "E'it''s \\\\ here'");
    }
}
