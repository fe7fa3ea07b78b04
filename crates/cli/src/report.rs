//! What people see when something is wrong: kind, sentence, place, hint. On stderr, or as JSON on
//! stdout where a program asked.

use crate::args::Format;
use crate::exit::Failure;
use crate::output;
use duet_config::Mistake;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Prints every mistake of a configuration.
pub(crate) fn mistakes(mistakes: &[Mistake], format: Format, color: bool) {
    match format {
        Format::Text => {
            for mistake in mistakes {
                eprint(&paint(&fitted(&mistake.to_string()), color));
            }
        }
        Format::Json | Format::Jsonl => {
            let all: Vec<Value> = mistakes.iter().map(document).collect();
            let printed = output::result(format, "mistakes", &all, String::new);
            debug_assert!(printed.is_ok(), "JSON values have no failing serializer");
        }
    }
}

/// A mistake for programs.
pub(crate) fn document(mistake: &Mistake) -> Value {
    json!({
        "code": mistake.code.to_string(),
        "severity": if mistake.is_warning() { "warning" } else { "error" },
        "file": mistake.file,
        "line": mistake.line,
        "column": mistake.column,
        "message": mistake.sentence,
        "help": mistake.help,
    })
}

/// How many errors and warnings.
pub(crate) fn summary(mistakes: &[Mistake]) -> String {
    summary_with(mistakes, (0, 0))
}

/// The same with errors and warnings that no file holds.
pub(crate) fn summary_with(mistakes: &[Mistake], others: (u64, u64)) -> String {
    let warnings = mistakes.iter().filter(|mistake| mistake.is_warning()).count();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let errors = number(mistakes.len() - warnings).saturating_add(others.0);
    let warnings = number(warnings).saturating_add(others.1);
    let errors = output::count(errors, "error", "errors");
    format!("{errors}, {}", output::count(warnings, "warning", "warnings"))
}

/// Prints a remark about a result that stands on stdout.
pub(crate) fn note(text: &str) {
    eprint(text);
}

/// Prints why a command failed: sentence, causes, hint. Where a program reads, as one line of JSON,
/// the last one on stderr: a result may stand on stdout already.
pub(crate) fn failure(failure: &Failure, format: Format, color: bool) {
    match format {
        Format::Text => eprint(&paint(&fitted(&told(failure)), color)),
        Format::Json | Format::Jsonl => eprint(&failed(failure).to_string()),
    }
}

/// A failure for programs.
fn failed(failure: &Failure) -> Value {
    json!({
        "schema": "duet.failure.v1",
        "exit": failure.exit as u8,
        "message": failure.sentence,
        "causes": causes(failure),
        "help": failure.hint,
    })
}

/// What led to it, the nearest first. A cause that was told already is left out: many errors repeat
/// the one below them.
fn causes(failure: &Failure) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in failure.source.iter().flat_map(anyhow::Error::chain) {
        let cause = cause.to_string();
        let is_told = |text: &String| text.contains(&cause);
        if !is_told(&failure.sentence) && !causes.iter().any(is_told) {
            causes.push(cause);
        }
    }
    causes
}

/// Sentence, causes and hint.
fn told(failure: &Failure) -> String {
    let mut text = format!("error: {}", failure.sentence);
    for cause in causes(failure) {
        text.push_str("\n  because: ");
        text.push_str(&cause);
    }
    if let Some(hint) = &failure.hint {
        text.push_str("\n  = help: ");
        text.push_str(hint);
    }
    text
}

/// Sentences and hints as a terminal holds them; a line of a file that is shown stays one, as what is
/// below it points into it.
fn fitted(text: &str) -> String {
    const INDENT: usize = 4;
    let is_prose = |line: &&str| {
        let line = line.trim_start();
        ["error", "warning", "because: ", "= help: "].iter().any(|begin| line.starts_with(begin))
    };
    let line = |line: &str| match Some(line).filter(is_prose) {
        Some(prose) => output::fitted(prose, INDENT),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn eprint(text: &str) {
    let told = writeln!(io::stderr().lock(), "{}", text.trim_end());
    // Nobody is left to be told; the exit code still says it.
    drop(told);
}

/// Red and yellow heads on a terminal; the words say the same without them.
fn paint(text: &str, color: bool) -> String {
    if !color {
        return text.to_owned();
    }
    let coloured = |text: &str, word: &str, code: &str| {
        let painted = |rest| format!("\u{1b}[{code}m{word}\u{1b}[0m{rest}");
        text.strip_prefix(word).map(painted)
    };
    coloured(text, "error", "1;31")
        .or_else(|| coloured(text, "warning", "1;33"))
        .unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    //! Shows what is told of a chain of causes.

    use super::*;
    use crate::exit::Exit;
    use anyhow::anyhow;

    #[test]
    fn every_cause_is_told_once_and_the_hint_last() {
        let cause = anyhow!("permission denied").context("can't use org.jsonl");
        let failure =
            Failure::new(Exit::Failed, "it can't start").hint("try another").because(cause);
        let wanted = "error: it can't start\n  because: can't use org.jsonl\n  \
            because: permission denied\n  = help: try another";
        assert_eq!(told(&failure), wanted);
        let document = json!({
            "schema": "duet.failure.v1", "exit": 1, "message": "it can't start",
            "causes": ["can't use org.jsonl", "permission denied"], "help": "try another",
        });
        assert_eq!(failed(&failure), document);
        let repeats = anyhow!("refused").context("IO error: refused").context("it is away");
        let failure = Failure::new(Exit::Connection, "it is away").because(repeats);
        assert_eq!(told(&failure), "error: it is away\n  because: IO error: refused");
        assert_eq!(told(&Failure::new(Exit::Usage, "no")), "error: no");
    }

    #[test]
    fn only_the_first_word_is_painted() {
        assert_eq!(paint("error: an error", true), "\u{1b}[1;31merror\u{1b}[0m: an error");
        assert_eq!(paint("warning[D1]: x", true), "\u{1b}[1;33mwarning\u{1b}[0m[D1]: x");
        assert_eq!(paint("note: x", true), "note: x");
        assert_eq!(paint("error: x", false), "error: x");
    }
}
