//! What statements about rows of one table need to know, and which of them there are.

use super::capture::Capture;
use super::{Product, Statement, joined, postgres, quoted, sqlite};
use crate::read::Keys;
use crate::table::{ColumnInfo, Table};
use duet_core::id::Column;
use duet_core::side::Side;

/// What a statement about rows of one table needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    /// The database.
    pub(crate) product: Product,
    /// The flow and side it is for.
    pub(crate) owner: (&'a str, Side),
    /// The table.
    pub(crate) table: &'a Table,
    /// The columns to read, in order.
    pub(crate) columns: Vec<&'a ColumnInfo>,
    /// The flow's filter: the configuration's own SQL, evaluated over the table alone.
    pub(crate) filter: Option<&'a str>,
    /// The capture; none: no versions, no markers.
    pub(crate) capture: Option<Capture<'a>>,
    /// Columns that the capture knows no times of.
    pub(crate) untimed: &'a [Column],
}

/// A set of columns to search by, all of which must be equal, and what is searched for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    /// The columns.
    pub(crate) columns: Vec<&'a ColumnInfo>,
    /// The number of each needle.
    pub(crate) numbers: Vec<i64>,
    /// Per column, one value per needle.
    pub(crate) values: Vec<Vec<String>>,
}

/// A record to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Its id; none where a create leaves it to the database.
    pub(crate) id: Option<&'a str>,
    /// The parts of that id, but for a create.
    pub(crate) key: &'a [String],
    /// The values.
    pub(crate) cells: &'a [Option<String>],
}

/// How far an outbox was read: what [`crate::frontier::Frontier`] says.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    /// The highest number.
    pub(crate) top: i64,
    /// The oldest transaction that may still bring numbers at or below it.
    pub(crate) oldest: u64,
    /// Numbers read of transactions since.
    pub(crate) recent: Vec<i64>,
}

impl Shape<'_> {
    /// Rows by id, in the order asked; ids without a row are answered, too.
    pub(crate) fn by_key(&self, keys: &Keys) -> Statement {
        match self.product {
            Product::Postgres => postgres::rows::by_key(self, keys),
            Product::Sqlite => sqlite::rows::by_key(self, keys),
        }
    }

    /// Rows by values, each with the number of its needle.
    pub(crate) fn by_value(&self, sets: &[Wanted]) -> Statement {
        match self.product {
            Product::Postgres => postgres::rows::by_value(self, sets),
            Product::Sqlite => sqlite::rows::by_value(self, sets),
        }
    }

    /// A page in key order, after a row with these key parts. `None`: no row can have them.
    pub(crate) fn page(&self, after: Option<&[String]>, limit: usize) -> Option<Statement> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match self.product {
            Product::Postgres => Some(postgres::rows::page(self, after, limit)),
            Product::Sqlite => sqlite::rows::page(self, after, limit),
        }
    }

    /// Locks rows in key order and tells which, or leaves out those that somebody else holds. `None`:
    /// who writes holds them all.
    pub(crate) fn lock(&self, keys: &Keys, skip: bool) -> Option<Statement> {
        match self.product {
            Product::Postgres => Some(postgres::rows::lock(self, keys, skip)),
            Product::Sqlite => None,
        }
    }

    /// Counts rows, but stops early.
    pub(crate) fn few(&self) -> Statement {
        match self.product {
            Product::Postgres => postgres::rows::few(self),
            Product::Sqlite => sqlite::rows::few(self),
        }
    }

    /// Updates rows; answers the ids that were updated.
    pub(crate) fn update(&self, columns: &[&ColumnInfo], lines: &[Line]) -> Statement {
        match self.product {
            Product::Postgres => postgres::writes::update(self, columns, lines),
            Product::Sqlite => sqlite::writes::update(self, columns, lines),
        }
    }

    /// Deletes rows; answers the ids that were deleted.
    pub(crate) fn delete(&self, lines: &[Line]) -> Statement {
        match self.product {
            Product::Postgres => postgres::writes::delete(self, lines),
            Product::Sqlite => sqlite::writes::delete(self, lines),
        }
    }

    /// Inserts rows, but none that a unique constraint forbids; answers the ids that were inserted.
    pub(crate) fn insert(&self, columns: &[&ColumnInfo], lines: &[Line]) -> Statement {
        match self.product {
            Product::Postgres => postgres::writes::insert(columns, lines, self),
            Product::Sqlite => sqlite::writes::insert(columns, lines, self),
        }
    }

    /// How many records of so many columns one statement may write.
    pub(crate) fn lines_max(&self, columns: usize) -> usize {
        match self.product {
            Product::Postgres => usize::MAX,
            Product::Sqlite => sqlite::writes::lines_max(self, columns),
        }
    }
}

/// Parts that both databases write alike.
impl Shape<'_> {
    /// A column of the table.
    pub(super) fn column(&self, column: &ColumnInfo) -> String {
        format!("{}.{}", quoted(&self.table.name), quoted(column.name.as_str()))
    }

    /// Whether a row meets the filter.
    pub(super) fn scope(&self) -> String {
        // The line end closes a comment that the filter may end with.
        self.filter.map_or_else(|| "true".to_owned(), |filter| format!("(({filter}\n) IS TRUE)"))
    }

    /// The record's id, exactly as the triggers make it.
    pub(super) fn key_text(&self) -> String {
        joined(self.key_parts())
    }

    /// The texts that the id is made of.
    pub(super) fn key_parts(&self) -> Vec<String> {
        let part = |column: &ColumnInfo| match self.product {
            Product::Postgres => postgres::key_part(&self.column(column), column.kind),
            Product::Sqlite => sqlite::key_part(&self.column(column)),
        };
        self.table.key.iter().map(part).collect()
    }

    /// The key columns, as a list.
    pub(super) fn key_columns(&self) -> String {
        let columns: Vec<String> =
            self.table.key.iter().map(|column| self.column(column)).collect();
        columns.join(", ")
    }

    /// A row without a key is no record.
    pub(super) fn key_present(&self) -> String {
        let key = self.table.key.iter();
        let parts: Vec<String> =
            key.map(|column| format!("{} IS NOT NULL", self.column(column))).collect();
        parts.join(" AND ")
    }

    /// `, p0, p1` for as many key columns as there are.
    pub(super) fn part_names(&self) -> String {
        (0..self.table.key.len()).map(|n| format!(", p{n}")).collect()
    }
}

/// `, c0, c1`: names for so many values.
pub(super) fn value_names(count: usize) -> String {
    (0..count).map(|n| format!(", c{n}")).collect()
}
