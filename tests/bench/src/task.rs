//! What a process of the bench is started for: each measurement of duet runs in a process of its
//! own, so that its processor time and memory are its own, and a profiler sees nothing else.

mod decision;
mod hub;
mod load;
mod publish;
mod store;

use crate::error::BenchError;
use crate::reading::Reading;
use serde::{Deserialize, Serialize};

pub(crate) use decision::Decisions;
pub(crate) use hub::Carry;
pub(crate) use load::{Load, RECORDS_A_CALL, WRITTEN};
pub(crate) use publish::Publish;
pub(crate) use store::{Rounds, StoreAt};

/// A task, as one argument of the process that does it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Decide.
    Decide(Decisions),
    /// Load, save and commit.
    Store(Rounds),
    /// Drain or follow the change queues.
    Load(Load),
    /// Publish or read messages.
    Carry(Carry),
    /// Publish changes when told to.
    Publish(Publish),
}

impl Task {
    /// Does it.
    ///
    /// # Errors
    /// When what happened isn't what should have.
    pub(crate) async fn run(self) -> Result<Option<Reading>, BenchError> {
        match self {
            Task::Decide(task) => decision::run(&task).map(Some),
            Task::Store(task) => store::run(&task).await.map(Some),
            Task::Load(task) => load::run(&task).await.map(Some),
            Task::Carry(task) => hub::run(&task).await.map(Some),
            Task::Publish(task) => publish::run(&task).await.map(|()| None),
        }
    }
}
