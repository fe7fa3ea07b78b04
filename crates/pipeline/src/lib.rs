//! The pipeline: it drives. Detect, reconcile, apply, retry and sweep, each a `step` over a batch;
//! `run` loops over the steps and adds only pacing and shutdown.
//!
//! It makes no choice a verdict left open, and knows no product.

pub mod adopt;
pub mod apply;
pub mod batch;
mod call;
mod consume;
pub mod context;
pub mod dead;
pub mod decide;
mod denied;
mod depart;
pub mod detect;
mod edge;
pub mod error;
mod fill;
pub mod join;
pub mod keyed;
mod letter;
pub mod pause;
mod poison;
mod presence;
pub mod recent;
pub mod reconcile;
mod rekey;
pub mod replay;
mod rest;
pub mod retry;
pub mod rouse;
pub mod run;
pub mod settled;
pub mod slots;
pub mod sweep;
pub mod sync;
mod unanswered;
