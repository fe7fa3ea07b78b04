//! Rehearses: the real stages of duet, every one through its `step`, in virtual time and with faults
//! that a seed draws; and the checker, which judges a run by what the sides saw.
//!
//! [`Lab::run`] runs one seed: people edit both sides while things go wrong, then everything heals,
//! comes to rest, and [`check::judge`] accounts for every edit. The same seed does the same, down to
//! the hash of its trace. Nothing here stands in for a stage or for the store: these are real.

mod broken;
mod chance;
pub mod check;
mod clock;
mod evidence;
mod fault;
mod flow;
mod hub;
mod luck;
mod plan;
mod run;
mod side;
mod store;
mod trace;
mod world;

pub use broken::Broken;
pub use fault::Fault;
pub use run::{Lab, Run, Settings, SimError, Summary};
