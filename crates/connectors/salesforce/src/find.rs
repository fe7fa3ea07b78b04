//! Searches: many keys in few queries, and which of them a record holds. Writes nothing.

use crate::query::{ADDRESS_BYTES_MAX, Rows, encoded};
use crate::salesforce::Org;
use crate::soql;
use crate::view::View;
use duet_core::id::Column;
use duet_core::image::Image;
use duet_core::intent::{FindKey, Found};
use duet_core::observation::Source;
use duet_core::value::Value;
use duet_ports::connector::{Collection, ConnectorError, Record, Search};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Keys of one rule over the same columns, to be asked together.
type Groups = BTreeMap<(Option<usize>, Vec<Column>), BTreeSet<Vec<Value>>>;

/// Searches; one list per search, in the order asked.
pub(crate) async fn find(
    org: &Org,
    collection: &Collection,
    searches: &[Search],
    until: Instant,
) -> Result<Vec<Vec<Found>>, ConnectorError> {
    let groups = grouped(searches);
    let columns = groups.keys().flat_map(|(_, columns)| columns.clone());
    let view = org.view(collection, until).await?.with(columns);
    let mut answers: BTreeMap<(Option<usize>, Vec<Column>), Vec<Record>> = BTreeMap::new();
    for (group, keys) in groups {
        let records = asked(org, &view, &group.1, &keys, until).await?;
        answers.insert(group, records);
    }
    Ok(searches.iter().map(|search| held(search, &answers)).collect())
}

fn grouped(searches: &[Search]) -> Groups {
    let mut groups = Groups::new();
    for key in searches.iter().flat_map(|search| &search.keys).filter(|key| is_usable(key)) {
        let (columns, values): (Vec<_>, Vec<_>) = key.columns.iter().cloned().unzip();
        groups.entry((key.rule, columns)).or_default().insert(values);
    }
    groups
}

/// A blank key finds nothing, however many records hold nothing.
fn is_usable(key: &FindKey) -> bool {
    !key.columns.is_empty() && key.columns.iter().all(|(_, value)| !value.is_null())
}

async fn asked(
    org: &Org,
    view: &View,
    columns: &[Column],
    keys: &BTreeSet<Vec<Value>>,
    until: Instant,
) -> Result<Vec<Record>, ConnectorError> {
    let mut records = Vec::new();
    let select = format!("{} WHERE ", view.select());
    for condition in conditions(columns, keys, encoded(&select).len()) {
        let found = org.rest.query(Rows::Live, &format!("{select}{condition}"), until).await?;
        records.extend(org.rest.observed(view, &found, Source::Read, until).await?);
    }
    Ok(records)
}

/// Conditions that together ask for every key, each short enough for an address.
pub(crate) fn conditions(
    columns: &[Column],
    keys: &BTreeSet<Vec<Value>>,
    taken: usize,
) -> Vec<String> {
    let room = ADDRESS_BYTES_MAX.saturating_sub(taken + 100);
    let (mut all, mut part, mut length) = (Vec::new(), Vec::new(), 0);
    for term in keys.iter().filter_map(|values| term(columns, values)) {
        let more = encoded(&term).len() + encoded(" OR ").len();
        if length + more > room && !part.is_empty() {
            all.push(joined(columns, &std::mem::take(&mut part)));
            length = 0;
        }
        length += more;
        part.push(term);
    }
    if !part.is_empty() {
        all.push(joined(columns, &part));
    }
    all
}

/// One key: the literal alone where there is one column, else a condition of its own.
fn term(columns: &[Column], values: &[Value]) -> Option<String> {
    if columns.len() == 1 {
        return soql::literal(values.first()?);
    }
    let pairs = columns.iter().zip(values);
    let equals = pairs.map(|(column, value)| Some(format!("{column} = {}", soql::literal(value)?)));
    let equals: Vec<String> = equals.collect::<Option<_>>()?;
    Some(format!("({})", equals.join(" AND ")))
}

fn joined(columns: &[Column], terms: &[String]) -> String {
    match columns {
        [only] => soql::is_in(only.as_str(), terms),
        _ => terms.join(" OR "),
    }
}

fn held(
    search: &Search,
    answers: &BTreeMap<(Option<usize>, Vec<Column>), Vec<Record>>,
) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for key in search.keys.iter().filter(|key| is_usable(key)) {
        let columns: Vec<Column> = key.columns.iter().map(|(column, _)| column.clone()).collect();
        let records = answers.get(&(key.rule, columns)).into_iter().flatten();
        for one in records.filter(|one| holds(&one.observation.image, key)) {
            let known = |other: &Found| other.record == one.record && other.rule == key.rule;
            if !found.iter().any(known) {
                let (record, observation) = (one.record.clone(), one.observation.clone());
                found.push(Found { record, rule: key.rule, observation });
            }
        }
    }
    found
}

/// Whether a record holds a key, by the language's own equality.
fn holds(image: &Image, key: &FindKey) -> bool {
    key.columns
        .iter()
        .all(|(column, sought)| image.get(column).is_some_and(|held| is_equal(held, sought)))
}

/// The language's own equality.
pub(crate) fn is_equal(held: &Value, sought: &Value) -> bool {
    match (held, sought) {
        (Value::Text(held), Value::Text(sought)) => {
            held.trim().to_lowercase() == sought.trim().to_lowercase()
        }
        (Value::Text(held), Value::Link(link)) => *held == link.to_string(),
        (held, sought) => held == sought,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> BTreeSet<Vec<Value>> {
        (0..count).map(|n| vec![Value::text(format!("it's-{n:05}"))]).collect()
    }

    #[test]
    fn one_column_makes_one_list() {
        let asked = conditions(&[Column::from("Ext__c")], &keys(2), 0);
        assert_eq!(asked, [r"Ext__c IN ('it\'s-00000','it\'s-00001')"]);
    }

    #[test]
    fn several_columns_make_alternatives() {
        let keys = [vec![Value::text("a"), Value::Integer(1)]].into();
        let columns = [Column::from("A"), Column::from("B")];
        assert_eq!(conditions(&columns, &keys, 0), ["(A = 'a' AND B = 1)"]);
    }

    #[test]
    fn long_lists_are_cut_and_lose_nothing() {
        let asked = conditions(&[Column::from("Ext__c")], &keys(2_000), 500);
        assert!(asked.len() > 1);
        assert!(asked.iter().all(|one| encoded(one).len() + 500 < ADDRESS_BYTES_MAX));
        let count: usize = asked.iter().map(|one| one.matches("it").count()).sum();
        assert_eq!(count, 2_000);
    }

    #[test]
    fn equality_is_the_languages_own() {
        assert!(is_equal(&Value::text("ACME"), &Value::text("acme ")));
        assert!(!is_equal(&Value::text("a"), &Value::Null));
    }
}
