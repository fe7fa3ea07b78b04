//! Names and words: what every file begins with, what none may contain.

use super::tree::{files, read, sources};

/// Names that say nothing, for files, folders and modules.
const EMPTY_NAMES: [&str; 10] = [
    "util", "utils", "common", "helper", "helpers", "types", "manager", "managers", "misc", "stuff",
];
/// Endings of type names that say nothing.
const EMPTY_ENDINGS: [&str; 4] = ["Manager", "Helper", "Utils", "Util"];
/// Other names for a role that has one.
const ROLES: [(&str, &[&str]); 4] = [
    ("detect", &["detector", "detection", "detecting", "poller"]),
    ("reconcile", &["reconciler", "reconciliation", "reconciling", "decider"]),
    ("apply", &["applier", "applying", "application"]),
    ("retry", &["retrier", "retries", "retrying"]),
];
/// Kept in two pieces, so that this file doesn't contain them.
const MACHINE: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/tmp/", "helpers"),
    ("/home/", "runner"),
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("registry.", "npmjs.org"),
    ("pypi", ".org"),
    ("deb.", "debian.org"),
];

fn check(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    check("files that don't open with `//! `", &silent);
}

#[test]
fn nothing_is_left_to_do_and_nothing_is_unwrapped() {
    let product = sources().iter().filter(|source| !source.is_test);
    let found: Vec<String> = product
        .flat_map(|source| source.measured.banned.iter().map(move |banned| (source, banned)))
        .map(|(source, (what, line))| format!("{}:{line}: {what}", source.path))
        .collect();
    check("banned outside tests", &found);
}

#[test]
fn names_say_something() {
    let mut found: Vec<String> = Vec::new();
    for path in files().iter().filter(|path| path.starts_with("crates/") || path.ends_with(".rs")) {
        let mut parts = path.split('/').map(|part| part.trim_end_matches(".rs"));
        if parts.any(|part| EMPTY_NAMES.contains(&part)) {
            found.push(path.clone());
        }
    }
    for source in sources() {
        for (name, line) in &source.measured.types {
            if EMPTY_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                found.push(format!("{}:{line}: {name}", source.path));
            }
        }
    }
    check("names without meaning", &found);
}

#[test]
fn the_same_role_has_the_same_file_name() {
    let mut found = Vec::new();
    for source in sources() {
        let stem = source.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
        for (role, others) in ROLES {
            if others.contains(&stem) {
                found.push(format!("{}: call it {role}.rs", source.path));
            }
        }
    }
    check("other names for a role", &found);
}

/// Whether a word stands in a line by itself: `.await`, not `.awaits`; `now(`, not `known_now(`.
fn stands_in(line: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let opens = word.starts_with(part) && before.is_some_and(part);
        let goes_on = word.ends_with(part) && after.is_some_and(part);
        !opens && !goes_on
    })
}

#[test]
fn words_stand_by_themselves() {
    for (line, word, stands) in [
        ("link.awaits = 1", ".await", false),
        ("link.await", ".await", true),
        ("let x = known_now(1)", "now(", false),
        ("Utc::now()", "now(", true),
    ] {
        assert_eq!(stands_in(line, word), stands, "{word} in {line}");
    }
}

#[test]
fn the_core_is_pure() {
    let mut found = Vec::new();
    let core = sources().iter().filter(|source| source.path.starts_with("crates/core/src/"));
    for source in core.filter(|source| !source.is_test) {
        for line in &source.measured.asynchronous {
            found.push(format!("{}:{line}: async", source.path));
        }
        for (number, line) in source.code() {
            let words = [".await", "HashMap", "HashSet", "now(", "tokio", "tracing::", "std::env"];
            let words = words.iter().chain(&["std::fs", "std::net", "std::process", "println!"]);
            for word in words.filter(|word| stands_in(line, word)) {
                found.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    check("the core never waits, asks the world or forgets an order", &found);
}

#[test]
fn the_core_knows_no_product() {
    let mut found = Vec::new();
    let core = sources().iter().filter(|source| source.path.starts_with("crates/core/src/"));
    for source in core {
        for (number, line) in source.code() {
            let line = line.to_lowercase();
            let names = ["salesforce", "postgres", "rabbit", "mysql", "sqlite"];
            for name in names.iter().filter(|name| line.contains(**name)) {
                found.push(format!("{}:{number}: {name}", source.path));
            }
        }
    }
    check("products named in the core", &found);
}

#[test]
fn no_file_knows_a_machine_or_a_registry() {
    let mut found = Vec::new();
    for path in files() {
        let Some(text) = read(path) else { continue };
        for (start, end) in MACHINE {
            let word = format!("{start}{end}");
            if text.contains(&word) {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    check("paths of one machine or hosts of a registry", &found);
}

#[test]
fn no_test_is_ignored() {
    let mark = format!("#[{}", "ignore");
    let ignored: Vec<String> = sources()
        .iter()
        .filter(|source| source.text.lines().any(|line| line.trim_start().starts_with(&mark)))
        .map(|source| source.path.clone())
        .collect();
    check("ignored tests", &ignored);
}
