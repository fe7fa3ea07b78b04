//! Shows the main job on real input: Northwind in PostgreSQL and an organization that holds a part
//! of it come to agree through the binary, RabbitMQ and PostgreSQL, and a comparison that shares no
//! code with duet finds both sides equal. Faults are not its business.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adopting;
mod covering;
mod edits;
mod explaining;
mod rig;
mod script;
