//! What locking and loading promise.

use std::sync::Arc;

use duet_core::agreed::Agreed;
use duet_core::id::LinkId;
use duet_core::link::{Alias, Phase};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::store::{Store, StoreError};
use tokio::task::JoinHandle;

use super::sample::{NOW, agreed, decide, facts, held, hold, lefts, linked, verdict};
use super::{SOON, StoreRig, beside, wait_for_waiting};

/// What was read of a link after waiting for another transaction that changed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Its revision.
    pub rev: i64,
    /// What is agreed of it.
    pub agreed: Agreed,
}

/// What the other transaction stored.
#[must_use]
pub fn stored_meanwhile() -> Read {
    Read { rev: 1, agreed: agreed("after") }
}

/// One transaction changes a link; `read` locks and reads the same link meanwhile, waits, and goes
/// on after the commit. What it read comes back: it must be [`stored_meanwhile`].
pub async fn read_after_a_wait<F>(rig: &dyn StoreRig, read: impl FnOnce(LinkId) -> F) -> Read
where
    F: Future<Output = Read> + Send + 'static,
{
    let store = rig.store().await;
    linked(&*store, &["a"]).await;
    let (mut unit, facts) = held(&*store, &lefts(&["a"])).await;
    let reading: JoinHandle<Read> = tokio::spawn(read(facts[0].link.id));
    wait_for_waiting(rig, 1).await;
    let decided = verdict(&facts[0], |new| new.agreed = agreed("after"));
    unit.save(&[decided], NOW).await.expect("it is locked");
    unit.commit().await.expect("the change is stored");
    let read = tokio::time::timeout(SOON, reading).await.expect("the wait is over");
    read.expect("it reads")
}

/// Facts loaded after a wait for the lock are those that the other transaction committed.
pub async fn facts_are_read_after_the_wait(rig: &dyn StoreRig) {
    let store: Arc<dyn Store> = rig.store().await;
    let read = read_after_a_wait(rig, |link| async move {
        let facts = facts(&*store, link).await;
        Read { rev: facts.link.rev, agreed: facts.agreed }
    })
    .await;
    assert_eq!(read, stored_meanwhile());
}

/// A verdict made from older facts changes nothing.
pub async fn a_stale_verdict_is_refused(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let old = facts(&*store, link).await;
    decide(&*store, link, |new| new.link.waits = 1).await.expect("it is stored");

    let mut unit = store.begin().await.expect("the store is up");
    hold(unit.as_mut(), &[link]).await;
    let error = unit.save(&[verdict(&old, |new| new.link.waits = 9)], NOW).await;
    assert!(matches!(error, Err(StoreError::StaleLink { link: stale }) if stale == link));
    drop(unit);
    let now = facts(&*store, link).await;
    assert_eq!((now.link.rev, now.link.waits), (1, 1));
}

/// A verdict about a link that isn't locked here changes nothing.
pub async fn an_unlocked_link_is_refused(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let facts = facts(&*store, link).await;
    let mut unit = store.begin().await.expect("the store is up");
    let error = unit.save(&[verdict(&facts, |_| {})], NOW).await;
    assert!(matches!(error, Err(StoreError::StaleLink { .. })));
}

/// Only locked links are loaded and moved.
pub async fn only_locked_links_are_touched(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let mut unit = store.begin().await.expect("the store is up");
    assert!(unit.load(&links, &[], NOW).await.expect("it answers").is_empty());
    unit.lock(&links[..1], false).await.expect("it can be locked");
    unit.touch(&links, Stamp(5)).await.expect("it answers");
    unit.commit().await.expect("it is stored");
    assert_eq!(facts(&*store, links[0]).await.link.due_at, Some(Stamp(5)));
    assert_eq!(facts(&*store, links[1]).await.link.due_at, None);
}

/// Links come in the order of their ids, whatever the order asked for.
pub async fn locks_are_taken_in_order(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let mut links = linked(&*store, &["a", "b", "c"]).await;
    links.sort_unstable();
    let backwards: Vec<LinkId> = links.iter().rev().copied().collect();
    let mut unit = store.begin().await.expect("the store is up");
    let locked = unit.lock(&backwards, false).await.expect("they can be locked");
    assert_eq!(locked, links.iter().map(|link| (*link, 0)).collect::<Vec<_>>());
}

/// With `skip_locked`, links that others hold are left out, without waiting for them.
pub async fn held_links_are_skipped_on_request(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let mut holder = store.begin().await.expect("the store is up");
    holder.lock(&links[..1], false).await.expect("it can be locked");
    let locking = async {
        let mut unit = store.begin().await.expect("the store is up");
        unit.lock(&links, true).await.expect("it answers")
    };
    let (locked, holder) = beside(rig, holder, locking).await;
    let free = if holder.is_some() { &links[1..] } else { &links[..] };
    assert_eq!(locked, free.iter().map(|link| (*link, 0)).collect::<Vec<_>>());
}

/// A link that was joined into another one is left out, even if that happened while waiting; its
/// record leads to the other link.
pub async fn a_joined_link_is_left_out(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let addresses = [lefts(&["a"]), vec![super::sample::address(Side::Right, "z")]].concat();
    let (mut unit, both) = held(&*store, &addresses).await;
    unit.commit().await.expect("both are stored");
    let (kept, gone) = (both[0].link.id, both[1].link.id);

    unit = store.begin().await.expect("the store is up");
    let loaded = hold(unit.as_mut(), &[kept, gone]).await;
    let other = rig.store().await;
    let waiting = tokio::spawn(async move {
        let mut unit = other.begin().await.expect("the store is up");
        unit.lock(&[kept, gone], false).await.expect("it answers")
    });
    wait_for_waiting(rig, 1).await;
    let decided = [
        verdict(&loaded[1], |new| new.link.phase = Phase::Joined),
        verdict(&loaded[0], |new| super::sample::complete(new, "z")),
    ];
    unit.save(&decided, NOW).await.expect("the record changes hands");
    unit.commit().await.expect("the join is stored");
    let locked = waiting.await.expect("the wait is over");
    assert_eq!(locked, [(kept, 1)]);
    let (_, facts) = held(&*store, &addresses[1..]).await;
    assert_eq!(facts[0].link.id, kept);
}

/// Aliases of a joined link go to the one that keeps them.
pub async fn aliases_change_hands(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let alias = Alias { side: Side::Left, record: "old".into() };
    decide(&*store, links[1], |new| new.link.aliases = vec![alias.clone()]).await.expect("stored");
    let mut unit = store.begin().await.expect("the store is up");
    let loaded = hold(unit.as_mut(), &links).await;
    let decided = [
        verdict(&loaded[0], |new| new.link.aliases = vec![alias.clone()]),
        verdict(&loaded[1], |new| new.link.phase = Phase::Joined),
    ];
    unit.save(&decided, NOW).await.expect("the alias changes hands");
    unit.commit().await.expect("it is stored");
    assert_eq!(facts(&*store, links[0]).await.link.aliases, [alias]);
    let (_, found) = held(&*store, &lefts(&["old"])).await;
    assert_eq!(found[0].link.id, links[0]);
}
