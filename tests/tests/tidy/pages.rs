//! Pages: links lead somewhere, to a heading that is there; decisions are numbered without gaps.

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

/// What a link to a heading says after `#`: small letters, blanks as hyphens, no marks.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || letter == '-' || letter == '_' => Some(letter),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

fn anchors(page: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !fenced && heading.len() < line.len() && heading.starts_with(' ') {
            found.push(anchor(heading));
        }
    }
    found
}

#[test]
fn every_link_to_a_heading_leads_to_one() {
    let mut broken = Vec::new();
    for page in files().iter().filter(|path| path.ends_with(".md")) {
        let (text, here) = (read(page).unwrap(), Path::new(page));
        for target in links(&text).iter().filter(|target| !target.contains("://")) {
            let Some((file, heading)) = target.split_once('#') else { continue };
            let other = here.parent().unwrap().join(file);
            let whole = match file {
                "" => Some(text.clone()),
                file if file.ends_with(".md") => read(&other.to_string_lossy()),
                _ => continue,
            };
            let known = whole.is_some_and(|whole| anchors(&whole).iter().any(|one| one == heading));
            if !known {
                broken.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "headings that aren't there:\n{}", broken.join("\n"));
}

#[test]
fn anchors_are_those_of_headings() {
    let page = "# A `duet` page: one\n```text\n# no\n```\n## [flow.NAME]\n#no\n";
    assert_eq!(anchors(page), ["a-duet-page-one", "flowname"]);
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
