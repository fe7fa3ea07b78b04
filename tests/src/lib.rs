//! What the end-to-end tests stand on, written without any crate of duet, so that no error of
//! duet can hide itself: a plain client, the seed of the organization, a reader of its data file,
//! and the comparison of both sides.
//!
//! 1. [`northwind`] loads the shop, on a server or in a file, and reads it by plain SQL
//!    ([`database`]), each row in the words of the left.
//! 2. [`seed`] puts the accounts and products into the organization that are there beforehand.
//! 3. [`org`] reads the organization's data file after the fact.
//! 4. [`salesforce`] is the stand-in as a process of its own, with its faults.
//! 5. [`duet`] starts the program under test, kills it and keeps what it printed.
//! 6. [`compare`] tells every difference, record by record and field by field.
//! 7. [`desk`] is a person who decides what waits, by the program's commands.

pub mod client;
pub mod compare;
pub mod database;
pub mod desk;
pub mod duet;
pub mod flows;
pub mod northwind;
pub mod org;
pub mod salesforce;
pub mod seed;
mod translated;
