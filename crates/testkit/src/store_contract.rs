//! What every store promises, as tests over the port. An implementation gives a [`StoreRig`] and
//! runs each case; every case starts on an empty store.
//!
//! It never looks inside an implementation: what only the database can tell, the rig is asked for.

pub mod field_errors;
pub mod finding;
pub mod letters;
pub mod locking;
pub mod matching;
pub mod people;
pub mod positions;
pub mod routing;
pub mod sample;
pub mod saving;
pub mod sending;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duet_ports::store::Store;

use crate::wait::wait_until;

/// For anything that a store does soon.
pub const SOON: Duration = Duration::from_secs(60);

/// An empty store with its schema, and the means to look behind it.
#[async_trait]
pub trait StoreRig: Send + Sync {
    /// A client of its own, as another process would have.
    async fn store(&self) -> Arc<dyn Store>;

    /// A client of another database that was never migrated.
    async fn bare(&self) -> Arc<dyn Store>;

    /// How many statements wait for another transaction at this moment.
    async fn waiting(&self) -> i64;

    /// Ends every connection of the clients made so far.
    async fn cut(&self);

    /// Tries to change, then to delete, stored decisions. Whether the database let it happen.
    async fn tamper_with_decisions(&self) -> bool;
}

/// Waits until so many statements wait for another transaction.
pub async fn wait_for_waiting(rig: &dyn StoreRig, count: i64) {
    let what = format!("{count} statements wait");
    wait_until(SOON, &what, || async { rig.waiting().await == count }).await;
}
