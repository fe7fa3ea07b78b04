//! A side in memory: tables over a map, with versions, markers and a journal of changes, reached
//! through the ports of a real side ([`Connector`](duet_ports::connector::Connector) and its
//! detector). It misbehaves on purpose ([`Fault`]) and keeps a log of every write that took effect.
//!
//! It is K3 unless told otherwise ([`Promises`]): the version check, the write and the marker are
//! one step under a lock. Not a product: no protocol, no credentials, nothing outlives the value.

mod calls;
mod clock;
mod connector;
mod detect;
mod fault;
mod outsider;
mod table;
#[cfg(test)]
mod tests;
mod writes;

pub use calls::{Kind, Written};
pub use clock::ShiftedClock;
pub use fault::{Fault, failure};
pub use outsider::columns;
pub use table::Row;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use calls::Calls;
use duet_core::id::{Column, ConnectionName};
use duet_core::spec::PathClass;
use duet_ports::clock::Clock;
use duet_ports::connector::Limits;
use fault::Faults;
use table::Tables;
use tokio::sync::watch;

/// The column in which a side keeps duet's unique key, where it has one.
pub const KEY_COLUMN: &str = "duet_key";

/// What the side promises and can carry.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// The class of both paths.
    pub class: PathClass,
    /// Grain of versions in microseconds; 0: every write has its own.
    pub grain_us: i64,
    /// Whether the answer of a write shows the record as it is then.
    pub answers_state: bool,
    /// Whether creates carry duet's unique key in [`KEY_COLUMN`].
    pub key_column: bool,
    /// What it can carry at once.
    pub limits: Limits,
}

impl Default for Promises {
    fn default() -> Self {
        Promises {
            class: PathClass::K3,
            grain_us: 0,
            answers_state: true,
            key_column: true,
            limits: Limits {
                batch: 200,
                read: 200,
                parallel: 2,
                patience: Duration::ZERO,
                timeout: Duration::from_secs(2),
                poll: Duration::from_millis(50),
            },
        }
    }
}

impl Promises {
    /// Like a side that stamps whole seconds and doesn't show what it wrote (K3s).
    #[must_use]
    pub fn of_whole_seconds() -> Promises {
        let usual = Promises::default();
        Promises { class: PathClass::K3s, grain_us: 1_000_000, answers_state: false, ..usual }
    }
}

/// A side in memory. Clones are the same side.
#[derive(Clone)]
pub struct MemorySide {
    shared: Arc<Shared>,
}

struct Shared {
    name: ConnectionName,
    clock: Arc<dyn Clock>,
    promises: Promises,
    state: Mutex<State>,
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    tables: Tables,
    faults: Faults,
    calls: Calls,
}

impl MemorySide {
    /// An empty side.
    #[must_use]
    pub fn new(name: &str, clock: Arc<dyn Clock>, promises: Promises) -> MemorySide {
        let (news, _) = watch::channel(0);
        let state = Mutex::new(State::default());
        let name = name.into();
        MemorySide { shared: Arc::new(Shared { name, clock, promises, state, news }) }
    }

    /// What the side promises.
    #[must_use]
    pub fn promises(&self) -> Promises {
        self.shared.promises
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding it has failed already.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the detectors that something happened.
    fn announce(&self) {
        self.shared.news.send_modify(|count| *count += 1);
    }

    fn key_column(&self) -> Option<Column> {
        self.shared.promises.key_column.then(|| Column::from(KEY_COLUMN))
    }
}
