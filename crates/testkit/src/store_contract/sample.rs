//! Samples: links, verdicts, intents and conflicts as small as they can be. Made from JSON where
//! the core may grow fields with a default.

use std::sync::atomic::{AtomicU64, Ordering};

use duet_core::agreed::Agreed;
use duet_core::conflict::{Choice, Conflict, Resolution};
use duet_core::facts::Facts;
use duet_core::id::{ConflictId, FlowName, IntentId, LinkId, RecordId, Row};
use duet_core::intent::{Intent, IntentState, Op};
use duet_core::link::Phase;
use duet_core::observation::{Observation, Presence};
use duet_core::retry::{Failure, FailureClass};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_core::verdict::{Effect, Verdict};
use duet_ports::store::{Address, Decided, Store, StoreError, Unit};
use serde_json::json;
use uuid::Uuid;

/// The instant of every sample that doesn't say otherwise.
pub const NOW: Stamp = Stamp(1_700_000_000_000_000);

/// Ids given out by this process so far.
static GIVEN: AtomicU64 = AtomicU64::new(1);

/// A new id, larger than every earlier one.
#[must_use]
pub fn fresh() -> Uuid {
    Uuid::from_u128(u128::from(GIVEN.fetch_add(1, Ordering::Relaxed)) << 64)
}

/// A new link's id.
#[must_use]
pub fn fresh_link() -> LinkId {
    LinkId(fresh())
}

/// The flow of the samples.
#[must_use]
pub fn flow() -> FlowName {
    FlowName::from("customers")
}

/// A record of the samples' flow.
#[must_use]
pub fn address(side: Side, record: &str) -> Address {
    Address { flow: flow(), side, record: record.into(), marker: None }
}

/// Left records, by their ids.
#[must_use]
pub fn lefts(records: &[&str]) -> Vec<Address> {
    records.iter().map(|record| address(Side::Left, record)).collect()
}

/// A transaction in which these records' links are locked and loaded, and their facts in order.
pub async fn held(store: &dyn Store, addresses: &[Address]) -> (Box<dyn Unit>, Vec<Facts>) {
    let mut unit = store.begin().await.expect("the store is up");
    let links = unit.ensure(addresses, &fresh_link, NOW).await.expect("records find links");
    let facts = hold(unit.as_mut(), &links).await;
    (unit, facts)
}

/// Locks and loads links; their facts come in the order asked for.
pub async fn hold(unit: &mut dyn Unit, links: &[LinkId]) -> Vec<Facts> {
    unit.lock(links, false).await.expect("links can be locked");
    let facts = unit.load(links, &[], NOW).await.expect("locked links can be loaded");
    let of = |link: &LinkId| facts.iter().find(|facts| facts.link.id == *link).cloned();
    links.iter().filter_map(of).collect()
}

/// Makes links for left records, committed; their ids in order.
pub async fn linked(store: &dyn Store, records: &[&str]) -> Vec<LinkId> {
    let mut unit = store.begin().await.expect("the store is up");
    let links = unit.ensure(&lefts(records), &fresh_link, NOW).await.expect("records find links");
    unit.commit().await.expect("links are stored");
    links
}

/// Facts of one link, read in a transaction of their own.
pub async fn facts(store: &dyn Store, link: LinkId) -> Facts {
    let mut unit = store.begin().await.expect("the store is up");
    let facts = hold(unit.as_mut(), &[link]).await.pop().expect("the link is there");
    free(unit).await;
    facts
}

/// Ends a transaction that stored nothing. Dropping it would free its links a moment later.
pub async fn free(unit: Box<dyn Unit>) {
    unit.commit().await.expect("the store is up");
}

/// Locks a link, lets `change` make a verdict of its facts, saves and commits it.
pub async fn decide(
    store: &dyn Store,
    link: LinkId,
    change: impl FnOnce(&mut Verdict) + Send,
) -> Result<Vec<LinkId>, StoreError> {
    let mut unit = store.begin().await?;
    let facts = hold(unit.as_mut(), &[link]).await.pop().expect("the link is there");
    let woken = unit.save(&[verdict(&facts, change)], NOW).await?;
    unit.commit().await?;
    Ok(woken)
}

/// A verdict that changes something, made from facts.
pub fn verdict(facts: &Facts, change: impl FnOnce(&mut Verdict)) -> Decided {
    let mut verdict = Verdict {
        link: facts.link.clone(),
        agreed: facts.agreed.clone(),
        seen: facts.seen.clone(),
        effects: Vec::new(),
        row: Row::from("R23"),
        rule: "one side changed".to_owned(),
        outcomes: Vec::new(),
        echo: false,
        changed: true,
    };
    verdict.link.rev += 1;
    change(&mut verdict);
    let cause = "seen left".to_owned();
    Decided { from_rev: facts.link.rev, verdict, cause, policy: "p1".to_owned() }
}

/// Stores these effects of a link.
pub async fn effects(store: &dyn Store, link: LinkId, effects: Vec<Effect>) -> Vec<LinkId> {
    let woken = decide(store, link, |verdict| verdict.effects = effects).await;
    woken.expect("the effects are stored")
}

/// Agreed content of one field.
#[must_use]
pub fn agreed(value: &str) -> Agreed {
    let field = json!({
        "trunk": value, "at": NOW, "origin": "left", "accounted": {"left": value, "right": null},
    });
    serde_json::from_value(json!({ "pair": { "fields": { "name": field } } }))
        .expect("a sample is agreed content")
}

/// An observation of one value.
#[must_use]
pub fn observation(value: &str) -> Observation {
    let mut seen = Observation { presence: Presence::Present, read_at: NOW, ..Default::default() };
    seen.image.insert("Name".into(), Value::text(value));
    seen
}

/// A planned intent, due now.
#[must_use]
pub fn intent(link: LinkId, side: Side, op: Op) -> Intent {
    serde_json::from_value(json!({
        "id": fresh(), "link": link, "flow": flow(), "side": side, "connection": "shop",
        "op": op, "path": "batch", "record": "r1", "values": {"Name": "Acme"},
        "find": [{"rule": 0, "columns": [["Name", "Acme"]]}],
        "expected": null, "expected_values": {"Name": null}, "carries": {"name": "Acme"},
        "state": "planned", "attempts": 0, "due_at": NOW, "sent_at": null, "deadline": null,
        "planned_at": NOW, "landed_at": null, "failure": null, "why": "R23: one side changed",
    }))
    .expect("a sample is an intent")
}

/// The effect that plans an intent.
#[must_use]
pub fn plan(intent: &Intent) -> Effect {
    Effect::Plan(Box::new(intent.clone()))
}

/// The effect that brings an intent to a state.
#[must_use]
pub fn settle(intent: IntentId, state: IntentState) -> Effect {
    Effect::Settle {
        intent,
        state,
        failure: None,
        due_at: state.is_open().then_some(NOW),
        landed_at: None,
        attempts: None,
    }
}

/// A failure without values.
#[must_use]
pub fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        code: "23505".to_owned(),
        message: "no".to_owned(),
        columns: vec!["Name".to_owned()],
        retry_after_us: None,
    }
}

/// An open conflict about a field.
#[must_use]
pub fn conflict(link: LinkId, field: &str) -> Conflict {
    let side = |value: &str| {
        json!({
            "present": true, "record": value, "values": {"name": value}, "native": {"Name": value},
            "changed": [1, 2], "actor": {"class": "user", "name": "Ann"},
        })
    };
    serde_json::from_value(json!({
        "id": ConflictId(fresh()), "link": link, "flow": flow(), "kind": "both_changed",
        "scope": {"field": field}, "agreed": {"name": "Acme"},
        "sides": {"left": side("l"), "right": side("r")}, "candidates": [], "seen": "digest",
        "rev": 1, "state": "open", "reason": null, "decided_by": null, "resolution": null,
        "result": {}, "opened_at": NOW, "until": null, "closed_at": null,
    }))
    .expect("a sample is a conflict")
}

/// A person's choice of the left value.
#[must_use]
pub fn resolution(conflict: &Conflict) -> Resolution {
    Resolution {
        choice: Choice::TakeLeft,
        seen: conflict.seen.clone(),
        by: "ann".to_owned(),
        note: Some("as agreed on the phone".to_owned()),
        at: NOW,
        earlier: Vec::new(),
    }
}

/// Gives a link its right record.
pub fn complete(verdict: &mut Verdict, right: &str) {
    verdict.link.record.right = Some(RecordId::from(right));
    verdict.link.phase = Phase::Linked;
}
