//! Results on stdout: a table or sentences for people, one JSON document for programs. Messages go
//! to stderr and are never mixed in.

use crate::args::Format;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when nobody reads any more.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Whether whoever read the results went away: there is no use in printing more.
pub(crate) fn is_unread() -> bool {
    UNREAD.load(Ordering::Relaxed)
}

/// Prints a result. The JSON document names its form, `duet.NAME.v1`; as lines, each row of a list
/// does, and what is no list is one line.
pub(crate) fn result<T: Serialize>(
    format: Format,
    name: &str,
    value: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match format {
        Format::Text => print(text().trim_end())?,
        Format::Json => print(&document(name, serde_json::to_value(value)?).to_string())?,
        Format::Jsonl => match rows(serde_json::to_value(value)?) {
            Ok(rows) => {
                for row in rows {
                    print(&document(name, row).to_string())?;
                }
            }
            Err(whole) => print(&document(name, whole).to_string())?,
        },
    }
    Ok(())
}

/// The document of some content; what is no object stands in `items`.
fn document(name: &str, content: Value) -> Value {
    let mut document = json!({ "schema": format!("duet.{name}.v1") });
    match content {
        Value::Object(fields) => {
            let document = document.as_object_mut().expect("made as an object above");
            document.extend(fields);
        }
        other => document["items"] = other,
    }
    document
}

/// The rows of a list, or the whole, if it is none.
fn rows(mut content: Value) -> Result<Vec<Value>, Value> {
    match &mut content {
        Value::Array(items) => Ok(std::mem::take(items)),
        Value::Object(fields) => match fields.get_mut("items") {
            Some(Value::Array(items)) => Ok(std::mem::take(items)),
            _ => Err(content),
        },
        _ => Err(content),
    }
}

/// A list that was asked for with a limit, one row above it: so it is known whether there are more.
#[derive(Serialize)]
pub(crate) struct Listed<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// There are more than the limit allows.
    more: bool,
    #[serde(skip)]
    limit: u64,
}

impl<T> Listed<T> {
    /// Of rows that were asked for with `limit + 1`.
    pub(crate) fn of(mut items: Vec<T>, limit: u64) -> Listed<T> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > most;
        items.truncate(most);
        Listed { items, more, limit }
    }

    /// Says on stderr that the list was cut.
    pub(crate) fn tell_more(&self) {
        if self.more {
            crate::report::note(&format!("only the first {}; --limit N shows more", self.limit));
        }
    }
}

/// Prints a line of a story that is told on stdout.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    Ok(print(text)?)
}

/// Prints a line. A reader that went away, such as `head`, has what it wanted.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            UNREAD.store(true, Ordering::Relaxed);
            Ok(())
        }
        other => other,
    }
}

/// Blanks that a table puts around a cell, both sides together.
const PADDING: u16 = 2;

/// A table without frames: aligned columns that read well at 80 characters and through a pipe.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    arranged(head, &rows, Table::new().width())
}

/// The table on a terminal of so many columns, or through a pipe: there every row is one line. What
/// doesn't fit breaks between words; where that isn't enough, each row becomes a block of its own.
fn arranged(head: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().copied());
    table.add_rows(rows.iter());
    let Some(width) = width else { return lines(&table) };
    let whole = lines(&table);
    if widest(&whole) <= usize::from(width) {
        return whole;
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for (at, column) in table.column_iter_mut().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(String::as_str);
        let words = cells.chain(head.get(at).copied()).flat_map(str::split_whitespace);
        let longest = words.map(|word| word.chars().count()).max().unwrap_or_default();
        let least = u16::try_from(longest).unwrap_or(u16::MAX).saturating_add(PADDING);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    let broken = lines(&table);
    if widest(&broken) <= usize::from(width) { broken } else { blocks(head, rows) }
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or_default()
}

/// One block a row: its first cell, then name and value of each other one that says something.
fn blocks(head: &[&str], rows: &[Vec<String>]) -> String {
    let names = || head.iter().skip(1);
    let width = names().map(|name| name.chars().count()).max().unwrap_or_default();
    let block = |row: &Vec<String>| {
        let mut text = row.first().cloned().unwrap_or_default();
        for (name, value) in names().zip(row.iter().skip(1)).filter(|(_, value)| !value.is_empty())
        {
            text.push_str(&format!("\n  {name:width$}  {value}"));
        }
        text
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
}

/// A text over several lines, each after the first begun with so many blanks.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 80;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("begun with one");
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// A text whose lines fit the terminal: what is too long goes on in the next line after so many
/// blanks, begun at a word where there is one. Through a pipe it stays as it is.
pub(crate) fn fitted(text: &str, indent: usize) -> String {
    match Table::new().width() {
        Some(width) => fitted_to(text, indent, usize::from(width)),
        None => text.to_owned(),
    }
}

fn fitted_to(text: &str, indent: usize, width: usize) -> String {
    let lines: Vec<String> = text.lines().flat_map(|line| continued(line, indent, width)).collect();
    lines.join("\n")
}

fn continued(line: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = line.chars().collect();
    while rest.len() > width && width > indent {
        let word = rest[..width].iter().rposition(|one| *one == ' ');
        let tail = rest.split_off(word.filter(|at| *at > indent).unwrap_or(width));
        lines.push(String::from_iter(rest).trim_end().to_owned());
        let tail = tail.into_iter().skip_while(|one| *one == ' ');
        rest = std::iter::repeat_n(' ', indent).chain(tail).collect();
    }
    lines.push(String::from_iter(rest));
    lines
}

/// A count with its noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A value short enough for a column of a list; `show` has the whole one.
pub(crate) fn clipped(value: &str) -> String {
    const WIDTH: usize = 20;
    let line = value.replace(char::is_control, " ");
    if line.chars().count() <= WIDTH {
        return line;
    }
    let head: String = line.chars().take(WIDTH - 1).collect();
    format!("{}\u{2026}", head.trim_end())
}

/// The first characters of an id: enough to type.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    //! Shows what is cut, and where.

    use super::*;

    #[test]
    fn a_long_text_is_wrapped_under_its_beginning() {
        let text = "word ".repeat(40);
        let wrapped = wrapped(&text, 10);
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("          word")));
        assert!(wrapped.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(wrapped.split_whitespace().count(), 40);
        assert_eq!(super::wrapped("", 10), "");
    }

    #[test]
    fn a_list_is_told_row_by_row_and_anything_else_whole() {
        let items = json!({ "items": [{ "a": 1 }, { "a": 2 }], "more": false });
        let two = vec![json!({ "a": 1 }), json!({ "a": 2 })];
        assert_eq!(rows(items), Ok(two.clone()));
        assert_eq!(rows(json!(two)), Ok(two));
        assert_eq!(rows(json!([])), Ok(Vec::new()));
        let whole = json!({ "items": 3 });
        assert_eq!(rows(whole.clone()), Err(whole));
        let told = document("errors", json!({ "a": 1 }));
        assert_eq!(told, json!({ "schema": "duet.errors.v1", "a": 1 }));
        assert_eq!(document("x", json!([1])), json!({ "schema": "duet.x.v1", "items": [1] }));
    }

    fn sample() -> (Vec<&'static str>, Vec<Vec<String>>) {
        let rows = [
            ["customers", "running", "91", "waits for a person to decide it"],
            ["lines", "paused", "2155", ""],
        ];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
        (vec!["FLOW", "STATE", "LINKED", "NOTE"], rows)
    }

    #[test]
    fn through_a_pipe_every_row_is_one_line() {
        let (head, rows) = sample();
        let piped = arranged(&head, &rows, None);
        assert_eq!(piped.lines().count(), 3, "{piped}");
        assert_eq!(arranged(&head, &rows, Some(80)), piped, "it fits");
        assert_eq!(arranged(&head, &[], None).trim(), "FLOW  STATE  LINKED  NOTE");
    }

    #[test]
    fn a_terminal_that_is_too_narrow_breaks_between_words() {
        let (head, rows) = sample();
        let broken = arranged(&head, &rows, Some(50));
        assert!(widest(&broken) <= 50, "{broken}");
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(words(&broken), words(&arranged(&head, &rows, None)), "{broken}");
        assert!(broken.lines().count() > 3, "{broken}");
    }

    #[test]
    fn one_that_is_narrower_still_gets_blocks() {
        let (head, rows) = sample();
        let wanted = "customers\n  STATE   running\n  LINKED  91\n  NOTE    waits for a person to \
            decide it\nlines\n  STATE   paused\n  LINKED  2155";
        assert_eq!(arranged(&head, &rows, Some(20)), wanted);
    }

    #[test]
    fn lines_fit_a_narrow_terminal_and_lose_nothing() {
        let value = format!("    left   \"{}\"\n    short", "x y ".repeat(60));
        let told = fitted_to(&value, 11, 80);
        assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
        assert!(told.lines().skip(1).take(2).all(|line| line.starts_with("           ")));
        let plain = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(plain(&told), plain(&value));
        let unbroken = fitted_to(&"x".repeat(200), 11, 80);
        assert_eq!(unbroken.matches('x').count(), 200);
        assert!(unbroken.lines().all(|line| line.chars().count() <= 80), "{unbroken}");
        assert_eq!(fitted_to("narrow", 11, 5), "narrow");
    }

    #[test]
    fn a_long_value_is_clipped_and_paints_nothing() {
        assert_eq!(clipped("short"), "short");
        assert_eq!(clipped(&"x".repeat(30)), format!("{}\u{2026}", "x".repeat(19)));
        assert_eq!(clipped("a\u{1b}[31m\nb"), "a [31m b");
    }
}
