//! Which database a connection leads to.

/// A database that this connector speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A PostgreSQL server.
    Postgres,
    /// A SQLite file.
    Sqlite,
}

impl Product {
    /// The product of a connection's `kind`.
    #[must_use]
    pub fn of(kind: &str) -> Option<Product> {
        match kind {
            "postgres" => Some(Product::Postgres),
            "sqlite" => Some(Product::Sqlite),
            _ => None,
        }
    }
}
