//! A flow whose key columns change: its links would mean other records. Nothing of it moves, and
//! nothing of it is lost, until the key is put back.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use duet_core::id::FlowName;
use duet_core::keyed::{KeyedBy, Rekeyed};
use duet_core::link::Phase;
use duet_core::side::{Both, Side};
use duet_core::spec::{DeletePolicy, FlowSpec};
use duet_pipeline::adopt::Adoption;
use duet_pipeline::context::Context;
use duet_pipeline::error::StageError;
use duet_pipeline::{apply, keyed, sync};
use duet_ports::clock::Clock;
use duet_ports::hub::Queue;
use duet_testkit::memory_side::columns;

use super::flows::{THINGS, deleting, field, flow};
use super::hands::Hands;
use super::rig::{Rig, Wanted};

fn keys(spec: &FlowSpec) -> Both<KeyedBy> {
    Both::build(|side| KeyedBy::of(spec.ends.get(side), &[]))
}

/// Another process, started with the right side keyed by something else, if the store lets it.
async fn rekeyed(rig: &Rig, others: Vec<FlowSpec>) -> Arc<Context> {
    let mut spec = rig.spec().as_ref().clone();
    spec.ends.right.key = vec!["code".into()];
    let (name, now) = (spec.name.clone(), rig.clock.now());
    let changed =
        keyed::note(rig.store.as_ref(), &name, &keys(&spec), now).await.expect("it is up");
    let changed: BTreeMap<FlowName, Rekeyed> = changed.map(|one| (name, one)).into_iter().collect();
    let flows = if changed.is_empty() { vec![spec] } else { others };
    let options = rig.context.options.clone();
    rig.process_with(Wanted { flows, rekeyed: changed, options, ..Wanted::default() })
}

async fn noted(rig: &Rig) {
    let (spec, now) = (rig.spec(), rig.clock.now());
    let note = keyed::note(rig.store.as_ref(), &spec.name, &keys(spec), now).await;
    assert_eq!(note.expect("it is up"), None, "what is configured is taken at the first start");
}

fn put(rig: &Rig, side: Side, record: &str, name: &str) {
    let values = columns(&[("code", record), ("name", name), ("city", "Oslo")]);
    rig.sides.get(side).put(THINGS, record, values);
}

#[tokio::test]
async fn nothing_moves_under_another_key_and_nothing_is_lost() {
    let rig = Rig::flow(deleting(DeletePolicy::Propagate)).await;
    noted(&rig).await;
    let mut hands = Hands::of(&rig).await;
    put(&rig, Side::Left, "a", "Ann");
    put(&rig, Side::Left, "b", "Bob");
    hands.work().await;
    let (writes, links) = (rig.writes(), rig.links().await);
    // A call is planned, a change is on its way, another is told to nobody yet.
    rig.left().put(THINGS, "a", columns(&[("name", "Bea")]));
    hands.detect().await;
    hands.reconcile().await;
    rig.left().put(THINGS, "b", columns(&[("name", "Bo")]));
    hands.detect().await;
    drop(hands.consumer);
    for detection in hands.detections {
        detection.close(&rig.context).await.expect("it is up");
    }
    rig.left().put(THINGS, "a", columns(&[("city", "Rome")]));

    let another = rekeyed(&rig, Vec::new()).await;
    assert!(another.flows.is_empty() && another.sources().next().is_none());
    let mut process = Hands {
        context: another.clone(),
        detections: Vec::new(),
        consumer: consumer(&another).await,
    };
    process.work_through(&rig, 61, 2).await;
    assert_eq!(rig.writes(), writes, "no call leaves");
    assert_eq!(rig.links().await.len(), links.len());
    assert!(rig.links().await.iter().all(|link| link.phase == Phase::Linked));
    assert!(rig.dead().await.is_empty() && rig.conflicts().await.is_empty());
    drop(process);

    let mut hands = Hands::of(&rig).await;
    hands.work_through(&rig, 61, 2).await;
    assert!(rig.agree("a", "Bea") && rig.agree("b", "Bo"), "it goes on from where it was");
    assert_eq!(rig.text(Side::Right, &rig.id(Side::Right, "a"), "city").unwrap(), "Rome");
}

async fn consumer(context: &Context) -> Box<dyn duet_ports::hub::Consumer> {
    context.hub.consume(Queue::Changes(0), 100).await.expect("it is up")
}

#[tokio::test]
async fn a_changed_key_is_told_and_not_adopted() {
    let rig = Rig::usual().await;
    noted(&rig).await;
    let another = rekeyed(&rig, Vec::new()).await;
    let refused = Adoption::begin(&another, &rig.spec().name).await.err().expect("it is refused");
    let StageError::Rekeyed { rekeyed } = refused else { panic!("{refused:?}") };
    let [moved] = &rekeyed.sides[..] else { panic!("one side moved: {rekeyed:?}") };
    assert_eq!((moved.side, &moved.was.key[..]), (Side::Right, &["id".into()][..]));
    assert_eq!(moved.is.key, ["code".into()]);
    let looked = keyed::look(rig.store.as_ref(), &rig.spec().name, &keys(rig.spec())).await;
    assert_eq!(looked.expect("it is up"), None, "put back, all is well");
}

#[tokio::test]
async fn the_other_flows_go_on() {
    let other = flow("others", vec![field("code"), field("name")]);
    let flows = vec![other.clone(), super::flows::things()];
    let rig = Rig::of(Wanted { flows, ..Wanted::default() }).await;
    let things = rig.context.flows.get("things").expect("configured").clone();
    let now = rig.clock.now();
    for spec in rig.context.flows.values() {
        keyed::note(rig.store.as_ref(), &spec.name, &keys(spec), now).await.expect("it is up");
    }
    let mut changed = things.as_ref().clone();
    changed.ends.left.collection = "elsewhere".to_owned();
    let changed = keyed::look(rig.store.as_ref(), &things.name, &keys(&changed)).await;
    let changed = changed.expect("it is up").expect("another table");
    let process = rig.process_with(Wanted {
        flows: vec![other],
        rekeyed: BTreeMap::from([(things.name.clone(), changed)]),
        options: rig.context.options.clone(),
        ..Wanted::default()
    });
    sync::once(&rig.context, &|_| ControlFlow::Continue(())).await.expect("sources are opened");
    put(&rig, Side::Left, "a", "Ann");
    rig.left().put("others", "o", columns(&[("code", "1"), ("name", "Ola")]));
    let counts = sync::once(&process, &|_| ControlFlow::Continue(())).await;
    assert_eq!(
        counts.expect("it ends").keys().map(FlowName::as_str).collect::<Vec<_>>(),
        ["others"]
    );
    assert_eq!(rig.right().records("others").len(), 1);
    assert!(rig.right().records(THINGS).is_empty(), "its source wasn't even read");
    assert!(apply::step(&process, &"right".into()).await.expect("it is up").is_none());
}
