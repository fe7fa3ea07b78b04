//! Decisions in words: the row, the rule and the outcome that are stored, with the sides called by
//! their names. Adds nothing to them.

use super::flows::Flow;
use duet_core::stamp::Stamp;
use duet_desk::explain::{Decision, Explanation};

/// What each word of a rule is called here.
const NAMES: [(&str, &str); 6] = [
    ("trunk := left", "Salesforce's value is agreed"),
    ("trunk := right", "the shop's value is agreed"),
    ("trunk := merged", "what both come to is agreed"),
    ("trunk := the same", "it is agreed"),
    ("left", "Salesforce"),
    ("right", "the shop"),
];

/// What was decided about fields of a record since then; without fields, about the record.
pub(crate) fn decided(told: &Explanation, fields: &[&str], since: Stamp) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let about = told.fields.iter().filter(|field| fields.contains(&field.name.as_str()));
    let of_fields = about.filter_map(|field| field.decision.as_ref());
    let of_record = told.decision.iter().filter(|_| fields.is_empty());
    for decision in of_fields.chain(of_record).filter(|decision| decision.at >= since) {
        let line = sentence(decision);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
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
            "only the shop moved -> the shop's value is agreed, write Salesforce"
        );
        assert_eq!(
            named("merge counter -> trunk := merged"),
            "merge counter -> what both come to is agreed"
        );
        assert_eq!(named("left alone, leftover, left."), "left alone, leftover, Salesforce.");
    }
}
