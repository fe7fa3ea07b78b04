//! How a script ends, as a text that both ways to run give word by word: what isn't as in Northwind as
//! it was found, on either side, and duet's own account of it. Ids and times are left out.
//! `UPDATE_ENDS=1` writes the recorded texts anew.

use std::collections::{BTreeMap, BTreeSet};

use duet_tests::compare::{form, left_form};
use duet_tests::flows::Flow;
use duet_tests::northwind::{self, Row};
use duet_tests::org::{Org, Record};
use serde_json::Value;

use crate::rig::Rig;

/// What is told of every field of a new record.
const NEW: &str = r#""R11" "a new record carries it""#;

/// Insists that it ends as it is recorded.
#[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
pub(crate) async fn ends_as_recorded(rig: &Rig, name: &str) {
    let told = ending(rig).await.join("\n") + "\n";
    let path = northwind::folder().join(name);
    if std::env::var_os("UPDATE_ENDS").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let other = [diverging('-', &recorded, &told), diverging('+', &told, &recorded)].concat();
    assert!(told == recorded, "UPDATE_ENDS=1 writes {name} anew; it is otherwise in\n{other}");
}

/// Lines that only the first one has.
fn diverging(sign: char, one: &str, other: &str) -> String {
    let other: BTreeSet<&str> = other.lines().collect();
    let lines = one.lines().filter(|line| !other.contains(line));
    lines.map(|line| format!("{sign} {line}\n")).collect()
}

/// Everything that is told, in order.
async fn ending(rig: &Rig) -> Vec<String> {
    let org = rig.read_org();
    let (mut sides, mut why) = (Vec::new(), Vec::new());
    for flow in rig.flows {
        let rows = rig.rows(flow.name).await;
        let flow = Ended::of(flow, &rig.found[flow.name], &rows, &org);
        for key in flow.keys() {
            let changes = flow.changes(key);
            if !changes.is_empty() && flow.left.contains_key(key) && flow.now.contains_key(key) {
                why.extend(decisions(rig, flow.flow, key));
            }
            sides.extend(changes);
        }
        sides.extend(flow.strangers());
    }
    let account = [counts(rig), conflicts(rig, &org), why].concat();
    [sides, account].concat()
}

/// A flow at its end.
struct Ended<'a> {
    flow: &'static Flow,
    found: BTreeMap<&'a str, &'a Row>,
    now: BTreeMap<&'a str, &'a Row>,
    left: BTreeMap<&'a str, &'a Record>,
    org: &'a Org,
}

impl<'a> Ended<'a> {
    fn of(flow: &'static Flow, found: &'a [Row], now: &'a [Row], org: &'a Org) -> Ended<'a> {
        let by_key = |rows: &'a [Row]| rows.iter().map(|row| (row.key.as_str(), row)).collect();
        let left = org.of(flow.object).filter_map(|record| Some((record.text("Ext__c")?, record)));
        Ended { flow, found: by_key(found), now: by_key(now), left: left.collect(), org }
    }

    fn keys(&self) -> BTreeSet<&'a str> {
        let left = self.left.keys();
        self.found.keys().chain(self.now.keys()).chain(left).copied().collect()
    }

    /// What isn't as it was found; where both sides differ, left's and right's.
    fn changes(&self, key: &str) -> Vec<String> {
        let name = format!("{}/{key}", self.flow.name);
        let (left, right) = (self.left.get(key), self.now.get(key));
        let mut told: Vec<String> = match (left, right) {
            (None, None) => return vec![format!("{name} is gone")],
            (Some(_), None) => vec![format!("{name} is in Salesforce only")],
            (None, Some(_)) => vec![format!("{name} is in the shop only")],
            (Some(_), Some(_)) => Vec::new(),
        };
        for field in self.flow.fields {
            let in_row = |row: &Row| form(field.kind, row.values.get(field.name));
            let left = left.map(|record| left_form(field, record, self.org));
            let right = right.map(|row| in_row(row));
            let found = self.found.get(key).map(|row| in_row(row));
            let found = found.unwrap_or_else(|| form(field.kind, None));
            let same = |value: &Option<String>| value.as_ref().is_none_or(|value| *value == found);
            if !(same(&left) && same(&right)) {
                let values = BTreeSet::from_iter([&left, &right].into_iter().flatten());
                let values = match (left.as_ref(), right.as_ref()) {
                    (Some(left), Some(right)) if values.len() > 1 => format!("{left} | {right}"),
                    _ => values.into_iter().cloned().collect(),
                };
                told.push(format!("{name} {}: {values}", field.name));
            }
        }
        told
    }

    /// Records without a key.
    fn strangers(&self) -> Vec<String> {
        let keyless = self.org.of(self.flow.object).filter(|one| one.text("Ext__c").is_none());
        let mut told: Vec<String> = keyless.map(|one| self.stranger(one)).collect();
        told.sort();
        told
    }

    fn stranger(&self, record: &Record) -> String {
        let nothing = |field| form(field, None);
        let values = self.flow.fields.iter().filter_map(|field| {
            let value = left_form(field, record, self.org);
            (value != nothing(field.kind)).then(|| format!("{} {value}", field.name))
        });
        format!("{} without a key: {}", self.flow.object, values.collect::<Vec<_>>().join(", "))
    }
}

/// What `status` counts.
fn counts(rig: &Rig) -> Vec<String> {
    let status = rig.json(&["status"]);
    let flows = status["flows"].as_array().unwrap().iter();
    let counted = ["phases", "conflicts", "field_errors", "intents", "dead_letters"];
    let told = flows.map(|flow| {
        let counts = counted.map(|name| format!("{name} {}", flow[name]));
        format!("{} is {}: {}", flow["flow"], flow["state"], counts.join(", "))
    });
    told.collect()
}

/// Every conflict that ever was: what it was about, its kind, how it stands, what was chosen.
fn conflicts(rig: &Rig, org: &Org) -> Vec<String> {
    let mut told: Vec<String> = rig
        .conflicts(true)
        .iter()
        .map(|one| {
            let record = one["record"].as_str().unwrap();
            let (flow, id) = record.split_once('/').unwrap();
            let name = org.get(id).map(|record| record.fields["Name"].to_string());
            let record = name.map_or_else(|| record.to_owned(), |name| format!("{flow} {name}"));
            let choice = match &one["resolution"]["choice"] {
                // Which one is a matter of ids.
                Value::Object(choice) => choice.keys().cloned().collect(),
                other => other.to_string(),
            };
            let about = one["field"].as_str().unwrap_or("-");
            let (kind, state, reason) = (&one["kind"], &one["state"], &one["reason"]);
            format!("conflict {record} {about}: {kind} {state} {reason} {choice}")
        })
        .collect();
    told.sort();
    told
}

/// What decided last about each field of a record.
fn decisions(rig: &Rig, flow: &Flow, key: &str) -> Vec<String> {
    let record = format!("{}/right:{key}", flow.name);
    let told = rig.json(&["explain", &record]);
    let fields = told["fields"].as_array().unwrap().iter();
    let why = |field: &Value| {
        let Value::Object(decision) = &field["decision"] else { return "none".to_owned() };
        match decision["row"].as_str() {
            // Whether a new record had to wait for its parent is a matter of time.
            Some(row) if row.starts_with('P') => NEW.to_owned(),
            _ => format!("{} {}", decision["row"], decision["rule"]),
        }
    };
    fields.map(|field| format!("{record} {}: {}", field["name"], why(field))).collect()
}
