//! The checker: judges a run by what the sides' histories say, and by what duet's tables recorded.
//!
//! It shares no code with duet's decisions and knows none of its types: a mistake there must not be
//! repeated here. Every edit lands in exactly one account; what fits no account is a violation.
//! Values are unique in a run, so that each of them is one edit wherever it turns up.

mod account;
mod converge;
pub mod history;
pub mod tables;
#[cfg(test)]
mod tests;

pub use account::Account;

use history::{By, Fields, History, Place};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tables::Tables;

/// The column by which records belong together.
const CODE: &str = "code";

/// What a run left behind.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What happened on the left.
    pub left: History,
    /// What happened on the right.
    pub right: History,
    /// What duet recorded.
    pub tables: Tables,
    /// Changes on the left and on the right when the quiet period began, in which nobody edits.
    pub quiet_from: (usize, usize),
}

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Broke {
    /// An edit was overwritten, and nothing says so.
    Lost,
    /// The sides differ, and nothing says why.
    NotConverged,
    /// There are two records where there was one.
    Doubled,
    /// Something was written although nothing was edited.
    Echo,
    /// A value was written that nobody ever entered for this record and field.
    Invented,
    /// Something is still under way although there is nothing to wait for.
    NotDrained,
}

/// A promise that was broken, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub broke: Broke,
    /// Where, and what was found.
    pub what: String,
}

/// The account of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Edits of people.
    pub edits: u64,
    /// How many of them are in each account; the sum is `edits` unless one was lost.
    pub accounts: BTreeMap<Account, u64>,
    /// What was wrong.
    pub violations: Vec<Violation>,
}

impl Verdict {
    fn broke(&mut self, broke: Broke, what: String) {
        self.violations.push(Violation { broke, what });
    }
}

impl Evidence {
    /// The history of a side.
    #[must_use]
    pub fn of(&self, place: Place) -> &History {
        match place {
            Place::Left => &self.left,
            Place::Right => &self.right,
        }
    }

    /// Everything that a record of this code ever was called.
    fn records(&self, code: &str) -> BTreeSet<(Place, String)> {
        let is_its = |fields: &Option<Fields>| {
            fields.as_ref().and_then(|fields| fields.get(CODE)).is_some_and(|own| own == code)
        };
        let of = |place| {
            let changes = self.of(place).changes.iter();
            let its = changes.filter(|change| is_its(&change.before) || is_its(&change.after));
            its.map(move |change| (place, change.record.clone()))
        };
        Place::BOTH.into_iter().flat_map(of).collect()
    }

    /// The records of this code that are there.
    fn present(&self, place: Place, code: &str) -> Vec<(&str, &Fields)> {
        let rows = self.of(place).rows.iter();
        let its = rows.filter(|(_, fields)| fields.get(CODE).is_some_and(|own| own == code));
        its.map(|(record, fields)| (record.as_str(), fields)).collect()
    }

    /// Every code that a person ever entered.
    fn codes(&self) -> BTreeSet<&str> {
        let all = Place::BOTH.into_iter().flat_map(|place| &self.of(place).changes);
        let theirs = all.filter(|change| change.by == By::Person);
        theirs.filter_map(|change| Some(change.after.as_ref()?.get(CODE)?.as_str())).collect()
    }
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    account::check(evidence, &mut verdict);
    converge::check(evidence, &mut verdict);
    verdict
}
