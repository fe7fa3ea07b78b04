//! Statements that write: one for all records that set the same columns.

use super::super::capture::Capture;
use super::super::rows::{Line, Shape, value_names};
use super::super::{Bound, Statement, listed, quoted};
use super::{arrays, from, from_text, key_match, micros, owned};
use crate::table::ColumnInfo;
use duet_core::id::{IntentId, RecordId};

/// One array per key column, then one per column.
pub(crate) fn update(shape: &Shape, columns: &[&ColumnInfo], lines: &[Line]) -> Statement {
    let keys = shape.table.key.len();
    let sets: Vec<String> = (0..)
        .zip(columns)
        .map(|(n, column)| {
            let value = from_text(&format!("duet_v.c{n}"), column);
            format!("{} = {value}", quoted(column.name.as_str()))
        })
        .collect();
    let text = format!(
        "UPDATE {from} SET {sets} FROM unnest({arrays}) AS duet_v({names})
         WHERE {matches} RETURNING {key} AS id",
        from = from(shape),
        sets = sets.join(", "),
        arrays = listed(&arrays(1, keys + columns.len())),
        names = listed(&(shape.part_names() + &value_names(columns.len()))),
        matches = key_match(shape, "duet_v"),
        key = shape.key_text(),
    );
    Statement::new(text).with_all(keys_of(lines, keys)).with_all(cells_of(lines, columns.len()))
}

/// One array per key column.
pub(crate) fn delete(shape: &Shape, lines: &[Line]) -> Statement {
    let keys = shape.table.key.len();
    let text = format!(
        "DELETE FROM {from} USING unnest({arrays}) AS duet_v({names})
         WHERE {matches} RETURNING {key} AS id",
        from = from(shape),
        arrays = listed(&arrays(1, keys)),
        names = listed(&shape.part_names()),
        matches = key_match(shape, "duet_v"),
        key = shape.key_text(),
    );
    Statement::new(text).with_all(keys_of(lines, keys))
}

/// One array per column.
pub(crate) fn insert(columns: &[&ColumnInfo], lines: &[Line], shape: &Shape) -> Statement {
    let names: Vec<String> = columns.iter().map(|column| quoted(column.name.as_str())).collect();
    let values: Vec<String> =
        (0..).zip(columns).map(|(n, column)| from_text(&format!("duet_v.c{n}"), column)).collect();
    let text = format!(
        "INSERT INTO {from} ({names})
         SELECT {values} FROM unnest({arrays}) WITH ORDINALITY AS duet_v({parameters}, o)
         ORDER BY duet_v.o ON CONFLICT DO NOTHING RETURNING {key} AS id",
        from = from(shape),
        names = names.join(", "),
        values = values.join(", "),
        arrays = listed(&arrays(1, columns.len())),
        parameters = listed(&value_names(columns.len())),
        key = shape.key_text(),
    );
    Statement::new(text).with_all(cells_of(lines, columns.len()))
}

fn keys_of(lines: &[Line], count: usize) -> impl Iterator<Item = Bound> {
    let part = |n| lines.iter().map(move |line: &Line| line.key.get(n).cloned()).collect();
    (0..count).map(move |n| Bound::Texts(part(n)))
}

fn cells_of(lines: &[Line], count: usize) -> impl Iterator<Item = Bound> {
    let cell = |n| lines.iter().map(move |line: &Line| line.cells.get(n).cloned().flatten());
    (0..count).map(move |n| Bound::Texts(cell(n).collect()))
}

/// `$1` flow, `$2` side, `$3` ids, `$4` intents.
pub(crate) fn mark(capture: &Capture, written: &[(RecordId, IntentId)]) -> Statement {
    let schema = quoted(capture.home.name);
    let text = format!(
        "WITH marked AS (
             INSERT INTO {schema}.duet_row AS r (flow, side, key, seq, write_id, at)
             SELECT $1::text, $2::text, m.key, 0, m.id, clock_timestamp()
             FROM unnest($3::text[], $4::uuid[]) AS m(key, id)
             ON CONFLICT (flow, side, key)
             DO UPDATE SET write_id = EXCLUDED.write_id, at = EXCLUDED.at
             RETURNING r.seq, r.write_id)
         UPDATE {schema}.duet_change AS c SET write_id = marked.write_id FROM marked
         WHERE c.flow = $1::text AND c.side = $2::text AND c.seq = marked.seq
           AND c.xid = pg_current_xact_id()"
    );
    let keys: Vec<String> = written.iter().map(|(record, _)| record.as_str().to_owned()).collect();
    let ids = written.iter().map(|(_, intent)| intent.0).collect();
    owned(Statement::new(text), capture.flow.as_str(), capture.side)
        .with(keys)
        .with(Bound::Ids(ids))
}

/// `$1` flow, `$2` side, `$3` intents.
pub(crate) fn marked(capture: &Capture, intents: &[IntentId]) -> Statement {
    let text = format!(
        "SELECT write_id::text AS write_id, key, {at} AS at FROM {schema}.duet_row
         WHERE flow = $1::text AND side = $2::text AND write_id = ANY($3::uuid[])",
        at = micros("at"),
        schema = quoted(capture.home.name)
    );
    let ids = intents.iter().map(|intent| intent.0).collect();
    owned(Statement::new(text), capture.flow.as_str(), capture.side).with(Bound::Ids(ids))
}

/// `$1`: numbers, locked in order.
pub(crate) fn one_at_a_time(intents: &[IntentId]) -> Statement {
    let text = "SELECT pg_advisory_xact_lock(n) \
                FROM (SELECT n FROM unnest($1::bigint[]) AS u(n) ORDER BY n) AS s";
    Statement::new(text).with(Bound::Integers(intents.iter().map(number).collect()))
}

/// Any number that an intent always has: a collision only makes two calls wait for each other.
fn number(intent: &IntentId) -> i64 {
    let (high, low) = intent.0.as_u64_pair();
    (high ^ low).cast_signed()
}
