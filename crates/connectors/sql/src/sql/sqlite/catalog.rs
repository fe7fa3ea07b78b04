//! Questions to SQLite's catalogue.

use super::super::{Statement, quoted};
use super::{literal, table};

/// A table of this name, in upper or lower case: `name`, `kind`, `without_rowid`, `definition`.
pub(crate) fn relation(name: &str) -> Statement {
    let text = "
SELECT l.name AS name, l.type AS kind, l.wr AS without_rowid,
       COALESCE((SELECT m.sql FROM sqlite_master AS m
                 WHERE m.type = 'table' AND m.name = l.name), '') AS definition
FROM pragma_table_list AS l
WHERE l.schema = 'main' AND l.name = ?1 COLLATE NOCASE";
    Statement::new(text).with(name)
}

/// The columns of a table, one a row: `name`, `declared`, `required`, its place in the primary key
/// (`place`), `hidden` (1: of a virtual table, 2 and 3: computed).
pub(crate) fn columns(name: &str) -> Statement {
    let text = "
SELECT name, COALESCE(type, '') AS declared, \"notnull\" AS required, pk AS place, hidden
FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";
    Statement::new(text).with(name)
}

/// The columns of every index that holds no value twice, in order: `list` (which index), `origin`
/// (`pk` for the primary key), `name`, `collation`. One over an expression has a column without name;
/// one over a part of the rows is none.
pub(crate) fn unique(name: &str) -> Statement {
    let text = "
SELECT l.seq AS list, l.origin AS origin, i.name AS name, i.coll AS collation
FROM pragma_index_list(?1) AS l CROSS JOIN pragma_index_xinfo(l.name) AS i
WHERE l.\"unique\" = 1 AND l.partial = 0 AND i.key = 1 ORDER BY l.seq DESC, i.seqno";
    Statement::new(text).with(name)
}

/// Whether the capture's tables are there. Who may open the file may use them.
pub(crate) fn capture_rights(home: &str) -> Statement {
    let name = literal(table(home, "capture").trim_matches('"'));
    Statement::new(format!(
        "SELECT count(*) > 0 AS present, count(*) > 0 AS usable FROM sqlite_master
         WHERE type = 'table' AND name = {name} COLLATE NOCASE"
    ))
}

/// Writes to no row, which is refused where nothing can be written. A transaction alone isn't: in a
/// file that is known as read-only it begins as one that reads.
pub(crate) fn touch(name: &str) -> Statement {
    Statement::new(format!("DELETE FROM {} WHERE false", quoted(name)))
}

/// The file can be read, and is a database.
pub(crate) fn probe() -> Statement {
    Statement::new("SELECT count(*) AS objects FROM sqlite_master")
}
