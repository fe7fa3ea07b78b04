//! Remembers: links, agreed state, observations, intents, conflicts, decisions.
//!
//! One implementation of [`duet_ports::store::Store`] per kind of database; the contract suite in
//! `duet-testkit` runs on each. What is the same everywhere stands in this folder: the shape of
//! stored values, the columns of a batch, entities for lists, migrations. What a database has of
//! its own, above all the hot statements, stands in its own folder. It decides nothing: what is
//! stored was decided by a verdict or a person.

mod batch;
mod effects;
mod entity;
mod filters;
mod migrations;
mod postgres;
mod schema;
mod stored;

pub use postgres::{Postgres, PostgresOptions};
