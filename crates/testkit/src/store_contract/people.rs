//! What a person's changes promise: none is lost, none is applied to something the person didn't
//! see.

use std::sync::Arc;

use duet_core::conflict::{Choice, CloseReason, Conflict, ConflictState, Resolution};
use duet_core::intent::{IntentState, Op};
use duet_core::side::Side;
use duet_core::verdict::Effect;
use duet_ports::inspect::{Accepted, ConflictFilter};
use duet_ports::store::{Store, StoreError};

use super::sample::{
    NOW, conflict, effects, facts, fresh, hold, intent, linked, plan, resolution, settle, verdict,
};
use super::{SOON, StoreRig, wait_for_waiting};

async fn open(store: &dyn Store, record: &str) -> Conflict {
    let link = linked(store, &[record]).await[0];
    let conflict = conflict(link, "name");
    effects(store, link, vec![Effect::Conflict(Box::new(conflict.clone()))]).await;
    conflict
}

async fn stored(store: &dyn Store, conflict: &Conflict) -> Conflict {
    store.conflict(conflict.id).await.expect("it answers").expect("it is there")
}

/// A decision is stored with the conflict, its revision grows, and its link is due.
pub async fn a_decision_is_stored(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let seen = open(&*store, "a").await;
    let choice = resolution(&seen);
    let accepted = store.decide(seen.id, seen.rev, &choice).await.expect("it answers");
    assert_eq!(accepted, Accepted::Yes);
    let mut expected = seen.clone();
    (expected.state, expected.rev) = (ConflictState::Decided, seen.rev + 1);
    expected.resolution = Some(choice);
    assert_eq!(stored(&*store, &seen).await, expected);
    let facts = facts(&*store, seen.link).await;
    assert_eq!((facts.link.due_at, facts.conflicts), (Some(NOW), vec![expected]));
}

/// A decision about other values, or from another look, is refused.
pub async fn a_stale_decision_is_refused(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let seen = open(&*store, "a").await;
    let mut blind = resolution(&seen);
    blind.seen = "other".to_owned();
    let choice = resolution(&seen);
    let decide = async |rev, choice| store.decide(seen.id, rev, choice).await.expect("it answers");
    assert_eq!(decide(seen.rev, &blind).await, Accepted::Stale);
    assert_eq!(decide(seen.rev + 1, &choice).await, Accepted::Stale);
    assert_eq!(decide(seen.rev, &choice).await, Accepted::Yes);
    let nobody = conflict(seen.link, "name");
    let gone = store.decide(nobody.id, 1, &resolution(&nobody)).await.expect("it answers");
    assert_eq!(gone, Accepted::Gone);
}

async fn decide(store: &dyn Store, seen: &Conflict, rev: i64, choice: &Resolution) -> Accepted {
    store.decide(seen.id, rev, choice).await.expect("it answers")
}

/// Two people look at the same conflict and choose otherwise: the first one wins, whichever revision
/// the second one names. The very same choice, from anybody, is answered and stores nothing (H11).
pub async fn of_two_persons_the_first_wins(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let seen = open(&*store, "a").await;
    let ann = resolution(&seen);
    let bob = |choice| Resolution { choice, by: "bob".to_owned(), ..resolution(&seen) };
    let decide = |rev, choice: &Resolution| {
        let (store, seen, choice) = (Arc::clone(&store), seen.clone(), choice.clone());
        async move { decide(&*store, &seen, rev, &choice).await }
    };
    assert_eq!(decide(seen.rev, &ann).await, Accepted::Yes);
    let first = stored(&*store, &seen).await;
    for rev in [seen.rev, first.rev] {
        for choice in [Choice::TakeRight, Choice::TakeAgreed, Choice::LeaveAlone] {
            assert_eq!(decide(rev, &bob(choice)).await, Accepted::Stale);
        }
        assert_eq!(decide(rev, &bob(ann.choice.clone())).await, Accepted::Yes);
        assert_eq!(decide(rev, &ann).await, Accepted::Yes);
        assert_eq!(stored(&*store, &seen).await, first, "ann's decision stands as it is");
    }
    let applied = Conflict { state: ConflictState::Applied, rev: first.rev + 1, ..first };
    effects(&*store, seen.link, vec![Effect::Conflict(Box::new(applied.clone()))]).await;
    assert_eq!(decide(applied.rev, &bob(Choice::TakeRight)).await, Accepted::Stale);
    assert_eq!(decide(seen.rev, &ann).await, Accepted::Yes);
    assert_eq!(stored(&*store, &seen).await, applied);
}

/// Until it is carried out, a decision gives way to one that names it, at its revision; both are
/// kept.
pub async fn a_decision_gives_way_to_one_that_names_it(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let seen = open(&*store, "a").await;
    let ann = resolution(&seen);
    let decide = |rev, choice: &Resolution| {
        let (store, seen, choice) = (Arc::clone(&store), seen.clone(), choice.clone());
        async move { decide(&*store, &seen, rev, &choice).await }
    };
    assert_eq!(decide(seen.rev, &ann).await, Accepted::Yes);
    let rev = seen.rev + 1;
    let instead = |earlier: Vec<Resolution>| Resolution {
        choice: Choice::TakeRight,
        by: "bob".to_owned(),
        earlier,
        ..resolution(&seen)
    };
    let other = Resolution { by: "eve".to_owned(), ..ann.clone() };
    assert_eq!(decide(rev, &instead(vec![other])).await, Accepted::Stale, "not what stands");
    let bob = instead(vec![ann.clone()]);
    assert_eq!(decide(seen.rev, &bob).await, Accepted::Stale, "an old look");
    assert_eq!(decide(rev, &bob).await, Accepted::Yes);
    let changed = stored(&*store, &seen).await;
    assert_eq!((changed.rev, &changed.resolution), (rev + 1, &Some(bob.clone())));
    let back = Resolution { earlier: bob.with_earlier(), ..ann.clone() };
    assert_eq!(decide(rev, &back).await, Accepted::Stale, "it was changed meanwhile");
    assert_eq!(decide(rev + 1, &back).await, Accepted::Yes);
    let history = stored(&*store, &seen).await.resolution.expect("one stands").with_earlier();
    let by: Vec<&str> = history.iter().map(|made| made.by.as_str()).collect();
    assert_eq!(by, ["ann", "bob", "ann"]);
    let applied = stored(&*store, &seen).await;
    let applied = Conflict { state: ConflictState::Applied, rev: applied.rev + 1, ..applied };
    effects(&*store, seen.link, vec![Effect::Conflict(Box::new(applied.clone()))]).await;
    let late = instead(history);
    assert_eq!(decide(applied.rev, &late).await, Accepted::Stale, "it is being carried out");
}

/// A decision that comes while a verdict is under way waits for it, and is refused if the verdict
/// changed the conflict: neither overwrites the other.
pub async fn a_decision_and_a_verdict_take_turns(rig: &dyn StoreRig) {
    let (store, other) = (rig.store().await, rig.store().await);
    let seen = open(&*store, "a").await;
    let mut unit = store.begin().await.expect("the store is up");
    let loaded = hold(unit.as_mut(), &[seen.link]).await;
    let mut moved = seen.clone();
    (moved.rev, moved.seen) = (2, "newer".to_owned());
    let (id, rev, choice) = (seen.id, seen.rev, resolution(&seen));
    let deciding = tokio::spawn(async move { other.decide(id, rev, &choice).await });
    wait_for_waiting(rig, 1).await;
    let change = Effect::Conflict(Box::new(moved.clone()));
    let decided = verdict(&loaded[0], |new| new.effects = vec![change]);
    unit.save(&[decided], NOW).await.expect("it is locked");
    unit.commit().await.expect("it is stored");
    let accepted = tokio::time::timeout(SOON, deciding).await.expect("the wait is over");
    assert_eq!(accepted.expect("it ran").expect("it answers"), Accepted::Stale);
    assert_eq!(stored(&*store, &seen).await, moved);
}

/// A person closes a conflict that asks for no write, once.
pub async fn a_conflict_is_closed_by_hand(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let seen = open(&*store, "a").await;
    let close = async |rev| {
        let closed = store.close_conflict(seen.id, rev, CloseReason::Obsolete, NOW).await;
        closed.expect("it answers")
    };
    assert_eq!(close(seen.rev + 1).await, Accepted::Stale);
    assert_eq!(close(seen.rev).await, Accepted::Yes);
    assert_eq!(close(seen.rev).await, Accepted::Gone);
    let closed = stored(&*store, &seen).await;
    assert_eq!((closed.state, closed.reason), (ConflictState::Closed, Some(CloseReason::Obsolete)));
    assert_eq!(closed.closed_at, Some(NOW));
    assert!(facts(&*store, seen.link).await.conflicts.is_empty());
    let late = store.decide(seen.id, closed.rev, &resolution(&closed)).await.expect("it answers");
    assert_eq!(late, Accepted::Gone);
    let open = store.conflicts(&ConflictFilter { limit: 9, ..Default::default() }).await;
    assert!(open.expect("it answers").is_empty());
}

/// A parked intent is planned again or discarded; what is under way or closed isn't touched.
pub async fn an_intent_is_set_by_hand(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let update = intent(link, Side::Right, Op::Update);
    let park = settle(update.id, IntentState::Parked);
    effects(&*store, link, vec![plan(&update), park]).await;
    let later = NOW.plus_seconds(9);
    let set = async |state| store.set_intent(update.id, state, later).await.expect("it answers");
    assert_eq!(set(IntentState::Discarded).await, Accepted::Yes);
    assert_eq!(facts(&*store, link).await.link.due_at, Some(later));
    assert_eq!(set(IntentState::Planned).await, Accepted::Yes);
    let stored = facts(&*store, link).await.intents.right.write.expect("it is open");
    assert_eq!((stored.state, stored.due_at), (IntentState::Planned, Some(later)));
    effects(&*store, link, vec![settle(update.id, IntentState::Sent)]).await;
    assert_eq!(set(IntentState::Discarded).await, Accepted::Stale);
    effects(&*store, link, vec![settle(update.id, IntentState::Confirmed)]).await;
    assert_eq!(set(IntentState::Planned).await, Accepted::Gone);
    let nobody = duet_core::id::IntentId(fresh());
    let gone = store.set_intent(nobody, IntentState::Planned, NOW).await.expect("it answers");
    assert_eq!(gone, Accepted::Gone);
    let refused = store.set_intent(update.id, IntentState::Confirmed, NOW).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })));
}
