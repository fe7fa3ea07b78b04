//! What reading, searching and scanning promise.

use std::collections::BTreeSet;

use duet_core::canon::canonical;
use duet_core::id::RecordId;
use duet_core::intent::FindKey;
use duet_core::observation::Presence;
use duet_core::value::Value;
use duet_ports::connector::Search;

use super::{ConnectorRig, held, intent, moved, read};

/// The description fits the collection and the credentials.
pub async fn a_collection_is_described(rig: &dyn ConnectorRig) {
    let connector = rig.connector().await;
    connector.ping().await.expect("the side can be reached");
    let about = connector.describe(&rig.collection()).await.expect("the side answers");
    for column in [rig.text(), rig.other()] {
        let spec = about.columns.get(&column).expect("the column is described");
        assert!(spec.createable && spec.updateable);
    }
    assert!(about.may.create && about.may.update && about.may.delete);
    assert!(!about.remarks.iter().any(|remark| remark.fatal), "{:?}", about.remarks);
    assert!(about.skew_us.abs() < 60_000_000, "a minute off: {}", about.skew_us);
}

/// A collection that isn't there is an error, not an empty one.
pub async fn a_missing_collection_is_an_error(rig: &dyn ConnectorRig) {
    let connector = rig.connector().await;
    let mut collection = rig.collection();
    collection.name = "no_such_collection__c".to_owned();
    collection.columns.clear();
    assert!(connector.describe(&collection).await.is_err());
    assert!(connector.read(&collection, &["1".into()]).await.is_err());
}

/// One answer per id, in the order asked, with the values of the moment.
pub async fn reads_answer_in_the_order_asked(rig: &dyn ConnectorRig) {
    let a = rig.create("a").await;
    let b = rig.create("b").await;
    let gone = rig.create("gone").await;
    rig.delete(&gone).await;
    let connector = rig.connector().await;
    let before = connector.now();
    let asked = [b.clone(), gone.clone(), a.clone()];
    let found = connector.read(&rig.collection(), &asked).await.expect("the side answers");
    let ids: Vec<RecordId> = found.iter().map(|record| record.record.clone()).collect();
    assert_eq!(ids, asked);
    assert_eq!(held(&found[0].observation, &rig.text()).as_deref(), Some("b"));
    assert_eq!(held(&found[2].observation, &rig.text()).as_deref(), Some("a"));
    assert_ne!(found[1].observation.presence, Presence::Present);
    assert_ne!(found[1].observation.presence, Presence::Unknown);
    for record in &found {
        assert!(record.observation.read_at >= before, "read_at is when the read was sent");
        assert!(record.observation.read_at <= connector.now());
    }
}

/// An id that no record ever had is not a record.
pub async fn an_unknown_id_is_not_a_record(rig: &dyn ConnectorRig) {
    let gone = rig.create("gone").await;
    rig.delete(&gone).await;
    let answer = read(rig, &gone).await;
    assert_ne!(answer.observation.presence, Presence::Present);
}

/// A change moves the version, and images are canonical.
pub async fn versions_move_and_images_are_canonical(rig: &dyn ConnectorRig) {
    let connector = rig.connector().await;
    let about = connector.describe(&rig.collection()).await.expect("the side answers");
    let record = rig.create("first").await;
    let before = super::ripe(rig, &record).await.observation;
    rig.edit(&record, &rig.text(), "second").await;
    let after = read(rig, &record).await.observation;
    assert!(moved(&before.version, &after.version), "{before:?} {after:?}");
    for (column, value) in &after.image {
        let spec = about.columns.get(column).expect("every column is described");
        assert_eq!(canonical(spec, value.clone()), *value, "{column}");
    }
}

fn by(rig: &dyn ConnectorRig, rule: usize, text: &str) -> FindKey {
    FindKey { rule: Some(rule), columns: vec![(rig.text(), Value::text(text))] }
}

/// One list per search, in the order asked; any of a search's keys is an answer.
pub async fn searches_answer_in_the_order_asked(rig: &dyn ConnectorRig) {
    let a = rig.create("needle a").await;
    let b = rig.create("needle b").await;
    let twin = rig.create("needle b").await;
    rig.edit(&a, &rig.other(), "second needle").await;
    let second = FindKey {
        rule: Some(1),
        columns: vec![
            (rig.other(), Value::text("second needle")),
            (rig.text(), Value::text("needle a")),
        ],
    };
    let searches = [
        Search { intent: intent(1), keys: vec![by(rig, 0, "needle b"), second] },
        Search { intent: intent(2), keys: vec![by(rig, 0, "nobody holds this")] },
        Search { intent: intent(3), keys: vec![by(rig, 0, "needle a")] },
        Search { intent: intent(4), keys: Vec::new() },
    ];
    let connector = rig.connector().await;
    let found = connector.find(&rig.collection(), &searches).await.expect("the side answers");
    let ids = |n: usize| -> BTreeSet<(RecordId, Option<usize>)> {
        found[n].iter().map(|found| (found.record.clone(), found.rule)).collect()
    };
    assert_eq!(found.len(), searches.len());
    let expected = [(a.clone(), Some(1)), (b, Some(0)), (twin, Some(0))];
    assert_eq!(ids(0), BTreeSet::from(expected));
    assert!(found[1].is_empty() && found[3].is_empty());
    assert_eq!(ids(2), BTreeSet::from([(a, Some(0))]));
    assert_eq!(held(&found[2][0].observation, &rig.text()).as_deref(), Some("needle a"));
}

/// A scan shows every record once, in pages.
pub async fn a_scan_shows_every_record_once(rig: &dyn ConnectorRig) {
    let mut expected = BTreeSet::new();
    for number in 0..5 {
        expected.insert(rig.create(&format!("record {number}")).await);
    }
    let connector = rig.connector().await;
    let mut seen = Vec::new();
    let mut after = None;
    for page_number in 0.. {
        let page = connector.scan(&rig.collection(), after.as_ref(), 2).await;
        let page = page.expect("the side answers");
        assert!(page.records.len() <= 2);
        seen.extend(page.records.into_iter().map(|record| record.record));
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(page_number < 20, "the scan has no end");
    }
    let once: BTreeSet<RecordId> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "{seen:?}");
    assert_eq!(once, expected);
}
