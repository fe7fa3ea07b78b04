//! A person at the desk: lists what waits, says who belongs to whom, decides, by the program's
//! commands only; and what must be told about what stays open. Edits are not its business.

use std::collections::BTreeSet;

use serde_json::Value;
use thiserror::Error;

use crate::duet::{Project, RunError};
use crate::flows;
use crate::northwind::{self, ShopError};
use crate::org::Org;

/// Every kind of choice about a text, in turn.
const CHOICES: [&[&str]; 4] =
    [&["--take", "left"], &["--take", "right"], &["--value", "by hand"], &["--null"]];
/// Fields of texts that nothing else depends on: any choice will do.
const TEXTS: [&str; 2] = ["phone", "fax"];

/// A field that stays open: the record, its field, and the left side's field.
pub type Open = (String, String, String);

/// Why the desk can't tell.
#[derive(Debug, Error)]
pub enum DeskError {
    /// A command failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The shop can't be read.
    #[error(transparent)]
    Shop(#[from] ShopError),
}

/// Conflicts that hold, or all that ever were, with every value.
///
/// # Errors
/// When the command fails.
pub fn conflicts(project: &Project, all: bool) -> Result<Vec<Value>, RunError> {
    let mut arguments = vec!["conflicts", "list", "--reveal", "--limit", "10000"];
    arguments.extend(all.then_some("--all"));
    let document = project.answer(&arguments)?;
    Ok(document["items"].as_array().cloned().unwrap_or_default())
}

/// Decides one conflict as it was seen.
///
/// # Errors
/// When the decision is refused.
pub fn resolve(project: &Project, conflict: &Value, choice: &[&str]) -> Result<(), RunError> {
    let (id, seen) = (text(&conflict["id"]), text(&conflict["seen"]));
    let arguments = ["conflicts", "resolve", id, "--seen", seen, "--by", "ann"];
    project.answer(&[&arguments[..], choice].concat()).map(drop)
}

/// Links every ambiguous record with the first of its candidates; answers the others, which stay
/// alone.
///
/// # Errors
/// When a decision is refused.
pub fn link_ambiguous(project: &Project) -> Result<Vec<String>, RunError> {
    let mut alone = Vec::new();
    for conflict in conflicts(project, false)? {
        if conflict["kind"] != "ambiguous_match" || conflict["state"] == "decided" {
            continue;
        }
        let candidates = conflict["candidates"].as_array().cloned().unwrap_or_default();
        let mut candidates = candidates.iter().map(text);
        resolve(project, &conflict, &["--link", candidates.next().unwrap_or_default()])?;
        alone.extend(candidates.map(str::to_owned));
    }
    Ok(alone)
}

/// Decides everything that waits but the ambiguous and what is kept, by every kind of choice;
/// answers how many decisions it were.
///
/// # Errors
/// When a decision is refused.
pub fn decide(project: &Project, keep: impl Fn(&Value) -> bool) -> Result<usize, RunError> {
    let mut next = CHOICES.into_iter().cycle();
    let mut decided = 0;
    let mut conflicts = conflicts(project, false)?;
    // Which choice meets which record isn't left to the order in which they came.
    conflicts.sort_by_key(|one| [&one["record"], &one["field"]].map(|part| text(part).to_owned()));
    for conflict in conflicts {
        if conflict["kind"] == "ambiguous_match" || conflict["state"] == "decided" {
            continue;
        }
        let choice = match text(&conflict["kind"]) {
            "duplicate" => &["--leave"][..],
            _ if TEXTS.contains(&text(&conflict["field"])) => next.next().unwrap_or(CHOICES[0]),
            _ => CHOICES[0],
        };
        if !keep(&conflict) {
            resolve(project, &conflict, choice)?;
            decided += 1;
        }
    }
    Ok(decided)
}

/// What isn't so of this: these conflicts are open and no other; of each both values are told as
/// they are, when they changed, and what was agreed.
///
/// # Errors
/// When a command fails or the shop can't be read.
pub async fn missing(
    project: &Project,
    shop: &str,
    org: &Org,
    open: &[Open],
) -> Result<Vec<String>, DeskError> {
    let conflicts = conflicts(project, false)?;
    let found: BTreeSet<_> =
        conflicts.iter().map(|one| (text(&one["record"]), text(&one["field"]))).collect();
    let listed: BTreeSet<_> =
        open.iter().map(|(record, field, _)| (record.as_str(), field.as_str())).collect();
    let other = found.symmetric_difference(&listed);
    let mut wrong: Vec<String> = other
        .map(|(record, field)| format!("{record} {field}: open, or listed, not both"))
        .collect();
    for (record, field, column) in open {
        let is_it = |one: &&Value| text(&one["record"]) == record && text(&one["field"]) == field;
        let Some(conflict) = conflicts.iter().find(is_it) else { continue };
        let shown = project.answer(&["conflicts", "show", text(&conflict["id"])])?;
        for (side, value) in
            ["left", "right"].into_iter().zip(held(shop, org, record, column).await?)
        {
            let stored = text(&shown["sides"][side]["values"][field]).trim_matches('"').to_owned();
            if stored != value || !shown["sides"][side]["changed"].is_array() {
                wrong.push(format!("{record} {field}: {side} is {value}: {shown}"));
            }
        }
        if !shown["agreed"][field].is_string() {
            wrong.push(format!("{record} {field}: what was agreed isn't told: {shown}"));
        }
    }
    Ok(wrong)
}

/// The text of a field on the left and on the right.
async fn held(shop: &str, org: &Org, record: &str, column: &str) -> Result<[String; 2], ShopError> {
    let (name, key) = record.split_once('/').unwrap_or((record, ""));
    let Some(flow) = flows::named(name) else { return Ok([String::new(), String::new()]) };
    let left = org.of(flow.object).find(|one| one.text("Ext__c") == Some(key));
    let left = left.and_then(|one| one.text(column)).unwrap_or_default().to_owned();
    let rows = northwind::rows(shop, flow).await?;
    let row = rows.iter().find(|row| row.key == key);
    let right = row.and_then(|row| row.values.get(column)).map(text).unwrap_or_default();
    Ok([left, right.to_owned()])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
