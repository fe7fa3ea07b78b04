//! Status: what every flow, source and connection is doing, in counts.

use crate::Desk;
use crate::error::DeskError;
use duet_core::facts::FlowState;
use duet_core::id::FlowName;
use duet_core::keyed::{KeyedBy, Rekeyed};
use duet_core::side::Both;
use duet_core::spec::FlowSpec;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{
    ConnectionRow, DeadLetterRow, FlowCounts, LetterFilter, ProcessRow, SourceRow,
};
use serde::Serialize;

/// The state of an installation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// When this was so.
    pub at: Stamp,
    /// Per flow.
    pub flows: Vec<FlowStatus>,
    /// Sources, with the age of their positions.
    pub sources: Vec<SourceRow>,
    /// Processes at work.
    pub processes: Vec<ProcessRow>,
    /// Connections that rest.
    pub connections: Vec<ConnectionRow>,
    /// The oldest dead letters that are open.
    pub dead_letters: Vec<DeadLetterRow>,
}

/// The state of one flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowStatus {
    /// Its name.
    pub flow: FlowName,
    /// `new`, `paused`, `running`, or `rekeyed`: set aside because its key changed.
    pub state: &'static str,
    /// What changed about its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rekeyed: Option<Rekeyed>,
    /// Deletions are held by the brake.
    pub deletes_held: bool,
    /// Counts.
    #[serde(flatten)]
    pub counts: FlowCounts,
}

/// How many dead letters are listed.
const DEAD_LETTERS: u64 = 20;

impl Desk {
    /// The state of an installation.
    ///
    /// # Errors
    /// When the store can't be reached.
    pub async fn status(&self) -> Result<Status, DeskError> {
        let now = self.clock.now();
        let mut flows = Vec::with_capacity(self.flows.len());
        for (flow, spec) in &self.flows {
            flows.push(self.flow_status(flow, spec).await?);
        }
        let resting = |row: &ConnectionRow| row.paused_until.is_some_and(|until| until > now);
        // A scan whose process died goes on when another one opens the source.
        let current = |row: SourceRow| SourceRow {
            scanning: row.scanning.filter(|until| *until > now),
            ..row
        };
        let oldest = LetterFilter { limit: DEAD_LETTERS, ..LetterFilter::default() };
        Ok(Status {
            at: now,
            flows,
            sources: self.store.sources().await?.into_iter().map(current).collect(),
            processes: self.store.processes(now).await?,
            connections: self.store.connections().await?.into_iter().filter(resting).collect(),
            dead_letters: self.store.dead_letters(&oldest).await?,
        })
    }
}

impl Desk {
    async fn flow_status(&self, flow: &FlowName, spec: &FlowSpec) -> Result<FlowStatus, DeskError> {
        let state = self.store.flow_state(flow).await?;
        let keys = Both::build(|side| KeyedBy::of(spec.ends.get(side), &[]));
        let noted = self.store.flow_keys(flow).await?;
        let rekeyed = noted.and_then(|noted| Rekeyed::of(flow, &noted, &keys));
        Ok(FlowStatus {
            flow: flow.clone(),
            state: word(state, rekeyed.is_some()),
            rekeyed,
            deletes_held: state.deletes_held,
            counts: self.store.counts(flow).await?,
        })
    }
}

fn word(state: FlowState, rekeyed: bool) -> &'static str {
    if rekeyed {
        "rekeyed"
    } else if !state.adopted {
        "new"
    } else if state.paused {
        "paused"
    } else {
        "running"
    }
}
