//! Reads the outbox: changed keys from `duet_change`, the rows as they are now in one query beside
//! them, in one snapshot. Settled changes are deleted; the others are read again after a start.

use crate::announce::Announcements;
use crate::capture::Standing;
use crate::database::Database;
use crate::fold::{Change, Folded, Happened, Moved, Traces, fold};
use crate::frontier::Frontier;
use crate::product::Product;
use crate::read;
use crate::record::Row;
use crate::session::Session;
use crate::sql::{Capture, Shape};
use crate::told::{self, Told};
use async_trait::async_trait;
use duet_core::id::RecordId;
use duet_core::observation::{ActorClass, Deletion, Observation, Presence, Source, Version};
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::connector::{
    Collection, Connector, ConnectorError, Detected, Detector, Position, Reading,
};
use duet_ports::envelope::WhatV1;
use std::collections::HashMap;
use std::time::Duration;

/// The outbox of one collection.
pub(crate) struct Outbox {
    side: Database,
    collection: Collection,
    announcements: Announcements,
    frontier: Frontier,
    gap: Option<Gap>,
    /// What positions are known by: another base is another capture, and changes between the two
    /// were told to nobody.
    base: i64,
    /// In a file: the last change that was told.
    last: Option<Told>,
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
    side: &Database,
    collection: &Collection,
    from: Option<&Position>,
) -> Result<Outbox, ConnectorError> {
    side.measure().await?;
    // What is remembered of the table may be older than an install by another program.
    side.forget(collection);
    let base = captured(side, collection).await?;
    let last = match from.map(told::parts) {
        None => None,
        Some(Some((at, last))) if at == base => last,
        Some(_) => return Err(anew(side)),
    };
    let outbox = Outbox {
        base,
        last,
        side: side.clone(),
        collection: collection.clone(),
        announcements: Announcements::open(side, collection).await,
        frontier: Frontier::default(),
        gap: None,
    };
    if outbox.knows_last().await? { Ok(outbox) } else { Err(outbox.put_back().await) }
}

/// An outbox that nobody fills would look like a quiet table.
async fn captured(side: &Database, collection: &Collection) -> Result<i64, ConnectorError> {
    let standing = side.known(collection).await?.standing;
    let code = match standing {
        Standing::Captured(base) => return Ok(base),
        Standing::Older => "capture_older",
        Standing::Missing => "not_captured",
    };
    let text = standing.fault(collection).unwrap_or_default();
    Err(side.refuse(FailureClass::Permission, code, text))
}

fn anew(side: &Database) -> ConnectorError {
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
            let asked = async {
                let mut session = self.side.pool().acquire().await?;
                session.one(&self.side.home().head()).await?.own_text("head")
            };
            asked.await.map_err(|error| self.side.failed(error))
        };
        let head: String = self.side.limited(head).await?;
        Ok(Position(format!("h:{head}")))
    }

    async fn reached(&mut self, head: &Position) -> Result<bool, ConnectorError> {
        let Some(head) = head.0.strip_prefix("h:") else { return Err(self.foreign()) };
        let unread = self.capture().unread_before(&self.frontier.reached(), head);
        let unread = unread.ok_or_else(|| self.foreign())?;
        if self.gap.is_some() {
            return Ok(false);
        }
        let is_read = async {
            let mut session = self.side.pool().acquire().await?;
            Ok(!session.one(&unread).await?.is("waiting")?)
        };
        let is_read = async { is_read.await.map_err(|error| self.side.failed(error)) };
        Box::pin(self.side.limited(is_read)).await
    }

    fn cursor(&self) -> Option<Position> {
        Some(told::cursor(self.base, self.last.as_ref()))
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
        let mut snapshot = side.pool().snapshot().await.map_err(fail)?;
        let (oldest, news, known) = self.unread(&mut snapshot, limit).await.map_err(fail)?;
        if !known {
            drop(snapshot);
            return Err(self.put_back().await);
        }
        if news.first().is_some_and(|first| first.op == Happened::Truncated) {
            drop(snapshot);
            return self.begin_gap(&news[0], oldest, limit).await;
        }
        let folded = fold(&news, limit);
        let covered: Vec<(i64, u64)> = news[..folded.covered].iter().map(Change::place).collect();
        let records = self.tell(&mut snapshot, &shape, folded, read_at).await.map_err(fail)?;
        snapshot.rollback().await.map_err(fail)?;
        if self.side.product() == Product::Sqlite {
            self.last = Told::last(&news[..covered.len()]).or(self.last.take());
        }
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
        session: &mut Session,
        limit: usize,
    ) -> Result<(u64, Vec<Change>, bool), sqlx::Error> {
        let last = self.last.as_ref();
        let asked = self.capture().unread(&self.frontier.reached(), limit, last);
        let row = session.one(&asked).await?;
        let known = match last {
            Some(last) => last.is_known(row.integer("known")?),
            None => true,
        };
        let oldest = row.own_text("oldest")?;
        let news = row.json("news")?.unwrap_or_default();
        let news =
            serde_json::from_str(&news).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((oldest.parse().unwrap_or(0), news, known))
    }

    /// Whether the change that was told last is known here.
    async fn knows_last(&self) -> Result<bool, ConnectorError> {
        if self.last.is_none() {
            return Ok(true);
        }
        let asked = async {
            let mut session = self.side.pool().acquire().await?;
            self.unread(&mut session, 0).await
        };
        asked.await.map(|(_, _, known)| known).map_err(|error| self.side.failed(error))
    }

    /// The file is an older copy: its numbers go on beyond all that were given out, and what was
    /// undone in it is found by looking at everything.
    async fn put_back(&self) -> ConnectorError {
        let done = async {
            let mut session = self.side.pool().begin().await?;
            for statement in self.capture().rebase() {
                session.run(&statement).await?;
            }
            session.commit().await
        };
        match done.await {
            Ok(()) => {
                self.side.forget(&self.collection);
                let why = "an older copy of the file was put back: what happened since is undone";
                ConnectorError::lost_position(Connector::connection(&self.side).clone(), why)
            }
            Err(error) => self.side.failed(error),
        }
    }

    async fn tell(
        &self,
        session: &mut Session,
        shape: &Shape<'_>,
        mut folded: Folded,
        read_at: Stamp,
    ) -> Result<Vec<Detected>, sqlx::Error> {
        let moved = std::mem::take(&mut folded.moved);
        let records = folded.records();
        let ids: Vec<RecordId> = records.iter().map(|(record, _)| record.clone()).collect();
        let rows = read::by_key(session, shape, &ids).await?;
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
        let capture = Capture::of(self.side.home(), &self.collection);
        let asked = async {
            let mut session = self.side.pool().acquire().await?;
            let rows = session.all(&capture.known_keys(gap.after.as_deref(), limit)).await?;
            rows.iter().map(|row| row.own_text("key")).collect::<Result<Vec<_>, _>>()
        };
        let keys = asked.await.map_err(|error| self.side.failed(error))?;
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
        let done = async {
            let mut session = self.side.pool().acquire_to_write().await?;
            session.run(&self.capture().settle(rows)).await
        };
        done.await.map_err(|error| self.side.failed(error))?;
        self.frontier.settle(rows);
        Ok(())
    }

    fn capture(&self) -> Capture<'_> {
        Capture::of(self.side.home(), &self.collection)
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
