//! A statement in the words of each database, and the values it takes. Not a query builder: the words
//! are written by hand, side by side where databases differ.
//!
//! A batch of rows is given column by column. PostgreSQL takes an array per column, numbered as they
//! come; SQLite takes all of them as one JSON array of rows at the first column's number, and nothing
//! at the others, so that every other value has the same number in both. Ids and bytes are
//! hexadecimal digits there (`unhex`).

use serde::{Serialize, Serializer};
use sqlx::postgres::PgArguments;
use sqlx::query::Query as Driven;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};
use std::borrow::Cow;
use uuid::Uuid;

/// A database that needs no such statement: nothing is sent.
pub(crate) const NOTHING: &str = "";

/// One statement.
pub(crate) struct Statement {
    /// What it does, for errors.
    pub(crate) what: &'static str,
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

impl Statement {
    /// A statement whose words every database understands.
    pub(crate) const fn same(what: &'static str, sql: &'static str) -> Statement {
        Statement { what, postgres: sql, sqlite: sql }
    }
}

/// A statement with its values, in the order of their numbers.
pub(crate) struct Query<'q> {
    pub(crate) statement: &'static Statement,
    values: Vec<Value<'q>>,
}

enum Value<'q> {
    One(One<'q>),
    List(Column<'q>),
    /// A column of the batch.
    Column(Column<'q>),
}

/// A value by itself.
pub(crate) enum One<'q> {
    Uuid(Option<Uuid>),
    Text(Option<Cow<'q, str>>),
    Long(Option<i64>),
    Small(Option<i16>),
    Bool(Option<bool>),
}

/// Values of one kind.
pub(crate) enum Column<'q> {
    Uuid(Vec<Option<Uuid>>),
    Text(Vec<Option<Cow<'q, str>>>),
    Long(Vec<Option<i64>>),
    Int(Vec<Option<i32>>),
    Small(Vec<Option<i16>>),
    Bytes(Vec<Option<&'q [u8]>>),
}

/// What can stand in a column.
pub(crate) trait Cell<'q>: Sized {
    fn gather(cells: impl Iterator<Item = Self>) -> Column<'q>;
}

macro_rules! cells {
    ($($kind:ident: $($cell:ty),+;)+) => { $($(
        impl<'q> Cell<'q> for $cell {
            fn gather(cells: impl Iterator<Item = Self>) -> Column<'q> {
                Column::$kind(cells.map(|cell| Some(cell.into())).collect())
            }
        }

        impl<'q> Cell<'q> for Option<$cell> {
            fn gather(cells: impl Iterator<Item = Self>) -> Column<'q> {
                Column::$kind(cells.map(|cell| cell.map(Into::into)).collect())
            }
        }
    )+)+ };
}

macro_rules! values {
    ($($kind:ident: $($value:ty),+;)+) => { $($(
        impl<'q> From<$value> for One<'q> {
            fn from(value: $value) -> Self {
                One::$kind(Some(value.into()))
            }
        }

        impl<'q> From<Option<$value>> for One<'q> {
            fn from(value: Option<$value>) -> Self {
                One::$kind(value.map(Into::into))
            }
        }
    )+)+ };
}

cells! {
    Uuid: Uuid;
    Text: &'q str, String;
    Long: i64;
    Int: i32;
    Small: i16;
    Bytes: &'q [u8];
}

values! {
    Uuid: Uuid;
    Text: &'q str, String;
    Long: i64;
    Small: i16;
    Bool: bool;
}

/// A query with what a value holds, whatever its kind.
macro_rules! bound {
    ($query:ident, $value:ident, $values:ident: $($kind:ident),+) => {
        match $value {
            $($values::$kind(value) => $query.bind(value),)+
        }
    };
}

impl<'q> Query<'q> {
    /// A statement that was given nothing yet.
    pub(crate) fn new(statement: &'static Statement) -> Self {
        Query { statement, values: Vec::new() }
    }

    /// The next value.
    pub(crate) fn bind(self, value: impl Into<One<'q>>) -> Self {
        self.with(Value::One(value.into()))
    }

    /// A list that the statement looks into.
    pub(crate) fn list<T: Cell<'q>>(self, values: impl IntoIterator<Item = T>) -> Self {
        self.with(Value::List(T::gather(values.into_iter())))
    }

    /// The next column of the batch: as many values as every other one has.
    pub(crate) fn column<T: Cell<'q>>(self, values: impl IntoIterator<Item = T>) -> Self {
        self.with(Value::Column(T::gather(values.into_iter())))
    }

    fn with(mut self, value: Value<'q>) -> Self {
        self.values.push(value);
        self
    }

    /// As the driver of PostgreSQL takes it.
    pub(crate) fn for_postgres(self) -> Driven<'q, Postgres, PgArguments> {
        let query = sqlx::query(self.statement.postgres);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::One(one) => bound!(query, one, One: Uuid, Text, Long, Small, Bool),
            Value::List(column) | Value::Column(column) => {
                bound!(query, column, Column: Uuid, Text, Long, Int, Small, Bytes)
            }
        })
    }

    /// As the driver of SQLite takes it.
    pub(crate) fn for_sqlite(self) -> Driven<'q, Sqlite, SqliteArguments> {
        let mut rows = Some(rows(&self.values));
        let query = sqlx::query(self.statement.sqlite);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::One(one) => bound!(query, one, One: Uuid, Text, Long, Small, Bool),
            Value::List(column) => query.bind(json(&column)),
            Value::Column(_) => query.bind(rows.take()),
        })
    }
}

/// The batch: its columns turned into rows.
fn rows(values: &[Value<'_>]) -> String {
    let columns: Vec<&Column<'_>> = values
        .iter()
        .filter_map(|value| match value {
            Value::Column(column) => Some(column),
            Value::One(_) | Value::List(_) => None,
        })
        .collect();
    let count = columns.first().map_or(0, |column| column.len());
    assert!(columns.iter().all(|column| column.len() == count), "a batch has whole rows");
    let row = |at| columns.iter().map(|column| column.cell(at)).collect::<Vec<_>>();
    json(&(0..count).map(row).collect::<Vec<_>>())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text, numbers and lists of them are JSON")
}

/// One cell as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'c> {
    #[serde(with = "uuid::serde::simple")]
    Uuid(Uuid),
    Text(&'c str),
    Long(i64),
    Bytes(String),
    Null,
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Column::Uuid(cells) => cells.len(),
            Column::Text(cells) => cells.len(),
            Column::Long(cells) => cells.len(),
            Column::Int(cells) => cells.len(),
            Column::Small(cells) => cells.len(),
            Column::Bytes(cells) => cells.len(),
        }
    }

    fn cell(&self, at: usize) -> Written<'_> {
        let written = match self {
            Column::Uuid(cells) => cells[at].map(Written::Uuid),
            Column::Text(cells) => cells[at].as_deref().map(Written::Text),
            Column::Long(cells) => cells[at].map(Written::Long),
            Column::Int(cells) => cells[at].map(|number| Written::Long(number.into())),
            Column::Small(cells) => cells[at].map(|number| Written::Long(number.into())),
            Column::Bytes(cells) => cells[at].map(|bytes| Written::Bytes(digits(bytes))),
        };
        written.unwrap_or(Written::Null)
    }
}

impl Serialize for Column<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.len()).map(|at| self.cell(at)))
    }
}

fn digits(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("text grows");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_turned_into_rows() {
        let id = Uuid::from_u128(0xA0);
        let columns = [
            Value::Column(Cell::gather([Some(id), None].into_iter())),
            Value::List(Cell::gather([9_i64].into_iter())),
            Value::Column(Cell::gather(["a \"b\"", "\u{1f980}\u{1}"].into_iter())),
            Value::Column(Cell::gather([i64::MIN, 7].into_iter())),
            Value::Column(Cell::gather([&[0_u8, 159, 255][..], &[]].into_iter())),
        ];
        let expected = "[[\"000000000000000000000000000000a0\",\"a \\\"b\\\"\",\
                        -9223372036854775808,\"009fff\"],[null,\"\u{1f980}\\u0001\",7,\"\"]]";
        assert_eq!(rows(&columns), expected);
    }

    #[test]
    fn a_list_is_an_array() {
        let list: Column<'_> = Cell::gather([Some(1_i32), None].into_iter());
        assert_eq!(json(&list), "[1,null]");
        let none: Column<'_> = Cell::gather(std::iter::empty::<Uuid>());
        assert_eq!(json(&none), "[]");
    }
}
