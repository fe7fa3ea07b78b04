//! Reading the journal: each entry is a change, seen as the record is when it is read.

use super::SimSide;
use crate::broken::Broken;
use crate::fault::Fault;
use async_trait::async_trait;
use duet_core::id::RecordId;
use duet_core::observation::Source;
use duet_ports::connector::{ConnectorError, Detected, Detector, Position, Reading};
use duet_ports::envelope::WhatV1;
use std::time::Duration;

/// Most entries that are told again at once.
const AGAIN: usize = 5;
/// Most entries of one reading: small, so that a run has many messages.
const READ: usize = 4;

/// Reads a side's journal. Its positions are numbers of entries.
pub(super) struct SimDetector {
    side: SimSide,
    read: usize,
    settled: usize,
}

impl SimDetector {
    pub(super) fn new(side: SimSide, from: usize) -> SimDetector {
        SimDetector { side, read: from, settled: from }
    }

    /// The entries of one reading, and perhaps some that were read before.
    fn entries(&self, limit: usize) -> (Vec<RecordId>, usize, bool) {
        let luck = &self.side.shared.luck;
        let again = luck.strikes(Fault::ToldAgain);
        let again = if again { luck.draw(|chance| chance.place(AGAIN) + 1) } else { 0 };
        let state = self.side.state();
        let end = state.journal.len();
        let upto = end.min(self.read + limit.min(READ));
        let entries = &state.journal[self.read.saturating_sub(again)..upto];
        (entries.to_vec(), upto, upto < end)
    }

    fn detected(&self, record: &RecordId) -> Detected {
        let state = self.side.state();
        let seen = self.side.observe(&state, record, self.side.now_there(), Source::Event);
        Detected { record: record.clone(), what: WhatV1::Seen(Box::new(seen.observation)) }
    }

    /// Takes everything for an echo that carries our marker.
    fn is_dropped(&self, record: &RecordId) -> bool {
        let is_ours = || self.side.state().rows.get(record).is_some_and(|row| row.marker.is_some());
        self.side.shared.broken == Some(Broken::EchoByMarker) && is_ours()
    }
}

fn number(position: &Position) -> usize {
    position.0.parse().unwrap_or(0)
}

#[async_trait]
impl Detector for SimDetector {
    async fn detect(&mut self, limit: usize) -> Result<Reading, ConnectorError> {
        self.side.asked().await?;
        let (entries, read, more) = self.entries(limit);
        let told = entries.iter().filter(|record| !self.is_dropped(record));
        let changes: Vec<Detected> = told.map(|record| self.detected(record)).collect();
        let is_new = read > self.read || !changes.is_empty();
        self.read = read;
        let position = is_new.then(|| Position(read.to_string()));
        Ok(Reading { changes, position, more })
    }

    async fn wait(&mut self, _patience: Duration) {}

    async fn settle(&mut self, positions: &[Position]) -> Result<(), ConnectorError> {
        self.settled = positions.iter().map(number).fold(self.settled, usize::max);
        Ok(())
    }

    async fn head(&mut self) -> Result<Position, ConnectorError> {
        Ok(Position(self.side.state().journal.len().to_string()))
    }

    async fn reached(&mut self, head: &Position) -> Result<bool, ConnectorError> {
        Ok(self.read >= number(head))
    }

    fn cursor(&self) -> Option<Position> {
        Some(Position(self.settled.to_string()))
    }
}
