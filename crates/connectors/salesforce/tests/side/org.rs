//! An emulated org for one test, with a connector to it and a hand that edits.

use duet_core::id::{Column, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::Observation;
use duet_core::side::Side;
use duet_core::value::Value;
use duet_emulator::{Emulator, Options, Running};
use duet_ports::clock::System;
use duet_ports::connector::{Batch, Call, Collection, Connector, Detected, Detector};
use duet_ports::envelope::WhatV1;
use duet_salesforce::{Salesforce, Settings};
use duet_testkit::connector_contract::scene::{drained, undescribed};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// An org and a connector to it.
pub(crate) struct Org {
    pub(crate) side: Salesforce,
    emulator: Running,
    http: reqwest::Client,
}

impl Org {
    pub(crate) async fn start() -> Org {
        let metadata = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metadata");
        let options = Options { metadata: Some(metadata), seed: 7, ..Options::default() };
        let emulator = Emulator::start(options).await.expect("the emulator starts");
        let side = connector(&emulator.base_url(), json!({ "poll": "100ms" }));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Org { side, emulator, http }
    }

    /// Another connector to the same org.
    pub(crate) fn connect(&self, limits: Json) -> Salesforce {
        connector(&self.emulator.base_url(), limits)
    }

    pub(crate) fn base_url(&self) -> String {
        self.emulator.base_url()
    }

    pub(crate) async fn admin(&self, what: &str, body: Json) -> Json {
        let address = format!("{}/emulator/admin/{what}", self.emulator.base_url());
        let answer = self.http.post(address).json(&body).send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{what}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) async fn log(&self) -> Json {
        let address = format!("{}/emulator/admin/log", self.emulator.base_url());
        let answer = self.http.get(address).send().await.expect("an answer");
        answer.json().await.expect("a report")
    }

    /// A person creates a record.
    pub(crate) async fn insert(&self, object: &str, record: Json) -> RecordId {
        let edit = json!({ "operation": "create", "object": object, "record": record });
        let answer = self.admin("edit", edit).await;
        RecordId::from(answer["id"].as_str().expect("an id"))
    }

    pub(crate) async fn account(&self, record: Json) -> RecordId {
        self.insert("Account", record).await
    }

    /// A person edits an account; others see it so many milliseconds later.
    pub(crate) async fn edit_late(&self, id: &RecordId, record: Json, visible_after_ms: i64) {
        let edit = json!({ "operation": "update", "object": "Account", "id": id.as_str(),
            "record": record, "visible_after_ms": visible_after_ms });
        self.admin("edit", edit).await;
    }

    pub(crate) async fn edit(&self, id: &RecordId, record: Json) {
        self.edit_late(id, record, 0).await;
    }

    pub(crate) async fn delete(&self, id: &RecordId) {
        let edit = json!({ "operation": "delete", "object": "Account", "id": id.as_str() });
        self.admin("edit", edit).await;
    }

    /// The account as the connector reads it.
    pub(crate) async fn read(&self, id: &RecordId) -> Observation {
        let collection = self.accounts(&["Name", "Phone", "Ext__c"]).await;
        let mut read = self.side.read(&collection, std::slice::from_ref(id)).await.expect("a read");
        read.remove(0).observation
    }

    /// Accounts with these columns, canonical forms filled in.
    pub(crate) async fn accounts(&self, columns: &[&str]) -> Collection {
        self.collection("Account", columns).await
    }

    pub(crate) async fn collection(&self, object: &str, columns: &[&str]) -> Collection {
        let mut collection = bare(object);
        let described = self.side.describe(&collection).await.expect("a description");
        for column in columns {
            let column = Column::from(*column);
            let spec = described.columns.get(&column).unwrap_or_else(|| panic!("no {column}"));
            collection.columns.insert(column, spec.clone());
        }
        collection
    }

    /// Writes one record.
    pub(crate) async fn write(&self, op: Op, path: WritePath, call: Call) -> Outcome {
        let collection = self.accounts(&["Name", "Phone", "Ext__c"]).await;
        let batch = Batch { op, path, calls: vec![call] };
        let mut answers = self.side.apply(&collection, &batch).await.expect("an answer");
        assert_eq!(answers.outcomes.len(), 1);
        answers.outcomes.remove(0)
    }
}

fn connector(address: &str, limits: Json) -> Salesforce {
    let section = json!({
        "auth": { "flow": "password", "login": address, "client_id": duet_emulator::CLIENT_ID,
            "client_secret": duet_emulator::CLIENT_SECRET, "user": duet_emulator::USERNAME,
            "password": format!("{}{}", duet_emulator::PASSWORD, duet_emulator::SECURITY_TOKEN) },
        "limits": limits,
    });
    let settings = Settings::parse(&section).expect("good settings");
    Salesforce::new("crm".into(), settings, Arc::new(System)).expect("a connector")
}

/// A collection before its description.
pub(crate) fn bare(object: &str) -> Collection {
    undescribed("customers", Side::Left, object, &["Id"])
}

pub(crate) fn image(values: &[(&str, &str)]) -> Image {
    values.iter().map(|(column, text)| (Column::from(*column), Value::text(*text))).collect()
}

/// A call that writes texts; `number` makes its intent and link.
pub(crate) fn call(number: u128, record: Option<&RecordId>, values: &[(&str, &str)]) -> Call {
    Call {
        intent: IntentId(Uuid::from_u128(number)),
        link: LinkId(Uuid::from_u128(1_000_000 + number)),
        record: record.cloned(),
        values: image(values),
        unique: None,
        expected: None,
        expected_values: Image::new(),
    }
}

/// Polls until nothing more is waiting; gives what was seen.
pub(crate) async fn drain(detector: &mut dyn Detector) -> Vec<(RecordId, Observation)> {
    drain_by(detector, 500).await
}

pub(crate) async fn drain_by(
    detector: &mut dyn Detector,
    limit: usize,
) -> Vec<(RecordId, Observation)> {
    let readings = drained(detector, limit).await;
    readings.into_iter().flat_map(|reading| reading.changes).map(seen).collect()
}

fn seen(change: Detected) -> (RecordId, Observation) {
    match change.what {
        WhatV1::Seen(observation) => (change.record, *observation),
        other => panic!("not a seen record: {other:?}"),
    }
}

pub(crate) fn ids(changes: &[(RecordId, Observation)]) -> Vec<RecordId> {
    changes.iter().map(|(id, _)| id.clone()).collect()
}
