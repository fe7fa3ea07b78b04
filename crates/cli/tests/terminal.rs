//! What people meet at a terminal, through a pipe and with a screen reader: colour, redrawing, widths
//! and questions. A terminal is made by `script`, 80 columns wide.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const DUET: &str = env!("CARGO_BIN_EXE_duet");
/// What begins every instruction to a terminal.
const ESCAPE: char = '\u{1b}';

type Variables<'a> = &'a [(&'a str, &'a str)];

fn set(command: &mut Command, folder: &Path, variables: Variables<'_>) {
    let path = ("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.current_dir(folder).env_clear().env("TERM", "xterm").envs([path]);
    command.envs(variables.iter().copied());
}

/// Starts a line of the shell on a terminal of its own.
fn terminal(folder: &Path, line: &str, variables: Variables<'_>) -> Child {
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 80 rows 24; {DUET} {line}"), "/dev/null"]);
    set(&mut script, folder, variables);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// All that a command shows on a terminal, and its exit code.
fn shown(
    folder: &Path,
    line: &str,
    variables: Variables<'_>,
    typed: &str,
) -> (String, Option<i32>) {
    let mut child = terminal(folder, line, variables);
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&done.stdout).replace('\r', ""), done.status.code())
}

fn piped(folder: &Path, words: &[&str], variables: Variables<'_>) -> Output {
    let mut duet = Command::new(DUET);
    set(&mut duet, folder, variables);
    duet.args(words).stdin(Stdio::null()).output().unwrap()
}

/// A project that runs alone, with everything that its configuration names set.
fn project() -> (TempDir, Vec<(&'static str, &'static str)>) {
    let folder = TempDir::new().unwrap();
    let done = piped(folder.path(), &["init", "--external", "sqlite"], &[]);
    assert!(done.status.success(), "{done:?}");
    let variables = vec![
        ("SF_LOGIN_URL", "https://login.salesforce.com"),
        ("SF_CLIENT_ID", "a"),
        ("SF_CLIENT_SECRET", "b"),
    ];
    (folder, variables)
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let folder = TempDir::new().unwrap();
    // A message of duet's own, one of the command line's, and help.
    for line in ["status", "status --nonsense", "--help"] {
        let on = |variables: Variables<'_>| shown(folder.path(), line, variables, "").0;
        assert!(on(&[]).contains(ESCAPE), "{line}: colour on a terminal");
        for unwelcome in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let told = on(&[unwelcome]);
            assert!(!told.contains(ESCAPE), "{line} {unwelcome:?}: {told:?}");
        }
        assert!(on(&[("NO_COLOR", "")]).contains(ESCAPE), "{line}: empty means unset");
        let never = format!("--color never {line}");
        assert!(!shown(folder.path(), &never, &[], "").0.contains(ESCAPE), "{never}");
        let through = |words: &str, variables: Variables<'_>| {
            let words: Vec<&str> = words.split(' ').collect();
            let done = piped(folder.path(), &words, variables);
            String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap()
        };
        assert!(!through(line, &[]).contains(ESCAPE), "{line}: none through a pipe");
        let forced = through(line, &[("CLICOLOR_FORCE", "1")]);
        assert!(forced.contains(ESCAPE), "{line}: forced");
        let always = format!("--color always {line}");
        assert!(through(&always, &[("NO_COLOR", "1")]).contains(ESCAPE), "{always}");
    }
}

/// Reads what a command shows until it has shown some text so often, and ends it.
fn shown_until(mut child: Child, text: &str, times: usize) -> String {
    let (mut out, mut told) = (child.stdout.take().unwrap(), String::new());
    let mut buffer = [0; 4096];
    while told.matches(text).count() < times {
        let read = out.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended: {told}");
        told.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

#[test]
fn what_is_shown_again_and_again_is_redrawn_only_where_it_may_be() {
    let (folder, variables) = project();
    let watched = |more: Variables<'_>| {
        let variables = [&variables[..], more].concat();
        shown_until(terminal(folder.path(), "status --watch", &variables), "READ LEFT", 2)
    };
    assert!(watched(&[]).contains("\u{1b}[2J"), "a terminal is cleared");
    for plain in [("DUET_ACCESSIBLE", "1"), ("ACCESSIBLE", "1"), ("TERM", "dumb")] {
        let told = watched(&[plain]);
        assert!(!told.contains(ESCAPE), "{plain:?}: {told:?}");
    }
    assert!(watched(&[("DUET_ACCESSIBLE", "0")]).contains(ESCAPE), "0 means no");
}

#[test]
fn through_a_pipe_a_new_project_reads_so() {
    let (folder, variables) = project();
    let done = piped(folder.path(), &["status"], &variables);
    let told = String::from_utf8(done.stdout).unwrap();
    let wanted = " FLOW       STATE  LINKED  ALONE  ACTIVE  WAIT  OPEN  KEPT  ERRORS  DEAD
 customers  new    0       0      0       0     0     0     0       0
 orders     new    0       0      0       0     0     0     0       0
 products   new    0       0      0       0     0     0     0       0
";
    assert!(told.starts_with(wanted), "{told}");
    assert_eq!(
        (done.status.code(), String::from_utf8(done.stderr).unwrap().as_str()),
        (Some(0), "")
    );
    let accessible = [&variables[..], &[("ACCESSIBLE", "1"), ("NO_COLOR", "1")]].concat();
    let (same, _) = shown(folder.path(), "status", &accessible, "");
    assert_eq!(same.trim(), told.trim(), "a terminal shows the same");
}

#[test]
fn everything_fits_80_columns() {
    let (folder, variables) = project();
    let mut lines =
        vec!["status".to_owned(), "conflicts list".to_owned(), "errors list".to_owned()];
    lines.push("-C absent status".to_owned());
    let page = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/commands.md"),
    );
    let page = page.unwrap();
    let commands = page.lines().filter_map(|line| line.strip_prefix("## `duet "));
    lines.extend(commands.map(|name| format!("{} --help", name.trim_end_matches('`'))));
    lines.push("--help".to_owned());
    assert!(lines.len() > 25, "{lines:?}");
    let mut wide = Vec::new();
    for line in lines {
        let plain = [&variables[..], &[("NO_COLOR", "1")]].concat();
        let (told, _) = shown(folder.path(), &line, &plain, "");
        assert!(!told.trim().is_empty(), "{line}");
        let long = told.lines().filter(|text| text.chars().count() > 80);
        wide.extend(long.map(|text| format!("{line}: {text}")));
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

fn written(folder: &Path) -> String {
    fs::read_to_string(folder.join("duet.toml")).unwrap_or_default()
}

#[test]
fn init_asks_where_somebody_can_answer_and_nothing_was_said() {
    let asked = |line: &str, typed: &str| {
        let folder = TempDir::new().unwrap();
        let (told, code) = shown(folder.path(), line, &[], typed);
        (told, code, written(folder.path()))
    };
    let (told, code, file) = asked("init", "2\n2\n");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("External system?  1 postgres  2 sqlite  [1] > "), "{told}");
    assert!(file.contains("kind    = \"sqlite\"") && file.contains("\n[hub]\n"), "{file}");
    let (told, code, file) = asked("init", "\nnowhere\n1\n");
    assert!(code == Some(0) && told.contains("a number from 1 to 2"), "{told}");
    assert!(file.contains("kind    = \"postgres\"") && !file.contains("\n[hub]\n"), "{file}");
    let (told, code, file) = asked("init", "7\n8\n9\n");
    assert_eq!((code, file.as_str()), (Some(64), ""), "{told}");
    assert!(told.contains("--no-input"), "{told}");
    for silent in ["init --no-input", "init --external postgres"] {
        let (told, code, file) = asked(silent, "");
        assert!(code == Some(0) && !told.contains('?'), "{silent}: {told}");
        assert!(file.contains("kind    = \"postgres\"") && !file.contains("\n[hub]\n"), "{file}");
    }
    let folder = TempDir::new().unwrap();
    let done = piped(folder.path(), &["init", "--servers"], &[]);
    assert!(done.status.success() && done.stderr.is_empty(), "a pipe answers nothing: {done:?}");
    assert!(written(folder.path()).contains("\n[hub]\n"));
}
