//! The emulator over real sockets, as a client sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod addresses;
mod client;
mod composite;
mod conditions;
mod custom_fields;
mod data_file;
mod describe;
mod equivalence;
mod faults;
mod hostile;
mod hostile_queries;
mod orders;
mod parallel;
mod query;
mod raw;
mod relations;
mod rows;
mod session;
mod transactions;
mod volume;
