//! Statements that write: one for all records that set the same columns.

use super::{Shape, Sql, arrays, from_text, micros, quoted};
use crate::table::ColumnInfo;

/// Updates rows. One array per key column, then one per column; answers the ids that were updated.
pub(crate) fn update(shape: &Shape, columns: &[&ColumnInfo]) -> Sql {
    let keys = shape.table.key.len();
    let sets: Vec<String> = (0..)
        .zip(columns)
        .map(|(n, column)| {
            let value = from_text(&format!("duet_v.c{n}"), column);
            format!("{} = {value}", quoted(column.name.as_str()))
        })
        .collect();
    Sql(format!(
        "UPDATE {from} SET {sets} FROM unnest({arrays}) AS duet_v({names})
         WHERE {matches} RETURNING {key}",
        from = shape.from(),
        sets = sets.join(", "),
        arrays = listed(&arrays(1, keys + columns.len())),
        names = listed(&(shape.part_names() + &value_names(columns.len()))),
        matches = shape.key_match("duet_v"),
        key = shape.key_text(),
    ))
}

/// Deletes rows. One array per key column; answers the ids that were deleted.
pub(crate) fn delete(shape: &Shape) -> Sql {
    Sql(format!(
        "DELETE FROM {from} USING unnest({arrays}) AS duet_v({names})
         WHERE {matches} RETURNING {key}",
        from = shape.from(),
        arrays = listed(&arrays(1, shape.table.key.len())),
        names = listed(&shape.part_names()),
        matches = shape.key_match("duet_v"),
        key = shape.key_text(),
    ))
}

/// Inserts rows, but none that a unique constraint forbids. One array per column; answers the ids
/// that were inserted.
pub(crate) fn insert(shape: &Shape, columns: &[&ColumnInfo]) -> Sql {
    let names: Vec<String> = columns.iter().map(|column| quoted(column.name.as_str())).collect();
    let values: Vec<String> =
        (0..).zip(columns).map(|(n, column)| from_text(&format!("duet_v.c{n}"), column)).collect();
    Sql(format!(
        "INSERT INTO {from} ({names})
         SELECT {values} FROM unnest({arrays}) WITH ORDINALITY AS duet_v({parameters}, o)
         ORDER BY duet_v.o ON CONFLICT DO NOTHING RETURNING {key}",
        from = shape.from(),
        names = names.join(", "),
        values = values.join(", "),
        arrays = listed(&arrays(1, columns.len())),
        parameters = listed(&value_names(columns.len())),
        key = shape.key_text(),
    ))
}

/// Marks records as written by these intents, and the changes of this transaction with them.
/// `$1` flow, `$2` side, `$3` ids, `$4` intents.
pub(crate) fn mark(schema: &str) -> Sql {
    let schema = quoted(schema);
    Sql(format!(
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
    ))
}

/// Which of these intents have written which record. `$1` flow, `$2` side, `$3` intents.
pub(crate) fn marked(schema: &str) -> Sql {
    Sql(format!(
        "SELECT write_id, key, {at} FROM {schema}.duet_row
         WHERE flow = $1::text AND side = $2::text AND write_id = ANY($3::uuid[])",
        at = micros("at"),
        schema = quoted(schema)
    ))
}

/// Lets two calls of one intent not run beside each other. `$1`: numbers, locked in order.
pub(crate) const ONE_AT_A_TIME: &str = "
SELECT pg_advisory_xact_lock(n) FROM (SELECT n FROM unnest($1::bigint[]) AS u(n) ORDER BY n) AS s";

/// How a point to return to inside a transaction is set, given up, and gone back to.
pub(crate) const SAVEPOINT: &str = "SAVEPOINT duet_piece";
/// Gives up the point.
pub(crate) const RELEASE: &str = "RELEASE SAVEPOINT duet_piece";
/// Goes back to the point and gives it up.
pub(crate) const BACK: &str = "ROLLBACK TO SAVEPOINT duet_piece; RELEASE SAVEPOINT duet_piece";

fn value_names(count: usize) -> String {
    (0..count).map(|n| format!(", c{n}")).collect()
}

/// A list without the comma it begins with.
fn listed(list: &str) -> &str {
    list.trim_start_matches(", ")
}
