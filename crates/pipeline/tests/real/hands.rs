//! The steps by hand: what `run` does in loops, one after the other until nothing moves any more.

use std::sync::Arc;
use std::time::Duration;

use duet_core::side::Side;
use duet_pipeline::context::Context;
use duet_pipeline::detect::Detection;
use duet_pipeline::{apply, reconcile, retry, sweep};
use duet_ports::hub::{Consumer, Queue};

use super::rig::Rig;

/// How long a message may take to come back from the broker.
const PATIENCE: Duration = Duration::from_millis(30);
/// Rounds in which something still moved; more is a loop that never ends.
const ROUNDS_MAX: usize = 200;

/// Everything that a process holds open.
pub(crate) struct Hands {
    pub(crate) context: Arc<Context>,
    pub(crate) detections: Vec<Detection>,
    pub(crate) consumer: Box<dyn Consumer>,
}

impl Hands {
    /// Opens every source and the only partition.
    pub(crate) async fn of(rig: &Rig) -> Hands {
        let mut detections = Vec::new();
        for (spec, side) in rig.context.sources() {
            let opened = Detection::open(&rig.context, spec, side).await.expect("it opens");
            detections.push(opened.expect("nobody else reads it"));
        }
        let consumer = rig.context.hub.consume(Queue::Changes(0), 100).await.expect("it is up");
        Hands { context: Arc::clone(&rig.context), detections, consumer }
    }

    /// Reads every source and publishes what is new. How many changes.
    pub(crate) async fn detect(&mut self) -> usize {
        let mut moved = 0;
        for detection in &mut self.detections {
            let progress = detection.step(&self.context, true).await.unwrap_or_default();
            moved += progress.read + progress.settled + progress.unsettled;
        }
        moved
    }

    /// Decides what the partition holds. How many links.
    pub(crate) async fn reconcile(&mut self) -> usize {
        let mut decided = 0;
        loop {
            let step = reconcile::step(&self.context, self.consumer.as_mut(), PATIENCE).await;
            let more = step.expect("hub and store are up");
            if more.decided + more.dead == 0 {
                return decided;
            }
            decided += more.decided + more.dead;
        }
    }

    /// Sends what is due to one side. How many calls.
    pub(crate) async fn apply(&mut self, side: Side) -> usize {
        let mut calls = 0;
        while apply::step(&self.context, &side.as_str().into()).await.expect("it is up").is_some() {
            calls += 1;
        }
        calls
    }

    /// Does everything until nothing moves. Time stands still but for what the test passes.
    pub(crate) async fn work(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.detect().await + self.reconcile().await;
            for side in Side::BOTH {
                moved += self.apply(side).await;
            }
            moved += sweep::step(&self.context).await.expect("it is up").decided;
            moved += retry::step(&self.context).await.expect("it is up").decided;
            if moved == 0 {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Works, passes some time, and again: waits, backoffs and recoveries come due.
    pub(crate) async fn work_through(&mut self, rig: &Rig, seconds: u64, times: usize) {
        self.work().await;
        for _ in 0..times {
            rig.pass(seconds);
            self.work().await;
        }
    }

    /// Works up to the moment at which a write to this side is due.
    pub(crate) async fn work_up_to(&mut self, side: Side) {
        self.detect().await;
        self.reconcile().await;
        self.apply(side.other()).await;
    }
}
