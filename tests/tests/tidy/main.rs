//! Holds every habit of the house that a test can hold. What a lint holds is not repeated here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod budgets;
mod contracts;
mod exceptions;
mod graph;
mod licences;
mod measure;
mod pages;
mod tree;
mod words;
