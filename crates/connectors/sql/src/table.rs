//! A table as the catalogue tells it, with the canonical form of every column. Loaded when it is
//! first needed and again when a statement shows that it has changed.

mod declared;
mod file;
mod server;

use crate::product::Product;
use crate::session::Session;
use duet_core::id::Column;
use duet_core::spec::ColumnSpec;
use duet_core::value::ValueType;

/// How a column's values are written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers between two bounds.
    Integer(i64, i64),
    /// Exact decimals.
    Numeric,
    /// 4-byte floats.
    Real,
    /// 8-byte floats.
    Double,
    /// Text of any length, or of a greatest length.
    Text,
    /// Text of a fixed width.
    Padded,
    /// True or false.
    Boolean,
    /// True or false as 1 or 0.
    Flag,
    /// Days.
    Date,
    /// Times without a zone: taken as UTC.
    Timestamp,
    /// Points in time.
    Timestamptz,
    /// Points in time as ISO text; taken as UTC where it has no zone.
    Moment,
    /// UUIDs, as text in lower case.
    Uuid,
    /// One of a list of labels.
    Enum,
    /// Arrays, as sets of texts.
    Array,
    /// Bytes, as `\x` and digits.
    Bytes,
    /// Everything else, as its text.
    Other,
}

/// What SQLite makes of a value that is put into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// It isn't SQLite: the column's type is the type of its values.
    Fixed,
    /// Whole numbers and nothing else.
    RowId,
    /// Numbers become text.
    Text,
    /// Texts that are numbers become numbers, and whole ones whole.
    Integer,
    /// The same.
    Numeric,
    /// Texts that are numbers become floating-point numbers, and so do whole ones.
    Real,
    /// Everything stays what it is.
    Blob,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct ColumnInfo {
    pub(crate) name: Column,
    /// Schema and type, quoted, without a length; empty on SQLite.
    pub(crate) type_name: String,
    pub(crate) affinity: Affinity,
    pub(crate) kind: Kind,
    pub(crate) spec: ColumnSpec,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// What the catalogue knows it by.
    pub(crate) identity: String,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Whether it has rows of its own, and can have triggers.
    pub(crate) is_table: bool,
    pub(crate) columns: Vec<ColumnInfo>,
    pub(crate) key: Vec<ColumnInfo>,
    /// Column lists that can hold no value twice.
    pub(crate) unique: Vec<Vec<Column>>,
    /// Policies may hide rows from us: a row that isn't found proves nothing.
    pub(crate) row_security: bool,
    pub(crate) may_read: bool,
    pub(crate) may_create: bool,
    pub(crate) may_update: bool,
    pub(crate) may_delete: bool,
    /// Rows by the statistics; negative: none were taken yet.
    pub(crate) estimate: f64,
    /// On SQLite, what tells rows apart: the row id, or the primary key where there is none.
    pub(crate) row_id: Vec<String>,
    /// On SQLite, the statement that made it.
    pub(crate) definition: String,
    /// On SQLite, unique lists of columns: by each of them a row may replace another.
    pub(crate) collisions: Vec<Collision>,
}

/// A unique list of columns of a SQLite table.
#[derive(Clone, Debug)]
pub(crate) struct Collision {
    /// The columns, each with its order.
    pub(crate) columns: Vec<(String, String)>,
    /// Whether it is the key, byte by byte: then a new row replaces its own record.
    pub(crate) is_key: bool,
}

impl Table {
    /// A column by its name.
    pub(crate) fn column(&self, name: &Column) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The names of the key columns.
    pub(crate) fn key_names(&self) -> Vec<String> {
        self.key.iter().map(|column| column.name.as_str().to_owned()).collect()
    }

    /// Whether these columns, or some of them, can hold no value twice.
    pub(crate) fn is_unique(&self, columns: &[Column]) -> bool {
        self.unique.iter().any(|set| set.iter().all(|column| columns.contains(column)))
    }

    /// Columns that are unique by themselves.
    pub(crate) fn unique_columns(&self) -> Vec<Column> {
        let mut columns: Vec<Column> = self
            .unique
            .iter()
            .filter_map(|set| if let [only] = set.as_slice() { Some(only.clone()) } else { None })
            .collect();
        columns.dedup();
        columns
    }
}

/// Loads a table. `None`: there is none of this name.
pub(crate) async fn load(
    product: Product,
    session: &mut Session,
    name: &str,
    key: &[Column],
) -> Result<Option<Table>, sqlx::Error> {
    match product {
        Product::Postgres => server::load(session, name, key).await,
        Product::Sqlite => file::load(session, name, key).await,
    }
}

/// The columns that make the key: those that are asked for, else those of the primary key.
fn chosen(columns: &[ColumnInfo], asked: &[Column], primary: &[Column]) -> Vec<ColumnInfo> {
    let wanted = if asked.is_empty() { primary } else { asked };
    wanted.iter().filter_map(|name| columns.iter().find(|c| c.name == *name)).cloned().collect()
}

fn named(names: Vec<String>) -> Vec<Column> {
    names.into_iter().map(Column::new).collect()
}

/// The parts of a dotted name; a part in double quotes stands as it is (`false`) and may hold dots.
fn identifiers(name: &str) -> Vec<(String, bool)> {
    let mut parts = vec![(String::new(), true)];
    let mut inside = false;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let part = parts.last_mut().expect("there is always one part");
        match letter {
            '"' if inside && letters.peek() == Some(&'"') => part.0.extend(letters.next()),
            '"' => {
                inside = !inside;
                part.1 = false;
            }
            '.' if !inside => parts.push((String::new(), true)),
            other => part.0.push(other),
        }
    }
    parts
}

fn value_type(kind: Kind) -> ValueType {
    match kind {
        Kind::Integer(..) => ValueType::Integer,
        Kind::Numeric | Kind::Real | Kind::Double => ValueType::Decimal,
        Kind::Text | Kind::Padded | Kind::Uuid | Kind::Enum | Kind::Bytes | Kind::Other => {
            ValueType::Text
        }
        Kind::Boolean | Kind::Flag => ValueType::Boolean,
        Kind::Date => ValueType::Date,
        Kind::Timestamp | Kind::Timestamptz | Kind::Moment => ValueType::Instant,
        Kind::Array => ValueType::Set,
    }
}
