//! What leases, positions, settled marks and poison counts promise.

use std::time::Duration;

use duet_core::facts::FlowState;
use duet_core::id::FlowName;
use duet_core::keyed::KeyedBy;
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use duet_ports::envelope::Numbered;
use duet_ports::store::{Lease, Store};

use super::StoreRig;
use super::sample::{NOW, flow};

const SOURCE: &str = "customers/left";
const NAME: &str = "detect/customers/left";
const LENGTH: Duration = Duration::from_secs(30);

async fn take(store: &dyn Store, holder: &str, now: Stamp) -> Option<Lease> {
    store.lease(NAME, holder, LENGTH, now).await.expect("it answers")
}

async fn mark(store: &dyn Store, token: i64, numbers: impl IntoIterator<Item = i64>) {
    let source = || SOURCE.to_owned();
    let numbers: Vec<Numbered> =
        numbers.into_iter().map(|number| Numbered { source: source(), token, number }).collect();
    let mut unit = store.begin().await.expect("the store is up");
    unit.settle(&numbers, &[], NOW).await.expect("they are taken");
    unit.commit().await.expect("they are stored");
}

async fn settled(store: &dyn Store, token: i64) -> Vec<i64> {
    store.settled(SOURCE, token).await.expect("it answers")
}

async fn advance(store: &dyn Store, token: i64, position: &str, settled: i64) -> bool {
    let position = Position(position.to_owned());
    store.advance(SOURCE, token, Some(&position), settled, NOW).await.expect("it answers")
}

/// One holder at a time; renewing keeps the token, every new holder gets a larger one.
pub async fn leases_fence(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let first = take(&*store, "a", NOW).await.expect("nobody holds it");
    assert_eq!(first.until, NOW.plus_seconds(30));
    assert_eq!(take(&*store, "b", NOW.plus_seconds(29)).await, None);
    let renewed = take(&*store, "a", NOW.plus_seconds(20)).await.expect("it holds it");
    assert_eq!((renewed.token, renewed.until), (first.token, NOW.plus_seconds(50)));
    let second = take(&*store, "b", NOW.plus_seconds(50)).await.expect("its time is over");
    assert!(second.token > first.token);
    assert_eq!(take(&*store, "a", NOW.plus_seconds(51)).await, None);
    store.release(&first).await.expect("it answers");
    assert_eq!(
        take(&*store, "a", NOW.plus_seconds(51)).await,
        None,
        "a former holder frees nothing"
    );
    store.release(&second).await.expect("it answers");
    let third = take(&*store, "b", NOW.plus_seconds(51)).await.expect("it is free");
    assert!(third.token > second.token, "given back means a new holder");
}

/// Many ask for a lease at once: one gets it.
pub async fn one_of_many_gets_the_lease(rig: &dyn StoreRig) {
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = rig.store().await;
        asking.spawn(async move { take(&*store, &number.to_string(), NOW).await.is_some() });
    }
    let got: Vec<bool> = asking.join_all().await;
    assert_eq!(got.iter().filter(|got| **got).count(), 1);
}

/// Processes are counted while their leases hold, by name; other leases are none.
pub async fn processes_at_work_are_told(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let begin = async |name: &str, now| {
        let lease = store.lease(&format!("process/{name}"), name, LENGTH, now).await;
        lease.expect("it answers").expect("nobody else has this name")
    };
    let live = async |now| store.live_processes(now).await.expect("it answers");
    let names = async |now| {
        let rows = store.processes(now).await.expect("it answers");
        rows.into_iter().map(|row| row.process).collect::<Vec<_>>()
    };
    assert_eq!(live(NOW).await, 0);
    take(&*store, "a", NOW).await.expect("a lease of another kind");
    let first = begin("a", NOW).await;
    begin("b", NOW.plus_seconds(20)).await;
    assert_eq!(live(NOW.plus_seconds(20)).await, 2);
    assert_eq!(names(NOW.plus_seconds(20)).await, ["a", "b"]);
    assert_eq!(names(NOW.plus_seconds(30)).await, ["b"], "the first one's time is over");
    assert_eq!(live(NOW.plus_seconds(30)).await, 1);
    store.release(&first).await.expect("it is forgotten by now");
    let again = begin("a", NOW.plus_seconds(30)).await;
    assert_eq!(live(NOW.plus_seconds(30)).await, 2);
    store.release(&again).await.expect("it answers");
    assert_eq!(live(NOW.plus_seconds(30)).await, 1, "given back is gone");
    assert_eq!(take(&*store, "b", NOW.plus_seconds(29)).await, None, "other leases stay");
}

/// Marks are told in order and once; the position passes over the first of them.
pub async fn marks_are_passed_over(rig: &dyn StoreRig) {
    let store = rig.store().await;
    assert_eq!(store.position(SOURCE).await.expect("it answers"), None);
    mark(&*store, 1, [5, 1, 2, 2]).await;
    mark(&*store, 1, [3, 1]).await;
    assert_eq!(settled(&*store, 1).await, [1, 2, 3, 5]);
    assert!(advance(&*store, 1, "p3", 3).await);
    assert_eq!(settled(&*store, 1).await, [5], "4 is missing, so 5 stays");
    assert_eq!(store.position(SOURCE).await.expect("it answers"), Some(Position("p3".into())));
    mark(&*store, 1, [2]).await;
    assert_eq!(settled(&*store, 1).await, [5], "a message that came again counts for nothing");
    assert!(store.settled("customers/right", 1).await.expect("it answers").is_empty());
}

/// A position stays where the source keeps it itself.
pub async fn no_position_leaves_the_stored_one(rig: &dyn StoreRig) {
    let store = rig.store().await;
    assert!(advance(&*store, 1, "p", 1).await);
    assert!(store.advance(SOURCE, 1, None, 2, NOW).await.expect("it answers"));
    assert_eq!(store.position(SOURCE).await.expect("it answers"), Some(Position("p".into())));
}

/// A successor passes over its own marks and deletes older ones; the former holder is refused.
pub async fn an_older_token_is_refused(rig: &dyn StoreRig) {
    let store = rig.store().await;
    mark(&*store, 1, [1, 2]).await;
    mark(&*store, 2, [1]).await;
    assert!(advance(&*store, 2, "new", 0).await);
    assert!(settled(&*store, 1).await.is_empty());
    assert_eq!(settled(&*store, 2).await, [1]);
    assert!(!advance(&*store, 1, "old", 9).await);
    mark(&*store, 1, [3]).await;
    assert!(advance(&*store, 2, "newer", 1).await);
    assert!(settled(&*store, 1).await.is_empty(), "a late mark of a former holder goes too");
    assert_eq!(store.position(SOURCE).await.expect("it answers"), Some(Position("newer".into())));
}

/// The former holder is refused as soon as a successor has the lease.
pub async fn a_successor_is_seen_by_its_lease(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let first = take(&*store, "a", NOW).await.expect("nobody holds it");
    assert!(advance(&*store, first.token, "p1", 1).await);
    let later = NOW.plus_seconds(31);
    let second = take(&*store, "b", later).await.expect("its time is over");
    assert!(!advance(&*store, first.token, "p2", 2).await);
    assert!(advance(&*store, second.token, "p3", 1).await);
}

/// Marks of a transaction that didn't commit are none.
pub async fn a_mark_is_part_of_its_transaction(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let mut unit = store.begin().await.expect("the store is up");
    let number = Numbered { source: SOURCE.to_owned(), token: 1, number: 1 };
    unit.settle(&[number], &[], NOW).await.expect("it is taken");
    drop(unit);
    assert!(settled(&*store, 1).await.is_empty());
}

/// Sources show when they moved and who holds their lease.
pub async fn sources_are_told(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let lease = take(&*store, "a", NOW).await.expect("nobody holds it");
    store.lease("adopt/customers", "b", LENGTH, NOW).await.expect("another kind of lease");
    let rows = store.sources().await.expect("it answers");
    let [row] = rows.as_slice() else { panic!("one source: {rows:?}") };
    assert_eq!((row.source.as_str(), row.moved_at), (SOURCE, None));
    assert_eq!(row.holder, Some(("a".to_owned(), lease.until)));
    assert_eq!(row.scanning, None);
    let scan = store.lease("scan/customers/left", "a", LENGTH, NOW).await.expect("it answers");
    let scan = scan.expect("nobody holds it");
    let rows = store.sources().await.expect("it answers");
    assert_eq!((rows.len(), rows[0].scanning), (1, Some(scan.until)));
    store.release(&scan).await.expect("it answers");
    assert!(advance(&*store, lease.token, "p", 1).await);
    store.release(&lease).await.expect("it answers");
    let rows = store.sources().await.expect("it answers");
    assert_eq!((rows[0].moved_at, rows[0].holder.clone()), (Some(NOW), None));
    assert_eq!(rows[0].scanning, None);
}

/// Failures of a message are counted, each message apart.
pub async fn poison_is_counted(rig: &dyn StoreRig) {
    let store = rig.store().await;
    for expected in 1..=3 {
        assert_eq!(store.count_poison("m1").await.expect("it answers"), expected);
    }
    assert_eq!(store.count_poison("m2").await.expect("it answers"), 1);
    let numbered = Numbered { source: SOURCE.to_owned(), token: 3, number: 9 };
    for _ in 0..2 {
        assert_eq!(store.count_poison(&numbered.name()).await.expect("it answers"), 1);
        mark(&*store, 3, [9]).await;
    }
    assert_eq!(store.count_poison("m2").await.expect("it answers"), 2, "others count on");
}

/// A flow is new until told otherwise; facts say what it allows.
pub async fn flow_states_are_kept(rig: &dyn StoreRig) {
    let store = rig.store().await;
    assert_eq!(store.flow_state(&flow()).await.expect("it answers"), FlowState::default());
    let link = super::sample::linked(&*store, &["a"]).await[0];
    assert_eq!(super::sample::facts(&*store, link).await.flow, FlowState::default());
    let state = FlowState { adopted: true, paused: false, deletes_held: true };
    store.set_flow_state(&flow(), state, NOW).await.expect("it is stored");
    assert_eq!(store.flow_state(&flow()).await.expect("it answers"), state);
    assert_eq!(super::sample::facts(&*store, link).await.flow, state);
}

/// Marking a flow as adopted leaves what a person set of it, and needs nothing to be set before.
pub async fn adopting_leaves_a_pause(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let state = FlowState { adopted: false, paused: true, deletes_held: true };
    store.set_flow_state(&flow(), state, NOW).await.expect("it is stored");
    let other = FlowName::from("other");
    for name in [&flow(), &other] {
        store.set_adopted(name, NOW).await.expect("it is stored");
    }
    let adopted = FlowState { adopted: true, ..state };
    assert_eq!(store.flow_state(&flow()).await.expect("it answers"), adopted);
    let fresh = FlowState { adopted: true, ..FlowState::default() };
    assert_eq!(store.flow_state(&other).await.expect("it answers"), fresh);
}

/// What a flow's links are keyed by is noted once, also by two at once, and nothing else changes it.
pub async fn the_first_noted_keys_stay(rig: &dyn StoreRig) {
    let (store, other) = (rig.store().await, rig.store().await);
    let keys = |column: &str| {
        Both::build(|side| KeyedBy {
            connection: side.as_str().into(),
            collection: "things".to_owned(),
            key: vec![column.into(), "part".into()],
        })
    };
    let flow = flow();
    assert_eq!(store.flow_keys(&flow).await.expect("it answers"), None);
    let (a, b) = (keys("a"), keys("b"));
    let (one, two) =
        tokio::join!(store.note_flow_keys(&flow, &a, NOW), other.note_flow_keys(&flow, &b, NOW));
    let first = one.expect("it is noted");
    assert!(first == a || first == b, "{first:?}");
    assert_eq!(two.expect("it is noted"), first, "both see the same");
    assert_eq!(store.flow_state(&flow).await.expect("it answers"), FlowState::default());
    let adopted = FlowState { adopted: true, ..FlowState::default() };
    store.set_flow_state(&flow, adopted, NOW).await.expect("it is stored");
    assert_eq!(store.note_flow_keys(&flow, &keys("c"), NOW).await.expect("it answers"), first);
    assert_eq!(store.flow_keys(&flow).await.expect("it answers"), Some(first));
    assert_eq!(store.flow_state(&flow).await.expect("it answers"), adopted);
    let late = FlowName::from("adopted before");
    store.set_flow_state(&late, adopted, NOW).await.expect("it is stored");
    assert_eq!(store.flow_keys(&late).await.expect("it answers"), None);
    assert_eq!(store.note_flow_keys(&late, &b, NOW).await.expect("it is noted"), b);
}

/// Without its schema a store says so; migrating at once by two is harmless, and twice too.
pub async fn migrating_is_safe_at_once_and_twice(rig: &dyn StoreRig) {
    let (store, other) = (rig.bare().await, rig.bare().await);
    let error = store.begin().await.err().expect("there are no tables");
    assert!(matches!(error, duet_ports::store::StoreError::NotMigrated { .. }), "{error}");
    let (one, two) = tokio::join!(store.migrate(), other.migrate());
    let applied = [one.expect("it migrates"), two.expect("it migrates too")];
    assert!(applied.iter().any(Vec::is_empty), "one of them did it all: {applied:?}");
    assert!(applied.iter().any(|names| !names.is_empty()));
    assert!(store.migrate().await.expect("nothing to do").is_empty());
    super::sample::linked(&*store, &["a"]).await;
}
