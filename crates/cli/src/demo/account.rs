//! The account at the end of the demo: what both sides hold, what became of every edit, what is open.
//! Every difference must have a reason, nothing may be lost, nothing may be there twice.

use super::compare::{Counts, Difference, Held, What};
use super::edit::{Did, Edit, Fate, Reason, fate};
use super::flows::{FLOWS, Flow};
use super::sample::Sample;
use super::stage::{Stage, all_records};
use crate::exit::Failure;
use duet_core::id::FieldName;
use duet_core::side::Side;
use duet_desk::conflicts::Shown;
use duet_ports::inspect::{ConflictFilter, LetterFilter};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// More than a demo makes.
const ALL: u64 = 1_000;

/// The account. The same seed gives the same one, but for `run` and for every `id`.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    /// What it grew from.
    pub(crate) seed: u64,
    /// It stands the check.
    pub(crate) verified: bool,
    /// Records, by flow.
    pub(crate) flows: BTreeMap<&'static str, Counts>,
    /// Edits, in numbers.
    pub(crate) edits: Edits,
    /// Records that are there twice.
    pub(crate) duplicated: usize,
    /// Changes that could not be decided.
    pub(crate) dead_letters: usize,
    /// What waits for a person.
    pub(crate) conflicts: Vec<Open>,
    /// Differences, each with its reason.
    pub(crate) differences: Vec<Explained>,
    /// Differences without one.
    pub(crate) unexplained: Vec<Difference>,
    /// Every edit.
    pub(crate) day: Vec<Fated>,
    /// What is different each time.
    pub(crate) run: Run,
}

/// How many edits people made, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Edits {
    /// All of them.
    pub(crate) made: usize,
    /// Both sides hold it.
    pub(crate) applied: usize,
    /// Both sides hold what several come to.
    pub(crate) merged: usize,
    /// A rule took the other one.
    pub(crate) overruled: usize,
    /// Waits for a person.
    pub(crate) waiting: usize,
    /// Refused by the other side.
    pub(crate) refused: usize,
    /// Doesn't fit there.
    pub(crate) kept_back: usize,
    /// Nobody knows.
    pub(crate) lost: usize,
}

/// An edit and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Fated {
    scene: usize,
    side: Side,
    record: String,
    #[serde(flatten)]
    did: Did,
    became: Fate,
}

/// A difference and its reason.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    /// What differs.
    #[serde(flatten)]
    pub(crate) difference: Difference,
    /// Why.
    #[serde(flatten)]
    pub(crate) reason: Reason,
}

/// A conflict that waits for a person.
#[derive(Debug, Serialize)]
pub(crate) struct Open {
    /// Its id.
    pub(crate) id: String,
    /// The record as commands name it; in Salesforce alone, by its address there.
    pub(crate) record: String,
    /// The field; none: the record.
    pub(crate) field: Option<FieldName>,
    /// Its kind.
    pub(crate) kind: duet_core::conflict::ConflictKind,
}

/// What is different each time: places, times, and work that depends on the moment.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Run {
    /// The folder that stays.
    pub(crate) folder: String,
    /// Where the emulator was.
    pub(crate) salesforce: String,
    /// Milliseconds from the first line to the account.
    pub(crate) took_ms: u64,
    /// Changes that duet read.
    pub(crate) read: u64,
    /// Of the looks at records, those where nothing was new: mostly its own writes, seen again.
    pub(crate) echoes: u64,
    /// Writes to Salesforce that landed, and to the shop.
    pub(crate) wrote_left: u64,
    /// The same of the shop.
    pub(crate) wrote_right: u64,
}

impl Edits {
    fn note(&mut self, fate: Fate) {
        self.made += 1;
        let count = match fate {
            Fate::Applied => &mut self.applied,
            Fate::Merged => &mut self.merged,
            Fate::Overruled => &mut self.overruled,
            Fate::Waits => &mut self.waiting,
            Fate::Refused => &mut self.refused,
            Fate::KeptBack => &mut self.kept_back,
            Fate::Lost => &mut self.lost,
        };
        *count += 1;
    }

    /// Every edit is in one place, and none is lost.
    pub(crate) fn balance(&self) -> bool {
        let found = self.applied + self.merged + self.overruled + self.waiting;
        found + self.refused + self.kept_back == self.made
    }
}

impl Account {
    /// Takes the account: reads both sides, and asks duet for reasons.
    pub(crate) async fn take(
        stage: &Stage,
        sample: &Sample,
        edits: &[Edit],
        seed: u64,
    ) -> Result<Account, Failure> {
        let held = Held::read(&stage.org, &stage.shop).await?;
        let evidence = stage.evidence().await?;
        let mut account = Account {
            seed,
            verified: false,
            flows: BTreeMap::new(),
            edits: Edits::default(),
            duplicated: 0,
            dead_letters: dead_letters(stage).await?,
            conflicts: open(stage).await?,
            differences: Vec::new(),
            unexplained: Vec::new(),
            day: Vec::new(),
            run: Run::default(),
        };
        for flow in FLOWS {
            let (counts, mut found) = held.compare(flow);
            found.extend(miscounted(flow, &counts, sample, edits));
            account.flows.insert(flow.name, counts);
            for difference in found {
                match evidence.explains(&held, &difference) {
                    Some(reason) => account.differences.push(Explained { difference, reason }),
                    None => account.unexplained.push(difference),
                }
            }
        }
        let is_twice = |one: &&Difference| matches!(one.what, What::Duplicate { .. });
        account.duplicated = account.unexplained.iter().filter(is_twice).count();
        for edit in edits {
            let became = fate(&held, &evidence, edit, counted(edits, edit));
            account.edits.note(became);
            account.day.push(fated(edit, became));
        }
        account.judge();
        Ok(account)
    }

    /// Whether it stands: reasons for all that differs, nothing lost, nothing twice, all decided.
    fn judge(&mut self) {
        self.verified = self.unexplained.is_empty()
            && self.edits.balance()
            && self.edits.lost == 0
            && self.duplicated == 0
            && self.dead_letters == 0;
    }

    /// Adds what is different each time.
    pub(crate) fn of_run(mut self, stage: &Stage, folder: &Path, took: Duration) -> Account {
        let tally = &stage.context.tally;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.run = Run {
            folder: folder.display().to_string(),
            salesforce: stage.url.clone(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            read: get(&tally.read),
            echoes: get(&tally.echoes),
            wrote_left: get(&tally.landed.left),
            wrote_right: get(&tally.landed.right),
        };
        self
    }
}

fn fated(edit: &Edit, became: Fate) -> Fated {
    Fated {
        scene: edit.scene,
        side: edit.side,
        record: format!("{}/{}", edit.flow.name, edit.key),
        did: edit.did.clone(),
        became,
    }
}

/// What all counts of the same field come to.
fn counted(edits: &[Edit], edit: &Edit) -> i64 {
    let Did::Count { field, from, .. } = edit.did else { return 0 };
    let more = edits.iter().filter_map(|other| match other.did {
        Did::Count { field: of, by, .. } if of == field && other.key == edit.key => Some(by),
        Did::Count { .. } | Did::Set { .. } | Did::Make { .. } | Did::Delete => None,
    });
    from + more.sum::<i64>()
}

/// Each side must hold what it began with, what people made or deleted there, and one record for each
/// that only the other side had.
fn miscounted(
    flow: &'static Flow,
    counts: &Counts,
    sample: &Sample,
    edits: &[Edit],
) -> Vec<Difference> {
    let all = all_records(sample).into_iter().find(|(one, _)| one.name == flow.name);
    let all = all.map_or(0, |(_, all)| all);
    let done = |side, what: fn(&Did) -> bool| {
        let of_flow = edits.iter().filter(|edit| edit.flow.name == flow.name && edit.side == side);
        of_flow.filter(|edit| what(&edit.did)).count()
    };
    let made = |side| done(side, |did| matches!(did, Did::Make { .. }));
    let deleted = |side| done(side, |did| matches!(did, Did::Delete));
    // What the shop makes gets a record in Salesforce; what Salesforce makes here is a duplicate.
    let left = all + made(Side::Left) + made(Side::Right) - deleted(Side::Left);
    let right = all + made(Side::Right) - deleted(Side::Right);
    let wrong = [(Side::Left, left, counts.left), (Side::Right, right, counts.right)];
    let wrong = wrong.into_iter().filter(|(_, expected, found)| expected != found);
    wrong
        .map(|(side, expected, found)| {
            let what = What::Count { side, expected, found };
            Difference { flow: flow.name, key: None, what }
        })
        .collect()
}

async fn dead_letters(stage: &Stage) -> Result<usize, Failure> {
    let filter = LetterFilter { limit: ALL, ..LetterFilter::default() };
    Ok(stage.context.store.dead_letters(&filter).await?.len())
}

/// Open conflicts. Ids of Salesforce depend on who came first, so a record without a row in the shop
/// goes by its address.
async fn open(stage: &Stage) -> Result<Vec<Open>, Failure> {
    let filter = ConflictFilter { limit: ALL, ..ConflictFilter::default() };
    let shown = stage.desk.conflicts(&filter).await?;
    let mut open: Vec<Open> = shown.into_iter().map(of_shown).collect();
    open.sort_by(|a, b| (&a.record, &a.field).cmp(&(&b.record, &b.field)));
    Ok(open)
}

fn of_shown(shown: Shown) -> Open {
    let email =
        shown.sides.left.values.get("email").map(|email| email.trim_matches('"').to_owned());
    let flow = shown.record.split('/').next().unwrap_or_default().to_owned();
    let record = match (&shown.sides.right.record, email) {
        (None, Some(email)) => format!("{flow}/{email}"),
        (Some(_) | None, _) => shown.record,
    };
    Open { id: shown.id, record, field: shown.field, kind: shown.kind }
}

#[cfg(test)]
mod tests {
    //! Shows that an account can fail: each thing that must not be makes it so.

    use super::super::chance::Chance;
    use super::super::flows::{CUSTOMERS, ORDERS};
    use super::*;

    fn account() -> Account {
        Account {
            seed: 1,
            verified: false,
            flows: BTreeMap::new(),
            edits: Edits { made: 2, applied: 1, waiting: 1, ..Edits::default() },
            duplicated: 0,
            dead_letters: 0,
            conflicts: Vec::new(),
            differences: Vec::new(),
            unexplained: Vec::new(),
            day: Vec::new(),
            run: Run::default(),
        }
    }

    fn stands(change: impl FnOnce(&mut Account)) -> bool {
        let mut account = account();
        change(&mut account);
        account.judge();
        account.verified
    }

    #[test]
    fn only_a_whole_account_is_verified() {
        assert!(stands(|_| {}));
        let what = What::OnlyRight;
        let difference = Difference { flow: "customers", key: Some("1".to_owned()), what };
        assert!(!stands(|account| account.unexplained.push(difference)));
        assert!(!stands(|account| account.edits.note(Fate::Lost)));
        assert!(!stands(|account| account.edits.made += 1));
        assert!(!stands(|account| account.duplicated = 1));
        assert!(!stands(|account| account.dead_letters = 1));
        assert!(stands(|account| account.edits.note(Fate::Refused)));
    }

    #[test]
    fn a_record_too_many_is_told() {
        let sample = Sample::draw(&mut Chance::new(1));
        let all = sample.customers.len();
        let counts = |left, right| Counts { left, right, ..Counts::default() };
        let told =
            |counts: Counts, edits: &[Edit]| miscounted(&CUSTOMERS, &counts, &sample, edits).len();
        assert_eq!(told(counts(all, all), &[]), 0);
        assert_eq!(told(counts(all + 1, all), &[]), 1);
        assert_eq!(told(counts(all - 1, all + 1), &[]), 2);
        let edit = |flow, side, did| Edit { scene: 1, side, flow, key: "1".to_owned(), did };
        let made = edit(&CUSTOMERS, Side::Left, Did::Make { id: None });
        let deleted = edit(&CUSTOMERS, Side::Right, Did::Delete);
        let other = edit(&ORDERS, Side::Right, Did::Make { id: None });
        assert_eq!(told(counts(all + 1, all - 1), &[made, deleted, other]), 0);
    }

    #[test]
    fn counts_of_one_field_are_added() {
        let count = |key: &str, by| Edit {
            scene: 5,
            side: Side::Left,
            flow: &CUSTOMERS,
            key: key.to_owned(),
            did: Did::Count { field: "stock", by, from: 10 },
        };
        let edits = [count("a", -2), count("a", 5), count("b", 100)];
        assert_eq!(counted(&edits, &edits[0]), 13);
        assert_eq!(counted(&edits, &edits[2]), 110);
    }
}
