//! Joins two half links of one record pair (design, 2.2): both locked in order, in a transaction
//! of their own.
//!
//! Idempotence: a link that was joined is left out by the lock, and the step does nothing.

use crate::batch::Aftermath;
use crate::context::Context;
use crate::decide::follow;
use crate::fill::{Case, fill};
use duet_core::facts::{Event, Facts};
use duet_core::id::LinkId;
use duet_core::reconcile;
use duet_core::spec::FlowSpec;
use duet_core::verdict::Verdict;
use duet_ports::store::{Decided, StoreError, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Tries before a join is left to the sweep: both links keep their `due_at`.
const TRIES: u32 = 3;

/// Joins two links, the older (smaller) id first. Nothing happens if they can't be joined any more.
///
/// # Errors
/// When the store can't be reached; the links are due and will be looked at again.
pub async fn step(
    context: &Context,
    older: LinkId,
    younger: LinkId,
) -> Result<Aftermath, StoreError> {
    let mut tried = 0;
    loop {
        tried += 1;
        match attempt(context, older, younger).await {
            Err(StoreError::Busy { .. } | StoreError::StaleLink { .. }) if tried < TRIES => {}
            Err(error @ (StoreError::Unreachable { .. } | StoreError::NotMigrated { .. })) => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(link.id = %older, other = %younger, %error, "join put off");
                return Ok(Aftermath::default());
            }
            done => return done,
        }
    }
}

/// Joins many pairs (adoption): one transaction for all of them, else one for each.
///
/// # Errors
/// When the store can't be reached.
pub async fn many(context: &Context, pairs: &[(LinkId, LinkId)]) -> Result<(), StoreError> {
    match Box::pin(at_once(context, pairs)).await {
        Ok(()) => Ok(()),
        Err(error @ (StoreError::Unreachable { .. } | StoreError::NotMigrated { .. })) => {
            Err(error)
        }
        Err(_) => {
            for (older, younger) in pairs {
                step(context, *older, *younger).await?;
            }
            Ok(())
        }
    }
}

async fn at_once(context: &Context, pairs: &[(LinkId, LinkId)]) -> Result<(), StoreError> {
    let now = context.clock.now();
    let mut unit = context.store.begin().await?;
    let links: BTreeSet<LinkId> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let links: Vec<LinkId> = links.into_iter().collect();
    let locked: Vec<LinkId> =
        unit.lock(&links, false).await?.into_iter().map(|(link, _)| link).collect();
    let facts = unit.load(&locked, &[], now).await?;
    let mut facts: BTreeMap<LinkId, Facts> =
        facts.into_iter().map(|facts| (facts.link.id, facts)).collect();
    let joinings = pairs
        .iter()
        .filter_map(|(older, younger)| {
            joining(context, facts.remove(older)?, facts.remove(younger)?)
        })
        .collect();
    let decided = joined(unit.as_mut(), joinings).await?;
    unit.save(&decided, now).await?;
    unit.commit().await
}

async fn attempt(
    context: &Context,
    older: LinkId,
    younger: LinkId,
) -> Result<Aftermath, StoreError> {
    let now = context.clock.now();
    let mut unit = context.store.begin().await?;
    let pair = [older, younger];
    if unit.lock(&pair, false).await?.len() < pair.len() {
        return Ok(Aftermath::default());
    }
    let mut facts = unit.load(&pair, &[], now).await?;
    facts.sort_by_key(|facts| facts.link.id);
    let mut facts = facts.into_iter();
    let (Some(first), Some(second)) = (facts.next(), facts.next()) else {
        return Ok(Aftermath::default());
    };
    let Some(joining) = joining(context, first, second) else {
        return Ok(Aftermath::default());
    };
    let decided = joined(unit.as_mut(), vec![joining]).await?;
    let mut aftermath = follow(&decided, now);
    aftermath.wake = unit.save(&decided, now).await?;
    unit.commit().await?;
    Ok(aftermath)
}

/// Two links that can be joined.
struct Joining {
    /// The older one, with what it takes over.
    case: Case,
    older_rev: i64,
    /// What becomes of the younger one: it gives up the record that the older takes.
    gone: Decided,
}

/// `None`: they can't be joined any more.
fn joining(context: &Context, older: Facts, younger: Facts) -> Option<Joining> {
    let spec = context.flow(&older.link.flow).map(Arc::clone)?;
    let (older_rev, younger_rev) = (older.link.rev, younger.link.rev);
    let (facts, gone) = reconcile::join(older, younger, &spec)?;
    let gone = decided(younger_rev, gone, &spec);
    let case = Case { facts, events: vec![Event::Due], causes: BTreeSet::from(["join"]), spec };
    Some(Joining { case, older_rev, gone })
}

/// The verdicts of both links of each pair, the younger's first. What they need is loaded at once.
async fn joined(unit: &mut dyn Unit, joinings: Vec<Joining>) -> Result<Vec<Decided>, StoreError> {
    let (mut cases, mut others) = (Vec::new(), Vec::new());
    for Joining { case, older_rev, gone } in joinings {
        cases.push(case);
        others.push((older_rev, gone));
    }
    fill(unit, &mut cases).await?;
    let mut both = Vec::with_capacity(2 * cases.len());
    for (Case { facts, events, spec, .. }, (rev, gone)) in cases.into_iter().zip(others) {
        let mut verdict = reconcile::decide(facts, &events, &spec);
        verdict.changed = true;
        verdict.echo = false;
        verdict.link.rev = verdict.link.rev.max(rev + 1);
        both.extend([gone, decided(rev, verdict, &spec)]);
    }
    Ok(both)
}

fn decided(from_rev: i64, verdict: Verdict, spec: &FlowSpec) -> Decided {
    Decided { from_rev, verdict, cause: "join".into(), policy: spec.version.clone() }
}
