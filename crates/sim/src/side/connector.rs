//! The port to the side: faults first, then the table.

use super::detect::SimDetector;
use super::write::failure;
use super::{ID, KEY_COLUMN, SimSide};
use crate::fault::Fault;
use async_trait::async_trait;
use duet_core::id::{Column, ConnectionName, RecordId};
use duet_core::intent::{FindKey, Found, Outcome};
use duet_core::observation::{Presence, Source};
use duet_core::retry::{Failure, FailureClass};
use duet_core::spec::{Canon, ColumnSpec};
use duet_core::stamp::Stamp;
use duet_core::value::ValueType;
use duet_ports::connector::{
    Answers, Batch, Collection, Connector, ConnectorError, Description, Detector, Limits, May,
    Page, Position, Record, Search,
};
use std::time::Duration;

/// The hard time limit of a call.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest that a side asks to wait, in microseconds.
const ASKED_US: i64 = 40 * Stamp::SECOND;
/// The most that a lost call takes beyond its time limit, in microseconds.
const LOST_US: i64 = 1_500_000;

/// How a write call ends.
enum Turn {
    /// As it should.
    Well,
    /// Without its last answer.
    Short,
    /// In silence, whatever became of it.
    Silent { carried_out: bool, later: bool },
}

impl SimSide {
    /// A call arrives, or can't.
    pub(super) async fn asked(&self) -> Result<(), ConnectorError> {
        self.shared.luck.cross().await;
        self.state().calls += 1;
        let luck = &self.shared.luck;
        if luck.strikes(Fault::Unreachable) {
            return Err(self.error(failure(FailureClass::Unreachable), false));
        }
        if luck.strikes(Fault::SignedOut) {
            return Err(self.error(failure(FailureClass::Auth), false));
        }
        if luck.strikes(Fault::Throttled) {
            let asked = Some(luck.draw(|chance| chance.between(Stamp::SECOND, ASKED_US)));
            let told = failure(FailureClass::Throttled);
            return Err(self.error(Failure { retry_after_us: asked, ..told }, false));
        }
        Ok(())
    }

    fn turn(&self) -> Turn {
        let luck = &self.shared.luck;
        if luck.strikes(Fault::AnswerLost) {
            Turn::Silent { carried_out: true, later: false }
        } else if luck.strikes(Fault::CallLost) {
            Turn::Silent { carried_out: false, later: false }
        } else if luck.strikes(Fault::CallLate) {
            Turn::Silent { carried_out: false, later: true }
        } else if luck.strikes(Fault::AnswerMissing) {
            Turn::Short
        } else {
            Turn::Well
        }
    }

    fn error(&self, failure: Failure, sent: bool) -> ConnectorError {
        ConnectorError { connection: self.shared.name.clone(), failure, sent, source: None }
    }

    /// Nobody answers within the time limit.
    fn silence(&self) -> ConnectorError {
        let limit = i64::try_from(TIMEOUT.as_micros()).unwrap_or(i64::MAX);
        let luck = &self.shared.luck;
        luck.clock.pass(limit.saturating_add(luck.draw(|chance| chance.between(0, LOST_US))));
        self.error(failure(FailureClass::UnknownOutcome), true)
    }

    /// A call that only reads. How many of its answers are left out.
    async fn reading(&self) -> Result<usize, ConnectorError> {
        self.asked().await?;
        if self.shared.luck.strikes(Fault::AnswerLost) {
            return Err(self.silence());
        }
        Ok(usize::from(self.shared.luck.strikes(Fault::AnswerMissing)))
    }

    fn seen(&self, record: &RecordId, at: Stamp, source: Source) -> Record {
        self.observe(&self.state(), record, at, source)
    }
}

fn any_text() -> ColumnSpec {
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

fn answer(all: &[Record], search: &Search) -> Vec<Found> {
    let present = all.iter().filter(|one| one.observation.presence == Presence::Present);
    let found = present.filter_map(|one| {
        let key = search.keys.iter().find(|key| holds(one, key))?;
        let observation = one.observation.clone();
        Some(Found { record: one.record.clone(), rule: key.rule, observation })
    });
    found.collect()
}

#[async_trait]
impl Connector for SimSide {
    fn connection(&self) -> &ConnectionName {
        &self.shared.name
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: 3,
            read: 5,
            parallel: 1,
            patience: Duration::ZERO,
            timeout: TIMEOUT,
            poll: Duration::from_secs(1),
        }
    }

    fn now(&self) -> Stamp {
        self.now_there()
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        self.asked().await
    }

    async fn describe(&self, collection: &Collection) -> Result<Description, ConnectorError> {
        self.asked().await?;
        let nature = self.shared.nature;
        let key_column = nature.has_marker().then(|| Column::from(KEY_COLUMN));
        let named = collection.columns.keys().cloned().chain([ID.into()]);
        Ok(Description {
            columns: named.chain(key_column.clone()).map(|one| (one, any_text())).collect(),
            key: vec![ID.into()],
            unique: Vec::new(),
            key_column,
            marker: nature.has_marker(),
            guarded: nature.class,
            batch: nature.class,
            grain_us: nature.grain_us,
            skew_us: 0,
            may: May { create: true, update: true, delete: true },
            remarks: Vec::new(),
        })
    }

    async fn detector(
        &self,
        _collection: &Collection,
        from: Option<&Position>,
    ) -> Result<Box<dyn Detector>, ConnectorError> {
        self.asked().await?;
        let from = from.and_then(|position| position.0.parse().ok()).unwrap_or(0);
        Ok(Box::new(SimDetector::new(self.clone(), from)))
    }

    async fn read(
        &self,
        _collection: &Collection,
        records: &[RecordId],
    ) -> Result<Vec<Record>, ConnectorError> {
        let at = self.now();
        let short = self.reading().await?;
        let asked = records.iter().take(records.len().saturating_sub(short));
        Ok(asked.map(|record| self.seen(record, at, Source::Read)).collect())
    }

    async fn find(
        &self,
        _collection: &Collection,
        searches: &[Search],
    ) -> Result<Vec<Vec<Found>>, ConnectorError> {
        let at = self.now();
        let short = self.reading().await?;
        let records = self.records();
        let all: Vec<Record> =
            records.iter().map(|record| self.seen(record, at, Source::Read)).collect();
        let asked = searches.iter().take(searches.len().saturating_sub(short));
        Ok(asked.map(|search| answer(&all, search)).collect())
    }

    async fn scan(
        &self,
        _collection: &Collection,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, ConnectorError> {
        let at = self.now();
        self.reading().await?;
        let all = self.records();
        let estimate = u64::try_from(all.len()).ok();
        let later = |id: &RecordId| after.is_none_or(|last| id.as_str() > last.0.as_str());
        let mut rest = all.into_iter().filter(later).peekable();
        let part: Vec<RecordId> = rest.by_ref().take(limit).collect();
        let more = rest.peek().is_some();
        let next = part.last().filter(|_| more).map(|last| Position(last.to_string()));
        let records = part.iter().map(|record| self.seen(record, at, Source::Scan)).collect();
        Ok(Page { records, next, estimate })
    }

    async fn apply(
        &self,
        _collection: &Collection,
        batch: &Batch,
    ) -> Result<Answers, ConnectorError> {
        self.asked().await?;
        let outcomes: Vec<Outcome> = match self.turn() {
            Turn::Silent { carried_out, later } => {
                if carried_out {
                    self.write(batch);
                }
                if later {
                    self.state().late.push(batch.clone());
                }
                self.shared.luck.perhaps_crash().await;
                return Err(self.silence());
            }
            Turn::Short => self.write(batch).into_iter().skip(1).collect(),
            Turn::Well => self.write(batch),
        };
        // The answer is on its way while its caller dies.
        self.shared.luck.perhaps_crash().await;
        Ok(Answers { at: self.now(), outcomes })
    }
}
