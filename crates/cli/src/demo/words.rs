//! Decisions in words: the row, the rule and the outcome that are stored, with the sides called by
//! their names. Adds nothing to them.

use super::flows::Flow;
use duet_core::stamp::Stamp;
use duet_desk::explain::{Decision, Explanation};
use duet_ports::inspect::DecisionRow;

/// What each word of a rule is called here.
const NAMES: [(&str, &str); 6] = [
    ("trunk := left", "take Salesforce's"),
    ("trunk := right", "take the shop's"),
    ("trunk := merged", "take what both come to"),
    ("trunk := the same", "take it"),
    ("left", "Salesforce"),
    ("right", "the shop"),
];

/// Rows that decide nothing about a record: what is known is waited for, or was carried out.
const CARRIED_OUT: [&str; 5] = ["R00", "R01", "R02", "R20", "H1"];

/// What was decided about fields of a record since then.
pub(crate) fn decided(told: &Explanation, fields: &[&str], since: Stamp) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let about = told.fields.iter().filter(|field| fields.contains(&field.name.as_str()));
    let decisions = about.filter_map(|field| field.decision.as_ref());
    for decision in decisions.filter(|decision| decision.at >= since) {
        let line = sentence(decision);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The last thing that was decided about a record as a whole since then.
pub(crate) fn decided_of_record(rows: &[DecisionRow], since: Stamp) -> Option<String> {
    let mut since = rows.iter().filter(|row| row.at >= since);
    let row = since.find(|row| !CARRIED_OUT.contains(&row.row.as_str()))?;
    Some(format!("{} ({})", named(&row.rule), row.row))
}

/// A decision as a sentence.
pub(crate) fn sentence(decision: &Decision) -> String {
    let Decision { row, rule, outcome, .. } = decision;
    let rest = if outcome.is_empty() { String::new() } else { format!(" -> {outcome}") };
    format!("{} ({row})", named(&format!("{rule}{rest}")))
}

/// What was written of fields of a record since then, side by side.
pub(crate) fn written(told: &Explanation, fields: &[&str], since: Stamp) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, of) in [("Salesforce", 0), ("shop", 1)] {
        let written = told.fields.iter().filter(|field| fields.contains(&field.name.as_str()));
        let parts: Vec<String> = written
            .filter_map(|field| {
                let write = [&field.written.left, &field.written.right][of].as_ref()?;
                let state = format!("{:?}", write.state).to_lowercase();
                (write.at >= since && state == "confirmed")
                    .then(|| format!("{} = {}", field.name, write.value))
            })
            .collect();
        if !parts.is_empty() {
            lines.push(format!("{name}: {}", parts.join(", ")));
        }
    }
    lines
}

/// The sides by their names.
pub(crate) fn named(text: &str) -> String {
    NAMES.iter().fold(text.to_owned(), |text, (from, to)| replaced(&text, from, to))
}

/// Every place where it stands as a word of its own; what is left alone is on no side.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let is_part = |letter: Option<char>| letter.is_some_and(|one| one.is_alphanumeric());
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let inside = is_part(before.chars().next_back())
            || is_part(after.chars().next())
            || after.starts_with(" alone");
        out.push_str(before);
        out.push_str(if inside { from } else { to });
        rest = after;
    }
    out + rest
}

/// A record as commands name it.
pub(crate) fn record(flow: &Flow, key: &str) -> String {
    format!("{}/{key}", flow.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_get_their_names_and_nothing_else_changes() {
        assert_eq!(
            named("only right moved -> trunk := right, write left"),
            "only the shop moved -> take the shop's, write Salesforce"
        );
        assert_eq!(
            named("merge counter -> trunk := merged"),
            "merge counter -> take what both come to"
        );
        assert_eq!(named("left alone, leftover, left."), "left alone, leftover, Salesforce.");
    }
}
