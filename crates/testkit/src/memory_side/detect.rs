//! Reading the journal: each entry is a change, seen as the record is when it is read.

use std::time::Duration;

use async_trait::async_trait;
use duet_core::observation::Source;
use duet_ports::connector::{
    Collection, Connector, ConnectorError, Detected, Detector, Position, Reading,
};
use duet_ports::envelope::WhatV1;
use tokio::sync::watch;

use super::MemorySide;
use super::calls::Kind;
use super::table::{Entry, Happened, Table};

/// Reads one table's journal. Its positions are numbers of entries.
pub(super) struct MemoryDetector {
    side: MemorySide,
    collection: Collection,
    /// Entries read.
    read: usize,
    /// Entries given up.
    settled: usize,
    news: watch::Receiver<u64>,
}

impl MemoryDetector {
    pub(super) fn new(
        side: MemorySide,
        collection: Collection,
        from: usize,
        news: watch::Receiver<u64>,
    ) -> MemoryDetector {
        MemoryDetector { side, collection, read: from, settled: from, news }
    }

    fn end(&self) -> usize {
        self.side.state().tables.get(&self.collection.name).map_or(0, |table| table.journal.len())
    }

    fn detected(&self, table: &Table, entry: &Entry) -> Detected {
        let what = match &entry.what {
            Happened::Touched => {
                let at = self.side.now();
                let seen = table.observe(&self.collection, &entry.record, at, Source::Event);
                WhatV1::Seen(Box::new(seen.observation))
            }
            Happened::KeyChanged { old, order } => {
                WhatV1::KeyChanged { old: old.clone(), order: Some(*order) }
            }
            Happened::Lost => WhatV1::Gap,
        };
        Detected { record: entry.record.clone(), what }
    }

    fn number(&self, position: &Position) -> Result<usize, ConnectorError> {
        position.0.parse().map_err(|_| self.side.missing())
    }
}

#[async_trait]
impl Detector for MemoryDetector {
    async fn detect(&mut self, limit: usize) -> Result<Reading, ConnectorError> {
        self.side.reading(Kind::Detect).await?;
        let state = self.side.state();
        let Some(table) = state.tables.get(&self.collection.name) else {
            return Ok(Reading::default());
        };
        if self.read < table.lost_before {
            let name = self.side.shared.name.clone();
            return Err(ConnectorError::lost_position(name, "it was thrown away"));
        }
        let entries: Vec<&Entry> = table.journal.iter().skip(self.read).take(limit).collect();
        let read = self.read + entries.len();
        let told = entries.iter().filter(|entry| !table.moved_on(entry));
        let changes: Vec<Detected> = told.map(|entry| self.detected(table, entry)).collect();
        let more = read < table.journal.len();
        drop(state);
        let position = (read > self.read).then(|| Position(read.to_string()));
        self.read = read;
        Ok(Reading { changes, position, more })
    }

    async fn wait(&mut self, patience: Duration) {
        self.news.borrow_and_update();
        if self.end() > self.read {
            return;
        }
        // The side lives as long as this detector, so the channel is never closed.
        let _ = tokio::time::timeout(patience, self.news.changed()).await;
    }

    async fn settle(&mut self, positions: &[Position]) -> Result<(), ConnectorError> {
        for position in positions {
            self.settled = self.settled.max(self.number(position)?);
        }
        Ok(())
    }

    async fn head(&mut self) -> Result<Position, ConnectorError> {
        Ok(Position(self.end().to_string()))
    }

    async fn reached(&mut self, head: &Position) -> Result<bool, ConnectorError> {
        Ok(self.read >= self.number(head)?)
    }

    fn cursor(&self) -> Option<Position> {
        Some(Position(self.settled.to_string()))
    }
}
