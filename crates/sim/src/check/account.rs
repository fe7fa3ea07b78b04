//! Where each edit ended: in exactly one account, or lost.

use super::history::{By, Change, Place};
use super::{Broke, CODE, Evidence, Verdict};
use serde::Serialize;

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Both sides hold it.
    Agreed,
    /// Somebody replaced or deleted it on its own side.
    ReplacedAtHome,
    /// It reached the other side, and somebody replaced or deleted it there.
    ReplacedAfterwards,
    /// A decision overwrote it, and a conflict keeps it.
    Overwritten,
    /// A person saw it in a conflict and decided otherwise; the conflict holds later values by now.
    Decided,
    /// A conflict waits for a person.
    Held,
    /// A call waits for a person.
    Failed,
    /// A dead letter waits for a person.
    Dead,
    /// The records were taken apart by a policy or a person.
    Apart,
    /// It was saved in the very second of the version that was read, by a transaction that was still
    /// open then: the stated exception of a side that stamps whole seconds.
    SameSecond,
}

/// One edit of one field.
struct Edit<'a> {
    place: Place,
    /// Its place in the history.
    at: usize,
    change: &'a Change,
    code: &'a str,
    field: &'a str,
    value: &'a str,
}

/// Accounts for every edit.
pub(super) fn check(evidence: &Evidence, verdict: &mut Verdict) {
    for place in Place::BOTH {
        for edit in edits(evidence, place) {
            verdict.edits += 1;
            match of(evidence, &edit) {
                Ok(account) => *verdict.accounts.entry(account).or_default() += 1,
                Err(broke) => verdict.broke(broke, told(&edit)),
            }
        }
    }
}

fn told(edit: &Edit<'_>) -> String {
    let Edit { place, change, field, value, .. } = edit;
    format!("{place:?} {} {field} = {value}, edited at {}", change.record, change.at)
}

fn edits(evidence: &Evidence, place: Place) -> Vec<Edit<'_>> {
    let mut edits = Vec::new();
    for (at, change) in evidence.of(place).changes.iter().enumerate() {
        let Some(after) = change.after.as_ref().filter(|_| change.by == By::Person) else {
            continue;
        };
        let Some(code) = after.get(CODE) else { continue };
        for (field, value) in after.iter().filter(|(field, _)| change.of(field).is_some()) {
            edits.push(Edit { place, at, change, code, field, value });
        }
    }
    edits
}

fn of(evidence: &Evidence, edit: &Edit<'_>) -> Result<Account, Broke> {
    let later = evidence.of(edit.place).changes.iter().skip(edit.at + 1);
    let mut its = later.filter(|change| change.record == edit.change.record);
    match its.find(|change| change.of(edit.field).is_some()) {
        None => standing(evidence, edit),
        Some(change) if change.by == By::Person => Ok(Account::ReplacedAtHome),
        Some(change) => overwritten(evidence, edit, change),
    }
}

/// Nobody touched it since.
fn standing(evidence: &Evidence, edit: &Edit<'_>) -> Result<Account, Broke> {
    let partners = evidence.present(edit.place.other(), edit.code);
    let agrees = |value: Option<&String>| value.is_some_and(|value| value == edit.value);
    if !partners.is_empty() && partners.iter().all(|(_, held)| agrees(held.get(edit.field))) {
        return Ok(Account::Agreed);
    }
    excuse(evidence, edit.code, edit.field).ok_or(Broke::NotConverged)
}

/// What says why a field of the records of a code isn't the same on both sides.
pub(super) fn excuse(evidence: &Evidence, code: &str, field: &str) -> Option<Account> {
    let (tables, records) = (&evidence.tables, evidence.records(code));
    if tables.about(&tables.conflicts, &records, field).any(|conflict| conflict.holds) {
        return Some(Account::Held);
    }
    let is_parked = |link: &str| tables.calls.iter().any(|one| one.link == link && one.is_parked);
    if tables.links_of(&records).any(|link| is_parked(&link.id)) {
        return Some(Account::Failed);
    }
    if !tables.dead.is_disjoint(&records) {
        return Some(Account::Dead);
    }
    tables.links_of(&records).any(|link| link.is_apart).then_some(Account::Apart)
}

/// duet replaced or deleted it.
fn overwritten(evidence: &Evidence, edit: &Edit<'_>, by: &Change) -> Result<Account, Broke> {
    if was_replaced_there(evidence, edit) {
        return Ok(Account::ReplacedAfterwards);
    }
    let key = (edit.field.to_owned(), edit.value.to_owned());
    let (tables, records) = (&evidence.tables, evidence.records(edit.code));
    for (rows, account) in
        [(&tables.conflicts, Account::Overwritten), (&tables.decided, Account::Decided)]
    {
        let mut about = tables.about(rows, &records, edit.field);
        if about.any(|one| one.values.contains(&key) && one.opened_at <= by.at) {
            return Ok(account);
        }
    }
    if is_of_the_same_second(evidence, edit, by) {
        return Ok(Account::SameSecond);
    }
    Err(Broke::Lost)
}

/// Whether it was on the other side, and somebody there saw and replaced or deleted it.
fn was_replaced_there(evidence: &Evidence, edit: &Edit<'_>) -> bool {
    let (other, records) = (edit.place.other(), evidence.records(edit.code));
    evidence.of(other).changes.iter().any(|change| {
        let held = change.of(edit.field).and_then(|(before, _)| before);
        records.contains(&(other, change.record.clone()))
            && change.by == By::Person
            && change.at >= edit.change.at
            && held == Some(edit.value)
    })
}

/// The version check of a side that stamps whole seconds can't see an edit that carries the stamp
/// of the version that was read, and became visible only after a reading of it counted as fresh.
fn is_of_the_same_second(evidence: &Evidence, edit: &Edit<'_>, by: &Change) -> bool {
    let grain = evidence.of(edit.place).grain;
    let By::Duet { expected: Some(expected) } = by.by else { return false };
    if grain == 0 {
        return false;
    }
    let second = edit.change.stamp - edit.change.stamp.rem_euclid(grain);
    expected == second && edit.change.at >= second + 2 * grain
}
