//! Adopt: pairs what exists on both sides. Scans both sides into observations, matches them,
//! reports, and (when told so) links the matched ones; the rest follows by the ordinary tables.
//!
//! Until it has passed, a flow is new: changes are recorded and settled, nothing is decided.

use crate::batch::{Batch, Job, Target};
use crate::context::Context;
use crate::detect::{Detection, source_name};
use crate::error::StageError;
use duet_core::agreed::Agreed;
use duet_core::facts::{Event, Facts};
use duet_core::id::{FieldName, FlowName, LinkId, RecordId};
use duet_core::link::Phase;
use duet_core::mapping;
use duet_core::observation::{Observation, Presence, Source};
use duet_core::reconcile::needs;
use duet_core::side::{Both, Side};
use duet_core::spec::{FieldSpec, FlowSpec};
use duet_ports::connector::Record;
use duet_ports::store::{Address, Lease};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Records in one page of a scan.
const PAGE: usize = 1_000;
/// Links in one transaction of the survey.
const SURVEY: u64 = 500;
/// Pairs compared in one transaction.
const COMPARED: usize = 250;
/// How often it looks whether a source that another process opens has its first position.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A record of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Lone {
    /// Its link, as long as it has no partner.
    #[serde(skip)]
    pub link: LinkId,
    /// Its id.
    pub record: RecordId,
}

/// Two records that belong together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Match {
    /// Their ids.
    pub records: Both<RecordId>,
    /// Position of the match rule.
    pub rule: usize,
    /// Fields that differ.
    pub differing: Vec<FieldName>,
    #[serde(skip)]
    links: Both<LinkId>,
}

impl Match {
    /// Their links, older first: what joining takes.
    #[must_use]
    pub fn links(&self) -> (LinkId, LinkId) {
        let (left, right) = (self.links.left, self.links.right);
        (left.min(right), left.max(right))
    }
}

/// What adopting would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Survey {
    /// Pairs.
    pub matched: Vec<Match>,
    /// Records with several candidates, per side.
    pub ambiguous: Both<Vec<Lone>>,
    /// Records that exist only there, per side.
    pub only: Both<Vec<Lone>>,
    /// Records without any usable key, per side; they are in `only` too.
    pub keyless: Both<Vec<Lone>>,
    /// Pairs that were linked before.
    pub linked: u64,
}

/// How far an adoption is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Records read on a side, and how many there may be.
    Scanned(Side, u64, Option<u64>),
    /// Links compared.
    Surveyed(u64),
    /// Pairs linked, of how many.
    Linked(u64, u64),
}

/// Who watches an adoption.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// An adoption under way; holds the flow's lease.
pub struct Adoption {
    spec: Arc<FlowSpec>,
    holder: String,
    lease: Lease,
}

impl Adoption {
    /// Takes the flow's lease and makes sure that both detectors start from a position before now.
    ///
    /// # Errors
    /// [`StageError::Rekeyed`] when the flow's links mean other records than the configuration.
    /// [`StageError::LeaseHeld`] when another adoption of the flow is at work, or another process is
    /// opening one of its sources and doesn't come to an end (exit code 75).
    pub async fn begin(context: &Context, flow: &FlowName) -> Result<Adoption, StageError> {
        if let Some(rekeyed) = context.rekeyed.get(flow) {
            return Err(StageError::Rekeyed { rekeyed: Box::new(rekeyed.clone()) });
        }
        let spec = context
            .flow(flow)
            .map(Arc::clone)
            .ok_or_else(|| StageError::NoFlow { flow: flow.clone() })?;
        let (name, holder) = (format!("adopt/{flow}"), context.holder());
        let Some(lease) = lease(context, &name, &holder).await? else {
            return Err(StageError::LeaseHeld { name: format!("adopt of {flow}") });
        };
        if let Err(error) = note_positions(context, &spec).await {
            context.store.release(&lease).await?;
            return Err(error);
        }
        Ok(Adoption { spec, holder, lease })
    }

    /// Observes every record on both sides.
    ///
    /// Idempotence: observations of one version join to the same.
    ///
    /// # Errors
    /// When a port can't be reached: begin again.
    pub async fn scan(&mut self, context: &Context, watch: Watch<'_>) -> Result<(), StageError> {
        for side in Side::BOTH {
            self.scan_side(context, side, watch).await?;
        }
        Ok(())
    }

    async fn scan_side(
        &mut self,
        context: &Context,
        side: Side,
        watch: Watch<'_>,
    ) -> Result<(), StageError> {
        let spec = Arc::clone(&self.spec);
        let Some(connection) = context.connection_of(&spec, side) else {
            return Err(StageError::NoFlow { flow: spec.name.clone() });
        };
        let collection = Context::collection(&spec, side);
        let (mut after, mut count) = (None, 0);
        loop {
            let page = connection.connector.scan(&collection, after.as_ref(), PAGE).await?;
            count += u64::try_from(page.records.len()).unwrap_or(u64::MAX);
            self.record(context, side, page.records).await?;
            watch(Progress::Scanned(side, count, page.estimate));
            self.renew(context).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn record(
        &self,
        context: &Context,
        side: Side,
        records: Vec<Record>,
    ) -> Result<(), StageError> {
        let mut jobs = records.into_iter().map(|record| self.job(side, record)).peekable();
        while jobs.peek().is_some() {
            let part = jobs.by_ref().take(context.options.batch).collect();
            crate::decide::step(context, Batch::of(part)).await?;
        }
        Ok(())
    }

    fn job(&self, side: Side, record: Record) -> Job {
        let Record { record, observation } = record;
        let observation = Observation { source: Source::Scan, ..observation };
        Job {
            target: Target::Record(Address {
                flow: self.spec.name.clone(),
                side,
                record: record.clone(),
                marker: observation.marker,
            }),
            event: Event::Seen { side, record, observation: Box::new(observation) },
            cause: "scan",
        }
    }

    /// Matches what was observed.
    ///
    /// # Errors
    /// When the store can't be reached.
    pub async fn survey(
        &mut self,
        context: &Context,
        watch: Watch<'_>,
    ) -> Result<Survey, StageError> {
        let mut halves = Vec::new();
        let (mut survey, mut after, mut count) = (Survey::default(), None, 0);
        loop {
            let page = context.store.links(&self.spec.name, &[], after, SURVEY).await?;
            let Some(last) = page.last().map(|link| link.id) else { break };
            after = Some(last);
            count += u64::try_from(page.len()).unwrap_or(u64::MAX);
            let half: Vec<LinkId> = page
                .iter()
                .filter(|link| matches!(link.phase, Phase::Matching | Phase::Unmatched))
                .map(|link| link.id)
                .collect();
            let linked = page.iter().filter(|link| link.phase == Phase::Linked).count();
            survey.linked += u64::try_from(linked).unwrap_or(u64::MAX);
            halves.extend(self.halves(context, &half).await?);
            watch(Progress::Surveyed(count));
            self.renew(context).await?;
        }
        pair_up(&self.spec, halves, &mut survey);
        self.compare(context, &mut survey.matched).await?;
        Ok(survey)
    }

    async fn halves(&self, context: &Context, links: &[LinkId]) -> Result<Vec<Half>, StageError> {
        let facts = facts_of(context, links).await?;
        Ok(facts
            .into_iter()
            .filter(|facts| facts.agreed == Agreed::None)
            .filter_map(|facts| Half::of(&facts, &self.spec))
            .collect())
    }

    /// Tells where pairs differ. Only now, page by page: there may be millions, and what a record
    /// holds is not kept while its partner is looked for.
    async fn compare(
        &mut self,
        context: &Context,
        matched: &mut [Match],
    ) -> Result<(), StageError> {
        for page in matched.chunks_mut(COMPARED) {
            let links: Vec<LinkId> =
                page.iter().flat_map(|pair| [pair.links.left, pair.links.right]).collect();
            let facts = facts_of(context, &links).await?;
            let facts: BTreeMap<LinkId, Facts> =
                facts.into_iter().map(|facts| (facts.link.id, facts)).collect();
            for pair in page {
                pair.differing = differing(&self.spec, &pair.links, &facts);
            }
            self.renew(context).await?;
        }
        Ok(())
    }

    /// Links the matched pairs, then marks the flow as adopted and makes everything due: the
    /// ordinary tables decide the rest.
    ///
    /// Idempotence: a pair that is linked already is left out; everything due is decided once more.
    ///
    /// # Errors
    /// When the store can't be reached: begin again, what is linked stays linked.
    pub async fn link(
        &mut self,
        context: &Context,
        survey: &Survey,
        watch: Watch<'_>,
    ) -> Result<(), StageError> {
        let total = u64::try_from(survey.matched.len()).unwrap_or(u64::MAX);
        let mut done = 0;
        for part in survey.matched.chunks((context.options.batch / 2).max(1)) {
            let pairs: Vec<(LinkId, LinkId)> = part.iter().map(Match::links).collect();
            crate::join::many(context, &pairs).await?;
            done += u64::try_from(part.len()).unwrap_or(u64::MAX);
            watch(Progress::Linked(done, total));
            self.renew(context).await?;
        }
        context.store.set_adopted(&self.spec.name, context.clock.now()).await?;
        self.make_due(context).await
    }

    async fn make_due(&mut self, context: &Context) -> Result<(), StageError> {
        let mut after = None;
        while let Some(last) = crate::rouse::page(context, &self.spec.name, after).await? {
            after = Some(last);
            self.renew(context).await?;
        }
        Ok(())
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// When the store can't be reached; the lease then runs out by itself.
    pub async fn end(self, context: &Context) -> Result<(), StageError> {
        Ok(context.store.release(&self.lease).await?)
    }

    async fn renew(&mut self, context: &Context) -> Result<(), StageError> {
        match lease(context, &self.lease.name, &self.holder).await? {
            Some(lease) if lease.token == self.lease.token => {
                self.lease = lease;
                Ok(())
            }
            Some(_) | None => Err(StageError::LeaseHeld { name: self.lease.name.clone() }),
        }
    }
}

/// Opening a source stores its first position: what changes from then on is told by its detector,
/// what changed before is met by the scan.
async fn note_positions(context: &Context, spec: &Arc<FlowSpec>) -> Result<(), StageError> {
    for side in Side::BOTH {
        note_position(context, spec, side).await?;
    }
    Ok(())
}

/// A source that another process holds has a position already, or is being opened just now: an edit
/// after the scan and before that position would be told by neither. Waits for it, for less than
/// the adoption's own lease lasts.
async fn note_position(
    context: &Context,
    spec: &Arc<FlowSpec>,
    side: Side,
) -> Result<(), StageError> {
    let source = source_name(&spec.name, side);
    let patience = i64::try_from((context.options.lease / 2).as_micros()).unwrap_or(i64::MAX);
    let until = context.clock.now().plus(patience);
    loop {
        if let Some(detection) = Detection::open(context, spec, side).await? {
            return Ok(detection.close(context).await?);
        }
        if context.store.position(&source).await?.is_some() {
            return Ok(());
        }
        if context.clock.now() >= until {
            return Err(StageError::LeaseHeld { name: format!("the opening of {source}") });
        }
        context.clock.sleep(LOOK_EVERY).await;
    }
}

/// The facts of links that nobody holds for long; a link that was joined meanwhile is left out.
async fn facts_of(context: &Context, links: &[LinkId]) -> Result<Vec<Facts>, StageError> {
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let mut unit = context.store.begin().await?;
    let locked: Vec<LinkId> =
        unit.lock(links, false).await?.into_iter().map(|(link, _)| link).collect();
    Ok(unit.load(&locked, &[], context.clock.now()).await?)
}

async fn lease(context: &Context, name: &str, holder: &str) -> Result<Option<Lease>, StageError> {
    let Context { store, options, clock, .. } = context;
    Ok(store.lease(name, holder, options.lease, clock.now()).await?)
}

/// A link with one record.
struct Half {
    link: LinkId,
    side: Side,
    record: RecordId,
    keys: Vec<(usize, String)>,
}

impl Half {
    fn of(facts: &Facts, spec: &FlowSpec) -> Option<Half> {
        let sides: Vec<Side> =
            Side::BOTH.into_iter().filter(|side| facts.link.record.get(*side).is_some()).collect();
        let [side] = sides[..] else { return None };
        if facts.seen.get(side).as_ref()?.presence != Presence::Present {
            return None;
        }
        Some(Half {
            link: facts.link.id,
            side,
            record: facts.link.record.get(side).clone()?,
            keys: needs(facts, &[Event::Due], spec).keys,
        })
    }

    fn lone(&self) -> Lone {
        Lone { link: self.link, record: self.record.clone() }
    }
}

/// Pairs up halves, rule by rule: one on each side with the same key belong together; more than
/// one on a side are ambiguous and no later rule decides about them.
fn pair_up(spec: &FlowSpec, halves: Vec<Half>, survey: &mut Survey) {
    let mut free: BTreeSet<usize> = (0..halves.len()).collect();
    for rule in 0..spec.matching.len() {
        for members in by_key(&halves, &free, rule).into_values() {
            match (&members.left[..], &members.right[..]) {
                ([], _) | (_, []) => {}
                ([left], [right]) => {
                    free.remove(left);
                    free.remove(right);
                    survey.matched.push(matched(rule, &halves[*left], &halves[*right]));
                }
                _ => {
                    for (side, index) in members_of(&members) {
                        if free.remove(&index) {
                            survey.ambiguous.get_mut(side).push(halves[index].lone());
                        }
                    }
                }
            }
        }
    }
    for index in free {
        let half = &halves[index];
        survey.only.get_mut(half.side).push(half.lone());
        if half.keys.is_empty() {
            survey.keyless.get_mut(half.side).push(half.lone());
        }
    }
}

fn members_of(members: &Both<Vec<usize>>) -> impl Iterator<Item = (Side, usize)> {
    Side::BOTH
        .into_iter()
        .flat_map(|side| members.get(side).iter().map(move |index| (side, *index)))
}

fn by_key<'a>(
    halves: &'a [Half],
    free: &BTreeSet<usize>,
    rule: usize,
) -> BTreeMap<&'a str, Both<Vec<usize>>> {
    let mut members: BTreeMap<&str, Both<Vec<usize>>> = BTreeMap::new();
    for index in free {
        let half = &halves[*index];
        for (_, key) in half.keys.iter().filter(|(of, _)| *of == rule) {
            members.entry(key).or_default().get_mut(half.side).push(*index);
        }
    }
    members
}

fn matched(rule: usize, left: &Half, right: &Half) -> Match {
    Match {
        records: Both::new(left.record.clone(), right.record.clone()),
        rule,
        differing: Vec::new(),
        links: Both::new(left.link, right.link),
    }
}

/// Fields in which a pair differs, as far as both records are known.
fn differing(
    spec: &FlowSpec,
    links: &Both<LinkId>,
    facts: &BTreeMap<LinkId, Facts>,
) -> Vec<FieldName> {
    let neutral = |field: &FieldSpec, side| {
        let seen = facts.get(links.get(side))?.seen.get(side).as_ref()?;
        let native = mapping::native(field, side, &seen.image)?;
        mapping::get(spec, field, side, &native, &[]).ok()
    };
    let differs =
        |field: &&FieldSpec| match (neutral(field, Side::Left), neutral(field, Side::Right)) {
            (Some(a), Some(b)) => !mapping::same_trunk(field, &a, &b),
            // A reference, or a value that can't be translated: not comparable here.
            _ => false,
        };
    spec.fields.iter().filter(differs).map(|field| field.name.clone()).collect()
}
