//! Entities: the rows of the tables that lists are made of, and their core types. Hot statements
//! read the same rows by hand.

pub(crate) mod attempts;
pub(crate) mod conflicts;
pub(crate) mod dead_letters;
pub(crate) mod decisions;
pub(crate) mod field_errors;
pub(crate) mod intents;
pub(crate) mod links;
