//! How a stage fails: which port, and whether waiting helps.

use duet_core::id::FlowName;
use duet_core::keyed::Rekeyed;
use duet_ports::connector::ConnectorError;
use duet_ports::hub::HubError;
use duet_ports::store::StoreError;

/// A stage could not do its step. Nothing is half done: the step is repeated.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The state database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A side.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The flow isn't in the configuration.
    #[error("no flow named {flow} is configured")]
    NoFlow {
        /// The flow.
        flow: FlowName,
    },
    /// The flow's key changed: its links mean other records than the configuration says.
    #[error("{rekeyed}")]
    Rekeyed {
        /// What changed.
        rekeyed: Box<Rekeyed>,
    },
    /// Someone else holds the lease: exit code 75.
    #[error("{name} is at work in another process; try again when it is done")]
    LeaseHeld {
        /// The lease.
        name: String,
    },
}
