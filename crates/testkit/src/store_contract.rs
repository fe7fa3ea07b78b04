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
use duet_ports::store::{Store, Unit};

use crate::wait::wait_until;

/// For anything that a store does soon.
pub const SOON: Duration = Duration::from_secs(60);

/// What a transaction keeps from others until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// The links it locked: others pass them over, or wait for them.
    Links,
    /// Everything: others wait before they begin.
    Everything,
}

/// An empty store with its schema, and the means to look behind it.
#[async_trait]
pub trait StoreRig: Send + Sync {
    /// A client of its own, as another process would have.
    async fn store(&self) -> Arc<dyn Store>;

    /// A client of another database that was never migrated.
    async fn bare(&self) -> Arc<dyn Store>;

    /// What a transaction keeps from others.
    fn keeps(&self) -> Keeps;

    /// How many statements wait for another transaction at this moment.
    async fn waiting(&self) -> i64;

    /// Ends every connection of the clients made so far. `false`: they have none that could be lost.
    async fn cut(&self) -> bool;

    /// Tries to change, then to delete, stored decisions. Whether the database let it happen.
    async fn tamper_with_decisions(&self) -> bool;
}

/// Waits until so many statements wait for another transaction.
pub async fn wait_for_waiting(rig: &dyn StoreRig, count: i64) {
    let what = format!("{count} statements wait");
    wait_until(SOON, &what, || async { rig.waiting().await == count }).await;
}

/// What comes of `work` while `holder` has locked links, which it still has where it comes back.
/// Where it keeps everything, the work waits until it is ended.
pub async fn beside<T>(
    rig: &dyn StoreRig,
    holder: Box<dyn Unit>,
    work: impl Future<Output = T>,
) -> (T, Option<Box<dyn Unit>>) {
    let work = tokio::time::timeout(SOON, work);
    match rig.keeps() {
        Keeps::Links => (work.await.expect("it doesn't wait"), Some(holder)),
        Keeps::Everything => {
            let ending = async {
                wait_for_waiting(rig, 1).await;
                sample::free(holder).await;
            };
            let (done, ()) = tokio::join!(work, ending);
            (done.expect("the wait is over"), None)
        }
    }
}
