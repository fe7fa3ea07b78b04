//! The effects of a batch of verdicts, sorted into one list per kind of row. The order of effects
//! within a verdict is kept where it matters; nothing is written here.

use crate::stored::checked;
use duet_core::conflict::Conflict;
use duet_core::field_error::FieldError;
use duet_core::id::{ConflictId, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, IntentState};
use duet_core::link::{Link, Phase};
use duet_core::retry::Failure;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::verdict::Effect;
use duet_ports::store::{Decided, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// A stored intent's new state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settle<'a> {
    pub(crate) state: IntentState,
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) due_at: Option<Stamp>,
    pub(crate) landed_at: Option<Stamp>,
    pub(crate) attempts: Option<i32>,
}

/// A match key asked for. Ordered by key, so that claims of all processes come in one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked<'a> {
    pub(crate) flow: &'a FlowName,
    pub(crate) rule: i32,
    pub(crate) key: &'a str,
    pub(crate) link: LinkId,
    pub(crate) side: Side,
}

/// A record that is waited for, or was waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waited<'a> {
    pub(crate) flow: &'a FlowName,
    pub(crate) side: Side,
    pub(crate) record: &'a RecordId,
}

/// Everything a batch asks for, by kind.
#[derive(Debug, Default)]
pub(crate) struct Effects<'a> {
    /// Before new intents are stored: they free the slot.
    pub(crate) settles: BTreeMap<IntentId, Settle<'a>>,
    pub(crate) plans: BTreeMap<IntentId, &'a Intent>,
    /// Of intents that this very batch plans: after those are stored.
    pub(crate) late_settles: BTreeMap<IntentId, Settle<'a>>,
    pub(crate) conflicts: BTreeMap<ConflictId, &'a Conflict>,
    pub(crate) unclaims: BTreeSet<(LinkId, Side)>,
    pub(crate) claims: BTreeSet<Asked<'a>>,
    pub(crate) stops: BTreeSet<LinkId>,
    pub(crate) awaits: BTreeSet<(LinkId, Waited<'a>)>,
    /// Records that links may be waiting for.
    pub(crate) arrived: BTreeSet<Waited<'a>>,
    pub(crate) deletes: Vec<(&'a Link, Side)>,
    /// Values kept back, of the links where that changed; none: all are mended.
    pub(crate) field_errors: BTreeMap<LinkId, (&'a FlowName, &'a [FieldError])>,
}

impl<'a> Effects<'a> {
    /// Sorts the effects of a batch.
    pub(crate) fn of(decided: &'a [Decided]) -> Result<Effects<'a>, StoreError> {
        let mut effects = Effects::default();
        for one in decided {
            let link = &one.verdict.link;
            if link.phase == Phase::Joined {
                effects.leave(link);
            }
            for effect in &one.verdict.effects {
                effects.add(link, effect)?;
            }
        }
        Ok(effects)
    }

    /// A joined link holds no match key, waits for nothing and keeps nothing back: what it held is
    /// the keeper's.
    fn leave(&mut self, link: &'a Link) {
        self.field_errors.insert(link.id, (&link.flow, &[]));
        self.unclaims.extend(Side::BOTH.map(|side| (link.id, side)));
        self.stops.insert(link.id);
    }

    fn add(&mut self, link: &'a Link, effect: &'a Effect) -> Result<(), StoreError> {
        match effect {
            Effect::Plan(intent) => {
                self.plans.insert(intent.id, intent);
            }
            Effect::Settle { intent, state, failure, due_at, landed_at, attempts } => {
                let attempts = attempts.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
                let (failure, due_at, landed_at) = (failure.as_ref(), *due_at, *landed_at);
                let settle = Settle { state: *state, failure, due_at, landed_at, attempts };
                self.settle(*intent, settle);
            }
            Effect::Conflict(conflict) => {
                self.conflicts.insert(conflict.id, conflict);
            }
            Effect::Claim { rule, key, side } => self.claim(link, *rule, key, *side)?,
            Effect::Unclaim(side) => self.unclaim(link, *side),
            Effect::Await { flow, side, record } => {
                checked("parent's record id", record.as_str())?;
                self.awaits.insert((link.id, Waited { flow, side: *side, record }));
            }
            Effect::StopWaiting => self.stop_waiting(link),
            Effect::WakeChildren(side) => self.wake_children(link, *side),
            Effect::CountDelete(side) => self.deletes.push((link, *side)),
            Effect::FieldErrors(errors) => {
                self.field_errors.insert(link.id, (&link.flow, errors));
            }
            // The pipeline joins in a transaction of its own, and tells.
            Effect::Join(_) | Effect::Alert(_) => {}
        }
        Ok(())
    }

    fn settle(&mut self, intent: IntentId, settle: Settle<'a>) {
        match self.plans.contains_key(&intent) {
            true => self.late_settles.insert(intent, settle),
            false => self.settles.insert(intent, settle),
        };
    }

    fn claim(
        &mut self,
        link: &'a Link,
        rule: usize,
        key: &'a str,
        side: Side,
    ) -> Result<(), StoreError> {
        let key = checked("match key", key)?;
        self.claims.insert(Asked {
            flow: &link.flow,
            rule: rule_number(rule)?,
            key,
            link: link.id,
            side,
        });
        Ok(())
    }

    fn unclaim(&mut self, link: &Link, side: Side) {
        self.unclaims.insert((link.id, side));
        self.claims.retain(|asked| asked.link != link.id || asked.side != side);
    }

    fn stop_waiting(&mut self, link: &Link) {
        self.stops.insert(link.id);
        self.awaits.retain(|(waiting, _)| *waiting != link.id);
    }

    /// Children may know their parent by a former id.
    fn wake_children(&mut self, link: &'a Link, side: Side) {
        let former = link.aliases.iter().filter(|alias| alias.side == side);
        let records = link.record.get(side).iter().chain(former.map(|alias| &alias.record));
        self.arrived.extend(records.map(|record| Waited { flow: &link.flow, side, record }));
    }
}

/// A match rule's position as stored.
pub(crate) fn rule_number(rule: usize) -> Result<i32, StoreError> {
    i32::try_from(rule).map_err(|_| crate::stored::corrupt("claim", "no such match rule"))
}
