//! What every connector promises, as tests over the port. A side gives a [`ConnectorRig`] and runs
//! each case on a rig of its own; everything an outsider does goes through the rig.
//!
//! It never looks inside a connector, and asks of a path no more than its class promises.

pub mod detect;
pub mod reading;
pub mod scene;
mod suite;
pub mod writing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duet_core::id::{Column, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::{Observation, Version};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Collection, Connector, Record};
use uuid::Uuid;

/// For anything that a side shows soon.
pub const SOON: Duration = Duration::from_secs(60);

/// An empty collection of a real side, and an outsider who works on it.
#[async_trait(?Send)]
pub trait ConnectorRig {
    /// A connector of its own, as another process would have.
    async fn connector(&self) -> Arc<dyn Connector>;

    /// The collection, ready to be watched and written, its columns described.
    fn collection(&self) -> Collection;

    /// A text column that may be changed and holds 40 characters at least.
    fn text(&self) -> Column;

    /// Another one.
    fn other(&self) -> Column;

    /// An outsider creates a record whose text column holds this.
    async fn create(&self, text: &str) -> RecordId;

    /// An outsider changes a column.
    async fn edit(&self, record: &RecordId, column: &Column, text: &str);

    /// An outsider deletes a record for good, or into a bin if the side has one.
    async fn delete(&self, record: &RecordId);

    /// How many records there are.
    async fn count(&self) -> usize;

    /// What a create carries, its unique column included; another record for another number.
    fn new_record(&self, number: u32) -> (Image, Option<(Column, Value)>);

    /// A value that the side refuses in the text column.
    fn refused(&self) -> Value;

    /// Waits until a version read from now on may be expected by a guarded write (grain, freshness).
    async fn ripen(&self);
}

/// A number as an intent's id.
#[must_use]
pub fn intent(number: u128) -> IntentId {
    IntentId(Uuid::from_u128(0xd0e7_0000 + number))
}

/// A call to an existing record that sets one column.
#[must_use]
pub fn setting(number: u128, record: &Record, column: &Column, text: &str) -> Call {
    let old = record.observation.image.get(column).cloned();
    Call {
        intent: intent(number),
        link: LinkId(Uuid::from_u128(number)),
        record: Some(record.record.clone()),
        values: Image::from([(column.clone(), Value::text(text))]),
        unique: None,
        expected: record.observation.version.clone(),
        expected_values: old.map(|old| (column.clone(), old)).into_iter().collect(),
    }
}

/// A call that creates a record.
#[must_use]
pub fn creating(rig: &dyn ConnectorRig, number: u32) -> Call {
    let (values, unique) = rig.new_record(number);
    Call {
        intent: intent(u128::from(number)),
        link: LinkId(Uuid::from_u128(u128::from(number))),
        record: None,
        values,
        unique,
        expected: None,
        expected_values: Image::new(),
    }
}

/// Sends calls on the guarded path and gives one outcome per call.
pub async fn send(rig: &dyn ConnectorRig, op: Op, calls: Vec<Call>) -> Vec<Outcome> {
    let count = calls.len();
    let connector = rig.connector().await;
    let batch = Batch { op, path: WritePath::Guarded, calls };
    let answers = connector.apply(&rig.collection(), &batch).await.expect("the side answers");
    assert_eq!(answers.outcomes.len(), count, "one outcome per call");
    answers.outcomes
}

/// Reads one record, ripe to be written.
pub async fn ripe(rig: &dyn ConnectorRig, record: &RecordId) -> Record {
    rig.ripen().await;
    read(rig, record).await
}

/// Reads one record.
pub async fn read(rig: &dyn ConnectorRig, record: &RecordId) -> Record {
    let connector = rig.connector().await;
    let asked = std::slice::from_ref(record);
    let mut found = connector.read(&rig.collection(), asked).await.expect("the side answers");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The text that an observation holds.
#[must_use]
pub fn held(observation: &Observation, column: &Column) -> Option<String> {
    match observation.image.get(column) {
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(_) | None => None,
    }
}

/// Insists that a write landed, and tells on which record.
pub fn landed(outcome: &Outcome) -> RecordId {
    match outcome {
        Outcome::Landed { record, .. } => record.clone(),
        other => panic!("it did not land: {other:?}"),
    }
}

/// Whether one version is later than, or different from, the other.
#[must_use]
pub fn moved(before: &Option<Version>, after: &Option<Version>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => match (before.order, after.order) {
            (Some(before), Some(after)) => after > before,
            (None, _) | (_, None) => before.token != after.token,
        },
        // Without versions there is nothing to compare.
        (None, None) => true,
        (None, Some(_)) | (Some(_), None) => false,
    }
}
