//! What lists and counts promise.

use duet_core::conflict::{ConflictKind, ConflictState};
use duet_core::id::{FlowName, LinkId};
use duet_core::intent::{IntentState, Op};
use duet_core::link::Phase;
use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::verdict::Effect;
use duet_ports::inspect::{ConflictFilter, ErrorFilter};
use duet_ports::store::Store;

use super::StoreRig;
use super::sample::{
    NOW, complete, conflict, decide, effects, failure, flow, intent, linked, plan, settle,
};

fn stored(conflict: &duet_core::conflict::Conflict) -> Effect {
    Effect::Conflict(Box::new(conflict.clone()))
}

/// Conflicts by every filter, oldest first, at most so many.
pub async fn conflicts_are_filtered(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let mut all =
        [conflict(links[0], "name"), conflict(links[0], "phone"), conflict(links[1], "name")];
    (all[0].opened_at, all[1].opened_at) = (Stamp(3), Stamp(1));
    (all[1].kind, all[1].state) = (ConflictKind::Drift, ConflictState::Snoozed);
    (all[2].state, all[2].opened_at) = (ConflictState::Applied, Stamp(2));
    effects(&*store, links[0], all[..2].iter().map(stored).collect()).await;
    effects(&*store, links[1], vec![stored(&all[2])]).await;
    let any = || ConflictFilter { limit: 9, ..ConflictFilter::default() };
    let ask = async |filter| store.conflicts(&filter).await.expect("it answers");
    assert_eq!(ask(any()).await, [all[1].clone(), all[0].clone()], "those that hold");
    assert_eq!(ask(ConflictFilter { limit: 1, ..any() }).await, all[1..2]);
    assert_eq!(ask(ConflictFilter { kind: Some(ConflictKind::Drift), ..any() }).await, all[1..2]);
    assert_eq!(ask(ConflictFilter { field: Some("name".into()), ..any() }).await, all[..1]);
    let applied = ConflictFilter { states: vec![ConflictState::Applied], ..any() };
    assert_eq!(ask(applied.clone()).await, all[2..]);
    assert!(ask(ConflictFilter { link: Some(links[0]), ..applied }).await.is_empty());
    assert!(ask(ConflictFilter { flow: Some("orders".into()), ..any() }).await.is_empty());
    assert_eq!(ask(ConflictFilter { flow: Some(flow()), ..any() }).await.len(), 2);
}

/// A short id finds what begins with it.
pub async fn short_ids_find_their_rows(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let (clash, read) = (conflict(link, "name"), intent(link, Side::Left, Op::Read));
    effects(&*store, link, vec![stored(&clash), plan(&read)]).await;
    let short = |id: String| id.chars().take(18).collect::<String>();
    let conflicts = store.conflicts_by_prefix(&short(clash.id.to_string())).await;
    assert_eq!(conflicts.expect("it answers"), [clash]);
    let intents = store.intents_by_prefix(&short(read.id.to_string())).await;
    assert_eq!(intents.expect("it answers"), [read]);
    for nothing in ["ffff", "", "not hex", "a\0"] {
        assert!(store.conflicts_by_prefix(nothing).await.expect("it answers").is_empty());
        assert!(store.intents_by_prefix(nothing).await.expect("it answers").is_empty());
    }
}

/// Failed intents with their links' records: parked, and waiting after a failure.
pub async fn errors_are_filtered(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    let intents = [0, 1, 2].map(|at| intent(links[at], Side::Right, Op::Update));
    let failed = |at: usize, state, class| Effect::Settle {
        intent: intents[at].id,
        state,
        failure: Some(failure(class)),
        due_at: Some(NOW),
        landed_at: None,
        attempts: None,
    };
    let park = failed(0, IntentState::Parked, FailureClass::Validation);
    let retry = failed(1, IntentState::Planned, FailureClass::Transient);
    effects(&*store, links[0], vec![plan(&intents[0]), park]).await;
    effects(&*store, links[1], vec![plan(&intents[1]), retry]).await;
    effects(&*store, links[2], vec![plan(&intents[2])]).await;
    let any = || ErrorFilter { limit: 9, ..ErrorFilter::default() };
    let ask = async |filter| -> Vec<LinkId> {
        let rows = store.errors(&filter).await.expect("it answers");
        rows.iter().map(|row| row.intent.link).collect()
    };
    assert_eq!(ask(any()).await, links[..2]);
    let class = Some(FailureClass::Transient);
    assert_eq!(ask(ErrorFilter { class, ..any() }).await, links[1..2]);
    let states = vec![IntentState::Planned];
    assert_eq!(ask(ErrorFilter { states, ..any() }).await, links[1..]);
    assert!(ask(ErrorFilter { flow: Some("orders".into()), ..any() }).await.is_empty());
    let rows = store.errors(&any()).await.expect("it answers");
    assert_eq!(rows[0].record.left, Some("a".into()));
    assert_eq!(rows[0].intent.failure, Some(failure(FailureClass::Validation)));
}

/// Counts of one flow.
pub async fn a_flow_is_counted(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    let mut update = intent(links[0], Side::Right, Op::Update);
    update.due_at = Some(Stamp(70));
    decide(&*store, links[0], |new| {
        complete(new, "ra");
        new.link.due_at = Some(Stamp(50));
        new.link.synced_at = Some(Stamp(40));
        new.link.synced = Both::new(Some(Stamp(30)), Some(Stamp(31)));
        new.effects = vec![plan(&update), stored(&conflict(links[0], "name"))];
    })
    .await
    .expect("it is stored");
    let mut retry = intent(links[1], Side::Right, Op::Update);
    retry.failure = Some(failure(FailureClass::Transient));
    retry.due_at = Some(Stamp(1));
    let read = intent(links[2], Side::Left, Op::Read);
    effects(&*store, links[1], vec![plan(&retry)]).await;
    effects(&*store, links[2], vec![plan(&read), settle(read.id, IntentState::Unknown)]).await;

    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!(counts.phases, [(Phase::Linked, 1), (Phase::Matching, 2)]);
    assert_eq!((counts.due, counts.next_due), (1, Some(Stamp(50))));
    let intents = ["planned", "retrying", "unknown"].map(|state| (state.to_owned(), 1));
    assert_eq!(counts.intents, intents);
    assert_eq!(counts.next_intent, Some(Stamp(70)), "those after a failure don't count");
    assert_eq!(counts.conflicts, [(ConflictKind::BothChanged, 1)]);
    assert_eq!(counts.synced_at, Some(Stamp(40)));
    assert_eq!(counts.synced, Both::new(Some(Stamp(30)), Some(Stamp(31))));
    assert_eq!(counts.fresh, 0);
    let oldest = update.planned_at.min(retry.planned_at);
    assert_eq!(counts.waiting_since, Both::new(None, Some(oldest)), "reads keep nobody waiting");
    assert!(is_under_way(&*store, 0).await, "one whose outcome is unknown");
    let other = store.counts(&FlowName::from("orders")).await.expect("it answers");
    assert_eq!(other, duet_ports::inspect::FlowCounts::default());
}

/// A read that is planned for later waits for freshness, unless it is to prove what became of a
/// write; a write is on its way until it landed or was parked.
pub async fn what_waits_for_freshness_is_counted(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c", "d"]).await;
    let later = |link| {
        let mut read = intent(link, Side::Left, Op::Read);
        read.due_at = Some(read.planned_at.plus_seconds(2));
        read
    };
    let mut again = later(links[1]);
    again.failure = Some(failure(FailureClass::Transient));
    let lost = intent(links[2], Side::Left, Op::Update);
    let at_once = intent(links[3], Side::Left, Op::Read);
    effects(&*store, links[0], vec![plan(&later(links[0]))]).await;
    effects(&*store, links[1], vec![plan(&again)]).await;
    let unknown = settle(lost.id, IntentState::Unknown);
    effects(&*store, links[2], vec![plan(&lost), unknown, plan(&later(links[2]))]).await;
    effects(&*store, links[3], vec![plan(&at_once)]).await;
    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!(counts.fresh, 1, "the first one");
    assert_eq!(counts.waiting_since, Both::new(Some(lost.planned_at), None));
    effects(&*store, links[2], vec![settle(lost.id, IntentState::Parked)]).await;
    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!(counts.waiting_since, Both::default(), "nobody waits for what is parked");
}

async fn is_under_way(store: &dyn Store, until: i64) -> bool {
    store.is_under_way(&flow(), Stamp(until)).await.expect("it answers")
}

/// Under way is what is sent or unknown, planned and due, or due: nothing that failed or waits.
pub async fn what_is_under_way_is_told(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    assert!(!is_under_way(&*store, 100).await);
    let mut update = intent(link, Side::Right, Op::Update);
    update.due_at = Some(Stamp(70));
    effects(&*store, link, vec![plan(&update)]).await;
    assert_eq!((is_under_way(&*store, 69).await, is_under_way(&*store, 70).await), (false, true));
    update.failure = Some(failure(FailureClass::Transient));
    effects(&*store, link, vec![plan(&update)]).await;
    assert!(!is_under_way(&*store, 100).await, "it is tried again later");
    for state in [IntentState::Sent, IntentState::Unknown] {
        effects(&*store, link, vec![settle(update.id, state)]).await;
        assert!(is_under_way(&*store, 0).await, "{state:?}");
    }
    effects(&*store, link, vec![settle(update.id, IntentState::Parked)]).await;
    assert!(!is_under_way(&*store, i64::MAX).await);
    decide(&*store, link, |new| new.link.due_at = Some(Stamp(50))).await.expect("it is stored");
    assert_eq!((is_under_way(&*store, 49).await, is_under_way(&*store, 50).await), (false, true));
    let other = store.is_under_way(&"orders".into(), Stamp(100)).await;
    assert!(!other.expect("it answers"), "of this flow only");
}

/// What waits for a parent isn't due until the parent is on both sides.
pub async fn a_child_is_due_when_its_parent_is_whole(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["child", "parent"]).await;
    let wait = Effect::Await { flow: flow(), side: Side::Left, record: "parent".into() };
    decide(&*store, links[0], |new| {
        new.link.due_at = Some(Stamp(50));
        new.effects = vec![wait];
    })
    .await
    .expect("it is stored");
    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!((counts.due, counts.next_due), (1, None));
    assert!(!is_under_way(&*store, 50).await);
    decide(&*store, links[1], |new| complete(new, "rp")).await.expect("it is stored");
    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!((counts.due, counts.next_due), (1, Some(Stamp(50))));
    assert!(is_under_way(&*store, 50).await);
}

/// Links page by page, by phase.
pub async fn links_come_in_pages(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let mut links = linked(&*store, &["a", "b", "c"]).await;
    decide(&*store, links[1], |new| complete(new, "rb")).await.expect("it is stored");
    let whole = links[1];
    links.sort_unstable();
    let ask = async |phases: &[Phase], after, limit| -> Vec<LinkId> {
        let rows = store.links(&flow(), phases, after, limit).await.expect("it answers");
        rows.iter().map(|link| link.id).collect()
    };
    assert_eq!(ask(&[], None, 2).await, links[..2]);
    assert_eq!(ask(&[], Some(links[1]), 2).await, links[2..]);
    assert_eq!(ask(&[Phase::Linked, Phase::Frozen], None, 9).await, [whole]);
    assert!(store.links(&"orders".into(), &[], None, 9).await.expect("it answers").is_empty());
}

/// Everything about one link, closed rows too, newest first, at most so many.
pub async fn a_link_is_told_whole(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let mut old = intent(link, Side::Right, Op::Update);
    old.planned_at = Stamp(1);
    let new = intent(link, Side::Right, Op::Update);
    let mut closed = conflict(link, "name");
    (closed.state, closed.opened_at) = (ConflictState::Closed, Stamp(1));
    let open = conflict(link, "phone");
    effects(&*store, link, vec![plan(&old), stored(&closed)]).await;
    let settled = settle(old.id, IntentState::Superseded);
    effects(&*store, link, vec![settled, plan(&new), stored(&open)]).await;
    let detail = store.link_detail(link, 9).await.expect("it answers").expect("it is there");
    assert_eq!(detail.link.rev, 2);
    let intents: Vec<_> = detail.intents.iter().map(|intent| intent.id).collect();
    assert_eq!(intents, [new.id, old.id]);
    assert_eq!(detail.conflicts, [open, closed]);
    assert_eq!(detail.decisions.len(), 2);
    let short = store.link_detail(link, 1).await.expect("it answers").expect("it is there");
    assert_eq!((short.intents.len(), short.conflicts.len(), short.decisions.len()), (1, 1, 1));
    let nobody = super::sample::fresh_link();
    assert!(store.link_detail(nobody, 9).await.expect("it answers").is_none());
}

/// The rare looks at candidates that wait for a person aren't due, once decided they are.
pub async fn candidates_that_wait_for_a_person_are_not_due(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["ambiguous", "rival"]).await;
    let mut open = conflict(links[0], "name");
    open.kind = ConflictKind::AmbiguousMatch;
    for (link, phase, effects) in
        [(links[0], Phase::Matching, vec![stored(&open)]), (links[1], Phase::Unmatched, vec![])]
    {
        decide(&*store, link, |new| {
            new.link.phase = phase;
            new.link.due_at = Some(Stamp(50));
            new.effects = effects;
        })
        .await
        .expect("it is stored");
    }
    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!((counts.due, counts.next_due), (2, None));
    assert!(!is_under_way(&*store, 50).await);
    open.state = ConflictState::Decided;
    effects(&*store, links[0], vec![stored(&open)]).await;
    let counts = store.counts(&flow()).await.expect("it answers");
    assert_eq!(counts.next_due, Some(Stamp(50)));
}
