//! One statement with its values. Only this folder makes one: the proof that a text holds no value
//! from outside.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    /// A text, or null.
    Text(Option<String>),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// True or false.
    Flag(bool),
    /// A list of texts and nulls.
    Texts(Vec<Option<String>>),
    /// A list of whole numbers.
    Integers(Vec<i64>),
    /// A list of ids.
    Ids(Vec<Uuid>),
}

impl From<&str> for Bound {
    fn from(text: &str) -> Bound {
        Bound::Text(Some(text.to_owned()))
    }
}

impl From<String> for Bound {
    fn from(text: String) -> Bound {
        Bound::Text(Some(text))
    }
}

impl From<Vec<String>> for Bound {
    fn from(texts: Vec<String>) -> Bound {
        Bound::Texts(texts.into_iter().map(Some).collect())
    }
}

/// A statement and its values, in the order of their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    text: String,
    values: Vec<Bound>,
    once: bool,
}

impl Statement {
    /// A statement without values.
    pub(super) fn new(text: impl Into<String>) -> Statement {
        Statement { text: text.into(), values: Vec::new(), once: false }
    }

    /// The same with one more value.
    pub(super) fn with(mut self, value: impl Into<Bound>) -> Statement {
        self.values.push(value.into());
        self
    }

    /// The same with more values.
    pub(super) fn with_all(mut self, values: impl IntoIterator<Item = Bound>) -> Statement {
        self.values.extend(values);
        self
    }

    /// Its text differs from call to call: not worth being prepared for the next one.
    pub(super) fn once(mut self) -> Statement {
        self.once = true;
        self
    }

    /// The text, for one execution.
    pub(crate) fn text(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.text.clone())
    }

    /// The values.
    pub(crate) fn values(&self) -> &[Bound] {
        &self.values
    }

    /// Whether its text will be sent again.
    pub(crate) fn is_repeated(&self) -> bool {
        !self.once
    }
}
