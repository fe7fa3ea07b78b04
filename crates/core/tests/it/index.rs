//! The index of the tables: every row has a case that is run mirrored, too, or a test of store or
//! pipeline that shows it, and each of these exists and is run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every row of the tables by the section of their specification (the pages on correctness), with
/// the number of rows that the section has: a row that is dropped or made up shows there.
const SECTIONS: [(&str, usize, &str); 9] = [
    ("opening note", 2, "R39 KeyChanged"),
    (
        "3.1 records",
        32,
        "R00 R01 R02 R10 R11 R12 R13 R14 R15 R17 R20 R21 R22 R23 R30 R31 R32 R33 R34 R35 R36 R37 \
         R38 R40 R41 R50 R51 R52 R53 R54 R60 R70",
    ),
    (
        "3.2a fields of a pair",
        19,
        "F1 F1b F2 F3 F4 F5a F5b F5c F5d F5e F5f F5g F6 F7 F8 F9 F10 F11 F12",
    ),
    ("3.2b fields of a first meeting", 8, "G1 G2 G3 G4 G5 G6 G7 G9"),
    ("3.5 holds", 11, "H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11"),
    ("3.6 matching", 9, "M1 M2 M3 M4 M5 M6 M7 M8 M9"),
    ("3.7 relations", 8, "P1 P2 P3 P4 P5 P6 P7 P8"),
    ("3.8 merges", 4, "S1 S2 S3 S4"),
    ("4.5 writes", 7, "W0 W1 W2 W3 W4 W5 W6"),
];

/// What marks a function as a test.
const MARKS: [&str; 2] = ["#[test]", "#[tokio::test"];

/// Names of tests by where they stand: `module::function`.
type Tests = BTreeSet<String>;

fn rows() -> BTreeSet<&'static str> {
    SECTIONS.iter().flat_map(|(_, _, rows)| rows.split_whitespace()).collect()
}

fn index() -> BTreeMap<String, Vec<String>> {
    toml::from_str(include_str!("../rows.toml")).expect("the index")
}

#[test]
fn every_section_has_all_of_its_rows() {
    for (section, count, rows) in SECTIONS {
        assert_eq!(rows.split_whitespace().count(), count, "{section}");
    }
    let all: usize = SECTIONS.iter().map(|(_, count, _)| count).sum();
    assert_eq!(rows().len(), all, "a row stands in two sections");
}

#[test]
fn every_row_is_shown() {
    let (index, rows) = (index(), rows());
    let missing: Vec<&&str> =
        rows.iter().filter(|row| index.get(**row).is_none_or(Vec::is_empty)).collect();
    assert!(missing.is_empty(), "rows without an entry: {missing:?}");
    let unknown: Vec<&String> = index.keys().filter(|row| !rows.contains(row.as_str())).collect();
    assert!(unknown.is_empty(), "entries that are no rows: {unknown:?}");
    let alone = |shown: &[String]| shown.iter().all(|entry| entry.starts_with("duet-core::"));
    let alone: Vec<&String> =
        index.iter().filter(|(_, shown)| alone(shown)).map(|(row, _)| row).collect();
    assert!(alone.is_empty(), "neither mirrored nor shown by store or pipeline: {alone:?}");
}

#[test]
fn everything_the_index_names_exists_and_is_run() {
    let cases = super::tables::names();
    let mut sources: BTreeMap<String, Tests> = BTreeMap::new();
    let mut missing = Vec::new();
    for (row, shown) in index() {
        for entry in shown {
            let exists = match entry.split_once("::") {
                Some((package, test)) => {
                    let tests = sources.entry(package.to_owned());
                    is_there(tests.or_insert_with(|| tests_of(package)), test)
                }
                None => cases.iter().any(|case| begins(case, &entry)),
            };
            if !exists {
                missing.push(format!("{row}: {entry}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such case or test: {missing:#?}");
}

#[test]
fn every_row_that_a_verdict_names_is_in_the_index() {
    let rows = rows();
    let mut named = BTreeSet::new();
    for (_, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        named.extend(text.split('"').filter(|literal| is_row(literal)).map(str::to_owned));
    }
    assert!(named.len() > rows.len() / 2, "the rows are no literals any more: {named:?}");
    let unknown: Vec<&String> = named.iter().filter(|row| !rows.contains(row.as_str())).collect();
    assert!(unknown.is_empty(), "rows that no section has: {unknown:?}");
}

/// A letter of the tables, a number, and perhaps a small letter.
fn is_row(literal: &str) -> bool {
    let Some(number) = literal.strip_prefix(|letter| "RFGHMPSW".contains(letter)) else {
        return false;
    };
    let number = number.strip_suffix(|letter: char| letter.is_ascii_lowercase()).unwrap_or(number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a case's name is `entry`, or begins with it and goes on with another word.
fn begins(case: &str, entry: &str) -> bool {
    let rest = case.strip_prefix(entry);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':', ',']))
}

/// `function` alone may stand in any module.
fn is_there(tests: &Tests, test: &str) -> bool {
    tests.contains(test)
        || tests.iter().any(|one| one.split_once("::").is_some_and(|(_, name)| name == test))
}

/// The tests of a package, those of its contract suites included.
fn tests_of(package: &str) -> Tests {
    let name = package.strip_prefix("duet-").expect("a package of the workspace");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of the crates");
    let mut folder = crates.join(name);
    if !folder.exists() {
        folder = crates.join("connectors").join(name);
    }
    let sources = sources(&folder);
    assert!(!sources.is_empty(), "no source of {package}");
    let mut tests = Tests::new();
    for (path, text) in sources {
        let module = path.file_stem().and_then(|stem| stem.to_str()).expect("a file's name");
        tests.extend(marked(&text).map(|function| format!("{module}::{function}")));
        tests.extend(suite(&text));
    }
    tests
}

/// Functions right below a mark. A comment is none.
fn marked(text: &str) -> impl Iterator<Item = &str> {
    let mut is_marked = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("//") || line.is_empty() {
            return None;
        }
        if line.starts_with('#') {
            is_marked |= MARKS.iter().any(|mark| line.starts_with(mark));
            return None;
        }
        let function = line.split_once("fn ").and_then(|(_, rest)| rest.split(['(', '<']).next());
        function.filter(|_| std::mem::take(&mut is_marked))
    })
}

/// The list of a contract suite: `cases! { group: case, case; … }`, each one a test.
fn suite(text: &str) -> Vec<String> {
    let Some((_, list)) = text.split_once("\ncases! {") else { return Vec::new() };
    let list = list.split_once("\n}").map_or("", |(list, _)| list);
    let groups = list.split(';').filter_map(|group| group.split_once(':'));
    let of = |(group, cases): (&str, &str)| {
        let cases = cases.split(',').map(str::trim).filter(|case| !case.is_empty());
        cases.map(|case| format!("{}::{case}", group.trim())).collect::<Vec<_>>()
    };
    groups.flat_map(of).collect()
}

/// The Rust files below a folder.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).expect("a folder of source");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.push((path, text));
        }
    }
    found
}

#[test]
fn only_what_is_run_counts_as_a_test() {
    let text = "fn helper() {}\n// #[test]\n// fn told() {}\n#[test]\n#[should_panic]\nfn shown() {}\n\
        fn another() {}\n    #[tokio::test(flavor = \"x\")]\n    async fn waits() {}\n";
    assert_eq!(marked(text).collect::<Vec<_>>(), ["shown", "waits"]);
    let text = "macro_rules! cases { () => {} }\n\ncases! {\n    a:\n        b, c;\n    d: e;\n}\n";
    assert_eq!(suite(text), ["a::b", "a::c", "d::e"]);
    assert!(begins("F1 nobody", "F1") && !begins("F1b nobody", "F1") && !begins("F10", "F1"));
    assert!(is_row("R00") && is_row("F5g") && !is_row("R") && !is_row("F8: x") && !is_row("Rows"));
}
