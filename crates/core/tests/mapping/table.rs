//! The cases of `values.txt`: what each step makes of a value, and what it gives back.

use crate::{column, flow, get, put, values};
use duet_core::mapping::same;
use duet_core::side::Side;
use duet_core::spec::Transform;
use duet_core::value::{Value, ValueType};

const CASES: &str = include_str!("values.txt");

fn read<T: serde::de::DeserializeOwned>(json: &str, line: usize) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("line {line}: {json}: {error}"))
}

fn kind(name: &str, line: usize) -> ValueType {
    read(&format!("\"{name}\""), line)
}

#[test]
fn every_line_holds() {
    let mut count = 0;
    for (number, text) in CASES.lines().enumerate() {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let line = number + 1;
        let cells: Vec<&str> = text.split(" | ").map(str::trim).collect();
        let [left, steps, neutral, native, trunk, rest @ ..] = cells.as_slice() else {
            panic!("line {line} has too few cells");
        };
        let steps: Vec<Transform> = read(steps, line);
        let neutral = kind(neutral, line);
        let left = column(kind(left, line));
        let flow = flow(vec![left], vec![column(neutral)], values(neutral, steps));
        let native: Value = read(native, line);
        let trunk = trunk.trim_end_matches(" |");
        let wanted: Option<Value> = (trunk != "-").then(|| read(trunk, line));
        assert_eq!(get(&flow, Side::Left, &native), wanted, "line {line}");
        count += 1;
        let Some(wanted) = wanted else { continue };
        let back = put(&flow, Side::Left, &wanted).unwrap_or_else(|| panic!("line {line}"));
        let again = rest.first().filter(|cell| !cell.is_empty());
        let again = again.map_or(native.clone(), |cell| read(cell, line));
        assert_eq!(back, again, "line {line}");
        assert!(same(&flow, &flow.fields[0], Side::Left, &back, &native), "line {line}");
    }
    assert!(count >= 60, "{count} cases");
}
