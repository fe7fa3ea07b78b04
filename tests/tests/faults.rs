//! The program under faults: killed, robbed of answers, without its broker, refused, cut off from a
//! side. The result must be the same as without them, and everything must be told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "faults/calls.rs"]
mod calls;
#[path = "faults/collisions.rs"]
mod collisions;
#[path = "faults/dice.rs"]
mod dice;
#[path = "faults/edits.rs"]
mod edits;
#[path = "faults/ground.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "shared with tests of both ways to run")]
mod ground;
#[path = "faults/held.rs"]
mod held;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/refused.rs"]
mod refused;
#[path = "faults/rig.rs"]
#[allow(dead_code, reason = "shared with the commands, which begin in other ways")]
mod rig;
#[path = "faults/storm.rs"]
mod storm;
