//! Joining two half links into one (design, 2.2): the older takes the other's side.
//!
//! Not here: what the joined link then is (`decide` with [`crate::facts::Event::Due`]).

use crate::agreed::Agreed;
use crate::conflict::ConflictState;
use crate::facts::{Facts, OpenIntents};
use crate::id::Row;
use crate::intent::{Intent, IntentState};
use crate::link::{Alias, Phase};
use crate::observation::{Deletion, Presence};
use crate::side::{Both, Side};
use crate::spec::FlowSpec;
use crate::verdict::{Effect, Verdict};

/// Joins two half links: the older takes the other's side, observation and conflicts; the other
/// becomes [`Phase::Joined`] and gives up its records, claims, waits and intents. Both must be
/// locked. Returns the older's facts, to be decided with [`crate::facts::Event::Due`], and the verdict
/// of the younger, to be stored first: it frees the record. `None` if they can't be joined (any more).
///
/// Idempotence: two links that were joined are never joined again, because one of them is `Joined`.
#[must_use]
pub fn join(older: Facts, younger: Facts, spec: &FlowSpec) -> Option<(Facts, Verdict)> {
    let (older, younger) =
        if older.link.id <= younger.link.id { (older, younger) } else { (younger, older) };
    if older.link.flow != spec.name || younger.link.flow != spec.name {
        return None;
    }
    let fits = halves(&older, &younger) || merged(&older, &younger) || merged(&younger, &older);
    let free = open_to_join(&older, &younger) && open_to_join(&younger, &older);
    if !fits || !free {
        return None;
    }
    let mut joined = older.clone();
    for side in Side::BOTH {
        take_side(&mut joined, &younger, side);
    }
    if matches!(joined.agreed, Agreed::None) {
        joined.agreed = younger.agreed.clone();
    }
    joined.link.created_at = joined.link.created_at.min(younger.link.created_at);
    joined.parents.extend(younger.parents.iter().cloned());
    joined.marked.extend(younger.marked.clone());
    let verdict = give_up(younger, &mut joined);
    Some((joined, verdict))
}

/// One knows the left record, the other the right.
fn halves(a: &Facts, b: &Facts) -> bool {
    let knows =
        |facts: &Facts| (facts.link.record.left.is_some(), facts.link.record.right.is_some());
    matches!((knows(a), knows(b)), ((true, false), (false, true)) | ((false, true), (true, false)))
}

/// One's record was merged into the other's, which has no partner (S1).
fn merged(loser: &Facts, winner: &Facts) -> bool {
    Side::BOTH.into_iter().any(|side| {
        let into = loser.seen.get(side).as_ref().map(|seen| &seen.presence);
        let survivor = winner.link.record.get(side);
        match (into, survivor) {
            (Some(Presence::Deleted(Deletion::MergedInto(record))), Some(survivor)) => {
                record == survivor && winner.link.record.get(side.other()).is_none()
            }
            (_, _) => false,
        }
    })
}

/// Not settled otherwise, and no write of it under way: except one whose mark the other's record
/// already carries.
fn open_to_join(one: &Facts, other: &Facts) -> bool {
    let alive = match one.link.phase {
        Phase::Unmatched | Phase::Matching | Phase::Linking | Phase::Linked | Phase::Frozen => true,
        Phase::Tombstoned | Phase::Unlinked | Phase::Joined => false,
    };
    let calm = Side::BOTH.into_iter().all(|side| {
        let under_way =
            one.intents.get(side).write.as_ref().filter(|open| !open.state.is_replaceable());
        under_way.is_none_or(|open| carries_mark(other, open))
    });
    alive && calm
}

fn carries_mark(other: &Facts, open: &Intent) -> bool {
    other.seen.get(open.side).as_ref().is_some_and(|seen| seen.marker == Some(open.id))
}

fn take_side(joined: &mut Facts, younger: &Facts, side: Side) {
    let taken = younger.link.record.get(side).clone();
    let merged =
        joined.seen.get(side).as_ref().is_some_and(|seen| {
            matches!(seen.presence, Presence::Deleted(Deletion::MergedInto(_)))
        });
    match (joined.link.record.get(side).clone(), taken) {
        (None, Some(record)) => {
            *joined.link.record.get_mut(side) = Some(record);
            *joined.seen.get_mut(side) = younger.seen.get(side).clone();
        }
        (Some(ours), Some(record)) if merged => {
            joined.link.aliases.push(Alias { side, record: ours });
            *joined.link.record.get_mut(side) = Some(record);
            *joined.seen.get_mut(side) = younger.seen.get(side).clone();
        }
        (Some(_), Some(loser)) => joined.link.aliases.push(Alias { side, record: loser }),
        (Some(_) | None, None) => {}
    }
    let open = younger.intents.get(side).write.clone();
    let marked = open.filter(|open| carries_mark(joined, open));
    if let Some(open) = marked {
        // Its record came as the other half: the create landed, and the joined link confirms it.
        joined.marked.insert(open.id, open);
    }
}

/// The younger's end: everything it held moves or is given up.
fn give_up(younger: Facts, joined: &mut Facts) -> Verdict {
    let mut effects = Vec::new();
    for side in Side::BOTH {
        let OpenIntents { write, read } = younger.intents.get(side);
        for intent in [write, read].into_iter().flatten() {
            effects.push(superseded(intent, joined));
        }
    }
    for side in Side::BOTH {
        effects.push(Effect::Unclaim(side));
    }
    effects.push(Effect::StopWaiting);
    for conflict in &younger.conflicts {
        let mut moved = conflict.clone();
        moved.link = joined.link.id;
        moved.rev += 1;
        effects.push(Effect::Conflict(Box::new(moved.clone())));
        if moved.state != ConflictState::Closed {
            joined.conflicts.push(moved);
        }
    }
    effects.push(Effect::Join(joined.link.id));
    joined.link.aliases.extend(younger.link.aliases.iter().cloned());
    joined.link.aliases.sort();
    joined.link.aliases.dedup();
    let mut link = younger.link;
    link.phase = Phase::Joined;
    link.record = Both::default();
    link.aliases = Vec::new();
    link.memory = crate::link::Memory::default();
    link.due_at = None;
    link.rev += 1;
    Verdict {
        link,
        agreed: Agreed::None,
        seen: Both::default(),
        effects,
        row: Row::from("M1"),
        rule: format!("joined into link {}", joined.link.id),
        outcomes: Vec::new(),
        echo: false,
        changed: true,
    }
}

fn superseded(intent: &Intent, joined: &Facts) -> Effect {
    let landed = intent.op.writes() && joined.marked.contains_key(&intent.id);
    Effect::Settle {
        intent: intent.id,
        state: if landed { IntentState::Confirmed } else { IntentState::Superseded },
        failure: None,
        due_at: None,
        landed_at: None,
        attempts: None,
    }
}
