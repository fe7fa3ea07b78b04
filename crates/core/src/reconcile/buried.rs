//! A person's decision about records that are gone on both sides by now: our own deletion destroyed
//! values that nobody had decided about (class K1), so the question outlives the records.
//!
//! Not here: records that come back by themselves (`scope`).

use super::case::{Case, Draft};
use crate::agreed::Agreed;
use crate::conflict::{Choice, CloseReason, ConflictState, Scope};
use crate::id::{ConflictId, FieldName};
use crate::image::Image;
use crate::intent::Op;
use crate::link::{Alias, Phase};
use crate::mapping::spread;
use crate::side::Side;
use crate::spec::MatchBy;
use crate::value::Value;
use std::collections::BTreeMap;

impl Case<'_> {
    /// Nothing is there any more (R52), unless a person wants a record back.
    pub(super) fn decided_after_all(&mut self) -> bool {
        let Some((id, fresh)) = self.decision_about_the_record() else {
            return self.still("R52", "gone on both sides; older news is ignored");
        };
        if fresh && !self.is_current(id) {
            self.refuse_resolution(id, "H5");
            return false;
        }
        let decided = self.now.conflicts.iter().find(|one| one.id == id);
        let choice = decided.and_then(|one| Some(one.resolution.clone()?.choice));
        match choice {
            Some(Choice::TakeLeft) => self.keep_what_it_says(Side::Left, id),
            Some(Choice::TakeRight) => self.keep_what_it_says(Side::Right, id),
            Some(Choice::LeaveAlone) => {
                self.close_conflict(id, CloseReason::Tolerated);
                self.still("H4", "left as it is, as a person decided")
            }
            Some(
                Choice::TakeAgreed | Choice::TakeValue(_) | Choice::LinkWith(_) | Choice::CreateNew,
            )
            | None => {
                self.refuse_resolution(id, "H5");
                false
            }
        }
    }

    /// The conflict that a person decided, and whether the decision is still to be applied.
    fn decision_about_the_record(&self) -> Option<(ConflictId, bool)> {
        let decided = self
            .holding()
            .find(|one| one.scope == Scope::Record && one.state == ConflictState::Decided)
            .map(|one| (one.id, true));
        decided.or_else(|| Some((self.applied_by_person(&Scope::Record)?, false)))
    }

    /// Keeps the deletion, or the record that was still there when the question arose.
    fn keep_what_it_says(&mut self, side: Side, id: ConflictId) -> bool {
        self.apply_resolution(id);
        let decided = self.now.conflicts.iter().find(|one| one.id == id);
        let held = decided.map(|one| one.sides.get(side)).filter(|part| part.present);
        let Some(held) = held.cloned() else {
            self.close_conflict(id, CloseReason::Converged);
            return self.still("H4", "a person decided: it stays deleted");
        };
        if self.may_undelete(side) {
            self.draft(side, Op::Undelete, "H4");
        } else {
            let draft = self.made_again_from(side, &held.native);
            *self.drafts.get_mut(side) = Some(draft);
            self.forget_the_former(side);
        }
        self.now.link.phase = Phase::Linking;
        self.still("H4", "a person decided: the record is made again, then the other one (R50)")
    }

    /// The record as it was last seen. It carries nothing: what is agreed begins when it is there.
    fn made_again_from(&self, side: Side, held: &BTreeMap<FieldName, Value>) -> Draft {
        let mut values: Image = self.spec.constants.get(side).clone();
        for field in self.fields {
            if let Some(value) = held.get(&field.name) {
                values.extend(spread(field, side, value));
            }
        }
        values.extend(self.equal_keys(side));
        let columns = &self.spec.ends.get(side).columns;
        values.retain(|column, _| columns.get(column).is_none_or(|known| known.createable));
        let mut draft = Draft::new(Op::Create, "H4 made again, as a person decided");
        draft.values = values;
        draft
    }

    /// Its match keys, which needn't be mapped; not those that hold the other record's key.
    fn equal_keys(&self, side: Side) -> Image {
        let rules = self.spec.matching.iter().filter(|rule| match rule.by {
            MatchBy::Equal => true,
            MatchBy::ExternalId => false,
        });
        let columns = rules.flat_map(|rule| rule.columns.get(side));
        let seen = self.seen_of(side).map(|seen| &seen.image);
        columns.filter_map(|one| Some((one.clone(), seen?.get(one)?.clone()))).collect()
    }

    /// The new record is another one: its versions don't compare with those of the deletion.
    fn forget_the_former(&mut self, side: Side) {
        if let Some(former) = self.now.link.record.get_mut(side).take() {
            self.now.link.aliases.push(Alias { side, record: former });
        }
        if let Agreed::Tomb(tomb) = self.content.agreed_mut() {
            *tomb.version.get_mut(side) = None;
        }
        if let Some(seen) = self.content.seen_mut(side) {
            (seen.version, seen.marker, seen.key) = (None, None, None);
        }
    }
}
