//! What a strategy came to: a value, or a hold for a person.
//!
//! Not here: how it came to it (`strategy`).

use super::parties::{Party, Who};
use crate::agreed::Origin;
use crate::conflict::ConflictKind;
use crate::interval::Interval;
use crate::observation::ActorClass;
use crate::side::Side;
use crate::value::Value;

pub(super) enum Settled {
    /// This value is the new content.
    Value {
        value: Value,
        origin: Origin,
        changed: Option<Interval>,
        by: ActorClass,
        row: &'static str,
        rule: String,
    },
    /// A person decides.
    Hold { kind: ConflictKind, row: &'static str, rule: String },
}

impl Settled {
    /// One party's value.
    pub(super) fn won(winner: &Party, row: &'static str, rule: impl Into<String>) -> Settled {
        Settled::Value {
            value: winner.value.clone(),
            origin: party_origin(winner),
            changed: Some(winner.changed),
            by: winner.by,
            row,
            rule: rule.into(),
        }
    }

    /// The same, told as a fallback: the row says why values didn't combine, first meetings keep
    /// their own row, and a hold takes the more telling kind.
    pub(super) fn fallback(
        self,
        fallback: &'static str,
        told: &str,
        telling: Option<ConflictKind>,
    ) -> Settled {
        match self {
            Settled::Value { value, origin, changed, by, row, rule } => {
                let row = if row.starts_with('G') { row } else { fallback };
                Settled::Value { value, origin, changed, by, row, rule: format!("{told} {rule}") }
            }
            Settled::Hold { kind, row, rule } => {
                let first = row.starts_with('G');
                let kind = if first { kind } else { telling.unwrap_or(kind) };
                let row = if first { row } else { fallback };
                Settled::Hold { kind, row, rule: format!("{told} {rule}") }
            }
        }
    }
}

fn party_origin(party: &Party) -> Origin {
    match (party.who, party.origin) {
        (Who::Side(Side::Left), _) | (Who::Trunk, Some(Side::Left)) => Origin::Left,
        (Who::Side(Side::Right), _) | (Who::Trunk, Some(Side::Right)) => Origin::Right,
        (Who::Trunk, None) => Origin::Merge,
    }
}
