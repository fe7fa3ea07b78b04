//! Reads the outbox: changed keys from `duet_change`, the rows as they are now in one query beside
//! them, in one snapshot. Settled changes are deleted; the others are read again after a start.

use crate::announce::Announcements;
use crate::fold::{Change, Folded, Happened, Moved, Traces, fold};
use crate::frontier::Frontier;
use crate::postgres::Postgres;
use crate::read;
use crate::record::Row;
use crate::sql::{Shape, changes};
use async_trait::async_trait;
use duet_core::id::RecordId;
use duet_core::observation::{ActorClass, Deletion, Observation, Presence, Source, Version};
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::connector::{
    Collection, Connector, ConnectorError, Detected, Detector, Position, Reading,
};
use duet_ports::envelope::WhatV1;
use sqlx::{PgConnection, Row as _};
use std::collections::HashMap;
use std::time::Duration;

/// One snapshot for the changes and the rows they are about.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The outbox of one collection.
pub(crate) struct Outbox {
    side: Postgres,
    collection: Collection,
    announcements: Announcements,
    frontier: Frontier,
    gap: Option<Gap>,
    /// What positions are known by: another base is another capture, and changes between the two
    /// were told to nobody.
    base: i64,
}

/// A truncation that is being told, key by key.
#[derive(Debug)]
struct Gap {
    seq: i64,
    after: Option<String>,
}

/// Opens the outbox. Where to begin it tells itself, as what is settled isn't in it any more; the
/// position only tells which capture it was.
pub(crate) async fn open(
    side: &Postgres,
    collection: &Collection,
    from: Option<&Position>,
) -> Result<Outbox, ConnectorError> {
    side.measure().await?;
    // What is remembered of the table may be older than an install by another program.
    side.forget(collection);
    let base = captured(side, collection).await?;
    if from.is_some_and(|from| *from != cursor(base)) {
        return Err(anew(side));
    }
    Ok(Outbox {
        base,
        side: side.clone(),
        collection: collection.clone(),
        announcements: Announcements::open(side, collection).await,
        frontier: Frontier::default(),
        gap: None,
    })
}

/// An outbox that nobody fills would look like a quiet table.
async fn captured(side: &Postgres, collection: &Collection) -> Result<i64, ConnectorError> {
    if let Some(base) = side.known(collection).await?.base {
        return Ok(base);
    }
    let text =
        format!("changes of {} are not captured: run `duet capture install`", collection.name);
    Err(side.refuse(FailureClass::Permission, "not_captured", text))
}

fn cursor(base: i64) -> Position {
    Position(format!("c:{base}"))
}

fn anew(side: &Postgres) -> ConnectorError {
    let why = "the capture was installed anew since: changes in between were told to nobody";
    ConnectorError::lost_position(Connector::connection(side).clone(), why)
}

#[async_trait]
impl Detector for Outbox {
    async fn detect(&mut self, limit: usize) -> Result<Reading, ConnectorError> {
        let side = self.side.clone();
        side.limited(self.next(limit.max(1))).await
    }

    async fn wait(&mut self, patience: Duration) {
        self.announcements.wait(patience).await;
    }

    async fn settle(&mut self, positions: &[Position]) -> Result<(), ConnectorError> {
        let mut rows = Vec::new();
        for position in positions {
            rows.extend(numbers(position).ok_or_else(|| self.foreign())?);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let side = self.side.clone();
        side.limited(self.give_up(&rows)).await
    }

    async fn head(&mut self) -> Result<Position, ConnectorError> {
        let head = async {
            let head = sqlx::query_scalar(changes::HEAD).fetch_one(self.side.pool()).await;
            head.map_err(|error| self.side.failed(error))
        };
        let head: String = self.side.limited(head).await?;
        Ok(Position(format!("h:{head}")))
    }

    async fn reached(&mut self, head: &Position) -> Result<bool, ConnectorError> {
        let Some(head) = head.0.strip_prefix("h:").filter(|xid| xid.parse::<u64>().is_ok()) else {
            return Err(self.foreign());
        };
        if self.gap.is_some() {
            return Ok(false);
        }
        self.side.limited(self.is_read(head)).await
    }

    fn cursor(&self) -> Option<Position> {
        Some(cursor(self.base))
    }
}

impl Outbox {
    async fn next(&mut self, limit: usize) -> Result<Reading, ConnectorError> {
        if self.gap.is_some() {
            return self.gap_page(limit).await;
        }
        if captured(&self.side, &self.collection).await? != self.base {
            return Err(anew(&self.side));
        }
        let known = self.side.known(&self.collection).await?;
        let side = self.side.clone();
        let fail = |error| side.outdated(&self.collection, error);
        let shape = side.shape(&self.collection, &known)?;
        let read_at = side.time();
        let mut snapshot = side.pool().begin_with(SNAPSHOT).await.map_err(fail)?;
        let (oldest, news) = self.unread(&mut snapshot, limit).await.map_err(fail)?;
        if news.first().is_some_and(|first| first.op == Happened::Truncated) {
            drop(snapshot);
            return self.begin_gap(&news[0], oldest, limit).await;
        }
        let folded = fold(&news, limit);
        let covered: Vec<(i64, u64)> = news[..folded.covered].iter().map(Change::place).collect();
        let records = self.tell(&mut snapshot, &shape, folded, read_at).await.map_err(fail)?;
        snapshot.rollback().await.map_err(fail)?;
        let all = news.len() < limit && covered.len() == news.len();
        self.frontier.take(&covered, oldest, all);
        let rows: Vec<i64> = covered.iter().map(|(seq, _)| *seq).collect();
        Ok(Reading {
            changes: records,
            position: (!rows.is_empty()).then(|| position(&rows)),
            more: !all,
        })
    }

    async fn unread(
        &self,
        connection: &mut PgConnection,
        limit: usize,
    ) -> Result<(u64, Vec<Change>), sqlx::Error> {
        let row = sqlx::query(changes::unread(&self.side.settings().schema).text())
            .bind(self.collection.flow.as_str())
            .bind(self.collection.side.as_str())
            .bind(self.frontier.top())
            .bind(self.frontier.oldest().to_string())
            .bind(self.frontier.recent())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_one(connection)
            .await?;
        let oldest: String = row.try_get("oldest")?;
        let news: String = row.try_get("news")?;
        let news =
            serde_json::from_str(&news).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((oldest.parse().unwrap_or(0), news))
    }

    async fn tell(
        &self,
        connection: &mut PgConnection,
        shape: &Shape<'_>,
        mut folded: Folded,
        read_at: Stamp,
    ) -> Result<Vec<Detected>, sqlx::Error> {
        let moved = std::mem::take(&mut folded.moved);
        let records = folded.records();
        let ids: Vec<RecordId> = records.iter().map(|(record, _)| record.clone()).collect();
        let rows = read::by_key(connection, shape, &self.collection, &ids).await?;
        let mut rows: HashMap<RecordId, Row> =
            rows.into_iter().map(|row| (row.record.clone(), row)).collect();
        let moved = moved.into_iter().map(|one| told(one, read_at));
        let seen = records.into_iter().map(|(record, traces)| {
            let observation = match rows.remove(&record) {
                Some(row) => self.observe(row, shape, traces, read_at),
                None => read::impossible(read_at),
            };
            Detected { record, what: WhatV1::Seen(Box::new(observation)) }
        });
        Ok(moved.chain(seen).collect())
    }

    fn observe(&self, row: Row, shape: &Shape, traces: Traces, read_at: Stamp) -> Observation {
        let gone = !row.found && traces.deleted;
        let mut seen = row.observe(shape, &self.collection, read_at, Source::Event);
        if gone {
            // The trigger saw it go: evidence even where policies may hide rows.
            seen.presence = Presence::Deleted(Deletion::Hard);
        }
        if traces.ours {
            seen.actor.class = ActorClass::Duet;
        }
        seen
    }

    async fn begin_gap(
        &mut self,
        change: &Change,
        oldest: u64,
        limit: usize,
    ) -> Result<Reading, ConnectorError> {
        self.frontier.take(&[change.place()], oldest, false);
        self.gap = Some(Gap { seq: change.seq, after: None });
        self.gap_page(limit).await
    }

    /// The next known keys, each to be read. Only the last page gives the truncation up.
    async fn gap_page(&mut self, limit: usize) -> Result<Reading, ConnectorError> {
        let Some(gap) = &mut self.gap else { return Ok(Reading::default()) };
        let keys = sqlx::query_scalar(changes::known_keys(&self.side.settings().schema).text())
            .bind(self.collection.flow.as_str())
            .bind(self.collection.side.as_str())
            .bind(gap.after.as_deref())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(self.side.pool())
            .await;
        let keys: Vec<String> = keys.map_err(|error| self.side.failed(error))?;
        let last = keys.len() < limit;
        let given_up: &[i64] = if last { &[gap.seq] } else { &[] };
        let position = Some(position(given_up));
        gap.after = keys.last().cloned();
        if last {
            self.gap = None;
        }
        let lost = |key| Detected { record: RecordId::new(key), what: WhatV1::Gap };
        Ok(Reading { changes: keys.into_iter().map(lost).collect(), position, more: true })
    }

    async fn give_up(&mut self, rows: &[i64]) -> Result<(), ConnectorError> {
        let done = sqlx::query(changes::settle(&self.side.settings().schema).text())
            .bind(self.collection.flow.as_str())
            .bind(self.collection.side.as_str())
            .bind(rows)
            .execute(self.side.pool())
            .await;
        done.map_err(|error| self.side.failed(error))?;
        self.frontier.settle(rows);
        Ok(())
    }

    async fn is_read(&self, head: &str) -> Result<bool, ConnectorError> {
        let waiting =
            sqlx::query_scalar(changes::unread_before(&self.side.settings().schema).text())
                .bind(self.collection.flow.as_str())
                .bind(self.collection.side.as_str())
                .bind(self.frontier.top())
                .bind(self.frontier.oldest().to_string())
                .bind(self.frontier.recent())
                .bind(head)
                .fetch_one(self.side.pool())
                .await;
        let waiting: bool = waiting.map_err(|error| self.side.failed(error))?;
        Ok(!waiting)
    }

    fn foreign(&self) -> ConnectorError {
        self.side.refuse(FailureClass::Poison, "position", "not a position of this source")
    }
}

fn told(moved: Moved, read_at: Stamp) -> Detected {
    match moved {
        Moved::Renamed { old, new, seq } => {
            Detected { record: new, what: WhatV1::KeyChanged { old, order: Some(seq) } }
        }
        Moved::Deleted { key, seq } => {
            let seen = Observation {
                presence: Presence::Deleted(Deletion::Hard),
                version: Some(Version { order: Some(seq), token: seq.to_string() }),
                read_at,
                source: Source::Event,
                ..Observation::default()
            };
            Detected { record: key, what: WhatV1::Seen(Box::new(seen)) }
        }
    }
}

/// The rows that a reading covers: `s:4-7,9`.
fn position(rows: &[i64]) -> Position {
    let mut sorted = rows.to_vec();
    sorted.sort_unstable();
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for row in sorted {
        match spans.last_mut() {
            Some((_, end)) if *end + 1 == row => *end = row,
            Some(_) | None => spans.push((row, row)),
        }
    }
    let spans: Vec<String> = spans
        .into_iter()
        .map(|(begin, end)| if begin == end { begin.to_string() } else { format!("{begin}-{end}") })
        .collect();
    Position(format!("s:{}", spans.join(",")))
}

/// The most rows one position may stand for: many times what any reading covers.
const SPAN_MAX: i64 = 100_000;

fn numbers(position: &Position) -> Option<Vec<i64>> {
    let list = position.0.strip_prefix("s:")?;
    let mut rows = Vec::new();
    for span in list.split(',').filter(|span| !span.is_empty()) {
        let (begin, end) = span.split_once('-').unwrap_or((span, span));
        let (begin, end): (i64, i64) = (begin.parse().ok()?, end.parse().ok()?);
        if begin < 0 || end < begin || end - begin > SPAN_MAX {
            return None;
        }
        rows.extend(begin..=end);
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_name_exactly_their_rows() {
        for rows in [vec![], vec![5], vec![1, 2, 3, 7, 9, 10]] {
            assert_eq!(numbers(&position(&rows)), Some(rows));
        }
        assert_eq!(position(&[3, 1, 2]).0, "s:1-3");
        for foreign in ["", "h:5", "s:x", "s:5-1", "s:1-900000000"] {
            assert_eq!(numbers(&Position(foreign.to_owned())), None, "{foreign}");
        }
    }
}
