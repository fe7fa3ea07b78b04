//! The desk: what a person does. List, show, decide, retry, discard, explain. Used by the command
//! line (and later the console); it stores what a person chose and makes the link due, the ordinary
//! way decides.
//!
//! It never applies a choice to values that the person did not see, and never shows a value that
//! the configuration marks as sensitive, unless a person asked for it.

pub mod conflicts;
pub mod error;
pub mod errors;
pub mod explain;
pub mod letters;
pub mod record;
pub mod shown;
pub mod status;
pub mod typed;

use duet_core::id::FlowName;
use duet_core::spec::FlowSpec;
use duet_ports::clock::Clock;
use duet_ports::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every action at the desk needs.
#[derive(Clone)]
pub struct Desk {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Flows by name: field names, masks.
    pub flows: BTreeMap<FlowName, Arc<FlowSpec>>,
    /// Whether sensitive values are shown: only where a person asked, or decides by them.
    pub reveal: bool,
}

impl Desk {
    /// The same desk, showing sensitive values or not.
    #[must_use]
    pub fn revealing(&self, reveal: bool) -> Desk {
        Desk { reveal, ..self.clone() }
    }
}
