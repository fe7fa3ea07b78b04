//! A record's key changes on its own side, or a record is made under a key that another one had: the
//! link follows, and whoever held the id gives it up (the row *KeyChanged* of correctness.md).
//! Identity is what the notice says, or our own create, never what an id was.
//!
//! Not here: which links a notice is about (the pipeline's `rekey` finds and locks them).

use super::case::Case;
use crate::facts::{Event, Facts};
use crate::id::{IntentId, RecordId};
use crate::intent::{Found, Intent, IntentState, Op, Outcome, Receipt};
use crate::link::{Alias, Displaced, Link, Phase};
use crate::observation::{Deletion, Observation, Presence};
use crate::side::Side;
use crate::stamp::Stamp;
use crate::verdict::Effect;

/// How long a link whose id was taken waits for the notice of its own record: notices of one source
/// come one after the other, so only those of different readings are ever apart.
const DISPLACED_US: i64 = 300 * Stamp::SECOND;

/// Whether a key change was followed before: by the link it is about, or by the one that holds the
/// new id, which followed this one or a later one. A side that tells no order can't be told so.
#[must_use]
pub fn is_followed(about: &Link, holder: Option<&Link>, side: Side, order: Option<i64>) -> bool {
    let followed = |link: &Link| *link.memory.keyed_at.get(side) >= order;
    order.is_some() && (followed(about) || holder.is_some_and(followed))
}

/// Whether a link waits for the key change of the record that had this id.
#[must_use]
pub fn waits_for_key_change(link: &Link, side: Side, old: &RecordId) -> bool {
    let displaced = link.memory.displaced.get(side).as_ref();
    link.record.get(side).is_none() && displaced.is_some_and(|lost| lost.record == *old)
}

/// The record that an event shows to be made by a create of this link, which has none there yet. An
/// insert takes a free id: whoever held it before, that record is gone, or has another id.
#[must_use]
pub fn made<'a>(facts: &Facts, event: &'a Event) -> Option<(Side, &'a RecordId)> {
    let (side, record) = match event {
        Event::Seen { side, record, observation } => {
            let marker = observation.marker?;
            is_create_of(facts, *side, marker).then_some((*side, record))
        }
        Event::Received(receipt) => made_by_answer(facts, receipt),
        Event::KeyChanged { .. } | Event::KeyTaken { .. } | Event::Overdue(_) | Event::Due => None,
    }?;
    facts.link.record.get(side).is_none().then_some((side, record))
}

fn made_by_answer<'a>(facts: &Facts, receipt: &'a Receipt) -> Option<(Side, &'a RecordId)> {
    let open = |side: Side| facts.intents.get(side).write.as_ref();
    let side = Side::BOTH.into_iter().find(|side| {
        let asked = facts.intents.get(*side);
        [&asked.write, &asked.read].into_iter().flatten().any(|one| one.id == receipt.intent)
    })?;
    let create = open(side).filter(|create| create.op == Op::Create)?;
    let ours = |found: &Found| {
        found.observation.marker == Some(create.id) || found.observation.key == Some(facts.link.id)
    };
    let record = match &receipt.outcome {
        Outcome::Landed { record, after: _ } => Some(record),
        Outcome::Refused { failure: _, observed } => {
            observed.as_deref().filter(|found| ours(found)).map(|found| &found.record)
        }
        Outcome::Found(found) => found.iter().find(|one| ours(one)).map(|one| &one.record),
        Outcome::Read(_) | Outcome::Unknown(_) | Outcome::NotSent(_) => None,
    };
    record.map(|record| (side, record))
}

fn is_create_of(facts: &Facts, side: Side, marker: IntentId) -> bool {
    let open = facts.intents.get(side).write.as_ref().filter(|open| open.id == marker);
    open.or(facts.marked.get(&marker)).is_some_and(|one| one.side == side && one.op == Op::Create)
}

impl Case<'_> {
    /// A create landed: what is told of its record's id from before was another record's.
    pub(super) fn made_under(&mut self, create: &Intent, seen: Option<&Observation>) {
        let order = seen.and_then(|seen| seen.version.as_ref()?.order);
        if create.op == Op::Create {
            let keyed_at = self.now.link.memory.keyed_at.get_mut(create.side);
            *keyed_at = order.max(*keyed_at);
        }
    }

    /// A record's key changed on its own side: the link stays, the old id becomes an alias.
    pub(super) fn key_changed(
        &mut self,
        side: Side,
        old: &RecordId,
        new: &RecordId,
        order: Option<i64>,
    ) {
        let known = self.record(side).cloned();
        let ours = known.as_ref().is_none_or(|known| known == old);
        if known.as_ref() == Some(new) || !ours {
            return;
        }
        self.repoint(side, new.clone());
        let alias = Alias { side, record: old.clone() };
        if known.is_none() && !self.now.link.aliases.contains(&alias) {
            self.now.link.aliases.push(alias);
        }
        let keyed_at = self.now.link.memory.keyed_at.get_mut(side);
        *keyed_at = order.max(*keyed_at);
        *self.now.link.memory.displaced.get_mut(side) = None;
        if self.was_given_up(side) || self.is_seen_elsewhere(side, new) {
            self.forget_seen(side);
            self.ask(side, self.now.as_of);
        }
        self.effects.push(Effect::WakeChildren(side));
    }

    /// The notice comes after the wait for it: what the record is like must be read.
    fn was_given_up(&self, side: Side) -> bool {
        self.seen_of(side)
            .is_some_and(|seen| seen.presence == Presence::Deleted(Deletion::Unclassified))
    }

    /// The record was seen under its new id before the notice came, and has a half link of it.
    fn is_seen_elsewhere(&self, side: Side, new: &RecordId) -> bool {
        self.half_holder(side, new).is_some()
    }

    /// Another record has this link's id from now on. One that is known to be gone, or isn't this
    /// link's business any more, leaves it behind; else its own key change is waited for.
    pub(super) fn key_taken(&mut self, side: Side, record: &RecordId) {
        if self.record(side) != Some(record) {
            return;
        }
        *self.now.link.record.get_mut(side) = None;
        self.now.link.aliases.push(Alias { side, record: record.clone() });
        self.now.link.aliases.sort();
        self.now.link.aliases.dedup();
        if !self.is_over(side) {
            let lost = Displaced { record: record.clone(), since: self.now.as_of };
            *self.now.link.memory.displaced.get_mut(side) = Some(lost);
        }
    }

    fn is_over(&self, side: Side) -> bool {
        match self.now.link.phase {
            Phase::Tombstoned | Phase::Unlinked | Phase::Joined => true,
            Phase::Unmatched | Phase::Matching | Phase::Linking | Phase::Linked | Phase::Frozen => {
                self.seen_of(side).is_none() || self.deleted(side)
            }
        }
    }

    /// Whether a record of this link has lost its id: then nothing is decided. A record of which
    /// nothing was told in time is gone, nobody knows how: a person decides (S4).
    pub(super) fn waits_for_its_key(&mut self) -> bool {
        for side in Side::BOTH {
            let Some(lost) = self.now.link.memory.displaced.get(side).clone() else { continue };
            if self.record(side).is_some() {
                *self.now.link.memory.displaced.get_mut(side) = None;
                continue;
            }
            let until = lost.since.plus(DISPLACED_US);
            if self.now.as_of < until {
                self.look_again(until);
                let rule = "another record took its key: waits for its own key change";
                self.stay("S4", format!("on the {side} side, {rule}"));
                return true;
            }
            self.give_up_waiting(side);
        }
        false
    }

    fn give_up_waiting(&mut self, side: Side) {
        if let Some(open) = self.under_way(side).cloned() {
            self.settle(&open, IntentState::Superseded, None);
        }
        if let Some(seen) = self.content.seen_mut(side).as_mut().filter(|seen| is_there(seen)) {
            seen.presence = Presence::Deleted(Deletion::Unclassified);
        }
    }

    /// Whether an observation under the present id is from before the record had it.
    pub(super) fn is_before_its_key(&self, side: Side, seen: &Observation) -> bool {
        let order = seen.version.as_ref().and_then(|version| version.order);
        order.is_some() && order < *self.now.link.memory.keyed_at.get(side)
    }

    /// Nothing that was seen counts any more: the record must be read.
    pub(super) fn forget_seen(&mut self, side: Side) {
        if let Some(seen) = self.content.seen_mut(side) {
            seen.presence = Presence::Unknown;
            seen.version = None;
            seen.unread_since = None;
        }
    }
}

fn is_there(seen: &Observation) -> bool {
    !matches!(seen.presence, Presence::Deleted(_))
}
