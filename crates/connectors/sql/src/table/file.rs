//! A table of a SQLite file.

use super::declared::{affinity, declared};
use super::{Affinity, Collision, ColumnInfo, Table, chosen, identifiers};
use crate::answer::Answer;
use crate::session::Session;
use crate::sql::catalog::sqlite as catalog;
use duet_core::id::Column;

/// Loads a table. `None`: there is none of this name.
pub(super) async fn load(
    session: &mut Session,
    name: &str,
    key: &[Column],
) -> Result<Option<Table>, sqlx::Error> {
    let Some(name) = plain_name(name) else { return Ok(None) };
    let Some(row) = session.first(&catalog::relation(&name)).await? else { return Ok(None) };
    let name = row.own_text("name")?;
    let without_rowid = row.is("without_rowid")?;
    let lists = lists(&session.all(&catalog::unique(&name)).await?)?;
    let rows = session.all(&catalog::columns(&name)).await?;
    let primary = primary(&rows)?;
    // `INTEGER PRIMARY KEY` is the row id itself, unless it has an index of its own.
    let is_row_id = |row: &Answer| -> Result<bool, sqlx::Error> {
        let declared = row.own_text("declared")?;
        let indexed = lists.iter().any(|list| list.primary);
        let alone = primary.len() == 1 && row.own_integer("place")? == 1;
        Ok(alone && !indexed && !without_rowid && declared.eq_ignore_ascii_case("INTEGER"))
    };
    let columns: Result<Vec<ColumnInfo>, sqlx::Error> =
        rows.iter().map(|row| column(row, is_row_id(row)?)).collect();
    let columns = columns?;
    let is_table = row.own_text("kind")? == "table";
    let mut unique: Vec<Vec<Column>> = Vec::new();
    if columns.iter().any(|column| column.affinity == Affinity::RowId) {
        unique.push(primary.clone());
    }
    unique.extend(
        lists.iter().map(|list| list.columns.iter().map(|(name, _)| name.clone()).collect()),
    );
    let key = chosen(&columns, key, &primary);
    Ok(Some(Table {
        identity: name.clone(),
        schema: "main".to_owned(),
        is_table,
        collisions: collisions(&key, &columns, &lists),
        row_id: row_id(without_rowid, &primary, &key, &columns),
        key,
        unique,
        row_security: false,
        may_read: true,
        may_create: is_table,
        may_update: is_table,
        may_delete: is_table,
        estimate: -1.0,
        definition: row.own_text("definition")?,
        columns,
        name,
    }))
}

/// The table's own name; before it, at most the name that SQLite has for the file.
fn plain_name(name: &str) -> Option<String> {
    let parts: Vec<String> = identifiers(name).into_iter().map(|(part, _)| part).collect();
    match parts.as_slice() {
        [name] => Some(name.clone()),
        [file, name] if file.eq_ignore_ascii_case("main") => Some(name.clone()),
        _ => None,
    }
}

/// A unique list of columns, each with its order.
struct UniqueList {
    primary: bool,
    columns: Vec<(Column, String)>,
}

/// Lists over an expression are left out: no column holds their values.
fn lists(rows: &[Answer]) -> Result<Vec<UniqueList>, sqlx::Error> {
    let mut lists: Vec<(i64, Option<UniqueList>)> = Vec::new();
    for row in rows {
        let number = row.own_integer("list")?;
        if lists.last().is_none_or(|(last, _)| *last != number) {
            let primary = row.own_text("origin")? == "pk";
            lists.push((number, Some(UniqueList { primary, columns: Vec::new() })));
        }
        let Some((_, list)) = lists.last_mut() else { continue };
        match (row.text("name")?, &mut *list) {
            (Some(name), Some(known)) => {
                known.columns.push((Column::new(name), row.own_text("collation")?));
            }
            (None, _) | (_, None) => *list = None,
        }
    }
    Ok(lists.into_iter().filter_map(|(_, list)| list).collect())
}

fn primary(rows: &[Answer]) -> Result<Vec<Column>, sqlx::Error> {
    let mut primary = Vec::new();
    for row in rows {
        let place = row.own_integer("place")?;
        if place > 0 {
            primary.push((place, Column::new(row.own_text("name")?)));
        }
    }
    primary.sort_by_key(|(place, _)| *place);
    Ok(primary.into_iter().map(|(_, name)| name).collect())
}

fn column(row: &Answer, is_row_id: bool) -> Result<ColumnInfo, sqlx::Error> {
    let text = row.own_text("declared")?;
    let affinity = if is_row_id { Affinity::RowId } else { affinity(&text) };
    let (kind, mut spec) = declared(&text);
    let computed = row.own_integer("hidden")? > 1;
    // A row id that is left out, or null, is made.
    spec.nullable = is_row_id || !row.is("required")?;
    spec.createable = !computed;
    spec.updateable = !computed;
    let name = Column::new(row.own_text("name")?);
    Ok(ColumnInfo { name, type_name: String::new(), affinity, kind, spec })
}

/// What tells the rows apart: a name of the row id that no column has taken, else the key; or the
/// primary key where there is no row id.
fn row_id(
    without_rowid: bool,
    primary: &[Column],
    key: &[ColumnInfo],
    columns: &[ColumnInfo],
) -> Vec<String> {
    if without_rowid {
        return primary.iter().map(|name| name.as_str().to_owned()).collect();
    }
    let is_taken =
        |name: &&str| columns.iter().any(|column| column.name.as_str().eq_ignore_ascii_case(name));
    match ["rowid", "_rowid_", "oid"].into_iter().find(|name| !is_taken(name)) {
        Some(name) => vec![name.to_owned()],
        None => key.iter().map(|column| column.name.as_str().to_owned()).collect(),
    }
}

fn collisions(key: &[ColumnInfo], columns: &[ColumnInfo], lists: &[UniqueList]) -> Vec<Collision> {
    let binary = |name: &Column| (name.as_str().to_owned(), "BINARY".to_owned());
    let row_ids = columns.iter().filter(|column| column.affinity == Affinity::RowId);
    let row_ids = row_ids.map(|column| vec![binary(&column.name)]);
    let indexed = lists.iter().map(|list| {
        list.columns.iter().map(|(name, order)| (name.as_str().to_owned(), order.clone())).collect()
    });
    let mut wanted: Vec<(String, String)> = key.iter().map(|column| binary(&column.name)).collect();
    wanted.sort_unstable();
    let collision = |columns: Vec<(String, String)>| {
        let mut sorted = columns.clone();
        sorted.sort_unstable();
        Collision { columns, is_key: sorted == wanted }
    };
    row_ids.chain(indexed).map(collision).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_before_the_tables() {
        assert_eq!(plain_name("items").as_deref(), Some("items"));
        assert_eq!(plain_name("MAIN.\"my.items\"").as_deref(), Some("my.items"));
        assert_eq!(plain_name("web.items"), None);
    }
}
