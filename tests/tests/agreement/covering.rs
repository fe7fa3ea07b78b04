//! Shows that the scripts leave nothing out: every value that the reference page names for a policy
//! is configured in a flow of theirs, every kind of hold that can occur is met, every choice made.

use std::collections::BTreeSet;
use std::path::Path;

use duet_tests::duet::{LIMIT, Places, Project};
use duet_tests::northwind;

/// Keys of the configuration whose every documented value must be in use.
const KEYS: [&str; 11] = [
    "strategy",
    "truth",
    "tie",
    "merge",
    "otherwise",
    "deletes",
    "on_delete_conflict",
    "on_leave_filter",
    "on_one_way_edit",
    "on_none",
    "same_change",
];

/// Kinds that nothing can lead to here, and why.
const IMPOSSIBLE: [(&str, &str); 6] = [
    ("merged", "the stand-in merges no records"),
    ("delete_unclassified", "both connectors know a deletion from a merge and a new key"),
    ("create_ambiguous", "every create carries a unique key here"),
    ("overwritten_in_flight", "writes check the version, or read it in the same call"),
    ("drift", "holds nothing: stored as closed, shown by `kept`"),
    ("guard", "the brake has no setting yet"),
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn tree(path: &str) -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path))
}

/// The words in backquotes in the second cell of every row of a key.
fn documented(page: &str, key: &str) -> BTreeSet<String> {
    let head = format!("| `{key}` |");
    let cells = page.lines().filter_map(|line| line.strip_prefix(&head)?.split('|').next());
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words.map(str::to_owned).collect()
}

fn configured(value: &toml::Value, key: &str, found: &mut BTreeSet<String>) {
    let toml::Value::Table(table) = value else {
        if let toml::Value::Array(items) = value {
            items.iter().for_each(|item| configured(item, key, found));
        }
        return;
    };
    for (name, value) in table {
        match value {
            one if name == key => words(one, found),
            inner => configured(inner, key, found),
        }
    }
}

fn words(value: &toml::Value, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::String(word) => drop(found.insert(word.clone())),
        toml::Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        toml::Value::Table(sides) => sides.values().for_each(|side| words(side, found)),
        _ => {}
    }
}

fn flows() -> Vec<toml::Value> {
    let folders = ["flows", "policies"].map(|folder| northwind::folder().join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|file| toml::from_str(&read(&file.unwrap().path())).unwrap()).collect()
}

/// Lines of both scripts that begin with a word, cut into words.
fn lines(word: &str) -> Vec<Vec<String>> {
    let scripts = ["edits.txt", "policies.txt"].map(|name| read(&northwind::folder().join(name)));
    let lines = scripts.iter().flat_map(|script| script.lines());
    let cut = lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    cut.filter(|line| line.first().is_some_and(|first| first == word)).collect()
}

#[test]
fn every_documented_policy_is_in_a_flow() {
    let (page, flows) = (tree("docs/reference/configuration.md"), flows());
    for key in KEYS {
        let documented = documented(&page, key);
        assert!(documented.len() > 1, "{key}: the page names no values");
        let mut found = BTreeSet::new();
        flows.iter().for_each(|flow| configured(flow, key, &mut found));
        let missing: Vec<_> = documented.difference(&found).collect();
        assert!(missing.is_empty(), "{key}: in no flow: {missing:?}");
    }
}

#[test]
fn every_kind_of_hold_that_can_occur_is_met() {
    let source = tree("crates/core/src/conflict.rs");
    let kinds = source.split_once("pub enum ConflictKind {").unwrap().1;
    let kinds = kinds.split_once('}').unwrap().0.lines().map(str::trim);
    let kinds = kinds.filter(|line| line.ends_with(',') && !line.starts_with('/'));
    let kinds: BTreeSet<String> = kinds.map(|name| snake(name.trim_end_matches(','))).collect();
    let met: BTreeSet<String> = lines("held").into_iter().map(|line| line[3].clone()).collect();
    let impossible: BTreeSet<String> =
        IMPOSSIBLE.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    assert_eq!(kinds.difference(&met).cloned().collect::<BTreeSet<_>>(), impossible);
    assert!(met.is_subset(&kinds), "{met:?}");
}

fn snake(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

#[test]
fn every_choice_of_a_person_is_made() {
    let places = Places { state: "a", hub: "b", shop: "c", login: "d", price_book: "e" };
    let help = Project::northwind(places).unwrap().run(&["conflicts", "resolve", "--help"], LIMIT);
    let help = help.unwrap().out;
    let choices = help.split_once("CHOICE: ").expect("the help lists the choices").1;
    let choices = choices.lines().next().unwrap().split('|').map(str::trim);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for choice in choices {
        match choice.split_once(' ') {
            Some(("--take", _)) => {
                wanted.extend(["left", "right", "agreed"].map(|side| format!("--take {side}")));
            }
            Some((flag, _)) => drop(wanted.insert(flag.to_owned())),
            None => drop(wanted.insert(choice.to_owned())),
        }
    }
    let made: BTreeSet<String> = lines("choose")
        .into_iter()
        .map(|line| if line[3] == "--take" { line[3..5].join(" ") } else { line[3].clone() })
        .collect();
    assert_eq!(made, wanted);
}
