//! Columns that hold the other side's key: filled when two records are linked (match rules by
//! external id). The link stays the identity; a key edited later is left alone (M9).
//!
//! Not here: creates, which carry the key from the start (`create`).

use super::case::Case;
use crate::matching::counterpart;
use crate::side::Side;
use crate::spec::{MatchBy, MatchRule};
use crate::value::Value;

impl Case<'_> {
    /// Fills an empty external-id column of a linked record.
    pub(super) fn fill_external_ids(&mut self) {
        let spec = self.spec;
        for rule in &spec.matching {
            for side in Side::BOTH {
                if self.holds_other_key(rule, side) {
                    self.fill_from(rule, side);
                }
            }
        }
    }

    /// Whether this side's columns of the rule are there to hold the other side's key.
    fn holds_other_key(&self, rule: &MatchRule, side: Side) -> bool {
        let external = match rule.by {
            MatchBy::ExternalId => true,
            MatchBy::Equal => false,
        };
        let own = rule.columns.get(side) == &self.spec.ends.get(side).key;
        let mapped = self.fields.iter().any(|field| {
            rule.columns.get(side).iter().any(|column| field.columns.get(side).contains(column))
        });
        external && !own && !mapped && self.present(Side::Left) && self.present(Side::Right)
    }

    fn fill_from(&mut self, rule: &MatchRule, side: Side) {
        let (Some(seen), Some(source)) = (self.seen_of(side), self.seen_of(side.other())) else {
            return;
        };
        let empty = rule
            .columns
            .get(side)
            .iter()
            .all(|column| seen.image.get(column) == Some(&Value::Null));
        let key = counterpart(self.spec, rule, side.other(), &source.image);
        if let Some(key) = key.filter(|_| empty) {
            self.fill.get_mut(side).extend(key);
        }
    }
}
