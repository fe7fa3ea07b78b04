//! Who wins when parties differ (F5, F12, G4-G9). A strategy acts on conflicts only.
//!
//! Not here: what follows from it (`fields`, `first`), and how values combine (`merge`).

use super::outcome::Settled;
use super::parties::{Party, Who, terms};
use crate::agreed::Origin;
use crate::conflict::ConflictKind;
use crate::interval::{Interval, UNKNOWN, after};
use crate::merge::{Unmergeable, combine, forbids};
use crate::observation::ActorClass;
use crate::side::Side;
use crate::spec::{FieldSpec, MergeKind, Strategy, Tie};
use crate::stamp::Stamp;
use crate::value::Value;

/// What collides.
pub(super) struct Collision<'a> {
    pub(super) parties: &'a [Party],
    /// The agreed content; none at a first meeting.
    pub(super) trunk: Option<&'a Value>,
}

impl Collision<'_> {
    fn first(&self) -> bool {
        self.trunk.is_none()
    }

    fn unseen(&self) -> bool {
        self.parties.iter().any(|party| party.who == Who::Trunk)
    }

    /// The row of table 3.2b at a first meeting, of 3.2a else; of several parties at once F12.
    fn row(&self, paired: &'static str, first: &'static str) -> &'static str {
        if self.first() {
            first
        } else if self.parties.len() > 2 {
            "F12"
        } else {
            paired
        }
    }

    fn held(&self, kind: ConflictKind, row: &'static str, rule: &str) -> Settled {
        let kind = if self.first() { ConflictKind::FirstLinkDiffers } else { kind };
        Settled::Hold { kind, row: self.row(row, "G7"), rule: rule.to_owned() }
    }
}

pub(super) fn settle(strategy: &Strategy, collision: &Collision<'_>) -> Settled {
    match strategy {
        Strategy::LastWriteWins { tie } => last_write(tie, collision),
        Strategy::SourceOfTruth(owner) => owners(*owner, collision),
        Strategy::Merge { kind, otherwise } => merged(kind, otherwise, collision),
        Strategy::ManualReview => collision.held(ConflictKind::BothChanged, "F5g", "manual_review"),
    }
}

/// The later change wins; the comparison is of intervals, and never of arrival (3.4).
fn last_write(tie: &[Tie], collision: &Collision<'_>) -> Settled {
    let winner = collision.parties.iter().find(|one| later_than_all(one, collision.parties));
    if let Some(winner) = winner {
        let row = collision.row("F5a", "G5");
        return Settled::won(winner, row, "last_write_wins: the later change");
    }
    for rule in tie {
        let (winner, told) = match rule {
            Tie::UserOverAutomation => (persons(collision.parties), "user_over_automation"),
            Tie::Left => (of_side(collision.parties, Side::Left), "left"),
            Tie::Right => (of_side(collision.parties, Side::Right), "right"),
            Tie::ManualReview => break,
        };
        if let Some(winner) = winner {
            let rule = format!("last_write_wins: the times overlap, tie {told}");
            return Settled::won(winner, collision.row("F5b", "G5"), rule);
        }
    }
    let rule = "last_write_wins: the times overlap, tie manual_review";
    collision.held(ConflictKind::BothChanged, "F5b", rule)
}

fn later_than_all(one: &Party, parties: &[Party]) -> bool {
    parties
        .iter()
        .filter(|other| other.value != one.value)
        .all(|other| after(one.changed, other.changed))
}

/// The only value that persons hold, if programs hold all the others.
fn persons(parties: &[Party]) -> Option<&Party> {
    let person = parties.iter().find(|party| party.by == ActorClass::User)?;
    let others = parties.iter().filter(|party| party.value != person.value);
    let programs = others.into_iter().all(|party| match party.by {
        ActorClass::Automation | ActorClass::Duet => true,
        ActorClass::User | ActorClass::Unknown => false,
    });
    programs.then_some(person)
}

/// The value of a side, or the trunk's if it came from there.
fn of_side(parties: &[Party], side: Side) -> Option<&Party> {
    let own = parties.iter().find(|party| party.who == Who::Side(side));
    own.or_else(|| parties.iter().find(|party| party.origin == Some(side)))
}

/// The owner's value if it is a party, else the trunk's of the owner's origin, else the newest.
fn owners(owner: Side, collision: &Collision<'_>) -> Settled {
    let row = collision.row("F5c", "G4");
    if let Some(winner) = of_side(collision.parties, owner) {
        return Settled::won(winner, row, format!("source_of_truth {owner}"));
    }
    let newest = collision.parties.iter().max_by_key(|party| known(party.changed));
    match newest {
        Some(winner) => {
            Settled::won(winner, row, format!("source_of_truth {owner}: its value is no party"))
        }
        None => collision.held(ConflictKind::BothChanged, "F5g", "manual_review"),
    }
}

/// A time nobody knows is never the newest.
fn known(changed: Interval) -> Option<(Stamp, Stamp)> {
    (changed != UNKNOWN).then_some((changed.1, changed.0))
}

fn merged(kind: &MergeKind, otherwise: &Strategy, collision: &Collision<'_>) -> Settled {
    let moved = terms(collision.parties);
    match combine(kind, collision.trunk, &moved, collision.unseen()) {
        Ok(value) => Settled::Value {
            value,
            origin: Origin::Merge,
            changed: None,
            by: ActorClass::Unknown,
            row: collision.row("F5d", "G6"),
            rule: format!("merge {}", name(kind)),
        },
        Err(why) => fallen_back(kind, why, settle(otherwise, collision)),
    }
}

/// Whether a side that moved alone took a step that its path forbids, so that a person decides.
/// Where the flow names another rule for values that don't combine, the only one counts (F2, F3).
pub(super) fn is_step_back(field: &FieldSpec, trunk: &Value, moved: &Party) -> bool {
    let Strategy::Merge { kind, otherwise } = &field.strategy else { return false };
    field.direction.owner().is_none()
        && **otherwise == Strategy::ManualReview
        && forbids(kind, trunk, &moved.value)
}

/// F5e, F5f: the values don't combine, so `otherwise` decided.
fn fallen_back(kind: &MergeKind, why: Unmergeable, by_otherwise: Settled) -> Settled {
    let (row, reason, held) = match why {
        Unmergeable::Kind => ("F5f", "can't be combined", None),
        Unmergeable::Bounds => ("F5e", "out of bounds", Some(ConflictKind::BelowMinimum)),
        Unmergeable::Back => ("F5f", "would go back", Some(ConflictKind::IllegalTransition)),
    };
    by_otherwise.fallback(row, &format!("merge {} {reason}, otherwise", name(kind)), held)
}

fn name(kind: &MergeKind) -> &'static str {
    match kind {
        MergeKind::Counter { .. } => "counter",
        MergeKind::Set => "set",
        MergeKind::Max => "max",
        MergeKind::Min => "min",
        MergeKind::Progress { .. } => "progress",
        MergeKind::Strictest { .. } => "strictest",
        MergeKind::FirstNonEmpty => "first_non_empty",
    }
}
