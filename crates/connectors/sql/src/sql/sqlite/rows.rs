//! Statements that read rows: by id, by value, page by page. Lists come as one JSON parameter.

use super::super::rows::{Shape, Wanted};
use super::super::{Bound, Statement};
use super::{cell_names, cells, elements, equals, from, join, of_shape, versions};
use crate::answer::unhexed;
use crate::read::Keys;
use crate::table::ColumnInfo;
use serde_json::{Value, json};

/// `?3` ids with their parts. Only the row whose id is written exactly so: `05` isn't `5`.
pub(crate) fn by_key(shape: &Shape, keys: &Keys) -> Statement {
    let key = &shape.table.key;
    let columns: Vec<&ColumnInfo> = key.iter().collect();
    let text = format!(
        "SELECT duet_k.k AS id, duet_x.key IS NOT NULL AS found, duet_x.scope AS scope, \
         NULL AS parts, 0 AS needle, {versions}{names}
         FROM (SELECT duet_j.key AS o, duet_j.value ->> 0 AS k{parts}
               FROM json_each(?3) AS duet_j) AS duet_k
         LEFT JOIN ({rows}) AS duet_x ON {matches} AND duet_x.key = duet_k.k
         {join}
         ORDER BY duet_k.o",
        versions = versions(shape),
        names = cell_names(shape),
        parts = elements(1, key.len(), 'p'),
        rows = rows(shape, &columns),
        matches = matches(&columns, "duet_k.p"),
        join = join(shape, "duet_k.k"),
    );
    let list = (0..).zip(&keys.ids).map(|(at, id): (usize, _)| {
        let parts = keys.parts.iter().map(|part| part[at].as_str());
        std::iter::once(id.as_str()).chain(parts).collect::<Vec<_>>()
    });
    of_shape(shape, text).with(json!(list.collect::<Vec<_>>()).to_string())
}

/// The table's rows with what is asked of them, and the columns that they are looked up by as `q0`.
/// Alone in a query of its own, so that the filter meets no name but the table's.
fn rows(shape: &Shape, columns: &[&ColumnInfo]) -> String {
    let looked_up: String = (0..)
        .zip(columns)
        .map(|(n, column)| format!("{} AS q{n}, ", shape.column(column)))
        .collect();
    format!(
        "SELECT {looked_up}{scope} AS scope, {key} AS key{cells} FROM {from}",
        scope = shape.scope(),
        key = shape.key_text(),
        cells = cells(shape),
        from = from(shape),
    )
}

fn matches(columns: &[&ColumnInfo], source: &str) -> String {
    let one = |(n, column): (usize, &&ColumnInfo)| {
        equals(&format!("duet_x.q{n}"), &format!("{source}{n}"), column)
    };
    let parts: Vec<String> = columns.iter().enumerate().map(one).collect();
    parts.join(" AND ")
}

/// Per set one list of needles: a number and the values.
pub(crate) fn by_value(shape: &Shape, sets: &[Wanted]) -> Statement {
    let parts: Vec<String> = (3..).zip(sets).map(|(n, set)| one_set(shape, set, n)).collect();
    let lists = sets.iter().map(|set| {
        let needle = |(at, number): (usize, &i64)| {
            let values = set.values.iter().map(|value| json!(value[at]));
            Value::Array(std::iter::once(json!(number)).chain(values).collect())
        };
        let list: Vec<Value> = set.numbers.iter().enumerate().map(needle).collect();
        Bound::from(json!(list).to_string())
    });
    of_shape(shape, parts.join("\nUNION ALL\n")).with_all(lists)
}

fn one_set(shape: &Shape, set: &Wanted, parameter: usize) -> String {
    format!(
        "SELECT duet_x.key AS id, true AS found, duet_x.scope AS scope, NULL AS parts, \
         duet_s.i AS needle, {versions}{names}
         FROM (SELECT duet_j.value ->> 0 AS i{values}
               FROM json_each(?{parameter}) AS duet_j) AS duet_s
         CROSS JOIN ({rows}) AS duet_x ON {matches} AND duet_x.key IS NOT NULL
         {join}",
        versions = versions(shape),
        names = cell_names(shape),
        values = elements(1, set.columns.len(), 'v'),
        rows = rows(shape, &set.columns),
        matches = matches(&set.columns, "duet_s.v"),
        join = join(shape, "duet_x.key"),
    )
}

/// `?3` how many, then the key parts it begins after, each as it is stored.
pub(crate) fn page(shape: &Shape, after: Option<&[String]>, limit: i64) -> Option<Statement> {
    let key = &shape.table.key;
    let bounds: Vec<String> = (4..).take(key.len()).map(|n: usize| format!("?{n}")).collect();
    let begin = match after {
        Some(_) => format!("AND ({}) > ({})", shape.key_columns(), bounds.join(", ")),
        None => String::new(),
    };
    let parts: Vec<String> = key.iter().map(|column| part(&shape.column(column))).collect();
    let text = format!(
        "SELECT duet_x.key AS id, true AS found, true AS scope, duet_x.parts AS parts, \
         0 AS needle, {versions}{names}
         FROM (SELECT row_number() OVER (ORDER BY {order}) AS n, {id} AS key, \
                      json_array({parts}) AS parts{cells}
               FROM {from} WHERE {scope} AND {present} {begin}
               ORDER BY {order} LIMIT ?3) AS duet_x
         {join}
         ORDER BY duet_x.n",
        versions = versions(shape),
        names = cell_names(shape),
        id = shape.key_text(),
        parts = parts.join(", "),
        cells = cells(shape),
        from = from(shape),
        scope = shape.scope(),
        present = shape.key_present(),
        order = shape.key_columns(),
        join = join(shape, "duet_x.key"),
    );
    let begin: Option<Vec<Bound>> =
        after.unwrap_or_default().iter().map(|part| bound(part)).collect();
    Some(of_shape(shape, text).with(Bound::Integer(limit)).with_all(begin?))
}

/// A value with a letter for how it is stored: `5` and `'5'` have different places in the order.
fn part(column: &str) -> String {
    format!(
        "CASE typeof({column}) WHEN 'integer' THEN 'i' || {column} \
         WHEN 'real' THEN 'r' || printf('%!.17g', {column}) \
         WHEN 'blob' THEN 'b\\x' || lower(hex({column})) ELSE 't' || {column} END"
    )
}

fn bound(part: &str) -> Option<Bound> {
    let (storage, text) = part.split_at_checked(1)?;
    match storage {
        "i" => text.parse().ok().map(Bound::Integer),
        "r" => text.parse().ok().map(Bound::Real),
        "b" => unhexed(text).map(Bound::Bytes),
        "t" => Some(Bound::from(text)),
        _ => None,
    }
}

/// Counts rows, but stops early.
pub(crate) fn few(shape: &Shape) -> Statement {
    Statement::new(format!(
        "SELECT count(*) AS few FROM (SELECT 1 FROM {} LIMIT 10000) AS few",
        from(shape)
    ))
}
