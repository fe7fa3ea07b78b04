//! Searches records by values: one query for many searches.

use crate::codec;
use crate::database::Database;
use crate::record::Row;
use crate::session::Session;
use crate::sql::{Shape, Wanted};
use duet_core::id::Column;
use duet_core::intent::{FindKey, Found};
use duet_core::observation::Source;
use duet_ports::connector::{Collection, ConnectorError, Search};
use std::collections::BTreeMap;

/// Searches; one list per search, in the order asked.
pub(crate) async fn find(
    side: &Database,
    collection: &Collection,
    searches: &[Search],
) -> Result<Vec<Vec<Found>>, ConnectorError> {
    let known = side.known(collection).await?;
    let shape = side.shape(collection, &known)?;
    check(side, &shape, searches)?;
    let mut session = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let read_at = side.time();
    let keys: Vec<(usize, &FindKey)> = (0..)
        .zip(searches)
        .flat_map(|(n, search)| search.keys.iter().map(move |key| (n, key)))
        .collect();
    let found = by_value(&mut session, &shape, &keys).await;
    let found = found.map_err(|error| side.outdated(collection, error))?;
    let mut answers = vec![Vec::new(); searches.len()];
    for (n, rule, row) in found {
        let record = row.record.clone();
        let observation = row.observe(&shape, collection, read_at, Source::Read);
        answers[n].push(Found { record, rule, observation });
    }
    Ok(answers)
}

fn check(side: &Database, shape: &Shape, searches: &[Search]) -> Result<(), ConnectorError> {
    let keys = searches.iter().flat_map(|search| &search.keys);
    let mut columns = keys.flat_map(|key| &key.columns).map(|(column, _)| column);
    let missing = columns.find(|column| shape.table.column(column).is_none());
    missing.map_or(Ok(()), |column| Err(side.no_column(shape.table, column.as_str())))
}

/// Rows that hold these keys, each with the number given to its key and the key's rule. A row that
/// holds several keys of one number is answered once, by the best rule.
pub(crate) async fn by_value(
    session: &mut Session,
    shape: &Shape<'_>,
    keys: &[(usize, &FindKey)],
) -> Result<Vec<(usize, Option<usize>, Row)>, sqlx::Error> {
    let asked = asked(shape, keys);
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let answer = session.all(&shape.by_value(&asked)).await?;
    Ok(best(Row::all(&answer, shape)?, keys))
}

/// Keys by their set of columns. A key with an empty value, or one that no row can hold, has no
/// answer.
fn asked<'a>(shape: &Shape<'a>, keys: &[(usize, &FindKey)]) -> Vec<Wanted<'a>> {
    let mut asked: BTreeMap<Vec<&Column>, Wanted> = BTreeMap::new();
    for (needle, (_, key)) in (0..).zip(keys) {
        let Some(values) = values(shape, key) else { continue };
        let set: Vec<&Column> = key.columns.iter().map(|(column, _)| column).collect();
        let columns = || set.iter().filter_map(|name| shape.table.column(name)).collect();
        let wanted = asked.entry(set.clone()).or_insert_with(|| Wanted {
            columns: columns(),
            numbers: Vec::new(),
            values: vec![Vec::new(); values.len()],
        });
        wanted.numbers.push(needle);
        for (list, value) in wanted.values.iter_mut().zip(values) {
            list.push(value);
        }
    }
    asked.into_values().collect()
}

fn values(shape: &Shape, key: &FindKey) -> Option<Vec<String>> {
    let value = |(column, value): &(Column, _)| {
        shape.table.column(column).and_then(|info| codec::needle(value, info).ok().flatten())
    };
    let values: Option<Vec<String>> = key.columns.iter().map(value).collect();
    values.filter(|values| !values.is_empty())
}

fn best(found: Vec<Row>, keys: &[(usize, &FindKey)]) -> Vec<(usize, Option<usize>, Row)> {
    let mut kept = BTreeMap::new();
    for row in found {
        let Some((n, key)) = usize::try_from(row.needle).ok().and_then(|at| keys.get(at)) else {
            continue;
        };
        // No rule is duet's own key, and first of all.
        let place = (*n, row.record.clone());
        let better =
            kept.get(&place).is_none_or(|(rule, _): &(Option<usize>, Row)| key.rule < *rule);
        if better {
            kept.insert(place, (key.rule, row));
        }
    }
    kept.into_iter().map(|((n, _), (rule, row))| (n, rule, row)).collect()
}
