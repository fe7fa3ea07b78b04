//! The index of the tables: every row has a case or a test that shows it, and each of these exists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every row of the tables.
const ROWS: &str = "R00 R01 R02 R10 R11 R12 R13 R14 R15 R17 R20 R21 R22 R23 R30 R31 R32 R33 R34 R35 \
    R36 R37 R38 R39 R40 R41 R50 R51 R52 R53 R54 R60 R70 \
    F1 F1b F2 F3 F4 F5a F5b F5c F5d F5e F5f F5g F6 F7 F8 F9 F10 F11 F12 \
    G1 G2 G3 G4 G5 G6 G7 G9 H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 \
    M1 M2 M3 M4 M5 M6 M7 M8 M9 P1 P2 P3 P4 P5 P6 P7 P8 S1 S2 S3 S4 W0 W1 W2 W3 W4 W5 W6";

fn index() -> BTreeMap<String, Vec<String>> {
    toml::from_str(include_str!("../rows.toml")).expect("the index")
}

#[test]
fn every_row_is_shown() {
    let index = index();
    let missing: Vec<&str> =
        ROWS.split_whitespace().filter(|row| index.get(*row).is_none_or(Vec::is_empty)).collect();
    assert!(missing.is_empty(), "rows without an entry: {missing:?}");
    let unknown: Vec<&String> =
        index.keys().filter(|row| !ROWS.split_whitespace().any(|one| one == *row)).collect();
    assert!(unknown.is_empty(), "entries that are no rows: {unknown:?}");
}

#[test]
fn everything_the_index_names_exists() {
    let cases = super::tables::names();
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    let mut missing = Vec::new();
    for (row, shown) in index() {
        for entry in shown {
            let exists = match entry.split_once("::") {
                Some((package, function)) => {
                    let source = sources.entry(package.to_owned()).or_insert_with(|| all(package));
                    source.contains(&format!("fn {function}("))
                }
                None => {
                    let starts = |case: &String| {
                        case == &entry
                            || case.starts_with(&format!("{entry} "))
                            || case.starts_with(&format!("{entry}:"))
                    };
                    entry.starts_with(&row) && cases.iter().any(starts) || cases.iter().any(starts)
                }
            };
            if !exists {
                missing.push(format!("{row}: {entry}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such case or test: {missing:#?}");
}

/// The Rust source of a package, in one text.
fn all(package: &str) -> String {
    let name = package.strip_prefix("duet-").expect("a package of the workspace");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of the crates");
    let mut folder = crates.join(name);
    if !folder.exists() {
        folder = crates.join("connectors").join(name);
    }
    let mut text = String::new();
    gather(&folder, &mut text);
    assert!(!text.is_empty(), "no source of {package}");
    text
}

fn gather(folder: &Path, text: &mut String) {
    let entries = std::fs::read_dir(folder).expect("a folder of source");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    for path in paths {
        if path.is_dir() {
            gather(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}
