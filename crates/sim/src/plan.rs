//! What a seed decides before anything happens: the sides' natures, the flow, the faults, and how
//! busy everybody is.

use crate::chance::Chance;
use crate::fault::Rates;
use crate::flow;
use crate::side::Nature;
use duet_core::side::Both;
use duet_core::spec::FlowSpec;

/// Steps of a run before everything heals.
pub(crate) const STEPS: u32 = 300;

/// Something that the scheduler lets happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Somebody makes a record.
    Make,
    /// Somebody edits one.
    Edit,
    /// Two people edit the same field of a pair, on both sides, within a second.
    EditBoth,
    /// Somebody deletes one.
    Delete,
    /// Somebody decides a conflict.
    Decide,
    /// A source is read.
    Detect,
    /// A partition is decided.
    Reconcile,
    /// A side is called.
    Apply,
    /// Retries that are due are woken.
    Retry,
    /// Links that are due are decided.
    Sweep,
    /// Time passes.
    Wait,
    /// A delayed message or call arrives.
    Arrive,
    /// A source tells everything again, or every queue is emptied.
    Disturb,
}

/// Every act, and how often it is let happen at least and at most, compared with the others.
const ACTS: [(Act, u64, u64); 13] = [
    (Act::Make, 1, 6),
    (Act::Edit, 5, 40),
    (Act::EditBoth, 1, 10),
    (Act::Delete, 1, 3),
    (Act::Decide, 0, 8),
    (Act::Detect, 20, 60),
    (Act::Reconcile, 20, 60),
    (Act::Apply, 20, 60),
    (Act::Retry, 3, 15),
    (Act::Sweep, 3, 15),
    (Act::Wait, 5, 30),
    (Act::Arrive, 1, 10),
    (Act::Disturb, 0, 2),
];

/// The plan of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Faults.
    pub(crate) rates: Rates,
    /// What the sides are like.
    pub(crate) natures: Both<Nature>,
    /// The flow.
    pub(crate) spec: FlowSpec,
    /// Most records that people make.
    pub(crate) records: u64,
    /// Partitions of the hub.
    pub(crate) partitions: u32,
    /// Processes at work.
    pub(crate) processes: usize,
    /// Whether calls are handed over in memory, as they are where workers wait for them.
    pub(crate) hands_over: bool,
    weights: Vec<(Act, u64)>,
}

impl Plan {
    /// The plan of a seed. Deletions are let happen only where they are asked for.
    #[must_use]
    pub(crate) fn of(seed: u64, deletions: bool) -> Plan {
        let chance = &mut Chance::new(seed);
        let right = [Nature::of_tables(), Nature::without_marker()];
        let natures = Both::new(Nature::of_whole_seconds(), *chance.pick(&right));
        Plan {
            rates: Rates::draw(chance),
            spec: flow::draw(chance, &natures),
            natures,
            records: chance.below(10) + 1,
            partitions: *chance.pick(&[1, 2, 4]),
            processes: *chance.pick(&[1, 1, 2]),
            hands_over: chance.meets(5_000),
            weights: weights(chance, deletions),
        }
    }

    /// The next act.
    pub(crate) fn act(&self, chance: &mut Chance) -> Act {
        let sum = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut left = chance.below(sum);
        for (act, weight) in &self.weights {
            if left < *weight {
                return *act;
            }
            left -= weight;
        }
        Act::Wait
    }
}

fn weights(chance: &mut Chance, deletions: bool) -> Vec<(Act, u64)> {
    let drawn = ACTS.map(|(act, least, most)| (act, least + chance.below(most - least + 1)));
    drawn.into_iter().filter(|(act, _)| deletions || *act != Act::Delete).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_has_one_plan() {
        assert_eq!(format!("{:?}", Plan::of(3, true)), format!("{:?}", Plan::of(3, true)));
        assert_ne!(format!("{:?}", Plan::of(3, true)), format!("{:?}", Plan::of(4, true)));
    }

    #[test]
    fn every_act_happens_in_some_run() {
        let mut seen = BTreeSet::new();
        for seed in 0..20 {
            let (plan, mut chance) = (Plan::of(seed, true), Chance::new(seed));
            seen.extend((0..STEPS).map(|_| plan.act(&mut chance)));
        }
        assert_eq!(seen.len(), ACTS.len());
    }
}
