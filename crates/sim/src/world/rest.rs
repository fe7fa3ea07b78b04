//! Healing: nothing goes wrong any more and nobody edits; everything is worked off, until what is
//! left waits for a person. Then a quiet period, in which nothing may be written.

use super::World;
use super::process::Step;
use crate::flow::THINGS;
use crate::run::SimError;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::inspect::FlowCounts;

/// Rounds in which something still moves without time passing; more is a loop that never ends.
const ROUNDS: usize = 300;
/// The longest that healing may take: an intent's longest backoff, some times over.
const PATIENCE_US: i64 = 12 * 3_600 * Stamp::SECOND;
/// Looks in a row, a minute apart, that must find nothing under way.
const QUIET_LOOKS: u32 = 3;
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
        let mut quiet = 0;
        while quiet < QUIET_LOOKS {
            self.work_off().await;
            let counts = self.store.counts(&THINGS.into()).await?;
            let is_quiet = is_at_rest(&counts);
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if self.luck().clock.elapsed() > end {
                self.unsettled.push(format!("after hours of healing: {counts:?}"));
                return Ok(());
            }
            self.pass_until_due(is_quiet);
        }
        Ok(())
    }

    /// A minute, or less while something is under way: reads wait for seconds, calls for deadlines.
    fn pass_until_due(&mut self, is_quiet: bool) {
        let span = if is_quiet { 60 * Stamp::SECOND } else { 5 * Stamp::SECOND };
        self.luck().clock.pass(span);
    }

    /// Every stage of every process, until nothing moves any more.
    async fn work_off(&mut self) {
        for _ in 0..ROUNDS {
            let mut moved = 0;
            for which in 0..self.processes.len() {
                moved += self.round(which).await;
            }
            if moved == 0 {
                return;
            }
        }
        self.unsettled.push("the stages never come to rest".to_owned());
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

/// Whether nothing is under way but what waits for a person.
fn is_at_rest(counts: &FlowCounts) -> bool {
    let open = counts.intents.iter().filter(|(state, count)| {
        *count > 0 && !["parked", "discarded"].contains(&state.as_str())
    });
    open.count() == 0 && counts.due == 0
}
