//! The tables of the capture. SQLite has no schemas, and a trigger may only write into its own file:
//! the tables stand beside the user's, all under one prefix.

use super::super::capture::Capture;
use super::super::{Bound, Statement};
use super::{NOW, of, table, triggers};
use crate::table::Table;
use serde_json::json;

/// The version of what an install makes.
pub(crate) const VERSION: i32 = 1;

/// Every table of the capture.
const TABLES: [&str; 6] = ["change", "row", "column", "replaced", "capture", "number"];

/// Makes the tables that aren't there. Numbers begin at the time in microseconds, beyond all that an earlier capture
/// can have given out: versions of one that was removed and installed again must not begin anew.
pub(crate) fn tables(home: &str) -> Statement {
    let [change, row, column, replaced, capture, number] = TABLES.map(|name| table(home, name));
    let index = table(home, "row_write_id");
    Statement::new(format!(
        "CREATE TABLE IF NOT EXISTS {number} (n INTEGER NOT NULL, before INTEGER NOT NULL);
         INSERT INTO {number} SELECT {NOW}, {NOW} WHERE NOT EXISTS (SELECT 1 FROM {number});
         CREATE TABLE IF NOT EXISTS {change} (
             seq INTEGER NOT NULL, flow TEXT NOT NULL, side TEXT NOT NULL, op TEXT NOT NULL,
             key TEXT, old_key TEXT, changed_columns TEXT, at INTEGER NOT NULL, write_id TEXT,
             PRIMARY KEY (flow, side, seq)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS {row} (
             flow TEXT NOT NULL, side TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL,
             changed_at INTEGER, write_id TEXT, at INTEGER,
             PRIMARY KEY (flow, side, key)) WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS {index} ON {row} (write_id) WHERE write_id IS NOT NULL;
         CREATE TABLE IF NOT EXISTS {column} (
             flow TEXT NOT NULL, side TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
             at INTEGER NOT NULL,
             PRIMARY KEY (flow, side, key, name)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS {replaced} (
             flow TEXT NOT NULL, side TEXT NOT NULL, op TEXT NOT NULL, key TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS {capture} (
             flow TEXT NOT NULL, side TEXT NOT NULL, relation TEXT NOT NULL, name TEXT NOT NULL,
             key TEXT NOT NULL, columns TEXT NOT NULL, version INTEGER NOT NULL,
             installed_at INTEGER NOT NULL, base INTEGER NOT NULL,
             PRIMARY KEY (flow, side)) WITHOUT ROWID;"
    ))
}

/// Takes the tables away.
pub(crate) fn drop_tables(home: &str) -> Statement {
    let drop = |name| format!("DROP TABLE {};", table(home, name));
    Statement::new(TABLES.map(drop).concat())
}

/// `?3` the table's name, `?4` its name as configured, `?5` key columns, `?6` all columns, `?7`
/// version, `?8` whether changes may have been missed.
pub(crate) fn register(
    capture: &Capture,
    name: &str,
    table: &Table,
    missed: bool,
) -> Vec<Statement> {
    let (captures, number) =
        (super::table(capture.home.name, "capture"), super::table(capture.home.name, "number"));
    let record = format!(
        "INSERT INTO {captures} AS p
             (flow, side, relation, name, key, columns, version, installed_at, base)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, {NOW}, n FROM {number} WHERE true
         ON CONFLICT (flow, side) DO UPDATE SET relation = excluded.relation,
             name = excluded.name, key = excluded.key, columns = excluded.columns,
             version = excluded.version, installed_at = excluded.installed_at,
             base = CASE WHEN ?8 THEN excluded.base ELSE p.base END"
    );
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let record = of(capture, record)
        .with(table.identity.as_str())
        .with(name)
        .with(json!(table.key_names()).to_string())
        .with(json!(columns).to_string())
        .with(Bound::Integer(VERSION.into()))
        .with(Bound::Flag(missed));
    vec![Statement::new(draw(capture.home.name)), record]
}

/// At least the time: numbers of a copy of the file that was put back are behind those given out.
fn draw(home: &str) -> String {
    format!("UPDATE {} SET n = max(n + 1, {NOW})", table(home, "number"))
}

/// Every capture begins anew.
pub(crate) fn rebase(home: &str) -> Statement {
    let [captures, number] = ["capture", "number"].map(|name| table(home, name));
    let draw = draw(home);
    Statement::new(format!("{draw}; UPDATE {captures} SET base = (SELECT n FROM {number});"))
}

/// One capture begins anew.
pub(crate) fn rebase_one(capture: &Capture) -> Vec<Statement> {
    let [captures, number] = ["capture", "number"].map(|name| table(capture.home.name, name));
    let set = format!(
        "UPDATE {captures} SET base = (SELECT n FROM {number}) WHERE flow = ?1 AND side = ?2"
    );
    vec![Statement::new(draw(capture.home.name)), of(capture, set)]
}

/// Whether nobody has taken a table away.
pub(crate) fn is_whole(home: &str) -> Statement {
    Statement::new(format!("SELECT {} AS whole", whole(home)))
}

fn whole(home: &str) -> String {
    let names = TABLES.map(|name| super::literal(&format!("{home}{name}")));
    format!(
        "(SELECT count(*) = {} FROM sqlite_master WHERE type = 'table' \
          AND name COLLATE NOCASE IN ({}))",
        TABLES.len(),
        names.join(", ")
    )
}

/// The present table is where its triggers stand; without any, the one that was recorded.
pub(crate) fn registered(capture: &Capture) -> Statement {
    let text = format!(
        "SELECT {present} AS relation, p.key AS key, p.columns AS columns, p.version AS version,
                'main' AS schema, {present} AS name, p.base AS base, {whole} AS whole
         FROM {} AS p WHERE p.flow = ?1 AND p.side = ?2",
        table(capture.home.name, "capture"),
        whole = whole(capture.home.name),
        present = format_args!("COALESCE({}, p.relation)", triggers::stand_on(capture)),
    );
    of(capture, text)
}

/// Deletes all its rows.
pub(crate) fn forget(capture: &Capture) -> Vec<Statement> {
    let forgotten = |name| {
        let table = table(capture.home.name, name);
        of(capture, format!("DELETE FROM {table} WHERE flow = ?1 AND side = ?2"))
    };
    ["change", "row", "column", "replaced", "capture"].map(forgotten).to_vec()
}

/// Whether no capture is left; no schema was made.
pub(crate) fn left(home: &str) -> Statement {
    Statement::new(format!(
        "SELECT NOT EXISTS (SELECT 1 FROM {}) AS vacant, false AS made",
        table(home, "capture")
    ))
}

/// How much is waiting, and since when.
pub(crate) fn backlog(capture: &Capture) -> Statement {
    let text = format!(
        "SELECT count(*) AS backlog, {NOW} - min(at) AS age
         FROM {} WHERE flow = ?1 AND side = ?2",
        table(capture.home.name, "change")
    );
    of(capture, text)
}

/// Every capture.
pub(crate) fn recorded(home: &str) -> Statement {
    Statement::new(format!(
        "SELECT p.flow AS flow, p.side AS side, p.name AS name, p.version AS version,
                p.relation AS relation, p.base AS base, count(c.seq) AS backlog,
                {NOW} - min(c.at) AS age
         FROM {capture} AS p LEFT JOIN {change} AS c ON c.flow = p.flow AND c.side = p.side
         GROUP BY p.flow, p.side ORDER BY p.flow, p.side",
        capture = table(home, "capture"),
        change = table(home, "change"),
    ))
}
