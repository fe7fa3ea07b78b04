//! The core of duet: it decides, and touches nothing.
//!
//! Facts about one link go in, a [`verdict::Verdict`] comes out. The core never awaits, reads a
//! clock, draws a random number, logs, or knows a product by name: the same facts always give the
//! same verdict, byte for byte.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod agreed;
pub mod bind;
pub mod canon;
pub mod cast;
pub mod conflict;
pub mod decimal;
pub mod facts;
pub mod field_error;
pub mod fit;
pub mod id;
pub mod image;
pub mod intent;
pub mod interval;
pub mod keyed;
pub mod link;
pub mod mapping;
pub mod matching;
pub mod merge;
pub mod observation;
pub mod reconcile;
pub mod retry;
pub mod side;
pub mod sorted;
pub mod spec;
pub mod stamp;
pub mod transform;
pub mod value;
pub mod verdict;
