//! The comparison: both sides must be equal, record by record and field by field, but for what is
//! listed as open or left alone. It decides nothing and tells every difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::flows::{Field, Flow, Kind};
use crate::northwind::Row;
use crate::org::{Org, Record};

/// What may differ: open conflicts and records left alone.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Fields with an open conflict: flow, key, field of the left side.
    pub open: BTreeSet<(String, String, String)>,
    /// Rows of the right side that have no partner: flow, key.
    pub right_alone: BTreeSet<(String, String)>,
    /// Ids of records of the left side that have no partner.
    pub left_alone: BTreeSet<String>,
}

impl Listed {
    /// Lists a field with an open conflict.
    pub fn open(&mut self, flow: &Flow, key: &str, field: &str) {
        self.open.insert((flow.name.to_owned(), key.to_owned(), field.to_owned()));
    }

    /// Lists a row of the right side that has no partner.
    pub fn right_alone(&mut self, flow: &Flow, key: &str) {
        self.right_alone.insert((flow.name.to_owned(), key.to_owned()));
    }
}

/// A difference that nothing lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The flow.
    pub flow: &'static str,
    /// The key on the right, or the id on the left where there is no key.
    pub record: String,
    /// What is different.
    pub what: What,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The row has no record on the left.
    MissingLeft,
    /// The record has no row on the right.
    MissingRight,
    /// More than one record stands for the row.
    Duplicate(Vec<String>),
    /// A field has two values, in the form in which they are compared.
    Field {
        /// Its name on the left.
        name: &'static str,
        /// Its value there.
        left: String,
        /// Its value on the right.
        right: String,
    },
    /// Listed as different, but it isn't.
    NotDifferent(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: ", self.flow, self.record)?;
        match &self.what {
            What::MissingLeft => write!(out, "is not in Salesforce"),
            What::MissingRight => write!(out, "is not in the shop"),
            What::Duplicate(ids) => write!(out, "is there {} times: {}", ids.len(), ids.join(", ")),
            What::Field { name, left, right } => {
                write!(out, "{name} is {left} in Salesforce and {right} in the shop")
            }
            What::NotDifferent(what) => write!(out, "{what} is listed but doesn't differ"),
        }
    }
}

/// Every difference of a flow that isn't listed, and every listed one that isn't there.
pub fn compare(flow: &'static Flow, rows: &[Row], org: &Org, listed: &Listed) -> Vec<Difference> {
    let mut partners: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    let mut differences = Vec::new();
    let keys: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    for record in org.of(flow.object) {
        match record.text("Ext__c").filter(|key| keys.contains(key)) {
            Some(key) => partners.entry(key).or_default().push(record),
            None if listed.left_alone.contains(&record.id) => {}
            None => differences.push(difference(flow, &record.id, What::MissingRight)),
        }
    }
    for row in rows {
        let records = partners.get(row.key.as_str()).map_or(&[][..], Vec::as_slice);
        let found = compare_row(flow, row, records, org, listed);
        differences.extend(found.into_iter().map(|what| difference(flow, &row.key, what)));
    }
    differences.sort();
    differences
}

fn difference(flow: &'static Flow, record: &str, what: What) -> Difference {
    Difference { flow: flow.name, record: record.to_owned(), what }
}

fn compare_row(
    flow: &Flow,
    row: &Row,
    records: &[&Record],
    org: &Org,
    listed: &Listed,
) -> Vec<What> {
    let alone = listed.right_alone.contains(&(flow.name.to_owned(), row.key.clone()));
    match (records, alone) {
        ([], true) => Vec::new(),
        ([], false) => vec![What::MissingLeft],
        (_, true) => vec![What::NotDifferent("the row".to_owned())],
        ([record], false) => compare_fields(flow, row, record, org, listed),
        (many, false) => {
            vec![What::Duplicate(many.iter().map(|record| record.id.clone()).collect())]
        }
    }
}

fn compare_fields(
    flow: &Flow,
    row: &Row,
    record: &Record,
    org: &Org,
    listed: &Listed,
) -> Vec<What> {
    let mut found = Vec::new();
    for field in flow.fields {
        let left = left_form(field, record, org);
        let right = form(field.kind, row.values.get(field.name));
        let mark = (flow.name.to_owned(), row.key.clone(), field.name.to_owned());
        match (left == right, listed.open.contains(&mark)) {
            (true, false) | (false, true) => {}
            (true, true) => found.push(What::NotDifferent(field.name.to_owned())),
            (false, false) => found.push(What::Field { name: field.name, left, right }),
        }
    }
    found
}

/// A field of a record on the left, in the form in which it is compared; a parent as its key.
pub fn left_form(field: &Field, record: &Record, org: &Org) -> String {
    let value = record.fields.get(field.name);
    if field.kind != Kind::Parent {
        return form(field.kind, value);
    }
    let parent = value.and_then(Value::as_str).and_then(|id| org.get(id));
    form(Kind::Text, parent.and_then(|parent| parent.fields.get("Ext__c")))
}

/// The form in which values are compared.
pub fn form(kind: Kind, value: Option<&Value>) -> String {
    const NOTHING: &str = "(nothing)";
    let value = value.unwrap_or(&Value::Null);
    match kind {
        Kind::Flag => value.as_bool().unwrap_or(false).to_string(),
        Kind::Number(digits) => match value.as_f64() {
            Some(number) => format!("{number:.digits$}"),
            None if value.is_null() => NOTHING.to_owned(),
            None => value.to_string(),
        },
        Kind::Set => {
            let parts = value.as_str().unwrap_or_default().split([';', '/']).map(str::trim);
            let parts: BTreeSet<&str> = parts.filter(|part| !part.is_empty()).collect();
            format!("{parts:?}")
        }
        Kind::Text | Kind::Parent => match value {
            Value::String(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Value::String(_) | Value::Null => NOTHING.to_owned(),
            other => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
