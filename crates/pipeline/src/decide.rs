//! The deciding transaction (design, 2.1): lock links in order, load facts, join what happened,
//! decide, store, commit. Every stage decides through here.
//!
//! Idempotence: everything that happened commutes with itself (observations join by version,
//! receipts of settled intents change nothing), so a batch that is decided twice leaves the state
//! of one that was decided once.

use crate::batch::{Aftermath, Batch, Job, Target};
use crate::context::Context;
use crate::denied::denied;
use crate::depart;
use crate::edge;
use crate::fill::{Case, fill};
use crate::letter;
use crate::reconcile::PLACE;
use crate::rekey::{self, Routed};
use crate::unanswered;
use duet_core::facts::{Event, Facts};
use duet_core::id::{FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::IntentState;
use duet_core::link::{Link, Phase};
use duet_core::observation::Presence;
use duet_core::reconcile;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::verdict::{Effect, Verdict};
use duet_ports::store::{Address, Attempt, Decided, StoreError, Unit};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Tries of a batch as a whole before it is halved.
const TRIES: u32 = 3;

/// Decides a batch and commits it: whole if it isn't too large and can be, else in parts down to the
/// one job that can't be decided, which becomes a dead letter. Joins that follow are done, links and
/// connections that follow are woken.
///
/// # Errors
/// When the store can't be reached, or others hold a link of it: the rest is decided, nothing of the
/// batch is settled, and it is to be repeated.
pub async fn step(context: &Context, batch: Batch) -> Result<Aftermath, StoreError> {
    let (mut aftermath, held) = commit(context, edge::admit(batch)).await?;
    let mut joins = std::mem::take(&mut aftermath.joins);
    while let Some((older, younger)) = joins.pop_first() {
        let mut more = crate::join::step(context, older, younger).await?;
        joins.append(&mut more.joins);
        aftermath.add(more);
    }
    context.tally.note(&aftermath, context.clock.now());
    context.ring(&aftermath.connections).await;
    context.wake_links(&aftermath.wake).await;
    held.map_or(Ok(aftermath), Err)
}

/// Decides what can be decided; with it, why something is left.
async fn commit(
    context: &Context,
    batch: Batch,
) -> Result<(Aftermath, Option<StoreError>), StoreError> {
    let (mut aftermath, mut held) = (Aftermath::default(), None);
    let most = context.options.batch;
    let mut rest: Vec<Batch> =
        batch.apart().into_iter().flat_map(|part| part.parts(most)).collect();
    rest.reverse();
    while let Some(batch) = rest.pop() {
        match tries(context, &batch).await {
            Ok((done, again)) => {
                aftermath.add(done);
                rest.extend(again);
            }
            Err(error @ StoreError::Unreachable { .. }) => return Err(error),
            Err(error @ StoreError::NotMigrated { .. }) => return Err(error),
            Err(_) if batch.jobs.len() > 1 => {
                let (first, later) = batch.halved();
                rest.push(later);
                rest.push(first);
            }
            // Not the change's fault: it comes again, and counts as poison if it never can be.
            Err(error @ (StoreError::Busy { .. } | StoreError::StaleLink { .. })) => {
                // What follows a key change is about other links before it than after it.
                if batch.jobs.iter().any(|job| matches!(job.event, Event::KeyChanged { .. })) {
                    return Err(error);
                }
                put_off(batch, &mut rest);
                held = Some(error);
            }
            Err(error) => rest.extend(without_jobs(batch, &error)?),
        }
    }
    Ok((aftermath, held))
}

/// Others hold the link of this job. What the whole batch settles isn't settled now, as it comes
/// again; but what became of the calls of other links is told.
fn put_off(batch: Batch, rest: &mut Vec<Batch>) {
    let Some(held) = batch.jobs.first().map(|job| job.target.clone()) else { return };
    rest.insert(0, Batch { attempts: batch.attempts, ..Batch::default() });
    for other in rest.iter_mut() {
        other.numbers.clear();
        other.dead.clear();
        other.attempts.retain(|attempt| Target::Link(attempt.link) != held);
    }
    rest.retain(|other| !other.is_empty());
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
        dead.extend(letter::of_job(job, PLACE, &chain(error)));
    }
    let rest = Batch { jobs: Vec::new(), numbers, dead, attempts };
    Ok((!rest.is_empty()).then_some(rest))
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

/// What came of a batch, and what of it has to be decided again before its messages are settled.
type Done = (Aftermath, Option<Batch>);

/// What came of one try.
enum Tried {
    /// Committed.
    Done(Box<Done>),
    /// Nothing was stored: other links have to be told something in the same transaction.
    With(Vec<Job>),
}

async fn tries(context: &Context, batch: &Batch) -> Result<Done, StoreError> {
    let mut tried = 0;
    let mut whole = Cow::Borrowed(batch);
    loop {
        tried += 1;
        match attempt(context, &whole).await {
            Ok(Tried::Done(done)) => return Ok(*done),
            Ok(Tried::With(more)) => whole.to_mut().jobs.extend(more),
            Err(StoreError::Busy { .. } | StoreError::StaleLink { .. }) if tried < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

async fn attempt(context: &Context, batch: &Batch) -> Result<Tried, StoreError> {
    let now = context.clock.now();
    let mut unit = context.store.begin().await?;
    let mut cases = gather(context, unit.as_mut(), &batch.jobs, now).await?;
    fill(unit.as_mut(), &mut cases).await?;
    let more = rekey::taken(&cases, &batch.jobs);
    if !more.is_empty() {
        return Ok(Tried::With(more));
    }
    let again = under_former_ids(&cases, &batch.jobs);
    let writes = open_writes(&cases);
    let (mut decided, unanswered) = decide_all(cases)?;
    let departing = depart::reserve(context, unit.as_mut(), &mut decided, now).await?;
    let mut aftermath = follow(&decided, now);
    aftermath.landed = landed(&decided, &writes);
    aftermath.wake = unit.save(&decided, now).await?;
    aftermath.dead = batch.dead.len();
    for attempts in [&batch.attempts, &unanswered] {
        if !attempts.is_empty() {
            unit.attempts(attempts).await?;
        }
    }
    let Batch { numbers, dead, .. } = batch;
    unit.supersede(&letter::seen(batch), now).await?;
    if again.is_empty() && !(numbers.is_empty() && dead.is_empty()) {
        unit.settle(numbers, dead, now).await?;
    }
    unit.commit().await?;
    depart::leave(context, departing, context.recent.keep(decided));
    if again.is_empty() {
        return Ok(Tried::Done(Box::new((aftermath, None))));
    }
    let (numbers, dead) = (numbers.clone(), dead.clone());
    let rest = Batch { jobs: again, numbers, dead, attempts: Vec::new() };
    Ok(Tried::Done(Box::new((aftermath, Some(rest)))))
}

/// Jobs that saw a record under a former id of a link, after the key change that made it one: that
/// record isn't the link's any more (S3), which drops the id. Routed again, it gets a link of its
/// own. What may be older than the key change is our own record, told late: it gets none.
fn under_former_ids(cases: &[Case], jobs: &[Job]) -> Vec<Job> {
    let former: BTreeSet<(&FlowName, Side, &RecordId)> = cases
        .iter()
        .flat_map(|case| case.events.iter().map(|event| (&case.facts.link, event)))
        .filter_map(|(link, event)| seen_under_former_id(link, event))
        .collect();
    let is_under_one = |job: &&Job| match (&job.target, &job.event) {
        (Target::Record(address), Event::Seen { side, record, .. }) => {
            former.contains(&(&address.flow, *side, record))
        }
        _ => false,
    };
    if former.is_empty() { Vec::new() } else { jobs.iter().filter(is_under_one).cloned().collect() }
}

fn seen_under_former_id<'a>(
    link: &'a Link,
    event: &'a Event,
) -> Option<(&'a FlowName, Side, &'a RecordId)> {
    let Event::Seen { side, record, observation } = event else { return None };
    let is_former = link.record.get(*side).as_ref() != Some(record)
        && link.aliases.iter().any(|one| one.side == *side && one.record == *record);
    let seen_at = observation.version.as_ref().and_then(|version| version.order);
    let is_later = seen_at.zip(*link.memory.keyed_at.get(*side)).is_some_and(|(a, b)| a > b);
    let is_there = observation.presence == Presence::Present;
    (is_former && is_there && is_later).then_some((&link.flow, *side, record))
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
    unit.remember(&context.recent.of(&locked));
    let facts = unit.load(&locked, &markers, now).await?;
    rekey::assign(&mut routed, &facts);
    cases(context, facts, routed)
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

/// One case per link whose flow is worked on here; the others are left to processes that know theirs.
fn cases(
    context: &Context,
    facts: Vec<Facts>,
    mut routed: Routed,
) -> Result<Vec<Case>, StoreError> {
    let mut cases = Vec::with_capacity(facts.len());
    for facts in facts {
        let Some(spec) = context.flow(&facts.link.flow) else { continue };
        // A link that was only looked at beside a key change stays as it is.
        let Some(jobs) = routed.remove(&facts.link.id).filter(|jobs| !jobs.is_empty()) else {
            continue;
        };
        if let Some(job) = jobs.iter().find(|job| !points_here(job, &facts.link)) {
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
    Ok(cases)
}

/// Whether a job's record still is this link's: by id or alias, or not known there yet (by marker).
/// Known by now as another one: a copy of it that carries our marker, which is a record of its own.
fn points_here(job: &Job, link: &Link) -> bool {
    let Target::Record(address) = &job.target else { return true };
    match link.record.get(address.side) {
        None => true,
        Some(record) if *record == address.record => true,
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

/// The writes that are open before a decision, and their sides.
fn open_writes(cases: &[Case]) -> BTreeMap<IntentId, Side> {
    let of =
        |case: &Case, side| case.facts.intents.get(side).write.as_ref().map(|one| (one.id, side));
    cases.iter().flat_map(|case| Side::BOTH.into_iter().filter_map(|side| of(case, side))).collect()
}

/// Those of them that a decision confirmed.
fn landed(decided: &[Decided], writes: &BTreeMap<IntentId, Side>) -> Both<usize> {
    let mut landed = Both::default();
    for effect in decided.iter().flat_map(|one| &one.verdict.effects) {
        if let Effect::Settle { intent, state: IntentState::Confirmed, .. } = effect
            && let Some(side) = writes.get(intent)
        {
            *landed.get_mut(*side) += 1;
        }
    }
    landed
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
        aftermath.denied.extend(denied(verdict));
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
            // The end of a link that was joined just now says which one took it.
            Effect::Join(_) if verdict.link.phase == Phase::Joined => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::agreed::Agreed;
    use duet_core::facts::Event;
    use duet_core::id::{FlowName, RecordId, Row};
    use duet_core::link::Memory;
    use duet_ports::envelope::Numbered;

    fn link_id(number: u8) -> LinkId {
        LinkId(format!("{number:032x}").parse().expect("an id"))
    }

    fn intent_id(number: u8) -> IntentId {
        IntentId(link_id(number).0)
    }

    fn link(number: u8, left: &str) -> Link {
        Link {
            id: link_id(number),
            flow: FlowName::from("things"),
            rev: 1,
            phase: Phase::Matching,
            record: Both::new(Some(RecordId::from(left)), None),
            aliases: Vec::new(),
            synced_at: None,
            synced: Both::default(),
            due_at: None,
            waits: 0,
            created_at: Stamp(0),
            memory: Memory::default(),
        }
    }

    fn seen(side: Side, record: &str) -> Job {
        let (flow, record) = (FlowName::from("things"), RecordId::from(record));
        let marker = Some(intent_id(9));
        let address = Address { flow, side, record, marker };
        Job { target: Target::Record(address), event: Event::Due, cause: "test" }
    }

    #[test]
    fn a_copy_that_carries_our_marker_points_nowhere_once_the_record_is_known() {
        let link = link(1, "made");
        assert!(points_here(&seen(Side::Left, "made"), &link));
        assert!(!points_here(&seen(Side::Left, "copy"), &link));
        assert!(points_here(&seen(Side::Right, "new"), &link), "not known there yet");
    }

    fn joining(phase: Phase) -> Decided {
        let verdict = Verdict {
            link: Link { phase, ..link(2, "made") },
            agreed: Agreed::None,
            seen: Both::default(),
            effects: vec![Effect::Join(link_id(1))],
            row: Row::from("M1"),
            rule: String::new(),
            outcomes: Vec::new(),
            echo: false,
            changed: true,
        };
        Decided { from_rev: 0, verdict, cause: String::new(), policy: String::new() }
    }

    #[test]
    fn a_link_that_was_joined_asks_for_no_other_join() {
        assert_eq!(follow(&[joining(Phase::Matching)], Stamp(0)).joins.len(), 1);
        assert!(follow(&[joining(Phase::Joined)], Stamp(0)).joins.is_empty());
    }

    #[test]
    fn what_is_put_off_settles_nothing_and_keeps_the_others_calls() {
        let attempt = |number| Attempt {
            intent: intent_id(number),
            link: link_id(number),
            number: 1,
            sent_at: Stamp(0),
            done_at: Stamp(1),
            outcome: "landed",
            failure: None,
        };
        let attempts = vec![attempt(1), attempt(2)];
        let job = |number| Job::due(link_id(number));
        let number = Numbered { source: "things/left".into(), token: 1, number: 7 };
        let mut rest =
            vec![Batch { jobs: vec![job(2)], attempts, numbers: vec![number], dead: vec![] }];
        put_off(Batch::of(vec![job(1)]), &mut rest);
        let left = Batch { attempts: vec![attempt(2)], ..Batch::of(vec![job(2)]) };
        assert_eq!(rest, std::slice::from_ref(&left));
        let last = Batch { attempts: vec![attempt(2), attempt(3)], ..left };
        let mut rest = Vec::new();
        put_off(last, &mut rest);
        assert_eq!(rest, [Batch { attempts: vec![attempt(3)], ..Batch::default() }]);
    }
}
