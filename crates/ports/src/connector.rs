//! The port to a side: describe, detect, read, find, scan, apply.
//!
//! A connector knows one product's protocol and nothing of policies. It hands out canonical values
//! only (images are canonical before anything compares them) and classifies every failure; what
//! follows from a class is decided in `duet_core::retry`.
//!
//! **Bounds.** Every method ends within the connector's own request timeout; a batch method takes at
//! most [`Limits::batch`] items. **Cancellation**: a dropped future of a write counts as unknown
//! outcome. **Secrets and record values** never reach a log line or the `Display` of an error here;
//! [`duet_core::retry::Failure::message`] may hold the side's own words and is stored, not logged.

use crate::envelope::WhatV1;
use async_trait::async_trait;
use duet_core::id::{Column, ConnectionName, FlowName, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::intent::{FindKey, Found, Op, Outcome, WritePath};
use duet_core::observation::{Observation, Version};
use duet_core::retry::{Failure, FailureClass};
use duet_core::side::Side;
use duet_core::spec::{ColumnSpec, PathClass};
use duet_core::stamp::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A call to a side failed as a whole. `sent` tells whether it may have been applied.
#[derive(Debug, thiserror::Error)]
#[error("{connection}: {} ({})", .failure.code, class_name(.failure))]
pub struct ConnectorError {
    /// The connection.
    pub connection: ConnectionName,
    /// Class, code and text. The text may hold record values and is not displayed.
    pub failure: Failure,
    /// Whether a request that writes left: then its outcome is unknown. A read that was lost, also
    /// one that a write begins with, left nothing.
    pub sent: bool,
    /// The cause, where another library told one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The code of an error made by [`ConnectorError::lost_position`].
const POSITION_LOST: &str = "position_lost";

impl ConnectorError {
    /// A source can't be read from a stored position any more: what happened since is a gap. `why`
    /// is a sentence without values of records.
    #[must_use]
    pub fn lost_position(connection: ConnectionName, why: impl Into<String>) -> ConnectorError {
        let failure = Failure {
            class: FailureClass::Gone,
            code: POSITION_LOST.to_owned(),
            message: why.into(),
            columns: Vec::new(),
            retry_after_us: None,
        };
        ConnectorError { connection, failure, sent: false, source: None }
    }

    /// Whether it says that a stored position can't be used any more. Trying again doesn't help;
    /// a scan does.
    #[must_use]
    pub fn is_lost_position(&self) -> bool {
        self.failure.class == FailureClass::Gone && self.failure.code == POSITION_LOST
    }
}

fn class_name(failure: &Failure) -> String {
    serde_json::to_value(failure.class)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// One collection of a connection in the service of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// The flow.
    pub flow: FlowName,
    /// The side.
    pub side: Side,
    /// Table or object.
    pub name: String,
    /// Key columns in order; what a [`RecordId`] is made of.
    pub key: Vec<Column>,
    /// The flow's filter in the side's own language. A record that doesn't meet it is observed as
    /// out of scope, never as deleted.
    pub filter: Option<String>,
    /// The columns whose values the flow needs, with their canonical forms. Empty before describe.
    pub columns: BTreeMap<Column, ColumnSpec>,
    /// Column and value by which a soft deletion shows: a record that holds it counts as softly deleted.
    pub soft: Option<(Column, duet_core::value::Value)>,
    /// Connector settings of this collection (capture mode and the like).
    pub options: BTreeMap<String, String>,
}

/// What a connector can carry at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most records in one write call.
    pub batch: usize,
    /// Most records in one read or find call.
    pub read: usize,
    /// Calls under way at once.
    pub parallel: usize,
    /// How long a write may wait until the call it leaves in is full, so that a side that counts
    /// calls is asked less often. Zero: it leaves as soon as a call may be under way.
    pub patience: Duration,
    /// The hard total time limit of one call. Shorter than an intent's deadline.
    pub timeout: Duration,
    /// How long a detector that found nothing waits before it looks again ([`Detector::wait`]).
    pub poll: Duration,
}

/// What a side says about a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Every column that exists, with its canonical form.
    pub columns: BTreeMap<Column, ColumnSpec>,
    /// The key columns, if the flow names none.
    pub key: Vec<Column>,
    /// Columns that are unique and may carry a create (external ids, unique constraints).
    pub unique: Vec<Column>,
    /// The column for duet's own unique key, if the collection has one (`Duet_Key__c`).
    pub key_column: Option<Column>,
    /// Whether writes leave a marker.
    pub marker: bool,
    /// Class of the guarded path.
    pub guarded: PathClass,
    /// Class of the batch path.
    pub batch: PathClass,
    /// Grain of versions in microseconds.
    pub grain_us: i64,
    /// How far the side's clock is from ours, in microseconds, as measured.
    pub skew_us: i64,
    /// Whether records may be created, changed and deleted with these credentials.
    pub may: May,
    /// What a person should know (a capture not installed, a permission missing).
    pub remarks: Vec<Remark>,
}

/// Rights on a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct May {
    /// Create records.
    pub create: bool,
    /// Change records.
    pub update: bool,
    /// Delete records.
    pub delete: bool,
}

/// Code of the failure with which [`Connector::describe`] says that there is no such collection, or
/// that it isn't shown with these credentials.
pub const NO_COLLECTION: &str = "no_collection";

/// Code of the failure with which [`Connector::describe`] says that neither the flow nor the
/// collection names a key, or that a named column of it isn't there.
pub const NO_KEY: &str = "no_key";

/// The setting of a flow's end that a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Its key columns.
    Key,
    /// Its filter.
    Filter,
}

/// Something `duet check` tells about a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Whether the flow can't run so.
    pub fatal: bool,
    /// The setting that is to be mended, if it is one; else something on the side is.
    pub about: Option<About>,
    /// What, and what to do.
    pub text: String,
}

/// An opaque position in a source, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub String);

/// A change as detected.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    /// The record.
    pub record: RecordId,
    /// What happened to it.
    pub what: WhatV1,
}

/// One reading of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What was found, in the source's order. May repeat what was read before.
    pub changes: Vec<Detected>,
    /// What is given up when everything in this reading is settled. `None`: nothing was read.
    pub position: Option<Position>,
    /// Whether more is waiting right now.
    pub more: bool,
}

/// Reads one source (one collection of one connection, for one flow and side).
///
/// One instance per lease; calls never overlap. **Order**: positions handed to `settle` come in the
/// order in which `detect` gave them. **Repeat**: after a restart everything not settled is read
/// again; what was settled may be read again and never is missed.
#[async_trait]
pub trait Detector: Send {
    /// Reads what is new, at most `limit` changes, and returns at once, with or without changes.
    ///
    /// # Errors
    /// [`ConnectorError::lost_position`] when the source began anew since it was opened: open it
    /// again. Else when the side can't be read; nothing is lost, the next call reads the same again.
    async fn detect(&mut self, limit: usize) -> Result<Reading, ConnectorError>;

    /// Waits until the source announces a change, at most `patience`. A source that can't announce
    /// waits that long. May return early for no reason.
    async fn wait(&mut self, patience: Duration);

    /// Gives up these positions: everything read up to them is decided or dead-lettered.
    /// Idempotence: giving up twice changes nothing.
    ///
    /// # Errors
    /// When the side can't be reached; to be called again.
    async fn settle(&mut self, positions: &[Position]) -> Result<(), ConnectorError>;

    /// The position that covers every change committed before this call.
    ///
    /// # Errors
    /// When the side can't be read.
    async fn head(&mut self) -> Result<Position, ConnectorError>;

    /// Whether everything up to `head` has been read by `detect` (settled or not).
    ///
    /// # Errors
    /// When the side can't be read.
    async fn reached(&mut self, head: &Position) -> Result<bool, ConnectorError>;

    /// The position to store as the source's cursor, covering what was settled so far: what
    /// [`Connector::detector`] gets after a restart. `None`: the source keeps it itself.
    fn cursor(&self) -> Option<Position>;
}

/// A record as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub record: RecordId,
    /// What it holds.
    pub observation: Observation,
}

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Records in key order.
    pub records: Vec<Record>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Position>,
    /// How many records the side estimates in all, for progress.
    pub estimate: Option<u64>,
}

/// One search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The intent that asks.
    pub intent: IntentId,
    /// Alternatives; a record that holds any of them is an answer.
    pub keys: Vec<FindKey>,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The intent: also the marker.
    pub intent: IntentId,
    /// The link: also duet's unique key on creates.
    pub link: LinkId,
    /// The record; none on a create.
    pub record: Option<RecordId>,
    /// What to write, canonical.
    pub values: Image,
    /// Column and value that make a create unique (external-id match field); else the connector
    /// uses duet's own key column.
    pub unique: Option<(Column, duet_core::value::Value)>,
    /// The version the record must have; none: its presence and `expected_values` are checked.
    pub expected: Option<Version>,
    /// What the columns held when it was decided: compared where versions can't be.
    pub expected_values: Image,
}

/// Writes of one kind to one collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The operation.
    pub op: Op,
    /// The path.
    pub path: WritePath,
    /// At most [`Limits::batch`], never two of one record.
    pub calls: Vec<Call>,
}

/// The answers of one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// The source's time of the answer.
    pub at: Stamp,
    /// One per call, in the order of the calls.
    pub outcomes: Vec<Outcome>,
}

/// Requests of a side that counts them, as it last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Requests of everybody in the last 24 hours.
    pub used: u64,
    /// Most requests of everybody in 24 hours.
    pub max: u64,
    /// Requests of this app and its own allowance, where one is set.
    pub app: Option<(u64, u64)>,
    /// When it was told, by the side's time.
    pub at: Stamp,
}

/// A side.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The connection it serves.
    fn connection(&self) -> &ConnectionName;

    /// What it can carry at once.
    fn limits(&self) -> Limits;

    /// The side's present time, as near as it can be told: stamps of reads and deadlines of one
    /// side compare with each other only.
    fn now(&self) -> Stamp;

    /// Signs in and asks the least: proves that the side can be reached with these credentials.
    ///
    /// # Errors
    /// Unreachable, refused, not permitted.
    async fn ping(&self) -> Result<(), ConnectorError>;

    /// Request use as last told by the side; `None` before the first answer, and where the side
    /// doesn't count.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// Describes a collection.
    ///
    /// # Errors
    /// Unreachable, or no such collection.
    async fn describe(&self, collection: &Collection) -> Result<Description, ConnectorError>;

    /// Opens the source of a collection at a stored position (`None`: from now on).
    ///
    /// # Errors
    /// [`ConnectorError::lost_position`] when the position can't be used any more, or isn't one of
    /// this source: a gap, to be closed by a scan. Else when the side can't be reached.
    async fn detector(
        &self,
        collection: &Collection,
        from: Option<&Position>,
    ) -> Result<Box<dyn Detector>, ConnectorError>;

    /// Reads records by id, as they are now. One answer per id, in the order asked: a record that
    /// isn't there is answered as deleted where the side gives evidence, else as out of scope
    /// (`visibility`). `read_at` is the time the request was *sent*.
    ///
    /// # Errors
    /// When the side can't be read.
    async fn read(
        &self,
        collection: &Collection,
        records: &[RecordId],
    ) -> Result<Vec<Record>, ConnectorError>;

    /// Searches, one query for many keys. One list per search, in the order asked.
    ///
    /// # Errors
    /// When the side can't be read.
    async fn find(
        &self,
        collection: &Collection,
        searches: &[Search],
    ) -> Result<Vec<Vec<Found>>, ConnectorError>;

    /// Reads every record in key order, page by page (never by offset). A record that is there
    /// throughout the scan is in it.
    ///
    /// # Errors
    /// When the side can't be read.
    async fn scan(
        &self,
        collection: &Collection,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, ConnectorError>;

    /// Writes a batch. `Ok` has one outcome per call; each record's fate is its own.
    /// Repeat: a call with the same intent and expected version can't take effect twice on a
    /// guarded path.
    ///
    /// # Errors
    /// When the call failed as a whole; `sent` tells whether its writes may have landed.
    async fn apply(
        &self,
        collection: &Collection,
        batch: &Batch,
    ) -> Result<Answers, ConnectorError>;
}
