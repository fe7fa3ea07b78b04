//! Natural keys that are used again: a record is made under a key that another record had. Identity
//! is who made it, and nothing of the former record's link comes back to life.

use duet_core::id::Column;
use duet_core::link::Phase;
use duet_core::side::{Both, Side};
use duet_core::spec::{DeletePolicy, FlowSpec};
use duet_testkit::memory_side::{Fault, Kind, columns};

use super::flows::{THINGS, deleting};
use super::hands::Hands;
use super::rig::Rig;

/// Records of the right side are named by what the left one holds as `code`.
fn natural(deletes: DeletePolicy) -> FlowSpec {
    let mut spec = deleting(deletes);
    let code: Both<Vec<Column>> = Both::new(vec!["code".into()], vec!["id".into()]);
    spec.fields[0].columns = code.clone();
    spec.matching[0].columns = code;
    spec
}

async fn begun(deletes: DeletePolicy) -> (Rig, Hands) {
    let rig = Rig::flow(natural(deletes)).await;
    let mut hands = Hands::of(&rig).await;
    rig.left().put(THINGS, "l1", thing("first"));
    hands.work().await;
    assert_eq!(rig.text(Side::Right, "K", "name").expect("it is there"), "first");
    (rig, hands)
}

fn thing(name: &str) -> duet_core::image::Image {
    columns(&[("code", "K"), ("name", name), ("city", "Oslo")])
}

/// Two records, one link, and whatever happens to one reaches the other.
async fn agree(rig: &Rig, hands: &mut Hands, left: &str) {
    assert_eq!(rig.link_of(Side::Left, left).await, rig.link_of(Side::Right, "K").await);
    rig.right().put(THINGS, "K", columns(&[("name", "from right")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Left, left, "name").expect("it is there"), "from right");
    rig.left().put(THINGS, left, columns(&[("name", "from left")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Right, "K", "name").expect("it is there"), "from left");
    assert_eq!(rig.right().records(THINGS).len(), 1);
    assert!(rig.dead().await.is_empty(), "{:?}", rig.dead().await);
    assert!(rig.conflicts().await.is_empty(), "{:?}", rig.conflicts().await);
}

/// What became of the link that had the key before.
async fn former(rig: &Rig, phase: Phase) {
    let links = rig.links().await;
    assert_eq!(links.len(), 2);
    let former = links.iter().find(|link| link.phase == phase).expect("it is remembered");
    assert_eq!(former.record.right, None, "the key is another record's now");
}

#[tokio::test]
async fn our_own_create_takes_the_key_of_a_record_that_is_gone() {
    let (rig, mut hands) = begun(DeletePolicy::Propagate).await;
    rig.left().delete(THINGS, "l1");
    hands.work().await;
    assert!(rig.right().records(THINGS).is_empty());
    rig.left().put(THINGS, "l2", thing("second"));
    hands.work().await;
    assert_eq!(rig.left().records(THINGS).len(), 1, "nothing comes back");
    former(&rig, Phase::Tombstoned).await;
    agree(&rig, &mut hands, "l2").await;
}

#[tokio::test]
async fn so_does_one_that_is_seen_before_its_answer() {
    for fault in [Fault::AnswerLost, Fault::AnswerMissing] {
        let (rig, mut hands) = begun(DeletePolicy::Propagate).await;
        rig.left().delete(THINGS, "l1");
        hands.work().await;
        rig.right().plan(Kind::Create, fault.clone(), 1);
        rig.left().put(THINGS, "l2", thing("second"));
        hands.work_up_to(Side::Right).await;
        hands.apply(Side::Right).await;
        assert_eq!(rig.right().records(THINGS).len(), 1, "{fault:?}: it landed");
        hands.detect().await;
        hands.reconcile().await;
        assert_eq!(rig.link_of(Side::Right, "K").await, rig.link_of(Side::Left, "l2").await);
        hands.work_through(&rig, 60, 3).await;
        assert_eq!(rig.left().records(THINGS).len(), 1, "{fault:?}: nothing comes back");
        former(&rig, Phase::Tombstoned).await;
        agree(&rig, &mut hands, "l2").await;
    }
}

#[tokio::test]
async fn so_does_one_of_unknown_outcome_that_only_a_search_finds() {
    let (rig, mut hands) = begun(DeletePolicy::Propagate).await;
    rig.left().delete(THINGS, "l1");
    hands.work().await;
    rig.right().plan(Kind::Create, Fault::AnswerLost, 1);
    rig.left().put(THINGS, "l2", thing("second"));
    hands.work_up_to(Side::Right).await;
    for _ in 0..4 {
        hands.apply(Side::Right).await;
        rig.pass(60);
        duet_pipeline::retry::step(&rig.context).await.expect("it is up");
        duet_pipeline::sweep::step(&rig.context).await.expect("it is up");
    }
    assert_eq!(rig.link_of(Side::Right, "K").await, rig.link_of(Side::Left, "l2").await);
    hands.work_through(&rig, 60, 3).await;
    former(&rig, Phase::Tombstoned).await;
    agree(&rig, &mut hands, "l2").await;
}

#[tokio::test]
async fn a_link_taken_apart_gives_the_key_up_to_a_create() {
    let (rig, mut hands) = begun(DeletePolicy::Unlink).await;
    rig.right().delete(THINGS, "K");
    hands.work().await;
    rig.left().put(THINGS, "l2", thing("second"));
    hands.work().await;
    former(&rig, Phase::Unlinked).await;
    agree(&rig, &mut hands, "l2").await;
    assert_eq!(rig.text(Side::Left, "l1", "name").unwrap(), "first", "nobody's partner any more");
}

#[tokio::test]
async fn a_pair_that_was_deleted_and_is_made_again_on_both_sides_is_one_pair() {
    for right_first in [true, false] {
        let (rig, mut hands) = begun(DeletePolicy::Propagate).await;
        rig.left().delete(THINGS, "l1");
        hands.work().await;
        if right_first {
            rig.right().put(THINGS, "K", thing("second"));
            rig.left().put(THINGS, "l2", thing("second"));
        } else {
            rig.left().put(THINGS, "l2", thing("second"));
            rig.right().put(THINGS, "K", thing("second"));
        }
        hands.work_through(&rig, 60, 3).await;
        assert_eq!(rig.left().records(THINGS).len(), 1, "right first: {right_first}");
        agree(&rig, &mut hands, "l2").await;
    }
}

#[tokio::test]
async fn a_record_that_comes_back_alone_is_made_again_on_the_other_side() {
    let (rig, mut hands) = begun(DeletePolicy::Propagate).await;
    rig.left().delete(THINGS, "l1");
    hands.work().await;
    rig.right().put(THINGS, "K", thing("second"));
    hands.work_through(&rig, 60, 3).await;
    let made = rig.id(Side::Left, "K");
    assert_eq!(rig.text(Side::Left, &made, "name").unwrap(), "second");
    agree(&rig, &mut hands, &made).await;
}
