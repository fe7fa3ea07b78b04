//! The end of the demo in words: the account, what waits for a person, and what to try next. Commands
//! are printed as they can be typed, with the folder and the program that was started.

use super::account::{Account, Edits, Explained};
use super::compare::Counts;
use super::edit::Reason;
use super::folder::{METADATA, ORG};
use crate::output::{count, short, table, wrapped};
use duet_core::conflict::ConflictKind;
use std::fmt::Write as _;

/// Where the text of the account begins.
const INDENT: usize = 1;

/// How the program was started, as far as it can be typed again.
pub(crate) fn program() -> String {
    let typed = std::env::args().next().unwrap_or_default();
    let is_path = typed.contains('/');
    if is_path { quoted(&typed) } else { "duet".to_owned() }
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@,".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The whole ending.
pub(crate) fn text(account: &Account, program: &str, keeps: bool) -> String {
    let mut text = String::from("\nThe account, checked against what both sides really hold\n\n");
    text.push_str(&records(account));
    let _ = write!(text, "\n\n{}", sentences(account));
    if !account.conflicts.is_empty() {
        let _ = write!(text, "\n\nWaiting for a person\n\n{}", conflicts(account));
    }
    let _ = write!(text, "\n\n{}", next(account, program, keeps));
    text
}

fn records(account: &Account) -> String {
    let row = |(flow, counts): (&&str, &Counts)| {
        let Counts { left, right, pairs, differing } = counts;
        vec![
            (*flow).to_owned(),
            left.to_string(),
            right.to_string(),
            pairs.to_string(),
            differing.to_string(),
        ]
    };
    let head = ["FLOW", "SALESFORCE", "SHOP", "ON BOTH", "DIFFER"];
    table(&head, account.flows.iter().map(row).collect())
}

fn sentences(account: &Account) -> String {
    let lines = [edits(account), differences(account), work(account), verdict(account)];
    let lines = lines.map(|line| format!(" {}", wrapped(&line, INDENT)));
    lines.join("\n")
}

fn edits(account: &Account) -> String {
    let Edits { made, applied, merged, overruled, waiting, refused, kept_back, lost } =
        account.edits;
    let sign = if account.edits.balance() { "=" } else { "is not" };
    format!(
        "{made} edits by people {sign} {applied} on both sides + {merged} merged + {overruled} \
         overruled by a rule + {waiting} waiting for a person + {refused} refused + \
         {kept_back} kept back; {lost} lost, {} duplicated",
        account.duplicated,
    )
}

fn differences(account: &Account) -> String {
    let of = |is: fn(&Reason) -> bool| {
        account.differences.iter().filter(|one: &&Explained| is(&one.reason)).count()
    };
    let all = account.differences.len() + account.unexplained.len();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    format!(
        "{}: {} by an open conflict, {} by a refusal, {} by a value kept back; {} without a reason",
        count(number(all), "difference", "differences"),
        of(|reason| matches!(reason, Reason::Conflict { .. })),
        of(|reason| matches!(reason, Reason::Refused { .. })),
        of(|reason| matches!(reason, Reason::KeptBack { .. })),
        account.unexplained.len(),
    )
}

fn work(account: &Account) -> String {
    let run = &account.run;
    format!(
        "duet read {} changes and wrote {} records to Salesforce, {} to the shop; {} looks found \
         nothing new (mostly its own writes, seen again)",
        run.read, run.wrote_left, run.wrote_right, run.echoes,
    )
}

fn verdict(account: &Account) -> String {
    let seconds = account.run.took_ms / 1_000;
    if account.verified {
        return format!("verified, record by record and field by field, in {seconds} s");
    }
    let mut text = "NOT VERIFIED: please tell us, with the folder".to_owned();
    for difference in &account.unexplained {
        let told = serde_json::to_string(difference).unwrap_or_default();
        let _ = write!(text, "; {told}");
    }
    text
}

fn conflicts(account: &Account) -> String {
    let rows = account.conflicts.iter().map(|open| {
        let kind = serde_json::to_value(open.kind).unwrap_or_default();
        vec![
            short(&open.id),
            open.record.clone(),
            open.field.as_ref().map_or("(record)".to_owned(), ToString::to_string),
            kind.as_str().unwrap_or_default().to_owned(),
        ]
    });
    table(&["ID", "RECORD", "FIELD", "KIND"], rows.collect())
}

/// What to try: the conflict of the day's third scene is the one that is explained best.
fn next(account: &Account, program: &str, keeps: bool) -> String {
    let folder = quoted(&account.run.folder);
    let duet = format!("  {program} -C {folder}");
    let mut text = String::from("Try next (left is Salesforce, right is the shop)\n\n");
    let mut conflicts = account.conflicts.iter();
    if let Some(open) = conflicts.find(|open| open.kind == ConflictKind::BothChanged) {
        let (id, record) = (short(&open.id), &open.record);
        let field =
            open.field.as_ref().map(|field| format!(" --field {field}")).unwrap_or_default();
        let _ = writeln!(text, "{duet} conflicts show {id}");
        let _ = writeln!(text, "{duet} explain {record}{field}");
        let _ = writeln!(text, "{duet} conflicts resolve {id} --take right");
        let _ = writeln!(text, "{duet} errors list");
        let _ = writeln!(text, "{duet} demo edit right {record} city=Oslo");
    }
    if keeps {
        text.push_str("\nduet goes on: what you decide or edit is carried out while you look. ");
        text.push_str("Ctrl-C ends it.\n");
    } else {
        text.push_str(&afterwards(account, program, &folder));
    }
    let _ = write!(text, "\nAll of it is in {folder}; delete that folder, and nothing is left.");
    text
}

/// How it goes on without this process.
fn afterwards(account: &Account, program: &str, folder: &str) -> String {
    let address = account.run.salesforce.trim_start_matches("http://");
    format!(
        "\nTo carry it out, start its Salesforce again, and let duet run\n\n  \
         {program} emulator --listen \
         {address} \\\n      --data {folder}/{ORG} \\\n      --metadata {folder}/{METADATA} &\n  \
         {program} -C {folder} run\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_are_quoted_where_they_must_be() {
        assert_eq!(quoted("/tmp/duet-demo-1"), "/tmp/duet-demo-1");
        assert_eq!(quoted("my demo"), "'my demo'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
