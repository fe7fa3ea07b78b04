//! Reads configuration: TOML with places in, validated flow specifications out, every mistake at
//! once. Knows no connector's settings and calls no system.

mod code;
mod connection;
mod field;
mod flow;
mod interpolate;
pub mod keys;
mod load;
mod locate;
mod mistake;
mod policy;
mod project;
mod schema;
mod section;
mod source;
mod steps;
mod strategy;
mod tree;

pub use code::Code;
pub use connection::ConnectionSection;
pub use field::FieldSpans;
pub use flow::{FlowDraft, FlowSpans};
pub use load::{PROJECT_FILE, load, parse};
pub use mistake::Mistake;
pub use project::{HubSection, Project, Servers, StateSection};
pub use schema::{Kind, json_schema};
pub use source::Source;
