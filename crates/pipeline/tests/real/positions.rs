//! Settled positions: nothing is given up before the store has decided it, whatever is lost.

use std::time::Duration;

use async_trait::async_trait;
use duet_core::side::Side;
use duet_pipeline::context::Options;
use duet_pipeline::detect::{Detection, Progress, source_name};
use duet_pipeline::error::StageError;
use duet_pipeline::reconcile;
use duet_ports::hub::{Consumer, Delivery, HubError, Queue};
use duet_ports::store::Store;
use duet_testkit::memory_side::columns;
use duet_testkit::wait::wait_until;

use super::flows::THINGS;
use super::hands::Hands;
use super::rig::{Rig, SOON, Wanted};

const PATIENCE: Duration = Duration::from_millis(500);

async fn left(rig: &Rig) -> Option<Detection> {
    Detection::open(&rig.context, rig.spec(), Side::Left).await.expect("it opens")
}

async fn position(rig: &Rig) -> Option<String> {
    let source = source_name(&rig.spec().name, Side::Left);
    rig.store.position(&source).await.expect("it is up").map(|position| position.0)
}

async fn step(rig: &Rig, detection: &mut Detection) -> Progress {
    detection.step(&rig.context, true).await.expect("everything is up")
}

fn make(rig: &Rig, records: std::ops::Range<u32>) {
    for number in records {
        let code = number.to_string();
        let values = columns(&[("code", &code), ("name", "Ann"), ("city", "Oslo")]);
        rig.left().put(THINGS, &format!("r{number}"), values);
    }
}

async fn consumer(rig: &Rig) -> Box<dyn Consumer> {
    rig.context.hub.consume(Queue::Changes(0), 100).await.expect("it is up")
}

/// Decides until a consumer gets nothing more.
async fn decide(rig: &Rig, consumer: &mut dyn Consumer) -> usize {
    let mut decided = 0;
    loop {
        let step = reconcile::step(&rig.context, consumer, PATIENCE).await.expect("it is up");
        if step.decided + step.dead == 0 {
            return decided;
        }
        decided += step.decided;
    }
}

#[tokio::test]
async fn a_position_is_given_up_when_everything_before_it_is_decided() {
    let rig = Rig::usual().await;
    let mut detection = left(&rig).await.expect("nobody reads it");
    assert_eq!(position(&rig).await.as_deref(), Some("0"), "known from the first moment");
    make(&rig, 0..3);
    assert_eq!(step(&rig, &mut detection).await.read, 3);
    assert_eq!(step(&rig, &mut detection).await.unsettled, 1);
    assert_eq!(position(&rig).await.as_deref(), Some("0"), "published isn't decided");
    assert_eq!(decide(&rig, consumer(&rig).await.as_mut()).await, 3);
    assert_eq!(step(&rig, &mut detection).await, Progress { settled: 1, ..Progress::default() });
    assert_eq!(position(&rig).await.as_deref(), Some("3"));
    let head = detection.head().await.expect("it can be read");
    assert!(detection.settled_up_to(&head).await.expect("it can be read"));
}

/// A consumer whose process dies before it acknowledges anything.
struct Dying(Box<dyn Consumer>);

#[async_trait]
impl Consumer for Dying {
    async fn next(&mut self, max: usize, patience: Duration) -> Result<Vec<Delivery>, HubError> {
        self.0.next(max, patience).await
    }

    async fn ack(&mut self, _: u64) -> Result<(), HubError> {
        Err(HubError::StaleDelivery)
    }

    async fn give_back(&mut self) -> Result<(), HubError> {
        Err(HubError::StaleDelivery)
    }

    fn is_served(&self) -> bool {
        self.0.is_served()
    }

    async fn retire(&mut self) -> Result<(), HubError> {
        self.0.retire().await
    }
}

#[tokio::test]
async fn a_crash_between_commit_and_acknowledgement_is_harmless() {
    what_is_delivered_again_is_decided_once(&Rig::usual().await).await;
}

pub(crate) async fn what_is_delivered_again_is_decided_once(rig: &Rig) {
    let mut hands = Hands::of(rig).await;
    make(rig, 0..5);
    hands.detect().await;
    let held = std::mem::replace(&mut hands.consumer, consumer(rig).await);
    let mut dying = Dying(held);
    let died = reconcile::step(&rig.context, &mut dying, PATIENCE).await;
    assert!(matches!(died, Err(StageError::Hub(HubError::StaleDelivery))), "{died:?}");
    drop(dying);
    assert_eq!(rig.links().await.len(), 5, "it was committed");
    hands.work().await;
    assert_eq!(rig.writes(), 5);
    assert_eq!(rig.links().await.len(), 5);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn what_a_purge_took_is_sent_again_under_its_number() {
    let rig = Rig::usual().await;
    let mut detection = left(&rig).await.expect("nobody reads it");
    make(&rig, 0..5);
    step(&rig, &mut detection).await;
    rig.purge();
    let mut consumer = consumer(&rig).await;
    step(&rig, &mut detection).await;
    assert_eq!(decide(&rig, consumer.as_mut()).await, 0, "the hub forgot everything");
    rig.pass(61);
    step(&rig, &mut detection).await;
    assert_eq!(decide(&rig, consumer.as_mut()).await, 5);
    assert_eq!(step(&rig, &mut detection).await.unsettled, 0, "under the number it had");
    assert_eq!(position(&rig).await.as_deref(), Some("5"));
}

#[tokio::test]
async fn a_message_that_waits_in_its_queue_is_not_sent_again() {
    let rig = Rig::usual().await;
    let mut detection = left(&rig).await.expect("nobody reads it");
    make(&rig, 0..1);
    step(&rig, &mut detection).await;
    let depth = async || rig.context.hub.depth(&Queue::Changes(0)).await.expect("up").ready;
    wait_until(SOON, "the message is ready", || async { depth().await == 1 }).await;
    rig.pass(600);
    step(&rig, &mut detection).await;
    step(&rig, &mut detection).await;
    assert_eq!(decide(&rig, consumer(&rig).await.as_mut()).await, 1, "once");
}

#[tokio::test]
async fn a_successor_reads_again_what_was_not_settled() {
    let rig = Rig::usual().await;
    let mut first = left(&rig).await.expect("nobody reads it");
    make(&rig, 0..4);
    step(&rig, &mut first).await;
    assert!(left(&rig).await.is_none(), "the first one still holds the lease");
    rig.purge();
    rig.pass(31);
    let mut second = left(&rig).await.expect("the lease ran out");
    assert_eq!(step(&rig, &mut second).await.read, 4);
    let fenced = first.step(&rig.context, true).await;
    assert!(matches!(fenced, Err(StageError::LeaseHeld { .. })), "{fenced:?}");
    assert_eq!(decide(&rig, consumer(&rig).await.as_mut()).await, 4);
    step(&rig, &mut second).await;
    assert_eq!(position(&rig).await.as_deref(), Some("4"));
}

#[tokio::test]
async fn an_old_detection_cannot_move_the_position_of_its_successor() {
    let rig = Rig::usual().await;
    let mut first = left(&rig).await.expect("nobody reads it");
    make(&rig, 0..2);
    step(&rig, &mut first).await;
    decide(&rig, consumer(&rig).await.as_mut()).await;
    rig.pass(31);
    let second = left(&rig).await.expect("the lease ran out");
    let fenced = first.step(&rig.context, false).await;
    assert!(matches!(fenced, Err(StageError::LeaseHeld { .. })), "{fenced:?}");
    assert_eq!(position(&rig).await.as_deref(), Some("0"));
    second.close(&rig.context).await.expect("it is up");
    assert!(left(&rig).await.is_some(), "given back, free at once");
}

#[tokio::test]
async fn two_detections_of_one_process_never_share_numbers() {
    let rig = Rig::usual().await;
    let mut first = left(&rig).await.expect("nobody reads it");
    make(&rig, 0..1);
    step(&rig, &mut first).await;
    assert_eq!(decide(&rig, consumer(&rig).await.as_mut()).await, 1);
    // Dropped without a goodbye: its numbers are settled under its token.
    drop(first);
    assert!(left(&rig).await.is_none());
    rig.pass(31);
    let mut second = left(&rig).await.expect("the lease ran out");
    make(&rig, 1..2);
    let read = step(&rig, &mut second).await;
    assert_eq!((read.read, read.unsettled), (2, 1));
    assert_eq!(step(&rig, &mut second).await.settled, 0, "an older mark settles nothing");
    assert_eq!(position(&rig).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_source_stops_reading_while_too_much_is_unsettled() {
    let options = Options { unsettled_max: 2, ..Wanted::default().options };
    let rig = Rig::of(Wanted { options, ..Wanted::default() }).await;
    let mut detection = left(&rig).await.expect("nobody reads it");
    make(&rig, 0..120);
    let first = step(&rig, &mut detection).await;
    assert_eq!((first.read, first.unsettled), (120, 3));
    make(&rig, 120..121);
    assert_eq!(step(&rig, &mut detection).await.read, 0);
    decide(&rig, consumer(&rig).await.as_mut()).await;
    assert_eq!(step(&rig, &mut detection).await.read, 1);
}

#[tokio::test]
async fn a_change_that_no_message_can_carry_becomes_a_dead_letter() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    make(&rig, 0..1);
    let long = "x".repeat(9 * 1024 * 1024);
    rig.left().put(THINGS, "long", columns(&[("code", "long"), ("name", &long)]));
    make(&rig, 1..2);
    hands.work().await;
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(rig.right().records(THINGS).len(), 2, "its neighbours pass");
    assert_eq!(position(&rig).await.as_deref(), Some("3"), "nothing is stuck");
}
