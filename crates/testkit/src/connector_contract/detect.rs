//! What a detector promises: every outside change is told at least once, what is settled isn't told
//! again as news, and what isn't settled is told again after a restart.

use std::time::Duration;

use duet_core::id::{Column, RecordId};
use duet_core::observation::{Observation, Presence};
use duet_ports::connector::{Detector, Position};
use duet_ports::envelope::WhatV1;

use super::{ConnectorRig, SOON, held};

/// A short patience: a side that announces nothing is looked at again this often.
const PATIENCE: Duration = Duration::from_millis(200);

/// Opens a detector at a position.
async fn open(rig: &dyn ConnectorRig, from: Option<&Position>) -> Box<dyn Detector> {
    let connector = rig.connector().await;
    connector.detector(&rig.collection(), from).await.expect("the source opens")
}

/// Reads until a change of the record is seen that `enough` accepts. Gives its positions.
async fn until(
    detector: &mut dyn Detector,
    record: &RecordId,
    mut enough: impl FnMut(&Observation) -> bool,
) -> Vec<Position> {
    let mut positions = Vec::new();
    let reading = async {
        loop {
            let reading = detector.detect(100).await.expect("the source can be read");
            positions.extend(reading.position);
            let seen = reading.changes.iter().any(|change| match &change.what {
                WhatV1::Seen(seen) => change.record == *record && enough(seen),
                WhatV1::KeyChanged { .. } | WhatV1::Gap => false,
            });
            if seen {
                break;
            }
            if !reading.more {
                detector.wait(PATIENCE).await;
            }
        }
    };
    let waited = tokio::time::timeout(SOON, reading).await;
    waited.unwrap_or_else(|_| panic!("the change of {record} was never told"));
    positions
}

fn holds<'a>(column: &'a Column, text: &'a str) -> impl FnMut(&Observation) -> bool + 'a {
    move |seen| seen.presence == Presence::Present && held(seen, column).as_deref() == Some(text)
}

/// Creating, changing and deleting are told, with values and with evidence.
pub async fn every_outside_change_is_told(rig: &dyn ConnectorRig) {
    let mut detector = open(rig, None).await;
    let record = rig.create("first").await;
    until(&mut *detector, &record, holds(&rig.text(), "first")).await;
    rig.edit(&record, &rig.text(), "second").await;
    until(&mut *detector, &record, holds(&rig.text(), "second")).await;
    rig.edit(&record, &rig.other(), "third").await;
    until(&mut *detector, &record, holds(&rig.other(), "third")).await;
    rig.delete(&record).await;
    let gone = |seen: &Observation| matches!(seen.presence, Presence::Deleted(_));
    until(&mut *detector, &record, gone).await;
}

/// Many records changed while nobody looked are all told, in readings of at most the limit.
pub async fn a_backlog_is_told_in_readings_of_the_limit(rig: &dyn ConnectorRig) {
    let mut detector = open(rig, None).await;
    let mut missing = std::collections::BTreeSet::new();
    for number in 0..7 {
        missing.insert(rig.create(&format!("record {number}")).await);
    }
    let reading = async {
        while !missing.is_empty() {
            let reading = detector.detect(3).await.expect("the source can be read");
            assert!(reading.changes.len() <= 3);
            for change in &reading.changes {
                missing.remove(&change.record);
            }
            if !reading.more {
                detector.wait(PATIENCE).await;
            }
        }
    };
    let waited = tokio::time::timeout(SOON, reading).await;
    assert!(waited.is_ok(), "never told: {missing:?}");
}

/// What is settled isn't told again: not by this detector, not as news by the next one.
pub async fn what_is_settled_is_not_told_again(rig: &dyn ConnectorRig) {
    let mut detector = open(rig, None).await;
    let first = rig.create("first").await;
    let positions = until(&mut *detector, &first, holds(&rig.text(), "first")).await;
    detector.settle(&positions).await.expect("the source can be reached");
    detector.settle(&positions).await.expect("giving up twice changes nothing");
    let cursor = detector.cursor();
    drop(detector);
    let mut detector = open(rig, cursor.as_ref()).await;
    let second = rig.create("second").await;
    let mut old = 0;
    let version = super::read(rig, &first).await.observation.version;
    until_counting(&mut *detector, &second, &first, &version, &mut old).await;
    // A polled side may repeat what is near its position, with the version that was settled.
    assert!(old <= 1, "told again {old} times");
}

async fn until_counting(
    detector: &mut dyn Detector,
    awaited: &RecordId,
    counted: &RecordId,
    version: &Option<duet_core::observation::Version>,
    old: &mut usize,
) {
    let reading = async {
        loop {
            let reading = detector.detect(100).await.expect("the source can be read");
            for change in &reading.changes {
                if let (true, WhatV1::Seen(seen)) = (change.record == *counted, &change.what) {
                    assert_eq!(&seen.version, version, "no news");
                    *old += 1;
                }
            }
            if reading.changes.iter().any(|change| change.record == *awaited) {
                break;
            }
            detector.wait(PATIENCE).await;
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("the other change is told");
}

/// What isn't settled is told again by the next detector.
pub async fn what_is_not_settled_is_told_again_after_a_restart(rig: &dyn ConnectorRig) {
    let mut detector = open(rig, None).await;
    let kept = rig.create("kept").await;
    let positions = until(&mut *detector, &kept, holds(&rig.text(), "kept")).await;
    detector.settle(&positions).await.expect("the source can be reached");
    let cursor = detector.cursor();
    let lost = rig.create("lost").await;
    until(&mut *detector, &lost, holds(&rig.text(), "lost")).await;
    drop(detector);
    let mut detector = open(rig, cursor.as_ref()).await;
    until(&mut *detector, &lost, holds(&rig.text(), "lost")).await;
}

/// A head covers everything committed before it, and is reached by reading.
pub async fn a_head_is_reached_by_reading(rig: &dyn ConnectorRig) {
    let mut detector = open(rig, None).await;
    let record = rig.create("first").await;
    let head = detector.head().await.expect("the source can be read");
    let mut told = false;
    let reading = async {
        while !detector.reached(&head).await.expect("the source can be read") {
            let reading = detector.detect(100).await.expect("the source can be read");
            told |= reading.changes.iter().any(|change| change.record == record);
            if !reading.more {
                detector.wait(PATIENCE).await;
            }
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("the head is reached");
    assert!(told, "reached without telling of what was before");
}

/// Waiting ends in time when nothing happens.
pub async fn waiting_ends(rig: &dyn ConnectorRig) {
    let mut detector = open(rig, None).await;
    let waited = tokio::time::timeout(SOON, detector.wait(PATIENCE)).await;
    assert!(waited.is_ok(), "it waits for ever");
}

/// A write of ours is told with its marker, if the side leaves one.
pub async fn our_own_write_carries_its_marker(rig: &dyn ConnectorRig) {
    let connector = rig.connector().await;
    let about = connector.describe(&rig.collection()).await.expect("the side answers");
    if !about.marker {
        return;
    }
    let mut detector = open(rig, None).await;
    let record = rig.create("first").await;
    let found = super::ripe(rig, &record).await;
    let call = super::setting(7, &found, &rig.text(), "ours");
    super::send(rig, duet_core::intent::Op::Update, vec![call]).await;
    let marked = |seen: &Observation| {
        held(seen, &rig.text()).as_deref() == Some("ours") && seen.marker == Some(super::intent(7))
    };
    until(&mut *detector, &record, marked).await;
}
