//! Records of several links: children that wait for parents, halves that belong together.

use duet_core::link::Phase;
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_ports::inspect::Inspect;
use duet_testkit::memory_side::columns;

use super::flows::{THINGS, field, flow, parent};
use super::hands::Hands;
use super::rig::{Rig, Wanted};

const BUYERS: &str = "buyers";
const ORDERS: &str = "orders";

fn family() -> Vec<FlowSpec> {
    vec![
        flow(BUYERS, vec![field("code"), field("name")]),
        flow(ORDERS, vec![field("code"), field("name"), parent("buyer", BUYERS)]),
    ]
}

async fn family_rig() -> Rig {
    Rig::of(Wanted { flows: family(), ..Wanted::default() }).await
}

fn order(rig: &Rig, record: &str, buyer: &str) {
    let values = columns(&[("code", record), ("name", "Order"), ("buyer", buyer)]);
    rig.left().put(ORDERS, record, values);
}

fn buyer(rig: &Rig, record: &str) {
    rig.left().put(BUYERS, record, columns(&[("code", record), ("name", "Buyer")]));
}

/// The buyer that an order on the right names.
fn buyer_of(rig: &Rig, order: &str) -> Option<String> {
    let id = rig.right().find_one(ORDERS, "code", order)?;
    rig.right().text(ORDERS, id.as_str(), "buyer")
}

fn right_buyer(rig: &Rig, code: &str) -> Option<String> {
    rig.right().find_one(BUYERS, "code", code).map(|id| id.as_str().to_owned())
}

#[tokio::test]
async fn a_child_before_its_parent_waits_and_is_woken() {
    let rig = family_rig().await;
    let mut hands = Hands::of(&rig).await;
    order(&rig, "o1", "b1");
    hands.work().await;
    assert!(rig.right().records(ORDERS).is_empty(), "its buyer isn't there yet");
    let waiting = rig.store.counts(&ORDERS.into()).await.expect("it is up");
    assert_eq!(waiting.awaiting_parent, 1);
    buyer(&rig, "b1");
    hands.work().await;
    assert_eq!(buyer_of(&rig, "o1"), right_buyer(&rig, "b1"));
    assert!(buyer_of(&rig, "o1").is_some());
    let waiting = rig.store.counts(&ORDERS.into()).await.expect("it is up");
    assert_eq!(waiting.awaiting_parent, 0);
}

#[tokio::test]
async fn a_family_told_at_once_arrives_whole() {
    let rig = family_rig().await;
    let mut hands = Hands::of(&rig).await;
    for number in 0..10 {
        order(&rig, &format!("o{number}"), &format!("b{}", number % 3));
    }
    for number in 0..3 {
        buyer(&rig, &format!("b{number}"));
    }
    hands.work_through(&rig, 2, 3).await;
    for number in 0..10 {
        let buyer = right_buyer(&rig, &format!("b{}", number % 3));
        assert!(buyer.is_some());
        assert_eq!(buyer_of(&rig, &format!("o{number}")), buyer, "order {number}");
    }
    assert_eq!(rig.right().written().len(), 13);
}

#[tokio::test]
async fn a_child_moves_to_another_parent() {
    let rig = family_rig().await;
    let mut hands = Hands::of(&rig).await;
    for name in ["b1", "b2"] {
        buyer(&rig, name);
    }
    order(&rig, "o1", "b1");
    hands.work_through(&rig, 2, 2).await;
    order(&rig, "o1", "b2");
    hands.work().await;
    assert_eq!(buyer_of(&rig, "o1"), right_buyer(&rig, "b2"));
    assert!(buyer_of(&rig, "o1").is_some());
}

#[tokio::test]
async fn records_that_name_each_other_are_made_and_filled_afterwards() {
    let people = flow(BUYERS, vec![field("code"), field("name"), parent("buyer", BUYERS)]);
    let rig = Rig::flow(people).await;
    let mut hands = Hands::of(&rig).await;
    for (record, other) in [("b1", "b2"), ("b2", "b1")] {
        let values = columns(&[("code", record), ("name", "Buyer"), ("buyer", other)]);
        rig.left().put(BUYERS, record, values);
    }
    hands.work_through(&rig, 2, 3).await;
    for (record, other) in [("b1", "b2"), ("b2", "b1")] {
        let (id, other) = (right_buyer(&rig, record), right_buyer(&rig, other));
        let named = rig.right().text(BUYERS, &id.expect("it is made"), "buyer");
        assert_eq!(named, other);
        assert!(named.is_some());
    }
    assert_eq!(rig.right().records(BUYERS).len(), 2);
}

#[tokio::test]
async fn halves_made_on_both_sides_at_once_become_one_link() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    let values = columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]);
    rig.left().put(THINGS, "a", values.clone());
    rig.right().put(THINGS, "b", values);
    hands.work_through(&rig, 2, 4).await;
    assert_eq!(rig.left().records(THINGS).len(), 1);
    assert_eq!(rig.right().records(THINGS).len(), 1);
    assert_eq!(rig.writes(), 0);
    let links = rig.links().await;
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].phase, Phase::Linked);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.link_of(Side::Left, "a").await, rig.link_of(Side::Right, "b").await);
}

#[tokio::test]
async fn many_halves_become_links_without_doubles() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    for number in 0..30 {
        let code = number.to_string();
        let values = columns(&[("code", &code), ("name", "Ann"), ("city", "Oslo")]);
        rig.left().put(THINGS, &format!("l{number}"), values.clone());
        rig.right().put(THINGS, &format!("r{number}"), values);
    }
    hands.work_through(&rig, 2, 4).await;
    assert_eq!(rig.writes(), 0);
    let links = rig.links().await;
    assert_eq!(links.len(), 30);
    assert!(links.iter().all(|link| link.phase == Phase::Linked));
}

#[tokio::test]
async fn a_record_made_on_the_other_side_while_our_create_is_under_way_is_no_double() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    let values = columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]);
    rig.left().put(THINGS, "a", values);
    hands.work_up_to(Side::Right).await;
    // Our create lands; the right tells of it before its answer is settled.
    use duet_testkit::memory_side::{Fault, Kind};
    rig.right().plan(Kind::Create, Fault::AnswerLost, 1);
    hands.apply(Side::Right).await;
    hands.work_through(&rig, 4, 3).await;
    assert_eq!(rig.right().records(THINGS).len(), 1);
    assert_eq!(rig.links().await.len(), 1, "the marker led it to its link");
}
