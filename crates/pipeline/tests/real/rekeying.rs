//! Keys that change onto ids that other links hold: identity follows the notice, and no change of
//! one record is ever taken for another's.

use duet_core::conflict::ConflictKind;
use duet_core::id::LinkId;
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_core::spec::DeletePolicy;
use duet_pipeline::batch::Batch;
use duet_pipeline::decide;
use duet_pipeline::reconcile::job_of_change;
use duet_ports::clock::Clock;
use duet_ports::envelope::{ChangeV1, WhatV1};
use duet_testkit::memory_side::columns;

use super::flows::{THINGS, deleting};
use super::hands::Hands;
use super::rig::Rig;

/// Three linked records, `1` to `3`, and their ids on the right.
async fn three(rig: &Rig) -> (Hands, [String; 3]) {
    let mut hands = Hands::of(rig).await;
    for code in ["1", "2", "3"] {
        let values = columns(&[("code", code), ("name", &format!("n{code}")), ("city", "Oslo")]);
        rig.left().put(THINGS, &format!("l{code}"), values);
    }
    hands.work().await;
    (hands, ["1", "2", "3"].map(|code| rig.id(Side::Right, code)))
}

async fn lefts(rig: &Rig) -> [LinkId; 3] {
    [
        rig.link_of(Side::Left, "l1").await,
        rig.link_of(Side::Left, "l2").await,
        rig.link_of(Side::Left, "l3").await,
    ]
}

/// Whatever happens to a record on the right reaches its partner, and no other.
async fn each_has_its_own(rig: &Rig, hands: &mut Hands, codes: &[&str]) {
    for code in codes {
        let (id, name) = (rig.id(Side::Right, code), format!("new {code}"));
        let link = rig.link_of(Side::Left, &format!("l{code}")).await;
        assert_eq!(rig.link_of(Side::Right, &id).await, link, "{code}");
        rig.right().put(THINGS, &id, columns(&[("name", &name)]));
        hands.work().await;
        assert!(rig.agree(code, &name), "{code}");
    }
    assert!(rig.dead().await.is_empty(), "{:?}", rig.dead().await);
    assert!(rig.conflicts().await.is_empty(), "{:?}", rig.conflicts().await);
}

#[tokio::test]
async fn a_record_takes_the_id_of_one_that_was_deleted() {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    let (mut hands, [five, seven, _]) = three(&rig).await;
    let [gone, renamed, _] = lefts(&rig).await;
    rig.right().delete(THINGS, &five);
    hands.work().await;
    let writes = rig.writes();
    rig.right().rename(THINGS, &seven, &five);
    hands.work().await;
    assert_eq!(rig.link_of(Side::Right, &five).await, renamed);
    assert_eq!(rig.link_of(Side::Right, &seven).await, renamed, "its old id leads to it, too");
    let links = rig.links().await;
    let buried = links.iter().find(|link| link.id == gone).expect("it is remembered");
    assert_eq!((buried.phase, &buried.record.right), (Phase::Tombstoned, &None));
    assert_eq!(links.len(), 3);
    assert_eq!(rig.writes(), writes, "nothing to tell the left");
    each_has_its_own(&rig, &mut hands, &["2", "3"]).await;
}

#[tokio::test]
async fn a_link_taken_apart_gives_its_id_up() {
    let rig = Rig::flow(deleting(DeletePolicy::Unlink)).await;
    let (mut hands, [five, seven, _]) = three(&rig).await;
    rig.right().delete(THINGS, &five);
    hands.work().await;
    rig.right().rename(THINGS, &seven, &five);
    rig.right().put(THINGS, &five, columns(&[("city", "Rome")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Left, "l2", "city").unwrap(), "Rome");
    assert_eq!(rig.text(Side::Left, "l1", "city").unwrap(), "Oslo", "not its record any more");
    each_has_its_own(&rig, &mut hands, &["2", "3"]).await;
}

#[tokio::test]
async fn two_records_exchange_their_ids() {
    let rig = Rig::usual().await;
    let (mut hands, [one, two, _]) = three(&rig).await;
    let writes = rig.writes();
    rig.right().exchange(THINGS, &one, &two);
    hands.work().await;
    assert_eq!(rig.writes(), writes, "no value changed");
    assert_eq!((rig.id(Side::Right, "1"), rig.id(Side::Right, "2")), (two.clone(), one.clone()));
    each_has_its_own(&rig, &mut hands, &["1", "2", "3"]).await;
    // By way of an id that nobody has, as unique keys demand.
    rig.right().rename(THINGS, &two, "aside");
    rig.right().rename(THINGS, &one, &two);
    rig.right().rename(THINGS, "aside", &one);
    hands.work().await;
    assert_eq!(rig.links().await.len(), 3, "nothing is left of the id in between");
    each_has_its_own(&rig, &mut hands, &["1", "2", "3"]).await;
}

#[tokio::test]
async fn a_chain_of_key_changes_ends_right_told_at_once_or_one_by_one() {
    let rig = Rig::usual().await;
    let (mut hands, [one, two, three]) = three(&rig).await;
    for at_once in [true, false] {
        for (from, to) in
            [(three.as_str(), "free"), (&two, &three), (&one, &two), ("free", one.as_str())]
        {
            rig.right().rename(THINGS, from, to);
            if !at_once {
                hands.work().await;
            }
        }
        hands.work().await;
        each_has_its_own(&rig, &mut hands, &["1", "2", "3"]).await;
    }
}

#[tokio::test]
async fn a_new_record_under_a_former_id_gets_a_link_of_its_own() {
    let rig = Rig::usual().await;
    let (mut hands, [one, _, _]) = three(&rig).await;
    rig.right().rename(THINGS, &one, "moved");
    hands.work().await;
    rig.right().put(THINGS, &one, columns(&[("code", "4"), ("name", "n4"), ("city", "Oslo")]));
    hands.work().await;
    assert_eq!(rig.links().await.len(), 4);
    assert!(rig.agree("4", "n4"), "it is made on the left");
    assert!(rig.agree("1", "n1"), "and the renamed one is as it was");
}

fn renamed(old: &str, new: &str, order: i64) -> ChangeV1 {
    ChangeV1 {
        flow: THINGS.into(),
        side: Side::Right,
        record: new.into(),
        what: WhatV1::KeyChanged { old: old.into(), order: Some(order) },
    }
}

async fn told(rig: &Rig, changes: &[ChangeV1]) {
    let now = rig.clock.now();
    let jobs = changes.iter().map(|change| job_of_change(change.clone(), now)).collect();
    decide::step(&rig.context, Batch::of(jobs)).await.expect("it is up");
}

#[tokio::test]
async fn notices_that_come_apart_or_twice_end_the_same() {
    let rig = Rig::usual().await;
    let (mut hands, [one, two, three]) = three(&rig).await;
    let [a, b, c] = lefts(&rig).await;
    let held = async |expected: [&str; 3]| {
        let links = rig.links().await;
        let held = [a, b, c].map(|id| {
            let link = links.iter().find(|link| link.id == id).expect("it stays");
            link.record.right.as_ref().map(|id| id.as_str().to_owned()).expect("it has an id")
        });
        assert_eq!(held, expected);
    };
    let (o, t, h) = (one.as_str(), two.as_str(), three.as_str());
    let turn = [renamed(o, t, 1_001), renamed(t, h, 1_002), renamed(h, o, 1_003)];
    for part in [&turn[1..2], &turn[..1], &turn[2..]] {
        told(&rig, part).await;
        hands.apply(Side::Right).await;
    }
    held([t, h, o]).await;
    for again in [&turn[..], &turn[1..], &turn[..1], &turn[2..]] {
        told(&rig, again).await;
        held([t, h, o]).await;
    }
    told(&rig, &[renamed(t, o, 2_001), renamed(o, t, 2_002)]).await;
    held([o, h, t]).await;
    assert!(rig.dead().await.is_empty() && rig.conflicts().await.is_empty());
}

#[tokio::test]
async fn a_live_record_whose_id_is_taken_waits_and_is_shown_in_the_end() {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    let (mut hands, [one, two, _]) = three(&rig).await;
    told(&rig, &[renamed(&two, &one, 1_001)]).await;
    rig.left().put(THINGS, "l1", columns(&[("name", "waits")]));
    hands.work_through(&rig, 60, 4).await;
    assert_eq!(rig.text(Side::Right, &one, "name").unwrap(), "n1", "nothing is written meanwhile");
    assert!(rig.conflicts().await.is_empty());
    hands.work_through(&rig, 60, 2).await;
    let conflicts = rig.conflicts().await;
    let kinds: Vec<ConflictKind> = conflicts.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ConflictKind::DeleteUnclassified], "a person sees it");
    assert_eq!(rig.left().records(THINGS).len(), 3, "nothing reads as a deletion");
    assert!(rig.dead().await.is_empty());
}
