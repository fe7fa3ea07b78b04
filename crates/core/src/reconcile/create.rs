//! Creates: what a new record carries, and the search before it.
//!
//! Not here: whether one is wanted (`matching`, `delete`, `scope`).

use super::case::{Case, Draft};
use super::parents::Way;
use crate::agreed::Agreed;
use crate::id::FieldName;
use crate::image::Image;
use crate::intent::{FindKey, Op};
use crate::link::Phase;
use crate::mapping::{Bound, MapFailure, spread};
use crate::matching::{counterpart, find_keys};
use crate::side::Side;
use crate::spec::MatchBy;
use crate::value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

impl Case<'_> {
    /// Plans the record of `side` from what the other side holds (or the pair agrees on).
    pub(super) fn create(&mut self, side: Side, row: &str, rule: &str) {
        self.now.link.phase = Phase::Linking;
        self.stay(row, rule);
        let mut draft = Draft::new(Op::Create, format!("{row} {rule}"));
        draft.values.clone_from(self.spec.constants.get(side));
        let fields = self.fields;
        let mut waits = false;
        for field in fields {
            waits |= self.create_field(field, side, &mut draft);
        }
        if waits {
            self.waiting_for_parents(&mut draft, side);
            return;
        }
        self.external_ids(side, &mut draft.values);
        *self.drafts.get_mut(side) = Some(draft);
    }

    /// Adds a field to a create; whether it waits for a parent.
    fn create_field(&mut self, field: &Bound<'_>, side: Side, draft: &mut Draft) -> bool {
        let Some(trunk) = self.content(field, side) else { return false };
        let trunk = match trunk {
            Ok(trunk) => trunk,
            Err(failure) => {
                let way = Way::From(side.other());
                return self.create_without(field, way, &failure, Value::Null, draft);
            }
        };
        match self.put(field, side, &trunk).map(Cow::into_owned) {
            Ok(value) => {
                draft.values.extend(spread(field, side, &value));
                draft.carries.insert(field.name.clone(), trunk);
                self.say(field, "R11", "a new record carries it", &format!("write {side}"));
                false
            }
            Err(failure) => self.create_without(field, Way::To(side), &failure, trunk, draft),
        }
    }

    /// Adds a reference without its parent, where it may follow (P4, P5): the new record owes it,
    /// so what it holds meanwhile is never taken for a change. Whether it waits instead.
    fn create_without(
        &mut self,
        field: &Bound<'_>,
        way: Way,
        failure: &MapFailure,
        trunk: Value,
        draft: &mut Draft,
    ) -> bool {
        let (from, to) = (way.source(), way.source().other());
        let Some(empty) = self.may_follow(field, to, failure) else {
            return self.unmapped(field, way, failure);
        };
        draft.values.extend(spread(field, to, &empty));
        if self.put(field, from, &trunk).is_ok() {
            draft.carries.insert(field.name.clone(), trunk);
        }
        self.say(field, "P5", "the parent comes later", "created empty, filled afterwards");
        false
    }

    /// What a new record of `side` is to hold: the agreed content, else what the other side holds.
    fn content(&self, field: &Bound<'_>, side: Side) -> Option<Result<Value, MapFailure>> {
        if let Some(agreed) = self.agreed(field) {
            return Some(Ok(agreed.trunk.clone()));
        }
        if field.direction.owner() == Some(side) {
            return None;
        }
        let held = self.native(field, side.other())?;
        Some(self.get(field, side.other(), &held).map(Cow::into_owned))
    }

    /// Columns that match rules fill with the other side's key.
    fn external_ids(&self, side: Side, values: &mut Image) {
        let Some(source) = self.seen_of(side.other()) else { return };
        for rule in &self.spec.matching {
            match rule.by {
                MatchBy::Equal => {}
                MatchBy::ExternalId => {
                    let key = counterpart(self.spec, rule, side.other(), &source.image);
                    for (column, value) in key.unwrap_or_default() {
                        values.entry(column).or_insert(value);
                    }
                }
            }
        }
    }

    /// Searches a side for partners, and for what an own create may have left there.
    pub(super) fn search(&mut self, side: Side, row: &str, rule: &str) {
        self.stay(row, rule);
        self.ask(side, self.now.as_of);
    }

    /// What a search of this side looks for; empty when nothing can be searched for.
    pub(super) fn search_keys(&self, side: Side) -> Vec<FindKey> {
        let Some(source) = self.seen_of(side.other()) else { return Vec::new() };
        find_keys(self.spec, side.other(), &source.image)
    }

    /// Folds what the only side at hand changed into the trunk, for a record that is made again.
    pub(super) fn fold_alone(&mut self, side: Side) {
        if !self.present(side) || matches!(self.content.agreed(), Agreed::None) {
            return;
        }
        let mut folded: BTreeMap<FieldName, (Value, Value)> = BTreeMap::new();
        for field in self.fields.iter().filter(|field| self.moved(field, side)) {
            let Some(held) = self.native(field, side) else { continue };
            if let Ok(value) = self.get(field, side, &held) {
                let value = value.into_owned();
                folded.insert(field.name.clone(), (value, held.into_owned()));
            }
        }
        for (name, (value, held)) in folded {
            if let Some(agreed) = self.pair_mut().fields.get_mut(&name) {
                agreed.trunk = value;
                *agreed.accounted.get_mut(side) = Some(held);
            }
        }
    }
}
