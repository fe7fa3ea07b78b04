//! The port to the side: faults first, then the tables.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use duet_core::id::{Column, ConnectionName, RecordId};
use duet_core::intent::{FindKey, Found, Op, Outcome};
use duet_core::observation::{Presence, Source};
use duet_core::retry::{Failure, FailureClass};
use duet_core::spec::{Canon, ColumnSpec};
use duet_core::stamp::Stamp;
use duet_core::value::ValueType;
use duet_ports::connector::{
    Answers, Batch, Collection, Connector, ConnectorError, Description, Detector, Limits, May,
    Page, Position, Record, Search,
};

use super::MemorySide;
use super::calls::Kind;
use super::detect::MemoryDetector;
use super::fault::{Fault, failure};
use super::table::Table;

/// What is left of a call after its fault: how it ends.
enum Turn {
    /// As it should.
    Well,
    /// Carried out, unless it is lost on the way; then an error.
    Lost { carried_out: bool },
    /// Kept for later, then an error.
    Later,
    /// Refused record by record.
    Refused(FailureClass),
    /// Without its last answer.
    Short,
}

impl MemorySide {
    /// Counts a call and lets it meet its fault.
    async fn turn(&self, kind: Kind) -> Result<Turn, ConnectorError> {
        let fault = {
            let mut state = self.state();
            state.calls.count(kind);
            state.faults.meet(kind)
        };
        match fault {
            None => Ok(Turn::Well),
            Some(Fault::AnswerLost) => Ok(Turn::Lost { carried_out: true }),
            Some(Fault::CallLost) => Ok(Turn::Lost { carried_out: false }),
            Some(Fault::Later) => Ok(Turn::Later),
            Some(Fault::Refused(class)) => Ok(Turn::Refused(class)),
            Some(Fault::AnswerMissing) => Ok(Turn::Short),
            Some(Fault::NotSent(class)) => Err(self.error(failure(class), false)),
            Some(Fault::Throttled(pause)) => Err(self.throttled(pause)),
            Some(Fault::Slow(span)) => {
                tokio::time::sleep(span).await;
                Ok(Turn::Well)
            }
        }
    }

    /// A call without effects: every fault but slowness and a short answer is an error.
    pub(super) async fn reading(&self, kind: Kind) -> Result<bool, ConnectorError> {
        match self.turn(kind).await? {
            Turn::Well => Ok(false),
            Turn::Short => Ok(true),
            Turn::Refused(class) => Err(self.error(failure(class), true)),
            Turn::Lost { .. } | Turn::Later => Err(self.unknown()),
        }
    }

    fn error(&self, failure: Failure, sent: bool) -> ConnectorError {
        ConnectorError { connection: self.shared.name.clone(), failure, sent, source: None }
    }

    fn unknown(&self) -> ConnectorError {
        self.error(failure(FailureClass::UnknownOutcome), true)
    }

    fn throttled(&self, pause: Duration) -> ConnectorError {
        let asked = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        let told = failure(FailureClass::Throttled);
        self.error(Failure { retry_after_us: Some(asked), ..told }, false)
    }

    pub(super) fn missing(&self) -> ConnectorError {
        self.error(failure(FailureClass::Permission), false)
    }

    /// Looks at a table, if there is one of that name.
    fn look<T>(
        &self,
        collection: &Collection,
        at: impl FnOnce(&Table) -> T,
    ) -> Result<T, ConnectorError> {
        let state = self.state();
        state.tables.get(&collection.name).map(at).ok_or_else(|| self.missing())
    }

    /// Makes an empty table.
    pub fn table(&self, name: &str) {
        self.state().tables.make(name);
    }
}

pub(super) fn any_text() -> ColumnSpec {
    ColumnSpec {
        kind: ValueType::Text,
        nullable: true,
        max_length: None,
        scale: None,
        precision: None,
        range: None,
        allowed: None,
        createable: true,
        updateable: true,
        canon: Canon::default(),
    }
}

fn holds(record: &Record, key: &FindKey) -> bool {
    let image = &record.observation.image;
    !key.columns.is_empty()
        && key.columns.iter().all(|(column, value)| image.get(column) == Some(value))
}

#[async_trait]
impl Connector for MemorySide {
    fn connection(&self) -> &ConnectionName {
        &self.shared.name
    }

    fn limits(&self) -> Limits {
        self.shared.promises.limits
    }

    fn now(&self) -> Stamp {
        self.shared.clock.now()
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        self.reading(Kind::Any).await.map(drop)
    }

    async fn describe(&self, collection: &Collection) -> Result<Description, ConnectorError> {
        let seen: Vec<Column> = self.look(collection, |table| {
            table.rows.values().flat_map(|row| row.image.keys().cloned()).collect()
        })?;
        let own = [Some(Column::from("id")), self.key_column()].into_iter().flatten();
        let named = collection.columns.keys().cloned().chain(seen).chain(own);
        let promises = self.shared.promises;
        Ok(Description {
            columns: named.map(|column| (column, any_text())).collect::<BTreeMap<_, _>>(),
            key: vec!["id".into()],
            unique: Vec::new(),
            key_column: self.key_column(),
            marker: true,
            guarded: promises.class,
            batch: promises.class,
            grain_us: promises.grain_us,
            skew_us: 0,
            may: May { create: true, update: true, delete: true },
            remarks: Vec::new(),
        })
    }

    async fn detector(
        &self,
        collection: &Collection,
        from: Option<&Position>,
    ) -> Result<Box<dyn Detector>, ConnectorError> {
        self.state().tables.make(&collection.name);
        let (end, lost_before) =
            self.look(collection, |table| (table.journal.len(), table.lost_before))?;
        let lost = || ConnectorError::lost_position(self.shared.name.clone(), "it was thrown away");
        let from = match from {
            None => end,
            Some(Position(text)) => text.parse().map_err(|_| lost())?,
        };
        if from < lost_before {
            return Err(lost());
        }
        let news = self.shared.news.subscribe();
        Ok(Box::new(MemoryDetector::new(self.clone(), collection.clone(), from, news)))
    }

    async fn read(
        &self,
        collection: &Collection,
        records: &[RecordId],
    ) -> Result<Vec<Record>, ConnectorError> {
        let at = self.now();
        let short = self.reading(Kind::Read).await?;
        self.look(collection, |table| {
            let asked = records.iter().take(records.len().saturating_sub(usize::from(short)));
            asked.map(|record| table.observe(collection, record, at, Source::Read)).collect()
        })
    }

    async fn find(
        &self,
        collection: &Collection,
        searches: &[Search],
    ) -> Result<Vec<Vec<Found>>, ConnectorError> {
        let at = self.now();
        let short = self.reading(Kind::Find).await?;
        let all: Vec<Record> = self.look(collection, |table| {
            let rows = table.rows.keys();
            rows.map(|record| table.observe(collection, record, at, Source::Read)).collect()
        })?;
        let answer = |search: &Search| {
            let present = all.iter().filter(|one| one.observation.presence == Presence::Present);
            let found = present.filter_map(|one| {
                let key = search.keys.iter().find(|key| holds(one, key))?;
                let observation = one.observation.clone();
                Some(Found { record: one.record.clone(), rule: key.rule, observation })
            });
            found.collect()
        };
        Ok(searches
            .iter()
            .take(searches.len().saturating_sub(usize::from(short)))
            .map(answer)
            .collect())
    }

    async fn scan(
        &self,
        collection: &Collection,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, ConnectorError> {
        let at = self.now();
        self.reading(Kind::Scan).await?;
        self.look(collection, |table| {
            let later =
                |record: &&RecordId| after.is_none_or(|last| record.as_str() > last.0.as_str());
            let present = table.rows.iter().filter(|(_, row)| !row.deleted);
            let mut rest = present.map(|(record, _)| record).filter(later).peekable();
            let part: Vec<&RecordId> = rest.by_ref().take(limit).collect();
            let more = rest.peek().is_some();
            let next = part.last().filter(|_| more).map(|last| Position(last.as_str().to_owned()));
            let observe = |record: &RecordId| table.observe(collection, record, at, Source::Scan);
            let records = part.into_iter().map(observe).collect();
            Page { records, next, estimate: u64::try_from(table.rows.len()).ok() }
        })
    }

    async fn apply(
        &self,
        collection: &Collection,
        batch: &Batch,
    ) -> Result<Answers, ConnectorError> {
        let kind = if batch.op == Op::Create { Kind::Create } else { Kind::Apply };
        let turn = self.turn(kind).await?;
        let outcomes = match turn {
            Turn::Well => self.write(collection, batch),
            Turn::Lost { carried_out } => {
                if carried_out {
                    self.write(collection, batch);
                }
                return Err(self.unknown());
            }
            Turn::Later => {
                self.state().faults.late.push((collection.name.clone(), batch.clone()));
                return Err(self.unknown());
            }
            Turn::Refused(class) => {
                let refused = Outcome::Refused { failure: failure(class), observed: None };
                vec![refused; batch.calls.len()]
            }
            Turn::Short => {
                let mut outcomes = self.write(collection, batch);
                outcomes.pop();
                outcomes
            }
        };
        Ok(Answers { at: self.now(), outcomes })
    }
}
