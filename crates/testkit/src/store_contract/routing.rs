//! What routing promises: every record leads to one link.

use duet_core::id::{IntentId, LinkId};
use duet_core::intent::Op;
use duet_core::link::{Alias, Phase};
use duet_core::side::Side;
use duet_ports::store::{Address, StoreError};

use super::sample::{
    NOW, address, decide, effects, facts, fresh, fresh_link, held, intent, lefts, linked, plan,
};
use super::{SOON, StoreRig, wait_for_waiting};

/// New records get new links, known ones their own; one answer per address, in order.
pub async fn each_record_has_one_link(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let known = linked(&*store, &["b", "a"]).await;
    assert_ne!(known[0], known[1]);
    let mut unit = store.begin().await.expect("the store is up");
    let asked = [lefts(&["c", "a", "c", "b"]), vec![address(Side::Right, "a")]].concat();
    let links = unit.ensure(&asked, &fresh_link, NOW).await.expect("they find links");
    assert_eq!((links[1], links[3]), (known[1], known[0]));
    assert_eq!(links[0], links[2]);
    let distinct: std::collections::BTreeSet<&LinkId> = links.iter().collect();
    assert_eq!(distinct.len(), 4, "the right record \"a\" is another one");
    unit.commit().await.expect("they are stored");
    let facts = facts(&*store, links[4]).await;
    assert_eq!(facts.link.phase, Phase::Matching);
    assert_eq!(facts.link.record.right, Some("a".into()));
    assert_eq!((facts.link.record.left, facts.link.created_at), (None, NOW));
}

/// Two transactions that meet a record for the first time end at one link.
pub async fn two_first_meetings_are_one(rig: &dyn StoreRig) {
    let (store, other) = (rig.store().await, rig.store().await);
    let mut first = store.begin().await.expect("the store is up");
    let records = lefts(&["a", "b", "c"]);
    let links = first.ensure(&records, &fresh_link, NOW).await.expect("they find links");
    let meeting = tokio::spawn(async move {
        let mut second = other.begin().await.expect("the store is up");
        let mut records = lefts(&["a", "b", "c"]);
        records.reverse();
        let links = second.ensure(&records, &fresh_link, NOW).await.expect("they find links");
        second.commit().await.expect("nothing to store");
        links
    });
    wait_for_waiting(rig, 1).await;
    first.commit().await.expect("they are stored");
    let met = tokio::time::timeout(SOON, meeting).await.expect("the wait is over");
    let mut met = met.expect("it answers");
    met.reverse();
    assert_eq!(met, links);
}

/// A first meeting that is rolled back leaves the record to the other one.
pub async fn a_meeting_that_is_rolled_back_leaves_nothing(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let (unit, facts) = held(&*store, &lefts(&["a"])).await;
    drop(unit);
    let again = linked(&*store, &["a"]).await;
    assert_ne!(again[0], facts[0].link.id);
}

/// A former id leads to the link; the present holder of an id comes before a former one.
pub async fn former_ids_lead_to_their_link(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let alias = |record: &str| Alias { side: Side::Left, record: record.into() };
    decide(&*store, links[0], |new| new.link.aliases = vec![alias("old"), alias("b")])
        .await
        .expect("it is stored");
    let found = linked(&*store, &["old", "b"]).await;
    assert_eq!(found, links);
    let record = "old".into();
    let by_record = store.find_link(&super::sample::flow(), None, &record).await;
    assert_eq!(by_record.expect("it answers"), Some(links[0]));
    let other_side = store.find_link(&super::sample::flow(), Some(Side::Right), &record).await;
    assert_eq!(other_side.expect("it answers"), None);
}

/// Our own create, seen before its answer, leads to the link that asked for it.
pub async fn a_create_seen_early_leads_to_its_link(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let create = intent(link, Side::Right, Op::Create);
    effects(&*store, link, vec![plan(&create)]).await;
    let seen = Address { marker: Some(create.id), ..address(Side::Right, "new") };
    let (_, facts) = held(&*store, &[seen]).await;
    assert_eq!(facts[0].link.id, link);
}

/// A marker proves nothing where the link has another record, on the other side, or unknown.
pub async fn a_copied_marker_leads_nowhere(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let create = intent(link, Side::Right, Op::Create);
    decide(&*store, link, |new| {
        super::sample::complete(new, "made");
        new.effects = vec![plan(&create)];
    })
    .await
    .expect("it is stored");
    let marked = |side, record, marker| Address { marker: Some(marker), ..address(side, record) };
    let seen = [
        marked(Side::Right, "copy", create.id),
        marked(Side::Left, "other", create.id),
        marked(Side::Right, "foreign", IntentId(fresh())),
        marked(Side::Right, "made", create.id),
    ];
    let (_, facts) = held(&*store, &seen).await;
    let links: Vec<LinkId> = facts.iter().map(|facts| facts.link.id).collect();
    assert!(!links[..3].contains(&link));
    assert_eq!(links[3], link);
}

/// Of two records that carry the marker of a create one is what was made, the other a copy.
pub async fn a_marker_on_two_records_leads_one(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let create = intent(link, Side::Right, Op::Create);
    effects(&*store, link, vec![plan(&create)]).await;
    let marked = |record| Address { marker: Some(create.id), ..address(Side::Right, record) };
    let mut unit = store.begin().await.expect("the store is up");
    let asked = ["c", "b", "d", "b"].map(marked);
    let links = unit.ensure(&asked, &fresh_link, NOW).await.expect("they find links");
    assert_eq!(links.iter().filter(|one| **one == link).count(), 2, "b, twice: {links:?}");
    assert_eq!(links[1], links[3]);
    assert_ne!(links[0], links[2]);
}

/// An id that our create took from a link with a partner, or from one that is over, is the create's;
/// one that a half link has found meanwhile stays there until both are joined.
pub async fn a_create_under_a_used_id_leads_to_its_link(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b", "c"]).await;
    decide(&*store, links[0], |new| super::sample::complete(new, "used"))
        .await
        .expect("it is stored");
    decide(&*store, links[1], |new| {
        super::sample::complete(new, "over");
        new.link.record.left = None;
        new.link.phase = Phase::Tombstoned;
    })
    .await
    .expect("it is stored");
    let mut unit = store.begin().await.expect("the store is up");
    let half = unit.ensure(&[address(Side::Right, "half")], &fresh_link, NOW).await;
    let half = half.expect("a new link")[0];
    unit.commit().await.expect("it is stored");
    let create = intent(links[2], Side::Right, Op::Create);
    effects(&*store, links[2], vec![plan(&create)]).await;
    for (record, marker, link) in [
        ("used", Some(create.id), links[2]),
        ("over", Some(create.id), links[2]),
        ("half", Some(create.id), half),
        ("used", None, links[0]),
        ("used", Some(IntentId(fresh())), links[0]),
    ] {
        let asked = Address { marker, ..address(Side::Right, record) };
        let mut unit = store.begin().await.expect("the store is up");
        let found = unit.ensure(&[asked], &fresh_link, NOW).await.expect("it finds a link");
        assert_eq!(found, [link], "{record} {marker:?}");
    }
}

/// An id that can't be stored is refused by name, and nothing else happens.
pub async fn an_id_with_nul_is_refused(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let mut unit = store.begin().await.expect("the store is up");
    let error = unit.ensure(&lefts(&["a\0b"]), &fresh_link, NOW).await.expect_err("refused");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("record id"), "{error}");
    let links = unit.ensure(&lefts(&["ab"]), &fresh_link, NOW).await;
    assert_eq!(links.expect("the transaction goes on").len(), 1);
}
