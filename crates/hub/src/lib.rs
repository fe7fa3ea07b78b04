//! Carries: the hub on RabbitMQ.
//!
//! [`RabbitHub`] keeps the promises of [`duet_ports::hub`] with lapin: a supervisor of our own per
//! connection, confirms polled together, settings as queue arguments. It decides nothing about
//! records and keeps nothing: what is lost here is found again by the store.

pub mod envelope;
mod rabbit;

pub use rabbit::RabbitHub;
pub use rabbit::settings::{BadUrl, RabbitSettings};

/// The log target that must be switched off wherever logs are written: lapin prints a returned
/// message there with its whole body, and bodies hold values of records.
pub const LOG_TARGET_WITH_BODIES: &str = "lapin::returned_messages";
