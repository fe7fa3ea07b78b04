//! What match keys, parents and holders promise.

use duet_core::facts::{Claim, Rival};
use duet_core::id::{Column, FlowName, LinkId};
use duet_core::intent::{IntentState, Op};
use duet_core::link::{Alias, Phase};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_core::value::Value;
use duet_core::verdict::Effect;
use duet_ports::store::{CLAIMS_MAX, Store, Unit};

use super::sample::{
    NOW, address, complete, decide, effects, facts, failure, flow, held, hold, intent, lefts,
    linked, observation, plan, settle, verdict,
};
use super::{SOON, StoreRig, beside, wait_for_waiting};

fn claim(key: &str, side: Side) -> Effect {
    Effect::Claim { rule: 0, key: key.to_owned(), side }
}

fn await_parent(record: &str) -> Effect {
    Effect::Await { flow: FlowName::from("companies"), side: Side::Right, record: record.into() }
}

async fn claims(unit: &mut dyn Unit, keys: &[&str]) -> Vec<Claim> {
    let keys: Vec<_> = keys.iter().map(|key| (flow(), 0, (*key).to_owned())).collect();
    let found = unit.claims(&keys).await.expect("it answers");
    found.into_iter().map(|(_, claim)| claim).collect()
}

async fn claimants(store: &dyn Store, key: &str) -> Vec<LinkId> {
    let mut unit = store.begin().await.expect("the store is up");
    claims(unit.as_mut(), &[key]).await.into_iter().map(|claim| claim.link).collect()
}

/// A key and who claimed it come back with that link's phase, records and open create.
pub async fn claims_tell_who_holds_a_key(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let create = intent(link, Side::Right, Op::Create);
    effects(&*store, link, vec![claim("k", Side::Left), plan(&create)]).await;
    effects(&*store, link, vec![claim("k", Side::Left)]).await;
    let mut unit = store.begin().await.expect("the store is up");
    let found = claims(unit.as_mut(), &["k", "k", "other"]).await;
    let [only] = found.as_slice() else { panic!("one row per key, side and link: {found:?}") };
    assert_eq!((only.link, only.rule, only.key.as_str()), (link, 0, "k"));
    assert_eq!((only.side, only.phase), (Side::Left, Phase::Matching));
    assert_eq!((only.record.left.clone(), only.creating), (Some("a".into()), true));
    drop(unit);
    effects(&*store, link, vec![settle(create.id, IntentState::Refused)]).await;
    let mut unit = store.begin().await.expect("the store is up");
    assert!(!claims(unit.as_mut(), &["k"]).await[0].creating);
}

/// Whoever claims a key wakes all others who did.
pub async fn a_claim_wakes_the_other_holders(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    assert!(effects(&*store, links[0], vec![claim("k", Side::Left)]).await.is_empty());
    let woken = effects(&*store, links[1], vec![claim("k", Side::Left)]).await;
    assert_eq!(woken, [links[0]]);
    assert_eq!(facts(&*store, links[0]).await.link.due_at, Some(NOW));
    assert_eq!(facts(&*store, links[1]).await.link.due_at, None);
    assert!(effects(&*store, links[2], vec![claim("z", Side::Left)]).await.is_empty());
    assert_eq!(claimants(&*store, "k").await, links[..2]);
}

/// A key that many records share: a few claims of each side are told, the first links' ones. While
/// it is news each claim wakes all holders; later ones wake nobody.
pub async fn a_key_that_many_hold_is_told_in_part(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let records: Vec<String> = (0..CLAIMS_MAX + 3).map(|number| format!("r{number:02}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let mut links = linked(&*store, &records).await;
    links.sort_unstable();
    for (earlier, link) in links.iter().enumerate() {
        let woken = effects(&*store, *link, vec![claim("k", Side::Left)]).await;
        let news = if earlier < CLAIMS_MAX { earlier } else { 0 };
        assert_eq!(woken.len(), news, "{earlier}");
    }
    assert_eq!(claimants(&*store, "k").await, links[..CLAIMS_MAX]);
    let others = linked(&*store, &["x", "y"]).await;
    let woken = effects(&*store, others[0], vec![claim("k", Side::Right)]).await;
    assert_eq!(woken, links, "the first of its side is news to all");
    let woken = effects(&*store, others[1], vec![claim("k", Side::Right)]).await;
    assert_eq!(woken.len(), links.len() + 1);
    assert_eq!(claimants(&*store, "k").await.len(), CLAIMS_MAX + 2, "a few of each side");
}

/// Two that claim one key at once: the later one sees the earlier one's claim and wakes it.
pub async fn claims_at_once_meet(rig: &dyn StoreRig) {
    let (store, other) = (rig.store().await, rig.store().await);
    let links = linked(&*store, &["a", "b"]).await;
    let mut first = store.begin().await.expect("the store is up");
    let loaded = hold(first.as_mut(), &links[..1]).await;
    let keys = |keys: [&str; 2]| keys.map(|key| claim(key, Side::Left)).to_vec();
    let decided = verdict(&loaded[0], |new| new.effects = keys(["k1", "k2"]));
    assert!(first.save(&[decided], NOW).await.expect("it is locked").is_empty());
    let second = links[1];
    let meeting = tokio::spawn(async move { effects(&*other, second, keys(["k2", "k1"])).await });
    wait_for_waiting(rig, 1).await;
    first.commit().await.expect("it is stored");
    let woken = tokio::time::timeout(SOON, meeting).await.expect("the wait is over");
    assert_eq!(woken.expect("it is stored"), [links[0]]);
    assert_eq!(facts(&*store, links[0]).await.link.due_at, Some(NOW));
}

/// A link gives up its keys on one side; a joined link holds none.
pub async fn claims_are_given_up(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let both = vec![claim("l", Side::Left), claim("r", Side::Right)];
    effects(&*store, links[0], both).await;
    effects(&*store, links[0], vec![Effect::Unclaim(Side::Left), claim("l2", Side::Left)]).await;
    assert!(claimants(&*store, "l").await.is_empty());
    assert_eq!(claimants(&*store, "l2").await, links[..1]);
    assert_eq!(claimants(&*store, "r").await, links[..1]);
    decide(&*store, links[0], |new| new.link.phase = Phase::Joined).await.expect("stored");
    assert!(claimants(&*store, "l2").await.is_empty());
    assert!(claimants(&*store, "r").await.is_empty());
}

/// Waits are keyed by the parent's record: they work before it has a link.
pub async fn children_wake_when_their_parent_arrives(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["child", "other", "former"]).await;
    effects(&*store, links[0], vec![await_parent("p")]).await;
    effects(&*store, links[1], vec![await_parent("q")]).await;
    effects(&*store, links[2], vec![await_parent("old p")]).await;
    assert_eq!(store.counts(&flow()).await.expect("it answers").awaiting_parent, 3);

    let parent = duet_ports::store::Address {
        flow: FlowName::from("companies"),
        ..address(Side::Right, "p")
    };
    let (mut unit, loaded) = held(&*store, &[parent]).await;
    let decided = verdict(&loaded[0], |new| {
        new.link.aliases = vec![Alias { side: Side::Right, record: "old p".into() }];
        new.effects = vec![Effect::WakeChildren(Side::Right)];
    });
    let woken = unit.save(&[decided], NOW).await.expect("it is locked");
    unit.commit().await.expect("it is stored");
    assert_eq!(woken, [links[0], links[2]]);
    assert_eq!(facts(&*store, links[0]).await.link.due_at, Some(NOW));
    assert_eq!(facts(&*store, links[1]).await.link.due_at, None);
}

/// A link that stopped waiting isn't woken; what it awaits afterwards counts.
pub async fn waits_end(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["child", "parent"]).await;
    effects(&*store, links[0], vec![await_parent("p"), await_parent("p")]).await;
    let again = vec![Effect::StopWaiting, await_parent("q")];
    effects(&*store, links[0], again).await;
    assert_eq!(store.counts(&flow()).await.expect("it answers").awaiting_parent, 1);
    effects(&*store, links[0], vec![await_parent("p"), Effect::StopWaiting]).await;
    assert_eq!(store.counts(&flow()).await.expect("it answers").awaiting_parent, 0);
}

/// Waking never waits for a link: one that another transaction holds is woken without its due time.
pub async fn waking_never_waits(rig: &dyn StoreRig) {
    let (store, other) = (rig.store().await, rig.store().await);
    let links = linked(&*store, &["a", "b"]).await;
    effects(&*store, links[0], vec![claim("k", Side::Left)]).await;
    let mut holder = other.begin().await.expect("the store is up");
    holder.lock(&links[..1], false).await.expect("it can be locked");
    let claiming = effects(&*store, links[1], vec![claim("k", Side::Left)]);
    let (woken, holder) = beside(rig, holder, claiming).await;
    assert_eq!(woken, [links[0]]);
    let due_at = holder.is_none().then_some(NOW);
    drop(holder);
    assert_eq!(facts(&*store, links[0]).await.link.due_at, due_at);
}

/// Parents are found by present id, former id or link; one row each, with all their ids.
pub async fn parents_are_found(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    let alias = Alias { side: Side::Left, record: "old".into() };
    decide(&*store, links[0], |new| {
        complete(new, "ra");
        new.link.aliases = vec![alias.clone()];
    })
    .await
    .expect("it is stored");
    let mut unit = store.begin().await.expect("the store is up");
    let asked = [
        (flow(), Side::Left, "a".into()),
        (flow(), Side::Right, "ra".into()),
        (flow(), Side::Left, "old".into()),
        (flow(), Side::Left, "nobody".into()),
        (flow(), Side::Right, "b".into()),
    ];
    let found = unit.parents(&asked, &links[1..2]).await.expect("it answers");
    let ids: Vec<LinkId> = found.iter().map(|parent| parent.link).collect();
    assert_eq!(ids, links[..2]);
    assert_eq!(found[0].aliases, [alias]);
    assert_eq!(found[0].record.right, Some("ra".into()));
    assert_eq!((found[0].phase, found[1].phase), (Phase::Linked, Phase::Matching));
}

/// Who holds a value and is to write another one: not who keeps it, and not who waits for a person.
pub async fn rivals_are_found(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["gives", "keeps", "parked", "other"]).await;
    for (link, held) in links.iter().zip(["Ann", "Ann", "Ann", "Bea"]) {
        decide(&*store, *link, |new| new.seen.right = Some(observation(held)))
            .await
            .expect("stored");
    }
    let mut gives = intent(links[0], Side::Right, Op::Update);
    gives.failure = Some(failure(FailureClass::Uniqueness));
    effects(&*store, links[0], vec![plan(&gives)]).await;
    let parked = intent(links[2], Side::Right, Op::Update);
    effects(&*store, links[2], vec![plan(&parked), settle(parked.id, IntentState::Parked)]).await;
    effects(&*store, links[3], vec![plan(&intent(links[3], Side::Right, Op::Update))]).await;
    let mut unit = store.begin().await.expect("the store is up");
    let asked = |value: &str| (flow(), Side::Right, Column::from("Name"), Value::text(value));
    let values = [asked("nobody"), asked("Ann")];
    let found = unit.rivals(&values).await.expect("it answers");
    let expected = Rival {
        side: Side::Right,
        column: "Name".into(),
        held: Value::text("Ann"),
        link: links[0],
        wanted: Value::text("Acme"),
        refused: true,
    };
    assert_eq!(found, [(flow(), expected)]);
    let left = [(flow(), Side::Left, Column::from("Name"), Value::text("Ann"))];
    assert!(unit.rivals(&left).await.expect("it answers").is_empty());
}

/// A column may have any name and hold any text: both are compared as they are.
pub async fn rivals_in_any_column_are_found(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let names = ["plain", "a b.c[0]", "say \"what\"", "back\\slash", "$", "#-1", "\u{fc} 'x'", ""];
    let held = Value::text("\u{1}\u{1f980} \"'\\/\u{e9}");
    let links = linked(&*store, &names).await;
    for (link, name) in links.iter().zip(names) {
        decide(&*store, *link, |new| {
            let mut seen = observation("x");
            seen.image.insert(name.into(), held.clone());
            let mut gives = intent(*link, Side::Right, Op::Update);
            gives.values.insert(name.into(), Value::text("1.50"));
            new.seen.right = Some(seen);
            new.effects = vec![plan(&gives)];
        })
        .await
        .expect("it is stored");
    }
    let mut unit = store.begin().await.expect("the store is up");
    let asked = names.map(|name| (flow(), Side::Right, Column::from(name), held.clone()));
    let found = unit.rivals(&asked).await.expect("it answers");
    let told: Vec<_> = found.iter().map(|(_, rival)| (rival.link, rival.column.as_str())).collect();
    assert_eq!(told, links.iter().copied().zip(names).collect::<Vec<_>>());
    assert!(
        found.iter().all(|(_, rival)| rival.wanted == Value::text("1.50") && rival.held == held)
    );
}

/// Holders of records: whole or half, and whether they are creating their partner.
pub async fn holders_are_found(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    decide(&*store, links[0], |new| complete(new, "ra")).await.expect("it is stored");
    effects(&*store, links[1], vec![plan(&intent(links[1], Side::Right, Op::Create))]).await;
    let mut unit = store.begin().await.expect("the store is up");
    let asked: Vec<_> =
        [(Side::Left, "a"), (Side::Right, "ra"), (Side::Left, "b"), (Side::Left, "x")]
            .into_iter()
            .map(|(side, record)| (flow(), side, record.into()))
            .collect();
    let mut found = unit.holders(&asked).await.expect("it answers");
    found.sort();
    let told: Vec<_> = found
        .iter()
        .map(|(_, holder)| (holder.side, holder.record.as_str(), holder.whole, holder.creating))
        .collect();
    let expected = [
        (Side::Left, "a", true, false),
        (Side::Left, "b", false, true),
        (Side::Right, "ra", true, false),
    ];
    assert_eq!(told, expected);
    assert_eq!((found[1].1.link, found[1].1.phase), (links[1], Phase::Matching));
    drop(unit);
    assert!(held(&*store, &lefts(&["a"])).await.1[0].holders.is_empty(), "facts come without");
}
