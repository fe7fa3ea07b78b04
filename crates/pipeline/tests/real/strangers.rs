//! Two processes that don't know the same flows, as while a new configuration is rolled out: the
//! one that doesn't know a flow leaves everything of it to the other.

use std::time::Duration;

use duet_core::intent::IntentState;
use duet_core::side::Side;
use duet_pipeline::{apply, reconcile, retry, sweep};
use duet_ports::clock::Clock;
use duet_ports::hub::{Consumer, Queue};
use duet_ports::store::Store;
use duet_testkit::memory_side::columns;

use super::flows::{THINGS, field, flow};
use super::hands::Hands;
use super::rig::{Rig, Wanted};

/// For a message that comes.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_belongs_to_a_flow_that_a_process_does_not_know_is_left_to_the_others() {
    let rig = Rig::usual().await;
    let others = vec![flow("others", vec![field("code")])];
    let old = rig.process_with(Wanted { flows: others, ..Wanted::default() });
    let mut hands = Hands::of(&rig).await;
    let nobodys = std::mem::replace(&mut hands.consumer, consumer(&old).await);
    drop(nobodys);
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    hands.detect().await;
    let step = reconcile::step(&old, hands.consumer.as_mut(), PATIENCE).await.expect("it is up");
    assert_eq!((step.decided, step.dead), (0, 0));
    assert!(rig.dead().await.is_empty() && rig.links().await.is_empty());
    hands.detect().await;
    assert_eq!(rig.counts().await.dead_letters, 0);
    // The process that published it sends it again, and the new one has the partition by then.
    hands.consumer = consumer(&rig.context).await;
    rig.pass(61);
    hands.detect().await;
    while rig.links().await.is_empty() {
        reconcile::step(&rig.context, hands.consumer.as_mut(), PATIENCE).await.expect("it is up");
    }
    let link = rig.link_of(Side::Left, "a").await;
    let mut unit = rig.store.begin().await.expect("it is up");
    unit.lock(&[link], false).await.expect("it is free");
    let due = rig.clock.now();
    unit.touch(&[link], due).await.expect("it is locked");
    unit.commit().await.expect("it is stored");
    for side in Side::BOTH {
        assert!(apply::step(&old, &side.as_str().into()).await.expect("it is up").is_none());
    }
    assert_eq!(sweep::step(&old).await.expect("it is up").decided, 0);
    assert_eq!(retry::step(&old).await.expect("it is up").decided, 0);
    let detail = rig.detail(Side::Left, "a").await;
    assert_eq!(detail.link.due_at, Some(due), "not put off");
    assert!(detail.intents.iter().all(|intent| intent.state == IntentState::Planned));
    hands.work().await;
    assert!(rig.agree("1", "Ann"));
}

async fn consumer(context: &duet_pipeline::context::Context) -> Box<dyn Consumer> {
    context.hub.consume(Queue::Changes(0), 100).await.expect("it is up")
}
