//! What people use it for: records and edits flow, deletions follow their policy, conflicts wait.

use duet_core::conflict::{Choice, CloseReason, ConflictKind, ConflictState, Scope};
use duet_core::facts::FlowState;
use duet_core::intent::Op;
use duet_core::link::Phase;
use duet_core::side::{Both, Side};
use duet_core::spec::{DeletePolicy, PathClass};
use duet_pipeline::rouse;
use duet_ports::clock::Clock;
use duet_ports::inspect::{Accepted, Inspect};
use duet_ports::store::Store;
use duet_testkit::memory_side::{Promises, columns};

use super::flows::{THINGS, deleting, promising, things};
use super::hands::Hands;
use super::rig::{Rig, Wanted};

/// A record on both sides, made on one of them.
pub(crate) async fn linked(rig: &Rig, side: Side, code: &str, name: &str) -> Hands {
    let mut hands = Hands::of(rig).await;
    let values = columns(&[("code", code), ("name", name), ("city", "Oslo")]);
    rig.sides.get(side).put(THINGS, "a", values);
    hands.work().await;
    assert!(rig.agree(code, name), "the record came over");
    hands
}

#[tokio::test]
async fn a_record_made_on_one_side_is_made_on_the_other() {
    what_is_made_on_one_side_is_made_on_the_other(&Rig::usual().await).await;
}

pub(crate) async fn what_is_made_on_one_side_is_made_on_the_other(rig: &Rig) {
    for side in Side::BOTH {
        let code = side.as_str();
        drop(linked(rig, side, code, "Ann").await);
        rig.pass(60); // The leases of the detections run out.
        let city = rig.text(side.other(), &rig.id(side.other(), code), "city");
        assert_eq!(city.as_deref(), Some("Oslo"));
    }
    assert_eq!(rig.writes(), 2);
    let phases: Vec<Phase> = rig.links().await.into_iter().map(|link| link.phase).collect();
    assert_eq!(phases, [Phase::Linked, Phase::Linked]);
    assert!(rig.counts().await.intents.is_empty());
}

#[tokio::test]
async fn an_edit_flows_to_the_other_side() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    for (side, name) in [(Side::Left, "Bea"), (Side::Right, "Cid"), (Side::Left, "Dan")] {
        let id = rig.id(side, "1");
        rig.sides.get(side).put(THINGS, &id, columns(&[("name", name)]));
        hands.work().await;
        assert!(rig.agree("1", name), "{side} said {name}");
    }
    assert_eq!(rig.writes(), 4);
    assert!(rig.conflicts().await.is_empty());
}

#[tokio::test]
async fn different_fields_changed_on_both_sides_combine() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let id = rig.id(Side::Right, "1");
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    rig.right().put(THINGS, &id, columns(&[("city", "Rome")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Rome");
    assert_eq!(rig.text(Side::Right, &id, "city").unwrap(), "Rome");
    assert!(rig.conflicts().await.is_empty());
}

/// Both sides changed the name; a person has not decided yet.
async fn disputed(rig: &Rig) -> Hands {
    let mut hands = linked(rig, Side::Left, "1", "Ann").await;
    let id = rig.id(Side::Right, "1");
    rig.left().put(THINGS, "a", columns(&[("name", "Left")]));
    rig.right().put(THINGS, &id, columns(&[("name", "Right"), ("city", "Rome")]));
    hands.work().await;
    hands
}

#[tokio::test]
async fn one_field_changed_on_both_sides_waits_for_a_person_while_others_flow() {
    let rig = Rig::usual().await;
    let mut hands = disputed(&rig).await;
    let open = rig.conflicts().await;
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].kind, open[0].state), (ConflictKind::BothChanged, ConflictState::Open));
    assert_eq!(rig.text(Side::Left, "a", "name").unwrap(), "Left");
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Rome");
    let before = rig.writes();
    assert_eq!(rig.choose(&open[0], Choice::TakeRight).await, Accepted::Yes);
    hands.work().await;
    assert!(rig.agree("1", "Right"));
    assert_eq!(rig.writes(), before + 1);
    let closed = rig.store.conflict(open[0].id).await.unwrap().unwrap();
    assert_eq!(closed.state, ConflictState::Closed);
    assert_eq!(closed.reason, Some(CloseReason::Converged));
}

#[tokio::test]
async fn two_fields_of_one_record_wait_apart() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let id = rig.id(Side::Right, "1");
    rig.left().put(THINGS, "a", columns(&[("name", "Left"), ("city", "Rome")]));
    rig.right().put(THINGS, &id, columns(&[("name", "Right"), ("city", "Bern")]));
    hands.work().await;
    let open = rig.conflicts().await;
    assert_eq!(open.len(), 2, "each has its own");
    let of = |field: &str| {
        let scope = Scope::Field(field.into());
        open.iter().find(|one| one.scope == scope).expect("it waits")
    };
    assert_eq!(rig.choose(of("city"), Choice::TakeRight).await, Accepted::Yes);
    hands.work().await;
    assert_eq!(rig.text(Side::Left, "a", "city").unwrap(), "Bern");
    let left: Vec<Scope> = rig.conflicts().await.into_iter().map(|one| one.scope).collect();
    assert_eq!(left, [of("name").scope.clone()]);
    assert_eq!(rig.text(Side::Left, "a", "name").unwrap(), "Left");
    assert_eq!(rig.text(Side::Right, &id, "name").unwrap(), "Right");
}

#[tokio::test]
async fn a_choice_about_values_that_moved_on_is_not_applied() {
    let rig = Rig::usual().await;
    let mut hands = disputed(&rig).await;
    let seen = rig.conflicts().await.remove(0);
    rig.left().put(THINGS, "a", columns(&[("name", "Later")]));
    hands.work().await;
    assert_eq!(rig.choose(&seen, Choice::TakeRight).await, Accepted::Stale);
    hands.work().await;
    assert_eq!(rig.text(Side::Left, "a", "name").unwrap(), "Later");
    let now = rig.conflicts().await.remove(0);
    assert_eq!(now.id, seen.id);
    assert_eq!(rig.choose(&now, Choice::TakeLeft).await, Accepted::Yes);
    hands.work().await;
    assert!(rig.agree("1", "Later"));
}

#[tokio::test]
async fn a_choice_overtaken_before_it_is_applied_is_asked_again() {
    let rig = Rig::usual().await;
    let mut hands = disputed(&rig).await;
    let seen = rig.conflicts().await.remove(0);
    assert_eq!(rig.choose(&seen, Choice::TakeRight).await, Accepted::Yes);
    rig.left().put(THINGS, "a", columns(&[("name", "Later")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Left, "a", "name").unwrap(), "Later", "nobody saw that value");
}

#[tokio::test]
async fn a_deletion_is_propagated_where_the_policy_says_so() {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.left().delete(THINGS, "a");
    hands.work().await;
    assert!(rig.right().records(THINGS).is_empty());
    assert_eq!(rig.right().written().last().unwrap().op, Op::Delete);
    assert_eq!(rig.links().await[0].phase, Phase::Tombstoned);
    rig.right().tell_again(THINGS);
    rig.left().tell_again(THINGS);
    let before = rig.writes();
    hands.work().await;
    assert_eq!(rig.writes(), before);
}

#[tokio::test]
async fn a_deletion_is_a_persons_matter_unless_configured() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.left().delete(THINGS, "a");
    hands.work().await;
    assert_eq!(rig.right().records(THINGS).len(), 1);
    assert_eq!(rig.conflicts().await.len(), 1);
}

#[tokio::test]
async fn a_deletion_takes_the_link_apart_or_is_ignored_as_configured() {
    for (policy, phase) in
        [(DeletePolicy::Unlink, Phase::Unlinked), (DeletePolicy::Ignore, Phase::Frozen)]
    {
        let rig = Rig::flow(deleting(policy)).await;
        let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
        rig.left().delete(THINGS, "a");
        let before = rig.writes();
        hands.work().await;
        assert_eq!(rig.right().records(THINGS).len(), 1, "{policy:?}");
        assert_eq!(rig.writes(), before, "{policy:?}");
        assert_eq!(rig.links().await[0].phase, phase, "{policy:?}");
        assert!(rig.conflicts().await.is_empty(), "{policy:?}");
    }
}

#[tokio::test]
async fn what_is_told_again_writes_nothing() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    for number in 0..20 {
        let code = number.to_string();
        let side = if number % 2 == 0 { Side::Left } else { Side::Right };
        let values = columns(&[("code", &code), ("name", "Ann"), ("city", "Oslo")]);
        rig.sides.get(side).put(THINGS, &format!("r{number}"), values);
    }
    hands.work().await;
    assert_eq!(rig.writes(), 20);
    let decisions = rig.detail(Side::Left, "r0").await.decisions.len();
    for _ in 0..2 {
        for side in Side::BOTH {
            rig.sides.get(side).tell_again(THINGS);
        }
        rig.pass(120);
        hands.work().await;
    }
    assert_eq!(rig.writes(), 20);
    assert_eq!(rig.detail(Side::Left, "r0").await.decisions.len(), decisions, "echoes");
}

#[tokio::test]
async fn a_key_change_keeps_the_link() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let link = rig.link_of(Side::Left, "a").await;
    rig.left().rename(THINGS, "a", "b");
    rig.left().put(THINGS, "b", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.link_of(Side::Left, "b").await, link);
    assert_eq!(rig.link_of(Side::Left, "a").await, link, "the old id still finds it");
    assert_eq!(rig.right().records(THINGS).len(), 1);
}

#[tokio::test]
async fn a_record_that_the_source_lost_track_of_is_read() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    rig.left().put_untold(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    let reads = rig.intents(Side::Left, "a", Op::Read).await;
    assert_eq!(reads.len(), 1, "one read, and nothing else about it");
}

#[tokio::test]
async fn a_side_of_whole_seconds_is_written_when_its_version_is_fresh() {
    let seconds = Promises::of_whole_seconds();
    let spec = promising(things(), Side::Left, seconds);
    let promises = Both::new(seconds, Promises::default());
    let rig = Rig::of(Wanted { flows: vec![spec], promises, ..Wanted::default() }).await;
    assert_eq!(rig.left().promises().class, PathClass::K3s);
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let id = rig.id(Side::Right, "1");
    rig.right().put(THINGS, &id, columns(&[("name", "Bea")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Left, "a", "name").unwrap(), "Ann", "its version is too fresh");
    hands.work_through(&rig, 3, 2).await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!(rig.left().written().len(), 1);
    hands.work_through(&rig, 3, 2).await;
    assert_eq!(rig.writes(), 2, "the read-back is an echo");
}

#[tokio::test]
async fn a_paused_flow_records_and_decides_later() {
    let rig = Rig::usual().await;
    let mut hands = linked(&rig, Side::Left, "1", "Ann").await;
    let flow = rig.spec().name.clone();
    let paused = FlowState { adopted: true, paused: true, deletes_held: false };
    rig.store.set_flow_state(&flow, paused, rig.clock.now()).await.unwrap();
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert_eq!(rig.text(Side::Right, &rig.id(Side::Right, "1"), "name").unwrap(), "Ann");
    let running = FlowState { paused: false, ..paused };
    rig.store.set_flow_state(&flow, running, rig.clock.now()).await.unwrap();
    rouse::all(&rig.context, &flow).await.unwrap();
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
}
