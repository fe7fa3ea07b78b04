//! Pages of `docs/reference` and files of `schema/` that are made from what they tell: the test of each
//! compares it with what is made now. Words around the marked places of a page are written by hand.
//!
//! `just pages` writes them anew: `UPDATE_SCHEMA=1` makes these tests write instead of failing.

mod codes;
mod commands;
mod keys;
mod messages;
mod shown;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

/// What writes everything anew.
const ANEW: &str =
    "UPDATE_SCHEMA=1 cargo nextest run --cargo-profile ci -p duet-cli --bin duet pages catalogue";

/// The root of the tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stored(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// A file is what is made, in a form in which both can be compared.
#[expect(clippy::disallowed_methods, reason = "the one switch of these tests")]
pub(crate) fn kept(path: &str, made: &str, form: impl Fn(&str) -> String) {
    if std::env::var_os("UPDATE_SCHEMA").is_some() && form(&stored(path)) != form(made) {
        fs::write(root().join(path), made).expect("the file can be written");
    }
    let stored = stored(path);
    if form(&stored) != form(made) {
        let differs = stored.lines().zip(made.lines()).find(|(stored, made)| stored != made);
        panic!("{path} isn't what is made: {differs:#?}\n`{ANEW}` writes it anew");
    }
}

fn begin(name: &str) -> String {
    format!("<!-- made from the code: {name} -->\n")
}

fn end(name: &str) -> String {
    format!("<!-- end: {name} -->\n")
}

/// A page with other text in one of its marked places.
fn filled(page: &str, name: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&begin(name))?;
    let (_, after) = rest.split_once(&end(name))?;
    Some(format!("{before}{}\n{}\n\n{}{after}", begin(name), text.trim(), end(name)))
}

/// The marked places of a page, each of which must be named, hold what is made.
fn keep(path: &str, places: &[(&str, String)]) {
    let page = stored(path);
    assert_eq!(page.matches("<!-- made from the code: ").count(), places.len(), "{path}");
    let made = places.iter().fold(page, |page, (name, text)| {
        filled(&page, name, text).unwrap_or_else(|| panic!("{path} has no place for {name}"))
    });
    kept(path, &made, str::to_owned);
}

/// A row of a table: what would end a cell is escaped, and a break is a blank.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The first lines of a table.
fn head(cells: &[&str]) -> String {
    format!("{}|{}\n", row(cells), "---|".repeat(cells.len()))
}

#[test]
fn only_marked_places_are_written() {
    let page = format!("a\n{}old\n{}b\n", begin("x"), end("x"));
    let made = filled(&page, "x", "new\n").expect("there is a place");
    assert_eq!(made, format!("a\n{}\nnew\n\n{}b\n", begin("x"), end("x")));
    assert_eq!(filled(&made, "x", "new"), Some(made.clone()), "once is enough");
    assert_eq!(filled(&page, "y", "new"), None);
    assert_eq!(row(&["a|b", "c\nd"]), "| a\\|b | c d |\n");
    assert_eq!(head(&["A", "B"]), "| A | B |\n|---|---|\n");
}
