//! The tests of the decision core: its tables as data, its stories as tests, its laws.

mod field_errors;
mod index;
mod keyed;
mod late_parents;
mod laws;
mod matching;
mod needs;
mod parents;
mod protocol;
mod records;
mod rekeying;
mod retry;
mod reviews;
mod steps;
mod stories;
mod support;
mod tables;
