//! Help and usage: every command says what it does, fits a terminal, shows an example, and a
//! command line that can't be meant ends with 64.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use std::fs::File;
use std::process::{Command, Output, Stdio};

/// No line of a help text is longer.
const WIDTH: usize = 100;

/// Every command, and whether it must show an example.
const COMMANDS: [(&str, bool); 31] = [
    ("", true),
    ("init", true),
    ("completions", true),
    ("man", true),
    ("version", true),
    ("check", true),
    ("migrate", true),
    ("capture", false),
    ("capture install", true),
    ("capture remove", true),
    ("capture status", true),
    ("adopt", true),
    ("run", true),
    ("sync", true),
    ("status", true),
    ("explain", true),
    ("conflicts", false),
    ("conflicts list", true),
    ("conflicts show", true),
    ("conflicts resolve", true),
    ("errors", false),
    ("errors list", true),
    ("errors show", true),
    ("errors retry", true),
    ("errors discard", true),
    ("emulator", true),
    ("demo", true),
    ("demo edit", true),
    ("simulate", true),
    ("help", false),
    ("help conflicts", false),
];

fn duet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.args(arguments).env_clear().env("RUST_BACKTRACE", "1").output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_command_tells_what_it_does_and_how() {
    for (command, example) in COMMANDS {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        if !command.starts_with("help") {
            words.push("--help");
        }
        let done = duet(&words);
        let help = text(done.stdout);
        assert_eq!(done.status.code(), Some(0), "{command}");
        let first = help.lines().next().unwrap_or_default();
        assert!(first.len() > 10 && !first.starts_with("Usage"), "{command} says nothing: {help}");
        let shows = help.contains("Example:") || help.contains("Examples:");
        assert!(shows || !example, "{command} shows no example");
        assert!(!help.contains('\u{1b}'), "{command}: no colour through a pipe");
        for line in help.lines() {
            assert!(line.chars().count() <= WIDTH, "{command}: {line}");
        }
    }
}

/// Every command that the binary lists is in the list above.
#[test]
fn no_command_is_forgotten() {
    for (above, _) in COMMANDS {
        let words: Vec<&str> = above.split_whitespace().chain(["--help"]).collect();
        if above.starts_with("help") {
            continue;
        }
        let help = text(duet(&words).stdout);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap();
            let whole = format!("{above} {name}").trim().to_owned();
            let known = COMMANDS.iter().any(|(command, _)| *command == whole);
            assert!(known || name == "help", "{whole} is not tested");
        }
    }
}

#[test]
fn a_line_that_can_not_be_meant_ends_with_64() {
    for words in [
        &["frobnicate"][..],
        &[],
        &["check", "--frobnicate"],
        &["sync"],
        &["conflicts"],
        &["conflicts", "resolve"],
        &["conflicts", "resolve", "1", "--take", "left", "--value", "x"],
        &["simulate", "--seeds", "0"],
        &["simulate", "--seeds", "2", "--from", "18446744073709551615"],
        &["conflicts", "list", "--limit", "-1"],
        &["conflicts", "list", "--limit", "0"],
        &["conflicts", "list", "--limit", "9223372036854775807"],
        &["conflicts", "list", "--limit", "18446744073709551616"],
        &["conflicts", "resolve", "1", "--take", "left", "--instead-of", "9223372036854775808"],
        &["errors", "list", "--limit", "0"],
        &["errors", "list", "--limit", "1000001"],
        &["errors", "list", "--limit", "18446744073709551615"],
        &["emulator", "--seed", "18446744073709551616"],
        &["errors", "retry"],
        &["errors", "discard"],
        &["errors", "retry", "--all", "7c1e"],
        &["status", "-o", "yaml"],
        &["status", "--watch", "--check"],
        &["sync", "--flow", "customers"],
        &["status", "--color", "blue"],
        &["explain"],
        &["emulator", "--listen", "nowhere"],
        &["demo", "--seed", "-1"],
        &["demo", "--outage", "1h"],
        &["demo", "--outage", "0s"],
        &["demo", "--keep", "edit", "right", "customers/1001", "city=Oslo"],
        &["demo", "edit", "middle", "customers/1001", "city=Oslo"],
        &["demo", "edit", "right", "customers/1001"],
    ] {
        let done = duet(words);
        let told = text(done.stderr);
        assert_eq!(done.status.code(), Some(64), "{words:?}: {told}");
        assert!(!told.is_empty() && !told.contains("panicked"), "{words:?}: {told}");
    }
}

#[test]
fn the_version_is_told_to_people_and_programs() {
    let told = |words: &[&str]| text(duet(words).stdout);
    assert_eq!(told(&["version"]), told(&["--version"]));
    let document: Value = serde_json::from_str(&told(&["version", "--json"])).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(document, json!({ "schema": "duet.version.v1", "version": version }));
    for words in [&["version", "-o", "json"][..], &["--no-input", "version", "-o", "jsonl"]] {
        assert_eq!(told(words), told(&["version", "--json"]), "{words:?}");
    }
}

/// A program that asked for JSON gets the failure as the last line of stderr, and no result.
#[test]
fn a_failure_is_a_document_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent/org.jsonl");
    let emulator = ["emulator", "--listen", "127.0.0.1:0", "--data", absent.to_str().unwrap()];
    let nowhere = folder.path().to_str().unwrap();
    let cases: [(&[&str], u64, bool); 2] =
        [(&emulator, 1, true), (&["-C", nowhere, "status"], 4, false)];
    for (words, exit, caused) in cases {
        for format in ["json", "jsonl"] {
            let done = duet(&[words, &["-o", format]].concat());
            assert_eq!(done.status.code().map(i64::from), i64::try_from(exit).ok());
            let told = text(done.stderr);
            let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
            assert_eq!((&last["schema"], &last["exit"]), (&json!("duet.failure.v1"), &json!(exit)));
            assert!(last["message"].as_str().is_some_and(|text| !text.is_empty()), "{last}");
            assert_eq!(!last["causes"].as_array().unwrap().is_empty(), caused, "{last}");
        }
    }
}

#[test]
fn a_near_miss_is_suggested() {
    let told = text(duet(&["conflits"]).stderr);
    assert!(told.contains("conflicts"), "{told}");
}

#[test]
fn colour_comes_only_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.args(arguments).current_dir(folder.path()).env_clear().envs(variable);
        text(command.output().unwrap().stderr)
    };
    assert!(run(&["status", "--color", "always"], None).contains('\u{1b}'));
    assert!(!run(&["status", "--color", "never"], None).contains('\u{1b}'));
    assert!(!run(&["status"], Some(("NO_COLOR", "1"))).contains('\u{1b}'));
    assert!(!run(&["status"], Some(("CLICOLOR_FORCE", "0"))).contains('\u{1b}'));
}

/// Nobody reads: neither a closed pipe nor a full disk makes it panic.
#[test]
fn a_reader_that_is_gone_is_no_panic() {
    let duet = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.env_clear().stderr(Stdio::piped());
        command
    };
    for words in [&["--help"][..], &["conflicts", "--help"], &["--version"]] {
        let mut child = duet().args(words).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let told = text(child.wait_with_output().unwrap().stderr);
        assert_eq!(told, "", "{words:?}");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let done = duet().arg("--help").stdout(full).output().unwrap();
    assert!(!text(done.stderr).contains("panicked"));
}

/// The cause stands in the message: which address, which file, which line.
#[test]
fn why_the_emulator_does_not_start_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (torn, later) =
        (file("torn", "garbage\n"), file("v9", "{\"format\":\"duet-emulator\",\"version\":9}\n"));
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--listen", &taken], 1, &taken),
        (&["--listen", "0.0.0.0:0"], 1, "loopback"),
        (&["--listen", "127.0.0.1:0", "--data", &torn], 1, "line 1"),
        (&["--listen", "127.0.0.1:0", "--data", &later], 1, "line 1"),
        (&["--listen", "127.0.0.1:0", "--data", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (&["--listen", "127.0.0.1:0", "--metadata", "/nowhere"], 1, "/nowhere"),
        (&["--listen", "8080"], 64, "such as 127.0.0.1:8080"),
    ];
    for (arguments, code, word) in cases {
        let done = duet(&[&["emulator"], arguments].concat());
        let told = text(done.stderr);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.starts_with("error: ") && told.contains(word), "{arguments:?}: {told}");
    }
}

/// Every cause of a failure is told, and none twice.
#[test]
fn a_cause_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let busy = folder.path().join("absent/org.jsonl");
    let done = duet(&["emulator", "--listen", "127.0.0.1:0", "--data", busy.to_str().unwrap()]);
    let told = text(done.stderr);
    let causes: Vec<&str> = told.lines().filter(|line| line.contains("because: ")).collect();
    assert_eq!(causes.len(), 2, "the file, and what the system says: {told}");
    assert_ne!(causes[0], causes[1]);
}
