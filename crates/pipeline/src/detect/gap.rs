//! Gap: what a source can't tell any more, because its stored position is of no use, is found by a
//! scan. The source was opened at its present end first; then every record of the collection is
//! published as seen, and every link whose record the scan did not meet is published as a gap: that
//! record is read, so that a deletion is found by evidence and never by absence.
//!
//! Restart: the unusable position stays stored until every message of the scan is settled, so that
//! whoever opens the source after a crash scans again.

use super::Detection;
use crate::context::Context;
use crate::error::StageError;
use duet_core::id::{LinkId, RecordId};
use duet_core::link::{Link, Phase};
use duet_core::side::Side;
use duet_ports::connector::{Detected, Position, Record};
use duet_ports::envelope::WhatV1;
use duet_ports::store::{Lease, StoreError};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Records, or links, in one page.
const PAGE: usize = 1_000;
/// No further page while so many messages aren't settled: a scan must not delay what is new.
const UNSETTLED_MAX: usize = 40;

/// A gap that is being closed.
#[derive(Debug, Default)]
pub(super) struct Gap {
    stage: Stage,
    /// Fingerprints of the records met: eight bytes each, as there may be millions. That a missing
    /// record has the fingerprint of one met happens once in ten million million scans of a million.
    met: HashSet<u64>,
    /// Shows others that the scan goes on.
    shown: Option<Lease>,
}

#[derive(Debug)]
enum Stage {
    /// Records after this place.
    Records(Option<Position>),
    /// Links after this one, for records that weren't met.
    Links(Option<LinkId>),
    /// Everything is published, the last message under this number.
    Published(i64),
}

impl Default for Stage {
    fn default() -> Self {
        Stage::Records(None)
    }
}

impl Gap {
    /// Whether everything that the scan published is settled.
    pub(super) fn is_closed(&self, settled: i64) -> bool {
        matches!(self.stage, Stage::Published(last) if last <= settled)
    }

    /// Shows no longer that a scan goes on.
    pub(super) async fn leave(self, context: &Context) -> Result<(), StoreError> {
        match self.shown {
            Some(lease) => context.store.release(&lease).await,
            None => Ok(()),
        }
    }

    async fn show(
        &mut self,
        context: &Context,
        source: &str,
        holder: &str,
    ) -> Result<(), StoreError> {
        let (now, length) = (context.clock.now(), context.options.lease);
        let third = i64::try_from((length / 3).as_micros()).unwrap_or(i64::MAX);
        let fresh = |lease: &Lease| lease.until.0.saturating_sub(now.0) > 2 * third;
        if !self.shown.as_ref().is_some_and(fresh) {
            // Another's is left from before a crash: it says the same until it runs out.
            self.shown =
                context.store.lease(&format!("scan/{source}"), holder, length, now).await?;
        }
        Ok(())
    }

    fn meet(&mut self, records: &[Record]) {
        self.met.extend(records.iter().map(|record| fingerprint(&record.record)));
    }

    /// The records of these links that the scan did not meet.
    fn unmet(&self, links: &[Link], side: Side) -> Vec<Detected> {
        let lost = |record: &RecordId| Detected { record: record.clone(), what: WhatV1::Gap };
        links
            .iter()
            .filter(|link| is_live(link.phase))
            .filter_map(|link| link.record.get(side).as_ref())
            .filter(|record| !self.met.contains(&fingerprint(record)))
            .map(lost)
            .collect()
    }
}

/// Whether a deletion of its record would still mean something.
fn is_live(phase: Phase) -> bool {
    match phase {
        Phase::Unmatched | Phase::Matching | Phase::Linking | Phase::Linked | Phase::Frozen => true,
        Phase::Tombstoned | Phase::Unlinked | Phase::Joined => false,
    }
}

fn fingerprint(record: &RecordId) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    hasher.finish()
}

impl Detection {
    /// Publishes the next page of the scan, if there is a gap and its connection doesn't rest.
    /// Whether the gap is still open.
    pub(super) async fn close_gap(&mut self, context: &Context) -> Result<bool, StageError> {
        let Some(mut gap) = self.gap.take() else { return Ok(false) };
        let done = self.next_page(context, &mut gap).await;
        self.gap = Some(gap);
        done?;
        self.publish_again(context).await?;
        Ok(true)
    }

    async fn next_page(&mut self, context: &Context, gap: &mut Gap) -> Result<(), StageError> {
        gap.show(context, &self.source, &self.holder).await?;
        let rests = &self.spec.ends.get(self.side).connection;
        if self.ledger.unsettled() >= UNSETTLED_MAX
            || context.pauses.until(rests, context.clock.now()).is_some()
        {
            return Ok(());
        }
        match &gap.stage {
            Stage::Records(after) => {
                let after = after.clone();
                self.records(context, gap, after.as_ref()).await
            }
            Stage::Links(after) => {
                let after = *after;
                self.links(context, gap, after).await
            }
            Stage::Published(_) => Ok(()),
        }
    }

    async fn records(
        &mut self,
        context: &Context,
        gap: &mut Gap,
        after: Option<&Position>,
    ) -> Result<(), StageError> {
        let Some(connection) = context.connection_of(&self.spec, self.side) else {
            return Err(StageError::NoFlow { flow: self.flow.clone() });
        };
        let collection = Context::collection(&self.spec, self.side);
        let page = connection.connector.scan(&collection, after, PAGE).await?;
        gap.meet(&page.records);
        self.number_all(context, page.records.into_iter().map(seen).collect());
        gap.stage = page.next.map_or(Stage::Links(None), |next| Stage::Records(Some(next)));
        Ok(())
    }

    async fn links(
        &mut self,
        context: &Context,
        gap: &mut Gap,
        after: Option<LinkId>,
    ) -> Result<(), StageError> {
        let limit = u64::try_from(PAGE).unwrap_or(u64::MAX);
        let links = context.store.links(&self.flow, &[], after, limit).await?;
        self.number_all(context, gap.unmet(&links, self.side));
        gap.stage = match links.last() {
            Some(last) => Stage::Links(Some(last.id)),
            None => Stage::Published(self.ledger.last()),
        };
        Ok(())
    }
}

fn seen(record: Record) -> Detected {
    let Record { record, observation } = record;
    Detected { record, what: WhatV1::Seen(Box::new(observation)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::observation::Observation;

    fn record(id: &str) -> Record {
        Record { record: id.into(), observation: Observation::default() }
    }

    #[test]
    fn it_is_closed_when_the_last_message_is_settled() {
        let mut gap = Gap::default();
        assert!(!gap.is_closed(9));
        gap.stage = Stage::Links(None);
        assert!(!gap.is_closed(9));
        gap.stage = Stage::Published(7);
        assert_eq!([6, 7, 8].map(|settled| gap.is_closed(settled)), [false, true, true]);
    }

    #[test]
    fn records_that_were_met_are_known_again() {
        let mut gap = Gap::default();
        gap.meet(&[record("a"), record("b")]);
        let known = |id: &str| gap.met.contains(&fingerprint(&id.into()));
        assert_eq!([known("a"), known("b"), known("c")], [true, true, false]);
    }

    #[test]
    fn records_of_links_that_are_over_are_not_looked_for() {
        let live = [Phase::Matching, Phase::Linked, Phase::Frozen];
        assert!(live.into_iter().all(is_live));
        assert!(![Phase::Tombstoned, Phase::Unlinked, Phase::Joined].into_iter().any(is_live));
    }
}
