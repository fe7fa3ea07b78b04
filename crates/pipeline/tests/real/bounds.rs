//! What many records or many messages may cost: bounded batches, and keys that tell nothing apart.

use std::time::Duration;

use duet_core::conflict::ConflictKind;
use duet_core::id::LinkId;
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_pipeline::context::Options;
use duet_ports::clock::{Entropy, System};
use duet_ports::envelope::Body;
use duet_ports::hub::Queue;
use duet_ports::store::CLAIMS_MAX;
use duet_testkit::memory_side::columns;

use super::flows::THINGS;
use super::hands::Hands;
use super::rig::{Rig, Wanted};

/// A rig that decides so many links at once.
async fn deciding(batch: usize) -> Rig {
    let options = Options { batch, ..Wanted::default().options };
    Rig::of(Wanted { options, ..Wanted::default() }).await
}

#[tokio::test]
async fn links_are_woken_in_messages_of_one_batch_each() {
    let rig = deciding(2).await;
    let links: Vec<LinkId> = (0..5).map(|_| LinkId(System.id())).collect();
    rig.context.wake_links(&links).await;
    let mut changes = rig.hub.consume(Queue::Changes(0), 100).await.expect("it is up");
    let mut woken: Vec<Vec<LinkId>> = Vec::new();
    while woken.concat().len() < links.len() {
        for message in changes.next(10, Duration::from_secs(20)).await.expect("it is up") {
            let body = message.envelope.expect("ours").body;
            let Body::WakeLinks { links } = body else { panic!("{body:?}") };
            woken.push(links);
        }
    }
    assert_eq!(woken.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(woken.concat(), links);
}

#[tokio::test]
async fn every_record_of_a_key_that_many_share_ends_with_a_person() {
    let rig = deciding(7).await;
    let mut hands = Hands::of(&rig).await;
    let many = 2 * CLAIMS_MAX + 5;
    for side in [Side::Left, Side::Right] {
        for number in 0..many {
            let name = format!("{side} {number}");
            let values = columns(&[("code", "n/a"), ("name", &name), ("city", "Oslo")]);
            rig.sides.get(side).put(THINGS, &format!("{side}{number}"), values);
        }
    }
    hands.work().await;
    let links = rig.links().await;
    assert_eq!(links.len(), 2 * many);
    assert!(links.iter().all(|link| link.phase == Phase::Matching));
    let conflicts = rig.conflicts().await;
    assert_eq!(conflicts.len(), 2 * many, "each has several candidates");
    assert!(conflicts.iter().all(|one| one.kind == ConflictKind::AmbiguousMatch));
    assert_eq!(rig.writes(), 0);
}
