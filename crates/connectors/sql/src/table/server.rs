//! A table of a PostgreSQL server.

use super::{Affinity, ColumnInfo, Kind, Table, chosen, identifiers, named, value_type};
use crate::answer::Answer;
use crate::session::Session;
use crate::sql::catalog::postgres as catalog;
use crate::sql::quoted;
use duet_core::id::Column;
use duet_core::spec::{Canon, ColumnSpec};

/// Loads a table. `None`: there is none of this name.
pub(super) async fn load(
    session: &mut Session,
    name: &str,
    key: &[Column],
) -> Result<Option<Table>, sqlx::Error> {
    let [exact, folded] = spellings(name);
    let Some(row) = session.first(&catalog::relation(exact, folded)).await? else {
        return Ok(None);
    };
    let oid = row.own_integer("oid")?;
    let columns = columns(session, oid).await?;
    let unique = unique(session, oid).await?;
    table(&row, columns, unique, key).map(Some)
}

async fn columns(session: &mut Session, oid: i64) -> Result<Vec<ColumnInfo>, sqlx::Error> {
    session.all(&catalog::columns(oid)).await?.iter().map(column).collect()
}

async fn unique(session: &mut Session, oid: i64) -> Result<Vec<Vec<Column>>, sqlx::Error> {
    let rows = session.all(&catalog::unique(oid)).await?;
    rows.iter().map(|row| Ok(named(row.texts("columns")?))).collect()
}

fn table(
    row: &Answer,
    columns: Vec<ColumnInfo>,
    unique: Vec<Vec<Column>>,
    key: &[Column],
) -> Result<Table, sqlx::Error> {
    let primary_key = named(row.texts("primary_key")?);
    Ok(Table {
        identity: row.own_integer("oid")?.to_string(),
        schema: row.own_text("schema")?,
        name: row.own_text("name")?,
        // A table, or one in partitions.
        is_table: matches!(row.own_text("kind")?.as_str(), "r" | "p"),
        key: chosen(&columns, key, &primary_key),
        row_security: row.is("row_security")?,
        may_read: row.is("may_read")?,
        may_create: row.is("may_create")?,
        may_update: row.is("may_update")?,
        may_delete: row.is("may_delete")?,
        estimate: row.real("estimate")?.unwrap_or(-1.0),
        columns,
        unique,
        row_id: Vec::new(),
        definition: String::new(),
        collisions: Vec::new(),
    })
}

/// A table's name as quoted identifiers: as written, and as SQL would fold it.
fn spellings(name: &str) -> [String; 2] {
    let parts = identifiers(name);
    let quote = |fold: bool| {
        let quoted: Vec<String> = parts
            .iter()
            .map(|(part, plain)| {
                let text = if fold && *plain { part.to_lowercase() } else { part.clone() };
                quoted(&text)
            })
            .collect();
        quoted.join(".")
    };
    [quote(false), quote(true)]
}

fn column(row: &Answer) -> Result<ColumnInfo, sqlx::Error> {
    let type_name = row.own_text("type_name")?;
    let type_schema = row.own_text("type_schema")?;
    let modifier = i32::try_from(row.own_integer("modifier")?).unwrap_or(-1);
    let kind = kind(row, &type_name)?;
    let computed = row.is("computed")?;
    let readable = row.is("may_read")?;
    let labels = row.texts("labels")?;
    let mut spec = plain(kind, modifier, type_name == "citext");
    spec.nullable = !row.is("required")?;
    spec.createable = readable && !computed && row.is("may_create")?;
    spec.updateable = readable && !computed && row.is("may_update")?;
    spec.allowed = (kind == Kind::Enum).then_some(labels);
    Ok(ColumnInfo {
        name: Column::new(row.own_text("name")?),
        type_name: format!("{}.{}", quoted(&type_schema), quoted(&type_name)),
        affinity: Affinity::Fixed,
        kind,
        spec,
    })
}

fn kind(row: &Answer, type_name: &str) -> Result<Kind, sqlx::Error> {
    let category = row.own_text("category")?;
    let element = row.own_text("element")?;
    let type_kind = row.own_text("type_kind")?;
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
        | Kind::Flag
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Moment
        | Kind::Enum
        | Kind::Array
        | Kind::Bytes
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
