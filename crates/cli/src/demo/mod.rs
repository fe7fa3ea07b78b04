//! The demo: a shop and Salesforce, a day of edits, and an account that is checked. It uses duet as
//! anybody would: a project in a folder, wired as `duet run` wires it. People and the check go around
//! it: they write and read the shop's file and the emulator themselves.

pub(crate) mod account;
pub(crate) mod adopt;
pub(crate) mod by_hand;
mod chance;
mod compare;
pub(crate) mod day;
mod edit;
pub(crate) mod ending;
pub(crate) mod flows;
pub(crate) mod folder;
pub(crate) mod org;
pub(crate) mod sample;
pub(crate) mod shop;
pub(crate) mod stage;
pub(crate) mod teller;
mod words;

pub(crate) use chance::Chance;
