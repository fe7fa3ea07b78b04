//! What the way out promises: no intent is taken twice.

use std::collections::BTreeSet;
use std::time::Duration;

use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId};
use duet_core::intent::{Intent, IntentState, Op};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::verdict::Effect;
use duet_ports::store::{Most, Store};

use super::sample::{
    NOW, effects, facts, failure, flow, free, held, hold, intent, lefts, linked, plan, settle,
    verdict,
};
use super::{StoreRig, beside};

const DEADLINE: Stamp = Stamp(NOW.0 + 30_000_000);

fn shop() -> ConnectionName {
    ConnectionName::from("shop")
}

/// One planned update per left record; each due a little later than the one before.
async fn planned(store: &dyn Store, count: usize) -> Vec<Intent> {
    let records: Vec<String> = (0..count).map(|number| format!("r{number}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let (mut unit, loaded) = held(store, &lefts(&records)).await;
    let start = NOW.plus(-1_000_000);
    let mut intents: Vec<Intent> =
        loaded.iter().map(|facts| intent(facts.link.id, Side::Right, Op::Update)).collect();
    for (number, intent) in (0..).zip(&mut intents) {
        intent.due_at = Some(start.plus(number));
    }
    let decided: Vec<_> = loaded
        .iter()
        .zip(&intents)
        .map(|(facts, intent)| verdict(facts, |new| new.effects = vec![plan(intent)]))
        .collect();
    unit.save(&decided, NOW).await.expect("they are locked");
    unit.commit().await.expect("they are stored");
    intents
}

async fn claim(store: &dyn Store, limit: usize) -> Vec<Intent> {
    let most = Most::of(limit);
    let claimed = store.claim(&shop(), &[flow()], most, NOW, DEADLINE).await.expect("it answers");
    claimed.map(|claimed| claimed.intents).unwrap_or_default()
}

fn ids(intents: &[Intent]) -> Vec<IntentId> {
    intents.iter().map(|intent| intent.id).collect()
}

/// The oldest due ones come first, at most so many, whole and sent.
pub async fn the_oldest_are_taken_first(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 5).await;
    let first = claim(&*store, 3).await;
    assert_eq!(ids(&first), ids(&intents[..3]));
    let mut expected = intents[0].clone();
    expected.state = IntentState::Sent;
    expected.attempts = 1;
    (expected.sent_at, expected.deadline) = (Some(NOW), Some(DEADLINE));
    expected.due_at = Some(DEADLINE);
    assert_eq!(first[0], expected);
    assert_eq!(facts(&*store, expected.link).await.intents.right.write, Some(expected));
    assert_eq!(ids(&claim(&*store, 10).await), ids(&intents[3..]));
    assert!(claim(&*store, 10).await.is_empty());
}

/// What isn't due, or not planned, stays.
pub async fn only_what_is_due_is_taken(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let mut later = intent(links[0], Side::Right, Op::Update);
    later.due_at = Some(NOW.plus(1));
    effects(&*store, links[0], vec![plan(&later)]).await;
    let parked = intent(links[1], Side::Right, Op::Update);
    let park = settle(parked.id, IntentState::Parked);
    effects(&*store, links[1], vec![plan(&parked), park]).await;
    assert!(claim(&*store, 10).await.is_empty());
    let (connections, overdue) = store.due_intents(&[flow()], 10, NOW).await.expect("it answers");
    assert!(connections.is_empty() && overdue.is_empty());
}

/// One call takes intents of one kind only: flow, side, operation and path.
pub async fn one_kind_at_a_time(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    let kinds = [(Side::Right, Op::Update), (Side::Left, Op::Update), (Side::Right, Op::Read)];
    for (link, (side, op)) in links.iter().zip(kinds) {
        effects(&*store, *link, vec![plan(&intent(*link, side, op))]).await;
    }
    let mut taken = BTreeSet::new();
    for _ in kinds {
        let most = Most::of(10);
        let claimed = store.claim(&shop(), &[flow()], most, NOW, DEADLINE).await;
        let claimed = claimed.expect("it answers").expect("one kind is left");
        assert_eq!(claimed.intents.len(), 1);
        assert_eq!((claimed.side, claimed.op), (claimed.intents[0].side, claimed.intents[0].op));
        taken.insert((claimed.side, claimed.op));
    }
    assert_eq!(taken, BTreeSet::from(kinds));
}

/// A call that reads may carry another number than one that writes.
pub async fn reads_have_a_limit_of_their_own(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    for link in &links {
        let both = [intent(*link, Side::Right, Op::Read), intent(*link, Side::Right, Op::Update)];
        effects(&*store, *link, both.iter().map(plan).collect()).await;
    }
    let most = Most { reads: 2, ..Most::of(1) };
    let mut taken = Vec::new();
    while let Some(claimed) =
        store.claim(&shop(), &[flow()], most, NOW, DEADLINE).await.expect("it answers")
    {
        taken.push((claimed.op.writes(), claimed.intents.len()));
    }
    taken.sort_unstable();
    assert_eq!(taken, [(false, 1), (false, 2), (true, 1), (true, 1), (true, 1)]);
}

/// What belongs to flows that aren't asked for is left as it is: another process's.
pub async fn other_flows_are_left_alone(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 2).await;
    let mut unit = store.begin().await.expect("the store is up");
    unit.lock(&[intents[0].link], false).await.expect("it can be locked");
    unit.touch(&[intents[0].link], NOW).await.expect("it is locked");
    unit.commit().await.expect("it is stored");
    let others = [FlowName::from("orders")];
    let most = Most::of(9);
    let none = store.claim(&shop(), &others, most, NOW, DEADLINE).await.expect("it answers");
    assert!(none.is_none());
    assert!(store.due_links(&others, 9, NOW).await.expect("it answers").is_empty());
    assert!(store.due_links(&[], 9, NOW).await.expect("it answers").is_empty());
    assert_eq!(claim(&*store, 1).await.len(), 1);
    let (due, overdue) = store.due_intents(&others, 9, DEADLINE).await.expect("it answers");
    assert!(due.is_empty() && overdue.is_empty());
    let both = [flow(), others[0].clone()];
    let (due, overdue) = store.due_intents(&both, 9, DEADLINE).await.expect("it answers");
    assert_eq!((due.len(), overdue.len()), (1, 1));
    assert_eq!(store.due_links(&both, 9, NOW).await.expect("it answers"), [intents[0].link]);
}

/// Many take at once: every intent goes to one of them.
pub async fn no_intent_is_taken_twice(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 60).await;
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = rig.store().await;
        takers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let more = claim(&*store, 7).await;
                if more.is_empty() {
                    return taken;
                }
                taken.extend(ids(&more));
            }
        });
    }
    let taken: Vec<Vec<IntentId>> = takers.join_all().await;
    let mut taken = taken.concat();
    taken.extend(ids(&claim(&*store, 100).await));
    taken.sort_unstable();
    let mut all = ids(&intents);
    all.sort_unstable();
    assert_eq!(taken, all);
}

/// A link that somebody holds is passed over, without waiting for it; the next ones come instead.
pub async fn held_links_are_passed_over(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 4).await;
    let mut holder = store.begin().await.expect("the store is up");
    hold(holder.as_mut(), &[intents[0].link, intents[1].link]).await;
    let (taken, holder) = beside(rig, holder, claim(&*store, 2)).await;
    let Some(holder) = holder else {
        assert_eq!(ids(&taken), ids(&intents[..2]), "they were free by then");
        return;
    };
    assert_eq!(ids(&taken), ids(&intents[2..]));
    assert!(claim(&*store, 2).await.is_empty());
    free(holder).await;
    assert_eq!(ids(&claim(&*store, 2).await), ids(&intents[..2]));
}

/// A paused connection is left alone until its time; another one isn't.
pub async fn paused_connections_are_skipped(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 1).await;
    let until = Some(NOW.plus(1));
    store.pause_connection(&shop(), until, Some("down")).await.expect("it is stored");
    assert!(claim(&*store, 1).await.is_empty());
    assert!(store.due_intents(&[flow()], 1, NOW).await.expect("it answers").0.is_empty());
    let rows = store.connections().await.expect("it answers");
    assert_eq!(
        (rows[0].paused_until, rows[0].reason.as_deref()),
        (Some(NOW.plus(1)), Some("down"))
    );
    let (due, _) = store.due_intents(&[flow()], 1, NOW.plus(1)).await.expect("it answers");
    assert_eq!(due, [shop()], "the time is over");
    store.pause_connection(&shop(), None, None).await.expect("it is stored");
    assert_eq!(ids(&claim(&*store, 1).await), ids(&intents));
}

/// What can't be sent is given back: planned again, no try counted.
pub async fn what_is_given_back_is_planned(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 2).await;
    claim(&*store, 2).await;
    let unreachable = failure(FailureClass::Unreachable);
    store.unclaim(&ids(&intents[..1]), NOW.plus(9), Some(&unreachable)).await.expect("taken back");
    let back = facts(&*store, intents[0].link).await.intents.right.write.expect("it is open");
    assert_eq!((back.state, back.attempts), (IntentState::Planned, 0));
    assert_eq!((back.due_at, back.sent_at, back.deadline), (Some(NOW.plus(9)), None, None));
    assert_eq!(back.failure, Some(unreachable));
    let settled = settle(intents[1].id, IntentState::Confirmed);
    effects(&*store, intents[1].link, vec![settled]).await;
    store.unclaim(&ids(&intents), NOW, None).await.expect("it answers");
    assert_eq!(facts(&*store, intents[1].link).await.intents.right.write, None);
}

/// A transaction that wants to send learns which connections rest, whoever paused them.
pub async fn a_transaction_knows_what_rests(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let (both, other) = ([shop(), "other".into()], ConnectionName::from("other"));
    store.pause_connection(&shop(), Some(NOW.plus(5)), Some("BUSY")).await.expect("it is stored");
    store.pause_connection(&other, None, None).await.expect("it is stored");
    let mut unit = store.begin().await.expect("the store is up");
    assert_eq!(unit.resting(&both, NOW).await.expect("it answers"), [shop()]);
    assert!(unit.resting(&both, NOW.plus(5)).await.expect("it answers").is_empty());
    assert!(unit.resting(&both[1..], NOW).await.expect("it answers").is_empty());
}

/// What a transaction plans may be stored as sent at once: nobody takes it a second time.
pub async fn what_is_planned_as_sent_is_sent(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 2).await;
    let sent = Intent {
        state: IntentState::Sent,
        sent_at: Some(NOW),
        deadline: Some(DEADLINE),
        due_at: Some(DEADLINE),
        attempts: 1,
        ..intents[0].clone()
    };
    effects(&*store, sent.link, vec![Effect::Plan(Box::new(sent.clone()))]).await;
    assert_eq!(ids(&claim(&*store, 10).await), ids(&intents[1..]));
    let stored = facts(&*store, sent.link).await.intents.right.write.expect("it is open");
    assert_eq!(stored, sent);
    let (_, overdue) = store.due_intents(&[flow()], 10, DEADLINE).await.expect("it answers");
    assert!(overdue.contains(&(sent.link, sent.id)));
}

/// Writes wait until a call is full or their patience is over; whoever reads waits for nobody.
pub async fn writes_may_wait_for_company(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 3).await;
    let due = intents[0].due_at.expect("it has a time");
    let patience = Duration::from_micros(500);
    let claim = async |count: usize, at: Stamp| {
        let most = Most { patience, ..Most::of(count) };
        let claimed = store.claim(&shop(), &[flow()], most, at, DEADLINE).await;
        claimed.expect("it answers").map(|claimed| ids(&claimed.intents)).unwrap_or_default()
    };
    let soon = due.plus(10);
    assert!(claim(4, soon).await.is_empty(), "a fourth may come");
    assert_eq!(claim(2, soon).await, ids(&intents[..2]), "two fill a call");
    assert!(claim(2, soon).await.is_empty());
    assert_eq!(claim(2, due.plus(502)).await, ids(&intents[2..]), "nobody came in time");
    let mut read = intent(intents[0].link, Side::Right, Op::Read);
    read.due_at = Some(due);
    effects(&*store, intents[0].link, vec![plan(&read)]).await;
    assert_eq!(claim(2, soon).await, [read.id]);
}

/// Calls without an answer are told once their deadline is over.
pub async fn overdue_calls_are_told(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let intents = planned(&*store, 2).await;
    claim(&*store, 1).await;
    let (due, overdue) = store.due_intents(&[flow()], 10, NOW).await.expect("it answers");
    assert_eq!((due, overdue.len()), (vec![shop()], 0));
    let (_, overdue) = store.due_intents(&[flow()], 10, DEADLINE).await.expect("it answers");
    assert_eq!(overdue, [(intents[0].link, intents[0].id)]);
}

/// Due links come at most so many at once, the longest due first, and not again within a minute.
pub async fn due_links_move_on_by_a_minute(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c", "d"]).await;
    let mut unit = store.begin().await.expect("the store is up");
    unit.lock(&links, false).await.expect("they can be locked");
    for (number, link) in (0..).zip(&links) {
        unit.touch(&[*link], NOW.plus(number - 2)).await.expect("it is locked");
    }
    unit.commit().await.expect("it is stored");
    assert_eq!(due(&*store, NOW, 1).await, links[..1]);
    assert_eq!(due(&*store, NOW, 9).await, links[1..3]);
    assert!(due(&*store, NOW, 9).await.is_empty());
    assert_eq!(facts(&*store, links[1]).await.link.due_at, Some(NOW.plus_seconds(60)));
    assert_eq!(due(&*store, NOW.plus_seconds(60), 9).await.len(), 4);
}

/// A due link that somebody holds is passed over, without waiting for it, and stays due.
pub async fn held_links_stay_due(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let mut unit = store.begin().await.expect("the store is up");
    unit.lock(&links, false).await.expect("they can be locked");
    unit.touch(&links, NOW).await.expect("they are locked");
    unit.commit().await.expect("it is stored");
    let mut holder = store.begin().await.expect("the store is up");
    holder.lock(&links[..1], false).await.expect("it can be locked");
    let (taken, holder) = beside(rig, holder, due(&*store, NOW, 9)).await;
    let Some(holder) = holder else {
        assert_eq!(taken, links, "they were free by then");
        return;
    };
    assert_eq!(taken, links[1..]);
    free(holder).await;
    assert_eq!(due(&*store, NOW, 9).await, links[..1]);
}

async fn due(store: &dyn Store, now: Stamp, limit: usize) -> Vec<LinkId> {
    store.due_links(&[flow()], limit, now).await.expect("it answers")
}
