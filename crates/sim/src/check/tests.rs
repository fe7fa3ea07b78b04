//! The checker accounts for what is right, and finds each way in which it could be wrong.

use super::history::{By, Change, Fields, Place};
use super::tables::{CallRow, ConflictRow, LinkRow};
use super::{Account, Broke, Evidence, judge};
use std::collections::BTreeSet;

const DUET: By = By::Duet { expected: None };

fn fields(name: &str) -> Fields {
    [("code", "1"), ("name", name)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// A story of one pair, `a` on the left and `b` on the right.
#[derive(Default)]
struct Story(Evidence);

impl Story {
    /// Somebody makes the record on the left, duet makes it on the right, and the two are linked.
    fn begin() -> Story {
        let mut story = Story::default();
        story.set(1, Place::Left, By::Person, "first");
        story.set(2, Place::Right, DUET, "first");
        let records = [(Place::Left, "a".to_owned()), (Place::Right, "b".to_owned())].into();
        story.0.tables.links.push(LinkRow { id: "link".into(), records, is_apart: false });
        story
    }

    fn set(&mut self, at: i64, place: Place, by: By, name: &str) {
        self.change(at, place, by, Some(fields(name)));
    }

    fn change(&mut self, at: i64, place: Place, by: By, after: Option<Fields>) {
        let (history, record) = match place {
            Place::Left => (&mut self.0.left, "a".to_owned()),
            Place::Right => (&mut self.0.right, "b".to_owned()),
        };
        let before = history.rows.remove(&record);
        if let Some(after) = &after {
            history.rows.insert(record.clone(), after.clone());
        }
        history.changes.push(Change { at, stamp: at, record, by, before, after });
    }

    fn conflict(&mut self, opened_at: i64, field: Option<&str>, holds: bool, name: &str) {
        self.0.tables.conflicts.push(ConflictRow {
            link: "link".into(),
            field: field.map(str::to_owned),
            holds,
            opened_at,
            values: BTreeSet::from([("name".to_owned(), name.to_owned())]),
        });
    }

    /// Everything begins its quiet period now.
    fn quiet(&mut self) {
        self.0.quiet_from = (self.0.left.changes.len(), self.0.right.changes.len());
    }

    fn broke(mut self) -> BTreeSet<Broke> {
        if self.0.quiet_from == (0, 0) {
            self.quiet();
        }
        judge(&self.0).violations.into_iter().map(|violation| violation.broke).collect()
    }

    /// The account of the only edit that isn't agreed; every edit is in one.
    fn account(mut self) -> Option<Account> {
        self.quiet();
        let verdict = judge(&self.0);
        assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
        assert_eq!(verdict.accounts.values().sum::<u64>(), verdict.edits);
        let mut others = verdict.accounts.into_keys().filter(|one| *one != Account::Agreed);
        let other = others.next();
        assert_eq!(others.next(), None);
        other
    }
}

#[test]
fn what_both_sides_hold_is_agreed() {
    assert_eq!(Story::begin().account(), None);
}

#[test]
fn what_somebody_replaced_is_accounted_for() {
    let mut story = Story::begin();
    story.set(3, Place::Left, By::Person, "second");
    story.set(4, Place::Right, DUET, "second");
    assert_eq!(story.account(), Some(Account::ReplacedAtHome));
    let mut story = Story::begin();
    story.set(3, Place::Right, By::Person, "second");
    story.set(4, Place::Left, DUET, "second");
    assert_eq!(story.account(), Some(Account::ReplacedAfterwards));
}

/// Both sides are edited, and duet takes the right one.
fn collided(by: By) -> Story {
    let mut story = Story::begin();
    story.set(3, Place::Left, By::Person, "left");
    story.set(3, Place::Right, By::Person, "right");
    story.set(5, Place::Left, by, "right");
    story
}

#[test]
fn what_was_overwritten_was_recorded_before() {
    let with = |opened_at, name| {
        let mut story = collided(DUET);
        story.conflict(opened_at, Some("name"), false, name);
        story
    };
    let mut story = with(4, "left");
    story.quiet();
    let verdict = judge(&story.0);
    assert_eq!(verdict.accounts[&Account::Overwritten], 1);
    assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
    assert_eq!(with(6, "left").broke(), [Broke::Lost].into(), "too late");
    assert_eq!(with(4, "other").broke(), [Broke::Lost].into(), "another value");
    assert_eq!(collided(DUET).broke(), [Broke::Lost].into());
}

#[test]
fn the_same_second_counts_only_where_the_history_proves_it() {
    let story = |expected, stamp, at| {
        let mut story = Story::begin();
        story.0.left.grain = 10;
        story.set(30, Place::Right, By::Person, "right");
        story.set(at, Place::Left, By::Person, "left");
        story.0.left.changes.last_mut().unwrap().stamp = stamp;
        story.set(99, Place::Left, By::Duet { expected: Some(expected) }, "right");
        story.broke()
    };
    assert!(story(20, 25, 60).is_empty(), "open when the version was read");
    assert_eq!(story(20, 25, 35), [Broke::Lost].into(), "a fresh reading had seen it");
    assert_eq!(story(20, 35, 60), [Broke::Lost].into(), "another second");
}

#[test]
fn a_difference_needs_an_excuse_of_its_own_field() {
    let differ = || {
        let mut story = Story::begin();
        story.set(3, Place::Left, By::Person, "left");
        story
    };
    assert_eq!(differ().broke(), [Broke::NotConverged].into());
    let held = |field, holds| {
        let mut story = differ();
        story.conflict(4, field, holds, "left");
        story
    };
    assert_eq!(held(Some("name"), false).broke(), [Broke::NotConverged].into(), "it is closed");
    assert_eq!(held(Some("city"), true).broke(), [Broke::NotConverged].into());
    assert!(held(None, true).broke().is_empty());
    assert!(held(Some("name"), true).broke().is_empty());
    let mut dead = differ();
    dead.0.tables.dead.insert((Place::Left, "a".into()));
    assert!(dead.broke().is_empty());
    let mut apart = differ();
    apart.0.tables.links[0].is_apart = true;
    assert!(apart.broke().is_empty());
}

#[test]
fn a_call_waits_for_a_person_or_is_over() {
    for (is_parked, broke) in [(true, None), (false, Some(Broke::NotDrained))] {
        let mut story = Story::begin();
        let what = "update".to_owned();
        story.0.tables.calls.push(CallRow { link: "link".into(), what, is_parked });
        assert_eq!(story.broke(), broke.into_iter().collect());
    }
    let mut story = Story::begin();
    story.0.tables.unsettled.push("a message".into());
    assert_eq!(story.broke(), [Broke::NotDrained].into());
}

#[test]
fn what_is_doubled_made_up_or_written_without_need_is_found() {
    let mut doubled = Story::begin();
    doubled.0.right.rows.insert("c".into(), fields("first"));
    assert_eq!(doubled.broke(), [Broke::Doubled].into());
    let mut invented = Story::begin();
    invented.set(3, Place::Left, DUET, "nobody's");
    invented.set(4, Place::Right, DUET, "nobody's");
    assert!(invented.broke().contains(&Broke::Invented));
    let mut echo = Story::begin();
    echo.quiet();
    echo.set(9, Place::Right, DUET, "first");
    assert_eq!(echo.broke(), [Broke::Echo].into());
}

#[test]
fn a_deletion_by_duet_loses_nothing_that_was_not_agreed_or_kept() {
    let mut agreed = Story::begin();
    agreed.change(3, Place::Right, By::Person, None);
    agreed.change(4, Place::Left, DUET, None);
    agreed.quiet();
    let verdict = judge(&agreed.0);
    assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
    assert_eq!(verdict.accounts[&Account::ReplacedAfterwards], verdict.edits);
    let mut unseen = Story::begin();
    unseen.change(3, Place::Right, By::Person, None);
    unseen.set(3, Place::Left, By::Person, "unseen");
    unseen.change(4, Place::Left, DUET, None);
    assert_eq!(unseen.broke(), [Broke::Lost].into());
}
