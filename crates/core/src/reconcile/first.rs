//! The field table of a first meeting (correctness, 3.2b): nothing is agreed of the field yet.
//!
//! Not here: matching (`matching`), who wins (`strategy`).

use super::account::origin;
use super::case::{Case, Told};
use super::outcome::Settled;
use super::parents::Way;
use super::parties::{Party, Who};
use super::strategy::{Collision, settle};
use crate::agreed::Origin;
use crate::conflict::ConflictKind;
use crate::mapping::{Bound, MapFailure, same_trunk};
use crate::observation::ActorClass;
use crate::side::Side;
use crate::spec::Strategy;

impl Case<'_> {
    /// R13, R14: two records meet for the first time.
    pub(super) fn meeting_fields(&mut self) {
        self.close_matching_conflicts();
        self.stay("R14", "matched: some fields differ");
        self.each_field();
        let equal = |told: &Told| matches!(told, Told::Nothing) || told.is("G1");
        let calm = self.outcomes.iter().all(equal);
        if calm {
            self.stay("R13", "matched: everything is equal");
        }
    }

    pub(super) fn first(&mut self, field: &Bound<'_>) {
        let parties = match self.first_parties(field) {
            Ok(parties) => parties,
            Err((side, failure)) => {
                self.unmapped(field, Way::From(side), &failure);
                return;
            }
        };
        let [left, right] = parties.as_slice() else { return };
        if same_trunk(field, &left.value, &right.value) {
            self.fold(field, &parties, &left.value, Origin::Both, None, ActorClass::Unknown);
            return self.say(field, "G1", "both hold the same", "agreed");
        }
        if field.fill_nulls && (left.value.is_null() || right.value.is_null()) {
            return self.fill_empty(field, &parties);
        }
        let settled = self.first_winner(field, &parties);
        self.conclude(field, &parties, settled, ConflictKind::FirstLinkDiffers);
    }

    fn first_parties(&self, field: &Bound<'_>) -> Result<Vec<Party>, (Side, MapFailure)> {
        let mut parties = Vec::new();
        for side in Side::BOTH {
            parties.extend(self.party(field, side).map_err(|failure| (side, failure))?);
        }
        Ok(parties)
    }

    /// G2, G3: the empty side is filled, unless that is against the direction.
    fn fill_empty(&mut self, field: &Bound<'_>, parties: &[Party]) {
        let Some(filled) = parties.iter().find(|party| !party.value.is_null()) else { return };
        let Who::Side(side) = filled.who else { return };
        let row = match side {
            Side::Left => "G3",
            Side::Right => "G2",
        };
        if field.direction.owner() == Some(side.other()) {
            let Some(empty) = parties.iter().find(|party| party.value.is_null()) else { return };
            let null = empty.value.clone();
            let by = ActorClass::Unknown;
            self.fold(field, parties, &null, origin(side.other()), None, by);
            self.tolerate(field, side);
            return self.say(field, row, "one way: the owner is empty", "the other keeps its own");
        }
        let value = filled.value.clone();
        self.fold(field, parties, &value, origin(side), Some(filled.changed), filled.by);
        self.say(field, row, "fill_nulls", &format!("trunk := {side}"));
    }

    fn first_winner(&self, field: &Bound<'_>, parties: &[Party]) -> Settled {
        let collision = Collision { parties, trunk: None };
        if let Some(owner) = field.direction.owner() {
            return settle(&Strategy::SourceOfTruth(owner), &collision);
        }
        let initial = self.spec.policy.initial;
        let winner =
            initial.and_then(|side| parties.iter().find(|party| party.who == Who::Side(side)));
        match winner {
            Some(winner) => Settled::won(winner, "G9", "initial side of the flow"),
            None => settle(&field.strategy, &collision),
        }
    }
}
