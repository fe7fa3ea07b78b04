//! Events about records: seen on a side; late calls recognised by their marker.
//!
//! Not here: answers of our own calls (`receive`), key changes (`rekey`).

use super::case::Case;
use super::joining::{Joined, join};
use crate::id::{IntentId, RecordId};
use crate::intent::{Intent, IntentState, Op};
use crate::link::Alias;
use crate::observation::{Observation, Presence};
use crate::side::Side;
use crate::verdict::Effect;

impl Case<'_> {
    pub(super) fn seen(&mut self, side: Side, record: &RecordId, seen: &Observation) {
        if let Some(marker) = seen.marker {
            self.late_call(side, marker, record);
        }
        if !self.routed(side, record, seen) || self.is_before_its_key(side, seen) {
            return;
        }
        self.join_seen(side, seen);
        self.confirm_by_marker(side);
    }

    /// Whether an observation under this id is about this link's record.
    fn routed(&mut self, side: Side, record: &RecordId, seen: &Observation) -> bool {
        let alias = Alias { side, record: record.clone() };
        match self.record(side) {
            Some(known) if known == record => true,
            None if self.now.link.aliases.contains(&alias) => {
                self.seen_under_another_id(side, record, seen);
                false
            }
            Some(_) => {
                self.seen_under_another_id(side, record, seen);
                false
            }
            None => {
                *self.now.link.record.get_mut(side) = Some(record.clone());
                true
            }
        }
    }

    /// A former id, seen again: gone is what it should be; present again it isn't ours any more and
    /// gets a link of its own when next seen (S3).
    fn seen_under_another_id(&mut self, side: Side, record: &RecordId, seen: &Observation) {
        let alias = Alias { side, record: record.clone() };
        let known = self.now.link.aliases.contains(&alias);
        if known && seen.presence == Presence::Present {
            self.now.link.aliases.retain(|one| *one != alias);
            self.effects.push(Effect::Alert(format!(
                "S3: the {side} record {record} is back after a merge; \
                 it is a record of its own now"
            )));
        } else if !known {
            self.effects.push(Effect::Alert(format!(
                "a {side} record {record} was seen that belongs to this link by its marker only"
            )));
        }
    }

    /// Joins an observation; one read before our own last write asks for another read.
    pub(super) fn join_seen(&mut self, side: Side, seen: &Observation) {
        let grain = self.spec.ends.get(side).promise.grain_us;
        let old = self.content.seen(side);
        let known = old.and_then(|old| old.marker);
        let unread = old.is_some_and(|old| old.unread_since.is_some());
        match join(old, seen, grain) {
            Joined::TooEarly => self.ask(side, self.now.as_of),
            Joined::Into(joined) => {
                let ours = seen.marker.is_some() && seen.marker != known;
                if ours || unread {
                    *self.readback.get_mut(side) = true;
                }
                self.content.see(side, Some(*joined));
            }
        }
    }

    /// A call that was closed as not landed, or as overtaken, and did land: once, the side's
    /// accounted values take what it wrote; then the observation is compared (design, section 6).
    fn late_call(&mut self, side: Side, marker: IntentId, record: &RecordId) {
        let Some(late) = self.now.marked.get(&marker).filter(|one| landed_late(one, side)) else {
            return;
        };
        let mut late = late.clone();
        late.landed_at = Some(self.now.as_of);
        self.effects.push(Effect::Settle {
            intent: late.id,
            state: late.state,
            failure: late.failure.clone(),
            due_at: None,
            landed_at: late.landed_at,
            attempts: None,
        });
        self.now.marked.insert(marker, late.clone());
        if late.op == Op::Create && self.record(side).is_none() {
            *self.now.link.record.get_mut(side) = Some(record.clone());
        }
        self.account_written(&late);
        *self.readback.get_mut(side) = true;
    }

    /// Gives the link another record on a side; the former id becomes an alias.
    pub(super) fn repoint(&mut self, side: Side, to: RecordId) {
        let former = self.now.link.record.get_mut(side).replace(to.clone());
        if let Some(former) = former.filter(|former| *former != to) {
            self.now.link.aliases.push(Alias { side, record: former });
            self.now.link.aliases.sort();
            self.now.link.aliases.dedup();
        }
        self.now.link.aliases.retain(|alias| alias.side != side || alias.record != to);
    }
}

fn landed_late(intent: &Intent, side: Side) -> bool {
    intent.side == side
        && intent.op.writes()
        && intent.landed_at.is_none()
        && matches!(intent.state, IntentState::NotLanded | IntentState::Superseded)
}
