//! The ports of duet: traits between the pipeline and everything that touches the world.
//!
//! Each trait is a contract: when it is called, what `Ok` promises, what may repeat, what order
//! holds. Contract suites in `duet-testkit` run on every implementation.

pub mod clock;
pub mod connector;
pub mod duration;
pub mod envelope;
pub mod hub;
pub mod inspect;
pub mod keys;
pub mod partition;
pub mod store;
