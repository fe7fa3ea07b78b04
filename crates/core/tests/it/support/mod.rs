//! A small language for the tests: flows, links, sides, and the store's part in between.

pub(crate) mod flow;
pub(crate) mod sides;
pub(crate) mod state;

pub(crate) use flow::{field, flow};
pub(crate) use state::{World, after, at, link_id};
