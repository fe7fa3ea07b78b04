//! Statements that read rows: by id, by value, page by page, and with a lock.

use super::{Shape, Sql, arrays, micros};
use crate::table::ColumnInfo;

/// Rows by id, in the order asked. `$1` flow, `$2` side, `$3` ids, then one array per key column.
pub(crate) fn by_key(shape: &Shape) -> Sql {
    Sql(format!(
        "SELECT duet_k.k AS id, COALESCE(duet_x.found, false) AS found, duet_x.scope, \
         duet_x.cells, NULL::text[] AS parts, 0 AS needle, {versions}
         FROM unnest($3::text[]{arrays}) WITH ORDINALITY AS duet_k(k{names}, o)
         LEFT JOIN LATERAL (SELECT true AS found, {scope} AS scope, {key} AS key, {cells} AS cells
                            FROM {from} WHERE {matches}) AS duet_x ON true
         {join}
         ORDER BY duet_k.o",
        versions = versions(shape),
        arrays = arrays(4, shape.table.key.len()),
        names = shape.part_names(),
        scope = shape.scope(),
        key = shape.key_text(),
        cells = shape.cells(),
        from = shape.from(),
        matches = shape.key_match("duet_k"),
        join = shape.versions("COALESCE(duet_x.key, duet_k.k)"),
    ))
}

/// A set of columns to search by; all must be equal.
pub(crate) type Needle<'a> = Vec<&'a ColumnInfo>;

/// Rows by values: one part per set of columns. `$1` flow, `$2` side, then per set one array of
/// needle numbers and one array per column.
pub(crate) fn by_value(shape: &Shape, sets: &[Needle]) -> Sql {
    let mut first = 3;
    let mut parts = Vec::with_capacity(sets.len());
    for set in sets {
        parts.push(one_set(shape, set, first));
        first += 1 + set.len();
    }
    Sql(parts.join("\nUNION ALL\n"))
}

fn one_set(shape: &Shape, set: &Needle, first: usize) -> String {
    let names: String = (0..set.len()).map(|n| format!(", v{n}")).collect();
    let matches: Vec<String> = (0..)
        .zip(set)
        .map(|(n, column)| format!("{} = duet_s.v{n}::{}", shape.column(column), column.type_name))
        .collect();
    format!(
        "SELECT duet_x.key AS id, true AS found, duet_x.scope, duet_x.cells, \
         NULL::text[] AS parts, duet_s.i AS needle, {versions}
         FROM unnest(${first}::int4[]{arrays}) AS duet_s(i{names})
         JOIN LATERAL (SELECT {scope} AS scope, {key} AS key, {cells} AS cells
                       FROM {from} WHERE {matches}) AS duet_x ON duet_x.key IS NOT NULL
         {join}",
        versions = versions(shape),
        arrays = arrays(first + 1, set.len()),
        scope = shape.scope(),
        key = shape.key_text(),
        cells = shape.cells(),
        from = shape.from(),
        matches = matches.join(" AND "),
        join = shape.versions("duet_x.key"),
    )
}

/// A page in key order. `$1` flow, `$2` side, `$3` how many, then the key parts it begins after.
pub(crate) fn page(shape: &Shape, after: bool) -> Sql {
    let begin = if after { format!("AND {}", after_key(shape)) } else { String::new() };
    Sql(format!(
        "SELECT duet_x.key AS id, true AS found, true AS scope, duet_x.cells, duet_x.parts, \
         0 AS needle, {versions}
         FROM (SELECT {key} AS key, ARRAY[{parts}]::text[] AS parts, {cells} AS cells,
                      row_number() OVER (ORDER BY {order}) AS n
               FROM {from} WHERE {scope} AND {present} {begin}
               ORDER BY {order} LIMIT $3::bigint) AS duet_x
         {join}
         ORDER BY duet_x.n",
        versions = versions(shape),
        key = shape.key_text(),
        parts = shape.key_parts().join(", "),
        cells = shape.cells(),
        order = shape.key_columns(),
        from = shape.from(),
        scope = shape.scope(),
        present = key_present(shape),
        join = shape.versions("duet_x.key"),
    ))
}

fn after_key(shape: &Shape) -> String {
    let bounds: Vec<String> = (4..)
        .zip(&shape.table.key)
        .map(|(n, column)| format!("${n}::text::{}", column.type_name))
        .collect();
    format!("({}) > ({})", shape.key_columns(), bounds.join(", "))
}

/// A row without a key is no record.
fn key_present(shape: &Shape) -> String {
    let parts: Vec<String> = shape
        .table
        .key
        .iter()
        .map(|column| format!("{} IS NOT NULL", shape.column(column)))
        .collect();
    parts.join(" AND ")
}

/// Locks rows in key order and tells which. `$1` ids, then one array per key column.
pub(crate) fn lock(shape: &Shape, skip: bool) -> Sql {
    Sql(format!(
        "SELECT duet_k.k FROM {from}
         JOIN unnest($1::text[]{arrays}) AS duet_k(k{names}) ON {matches}
         ORDER BY {order} FOR UPDATE OF {table}{skip}",
        from = shape.from(),
        arrays = arrays(2, shape.table.key.len()),
        names = shape.part_names(),
        matches = shape.key_match("duet_k"),
        order = shape.key_columns(),
        table = super::quoted(&shape.table.name),
        skip = if skip { " SKIP LOCKED" } else { "" },
    ))
}

fn versions(shape: &Shape) -> String {
    format!(
        "{} AS seq, duet_r.write_id, {} AS changed_at, duet_r.column_times::text AS column_times",
        shape.version(),
        micros("duet_r.changed_at")
    )
}
