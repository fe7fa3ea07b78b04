//! Detection by poll: what is new by (SystemModstamp, Id), with looks back, because a record may
//! become visible minutes after its stamp and may change twice within one second.
//!
//! A cycle has three stages. **Back**: once a minute and first of all, ids and stamps from ten minutes
//! before the position that the last such look began at, fetching what is new. **Newest**: everything
//! from 30 s before the position, with values. **Again**: each change once more when its stamp is ten
//! minutes old.
//! Every look is by `queryAll`, so deletions show like changes. What this detector has given out
//! before (same id, stamp and content) is left out (`docs/decisions/0037`).

mod position;
mod seen;

use crate::query::{Found, Rows, row_id};
use crate::salesforce::Org;
use crate::soql::{self, Mark};
use crate::view::View;
use async_trait::async_trait;
use duet_core::id::RecordId;
use duet_core::observation::Source;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::connector::{
    Collection, ConnectorError, Detected, Detector, Position, Reading, Record,
};
use duet_ports::envelope::WhatV1;
use position::{DAY_US, Place, second, up_to_date};
use seen::Seen;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Looked back with values in each cycle: covers ordinary transactions and clock differences.
const OVERLAP_US: i64 = 30 * Stamp::SECOND;
/// Looked back by ids: the longest a transaction of the platform may stay open.
const LOOK_BACK_US: i64 = 600 * Stamp::SECOND;
/// Time between two such looks.
const LOOK_BACK_EVERY_US: i64 = 60 * Stamp::SECOND;
/// How far before a position a predecessor's last look may have begun: a minute, and a cycle's time.
const PREDECESSOR_US: i64 = 2 * LOOK_BACK_EVERY_US;
/// The oldest position that can be read from. The platform keeps deleted rows, which `queryAll` shows,
/// for 15 days (Salesforce Help, "View, Restore, and Manage the Recycle Bin"); a day is left for the
/// clocks and for the reading itself.
const KEPT_US: i64 = 14 * DAY_US;
/// Rows of one query: what one answer of the platform holds.
const ROWS_MAX: usize = 2_000;
/// Records fetched by id at once.
const FETCH_MAX: usize = 400;

/// Where the running cycle stands.
enum Stage {
    Idle,
    /// Ids up to a stamp; those still to be fetched.
    Back {
        after: Mark,
        until: Stamp,
        fetch: Vec<RecordId>,
        last: bool,
    },
    Newest {
        after: Mark,
    },
    Again,
}

/// What is new in a page of the newest and not handed out yet.
#[derive(Default)]
struct Newest {
    records: Vec<Record>,
    end: Option<Mark>,
    full: bool,
    /// When it was asked for, by the side's clock.
    asked_at: Stamp,
}

/// A detector over one object.
pub(crate) struct Poller {
    org: Arc<Org>,
    collection: Collection,
    settled: Mark,
    read: Mark,
    /// The position last handed out, so that a look that found nothing hands out none.
    given: Mark,
    seen: Seen,
    page: Newest,
    stage: Stage,
    /// When the last look back began, by our clock.
    looked_back: Option<Stamp>,
    /// What was read when it began. All that it couldn't see yet was stamped in the ten minutes
    /// before: the next look begins there, however far the position has moved on since.
    looked_from: Stamp,
    /// Cycles begun and cycles ended.
    begun: u64,
    ended: u64,
    /// Tells positions of this detector from those of others.
    opened: Stamp,
}

impl Poller {
    pub(crate) async fn open(
        org: Arc<Org>,
        collection: Collection,
        from: Option<&Position>,
    ) -> Result<Poller, ConnectorError> {
        let place = match from {
            Some(position) => {
                let place = Place::parse(position).ok_or_else(|| {
                    let why = "not a position of this source, or one of another version";
                    ConnectorError::lost_position(org.rest.connection.clone(), why)
                })?;
                still_kept(&org, &place.mark)?;
                place
            }
            None => {
                let (newest, asked_at) = newest(&org, &collection).await?;
                Place::at(up_to_date(newest, asked_at))
            }
        };
        let opened = org.rest.clock.local();
        let looked_from = place.mark.at.plus(-PREDECESSOR_US);
        Ok(Poller {
            org,
            collection,
            looked_from,
            settled: place.mark.clone(),
            read: place.mark.clone(),
            given: place.mark,
            seen: Seen::default(),
            page: Newest::default(),
            stage: Stage::Idle,
            looked_back: None,
            begun: 0,
            ended: 0,
            opened,
        })
    }

    /// Begins a cycle: the first, and one a minute, looks far back.
    fn begin(&mut self) {
        let now = self.org.rest.clock.local();
        let due = self.looked_back.is_none_or(|at| now.0 - at.0 >= LOOK_BACK_EVERY_US);
        self.begun += 1;
        let newest = before(self.read.at, OVERLAP_US);
        if !due {
            self.stage = Stage::Newest { after: newest };
            return;
        }
        let after = before(self.looked_from.min(self.read.at), LOOK_BACK_US);
        self.looked_back = Some(now);
        self.looked_from = self.read.at;
        self.stage = Stage::Back { after, until: newest.at, fetch: Vec::new(), last: false };
    }

    /// Does the next piece of the cycle; gives what is new in it.
    async fn advance(
        &mut self,
        limit: usize,
        until: Instant,
    ) -> Result<Vec<Record>, ConnectorError> {
        match &self.stage {
            Stage::Idle => Ok(Vec::new()),
            Stage::Back { fetch, last, .. } if fetch.is_empty() && *last => {
                self.stage = Stage::Newest { after: before(self.read.at, OVERLAP_US) };
                Ok(Vec::new())
            }
            Stage::Back { fetch, .. } if fetch.is_empty() => self.look_back(until).await,
            Stage::Back { .. } => self.fetch(limit, until).await,
            Stage::Newest { .. } => self.newest(limit, until).await,
            Stage::Again => self.again(limit, until).await,
        }
    }

    /// One page of ids and stamps; what isn't known is to be fetched.
    async fn look_back(&mut self, until: Instant) -> Result<Vec<Record>, ConnectorError> {
        let Stage::Back { after, until: end, .. } = &self.stage else { return Ok(Vec::new()) };
        let Some(before) = soql::instant(*end) else { return Ok(Vec::new()) };
        let object = &self.collection.name;
        let condition = format!("{} AND SystemModstamp < {before}", soql::after(after));
        let order = format!("ORDER BY SystemModstamp, Id LIMIT {ROWS_MAX}");
        let soql = format!("SELECT Id, SystemModstamp FROM {object} WHERE {condition} {order}");
        let found = self.org.rest.query(Rows::All, &soql, until).await?;
        let news: Vec<RecordId> = found
            .rows
            .iter()
            .filter_map(|row| Some((row_id(row)?, View::stamps(row)?.system)))
            .filter(|(id, stamp)| !self.seen.knows(id, *stamp))
            .map(|(id, _)| id)
            .collect();
        let Stage::Back { after, fetch, last, .. } = &mut self.stage else {
            return Ok(Vec::new());
        };
        *last = found.rows.len() < ROWS_MAX;
        if let Some(mark) = last_mark(&found) {
            *after = mark;
        }
        *fetch = news;
        Ok(Vec::new())
    }

    /// Fetches some of what the look back found.
    async fn fetch(&mut self, limit: usize, until: Instant) -> Result<Vec<Record>, ConnectorError> {
        let Stage::Back { fetch, .. } = &self.stage else { return Ok(Vec::new()) };
        let count = fetch.len().min(limit).min(FETCH_MAX);
        let records = self.by_id(&fetch[..count], until).await?;
        if let Stage::Back { fetch, .. } = &mut self.stage {
            fetch.drain(..count);
        }
        let news = self.seen.news(records);
        Ok(self.seen.note(news))
    }

    /// Some of what a page of the newest held, else the next page.
    async fn newest(
        &mut self,
        limit: usize,
        until: Instant,
    ) -> Result<Vec<Record>, ConnectorError> {
        if self.page.records.is_empty() {
            let mut page = self.next_page(until).await?;
            page.records = self.seen.news(page.records);
            self.page = page;
        }
        let count = self.page.records.len().min(limit);
        let news: Vec<Record> = self.page.records.drain(..count).collect();
        if self.page.records.is_empty() {
            self.leave_page();
        }
        Ok(self.seen.note(news))
    }

    async fn next_page(&self, until: Instant) -> Result<Newest, ConnectorError> {
        let Stage::Newest { after } = &self.stage else { return Ok(Newest::default()) };
        let view = self.org.view(&self.collection, until).await?;
        let order = format!("ORDER BY SystemModstamp, Id LIMIT {ROWS_MAX}");
        let soql = format!("{} WHERE {} {order}", view.select(), soql::after(after));
        let found = self.org.rest.query(Rows::All, &soql, until).await?;
        let rows = self.org.rest.records(&view, &found, Source::Poll)?;
        let mut records = self.seen.suspects(rows);
        self.org.rest.mark_outside(&view, &mut records, until).await?;
        let full = found.rows.len() >= ROWS_MAX;
        Ok(Newest { records, end: last_mark(&found), full, asked_at: found.sent_at })
    }

    /// The page is handed out: only now its end counts as read.
    fn leave_page(&mut self) {
        let page = std::mem::take(&mut self.page);
        if let Some(end) = &page.end {
            self.read = self.read.clone().max(end.clone());
        }
        if !page.full {
            self.read = up_to_date(self.read.clone(), page.asked_at);
        }
        self.stage = match page.end.filter(|_| page.full) {
            Some(end) => Stage::Newest { after: end },
            None => Stage::Again,
        };
    }

    /// Some of the changes that are ten minutes old, once more.
    async fn again(&mut self, limit: usize, until: Instant) -> Result<Vec<Record>, ConnectorError> {
        // A stamp tells the second only: the whole second must be ten minutes old.
        let old = self.org.rest.clock.now().plus(-LOOK_BACK_US - Stamp::SECOND);
        let due = self.seen.unsettled(old, limit.min(FETCH_MAX));
        if due.is_empty() {
            self.seen.forget_before(before(self.read.at, 2 * LOOK_BACK_US).at);
            self.stage = Stage::Idle;
            self.ended = self.begun;
            return Ok(Vec::new());
        }
        let ids: Vec<RecordId> = due.iter().map(|(_, id)| id.clone()).collect();
        let records = self.by_id(&ids, until).await?;
        self.seen.settle(&due);
        let news = self.seen.news(records);
        Ok(self.seen.note(news))
    }

    /// These records with their presence in the flow's filter.
    async fn by_id(&self, ids: &[RecordId], until: Instant) -> Result<Vec<Record>, ConnectorError> {
        let view = self.org.view(&self.collection, until).await?;
        let found = self.org.rest.rows_by_id(&view, ids, Source::Poll, until).await?;
        Ok(found.into_values().collect())
    }

    fn reading(&mut self, records: Vec<Record>) -> Reading {
        let moved = self.read > self.given;
        let position =
            (moved || !records.is_empty()).then(|| Place::at(self.read.clone()).position());
        self.given = self.read.clone();
        let changes = records.into_iter().map(detected).collect();
        Reading { changes, position, more: !matches!(self.stage, Stage::Idle) }
    }
}

#[async_trait]
impl Detector for Poller {
    async fn detect(&mut self, limit: usize) -> Result<Reading, ConnectorError> {
        let until = self.org.rest.deadline();
        if matches!(self.stage, Stage::Idle) {
            still_kept(&self.org, &self.read)?;
            self.begin();
        }
        loop {
            let advanced = self.advance(limit.max(1), until).await;
            let records = self.org.heeded(&self.collection, advanced)?;
            if !records.is_empty() || matches!(self.stage, Stage::Idle) {
                return Ok(self.reading(records));
            }
        }
    }

    async fn wait(&mut self, patience: Duration) {
        self.org.rest.clock.sleep(patience).await;
    }

    async fn settle(&mut self, positions: &[Position]) -> Result<(), ConnectorError> {
        for position in positions {
            let place = Place::parse(position).ok_or_else(|| {
                self.org.rest.error(FailureClass::Poison, "POSITION", "no position")
            })?;
            self.settled = self.settled.clone().max(place.mark);
        }
        Ok(())
    }

    /// Every change committed before is seen by the next whole cycle that looks far back.
    async fn head(&mut self) -> Result<Position, ConnectorError> {
        let (mark, _) = newest(&self.org, &self.collection).await?;
        self.looked_back = None;
        Ok(Place { mark, cycle: Some((self.opened, self.begun)) }.position())
    }

    async fn reached(&mut self, head: &Position) -> Result<bool, ConnectorError> {
        let place = Place::parse(head)
            .ok_or_else(|| self.org.rest.error(FailureClass::Poison, "POSITION", "no position"))?;
        Ok(match place.cycle {
            Some((opened, cycle)) if opened == self.opened => self.ended > cycle,
            Some(_) | None => self.ended > 0 && self.read.at >= place.mark.at,
        })
    }

    fn cursor(&self) -> Option<Position> {
        Some(Place::at(self.settled.clone()).position())
    }
}

fn detected(one: Record) -> Detected {
    Detected { record: one.record, what: WhatV1::Seen(Box::new(one.observation)) }
}

fn last_mark(found: &Found) -> Option<Mark> {
    let row = found.rows.last()?;
    Some(Mark { at: View::stamps(row)?.system, id: row_id(row)?.to_string() })
}

/// A deletion before the oldest row in the bin left nothing to be read.
fn still_kept(org: &Org, read: &Mark) -> Result<(), ConnectorError> {
    if read.at >= org.rest.clock.now().plus(-KEPT_US) {
        return Ok(());
    }
    let why = "the position is older than what the recycle bin keeps: deletions may be missed";
    Err(ConnectorError::lost_position(org.rest.connection.clone(), why))
}

/// The place of the newest record, of an empty object now; and when it was asked for.
async fn newest(org: &Org, collection: &Collection) -> Result<(Mark, Stamp), ConnectorError> {
    let until = org.rest.deadline();
    let object = org.objects.known(&org.rest, &collection.name, until).await?;
    let order = "ORDER BY SystemModstamp DESC, Id DESC LIMIT 1";
    let soql = format!("SELECT Id, SystemModstamp FROM {} {order}", object.name);
    let found = org.rest.query(Rows::All, &soql, until).await?;
    let mark = last_mark(&found).unwrap_or_else(|| second(found.sent_at));
    Ok((mark, found.sent_at))
}

/// The place so long before a stamp.
fn before(stamp: Stamp, micros: i64) -> Mark {
    second(Stamp(stamp.plus(-micros).0.max(0)))
}
