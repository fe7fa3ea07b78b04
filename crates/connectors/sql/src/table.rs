//! A table as the catalogue tells it, with the canonical form of every column. Loaded when it is
//! first needed and again when a statement shows that it has changed.

use crate::sql::catalog;
use duet_core::id::Column;
use duet_core::spec::{Canon, ColumnSpec};
use duet_core::value::ValueType;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

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
    /// Days.
    Date,
    /// Times without a zone: taken as UTC.
    Timestamp,
    /// Points in time.
    Timestamptz,
    /// UUIDs, as text in lower case.
    Uuid,
    /// One of a list of labels.
    Enum,
    /// Arrays, as sets of texts.
    Array,
    /// Everything else, as its text.
    Other,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct ColumnInfo {
    pub(crate) name: Column,
    /// Schema and type, quoted, without a length.
    pub(crate) type_name: String,
    pub(crate) kind: Kind,
    pub(crate) spec: ColumnSpec,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) oid: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `r` table, `p` partitioned table, `v` view and so on.
    pub(crate) relation_kind: String,
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
}

impl Table {
    /// A column by its name.
    pub(crate) fn column(&self, name: &Column) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| column.name == *name)
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
    connection: &mut PgConnection,
    name: &str,
    key: &[Column],
) -> Result<Option<Table>, sqlx::Error> {
    let [exact, folded] = spellings(name);
    let row = sqlx::query(catalog::RELATION).bind(exact).bind(folded);
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let oid: i64 = row.try_get("oid")?;
    let columns = columns(connection, oid).await?;
    let unique = unique(connection, oid).await?;
    table(&row, columns, unique, key).map(Some)
}

async fn columns(connection: &mut PgConnection, oid: i64) -> Result<Vec<ColumnInfo>, sqlx::Error> {
    let rows = sqlx::query(catalog::COLUMNS).bind(oid).fetch_all(connection).await?;
    rows.iter().map(column).collect()
}

async fn unique(connection: &mut PgConnection, oid: i64) -> Result<Vec<Vec<Column>>, sqlx::Error> {
    let rows = sqlx::query(catalog::UNIQUE).bind(oid).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(named(row.try_get("columns")?))).collect()
}

fn table(
    row: &PgRow,
    columns: Vec<ColumnInfo>,
    unique: Vec<Vec<Column>>,
    key: &[Column],
) -> Result<Table, sqlx::Error> {
    let primary_key = named(row.try_get("primary_key")?);
    let wanted = if key.is_empty() { primary_key.as_slice() } else { key };
    let key = wanted.iter().filter_map(|name| columns.iter().find(|c| c.name == *name)).cloned();
    Ok(Table {
        oid: row.try_get("oid")?,
        schema: row.try_get("schema")?,
        name: row.try_get("name")?,
        relation_kind: row.try_get("kind")?,
        key: key.collect(),
        row_security: row.try_get("row_security")?,
        may_read: row.try_get("may_read")?,
        may_create: row.try_get("may_create")?,
        may_update: row.try_get("may_update")?,
        may_delete: row.try_get("may_delete")?,
        estimate: row.try_get("estimate")?,
        columns,
        unique,
    })
}

fn named(names: Vec<String>) -> Vec<Column> {
    names.into_iter().map(Column::new).collect()
}

/// A table's name as quoted identifiers: as written, and as SQL would fold it.
fn spellings(name: &str) -> [String; 2] {
    let parts = identifiers(name);
    let quote = |fold: bool| {
        let quoted: Vec<String> = parts
            .iter()
            .map(|(part, plain)| {
                let text = if fold && *plain { part.to_lowercase() } else { part.clone() };
                crate::sql::quoted(&text)
            })
            .collect();
        quoted.join(".")
    };
    [quote(false), quote(true)]
}

/// The parts of a dotted name; a part in double quotes stands as it is and may hold dots.
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

fn column(row: &PgRow) -> Result<ColumnInfo, sqlx::Error> {
    let type_name: String = row.try_get("type_name")?;
    let type_schema: String = row.try_get("type_schema")?;
    let modifier: i32 = row.try_get("modifier")?;
    let kind = kind(row, &type_name)?;
    let computed: bool = row.try_get("computed")?;
    let readable: bool = row.try_get("may_read")?;
    let labels: Vec<String> = row.try_get("labels")?;
    let mut spec = plain(kind, modifier, type_name == "citext");
    spec.nullable = !row.try_get::<bool, _>("required")?;
    spec.createable = readable && !computed && row.try_get::<bool, _>("may_create")?;
    spec.updateable = readable && !computed && row.try_get::<bool, _>("may_update")?;
    spec.allowed = (kind == Kind::Enum).then_some(labels);
    Ok(ColumnInfo {
        name: Column::new(row.try_get::<String, _>("name")?),
        type_name: format!(
            "{}.{}",
            crate::sql::quoted(&type_schema),
            crate::sql::quoted(&type_name)
        ),
        kind,
        spec,
    })
}

fn kind(row: &PgRow, type_name: &str) -> Result<Kind, sqlx::Error> {
    let category: String = row.try_get("category")?;
    let element: String = row.try_get("element")?;
    let type_kind: String = row.try_get("type_kind")?;
    Ok(match type_name {
        "int2" => Kind::Integer(i16::MIN.into(), i16::MAX.into()),
        "int4" => Kind::Integer(i32::MIN.into(), i32::MAX.into()),
        "int8" => Kind::Integer(i64::MIN, i64::MAX),
        "numeric" => Kind::Numeric,
        "float4" => Kind::Real,
        "float8" => Kind::Double,
        "text" | "varchar" | "citext" | "name" => Kind::Text,
        "bpchar" => Kind::Padded,
        "bool" => Kind::Boolean,
        "date" => Kind::Date,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::Timestamptz,
        "uuid" => Kind::Uuid,
        _ if type_kind == "e" => Kind::Enum,
        _ if category == "A" && (element == "S" || element == "E") => Kind::Array,
        _ => Kind::Other,
    })
}

/// What follows from the type alone.
fn plain(kind: Kind, modifier: i32, fold_case: bool) -> ColumnSpec {
    let (precision, scale) = digits(kind, modifier);
    ColumnSpec {
        kind: value_type(kind),
        nullable: true,
        max_length: length(kind, modifier),
        scale,
        precision,
        range: if let Kind::Integer(least, most) = kind { Some((least, most)) } else { None },
        allowed: None,
        createable: true,
        updateable: true,
        canon: Canon {
            scale,
            fold_case,
            single_precision: kind == Kind::Real,
            padded: kind == Kind::Padded,
            instant_grain_us: grain(kind, modifier),
            ..Canon::default()
        },
    }
}

fn value_type(kind: Kind) -> ValueType {
    match kind {
        Kind::Integer(..) => ValueType::Integer,
        Kind::Numeric | Kind::Real | Kind::Double => ValueType::Decimal,
        Kind::Text | Kind::Padded | Kind::Uuid | Kind::Enum | Kind::Other => ValueType::Text,
        Kind::Boolean => ValueType::Boolean,
        Kind::Date => ValueType::Date,
        Kind::Timestamp | Kind::Timestamptz => ValueType::Instant,
        Kind::Array => ValueType::Set,
    }
}

/// PostgreSQL adds 4 to the length it stores; -1 is none.
fn length(kind: Kind, modifier: i32) -> Option<u32> {
    match kind {
        Kind::Text | Kind::Padded => u32::try_from(modifier - 4).ok().filter(|_| modifier >= 4),
        Kind::Uuid => Some(36),
        Kind::Integer(..)
        | Kind::Numeric
        | Kind::Real
        | Kind::Double
        | Kind::Boolean
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Enum
        | Kind::Array
        | Kind::Other => None,
    }
}

/// `numeric(p, s)` is stored as `(p << 16 | s) + 4`, with a scale of 11 bits and a sign.
fn digits(kind: Kind, modifier: i32) -> (Option<u32>, Option<u32>) {
    if kind != Kind::Numeric || modifier < 4 {
        return (None, None);
    }
    let packed = modifier - 4;
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    (u32::try_from(packed >> 16).ok(), u32::try_from(scale).ok())
}

/// `timestamp(3)` keeps milliseconds.
fn grain(kind: Kind, modifier: i32) -> Option<i64> {
    if !matches!(kind, Kind::Timestamp | Kind::Timestamptz) {
        return None;
    }
    let digits = u32::try_from(modifier).ok().filter(|digits| *digits < 6)?;
    Some(10_i64.pow(6 - digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sql_reads_them() {
        assert_eq!(spellings("Shop.Items"), [r#""Shop"."Items""#, r#""shop"."items""#]);
        assert_eq!(spellings(r#""My.Table""#), [r#""My.Table""#, r#""My.Table""#]);
        assert_eq!(spellings(r#"a."b""c""#), [r#""a"."b""c""#, r#""a"."b""c""#]);
    }

    #[test]
    fn digits_are_unpacked() {
        assert_eq!(digits(Kind::Numeric, ((10 << 16) | 2) + 4), (Some(10), Some(2)));
        assert_eq!(digits(Kind::Numeric, -1), (None, None));
        assert_eq!(length(Kind::Text, 9), Some(5));
        assert_eq!(length(Kind::Text, -1), None);
        assert_eq!(grain(Kind::Timestamp, 3), Some(1000));
        assert_eq!(grain(Kind::Timestamp, -1), None);
    }
}
