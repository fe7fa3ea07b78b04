//! Proves: contract suites over the ports, server launchers, sample records.
//!
//! For tests only; no shipped crate depends on it. [`servers`] gives a test a PostgreSQL database
//! or a RabbitMQ broker of its own and takes it away again; [`wait`] polls instead of sleeping.
//! Nothing here fakes a server: what is started is what runs in production.

pub mod connector_contract;
pub mod hub_contract;
pub mod json_schema;
pub mod memory_side;
pub mod servers;
pub mod store_contract;
pub mod wait;
