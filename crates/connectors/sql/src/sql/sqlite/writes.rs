//! Statements that write: one for all records that set the same columns. Each value is bound as it
//! is to be stored, so that nothing is read as something else on the way.

use super::super::capture::Capture;
use super::super::rows::{Line, Shape, value_names};
use super::super::{Bound, Statement, listed, quoted};
use super::{NOW, equals, from, of, table};
use crate::answer::unhexed;
use crate::table::{ColumnInfo, Kind};
use duet_core::id::{IntentId, RecordId};
use serde_json::json;

/// Values that one statement takes: SQLite's own limit is 32,766.
const VALUES_MAX: usize = 30_000;

/// How many records one statement may write.
pub(crate) fn lines_max(shape: &Shape, columns: usize) -> usize {
    VALUES_MAX / (1 + shape.table.key.len() + columns)
}

/// The table's own rules on conflicts (`ON CONFLICT REPLACE`) would delete other rows: `ABORT`
/// stands above them.
pub(crate) fn update(shape: &Shape, columns: &[&ColumnInfo], lines: &[Line]) -> Statement {
    let set = |(n, column): (usize, &&ColumnInfo)| {
        format!("{} = duet_v.c{n}", quoted(column.name.as_str()))
    };
    let sets: Vec<String> = columns.iter().enumerate().map(set).collect();
    let text = format!(
        "WITH duet_v(k{parts}{values}) AS (VALUES {rows})
         UPDATE OR ABORT {from} SET {sets} FROM duet_v
         WHERE {matches} AND {key} = duet_v.k RETURNING {key} AS id",
        parts = shape.part_names(),
        values = value_names(columns.len()),
        rows = places(lines.len(), 1 + shape.table.key.len() + columns.len()),
        from = from(shape),
        sets = sets.join(", "),
        matches = matches(shape),
        key = shape.key_text(),
    );
    let values = lines.iter().flat_map(|line| {
        known(line).chain(columns.iter().zip(line.cells).map(|(column, cell)| bound(cell, column)))
    });
    Statement::new(text).with_all(values).once()
}

/// Deletes rows by what tells them apart in the table itself.
pub(crate) fn delete(shape: &Shape, lines: &[Line]) -> Statement {
    let row: Vec<String> =
        shape.table.row_id.iter().map(|name| format!("{}.{}", from(shape), quoted(name))).collect();
    let row = row.join(", ");
    let text = format!(
        "WITH duet_v(k{parts}) AS (VALUES {rows})
         DELETE FROM {from} WHERE ({row}) IN (
             SELECT {row} FROM duet_v CROSS JOIN {from} ON {matches} AND {key} = duet_v.k)
         RETURNING {key} AS id",
        parts = shape.part_names(),
        rows = places(lines.len(), 1 + shape.table.key.len()),
        from = from(shape),
        matches = matches(shape),
        key = shape.key_text(),
    );
    Statement::new(text).with_all(lines.iter().flat_map(known)).once()
}

/// Leaves out what a unique constraint forbids, whatever the table's own rules on conflicts say.
pub(crate) fn insert(columns: &[&ColumnInfo], lines: &[Line], shape: &Shape) -> Statement {
    let names: Vec<String> = columns.iter().map(|column| quoted(column.name.as_str())).collect();
    let text = format!(
        "INSERT OR ABORT INTO {from} ({names}) VALUES {rows}
         ON CONFLICT DO NOTHING RETURNING {key} AS id",
        from = from(shape),
        names = names.join(", "),
        rows = places(lines.len(), columns.len()),
        key = shape.key_text(),
    );
    let values = lines
        .iter()
        .flat_map(|line| columns.iter().zip(line.cells).map(|(column, cell)| bound(cell, column)));
    Statement::new(text).with_all(values).once()
}

/// `(?, ?), (?, ?)`
fn places(rows: usize, width: usize) -> String {
    let row = format!(", ({})", listed(&", ?".repeat(width)));
    listed(&row.repeat(rows)).to_owned()
}

fn matches(shape: &Shape) -> String {
    let one = |(n, column): (usize, &ColumnInfo)| {
        equals(&shape.column(column), &format!("duet_v.p{n}"), column)
    };
    let parts: Vec<String> = shape.table.key.iter().enumerate().map(one).collect();
    parts.join(" AND ")
}

/// The id and its parts.
fn known<'a>(line: &Line<'a>) -> impl Iterator<Item = Bound> + use<'a> {
    let id = std::iter::once(Bound::Text(line.id.map(str::to_owned)));
    id.chain(line.key.iter().map(|part| Bound::from(part.as_str())))
}

/// A text made by `codec`, as the value that is stored.
fn bound(cell: &Option<String>, column: &ColumnInfo) -> Bound {
    let Some(text) = cell else { return Bound::Text(None) };
    let found = match column.kind {
        Kind::Integer(..) | Kind::Flag => text.parse().ok().map(Bound::Integer),
        Kind::Numeric | Kind::Real | Kind::Double => {
            let whole = text.parse().ok().map(Bound::Integer);
            whole.or_else(|| text.parse().ok().map(Bound::Real))
        }
        Kind::Bytes => unhexed(text).map(Bound::Bytes),
        Kind::Text
        | Kind::Padded
        | Kind::Boolean
        | Kind::Date
        | Kind::Timestamp
        | Kind::Timestamptz
        | Kind::Moment
        | Kind::Uuid
        | Kind::Enum
        | Kind::Array
        | Kind::Other => None,
    };
    found.unwrap_or_else(|| Bound::from(text.as_str()))
}

/// Notes which number was the last before a transaction of ours.
pub(crate) fn begin(home: &str) -> Statement {
    Statement::new(format!("UPDATE {} SET before = n", table(home, "number")))
}

/// `?3` ids with intents. Nobody else writes beside us: what has a later number than the last one
/// before is ours.
pub(crate) fn mark(capture: &Capture, written: &[(RecordId, IntentId)]) -> Vec<Statement> {
    let home = capture.home.name;
    let rows = format!(
        "INSERT INTO {row} (flow, side, key, seq, write_id, at)
         SELECT ?1, ?2, duet_j.value ->> 0, 0, duet_j.value ->> 1, {NOW}
         FROM json_each(?3) AS duet_j WHERE true
         ON CONFLICT (flow, side, key)
         DO UPDATE SET write_id = excluded.write_id, at = excluded.at",
        row = table(home, "row"),
    );
    let changes = format!(
        "UPDATE {change} AS duet_c SET write_id = duet_j.value ->> 1
         FROM json_each(?3) AS duet_j CROSS JOIN {row} AS duet_r
             ON duet_r.flow = ?1 AND duet_r.side = ?2 AND duet_r.key = duet_j.value ->> 0
         WHERE duet_c.flow = ?1 AND duet_c.side = ?2 AND duet_c.seq = duet_r.seq
           AND duet_c.seq > (SELECT before FROM {number})",
        change = table(home, "change"),
        row = table(home, "row"),
        number = table(home, "number"),
    );
    let list: Vec<_> = written.iter().map(|(record, id)| json!([record.as_str(), id.0])).collect();
    let list = json!(list).to_string();
    [rows, changes].map(|text| of(capture, text).with(list.as_str())).to_vec()
}

/// `?3` intents.
pub(crate) fn marked(capture: &Capture, intents: &[IntentId]) -> Statement {
    let text = format!(
        "SELECT write_id, key, at FROM {}
         WHERE flow = ?1 AND side = ?2 AND write_id IN (SELECT value FROM json_each(?3))",
        table(capture.home.name, "row")
    );
    of(capture, text).with(Bound::Ids(intents.iter().map(|intent| intent.0).collect()))
}
