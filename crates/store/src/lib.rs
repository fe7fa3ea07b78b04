//! Remembers: links, agreed state, observations, intents, conflicts, decisions.
//!
//! [`SqlStore`] is [`duet_ports::store::Store`] on a SQL database, [`Postgres`] or [`Sqlite`]; the
//! contract suite in `duet-testkit` runs on each. It is one implementation: a statement stands once
//! where its words are understood everywhere, and once for each database where they aren't
//! (`statement`). What a database has of its own, connecting, beginning and the meaning of its errors,
//! stands in its own folder. It decides nothing: what is stored was decided by a verdict or a person.

mod batch;
mod effects;
mod entity;
mod fault;
mod filters;
mod migrations;
mod postgres;
mod schema;
mod session;
mod sqlite;
mod statement;
mod store;
mod stored;

pub use postgres::{Postgres, PostgresOptions};
pub use sqlite::{Sqlite, SqliteOptions};
pub use store::SqlStore;
