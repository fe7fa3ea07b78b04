//! Decide: the core alone, on one processor, as often as asked. Facts and events are ready, as a
//! transaction has them after loading; one change moves four fields, the other side moved two.

use crate::error::BenchError;
use crate::flow;
use crate::processes::{Servers, since, usage};
use crate::reading::Reading;
use crate::sample::{Changes, pending};
use crate::seed::{at_rest, blank, settled};
use crate::statistics::float;
use crate::watch::Watch;
use duet_core::facts::{Event, Facts};
use duet_core::reconcile::decide;
use duet_core::spec::FlowSpec;
use duet_ports::envelope::{ChangeV1, WhatV1};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// How often.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Decisions {
    /// Decisions in all.
    pub(crate) count: usize,
    /// Whether each one also reads the change from JSON, and writes the new agreed state.
    pub(crate) whole: bool,
}

/// Different cases, so that no cache holds the only one.
const CASES: usize = 500;

/// A link whose left side moved, and a change of its right side.
struct Case {
    facts: Facts,
    event: Event,
    text: String,
}

pub(super) fn run(task: &Decisions) -> Result<Reading, BenchError> {
    let spec = flow::spec()?;
    let cases = cases(&spec)?;
    check(&spec, &cases)?;
    let round = task.count.div_ceil(CASES).max(1);
    // Copies of the facts are made outside the time: a transaction doesn't copy them.
    let mut seconds = 0.0;
    let before = usage(Servers::default())?;
    for _ in 0..round {
        let copies: Vec<Facts> = cases.iter().map(|case| case.facts.clone()).collect();
        let watch = Watch::start();
        for (case, facts) in cases.iter().zip(copies) {
            match task.whole {
                true => whole(&spec, case, facts)?,
                false => {
                    black_box(decide(facts, std::slice::from_ref(&case.event), &spec));
                }
            }
        }
        seconds += watch.seconds();
    }
    let used = since(&before, Servers::default())?;
    let count = round * CASES;
    Ok(Reading::of_records(float(count) / seconds, count, &used))
}

fn whole(spec: &FlowSpec, case: &Case, facts: Facts) -> Result<(), BenchError> {
    let change: ChangeV1 = serde_json::from_str(&case.text)?;
    let event = event(change)?;
    let verdict = decide(facts, std::slice::from_ref(&event), spec);
    black_box((serde_json::to_string(&verdict.agreed)?, serde_json::to_string(&verdict.effects)?));
    Ok(())
}

fn cases(spec: &FlowSpec) -> Result<Vec<Case>, BenchError> {
    let met = Changes::new(42, 100_000).filter(|(key, _)| pending(*key).is_some());
    met.take(CASES)
        .map(|(key, change)| {
            let rested = at_rest(spec, key, blank(key));
            let text = serde_json::to_string(&change)?;
            Ok(Case { facts: settled(rested, blank(key)), event: event(change)?, text })
        })
        .collect()
}

fn event(change: ChangeV1) -> Result<Event, BenchError> {
    match change.what {
        WhatV1::Seen(observation) => {
            Ok(Event::Seen { side: change.side, record: change.record, observation })
        }
        WhatV1::KeyChanged { .. } | WhatV1::Gap => {
            Err(BenchError::Check("every change of the bench is a look".to_owned()))
        }
    }
}

/// Both sides changed: four fields are decided for the right side, one of them against the left.
fn check(spec: &FlowSpec, cases: &[Case]) -> Result<(), BenchError> {
    for case in cases {
        let verdict = decide(case.facts.clone(), std::slice::from_ref(&case.event), spec);
        if verdict.outcomes.len() < 5 || verdict.echo {
            let row = &verdict.row;
            let text = format!("a decision of the bench is about too little: {row}");
            return Err(BenchError::Check(text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_about_both_sides() {
        for whole in [false, true] {
            let reading = run(&Decisions { count: 1, whole }).unwrap();
            assert!(reading.value > 0.0);
        }
    }
}
