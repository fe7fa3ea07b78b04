//! Both sides of the measured flow: the left one is LIMIT's HTTP side, written to by collections of
//! up to 200 records; the right one takes what it is told, as nothing of it is measured.
//!
//! Not a connector for users: it reads nothing, and no server stands behind the right side.

use crate::ledger::Ledger;
use crate::sample::{EXTERNAL, VERSION_STEP};
use crate::stage::Wiring;
use async_trait::async_trait;
use duet_core::id::{ConnectionName, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Found, Outcome};
use duet_core::observation::{Observation, Presence, Source, Version};
use duet_core::retry::{Failure, FailureClass};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::clock::{Clock, System};
use duet_ports::connector::{
    Answers, Batch, Call, Collection, Connector, ConnectorError, Description, Detector, Limits,
    Page, Position, Record, Search,
};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Most records of a call, as Salesforce's collections take.
pub(crate) const BATCH: usize = 200;

/// What a side does with a batch of writes.
enum Way {
    /// One PATCH.
    Http { address: String, client: reqwest::Client, ledger: Arc<Ledger> },
    /// Nothing.
    Memory,
}

/// A side of the measured flow.
pub(crate) struct BenchSide {
    name: ConnectionName,
    parallel: usize,
    patience: Duration,
    way: Way,
    /// Calls that wrote, and records in them.
    calls: AtomicU64,
    records: AtomicU64,
}

impl BenchSide {
    /// The left side: LIMIT's server, which waits as long before each answer as it is told.
    pub(crate) fn http(
        name: &str,
        wiring: &Wiring,
        ledger: Arc<Ledger>,
    ) -> Result<BenchSide, reqwest::Error> {
        let Wiring { http: url, delay_ms, parallel, patience_ms, .. } = wiring;
        let client = reqwest::Client::builder().pool_max_idle_per_host(64).tcp_nodelay(true);
        let path = "services/data/v64.0/composite/sobjects";
        let address = format!("{url}/{path}?mode=parse&delay={delay_ms}");
        let way = Way::Http { address, client: client.build()?, ledger };
        let patience = Duration::from_millis(*patience_ms);
        Ok(BenchSide { patience, ..BenchSide::of(name, *parallel, way) })
    }

    /// The right side.
    pub(crate) fn memory(name: &str) -> BenchSide {
        BenchSide::of(name, 1, Way::Memory)
    }

    fn of(name: &str, parallel: usize, way: Way) -> BenchSide {
        let (calls, records) = (AtomicU64::new(0), AtomicU64::new(0));
        let patience = Duration::ZERO;
        BenchSide { name: name.into(), parallel, patience, way, calls, records }
    }

    /// Calls that wrote so far, and the records in them.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.records.load(Ordering::Relaxed))
    }

    fn count(&self, batch: &Batch) {
        let records = u64::try_from(batch.calls.len()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    fn error(&self, class: FailureClass, text: &str, sent: bool) -> ConnectorError {
        let failure = Failure {
            class,
            code: "bench".into(),
            message: text.to_owned(),
            columns: Vec::new(),
            retry_after_us: None,
        };
        ConnectorError { connection: self.name.clone(), failure, sent, source: None }
    }

    fn never(&self) -> ConnectorError {
        self.error(FailureClass::Poison, "the side of the bench can't do this", false)
    }

    async fn patch(
        &self,
        address: &str,
        client: &reqwest::Client,
        batch: &Batch,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let lost = |error: reqwest::Error| {
            let text = error.to_string();
            self.error(FailureClass::UnknownOutcome, &text, true)
        };
        let records: Vec<Written> = batch.calls.iter().map(Written).collect();
        let body = serde_json::to_vec(&Collected { all_or_none: false, records })
            .map_err(|error| self.error(FailureClass::Poison, &error.to_string(), false))?;
        let request = client.patch(address).header("content-type", "application/json").body(body);
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let told = answer.map_err(lost)?.bytes().await.map_err(lost)?;
        let told: Vec<Told> = serde_json::from_slice(&told)
            .map_err(|error| self.error(FailureClass::UnknownOutcome, &error.to_string(), true))?;
        let outcome = |(call, told): (&Call, &Told)| match told.success {
            true => Outcome::Landed { record: record_of(call), after: None },
            false => Outcome::Refused {
                failure: self.error(FailureClass::Validation, "refused", true).failure,
                observed: None,
            },
        };
        Ok(batch.calls.iter().zip(&told).map(outcome).collect())
    }
}

fn record_of(call: &Call) -> RecordId {
    call.record.clone().unwrap_or_else(|| RecordId::new(call.link.to_string()))
}

/// What the right side answers: it holds what was written, one version later.
fn taken(call: &Call, at: Stamp) -> Outcome {
    let before = call.expected.as_ref().and_then(|version| version.order).unwrap_or(0);
    let order = before + VERSION_STEP / 2;
    let after = Observation {
        presence: Presence::Present,
        image: call.values.clone(),
        version: Some(Version { order: Some(order), token: order.to_string() }),
        changed_at: Some(at),
        marker: Some(call.intent),
        read_at: at,
        source: Source::WriteAnswer,
        ..Observation::default()
    };
    Outcome::Landed { record: record_of(call), after: Some(Box::new(after)) }
}

/// The body of a collection call.
#[derive(Serialize)]
struct Collected<'a> {
    #[serde(rename = "allOrNone")]
    all_or_none: bool,
    records: Vec<Written<'a>>,
}

/// One record of it: its type, its key, and the fields to write.
struct Written<'a>(&'a Call);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("attributes", &Attributes { kind: "Contact" })?;
        if let Some(record) = &self.0.record {
            map.serialize_entry(EXTERNAL, record.as_str())?;
        }
        for (column, value) in &self.0.values {
            map.serialize_entry(column.as_str(), &Sent(value))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Attributes {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A value in the side's own JSON.
struct Sent<'a>(&'a Value);

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => to.serialize_str(text),
            Value::Integer(number) => to.serialize_i64(*number),
            Value::Decimal(number) => to.serialize_str(&number.to_plain_string()),
            Value::Boolean(flag) => to.serialize_bool(*flag),
            Value::Date(day) => to.collect_str(day),
            Value::Instant(at) => to.collect_str(at),
            Value::Null | Value::Set(_) | Value::Link(_) | Value::Tuple(_) => to.serialize_none(),
        }
    }
}

/// One answer of a collection call.
#[derive(Deserialize)]
struct Told {
    success: bool,
}

#[async_trait]
impl Connector for BenchSide {
    fn connection(&self) -> &ConnectionName {
        &self.name
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: BATCH,
            read: BATCH,
            patience: self.patience,
            parallel: self.parallel,
            timeout: Duration::from_secs(30),
            poll: Duration::from_secs(60),
        }
    }

    fn now(&self) -> Stamp {
        System.now()
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn describe(&self, _collection: &Collection) -> Result<Description, ConnectorError> {
        Err(self.never())
    }

    async fn detector(
        &self,
        _collection: &Collection,
        _from: Option<&Position>,
    ) -> Result<Box<dyn Detector>, ConnectorError> {
        Err(self.never())
    }

    async fn read(
        &self,
        _collection: &Collection,
        _records: &[RecordId],
    ) -> Result<Vec<Record>, ConnectorError> {
        Err(self.never())
    }

    async fn find(
        &self,
        _collection: &Collection,
        _searches: &[Search],
    ) -> Result<Vec<Vec<Found>>, ConnectorError> {
        Err(self.never())
    }

    async fn scan(
        &self,
        _collection: &Collection,
        _after: Option<&Position>,
        _limit: usize,
    ) -> Result<Page, ConnectorError> {
        Err(self.never())
    }

    async fn apply(
        &self,
        _collection: &Collection,
        batch: &Batch,
    ) -> Result<Answers, ConnectorError> {
        self.count(batch);
        let outcomes = match &self.way {
            Way::Http { address, client, ledger } => {
                let outcomes = self.patch(address, client, batch).await?;
                ledger.landed(batch.calls.iter().map(|call| (&call.record, &call.values)));
                outcomes
            }
            Way::Memory => batch.calls.iter().map(|call| taken(call, System.now())).collect(),
        };
        Ok(Answers { at: System.now(), outcomes })
    }
}

/// A record's id and what is written to it.
pub(crate) type Landing<'a> = (&'a Option<RecordId>, &'a Image);

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::id::{IntentId, LinkId};

    #[test]
    fn a_record_travels_as_limit_s_does() {
        let id = serde_json::from_str("\"00000000-0000-0000-0000-000000000000\"").unwrap();
        let call = Call {
            intent: IntentId(id),
            link: LinkId(id),
            record: Some("EXT-1".into()),
            values: Image::from([
                ("Phone".into(), Value::text("1")),
                ("Score__c".into(), Value::decimal("7.50".parse().unwrap())),
                ("Title".into(), Value::Null),
            ]),
            unique: None,
            expected: None,
            expected_values: Image::new(),
        };
        let body = serde_json::to_string(&Written(&call)).unwrap();
        let wanted = r#"{"attributes":{"type":"Contact"},"Ext__c":"EXT-1","Phone":"1","Score__c":"7.5","Title":null}"#;
        assert_eq!(body, wanted);
    }
}
