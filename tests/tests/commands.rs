//! The commands as people and scripts meet them: exit codes, documents, words, and what they never
//! show. What the flows come to is shown elsewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "commands/alone.rs"]
mod alone;
#[path = "commands/answers.rs"]
mod answers;
#[path = "commands/demo.rs"]
mod demo;
#[path = "faults/ground.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "shared with tests of both ways to run")]
mod ground;
#[path = "faults/held.rs"]
#[allow(dead_code, reason = "shared with the faults")]
mod held;
#[path = "commands/keyed.rs"]
mod keyed;
#[path = "commands/letters.rs"]
mod letters;
#[path = "commands/misfit.rs"]
mod misfit;
#[path = "commands/readme.rs"]
mod readme;
#[path = "faults/rig.rs"]
#[allow(dead_code, reason = "shared with the faults, which use all of it")]
mod rig;
#[path = "commands/secrets.rs"]
mod secrets;
#[path = "commands/shop_file.rs"]
mod shop_file;
#[path = "commands/shown.rs"]
mod shown;
#[path = "commands/stopped.rs"]
mod stopped;
#[path = "commands/terminal.rs"]
mod terminal;
#[path = "commands/unfit.rs"]
mod unfit;
#[path = "commands/unready.rs"]
mod unready;
