//! The tree of a statement, with names as they were written.

use chrono::NaiveDate;

/// A name or path, and the byte where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(super) at: usize,
    pub(super) parts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Path(Path),
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(String, usize),
}

/// What a statement asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Select {
    Count,
    Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Like,
    In,
    NotIn,
    Includes,
    Excludes,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    /// As written between the quotes, with its escapes.
    Text(String),
    Date(NaiveDate),
    Instant(i64),
    /// `TODAY`, `LAST_N_DAYS:3`.
    Relative(String, Option<i64>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) path: Path,
    pub(super) op: Op,
    /// One value, or the list of IN, NOT IN, INCLUDES and EXCLUDES.
    pub(super) values: Vec<Literal>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test(Test),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sort {
    pub(super) path: Path,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

/// A whole statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(super) text: String,
    pub(super) select: Select,
    pub(super) items: Vec<Item>,
    pub(super) object: Path,
    pub(super) alias: Option<String>,
    pub(super) filter: Option<Expr>,
    pub(super) sort: Vec<Sort>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}
