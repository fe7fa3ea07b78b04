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
    let mut decided = Vec::with_capacity(links.len());
    for (older, younger) in pairs {
        if let (Some(first), Some(second)) = (facts.remove(older), facts.remove(younger)) {
            let both = Box::pin(joined(context, unit.as_mut(), first, second)).await?;
            decided.extend(both.into_iter().flatten());
        }
    }
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
    let both = Box::pin(joined(context, unit.as_mut(), first, second)).await?;
    let Some(decided) = both else {
        return Ok(Aftermath::default());
    };
    let mut aftermath = follow(&decided, now);
    aftermath.wake = unit.save(&decided, now).await?;
    unit.commit().await?;
    Ok(aftermath)
}

/// The verdicts of both links, the younger's first: it gives up the record that the older takes.
async fn joined(
    context: &Context,
    unit: &mut dyn Unit,
    older: Facts,
    younger: Facts,
) -> Result<Option<Vec<Decided>>, StoreError> {
    let Some(spec) = context.flow(&older.link.flow).map(Arc::clone) else { return Ok(None) };
    let revs = (older.link.rev, younger.link.rev);
    let Some((facts, gone)) = reconcile::join(older, younger, &spec) else { return Ok(None) };
    let mut cases =
        [Case { facts, events: vec![Event::Due], causes: BTreeSet::from(["join"]), spec }];
    fill(unit, &mut cases).await?;
    let [Case { facts, events, spec, .. }] = cases;
    let mut verdict = reconcile::decide(facts, &events, &spec);
    verdict.changed = true;
    verdict.echo = false;
    verdict.link.rev = verdict.link.rev.max(revs.0 + 1);
    let decided = |from_rev, verdict| Decided {
        from_rev,
        verdict,
        cause: "join".into(),
        policy: spec.version.clone(),
    };
    Ok(Some(vec![decided(revs.1, gone), decided(revs.0, verdict)]))
}
