//! Tables as data: declared once, rendered for each kind of database. Not a query builder: hot
//! statements are written by hand, lists go through the entities.

use sea_orm_migration::prelude::DbErr;
use sea_orm_migration::sea_orm::DbBackend;

/// What a column holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// An id.
    Uuid,
    /// Text.
    Text,
    /// A whole number of 64 bits.
    Long,
    /// A stamp: microseconds since 1970, UTC.
    Stamp,
    /// A whole number of 32 bits.
    Int,
    /// A small whole number.
    Small,
    /// True or false.
    Bool,
    /// JSON, stored as the text that was given.
    Json,
    /// Bytes.
    Bytes,
    /// A number the database counts up.
    Counter,
}

/// One column.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// SQL of a value derived from other columns of the row.
    pub(crate) derived: Option<&'static str>,
    pub(crate) about: &'static str,
}

/// One table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) key: &'static str,
    /// `CREATE INDEX` statements; partial indexes read the same in all databases of duet.
    pub(crate) indexes: &'static [&'static str],
}

/// A column that always has a value.
pub(crate) const fn must(name: &'static str, kind: Kind, about: &'static str) -> Column {
    Column { name, kind, required: true, derived: None, about }
}

/// A column that may be null.
pub(crate) const fn may(name: &'static str, kind: Kind, about: &'static str) -> Column {
    Column { name, kind, required: false, derived: None, about }
}

/// A column computed from others, so that the fact stays in one place.
pub(crate) const fn derived(
    name: &'static str,
    kind: Kind,
    sql: &'static str,
    about: &'static str,
) -> Column {
    Column { name, kind, required: false, derived: Some(sql), about }
}

/// The statements that make a table on a database, with its comments.
pub(crate) fn made(backend: DbBackend, table: &Table) -> Result<Vec<String>, DbErr> {
    match backend {
        DbBackend::Postgres => Ok(postgres_statements(table)),
        DbBackend::Sqlite => Ok(sqlite_statements(table)),
        other => Err(unknown(other)),
    }
}

/// The statements that add columns, none of them required, to a table.
pub(crate) fn added(
    backend: DbBackend,
    table: &str,
    columns: &[Column],
) -> Result<Vec<String>, DbErr> {
    match backend {
        DbBackend::Postgres => {
            let add = |column| format!("ADD COLUMN {}", postgres_column(column));
            let all: Vec<String> = columns.iter().map(add).collect();
            let mut statements = vec![format!("ALTER TABLE {table} {}", all.join(", "))];
            statements.extend(columns.iter().map(|column| comment(table, column)));
            Ok(statements)
        }
        DbBackend::Sqlite => {
            let add = |column: &Column| {
                let kind = format!("/* {} */ {}", column.about, sqlite_type(column.kind));
                format!("ALTER TABLE {table} ADD COLUMN {}", declared(column, &kind))
            };
            Ok(columns.iter().map(add).collect())
        }
        other => Err(unknown(other)),
    }
}

fn unknown(backend: DbBackend) -> DbErr {
    DbErr::Custom(format!("duet's state database is PostgreSQL or SQLite, not {backend:?}"))
}

fn postgres_statements(table: &Table) -> Vec<String> {
    let columns: Vec<String> = table.columns.iter().map(postgres_column).collect();
    let (name, key) = (table.name, table.key);
    let mut statements = vec![
        format!(
            "CREATE TABLE {name} (\n    {},\n    PRIMARY KEY ({key})\n)",
            columns.join(",\n    ")
        ),
        format!("COMMENT ON TABLE {name} IS '{}'", quoted(table.about)),
    ];
    statements.extend(table.columns.iter().map(|column| comment(name, column)));
    statements.extend(table.indexes.iter().map(|index| (*index).to_owned()));
    statements
}

fn comment(table: &str, column: &Column) -> String {
    format!("COMMENT ON COLUMN {table}.{} IS '{}'", column.name, quoted(column.about))
}

fn postgres_column(column: &Column) -> String {
    declared(column, postgres_type(column.kind))
}

fn declared(column: &Column, kind: &str) -> String {
    let mut sql = format!("{} {kind}", column.name);
    if let Some(source) = column.derived {
        sql.push_str(&format!(" GENERATED ALWAYS AS ({source}) STORED"));
    }
    if column.required {
        sql.push_str(" NOT NULL");
    }
    sql
}

fn postgres_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "uuid",
        Kind::Text => "text",
        Kind::Long | Kind::Stamp => "bigint",
        Kind::Int => "integer",
        Kind::Small => "smallint",
        Kind::Bool => "boolean",
        Kind::Json => "json",
        Kind::Bytes => "bytea",
        Kind::Counter => "bigint GENERATED ALWAYS AS IDENTITY",
    }
}

/// SQLite keeps the words a table was made with, comments included.
fn sqlite_statements(table: &Table) -> Vec<String> {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("    -- {}\n    {},\n", column.about, sqlite_column(column)))
        .collect();
    let (name, about, key) = (table.name, table.about, table.key);
    // Rows that are nothing but their key need no second tree to be found by.
    let bare = table.columns.len() == key.split(", ").count();
    let kind = if bare { "STRICT, WITHOUT ROWID" } else { "STRICT" };
    let columns = columns.concat();
    let mut statements = vec![format!(
        "CREATE TABLE {name} (\n    -- {about}\n\n{columns}    PRIMARY KEY ({key})\n) {kind}"
    )];
    statements.extend(table.indexes.iter().map(|index| (*index).to_owned()));
    statements
}

fn sqlite_column(column: &Column) -> String {
    declared(column, sqlite_type(column.kind))
}

/// A counter needs nothing more: a whole number that is the only key counts up by itself.
fn sqlite_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid | Kind::Bytes => "BLOB",
        Kind::Text | Kind::Json => "TEXT",
        Kind::Long | Kind::Stamp | Kind::Int | Kind::Small | Kind::Bool | Kind::Counter => {
            "INTEGER"
        }
    }
}

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}
