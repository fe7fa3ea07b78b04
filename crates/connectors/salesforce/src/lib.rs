//! Touches Salesforce: sign-in, detection by poll, reads, guarded and collection writes.
//!
//! It knows the product's protocol and no policy: what leaves it is canonical, classified and
//! stamped with the side's time; what follows is decided elsewhere. What an administrator has to
//! set up is in `docs/reference/salesforce.md`.

mod apply;
mod describe;
mod detect;
mod failure;
mod field_value;
mod find;
pub mod keys;
mod object;
mod query;
mod read;
mod record_id;
mod rest;
mod salesforce;
mod server_clock;
mod session;
mod settings;
mod soql;
mod usage;
mod view;
mod wire;

pub use salesforce::{Salesforce, SetUpError};
pub use settings::{Auth, Grant, Mistake, Settings};
