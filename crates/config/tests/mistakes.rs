//! Wrong configurations, one per file of `tests/mistakes`, each with the code that it must give in
//! its first line. What is shown is a snapshot.

use duet_config::{Code, Mistake, Source, parse};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// What the environment holds; its values must never be shown.
fn variable(name: &str) -> Option<String> {
    match name {
        "SHOP_URL" => Some("postgres://duet:hunter2@localhost/shop".to_owned()),
        "KEY_FILE" => Some("/hunter2".to_owned()),
        _ => None,
    }
}

fn files() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let entries = fs::read_dir(dir).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

fn shown(mistakes: &[Mistake]) -> String {
    let blocks: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
    blocks.join("\n")
}

#[test]
fn every_wrong_configuration_is_told_with_its_place() {
    let files = files();
    assert!(files.len() >= 40, "{} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let first = text.lines().next().unwrap_or_default();
        let code = first.trim_start_matches("# ").to_owned();
        let source = Source { name: "duet.toml".to_owned(), text };
        let mistakes = parse(vec![source], &variable).expect_err(&name);
        let codes: Vec<&str> = mistakes.iter().map(|mistake| mistake.code.as_str()).collect();
        assert!(codes.contains(&code.as_str()), "{name}: {code} isn't among {codes:?}");
        let shown = shown(&mistakes);
        assert!(!shown.contains("hunter2"), "{name} shows a secret:\n{shown}");
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn each_of_them_has_one_mistake_but_those_that_show_many() {
    for file in files() {
        let text = fs::read_to_string(&file).expect("a text");
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let source = Source { name: "duet.toml".to_owned(), text };
        let mistakes = parse(vec![source], &variable).expect_err(&name);
        // What follows a torn place is told too.
        let several = ["many_at_once", "syntax", "too_deep", "variable_in_key"];
        assert!(mistakes.len() == 1 || several.contains(&name.as_str()), "{name}: {mistakes:#?}");
    }
}

#[test]
fn every_code_has_a_wrong_configuration() {
    let mut given: BTreeSet<String> = BTreeSet::new();
    for file in files() {
        let text = fs::read_to_string(&file).expect("a text");
        let first = text.lines().next().unwrap_or_default();
        given.insert(first.trim_start_matches("# ").to_owned());
    }
    // Files that are no text, and what takes several files, stand in `files.rs`; D07 is binding, in
    // `bound.rs`; settings are the connectors' own.
    let elsewhere = [
        Code::Unreadable,
        Code::TooLarge,
        Code::NotUtf8,
        Code::HoldsNul,
        Code::BadPattern,
        Code::NoFlowFiles,
        Code::DuplicateFlow,
        Code::SharedWrite,
        Code::BadSetting,
    ];
    for code in Code::ALL {
        let bound = code.as_str().starts_with("D07");
        let here = given.contains(code.as_str());
        assert!(here || bound || elsewhere.contains(code), "{code} has no wrong configuration");
    }
}

/// Where nothing better is known, the cure of the code ends the message.
#[test]
fn every_mistake_says_what_to_do() {
    for file in files() {
        let text = fs::read_to_string(&file).expect("a text");
        let source = Source { name: "duet.toml".to_owned(), text };
        for mistake in parse(vec![source], &variable).expect_err("wrong") {
            let shown = mistake.to_string();
            assert!(shown.contains(" = help: ") && !mistake.help.is_empty(), "{shown}");
            assert!(!mistake.help.contains("suggested"), "nothing is suggested: {shown}");
        }
    }
    for code in Code::ALL {
        let advice = code.advice();
        assert!(!advice.is_empty() && !advice.ends_with('.'), "{code}: {advice}");
        assert!(!advice.starts_with(char::is_uppercase), "{code}: {advice}");
        assert_eq!(advice.to_lowercase(), code.cure().trim_end_matches('.').to_lowercase());
    }
}
