//! The reference page lists every key and code that the parser knows, word for word.

use duet_config::Code;
use duet_config::keys::{DEFAULTS, FLOW, Key, TABLES, Table};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

fn page() -> String {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    fs::read_to_string(docs.join("configuration.md")).expect("the page is there")
}

fn row(key: &Key) -> String {
    let Key { name, kind, default, meaning, .. } = key;
    let default = if default.is_empty() { "–" } else { default };
    format!("| `{name}` | {kind} | {default} | {meaning} |\n")
}

fn keys(table: &Table) -> String {
    let mut text = "| Key | Holds | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    text.extend(table.keys.iter().filter(|key| !key.later).map(row));
    let later: Vec<String> =
        table.keys.iter().filter(|key| key.later).map(|key| format!("`{}`", key.name)).collect();
    if !later.is_empty() {
        writeln!(text, "\nNot supported yet: {}.", later.join(", ")).expect("text grows");
    }
    text
}

fn codes() -> String {
    let mut text = "| Code | Cause | Cure |\n|---|---|---|\n".to_owned();
    for code in Code::ALL {
        writeln!(text, "| {code} | {} | {} |", code.cause(), code.cure()).expect("text grows");
    }
    text
}

/// Where the tables are written that the page should hold, to be copied from.
fn wanted(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("a file");
    path
}

#[test]
fn every_key_is_in_the_page() {
    let page = page();
    let mut missing = Vec::new();
    for table in TABLES {
        let text = format!("### {}\n\n{}", table.title, keys(table));
        let name: String = table.title.chars().filter(|c| c.is_alphanumeric()).collect();
        let path = wanted(&format!("{name}.md"), &text);
        if !page.contains(&text) {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "the page lacks what stands in {missing:?}");
    let defaults = DEFAULTS.iter().filter(|name| FLOW.iter().any(|k| k.name == **name && !k.later));
    let list: Vec<String> = defaults.map(|name| format!("`{name}`")).collect();
    assert!(page.contains(&list.join(", ")), "the page lacks {}", list.join(", "));
}

#[test]
fn every_code_is_in_the_page() {
    let text = codes();
    let path = wanted("codes.md", &text);
    assert!(page().contains(&text), "the page lacks the table in {}", path.display());
}

#[test]
fn numbers_of_codes_grow() {
    let numbers: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn the_examples_of_the_page_load() {
    let page = page();
    let mut blocks = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("a block ends").to_owned());
    let root = blocks.next().expect("the page begins with a project");
    let source = |name: &str, text: String| duet_config::Source { name: name.to_owned(), text };
    let flows = blocks.enumerate().map(|(at, text)| source(&format!("flow{at}.toml"), text));
    let sources = std::iter::once(source("duet.toml", root)).chain(flows).collect();
    let read = duet_config::parse(sources, &|name| {
        Some(if name.contains("AMQP") { "amqp://h".to_owned() } else { "postgres://h".to_owned() })
    });
    let project = read.unwrap_or_else(|mistakes| {
        let blocks: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        panic!("{}", blocks.join("\n"));
    });
    assert!(project.flows.len() >= 2, "the page shows flows");
}
