//! Readers of stored and sent forms: what they take, and that they take what earlier ones took.

mod agreed;
mod values;
