//! Keyed: whether the links of a flow still mean the records that the configuration names. A flow
//! of which they don't is set aside in this process: its sources aren't opened, its messages are
//! left to be read again, its links and calls wait. Nothing of it is given up meanwhile, so that it
//! goes on from where it was once the key is put back.

use crate::context::Context;
use crate::detect::source_name;
use duet_core::id::FlowName;
use duet_core::keyed::{KeyedBy, Rekeyed};
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_ports::envelope::Numbered;
use duet_ports::store::{Store, StoreError};

/// Compares what a flow's links are keyed by with the configuration. `None`: they fit, or nothing is
/// noted yet.
///
/// # Errors
/// When the store can't be reached.
pub async fn look(
    store: &dyn Store,
    flow: &FlowName,
    keys: &Both<KeyedBy>,
) -> Result<Option<Rekeyed>, StoreError> {
    let noted = store.flow_keys(flow).await?;
    Ok(noted.and_then(|noted| Rekeyed::of(flow, &noted, keys)))
}

/// The same, before anything of the flow is recorded: what is configured is noted where nothing is.
///
/// Idempotence: what is noted stays.
///
/// # Errors
/// When the store can't be reached.
pub async fn note(
    store: &dyn Store,
    flow: &FlowName,
    keys: &Both<KeyedBy>,
    now: Stamp,
) -> Result<Option<Rekeyed>, StoreError> {
    let noted = store.note_flow_keys(flow, keys, now).await?;
    Ok(Rekeyed::of(flow, &noted, keys))
}

impl Context {
    /// Whether a message comes from a source of a flow that is set aside. It is not settled, so its
    /// source keeps what it told.
    pub(crate) fn is_left_to_its_source(&self, number: &Numbered) -> bool {
        let of = |flow: &FlowName| {
            Side::BOTH.into_iter().any(|side| source_name(flow, side) == number.source)
        };
        self.rekeyed.keys().any(of)
    }
}
