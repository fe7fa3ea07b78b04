//! The world of a run: two sides with their people, a hub, a store, and processes that come and go.
//! The scheduler picks one act after the other; a step of a stage runs to its end, or to its
//! process's, before the next is picked.

mod people;
mod process;
mod rest;

use crate::check::tables::ConflictRow;
use crate::check::{self, Evidence, Verdict};
use crate::clock::{BEGIN, SeededEntropy};
use crate::fault::Fault;
use crate::flow::THINGS;
use crate::hub::SimHub;
use crate::luck::Luck;
use crate::plan::{Act, Plan, STEPS};
use crate::run::{Settings, SimError};
use crate::side::{SimSide, Work};
use crate::store::SimStore;
use crate::trace::Trace;
use duet_core::conflict::Conflict;
use duet_core::facts::FlowState;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_pipeline::run::topology;
use duet_ports::clock::Clock;
use duet_ports::hub::Hub;
use duet_ports::inspect::{DecisionRow, LinkDetail};
use duet_ports::store::Store;
use process::{Ground, Process, Step};
use std::sync::Arc;

/// What the stream of ids is told apart by from the one of faults.
const IDS: u64 = 0x1D5;
/// More rows than a run makes.
const ALL: u64 = 100_000;
/// The longest that passes at once, in microseconds.
const WAIT_US: i64 = 30 * Stamp::SECOND;

/// Everything there is.
pub(crate) struct World {
    plan: Plan,
    ground: Ground,
    /// The store without faults: for people, and for the checker.
    store: Arc<dyn Store>,
    processes: Vec<Process>,
    /// Processes that were ever begun.
    begun: u64,
    /// Records that people made, and values that they entered.
    made: u64,
    entered: u64,
    /// What a person looked at a while ago, and may decide on now.
    looked: Option<Conflict>,
    /// What people looked at when they decided.
    decided: Vec<ConflictRow>,
    crashes: u64,
    quiet_from: (usize, usize),
    unsettled: Vec<String>,
}

impl World {
    /// Makes a world on an empty store.
    pub(crate) async fn new(
        seed: u64,
        settings: &Settings,
        store: Arc<dyn Store>,
    ) -> Result<World, SimError> {
        let plan = Plan::of(seed, settings.deletions);
        let trace = Trace::new(settings.trace);
        let luck = Arc::new(Luck::new(seed, plan.rates.clone(), trace));
        let sides = Both::build(|side| {
            let nature = *plan.natures.get(side);
            SimSide::new(side, nature, Arc::clone(&luck), settings.broken)
        });
        let hub = Arc::new(SimHub::new(Arc::clone(&luck)));
        let faulty =
            SimStore::new(Arc::clone(&store), Arc::clone(&luck), Arc::clone(&hub), settings.broken);
        let adopted = FlowState { adopted: true, ..FlowState::default() };
        store.set_flow_state(&THINGS.into(), adopted, luck.clock.now()).await?;
        let ground = Ground {
            entropy: Arc::new(SeededEntropy::new(seed ^ IDS, Arc::clone(&luck.clock))),
            luck,
            sides,
            hub,
            store: Arc::new(faulty),
            spec: Arc::new(plan.spec.clone()),
        };
        let mut world = World {
            plan,
            ground,
            store,
            processes: Vec::new(),
            begun: 0,
            made: 0,
            entered: 0,
            looked: None,
            decided: Vec::new(),
            crashes: 0,
            quiet_from: (0, 0),
            unsettled: Vec::new(),
        };
        for _ in 0..world.plan.processes {
            let process = world.process();
            world.processes.push(process);
        }
        let topology = topology(&world.processes[0].context);
        world.ground.hub.declare(&topology).await?;
        Ok(world)
    }

    fn process(&mut self) -> Process {
        self.begun += 1;
        Process::begin(&self.ground, &self.plan, format!("process-{}", self.begun))
    }

    fn luck(&self) -> &Luck {
        &self.ground.luck
    }

    /// The whole run: faults, then healing, rest, and a quiet period. What the checker says.
    pub(crate) async fn live(&mut self) -> Result<Verdict, SimError> {
        for _ in 0..STEPS {
            self.act().await?;
        }
        self.heal().await?;
        let evidence = self.evidence().await?;
        let verdict = check::judge(&evidence);
        for violation in &verdict.violations {
            self.luck().note(format_args!("violation {:?} {}", violation.broke, violation.what));
        }
        if !verdict.violations.is_empty() {
            self.tell_tables().await?;
        }
        Ok(verdict)
    }

    /// What duet recorded, for whoever reads the trace of a run that failed.
    async fn tell_tables(&mut self) -> Result<(), SimError> {
        for link in self.store.links(&THINGS.into(), &[], None, ALL).await? {
            let Some(detail) = self.store.link_detail(link.id, ALL).await? else { continue };
            let LinkDetail { link, agreed, conflicts, intents, decisions, .. } = detail;
            self.luck().note(format_args!("{link:?}"));
            self.luck().note(format_args!("{agreed:?}"));
            for one in decisions.iter().rev() {
                let DecisionRow { at, rev, row, rule, cause, .. } = one;
                let at = at.0 - BEGIN.0;
                self.luck().note(format_args!("  {at:>12} {rev} {row} {rule} ({cause})"));
            }
            conflicts.iter().rev().for_each(|one| self.luck().note(format_args!("  {one:?}")));
            intents.iter().rev().for_each(|one| self.luck().note(format_args!("  {one:?}")));
        }
        self.luck().note(format_args!("{:?}", self.plan));
        Ok(())
    }

    // `&mut`, so that nothing asks for a world that is shared between threads.
    async fn evidence(&mut self) -> Result<Evidence, SimError> {
        let mut tables = crate::evidence::tables(self.store.as_ref(), &THINGS.into()).await?;
        tables.unsettled.extend(self.unsettled.iter().cloned());
        tables.decided.clone_from(&self.decided);
        let Both { left, right } = self.ground.sides.clone().map(|side| side.history());
        Ok(Evidence { left, right, tables, quiet_from: self.quiet_from })
    }

    /// One act.
    async fn act(&mut self) -> Result<(), SimError> {
        let act = self.ground.luck.draw(|chance| self.plan.act(chance));
        match act {
            Act::Make => self.make(),
            Act::Edit => self.edit(),
            Act::EditBoth => self.edit_both(),
            Act::Delete => self.delete(),
            Act::Decide => self.decide().await?,
            Act::Detect => self.step(|_, side| Step::Detect(side)).await,
            Act::Reconcile => {
                self.step(|partition, _| Step::Reconcile(partition)).await;
            }
            Act::Apply => self.step(|_, side| Step::Apply(side)).await,
            Act::Retry => self.step(|_, _| Step::Retry).await,
            Act::Sweep => self.step(|_, _| Step::Sweep).await,
            Act::Wait => {
                let span = self.luck().draw(|chance| chance.between(1_000, WAIT_US));
                self.luck().clock.pass(span);
            }
            Act::Arrive => self.arrive().await?,
            Act::Disturb => self.disturb().await?,
        }
        Ok(())
    }

    /// Some process steps a stage of some partition or side.
    async fn step(&mut self, of: impl FnOnce(u32, Side) -> Step) {
        let (partitions, processes) = (self.plan.partitions, self.processes.len());
        let (which, partition, side) = self.luck().draw(|chance| {
            let partition = u32::try_from(chance.below(u64::from(partitions))).unwrap_or(0);
            (chance.place(processes), partition, *chance.pick(&Side::BOTH))
        });
        self.run(which, &of(partition, side)).await;
    }

    /// Runs a step in a process. How much it moved; a process that dies in it begins anew.
    async fn run(&mut self, which: usize, step: &Step) -> usize {
        let luck = Arc::clone(&self.ground.luck);
        let done = luck.survive(self.processes[which].step(step)).await;
        match done {
            Some(Ok(moved)) => {
                luck.note(format_args!("{which} {step:?}: {moved}"));
                moved
            }
            Some(Err(error)) => {
                luck.note(format_args!("{which} {step:?}: {error}"));
                1
            }
            None => {
                luck.note(format_args!("{which} {step:?}: died"));
                self.crashes += 1;
                self.processes[which] = self.process();
                1
            }
        }
    }

    /// A delayed message or a late call arrives.
    async fn arrive(&mut self) -> Result<(), SimError> {
        let side = self.luck().draw(|chance| *chance.pick(&Side::BOTH));
        if !self.ground.hub.arrive().await? {
            self.ground.sides.get(side).land_late();
        }
        Ok(())
    }

    /// A source tells everything again, or the hub forgets everything.
    async fn disturb(&mut self) -> Result<(), SimError> {
        if self.luck().strikes(Fault::Purged) {
            self.ground.hub.purge().await?;
            self.processes.iter_mut().for_each(Process::unsubscribe);
        }
        if self.luck().strikes(Fault::ToldAgain) {
            let side = self.luck().draw(|chance| *chance.pick(&Side::BOTH));
            self.ground.sides.get(side).tell_again();
        }
        Ok(())
    }

    /// What the sides had to do.
    pub(crate) fn work(&self) -> Work {
        let Both { left, right } = self.ground.sides.clone().map(|side| side.work());
        Work {
            calls: left.calls + right.calls,
            writes: left.writes + right.writes,
            stale: left.stale + right.stale,
        }
    }

    /// Processes that died.
    pub(crate) fn crashes(&self) -> u64 {
        self.crashes
    }

    /// Chance, faults, time and trace.
    pub(crate) fn fate(&self) -> Arc<Luck> {
        Arc::clone(&self.ground.luck)
    }
}
