//! What a confirmed write means for the agreed state and for what we know of the side.
//!
//! Not here: how it was found out that the write landed (`receive`, `recover`).

use super::case::Case;
use crate::agreed::{AgreedField, Origin};
use crate::id::RecordId;
use crate::intent::{Intent, IntentState, Op};
use crate::mapping::{self, Bound};
use crate::observation::{ActorClass, Deletion, Observation, Presence, Source};
use crate::side::{Both, Side};
use crate::stamp::Stamp;
use crate::value::Value;
use std::borrow::Cow;

impl Case<'_> {
    /// The write landed: its values are accounted for on that side.
    pub(super) fn confirm(&mut self, intent: &Intent, record: Option<&RecordId>) {
        self.settle(intent, IntentState::Confirmed, None);
        self.now.link.memory.stale = 0;
        self.now.link.memory.not_before = Both::default();
        if intent.op == Op::Create {
            self.confirm_create(intent, record);
        }
        self.account_written(intent);
    }

    fn confirm_create(&mut self, intent: &Intent, record: Option<&RecordId>) {
        if let Some(record) = record {
            self.repoint(intent.side, record.clone());
        }
        self.became_linked();
    }

    /// The side's accounted values take what this intent wrote (of a create: both sides').
    pub(super) fn account_written(&mut self, intent: &Intent) {
        let fields = self.fields;
        for field in fields {
            let Some(trunk) = intent.carries.get(&field.name) else { continue };
            let Some(written) = mapping::native(field, intent.side, &intent.values) else {
                continue;
            };
            if self.agreed(field).is_none() {
                let begun = self.begun(field, intent.side, trunk);
                self.pair_mut().fields.insert(field.name.clone(), begun);
            }
            if let Some(agreed) = self.agreed_mut(field) {
                *agreed.accounted.get_mut(intent.side) = Some(written);
            }
        }
    }

    /// The agreed field that a landed create begins: content of the other side.
    fn begun(&self, field: &Bound<'_>, created: Side, trunk: &Value) -> AgreedField {
        let source = created.other();
        let held = self.native(field, source).filter(|held| {
            self.get(field, source, held)
                .is_ok_and(|value| mapping::same_trunk(field, &value, trunk))
        });
        let held = held.or_else(|| self.put(field, source, trunk).ok());
        let accounted = held.map(Cow::into_owned);
        let mut both = Both::default();
        *both.get_mut(source) = accounted;
        AgreedField {
            trunk: trunk.clone(),
            at: self.now.as_of,
            origin: origin(source),
            accounted: both,
            tolerated: Both::default(),
            hops: 0,
            changed: None,
            by: ActorClass::Unknown,
            moved: Both::default(),
        }
    }

    /// What we know of the side after our own write: what the answer told, else what we wrote, with
    /// a version that is ours and unread since the answer (design, section 6).
    pub(super) fn after_write(&mut self, intent: &Intent, at: Stamp, told: Option<&Observation>) {
        let side = intent.side;
        *self.readback.get_mut(side) = true;
        if let Some(told) = told.filter(|told| told.version.is_some()) {
            self.join_seen(side, told);
            return;
        }
        let mut known = self.seen_of(side).cloned().unwrap_or_default();
        known.presence = self.presence_after(intent, &known);
        known.image.extend(intent.values.clone());
        if let Some(told) = told {
            known.presence = told.presence.clone();
            known.image.extend(told.image.clone());
        }
        known.source = Source::WriteAnswer;
        known.uncertain = false;
        if known.presence == Presence::Present {
            known.version = None;
            known.marker = Some(intent.id);
            known.unread_since = Some(at);
        }
        self.content.see(side, Some(known));
    }

    fn presence_after(&self, intent: &Intent, known: &Observation) -> Presence {
        let end = self.spec.ends.get(intent.side);
        match intent.op {
            Op::Delete if end.promise.undelete => Presence::Deleted(Deletion::Soft),
            Op::Delete => Presence::Deleted(Deletion::Hard),
            Op::Update => match &end.soft {
                Some((column, gone)) if intent.values.get(column) == Some(gone) => {
                    Presence::Deleted(Deletion::Soft)
                }
                Some(_) | None => Presence::Present,
            },
            Op::Create | Op::Undelete => Presence::Present,
            Op::Read | Op::Find => known.presence.clone(),
        }
    }
}

/// Content that came from one side.
pub(super) fn origin(side: Side) -> Origin {
    match side {
        Side::Left => Origin::Left,
        Side::Right => Origin::Right,
    }
}
