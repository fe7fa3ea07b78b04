//! The two sides of a flow, and one thing per side. Never says which product stands where.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the two systems that a flow keeps in agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The left side.
    Left,
    /// The right side.
    Right,
}

impl Side {
    /// Both sides, left first.
    pub const BOTH: [Side; 2] = [Side::Left, Side::Right];

    /// The opposite side.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }

    /// `left` or `right`, as written in configuration, messages and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One `T` per side.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Both<T> {
    /// What belongs to the left side.
    pub left: T,
    /// What belongs to the right side.
    pub right: T,
}

impl<T> Both<T> {
    /// Pairs two values.
    pub fn new(left: T, right: T) -> Self {
        Both { left, right }
    }

    /// The value of one side.
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    /// The value of one side, to change it.
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// Builds both values from their side.
    pub fn build(mut make: impl FnMut(Side) -> T) -> Self {
        Both { left: make(Side::Left), right: make(Side::Right) }
    }

    /// Maps both values.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Both<U> {
        Both { left: change(self.left), right: change(self.right) }
    }

    /// The same pair with the sides exchanged (mirror tests).
    #[must_use]
    pub fn mirrored(self) -> Self {
        Both { left: self.right, right: self.left }
    }
}
