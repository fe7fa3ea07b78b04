//! Tables as data: declared once, rendered for each kind of database. Not a query builder: hot
//! statements are written by hand, lists go through the entities.

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

/// The statements that make a table on PostgreSQL, with its comments.
pub(crate) fn postgres_statements(table: &Table) -> Vec<String> {
    let columns: Vec<String> = table.columns.iter().map(postgres_column).collect();
    let (name, key) = (table.name, table.key);
    let mut statements = vec![
        format!(
            "CREATE TABLE {name} (\n    {},\n    PRIMARY KEY ({key})\n)",
            columns.join(",\n    ")
        ),
        format!("COMMENT ON TABLE {name} IS '{}'", quoted(table.about)),
    ];
    statements.extend(table.columns.iter().map(|column| {
        format!("COMMENT ON COLUMN {name}.{} IS '{}'", column.name, quoted(column.about))
    }));
    statements.extend(table.indexes.iter().map(|index| (*index).to_owned()));
    statements
}

fn postgres_column(column: &Column) -> String {
    let mut sql = format!("{} {}", column.name, postgres_type(column.kind));
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

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}
