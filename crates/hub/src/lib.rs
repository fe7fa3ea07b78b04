//! Carries: the hub on RabbitMQ, and the hub in this process's memory.
//!
//! [`RabbitHub`] keeps the promises of [`duet_ports::hub`] with lapin: a supervisor of our own per
//! connection, confirms polled together, settings as queue arguments. [`Embedded`] keeps the same
//! promises for the stages of one process, without a server. Neither decides anything about records
//! nor keeps anything: what is lost here is found again by the store.

mod embedded;
pub mod envelope;
mod queues;
mod rabbit;

pub use embedded::Embedded;
pub use rabbit::RabbitHub;
pub use rabbit::settings::{BadUrl, RabbitSettings};

/// The log target that must be switched off wherever logs are written: lapin prints a returned
/// message there with its whole body, and bodies hold values of records.
pub const LOG_TARGET_WITH_BODIES: &str = "lapin::returned_messages";
