//! Touches SQL databases: capture, detection, reads, compare-and-set writes (PostgreSQL, SQLite).
//!
//! Tables belong to their users: no column is added, no row is touched but by a decided write. What
//! duet must know of changes stands in tables of its own, filled by triggers
//! ([`Database::capture_install`], `docs/reference/capture.md`). Knows nothing of policies.
//!
//! One connector for both databases: what differs is how a connection is opened (`session`), the
//! texts of statements (`sql`), what a catalogue tells (`table`), how values are stored (`codec`) and
//! what an error means (`error`).

mod announce;
mod answer;
mod apply;
mod capture;
mod codec;
mod database;
mod describe;
mod detect;
mod error;
mod find;
mod fold;
mod frontier;
mod keys;
mod product;
mod read;
mod record;
mod scan;
mod session;
mod settings;
mod sql;
mod table;
mod told;

pub use capture::CaptureStatus;
pub use database::Database;
pub use product::Product;
pub use settings::{Mistake, Settings};
