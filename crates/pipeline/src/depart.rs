//! Departures: what a batch plans, and what this process can call soon, is committed as *sent* and
//! handed to a worker in memory (design, 2.4.2). What finds no slot stays planned.
//!
//! Idempotence: a call that was committed as *sent* and never left is found by its deadline, as one
//! whose answer was lost.

use crate::context::Context;
use crate::slots::{Departure, Slot};
use duet_core::id::{ConnectionName, FlowName, IntentId};
use duet_core::intent::{Intent, IntentState, Op, WritePath};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::verdict::{Effect, Verdict};
use duet_ports::store::{Claimed, Decided, StoreError, Unit};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What one call may carry together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    connection: ConnectionName,
    flow: FlowName,
    side: Side,
    op: Op,
    path: WritePath,
}

/// A call that leaves once its transaction is committed. Dropped, its slot is given back.
pub(crate) struct Departing {
    kind: Kind,
    intents: Vec<IntentId>,
    slot: Slot,
}

/// Brings planned intents that are due to *sent*, as far as there are slots; they are to be stored so.
pub(crate) async fn reserve(
    context: &Context,
    unit: &mut dyn Unit,
    decided: &mut [Decided],
    now: Stamp,
) -> Result<Vec<Departing>, StoreError> {
    let mut planned = planned(context, decided, now);
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    let connections: BTreeSet<ConnectionName> =
        planned.keys().map(|kind| kind.connection.clone()).collect();
    let resting = unit.resting(&connections.into_iter().collect::<Vec<_>>(), now).await?;
    planned.retain(|kind, _| !resting.contains(&kind.connection));
    Ok(planned.into_iter().flat_map(|(kind, intents)| fill(context, &kind, intents, now)).collect())
}

/// Planned intents by what can be called together. A connection that rests or has no room is
/// left out.
fn planned<'a>(
    context: &Context,
    decided: &'a mut [Decided],
    now: Stamp,
) -> BTreeMap<Kind, Vec<&'a mut Intent>> {
    let mut by_kind: BTreeMap<Kind, Vec<&mut Intent>> = BTreeMap::new();
    for one in decided {
        let settled = settled(&one.verdict);
        for effect in &mut one.verdict.effects {
            let Effect::Plan(intent) = effect else { continue };
            if is_due(intent, now) && !settled.contains(&intent.id) {
                by_kind.entry(Kind::of(intent)).or_default().push(intent);
            }
        }
    }
    by_kind.retain(|kind, _| {
        let is_open =
            context.connections.get(&kind.connection).is_some_and(|one| one.slots.has_room());
        is_open && context.pauses.until(&kind.connection, now).is_none()
    });
    by_kind
}

fn settled(verdict: &Verdict) -> BTreeSet<IntentId> {
    let of = |effect: &Effect| match effect {
        Effect::Settle { intent, .. } => Some(*intent),
        _ => None,
    };
    verdict.effects.iter().filter_map(of).collect()
}

fn is_due(intent: &Intent, now: Stamp) -> bool {
    intent.state == IntentState::Planned && intent.due_at.is_none_or(|due| due <= now)
}

/// As many calls of these as there are slots, each as large as the side takes it.
fn fill(
    context: &Context,
    kind: &Kind,
    mut intents: Vec<&mut Intent>,
    now: Stamp,
) -> Vec<Departing> {
    let Some(connection) = context.connections.get(&kind.connection) else { return Vec::new() };
    let limits = connection.connector.limits();
    let most = if kind.op.writes() { limits.batch } else { limits.read };
    let deadline = context.deadline(connection, now);
    let mut departing = Vec::new();
    for chunk in intents.chunks_mut(most.max(1)) {
        // What isn't full waits for company in the store, among that of other batches.
        if kind.op.writes() && chunk.len() < most && !limits.patience.is_zero() {
            break;
        }
        let Some(slot) = connection.slots.promise() else { break };
        chunk.iter_mut().for_each(|intent| send(intent, now, deadline));
        let intents = chunk.iter().map(|intent| intent.id).collect();
        departing.push(Departing { kind: kind.clone(), intents, slot });
    }
    departing
}

/// As [`duet_ports::store::Store::claim`] does it to stored ones.
fn send(intent: &mut Intent, now: Stamp, deadline: Stamp) {
    intent.state = IntentState::Sent;
    intent.sent_at = Some(now);
    intent.deadline = Some(deadline);
    intent.due_at = Some(deadline);
    intent.attempts = intent.attempts.saturating_add(1);
}

/// Hands calls over whose transaction was committed.
pub(crate) fn leave(context: &Context, departing: Vec<Departing>, effects: Vec<Effect>) {
    if departing.is_empty() {
        return;
    }
    let mut sent: HashMap<IntentId, Intent> = effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Plan(intent) => Some((intent.id, *intent)),
            _ => None,
        })
        .collect();
    for Departing { kind, intents, slot } in departing {
        let Some(connection) = context.connections.get(&kind.connection) else { continue };
        let intents = intents.iter().filter_map(|intent| sent.remove(intent)).collect();
        let Kind { flow, side, op, path, .. } = kind;
        let claimed = Claimed { flow, side, op, path, intents };
        connection.slots.leave(Departure { claimed, slots: vec![slot] });
    }
}

impl Kind {
    fn of(intent: &Intent) -> Kind {
        Kind {
            connection: intent.connection.clone(),
            flow: intent.flow.clone(),
            side: intent.side,
            op: intent.op,
            path: intent.path,
        }
    }
}
