//! Pages: links lead somewhere, decisions are numbered without gaps.

use std::path::Path;

use super::tree::{files, read, root};

/// Targets of the links of a page, without those in code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let prose = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        if fenced {
            continue;
        }
        for (at, _) in prose.match_indices("](") {
            let target = prose[at + 2..].split([')', ' ']).next().unwrap_or_default();
            found.push(target.to_owned());
        }
    }
    found
}

fn is_relative(target: &str) -> bool {
    !target.is_empty()
        && !target.contains("://")
        && !target.starts_with(['#', '<'])
        && !target.starts_with("mailto:")
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in files().iter().filter(|path| path.ends_with(".md")) {
        let folder = root().join(Path::new(page).parent().unwrap());
        for target in links(&read(page).unwrap()).iter().filter(|target| is_relative(target)) {
            let file = target.split('#').next().unwrap();
            if !folder.join(file).exists() {
                broken.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let names = files().iter().filter_map(|path| path.strip_prefix("docs/decisions/"));
    let mut numbers: Vec<usize> = names
        .filter(|name| *name != "README.md" && !name.starts_with("template"))
        .map(|name| {
            let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap_or_else(|_| panic!("docs/decisions/{name} has no number"))
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "numbers of docs/decisions");
}

#[test]
fn links_in_code_are_no_links() {
    let page = "[a](one.md) `[b](two.md)` [c](three.md#part \"t\")\n```\n[d](four.md)\n```\n";
    assert_eq!(links(page), ["one.md", "three.md#part"]);
    assert!(is_relative("one.md") && !is_relative("https://example.test/x") && !is_relative("#a"));
}
