//! The parties of a field (2.1): sides that moved, and trunk content that a mover hasn't received.
//!
//! Not here: who wins (`strategy`).

use super::case::Case;
use crate::agreed::{AgreedField, Origin};
use crate::interval::{Interval, UNKNOWN, changed};
use crate::mapping::{Bound, MapFailure, same_trunk};
use crate::merge::Term;
use crate::observation::ActorClass;
use crate::side::Side;
use crate::spec::{MergeKind, SameChange, Strategy};
use crate::stamp::Stamp;
use crate::value::Value;
use std::borrow::Cow;

/// Who holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Side(Side),
    Trunk,
}

/// One party.
#[derive(Clone, Debug)]
pub(super) struct Party {
    pub(super) who: Who,
    /// Its value, in the neutral form.
    pub(super) value: Value,
    /// As the side holds it; none for the trunk.
    pub(super) native: Option<Value>,
    /// The neutral form of what was accounted for on that side.
    pub(super) base: Option<Value>,
    pub(super) changed: Interval,
    pub(super) by: ActorClass,
    /// Where the content came from.
    pub(super) origin: Option<Side>,
}

/// How a field stands.
#[derive(Clone, Debug)]
pub(super) enum Situation {
    /// Nobody moved.
    Calm,
    /// One side moved, and had received what the trunk holds.
    One(Box<Party>),
    /// Several parties hold the same.
    Same(Vec<Party>),
    /// Parties differ.
    Differ(Vec<Party>),
    /// A mover's value can't be translated.
    Unmapped(Side, MapFailure),
}

impl Case<'_> {
    /// Whether a side holds another value than the one accounted for.
    pub(super) fn moved(&self, field: &Bound<'_>, side: Side) -> bool {
        self.content.moved(field, side)
    }

    /// Whether a side changed without having received what the trunk holds.
    pub(super) fn unseen(&self, field: &Bound<'_>, side: Side, agreed: &AgreedField) -> bool {
        let Some(known) = agreed.accounted.get(side) else { return true };
        match self.get(field, side, known) {
            Ok(value) => !same_trunk(field, &value, &agreed.trunk),
            Err(_) => true,
        }
    }

    pub(super) fn party(&self, field: &Bound<'_>, side: Side) -> Result<Option<Party>, MapFailure> {
        let (Some(native), Some(seen)) = (self.native(field, side), self.seen_of(side)) else {
            return Ok(None);
        };
        let value = self.get(field, side, &native)?.into_owned();
        let accounted = self.agreed(field).and_then(|agreed| agreed.accounted.get(side).as_ref());
        let base = accounted.and_then(|known| self.get(field, side, known).ok());
        let since = self.since(field, side);
        Ok(Some(Party {
            who: Who::Side(side),
            value,
            base: base.map(Cow::into_owned),
            native: Some(native.into_owned()),
            changed: changed(self.spec, field, side, seen, since, self.now.as_of),
            by: seen.actor.class,
            origin: Some(side),
        }))
    }

    /// The side's stamp at the last agreement, after which a field changed; none at its first
    /// meeting. Where nothing was in agreement since, the change may be of any age.
    pub(super) fn since(&self, field: &Bound<'_>, side: Side) -> Option<Stamp> {
        self.agreed(field)?;
        Some(self.now.link.synced.get(side).unwrap_or(UNKNOWN.0))
    }

    pub(super) fn situation(&self, field: &Bound<'_>, agreed: &AgreedField) -> Situation {
        let mut parties = Vec::new();
        let mut unseen = false;
        for side in Side::BOTH.into_iter().filter(|side| self.moved(field, *side)) {
            match self.party(field, side) {
                Ok(party) => parties.extend(party),
                Err(failure) => return Situation::Unmapped(side, failure),
            }
            unseen |= self.unseen(field, side, agreed);
        }
        if parties.is_empty() {
            return Situation::Calm;
        }
        if unseen {
            parties.push(trunk_party(agreed));
        }
        weigh(field, parties)
    }
}

fn trunk_party(agreed: &AgreedField) -> Party {
    Party {
        who: Who::Trunk,
        value: agreed.trunk.clone(),
        native: None,
        base: None,
        changed: agreed.changed.unwrap_or(UNKNOWN),
        by: agreed.by,
        origin: origin_side(agreed.origin),
    }
}

fn weigh(field: &Bound<'_>, mut parties: Vec<Party>) -> Situation {
    if parties.len() == 1 {
        return Situation::One(Box::new(parties.swap_remove(0)));
    }
    // Two sides that hold the same agree, whatever the trunk held before (H2).
    let first = parties[0].value.clone();
    let both = parties.iter().filter(|party| party.who != Who::Trunk).count() == 2;
    let same = parties
        .iter()
        .filter(|party| !both || party.who != Who::Trunk)
        .all(|party| same_trunk(field, &first, &party.value));
    let agreement = match field.same_change {
        SameChange::Accept => !counts(&field.strategy),
        SameChange::Review => false,
    };
    if same && agreement { Situation::Same(parties) } else { Situation::Differ(parties) }
}

/// Whether a field is a counter: two equal changes of a counter are two changes.
pub(super) fn counts(strategy: &Strategy) -> bool {
    match strategy {
        Strategy::Merge { kind: MergeKind::Counter { .. }, otherwise: _ } => true,
        Strategy::Merge { kind: _, otherwise: _ }
        | Strategy::LastWriteWins { .. }
        | Strategy::SourceOfTruth(_)
        | Strategy::ManualReview => false,
    }
}

pub(super) fn origin_side(origin: Origin) -> Option<Side> {
    match origin {
        Origin::Left => Some(Side::Left),
        Origin::Right => Some(Side::Right),
        Origin::Both | Origin::Merge | Origin::Person => None,
    }
}

/// The sides among the parties, as terms of a merge.
pub(super) fn terms(parties: &[Party]) -> Vec<Term> {
    let sides = parties.iter().filter(|party| party.who != Who::Trunk);
    sides.map(|party| Term { base: party.base.clone(), value: party.value.clone() }).collect()
}
