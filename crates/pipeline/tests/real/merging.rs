//! Records that are merged into one on a side: the link follows the survivor; where both had a
//! partner, nothing is deleted without a person.

use duet_core::conflict::ConflictKind;
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_core::spec::DeletePolicy;
use duet_testkit::memory_side::columns;

use super::flowing::linked;
use super::flows::{THINGS, deleting};
use super::hands::Hands;
use super::rig::Rig;

fn put(rig: &Rig, side: Side, record: &str, code: &str, name: &str) {
    let values = columns(&[("code", code), ("name", name), ("city", "Oslo")]);
    rig.sides.get(side).put(THINGS, record, values);
}

/// `1` of the right is merged into a record that nobody has seen.
async fn merged(rig: &Rig, hands: &mut Hands) -> String {
    let loser = rig.id(Side::Right, "1");
    put(rig, Side::Right, "w", "other", "Survivor");
    rig.right().merge(THINGS, &loser, "w");
    hands.work_through(rig, 2, 2).await;
    loser
}

#[tokio::test]
async fn a_link_follows_the_surviving_record() {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let loser = merged(&rig, &mut hands).await;
    assert_eq!(rig.text(Side::Left, "a", "name").unwrap(), "Survivor", "no deletion, but an edit");
    let link = rig.link_of(Side::Left, "a").await;
    assert_eq!(rig.link_of(Side::Right, "w").await, link);
    assert_eq!(rig.link_of(Side::Right, &loser).await, link, "its former id leads to it, too");
    assert!(rig.conflicts().await.is_empty());
}

#[tokio::test]
async fn two_that_had_partners_are_a_persons_matter() {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    let mut hands = Hands::of(&rig).await;
    for code in ["1", "2"] {
        put(&rig, Side::Left, &format!("l{code}"), code, "Ann");
    }
    hands.work().await;
    let (loser, winner) = (rig.id(Side::Right, "1"), rig.id(Side::Right, "2"));
    rig.right().merge(THINGS, &loser, &winner);
    hands.work_through(&rig, 2, 2).await;
    let kinds: Vec<_> = rig.conflicts().await.into_iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ConflictKind::Merged]);
    assert_eq!(rig.left().records(THINGS).len(), 2, "nothing is deleted without a person");
    rig.left().put(THINGS, "l2", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("2", "Bea"), "the survivor goes on");
}

#[tokio::test]
async fn a_merged_record_that_is_brought_back_gets_a_link_of_its_own() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let loser = merged(&rig, &mut hands).await;
    rig.right().bring_back(THINGS, &loser);
    hands.work_through(&rig, 2, 2).await;
    let (link, back) =
        (rig.link_of(Side::Right, "w").await, rig.link_of(Side::Right, &loser).await);
    assert_ne!(link, back);
    assert_eq!(rig.link_of(Side::Left, "a").await, link, "the link stays with the survivor");
    let links = rig.links().await;
    let whole = links.iter().find(|one| one.id == link).expect("it stays");
    assert_eq!((whole.phase, whole.aliases.len()), (Phase::Linked, 0));
}
