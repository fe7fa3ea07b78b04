//! The tables of `docs/reference/configuration.md`: every key, from the catalogue.

use super::{head, keep, row};
use crate::catalogue::kinds;
use duet_config::keys::TABLES;
use duet_ports::keys::{Holds, Key, Table};

fn cells(key: &Key) -> String {
    let default = match (key.needed, key.default) {
        (true, _) => "needed",
        (false, "") => "–",
        (false, default) => default,
    };
    row(&[&format!("`{}`", key.name), &key.holds.to_string(), default, key.meaning])
}

fn text(table: &Table) -> String {
    let mut text = head(&["Key", "Holds", "Default", "Meaning"]);
    text.extend(table.usable().map(cells));
    let later = table.keys.iter().filter(|key| key.later).map(|key| format!("`{}`", key.name));
    let later: Vec<String> = later.collect();
    if !later.is_empty() {
        text.push_str(&format!("\nNot supported yet: {}.\n", later.join(", ")));
    }
    text
}

/// The tables inside a table, each once.
fn below(holds: &Holds, found: &mut Vec<&'static Table>) {
    match holds {
        Holds::Table(table) => {
            if !found.iter().any(|one| one.title == table.title) {
                found.push(table);
                table.usable().for_each(|key| below(&key.holds, found));
            }
        }
        Holds::Any(several) => several.iter().for_each(|one| below(one, found)),
        Holds::List(of, _) | Holds::ByName(of) | Holds::ByValue(of) | Holds::Sides(of) => {
            below(of, found);
        }
        Holds::Text
        | Holds::Column
        | Holds::Name
        | Holds::Duration
        | Holds::Plain
        | Holds::Number
        | Holds::Whole(..)
        | Holds::Flag
        | Holds::True
        | Holds::Words(_)
        | Holds::Form(..)
        | Holds::Address(_) => {}
    }
}

/// What each connector reads.
fn connections() -> String {
    let mut tables = Vec::new();
    for kind in kinds() {
        below(&Holds::Table(kind.table), &mut tables);
    }
    let sections = tables.iter().map(|table| format!("#### {}\n\n{}", table.title, text(table)));
    sections.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_is_in_the_page() {
    let mut places: Vec<(&str, String)> =
        TABLES.iter().map(|table| (table.title, text(table))).collect();
    places.push(("connections", connections()));
    keep("docs/reference/configuration.md", &places);
}

#[test]
fn every_table_is_in_the_list() {
    let mut found = Vec::new();
    below(&Holds::Table(TABLES[0]), &mut found);
    let mut found: Vec<&str> = found.iter().map(|table| table.title).collect();
    let mut listed: Vec<&str> = TABLES.iter().map(|table| table.title).collect();
    found.sort_unstable();
    listed.sort_unstable();
    assert_eq!(found, listed);
}
