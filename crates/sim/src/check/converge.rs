//! What holds of the whole: both sides agree, nothing is doubled, nothing is made up, nothing is
//! written without need, nothing is left over.

use super::account::excuse;
use super::history::{By, Change, Fields, Place};
use super::{Broke, Evidence, Verdict};
use std::collections::BTreeSet;

/// Checks all of it.
pub(super) fn check(evidence: &Evidence, verdict: &mut Verdict) {
    for code in evidence.codes() {
        pairs(evidence, code, verdict);
        invented(evidence, code, verdict);
    }
    echoes(evidence, verdict);
    let tables = &evidence.tables;
    for call in tables.calls.iter().filter(|call| !call.is_parked) {
        verdict.broke(Broke::NotDrained, format!("{} of link {}", call.what, call.link));
    }
    for what in &tables.unsettled {
        verdict.broke(Broke::NotDrained, what.clone());
    }
}

/// One record on each side, or none on both, and the same in both: else something says why.
fn pairs(evidence: &Evidence, code: &str, verdict: &mut Verdict) {
    let [left, right] = Place::BOTH.map(|place| evidence.present(place, code));
    for (place, present) in [(Place::Left, &left), (Place::Right, &right)] {
        if present.len() > 1 {
            let records: Vec<&str> = present.iter().map(|(record, _)| *record).collect();
            verdict.broke(Broke::Doubled, format!("{place:?} {code}: {records:?}"));
        }
    }
    let sides = [(Place::Left, &left, &right), (Place::Right, &right, &left)];
    for (place, here, there) in sides {
        for (record, fields) in here {
            for field in differing(fields, there.first().map(|(_, fields)| *fields)) {
                if excuse(evidence, code, field).is_none() {
                    let what = format!("{place:?} {record} {code} {field}: {fields:?} {there:?}");
                    verdict.broke(Broke::NotConverged, what);
                }
            }
        }
    }
}

/// The columns in which two records differ; all of them, if one isn't there.
fn differing<'a>(one: &'a Fields, other: Option<&'a Fields>) -> BTreeSet<&'a str> {
    let columns = one.keys().chain(other.into_iter().flat_map(Fields::keys));
    let differ = |column: &&String| {
        other.is_none_or(|other| other.get(column.as_str()) != one.get(column.as_str()))
    };
    columns.filter(differ).map(String::as_str).collect()
}

/// What duet wrote somebody had entered before, for this record and this field.
fn invented(evidence: &Evidence, code: &str, verdict: &mut Verdict) {
    let mut entered: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (place, change) in in_order(evidence) {
        let Some(after) = change.after.as_ref() else { continue };
        if after.get(super::CODE).is_none_or(|own| own != code) {
            continue;
        }
        for (field, value) in after.iter().filter(|(field, _)| change.of(field).is_some()) {
            let key = (field.as_str(), value.as_str());
            if change.by == By::Person {
                entered.insert(key);
            } else if !entered.contains(&key) {
                let what = format!("{place:?} {} {field} = {value}", change.record);
                verdict.broke(Broke::Invented, what);
            }
        }
    }
}

/// Changes of both sides in the order in which they could be seen.
fn in_order(evidence: &Evidence) -> Vec<(Place, &Change)> {
    let of = |place| evidence.of(place).changes.iter().map(move |change| (place, change));
    let mut all: Vec<(Place, &Change)> = Place::BOTH.into_iter().flat_map(of).collect();
    // At one instant people come first: duet writes what it has read.
    all.sort_by_key(|(_, change)| (change.at, change.is_ours()));
    all
}

/// Nobody edits in the quiet period, so there is nothing to write.
fn echoes(evidence: &Evidence, verdict: &mut Verdict) {
    let (left, right) = evidence.quiet_from;
    for (place, from) in [(Place::Left, left), (Place::Right, right)] {
        for change in evidence.of(place).changes.iter().skip(from) {
            verdict.broke(Broke::Echo, format!("{place:?} {}: {:?}", change.record, change.after));
        }
    }
}
