//! The reader of changes takes exactly what its declaration takes, in which the key of what happened
//! stands beside the others: for every choice of up to five keys in every order, each with every
//! value of a few.

use duet_core::id::{FlowName, RecordId};
use duet_core::observation::Observation;
use duet_core::side::Side;
use duet_ports::envelope::{ChangeV1, WhatV1};
use serde::Deserialize;

#[derive(Deserialize)]
struct Declared {
    flow: FlowName,
    side: Side,
    record: RecordId,
    #[serde(flatten)]
    what: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Seen(Box<Observation>),
    KeyChanged {
        old: RecordId,
        #[serde(default)]
        order: Option<i64>,
    },
    Gap,
}

fn meant(declared: Declared) -> ChangeV1 {
    let Declared { flow, side, record, what } = declared;
    let what = match what {
        What::Seen(seen) => WhatV1::Seen(seen),
        What::KeyChanged { old, order } => WhatV1::KeyChanged { old, order },
        What::Gap => WhatV1::Gap,
    };
    ChangeV1 { flow, side, record, what }
}

/// Whether both readers take it; that they agree is checked.
fn taken(json: &str) -> bool {
    let before = serde_json::from_str::<Declared>(json).ok().map(meant);
    let now = serde_json::from_str::<ChangeV1>(json).ok();
    assert_eq!(now, before, "{json}");
    now.is_some()
}

const ENTRIES: [(&str, &[&str]); 7] = [
    ("flow", &["\"f\"", "1"]),
    ("side", &["\"left\"", "\"up\""]),
    ("record", &["\"1\"", "null"]),
    ("seen", &[r#"{"presence":"present","read_at":1,"image":{"a":1}}"#, r#"{"presence":"x"}"#]),
    ("key_changed", &[r#"{"old":"0"}"#, r#"{"old":"0","order":5,"new":1}"#, r#"{"order":5}"#]),
    ("gap", &["null", "{}", "{\"a\":1}", "true", "[]"]),
    ("later", &["{\"gap\":null}"]),
];

/// Every list of up to `most` of the entries, in every order, an entry perhaps twice.
fn lists(most: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..most {
        last = last
            .iter()
            .flat_map(|list| (0..ENTRIES.len()).map(move |one| [list.as_slice(), &[one]].concat()))
            .collect();
        all.extend(last.clone());
    }
    all
}

fn written(list: &[usize], values: &[usize]) -> String {
    let entries = list.iter().zip(values).map(|(entry, value)| {
        let (key, values) = ENTRIES[*entry];
        format!("\"{key}\":{}", values[*value])
    });
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

#[test]
fn both_readers_agree_on_every_order_of_keys() {
    let usual = |list: &[usize]| taken(&written(list, &vec![0; list.len()]));
    let count = lists(5).iter().filter(|list| usual(list)).count();
    assert!(count > 100, "{count} of them are changes");
}

#[test]
fn both_readers_agree_on_every_value() {
    let mut count = 0;
    for list in lists(2) {
        for places in 0..25 {
            let values: Vec<usize> = list
                .iter()
                .enumerate()
                .map(|(at, entry)| {
                    let value = if at == 0 { places % 5 } else { places / 5 };
                    value % ENTRIES[*entry].1.len()
                })
                .collect();
            let rest: Vec<usize> = (0..3).filter(|one| !list.contains(one)).collect();
            let whole = [list.as_slice(), &rest].concat();
            let values = [values, vec![0; rest.len()]].concat();
            count += usize::from(taken(&written(&whole, &values)));
        }
    }
    assert!(count > 100, "{count} of them are changes");
}
