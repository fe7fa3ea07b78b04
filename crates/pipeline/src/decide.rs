//! The deciding transaction (design, 2.1): lock links in order, load facts, join what happened,
//! decide, store, commit. Every stage decides through here.
//!
//! Idempotence: everything that happened commutes with itself (observations join by version,
//! receipts of settled intents change nothing), so a batch that is decided twice leaves the state
//! of one that was decided once.

use crate::batch::{Aftermath, Batch, Job, Target};
use crate::context::Context;
use crate::fill::{Case, fill};
use crate::poison::carries;
use crate::rekey::{self, Routed};
use crate::unanswered;
use duet_core::facts::Facts;
use duet_core::id::{IntentId, LinkId};
use duet_core::intent::IntentState;
use duet_core::reconcile;
use duet_core::stamp::Stamp;
use duet_core::verdict::{Effect, Verdict};
use duet_ports::store::{Address, Attempt, DeadLetter, Decided, StoreError, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Tries of a batch as a whole before it is halved.
const TRIES: u32 = 3;
/// How far a link of a flow that is no longer configured is moved out of the sweep's way.
pub(crate) const UNCONFIGURED_US: i64 = 3_600 * Stamp::SECOND;

/// Decides a batch and commits it: whole if it can be, else in halves down to the one job that
/// can't be decided, which becomes a dead letter. Joins that follow are done, links and
/// connections that follow are woken.
///
/// # Errors
/// When the store can't be reached, or others hold the last link of it: nothing of what failed is
/// settled, the batch is to be repeated.
pub async fn step(context: &Context, batch: Batch) -> Result<Aftermath, StoreError> {
    let mut aftermath = commit(context, batch).await?;
    let mut joins = std::mem::take(&mut aftermath.joins);
    while let Some((older, younger)) = joins.pop_first() {
        let mut more = crate::join::step(context, older, younger).await?;
        joins.append(&mut more.joins);
        aftermath.add(more);
    }
    context.tally.note(&aftermath);
    context.ring(&aftermath.connections).await;
    context.wake_links(&aftermath.wake).await;
    Ok(aftermath)
}

async fn commit(context: &Context, batch: Batch) -> Result<Aftermath, StoreError> {
    let mut aftermath = Aftermath::default();
    let mut rest = batch.apart();
    rest.reverse();
    while let Some(batch) = rest.pop() {
        match tries(context, &batch).await {
            Ok(done) => aftermath.add(done),
            Err(error @ StoreError::Unreachable { .. }) => return Err(error),
            Err(error @ StoreError::NotMigrated { .. }) => return Err(error),
            Err(_) if batch.jobs.len() > 1 => {
                let (first, later) = batch.halved();
                rest.push(later);
                rest.push(first);
            }
            // Not the change's fault: it comes again, and counts as poison if it never can be.
            Err(error @ (StoreError::Busy { .. } | StoreError::StaleLink { .. })) => {
                return Err(error);
            }
            Err(error) => rest.extend(without_jobs(batch, &error)?),
        }
    }
    Ok(aftermath)
}

/// What is left of a batch whose only job can't be decided: a dead letter, and what it settles.
fn without_jobs(batch: Batch, error: &StoreError) -> Result<Option<Batch>, StoreError> {
    let Batch { jobs, numbers, mut dead, attempts } = batch;
    if jobs.is_empty() {
        // Not even the dead letters can be stored: leave the message to the broker.
        return Err(StoreError::Corrupt {
            what: "a batch without jobs".into(),
            reason: format!("{error}"),
        });
    }
    for job in &jobs {
        tracing::error!(cause = job.cause, error = %chain(error), "a change can't be decided");
        dead.extend(dead_letter(job, error));
    }
    let rest = Batch { jobs: Vec::new(), numbers, dead, attempts };
    Ok((!rest.is_empty()).then_some(rest))
}

/// A dead letter for a job that carries something that would be lost; a link that is due stays due.
fn dead_letter(job: &Job, error: &StoreError) -> Option<DeadLetter> {
    carries(&job.event).then(|| DeadLetter {
        flow: job.flow().cloned(),
        place: "reconcile".into(),
        reason: chain(error),
        body: serde_json::to_vec(&job.event).unwrap_or_default(),
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn tries(context: &Context, batch: &Batch) -> Result<Aftermath, StoreError> {
    let mut tried = 0;
    loop {
        tried += 1;
        match attempt(context, batch).await {
            Err(StoreError::Busy { .. } | StoreError::StaleLink { .. }) if tried < TRIES => {}
            done => return done,
        }
    }
}

async fn attempt(context: &Context, batch: &Batch) -> Result<Aftermath, StoreError> {
    let now = context.clock.now();
    let mut unit = context.store.begin().await?;
    let mut cases = gather(context, unit.as_mut(), &batch.jobs, now).await?;
    fill(unit.as_mut(), &mut cases).await?;
    let (decided, unanswered) = decide_all(cases)?;
    let mut aftermath = follow(&decided, now);
    aftermath.wake = unit.save(&decided, now).await?;
    aftermath.dead = batch.dead.len();
    for attempts in [&batch.attempts, &unanswered] {
        if !attempts.is_empty() {
            unit.attempts(attempts).await?;
        }
    }
    if !batch.numbers.is_empty() || !batch.dead.is_empty() {
        unit.settle(&batch.numbers, &batch.dead, now).await?;
    }
    unit.commit().await?;
    Ok(aftermath)
}

/// Routes jobs to links, locks these in order, then loads their facts with a new snapshot.
async fn gather(
    context: &Context,
    unit: &mut dyn Unit,
    jobs: &[Job],
    now: Stamp,
) -> Result<Vec<Case>, StoreError> {
    let mut routed = route(context, unit, jobs, now).await?;
    let mut links: BTreeSet<LinkId> = routed.keys().copied().collect();
    links.extend(rekey::around(unit, jobs).await?);
    let links: Vec<LinkId> = links.into_iter().collect();
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let locked: BTreeSet<LinkId> =
        unit.lock(&links, false).await?.into_iter().map(|(link, _)| link).collect();
    if let Some(moved) = routed
        .iter()
        .find(|(link, jobs)| !locked.contains(link) && jobs.iter().any(is_routed))
        .map(|(link, _)| *link)
    {
        return Err(StoreError::StaleLink { link: moved });
    }
    let locked: Vec<LinkId> = locked.into_iter().collect();
    let markers: Vec<IntentId> = routed
        .values()
        .flat_map(|jobs| {
            jobs.iter().flat_map(|job| reconcile::markers(std::slice::from_ref(&job.event)))
        })
        .collect();
    let facts = unit.load(&locked, &markers, now).await?;
    rekey::assign(&mut routed, &facts);
    cases(context, unit, facts, routed, now).await
}

fn is_routed(job: &Job) -> bool {
    matches!(job.target, Target::Record(_))
}

async fn route(
    context: &Context,
    unit: &mut dyn Unit,
    jobs: &[Job],
    now: Stamp,
) -> Result<Routed, StoreError> {
    let addresses: Vec<Address> = jobs
        .iter()
        .filter_map(|job| match &job.target {
            Target::Record(address) => Some(address.clone()),
            Target::Link(_) => None,
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let entropy = Arc::clone(&context.entropy);
    let fresh = move || LinkId(entropy.id());
    let links = if addresses.is_empty() {
        Vec::new()
    } else {
        unit.ensure(&addresses, &fresh, now).await?
    };
    let by_address: BTreeMap<&Address, LinkId> = addresses.iter().zip(links).collect();
    let mut routed = Routed::new();
    for job in jobs {
        let link = match &job.target {
            Target::Link(link) => Some(*link),
            Target::Record(address) => by_address.get(address).copied(),
        };
        if let Some(link) = link {
            routed.entry(link).or_default().push(job.clone());
        }
    }
    Ok(routed)
}

/// One case per link whose flow is configured; the others are moved out of the sweep's way, but for
/// those of a flow that is set aside: they stay due.
async fn cases(
    context: &Context,
    unit: &mut dyn Unit,
    facts: Vec<Facts>,
    mut routed: Routed,
    now: Stamp,
) -> Result<Vec<Case>, StoreError> {
    let mut cases = Vec::with_capacity(facts.len());
    let mut strangers = Vec::new();
    for facts in facts {
        let Some(spec) = context.flow(&facts.link.flow) else {
            if !context.is_set_aside(&facts.link.flow) {
                strangers.push(facts.link.id);
            }
            continue;
        };
        // A link that was only looked at beside a key change stays as it is.
        let Some(jobs) = routed.remove(&facts.link.id).filter(|jobs| !jobs.is_empty()) else {
            continue;
        };
        if let Some(job) = jobs.iter().find(|job| !points_here(job, &facts)) {
            tracing::debug!(cause = job.cause, "a record moved to another link; routed again");
            return Err(StoreError::StaleLink { link: facts.link.id });
        }
        cases.push(Case {
            causes: jobs.iter().map(|job| job.cause).collect(),
            events: jobs.into_iter().map(|job| job.event).collect(),
            spec: Arc::clone(spec),
            facts,
        });
    }
    if !strangers.is_empty() {
        unit.touch(&strangers, now.plus(UNCONFIGURED_US)).await?;
    }
    Ok(cases)
}

/// Whether a job's record still is this link's: by id or alias, or not known there yet (by marker).
fn points_here(job: &Job, facts: &Facts) -> bool {
    let Target::Record(address) = &job.target else { return true };
    let link = &facts.link;
    match link.record.get(address.side) {
        None => true,
        Some(record) if *record == address.record => true,
        Some(_) if address.marker.is_some() => true,
        Some(_) => link
            .aliases
            .iter()
            .any(|alias| alias.side == address.side && alias.record == address.record),
    }
}

/// The verdicts, and the attempts of calls that they settle without an answer.
fn decide_all(cases: Vec<Case>) -> Result<(Vec<Decided>, Vec<Attempt>), StoreError> {
    let (mut decided, mut unanswered) = (Vec::with_capacity(cases.len()), Vec::new());
    for case in cases {
        let under_way = unanswered::under_way(&case.facts, &case.events);
        let one = decide_one(case)?;
        unanswered.extend(unanswered::settled(under_way, &one.verdict));
        decided.push(one);
    }
    Ok((decided, unanswered))
}

/// Decides one case. A panic of the core is a bug; it costs one change, not the process.
fn decide_one(case: Case) -> Result<Decided, StoreError> {
    let Case { facts, events, causes, spec } = case;
    let (link, from_rev) = (facts.link.id, facts.link.rev);
    let verdict = catch_unwind(AssertUnwindSafe(|| reconcile::decide(facts, &events, &spec)))
        .map_err(|_| StoreError::Corrupt {
            what: format!("link {link}"),
            reason: "the decision broke off; this is a bug of duet".into(),
        })?;
    let cause = causes.into_iter().collect::<Vec<_>>().join(", ");
    Ok(Decided { from_rev, verdict, cause, policy: spec.version.clone() })
}

/// What has to follow the commit of these verdicts.
pub(crate) fn follow(decided: &[Decided], now: Stamp) -> Aftermath {
    let mut aftermath = Aftermath { decided: decided.len(), ..Aftermath::default() };
    for Decided { verdict, .. } in decided {
        aftermath.echoes += usize::from(verdict.echo);
        follow_one(verdict, now, &mut aftermath);
    }
    aftermath
}

fn follow_one(verdict: &Verdict, now: Stamp, aftermath: &mut Aftermath) {
    for effect in &verdict.effects {
        match effect {
            Effect::Plan(intent) => {
                let due = intent.due_at.is_none_or(|due| due <= now);
                if due && intent.state == IntentState::Planned {
                    aftermath.connections.insert(intent.connection.clone());
                }
            }
            Effect::Join(other) => {
                let (a, b) = (verdict.link.id, *other);
                aftermath.joins.insert((a.min(b), a.max(b)));
            }
            Effect::Alert(text) => tracing::warn!(link = %verdict.link.id, "{text}"),
            Effect::Settle { .. }
            | Effect::Conflict(_)
            | Effect::Claim { .. }
            | Effect::Unclaim(_)
            | Effect::Await { .. }
            | Effect::StopWaiting
            | Effect::FieldErrors(_)
            | Effect::WakeChildren(_)
            | Effect::CountDelete(_) => {}
        }
    }
}
