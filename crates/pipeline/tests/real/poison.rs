//! Changes that can't be decided: each costs itself, never its neighbours.

use std::time::Duration;

use duet_core::facts::Event;
use duet_core::intent::{IntentState, Op};
use duet_core::observation::{Observation, Presence, Version};
use duet_core::side::Side;
use duet_core::value::Value;
use duet_pipeline::{dead, reconcile};
use duet_ports::clock::Clock;
use duet_ports::envelope::{Body, ChangeV1, Envelope, Numbered, WhatV1};
use duet_ports::hub::{Consumer, Outgoing, Published, Queue};
use duet_ports::inspect::{Inspect, LetterChange, LetterState};
use duet_ports::store::{DeadLetter, Store, Unit};
use duet_testkit::memory_side::columns;
use serde_json::value::{RawValue, to_raw_value};

use super::flows::THINGS;
use super::hands::Hands;
use super::rig::{Rig, Wanted};

/// For a message that comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// For a look that finds nothing.
const MOMENT: Duration = Duration::from_millis(500);

fn seen(rig: &Rig, record: &str, name: &str) -> Box<RawValue> {
    let mut image = columns(&[("code", record), ("city", "Oslo")]);
    image.insert("name".into(), Value::text(name));
    let observation = Observation {
        presence: Presence::Present,
        image,
        version: Some(Version { order: Some(1), token: "1".into() }),
        read_at: rig.clock.now(),
        ..Observation::default()
    };
    let what = WhatV1::Seen(Box::new(observation));
    let change =
        ChangeV1 { flow: rig.spec().name.clone(), side: Side::Left, record: record.into(), what };
    to_raw_value(&change).expect("a change is JSON")
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

fn numbered(number: i64, changes: Vec<Box<RawValue>>) -> Envelope {
    let number = Numbered { source: "things/left".into(), token: 900, number };
    Envelope { number: Some(number), ..Envelope::unnumbered(Body::Changes { changes }) }
}

async fn publish(rig: &Rig, queue: Queue, envelope: Envelope) {
    let fates = rig.hub.publish(&[Outgoing { queue, envelope }]).await.expect("it is up");
    assert_eq!(fates, [Published::Confirmed]);
}

async fn consumer(rig: &Rig, queue: Queue) -> Box<dyn Consumer> {
    rig.hub.consume(queue, 100).await.expect("it is up")
}

async fn settled(rig: &Rig) -> Vec<i64> {
    rig.store.settled("things/left", 900).await.expect("it is up")
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_becomes_a_dead_letter_among_its_neighbours() {
    let rig = Rig::usual().await;
    let changes = (0..9).map(|number| {
        let name = if number == 4 { "a\0b" } else { "Ann" };
        seen(&rig, &format!("r{number}"), name)
    });
    publish(&rig, Queue::Changes(0), numbered(1, changes.collect())).await;
    let mut changes = consumer(&rig, Queue::Changes(0)).await;
    let step = reconcile::step(&rig.context, changes.as_mut(), PATIENCE).await.expect("it is up");
    assert_eq!((step.decided, step.dead), (8, 1));
    assert_eq!(rig.links().await.len(), 8);
    let [letter] = rig.letters().await.try_into().expect("one letter");
    assert!(letter.reason.contains("column name"), "{letter:?}");
    assert!(!letter.reason.contains("a\0b"), "a reason holds no values: {letter:?}");
    assert_eq!((letter.side, letter.record), (Some(Side::Left), Some("r4".into())));
    assert_eq!(settled(&rig).await, [1], "the message is settled as a whole");
    assert_eq!(rig.counts().await.dead_letters, 1);
}

#[tokio::test]
async fn what_cannot_be_decoded_becomes_a_dead_letter_and_the_rest_goes_on() {
    let rig = Rig::usual().await;
    let stranger = seen(&rig, "x", "Ann").get().replace("\"things\"", "\"strangers\"");
    let changes = vec![
        seen(&rig, "a", "Ann"),
        raw(r#"{"flow":"things","secret":"value"}"#),
        raw("17"),
        seen(&rig, "b", "Bea"),
    ];
    publish(&rig, Queue::Changes(0), numbered(1, changes)).await;
    let future = Envelope { v: 99, ..numbered(2, Vec::new()) };
    publish(&rig, Queue::Changes(0), future).await;
    let nobodys = Body::Changes { changes: vec![raw(&stranger)] };
    publish(&rig, Queue::Changes(0), Envelope::unnumbered(nobodys)).await;
    publish(&rig, Queue::Changes(0), numbered(3, vec![seen(&rig, "c", "Cid")])).await;
    let mut changes = consumer(&rig, Queue::Changes(0)).await;
    while settled(&rig).await != [1, 3] {
        reconcile::step(&rig.context, changes.as_mut(), PATIENCE).await.expect("it is up");
    }
    assert_eq!(rig.links().await.len(), 3);
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 4, "{dead:?}");
    assert!(dead.iter().any(|reason| reason.contains("no flow named strangers")), "{dead:?}");
    assert!(dead.iter().any(|reason| reason.contains("version 99")), "{dead:?}");
    assert!(!dead.iter().any(|reason| reason.contains("secret")), "{dead:?}");
}

/// A record on both sides whose name on the left was spoilt afterwards.
async fn spoilt(rig: &Rig, hands: &mut Hands) {
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    hands.work().await;
    assert!(rig.agree("1", "Ann"));
    rig.pass(5);
    rig.left().put(THINGS, "a", columns(&[("name", "a\0b")]));
    hands.work().await;
    let [letter] = rig.letters().await.try_into().expect("one letter");
    assert_eq!((letter.record, letter.place.as_str()), (Some("a".into()), "edge"));
    assert_eq!(rig.counts().await.dead_letters, 1);
}

#[tokio::test]
async fn a_record_that_is_mended_and_seen_again_ends_its_dead_letter() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    spoilt(&rig, &mut hands).await;
    rig.pass(5);
    rig.left().put(THINGS, "a", columns(&[("name", "a\0c")]));
    hands.work().await;
    assert_eq!(rig.letters().await.len(), 1, "the newer one takes its place");
    rig.pass(5);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    assert_eq!((rig.letters().await.len(), rig.counts().await.dead_letters), (0, 0));
}

#[tokio::test]
async fn a_dead_letter_that_is_asked_for_reads_its_record_again() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    spoilt(&rig, &mut hands).await;
    let asked = LetterChange { state: LetterState::Asked, by: None, note: None };
    let id = rig.letters().await[0].id;
    rig.store.set_dead_letter(id, &asked, rig.clock.now()).await.expect("it is up");
    hands.work().await;
    assert!(rig.letters().await.is_empty(), "it was decided again");
    let parked = rig.intents(Side::Left, "a", Op::Read).await;
    let parked =
        parked.iter().find(|read| read.state == IntentState::Parked).expect("spoilt still");
    let failure = parked.failure.as_ref().expect("it tells why");
    assert_eq!(
        (failure.code.as_str(), &failure.columns[..]),
        ("TEXT_WITH_NUL", &["name".into()][..])
    );
    rig.pass(5);
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.work().await;
    assert!(rig.agree("1", "Bea"));
    let open = rig.intents(Side::Left, "a", Op::Read).await.iter().any(|read| read.state.is_open());
    assert!(!open && rig.letters().await.is_empty(), "nothing is left to be mended");
}

#[tokio::test]
async fn a_key_change_that_is_asked_for_is_told_again() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    hands.work().await;
    let event =
        Event::KeyChanged { side: Side::Left, old: "a".into(), new: "b".into(), order: None };
    let letter = DeadLetter {
        flow: Some(rig.spec().name.clone()),
        side: Some(Side::Left),
        record: Some("a".into()),
        place: "dead".into(),
        body: serde_json::to_vec(&event).expect("JSON"),
        ..DeadLetter::default()
    };
    let mut unit = rig.store.begin().await.expect("it is up");
    unit.settle(&[], &[letter], rig.clock.now()).await.expect("it is taken");
    unit.commit().await.expect("it is stored");
    let id = rig.letters().await[0].id;
    let asked = LetterChange { state: LetterState::Asked, by: None, note: None };
    rig.store.set_dead_letter(id, &asked, rig.clock.now()).await.expect("it is up");
    let link = rig.link_of(Side::Left, "a").await;
    duet_pipeline::replay::step(&rig.context).await.expect("it is up");
    assert_eq!(rig.link_of(Side::Left, "b").await, link, "the link follows its record");
    assert!(rig.letters().await.is_empty());
}

#[tokio::test]
async fn duplicates_of_a_change_in_one_message_are_one() {
    let rig = Rig::usual().await;
    let mut hands = Hands::of(&rig).await;
    rig.left().put(THINGS, "a", columns(&[("code", "1"), ("name", "Ann"), ("city", "Oslo")]));
    for _ in 0..5 {
        rig.left().tell_again(THINGS);
    }
    hands.work().await;
    assert!(rig.agree("1", "Ann"));
    assert_eq!((rig.links().await.len(), rig.writes()), (1, 1));
}

/// A rig on which a held row is given up soon, and a transaction that holds the row of `a`.
async fn held() -> (Rig, Box<dyn Unit>) {
    let lock_timeout = Duration::from_millis(100);
    let rig = Rig::of(Wanted { lock_timeout, ..Wanted::default() }).await;
    publish(&rig, Queue::Changes(0), numbered(1, vec![seen(&rig, "a", "Ann")])).await;
    let mut changes = consumer(&rig, Queue::Changes(0)).await;
    while settled(&rig).await != [1] {
        reconcile::step(&rig.context, changes.as_mut(), PATIENCE).await.expect("it is up");
    }
    let link = rig.link_of(Side::Left, "a").await;
    let mut unit = rig.store.begin().await.expect("it is up");
    assert_eq!(unit.lock(&[link], false).await.expect("it is free").len(), 1);
    (rig, unit)
}

#[tokio::test]
async fn a_change_that_somebody_holds_back_is_no_dead_letter() {
    let (rig, unit) = held().await;
    let changes = vec![seen(&rig, "a", "Bea"), seen(&rig, "b", "Bea"), raw("17")];
    publish(&rig, Queue::Changes(0), numbered(2, changes)).await;
    let mut changes = consumer(&rig, Queue::Changes(0)).await;
    assert!(reconcile::step(&rig.context, changes.as_mut(), PATIENCE).await.is_err());
    assert!(rig.dead().await.is_empty(), "what can't be decoded comes again with it");
    assert_eq!(settled(&rig).await, [1], "not settled, so it comes again");
    assert_eq!(rig.links().await.len(), 2, "its neighbour is decided meanwhile");
    drop(unit);
    while settled(&rig).await != [1, 2] {
        reconcile::step(&rig.context, changes.as_mut(), PATIENCE).await.expect("it is free now");
    }
    assert_eq!((rig.links().await.len(), rig.dead().await.len()), (2, 1));
}

#[tokio::test]
async fn a_message_that_keeps_failing_is_handled_alone_and_given_up() {
    let (rig, unit) = held().await;
    publish(&rig, Queue::Changes(0), numbered(2, vec![seen(&rig, "a", "Bea")])).await;
    publish(&rig, Queue::Changes(0), numbered(3, vec![seen(&rig, "b", "Bea")])).await;
    let mut changes = consumer(&rig, Queue::Changes(0)).await;
    let mut failures = 0;
    while !settled(&rig).await.ends_with(&[2, 3]) {
        let step = reconcile::step(&rig.context, changes.as_mut(), PATIENCE).await;
        failures += u32::from(step.is_err());
        assert!(failures <= 10, "it must be given up");
    }
    // One less when the broker had given it to the consumer that just left.
    assert!((4..=5).contains(&failures), "{failures}");
    assert_eq!(rig.dead().await.len(), 1);
    assert_eq!(rig.links().await.len(), 2, "its neighbour was decided");
    drop(unit);
}

#[tokio::test]
async fn the_fifth_failure_in_the_dead_queue_is_a_dead_letter() {
    let (rig, unit) = held().await;
    publish(&rig, Queue::Dead, numbered(2, vec![seen(&rig, "a", "Bea")])).await;
    let mut messages = consumer(&rig, Queue::Dead).await;
    for _ in 0..4 {
        assert!(dead::step(&rig.context, messages.as_mut(), PATIENCE).await.is_err());
        assert!(rig.dead().await.is_empty());
    }
    let step = dead::step(&rig.context, messages.as_mut(), PATIENCE).await.expect("given up");
    assert_eq!(step.dead, 1);
    assert_eq!(settled(&rig).await, [1, 2], "either way it is settled");
    drop(unit);
    let after = dead::step(&rig.context, messages.as_mut(), MOMENT).await.expect("it is up");
    assert_eq!((after.decided, after.dead), (0, 0), "acknowledged");
}

#[tokio::test]
async fn a_message_in_the_dead_queue_that_can_be_decided_is() {
    let rig = Rig::usual().await;
    publish(&rig, Queue::Dead, numbered(1, vec![seen(&rig, "a", "Ann")])).await;
    let wake = Body::WakeLinks { links: Vec::new() };
    publish(&rig, Queue::Dead, Envelope::unnumbered(wake)).await;
    let mut messages = consumer(&rig, Queue::Dead).await;
    let step = dead::step(&rig.context, messages.as_mut(), PATIENCE).await.expect("it is up");
    assert_eq!(step.decided, 1);
    dead::step(&rig.context, messages.as_mut(), PATIENCE).await.expect("a wake-up is let go");
    assert_eq!(settled(&rig).await, [1]);
    assert!(rig.dead().await.is_empty());
}
