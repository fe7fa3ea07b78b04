//! Every call of duet in a shell block of a page is one that the command line accepts, as a shell
//! would hand it over.

use super::root;
use crate::args::Cli;
use clap::error::ErrorKind;
use std::fs;
use std::path::PathBuf;

/// README, CONTRIBUTING and every page below `docs`.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)).into();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "md" => found.push(path),
                _ => {}
            }
        }
    }
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(&path).expect("a text"));
    found.into_iter().map(read).collect()
}

/// Lines of shell blocks that call duet.
fn calls(page: &str) -> Vec<String> {
    let (mut shell, mut found) = (false, Vec::new());
    for line in page.lines().map(str::trim) {
        if let Some(mark) = line.strip_prefix("```") {
            shell = ["sh test", "sh parsed"].contains(&mark);
        } else if shell {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            found.extend(line.starts_with("duet ").then(|| line.to_owned()));
        }
    }
    found
}

/// The words of a line until a comment, another program, a file or the background; quotes hold words
/// together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#' | '|' | '>' | '&') if word.is_none() => return words,
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words
}

/// Whether the command line takes a call; what its variables hold is known to the shell alone, so one
/// that is an address may stand for this one.
fn read(call: &str) -> Result<(), clap::Error> {
    let words = words(call);
    let with = |value: Option<&str>| {
        let word = |word: &String| match value {
            Some(value) if word.starts_with('$') => value.into(),
            _ => word.into(),
        };
        Cli::read(words.iter().map(word).collect()).map(drop)
    };
    with(None).or_else(|error| with(Some("127.0.0.1:8080")).map_err(|_| error))
}

#[test]
fn every_call_of_a_page_is_accepted() {
    let (mut told, mut seen) = (Vec::new(), 0);
    for (page, text) in pages() {
        for call in calls(&text) {
            seen += 1;
            let Err(error) = read(&call) else { continue };
            if error.kind() != ErrorKind::DisplayHelp {
                told.push(format!("{}: {call}\n{error}", page.display()));
            }
        }
    }
    assert!(seen >= 50, "calls are found: {seen}");
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn words_are_those_of_a_shell() {
    let line = "duet conflicts resolve \"$id\" --note 'a # b' --by \"\" | head # why";
    let wanted = ["duet", "conflicts", "resolve", "$id", "--note", "a # b", "--by", ""];
    assert_eq!(words(line), wanted);
    assert_eq!(words("duet run &"), ["duet", "run"]);
    let page = "```sh parsed\n$ duet a\nls\n```\n```text\nduet b\n```\n```sh test\nduet c\n```\n";
    assert_eq!(calls(page), ["duet a", "duet c"]);
    let wrong = words("duet check --sceham").into_iter().map(Into::into);
    assert!(Cli::read(wrong.collect()).is_err());
}
