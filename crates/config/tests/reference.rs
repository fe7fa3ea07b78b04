//! Codes are numbered in order, and what the reference page shows is read. That it lists every key and
//! code, word for word, is shown where all of them are known: in `cli`.

use duet_config::Code;
use std::fs;
use std::path::PathBuf;

fn page() -> String {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    fs::read_to_string(docs.join("configuration.md")).expect("the page is there")
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
