//! What saving promises: everything of a verdict, all or nothing.

use std::sync::Arc;
use std::time::Duration;

use duet_core::agreed::Agreed;
use duet_core::intent::{IntentState, Op};
use duet_core::link::{Alias, Awaited, Memory, Phase};
use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_core::verdict::{Effect, FieldOutcome};
use duet_ports::store::{Attempt, Contents, Remembered, StoreError};

use super::StoreRig;
use super::sample::{
    NOW, agreed, conflict, decide, effects, facts, failure, flow, held, hold, intent, lefts,
    linked, observation, plan, settle, verdict,
};

/// Everything a verdict holds comes back as it was.
pub async fn a_verdict_comes_back_whole(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let create = intent(link, Side::Right, Op::Create);
    let find = intent(link, Side::Right, Op::Find);
    let clash = conflict(link, "name");
    let mut expected = facts(&*store, link).await;
    expected.link.rev = 1;
    expected.link.phase = Phase::Linked;
    expected.link.record.right = Some("r'1 \"ü\"".into());
    expected.link.aliases = vec![Alias { side: Side::Right, record: "old".into() }];
    expected.link.synced_at = Some(Stamp(1));
    expected.link.synced = Both::new(Some(Stamp(2)), Some(Stamp(3)));
    expected.link.due_at = Some(Stamp(4));
    expected.link.waits = 5;
    let awaited = Awaited { flow: flow(), side: Side::Left, record: "p".into() };
    expected.link.memory = Memory { awaited: vec![awaited], stale: 2, ..Memory::default() };
    expected.agreed = agreed("Acme \u{1f980} \\u0000");
    expected.seen = Both::new(Some(observation("l")), Some(observation("r")));
    expected.conflicts = vec![clash.clone()];
    expected.intents.right.write = Some(create.clone());
    expected.intents.right.read = Some(find.clone());

    decide(&*store, link, |new| {
        new.link = expected.link.clone();
        new.agreed = expected.agreed.clone();
        new.seen = expected.seen.clone();
        let conflict = Effect::Conflict(Box::new(clash));
        new.effects = vec![plan(&create), plan(&find), conflict, Effect::Alert("x".to_owned())];
    })
    .await
    .expect("it is stored");
    assert_eq!(facts(&*store, link).await, expected);
}

/// What a verdict takes away is gone, and what didn't change stays.
pub async fn what_is_taken_away_is_gone(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    decide(&*store, link, |new| {
        new.agreed = agreed("x");
        new.seen = Both::new(Some(observation("l")), Some(observation("r")));
        new.link.aliases = vec![Alias { side: Side::Left, record: "old".into() }];
        new.link.memory.create = true;
    })
    .await
    .expect("it is stored");
    decide(&*store, link, |new| {
        new.agreed = Agreed::None;
        new.seen.right = None;
        new.link.aliases.clear();
        new.link.memory = Memory::default();
    })
    .await
    .expect("it is stored");
    let now = facts(&*store, link).await;
    assert_eq!((now.agreed, now.seen.right), (Agreed::None, None));
    assert_eq!(now.seen.left, Some(observation("l")));
    assert!(now.link.aliases.is_empty());
    assert_eq!(now.link.memory, Memory::default());
}

/// What is remembered of a link isn't read, but only at the revision that the lock finds.
pub async fn what_is_remembered_counts_at_its_revision(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    decide(&*store, link, |new| new.agreed = agreed("stored")).await.expect("it is stored");
    let seen = Both::new(Some(observation("told")), None);
    for (rev, expected) in [(0, "stored"), (1, "told"), (2, "stored")] {
        let told = Contents { rev, agreed: agreed("told"), seen: seen.clone() };
        let mut unit = store.begin().await.expect("the store is up");
        unit.lock(&[link], false).await.expect("it can be locked");
        unit.remember(&Remembered::from([(link, Arc::new(told))]));
        let loaded = unit.load(&[link], &[], NOW).await.expect("it is loaded");
        assert_eq!(loaded[0].agreed, agreed(expected), "told at {rev}, stored at 1");
        assert_eq!(loaded[0].seen.left.is_some(), rev == 1);
        let again = unit.load(&[link], &[], NOW).await.expect("it is loaded");
        assert_eq!(again[0].agreed, agreed("stored"), "it was told for one look");
    }
}

/// Two verdicts about one link in one transaction: the second one counts, whole.
pub async fn a_second_verdict_in_one_transaction_counts(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let (mut unit, loaded) = held(&*store, &lefts(&["a"])).await;
    let first = verdict(&loaded[0], |new| new.agreed = agreed("first"));
    unit.save(std::slice::from_ref(&first), NOW).await.expect("it is locked");
    let mut next = loaded[0].clone();
    next.link = first.verdict.link;
    unit.save(&[verdict(&next, |_| {})], NOW).await.expect("the revision is the new one");
    unit.commit().await.expect("it is stored");
    let now = facts(&*store, next.link.id).await;
    assert_eq!((now.link.rev, now.agreed), (2, Agreed::None));
}

/// Nothing is stored before the commit, and nothing of a dropped transaction ever.
pub async fn a_dropped_transaction_leaves_nothing(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let mut unit = store.begin().await.expect("the store is up");
    let loaded = hold(unit.as_mut(), &[link]).await;
    unit.save(&[verdict(&loaded[0], |new| new.agreed = agreed("x"))], NOW).await.expect("locked");
    drop(unit);
    assert_eq!(facts(&*store, link).await, loaded[0]);
}

/// A connection that is lost in the middle is told as such, nothing is stored, and the store goes
/// on with another one. Without one there is only the transaction to be lost.
pub async fn a_lost_connection_leaves_nothing(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let mut unit = store.begin().await.expect("the store is up");
    let loaded = hold(unit.as_mut(), &[link]).await;
    unit.save(&[verdict(&loaded[0], |new| new.agreed = agreed("x"))], NOW).await.expect("locked");
    if rig.cut().await {
        let error = unit.commit().await.expect_err("the connection is gone");
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    } else {
        drop(unit);
    }
    let fresh = rig.store().await;
    assert_eq!(facts(&*fresh, link).await, loaded[0]);
    let again = tokio::time::timeout(Duration::from_secs(10), facts(&*store, link)).await;
    assert_eq!(again.expect("the old client connects again"), loaded[0]);
}

/// Records may change hands within one batch, in any order.
pub async fn records_change_hands_in_one_batch(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let (mut unit, loaded) = held(&*store, &lefts(&["a", "b"])).await;
    let decided = [
        verdict(&loaded[0], |new| new.link.record.left = Some("b".into())),
        verdict(&loaded[1], |new| new.link.record.left = Some("a".into())),
    ];
    unit.save(&decided, NOW).await.expect("they change hands");
    unit.commit().await.expect("it is stored");
    let found = linked(&*store, &["a", "b"]).await;
    assert_eq!(found, [loaded[1].link.id, loaded[0].link.id]);
}

/// A record that another link took meanwhile: try again, it will be seen.
pub async fn a_record_of_another_link_asks_for_another_try(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let error = decide(&*store, links[0], |new| new.link.record.left = Some("b".into())).await;
    assert!(matches!(error, Err(StoreError::Busy { .. })), "{error:?}");
}

/// At most one open write and one open read per link and side.
pub async fn open_intents_are_unique(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let open = [
        (Side::Left, Op::Update),
        (Side::Left, Op::Read),
        (Side::Right, Op::Create),
        (Side::Right, Op::Find),
    ];
    let planned = open.map(|(side, op)| plan(&intent(link, side, op)));
    effects(&*store, link, planned.to_vec()).await;
    for (side, op) in [(Side::Left, Op::Delete), (Side::Left, Op::Find), (Side::Right, Op::Read)] {
        let second = plan(&intent(link, side, op));
        let error = decide(&*store, link, |new| new.effects = vec![second]).await;
        assert!(matches!(error, Err(StoreError::Corrupt { .. })), "{side} {op:?}: {error:?}");
    }
    let now = facts(&*store, link).await;
    assert_eq!(now.link.rev, 1);
    assert_eq!(now.intents.left.write.map(|write| write.op), Some(Op::Update));
}

/// A verdict replaces an intent: the old one is closed and the new one stored in one go.
pub async fn an_intent_is_replaced_in_one_go(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let (old, new) = (intent(link, Side::Right, Op::Create), intent(link, Side::Right, Op::Update));
    effects(&*store, link, vec![plan(&old)]).await;
    effects(&*store, link, vec![plan(&new), settle(old.id, IntentState::Superseded)]).await;
    assert_eq!(facts(&*store, link).await.intents.right.write, Some(new.clone()));

    let mut unit = store.begin().await.expect("the store is up");
    unit.lock(&[link], false).await.expect("it can be locked");
    let marked = unit.load(&[link], &[old.id, new.id], NOW).await.expect("it is loaded");
    let closed = marked[0].marked.get(&old.id).expect("a marker names it");
    assert_eq!((closed.state, closed.due_at), (IntentState::Superseded, None));
    assert_eq!(closed.values.get("Name"), Some(&Value::text("Acme")), "it keeps its values");
    assert_eq!(marked[0].marked.len(), 1, "the other one is open");
}

/// A verdict may settle the very intent that it planned.
pub async fn a_planned_intent_may_be_settled_at_once(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let read = intent(link, Side::Left, Op::Read);
    effects(&*store, link, vec![plan(&read), settle(read.id, IntentState::Parked)]).await;
    let stored = facts(&*store, link).await.intents.left.read.expect("it is open");
    assert_eq!(stored.state, IntentState::Parked);
}

/// The last failure stays with an intent; due time and count of tries are as the verdict says.
pub async fn settling_keeps_the_last_failure(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let update = intent(link, Side::Right, Op::Update);
    effects(&*store, link, vec![plan(&update)]).await;
    let failed = Effect::Settle {
        intent: update.id,
        state: IntentState::Planned,
        failure: Some(failure(FailureClass::Transient)),
        due_at: Some(Stamp(7)),
        landed_at: None,
        attempts: Some(3),
    };
    effects(&*store, link, vec![failed]).await;
    effects(&*store, link, vec![settle(update.id, IntentState::Unknown)]).await;
    let stored = facts(&*store, link).await.intents.right.write.expect("it is open");
    assert_eq!(stored.failure, Some(failure(FailureClass::Transient)));
    assert_eq!((stored.state, stored.attempts), (IntentState::Unknown, 3));
    assert_eq!(stored.due_at, Some(NOW));
}

/// One decision per verdict, none for an echo; and nobody can change one afterwards.
pub async fn decisions_are_written_once(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let outcome = FieldOutcome {
        field: "name".into(),
        row: "F2".into(),
        rule: "last_write_wins".to_owned(),
        outcome: "trunk := left".to_owned(),
    };
    decide(&*store, link, |new| new.outcomes = vec![outcome.clone()]).await.expect("stored");
    decide(&*store, link, |new| new.echo = true).await.expect("stored");
    let unchanged = |new: &mut duet_core::verdict::Verdict| {
        new.changed = false;
        new.link.rev -= 1;
    };
    decide(&*store, link, unchanged).await.expect("stored");
    let detail = store.link_detail(link, 10).await.expect("it answers").expect("it is there");
    let revs: Vec<i64> = detail.decisions.iter().map(|decision| decision.rev).collect();
    assert_eq!(revs, [2, 1], "newest first, and none for the echo");
    let first = detail.decisions.last().expect("there are two");
    assert_eq!(first.outcomes, [outcome]);
    assert_eq!((first.row.as_str(), first.rule.as_str()), ("R23", "one side changed"));
    assert_eq!((first.cause.as_str(), first.policy.as_str()), ("seen left", "p1"));
    assert_eq!(first.at, NOW);
    assert!(!rig.tamper_with_decisions().await, "decisions can be changed");
}

/// Attempts are kept with what failed.
pub async fn attempts_are_kept(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let update = intent(link, Side::Right, Op::Update);
    let attempt = |number, outcome, failure| Attempt {
        intent: update.id,
        link,
        number,
        sent_at: NOW,
        done_at: NOW.plus(5),
        outcome,
        failure,
    };
    let refused = failure(FailureClass::Validation);
    let tried = [attempt(1, "refused", Some(refused.clone())), attempt(2, "landed", None)];
    let mut unit = store.begin().await.expect("the store is up");
    unit.attempts(&tried).await.expect("they are taken");
    unit.attempts(&[]).await.expect("none is fine");
    unit.commit().await.expect("they are stored");
    let rows = store.attempts_of(update.id).await.expect("it answers");
    let told: Vec<(u32, &str)> = rows.iter().map(|row| (row.number, &*row.outcome)).collect();
    assert_eq!(told, [(1, "refused"), (2, "landed")]);
    assert_eq!(rows[0].failure, Some(refused));
    assert_eq!((rows[1].sent_at, rows[1].done_at), (NOW, NOW.plus(5)));
}

/// A value that can't be stored is refused by name; the value isn't told.
pub async fn a_value_with_nul_is_refused(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let error = decide(&*store, link, |new| new.seen.left = Some(observation("zz\0p"))).await;
    let error = error.expect_err("refused");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("image.Name") && !told.contains("zz"), "{told}");
    assert_eq!(facts(&*store, link).await.link.rev, 0);
}
