//! The hub's contract, run against RabbitMQ over real connections.

mod broker;
mod contract;
mod reaching;
mod rig;
