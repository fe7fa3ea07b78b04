//! Touches SQL databases: capture, detection, reads, compare-and-set writes (PostgreSQL).
//!
//! Tables belong to their users: no column is added, no row is touched but by a decided write. What
//! duet must know of changes stands in a schema of its own, filled by triggers
//! ([`Postgres::capture_install`], `docs/reference/capture.md`). Knows nothing of policies.

mod announce;
mod apply;
mod capture;
mod codec;
mod describe;
mod detect;
mod error;
mod find;
mod fold;
mod frontier;
mod postgres;
mod read;
mod record;
mod scan;
mod settings;
mod sql;
mod table;

pub use capture::CaptureStatus;
pub use postgres::Postgres;
pub use settings::{Mistake, Settings};
