//! One seed, or many: makes the store, lets a world live, and tells what came of it.

use crate::broken::Broken;
use crate::check::{Account, Broke, Verdict, Violation};
use crate::fault::Fault;
use crate::world::World;
use duet_ports::hub::HubError;
use duet_ports::store::{Store, StoreError};
use duet_store::{Sqlite, SqliteOptions};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Keep a line for everything that happens.
    pub trace: bool,
    /// People delete records too. Some of these histories break promises (`docs/reliability.md`).
    pub deletions: bool,
    /// A mistake to be found; none outside tests.
    pub broken: Option<Broken>,
}

/// A run could not be made: nothing is said of duet by that.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The state database of the run.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hub of the run.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The folder for state databases, or a file in it.
    #[error("can't make a state database in {}", .path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// The hash of everything that happened, in hexadecimal digits.
    pub hash: String,
    /// The account.
    pub verdict: Verdict,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// Processes that died.
    pub crashes: u64,
    /// Calls that the sides got.
    pub calls: u64,
    /// Writes that landed.
    pub writes: u64,
    /// Writes that were refused because the record had moved on.
    pub stale: u64,
    /// Everything that happened, where it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
}

/// A place to make runs in: one state database after the other, each a copy of one that was brought
/// up to date once.
pub struct Lab {
    folder: TempDir,
}

const TEMPLATE: &str = "template.db";
const STATE: &str = "state.db";

impl Lab {
    /// Makes the place, in a folder of its own within the one for temporary files.
    ///
    /// # Errors
    /// When that folder can't be written.
    pub async fn new() -> Result<Lab, SimError> {
        let parent = std::env::temp_dir();
        let at = |source| SimError::Folder { path: parent.clone(), source };
        let lab = Lab { folder: TempDir::new_in(&parent).map_err(at)? };
        let store = open(&lab.path(TEMPLATE), true).await?;
        store.migrate().await?;
        store.close().await;
        Ok(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a seed.
    ///
    /// # Errors
    /// When its state database can't be made or read.
    pub async fn run(&self, seed: u64, settings: &Settings) -> Result<Run, SimError> {
        let file = self.path(STATE);
        for rest in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path(&format!("{STATE}{rest}")));
        }
        let at = |source| SimError::Folder { path: file.clone(), source };
        std::fs::copy(self.path(TEMPLATE), &file).map_err(at)?;
        let store = Arc::new(open(&file, false).await?);
        let done = live(seed, settings, store.clone()).await;
        store.close().await;
        done
    }
}

async fn open(file: &Path, create: bool) -> Result<duet_store::SqlStore, StoreError> {
    // What is lost with the machine is one run, which its seed makes again.
    let options =
        SqliteOptions { create, readers_max: 1, durable: false, ..SqliteOptions::default() };
    Sqlite::open(file, options).await
}

async fn live(seed: u64, settings: &Settings, store: Arc<dyn Store>) -> Result<Run, SimError> {
    let mut world = World::new(seed, settings, store).await?;
    let verdict = world.live().await?;
    let (fate, work) = (world.fate(), world.work());
    Ok(Run {
        seed,
        hash: format!("{:016x}", fate.trace.hash()),
        verdict,
        faults: fate.met(),
        crashes: world.crashes(),
        calls: work.calls,
        writes: work.writes,
        stale: work.stale,
        trace: fate.trace.lines(),
    })
}

/// What came of many seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Edits of people.
    pub edits: u64,
    /// How many of them are in each account.
    pub accounts: BTreeMap<Account, u64>,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// Kinds of faults that never struck.
    pub never: Vec<Fault>,
    /// Processes that died.
    pub crashes: u64,
    /// Calls that the sides got.
    pub calls: u64,
    /// Writes that landed.
    pub writes: u64,
    /// Writes that were refused because the record had moved on.
    pub stale: u64,
    /// Violations, by kind.
    pub broke: BTreeMap<Broke, u64>,
    /// Seeds that failed, and what was wrong.
    pub failed: BTreeMap<u64, Vec<Violation>>,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, run: &Run) {
        self.seeds += 1;
        self.edits += run.verdict.edits;
        for (account, count) in &run.verdict.accounts {
            *self.accounts.entry(*account).or_default() += count;
        }
        for (fault, count) in &run.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        let never = Fault::ALL.into_iter().filter(|fault| !self.faults.contains_key(fault));
        self.never = never.collect();
        self.crashes += run.crashes;
        self.calls += run.calls;
        self.writes += run.writes;
        self.stale += run.stale;
        for violation in &run.verdict.violations {
            *self.broke.entry(violation.broke).or_default() += 1;
        }
        if !run.verdict.violations.is_empty() {
            self.failed.insert(run.seed, run.verdict.violations.clone());
        }
    }

    /// Edits that are in an account.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.accounts.values().sum()
    }
}
