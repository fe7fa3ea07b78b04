//! `docs/reference/tables.md`: the state database, from `schema/postgres.sql` and `schema/sqlite.sql`,
//! which tests of `store` keep equal to what a migrated database holds.

use super::{head, keep, row, stored};
use std::collections::BTreeMap;

#[derive(Default)]
struct Column {
    name: String,
    kind: String,
    about: String,
}

#[derive(Default)]
struct Table {
    name: String,
    about: String,
    key: String,
    columns: Vec<Column>,
    indexes: Vec<String>,
}

/// The tables of a rendered schema, in its order.
fn parsed(sql: &str) -> Vec<Table> {
    let (mut tables, mut about): (Vec<Table>, String) = (Vec::new(), String::new());
    for line in sql.lines() {
        let inside = line.starts_with("    ");
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("-- ") {
            // The comment on a table stands before it, or as the first line in it.
            let first =
                tables.last_mut().filter(|table: &&mut Table| inside && table.about.is_empty());
            match first {
                Some(table) if table.columns.is_empty() => comment.clone_into(&mut table.about),
                _ => comment.clone_into(&mut about),
            }
        } else if let Some(name) = line.strip_prefix("CREATE TABLE ") {
            let name = name.trim_end_matches(" (").to_owned();
            tables.push(Table { name, about: std::mem::take(&mut about), ..Table::default() });
        } else if let Some(table) = tables.last_mut() {
            read(table, line, inside, &mut about);
        }
    }
    tables
}

fn read(table: &mut Table, line: &str, inside: bool, about: &mut String) {
    if let Some(key) = line.strip_prefix("PRIMARY KEY (") {
        table.key = key.trim_end_matches(')').to_owned();
    } else if line.starts_with("CREATE INDEX") || line.starts_with("CREATE UNIQUE INDEX") {
        table.indexes.push(line.trim_end_matches(';').to_owned());
    } else if inside && !about.is_empty() {
        let (name, kind) = line.trim_end_matches(',').split_once(' ').unwrap_or((line, ""));
        let kind = kind.to_owned();
        table.columns.push(Column { name: name.to_owned(), kind, about: std::mem::take(about) });
    }
}

fn section(table: &Table, on_sqlite: &BTreeMap<String, String>) -> String {
    let mut text = format!("### {}\n\n{}\n\n", table.name, table.about);
    text.push_str(&head(&["Column", "PostgreSQL", "SQLite", "Meaning"]));
    for Column { name, kind, about } in &table.columns {
        let lite = on_sqlite.get(&format!("{}.{name}", table.name)).map_or("–", String::as_str);
        text.push_str(&row(&[&format!("`{name}`"), kind, lite, about]));
    }
    text.push_str(&format!("\n- Key: `{}`\n", table.key));
    for index in &table.indexes {
        let (_, on) = index.split_once(" ON ").expect("an index is on a table");
        let unique = if index.starts_with("CREATE UNIQUE") { "Unique" } else { "Index" };
        let (_, columns) = on.split_once('(').expect("an index has columns");
        text.push_str(&format!("- {unique}: `({columns}`\n"));
    }
    text + "\n"
}

#[test]
fn every_table_is_in_the_page() {
    let (server, file) = (stored("schema/postgres.sql"), stored("schema/sqlite.sql"));
    let on_sqlite: BTreeMap<String, String> = parsed(&file)
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
        .map(|(table, column)| (format!("{}.{}", table.name, column.name), column.kind.clone()))
        .collect();
    let tables = parsed(&server);
    assert_eq!(tables.len(), server.matches("\nCREATE TABLE ").count());
    for table in &tables {
        let told = !table.about.is_empty() && !table.key.is_empty() && !table.columns.is_empty();
        assert!(told, "{}", table.name);
    }
    let page = tables.iter().map(|table| section(table, &on_sqlite)).collect();
    keep("docs/reference/tables.md", &[("tables", page)]);
}
