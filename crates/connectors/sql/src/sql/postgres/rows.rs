//! Statements that read rows: by id, by value, page by page, and with a lock.

use super::super::rows::{Shape, Wanted};
use super::super::{Bound, Statement, quoted};
use super::{arrays, cells, from, key_match, micros, of_shape, version, versions as joined};
use crate::read::Keys;

/// `$3` ids, then one array per key column.
pub(crate) fn by_key(shape: &Shape, keys: &Keys) -> Statement {
    let text = format!(
        "SELECT duet_k.k AS id, COALESCE(duet_x.found, false) AS found, duet_x.scope, \
         duet_x.cells, NULL::text[] AS parts, 0::bigint AS needle, {versions}
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
        cells = cells(shape),
        from = from(shape),
        matches = key_match(shape, "duet_k"),
        join = joined(shape, "COALESCE(duet_x.key, duet_k.k)"),
    );
    of_shape(shape, text).with(keys.ids.clone()).with_all(lists(&keys.parts))
}

fn lists(parts: &[Vec<String>]) -> impl Iterator<Item = Bound> {
    parts.iter().map(|part| Bound::from(part.clone()))
}

/// Per set one array of needle numbers and one array per column.
pub(crate) fn by_value(shape: &Shape, sets: &[Wanted]) -> Statement {
    let mut first = 3;
    let mut parts = Vec::with_capacity(sets.len());
    for set in sets {
        parts.push(one_set(shape, set, first));
        first += 1 + set.columns.len();
    }
    let mut statement = of_shape(shape, parts.join("\nUNION ALL\n"));
    for set in sets {
        statement =
            statement.with(Bound::Integers(set.numbers.clone())).with_all(lists(&set.values));
    }
    statement
}

fn one_set(shape: &Shape, set: &Wanted, first: usize) -> String {
    let names: String = (0..set.columns.len()).map(|n| format!(", v{n}")).collect();
    let matches: Vec<String> = (0..)
        .zip(&set.columns)
        .map(|(n, column)| format!("{} = duet_s.v{n}::{}", shape.column(column), column.type_name))
        .collect();
    format!(
        "SELECT duet_x.key AS id, true AS found, duet_x.scope, duet_x.cells, \
         NULL::text[] AS parts, duet_s.i AS needle, {versions}
         FROM unnest(${first}::bigint[]{arrays}) AS duet_s(i{names})
         JOIN LATERAL (SELECT {scope} AS scope, {key} AS key, {cells} AS cells
                       FROM {from} WHERE {matches}) AS duet_x ON duet_x.key IS NOT NULL
         {join}",
        versions = versions(shape),
        arrays = arrays(first + 1, set.columns.len()),
        scope = shape.scope(),
        key = shape.key_text(),
        cells = cells(shape),
        from = from(shape),
        matches = matches.join(" AND "),
        join = joined(shape, "duet_x.key"),
    )
}

/// `$3` how many, then the key parts it begins after.
pub(crate) fn page(shape: &Shape, after: Option<&[String]>, limit: i64) -> Statement {
    let begin = if after.is_some() { format!("AND {}", after_key(shape)) } else { String::new() };
    let text = format!(
        "SELECT duet_x.key AS id, true AS found, true AS scope, duet_x.cells, duet_x.parts, \
         0::bigint AS needle, {versions}
         FROM (SELECT {key} AS key, ARRAY[{parts}]::text[] AS parts, {cells} AS cells,
                      row_number() OVER (ORDER BY {order}) AS n
               FROM {from} WHERE {scope} AND {present} {begin}
               ORDER BY {order} LIMIT $3::bigint) AS duet_x
         {join}
         ORDER BY duet_x.n",
        versions = versions(shape),
        key = shape.key_text(),
        parts = shape.key_parts().join(", "),
        cells = cells(shape),
        order = shape.key_columns(),
        from = from(shape),
        scope = shape.scope(),
        present = shape.key_present(),
        join = joined(shape, "duet_x.key"),
    );
    let begin = after.unwrap_or_default().iter().map(|part| Bound::from(part.as_str()));
    of_shape(shape, text).with(Bound::Integer(limit)).with_all(begin)
}

fn after_key(shape: &Shape) -> String {
    let bounds: Vec<String> = (4..)
        .zip(&shape.table.key)
        .map(|(n, column)| format!("${n}::text::{}", column.type_name))
        .collect();
    format!("({}) > ({})", shape.key_columns(), bounds.join(", "))
}

/// `$1` ids, then one array per key column.
pub(crate) fn lock(shape: &Shape, keys: &Keys, skip: bool) -> Statement {
    let text = format!(
        "SELECT duet_k.k FROM {from}
         JOIN unnest($1::text[]{arrays}) AS duet_k(k{names}) ON {matches}
         ORDER BY {order} FOR UPDATE OF {table}{skip}",
        from = from(shape),
        arrays = arrays(2, shape.table.key.len()),
        names = shape.part_names(),
        matches = key_match(shape, "duet_k"),
        order = shape.key_columns(),
        table = quoted(&shape.table.name),
        skip = if skip { " SKIP LOCKED" } else { "" },
    );
    Statement::new(text).with(keys.ids.clone()).with_all(lists(&keys.parts))
}

/// The most rows that are counted to estimate a table without statistics.
pub(crate) fn few(shape: &Shape) -> Statement {
    Statement::new(format!(
        "SELECT count(*) AS few FROM (SELECT 1 FROM {} LIMIT 10000) AS few",
        from(shape)
    ))
}

fn versions(shape: &Shape) -> String {
    format!(
        "{} AS seq, duet_r.write_id::text AS write_id, {} AS changed_at, \
         duet_r.column_times::text AS column_times",
        version(shape),
        micros("duet_r.changed_at")
    )
}
