//! What writing promises: nothing is overwritten unseen, nothing is created twice, and one record's
//! refusal is its own.

use duet_core::intent::{Op, Outcome};
use duet_core::observation::Presence;
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::connector::Call;

use super::{ConnectorRig, creating, held, intent, landed, moved, read, ripe, send, setting};

/// An update lands, answers the state after it, and leaves its marker.
pub async fn an_update_lands_and_leaves_its_marker(rig: &dyn ConnectorRig) {
    let record = rig.create("first").await;
    let before = ripe(rig, &record).await;
    let outcomes = send(rig, Op::Update, vec![setting(1, &before, &rig.text(), "ours")]).await;
    assert_eq!(landed(&outcomes[0]), record);
    let after = read(rig, &record).await.observation;
    assert_eq!(held(&after, &rig.text()).as_deref(), Some("ours"));
    assert!(moved(&before.observation.version, &after.version));
    let connector = rig.connector().await;
    let about = connector.describe(&rig.collection()).await.expect("the side answers");
    if about.marker {
        assert_eq!(after.marker, Some(intent(1)));
    }
    if let Outcome::Landed { after: Some(told), .. } = &outcomes[0] {
        assert_eq!(held(told, &rig.text()).as_deref(), Some("ours"));
    }
}

/// A write that expects an older version writes nothing and is answered as stale.
pub async fn a_stale_write_writes_nothing(rig: &dyn ConnectorRig) {
    let record = rig.create("first").await;
    let before = ripe(rig, &record).await;
    rig.edit(&record, &rig.text(), "theirs").await;
    let outcomes = send(rig, Op::Update, vec![setting(1, &before, &rig.text(), "ours")]).await;
    match &outcomes[0] {
        Outcome::Refused { failure, .. } => assert_eq!(failure.class, FailureClass::Stale),
        other => panic!("{other:?}"),
    }
    assert_eq!(held(&read(rig, &record).await.observation, &rig.text()).as_deref(), Some("theirs"));
}

/// A repeated update doesn't take effect twice: an edit after the first one stands.
pub async fn a_repeated_update_takes_no_effect(rig: &dyn ConnectorRig) {
    let record = rig.create("first").await;
    let before = ripe(rig, &record).await;
    let call = setting(1, &before, &rig.text(), "ours");
    landed(&send(rig, Op::Update, vec![call.clone()]).await[0]);
    rig.ripen().await;
    rig.edit(&record, &rig.text(), "theirs").await;
    send(rig, Op::Update, vec![call]).await;
    assert_eq!(held(&read(rig, &record).await.observation, &rig.text()).as_deref(), Some("theirs"));
}

/// A create lands; repeated with the same intent it makes no second record.
pub async fn a_repeated_create_makes_one_record(rig: &dyn ConnectorRig) {
    let before = rig.count().await;
    let call = creating(rig, 1);
    let record = landed(&send(rig, Op::Create, vec![call.clone()]).await[0]);
    match &send(rig, Op::Create, vec![call]).await[0] {
        Outcome::Landed { record: again, .. } => assert_eq!(*again, record),
        Outcome::Refused { failure, observed } => {
            assert_eq!(failure.class, FailureClass::Uniqueness);
            let found = observed.as_ref().expect("the one that stands in the way is told");
            assert_eq!(found.record, record);
            assert_eq!(found.observation.marker, Some(intent(1)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.count().await, before + 1);
    assert_eq!(read(rig, &record).await.observation.presence, Presence::Present);
}

/// A create that meets somebody else's record tells which, and overwrites nothing.
pub async fn a_create_never_overwrites(rig: &dyn ConnectorRig) {
    let first = landed(&send(rig, Op::Create, vec![creating(rig, 1)]).await[0]);
    rig.edit(&first, &rig.text(), "theirs").await;
    let (values, unique) = rig.new_record(1);
    if unique.is_none() {
        return;
    }
    let mut other = Call { values, unique, ..creating(rig, 2) };
    other.values.insert(rig.text(), Value::text("ours"));
    let count = rig.count().await;
    match &send(rig, Op::Create, vec![other]).await[0] {
        Outcome::Refused { failure, observed } => {
            assert_eq!(failure.class, FailureClass::Uniqueness);
            let found = observed.as_ref().expect("the one that stands in the way is told");
            assert_eq!(found.record, first);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.count().await, count);
    assert_eq!(held(&read(rig, &first).await.observation, &rig.text()).as_deref(), Some("theirs"));
}

/// What one record is refused for doesn't touch its neighbours.
pub async fn neighbours_of_a_refused_record_pass(rig: &dyn ConnectorRig) {
    let mut records = Vec::new();
    for number in 0..5 {
        records.push(rig.create(&format!("record {number}")).await);
    }
    rig.ripen().await;
    let mut calls = Vec::new();
    for (number, record) in (10..).zip(&records) {
        let found = read(rig, record).await;
        calls.push(setting(number, &found, &rig.text(), &format!("ours {number}")));
    }
    calls[2].values.insert(rig.text(), rig.refused());
    let outcomes = send(rig, Op::Update, calls).await;
    for (at, outcome) in outcomes.iter().enumerate() {
        match (at, outcome) {
            (2, Outcome::Refused { failure, .. }) => {
                assert_eq!(failure.class, FailureClass::Validation, "{failure:?}");
                assert!(!failure.code.is_empty());
            }
            (2, other) => panic!("{other:?}"),
            (_, other) => assert_eq!(landed(other), records[at]),
        }
    }
    let kept = read(rig, &records[2]).await.observation;
    assert_eq!(held(&kept, &rig.text()).as_deref(), Some("record 2"));
    let passed = read(rig, &records[4]).await.observation;
    assert_eq!(held(&passed, &rig.text()).as_deref(), Some("ours 14"));
}

/// A delete of a known version deletes; repeated, it is answered as landed or gone.
pub async fn a_delete_deletes(rig: &dyn ConnectorRig) {
    let record = rig.create("first").await;
    let found = ripe(rig, &record).await;
    let mut call = setting(1, &found, &rig.text(), "");
    call.values.clear();
    let outcome = send(rig, Op::Delete, vec![call.clone()]).await.remove(0);
    landed(&outcome);
    let Outcome::Landed { after, .. } = outcome else { panic!("it landed") };
    let now = Some(Box::new(read(rig, &record).await.observation));
    for gone in [after, now].into_iter().flatten() {
        assert_ne!(gone.presence, Presence::Present);
        let held = &found.observation.image;
        let other = gone.image.iter().find(|(column, value)| held.get(*column) != Some(*value));
        assert_eq!(other, None, "what is gone holds what it held, or nothing; null is a change");
    }
    match &send(rig, Op::Delete, vec![call]).await[0] {
        Outcome::Landed { .. } => {}
        Outcome::Refused { failure, .. } => assert_eq!(failure.class, FailureClass::Gone),
        other => panic!("{other:?}"),
    }
}

/// An update of a record that was deleted is answered as gone.
pub async fn an_update_of_a_deleted_record_is_gone(rig: &dyn ConnectorRig) {
    let record = rig.create("first").await;
    let found = ripe(rig, &record).await;
    rig.delete(&record).await;
    match &send(rig, Op::Update, vec![setting(1, &found, &rig.text(), "ours")]).await[0] {
        Outcome::Refused { failure, .. } => assert_eq!(failure.class, FailureClass::Gone),
        other => panic!("{other:?}"),
    }
}
