//! Shows the main job on real input: Northwind and an organization that holds a part of it come to
//! agree through the binary, and a comparison that shares no code with duet finds both sides equal.
//! On servers (PostgreSQL twice, RabbitMQ) and without any (SQLite twice) it is the same tests, and
//! the end is the same. Faults are not its business.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adopting;
mod covering;
mod edits;
mod ending;
mod explaining;
#[path = "../faults/ground.rs"]
#[allow(dead_code, reason = "shared with the faults, which stop servers")]
mod ground;
mod rig;
mod script;
