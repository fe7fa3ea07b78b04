//! Healing: nothing goes wrong any more and nobody edits; everything is worked off, until what is
//! left waits for a person. Then a quiet period, in which nothing may be written.

use super::World;
use super::process::{Process, Step};
use crate::flow::THINGS;
use crate::run::SimError;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::clock::Clock;

/// Rounds in which something still moves without time passing; more is a loop that never ends.
const ROUNDS: usize = 300;
/// The longest that healing may take: an intent's longest backoff, some times over.
const PATIENCE_US: i64 = 12 * 3_600 * Stamp::SECOND;
/// Looks in a row that must find nothing under way.
const QUIET_LOOKS: u32 = 3;
/// The shortest and the longest time that passes while nothing moves.
const PAUSE_US: i64 = Stamp::SECOND;
const LONG_US: i64 = 60 * Stamp::SECOND;
/// How long nobody edits before the account is made.
const QUIET_US: i64 = 3_600 * Stamp::SECOND;

impl World {
    /// Heals, comes to rest, and is quiet for a while.
    pub(super) async fn heal(&mut self) -> Result<(), SimError> {
        self.luck().heal();
        while self.ground.hub.arrive().await? {}
        for side in Side::BOTH {
            self.ground.sides.get(side).land_late();
        }
        self.come_to_rest().await?;
        for side in Side::BOTH {
            self.ground.sides.get(side).tell_again();
        }
        let changes = |side| self.ground.sides.get(side).history().changes.len();
        self.quiet_from = (changes(Side::Left), changes(Side::Right));
        self.luck().note("quiet");
        self.luck().clock.pass(QUIET_US);
        self.come_to_rest().await
    }

    async fn come_to_rest(&mut self) -> Result<(), SimError> {
        let end = self.luck().clock.elapsed() + PATIENCE_US;
        let (mut quiet, mut pause) = (0, PAUSE_US);
        while quiet < QUIET_LOOKS {
            let moved = self.work_off().await;
            let is_quiet = self.is_at_rest().await?;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if !self.unsettled.is_empty() {
                return Ok(());
            }
            if self.luck().clock.elapsed() > end {
                let counts = self.store.counts(&THINGS.into()).await?;
                self.unsettled.push(format!("after hours of healing: {counts:?}"));
                return Ok(());
            }
            // Reads wait for seconds, calls for deadlines, retries for minutes.
            pause = if moved { PAUSE_US } else { (pause * 2).min(LONG_US) };
            self.luck().clock.pass(if is_quiet { LONG_US } else { pause });
        }
        Ok(())
    }

    /// Whether nothing is under way but what waits for a person. Links that wait for one are looked
    /// at again now and then, so their due times say nothing.
    async fn is_at_rest(&mut self) -> Result<bool, SimError> {
        let counts = self.store.counts(&THINGS.into()).await?;
        let waits = |state: &str| ["parked", "discarded"].contains(&state);
        if counts.intents.iter().any(|(state, count)| *count > 0 && !waits(state)) {
            return Ok(false);
        }
        if !self.processes.iter().all(Process::is_settled) {
            return Ok(false);
        }
        let soon = self.luck().clock.now().plus(LONG_US);
        Ok(!self.store.is_under_way(&THINGS.into(), soon).await?)
    }

    /// Every stage of every process, until nothing moves any more. Whether anything did.
    async fn work_off(&mut self) -> bool {
        for round in 0..ROUNDS {
            let mut moved = 0;
            for which in 0..self.processes.len() {
                moved += self.round(which).await;
            }
            if moved == 0 {
                return round > 0;
            }
        }
        self.unsettled.push("the stages never come to rest".to_owned());
        true
    }

    async fn round(&mut self, which: usize) -> usize {
        let mut moved = 0;
        for side in Side::BOTH {
            moved += self.run(which, &Step::Detect(side)).await;
        }
        for partition in 0..self.plan.partitions {
            moved += self.run(which, &Step::Reconcile(partition)).await;
        }
        moved += self.run(which, &Step::Dead).await;
        for side in Side::BOTH {
            moved += self.run(which, &Step::Apply(side)).await;
        }
        moved += self.run(which, &Step::Sweep).await;
        moved + self.run(which, &Step::Retry).await
    }
}
