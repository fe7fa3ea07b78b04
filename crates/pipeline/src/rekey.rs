//! Rekey: which links a key change is about, or a create under a key that was used before. The one
//! whose record it is follows it; the one that holds the id gives it up. Both are locked in order, in
//! one transaction, like any others.

use crate::batch::{Job, Target};
use crate::fill::Case;
use duet_core::facts::{Event, Facts};
use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::reconcile::{self, is_followed, waits_for_key_change};
use duet_core::side::Side;
use duet_ports::store::{StoreError, Unit};
use std::collections::{BTreeMap, BTreeSet};

/// Jobs by the link they are about.
pub(crate) type Routed = BTreeMap<LinkId, Vec<Job>>;

/// A key change, as a job tells it.
struct Told<'a> {
    flow: &'a FlowName,
    side: Side,
    old: &'a RecordId,
    new: &'a RecordId,
    order: Option<i64>,
}

impl Told<'_> {
    fn of(job: &Job) -> Option<Told<'_>> {
        match (&job.event, &job.target) {
            (Event::KeyChanged { side, old, new, order }, Target::Record(address)) => {
                Some(Told { flow: &address.flow, side: *side, old, new, order: *order })
            }
            _ => None,
        }
    }
}

/// Links that hold or held an id which a key change names, to be locked with those of the jobs.
pub(crate) async fn around(
    unit: &mut dyn Unit,
    jobs: &[Job],
) -> Result<BTreeSet<LinkId>, StoreError> {
    let records: BTreeSet<(FlowName, Side, RecordId)> = jobs
        .iter()
        .filter_map(Told::of)
        .flat_map(|told| [told.old, told.new].map(|id| (told.flow.clone(), told.side, id.clone())))
        .collect();
    if records.is_empty() {
        return Ok(BTreeSet::new());
    }
    let known = unit.parents(&records.into_iter().collect::<Vec<_>>(), &[]).await?;
    Ok(known.into_iter().map(|one| one.link).collect())
}

/// What must be told to links whose id a record of this batch has now, because a create of another
/// link made it: nobody knew before the facts were loaded. The batch is decided once more with it.
pub(crate) fn taken(cases: &[Case], jobs: &[Job]) -> Vec<Job> {
    let made = |case: &Case| {
        let all = case.events.iter().filter_map(|event| reconcile::made(&case.facts, event));
        all.filter_map(|(side, record)| giving_up(&case.facts, side, record)).collect::<Vec<_>>()
    };
    let mut taken: Vec<Job> = cases.iter().flat_map(made).collect();
    taken.retain(|job| !jobs.contains(job));
    taken
}

fn giving_up(facts: &Facts, side: Side, record: &RecordId) -> Option<Job> {
    let holder = facts.holders.iter().find(|holder| {
        holder.side == side
            && holder.record == *record
            && holder.link != facts.link.id
            && holder.is_settled()
    })?;
    Some(key_taken(holder.link, side, record))
}

fn key_taken(holder: LinkId, side: Side, record: &RecordId) -> Job {
    let event = Event::KeyTaken { side, record: record.clone() };
    Job { target: Target::Link(holder), event, cause: "key taken" }
}

/// Gives every key change to the link it is about, and tells the one that holds the new id; drops
/// those that were followed before.
///
/// A link that waits for the key change of a record that had the old id comes before the one that
/// has that id by now: the latter's own next change comes later.
pub(crate) fn assign(routed: &mut Routed, facts: &[Facts]) {
    let mut changes = Vec::new();
    for (link, jobs) in routed.iter_mut() {
        changes.extend(jobs.extract_if(.., |job| Told::of(job).is_some()).map(|job| (*link, job)));
    }
    for (link, job) in changes {
        let Some(told) = Told::of(&job) else { continue };
        let mut near = facts.iter().filter(|one| one.link.flow == *told.flow);
        let waits = near.clone().find(|one| waits_for_key_change(&one.link, told.side, told.old));
        let about = waits.map_or(link, |one| one.link.id);
        let holder = near.clone().find(|one| {
            one.link.id != about && one.link.record.get(told.side).as_ref() == Some(told.new)
        });
        let about_is = near.find(|one| one.link.id == about);
        if about_is.is_some_and(|one| {
            is_followed(&one.link, holder.map(|holder| &holder.link), told.side, told.order)
        }) {
            tracing::debug!(link.id = %about, "a key change that was followed before");
            continue;
        }
        if let Some(holder) = holder.map(|holder| holder.link.id) {
            let taken = key_taken(holder, told.side, told.new);
            routed.entry(holder).or_default().push(taken);
        }
        routed.entry(about).or_default().push(job);
    }
}
