//! Salesforce as the demo's people and its check see it: edits by hand and faults over the emulator's
//! admin endpoint, records from its file. Nothing here goes by way of duet's connector.

use super::flows::{Flow, SHOP_ID};
use crate::exit::{Exit, Failure};
use duet_emulator::{Emulator, Options, Running};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Fields of a record.
pub(crate) type Fields = Map<String, Value>;

/// A record that is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// Its id.
    pub(crate) id: String,
    /// Its object.
    pub(crate) object: String,
    /// Its fields; empty ones are absent.
    pub(crate) fields: Fields,
}

impl Record {
    /// A field as text; numbers without a fraction stand without a point.
    pub(crate) fn text(&self, field: &str) -> Option<String> {
        match self.fields.get(field)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(plain(number)),
            other => Some(other.to_string()),
        }
    }
}

fn plain(number: &serde_json::Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The organization.
pub(crate) struct Org {
    url: String,
    file: PathBuf,
    http: reqwest::Client,
}

/// Starts an emulator on a free port, with its records in the folder.
pub(crate) async fn start(
    folder: &Path,
    file: &str,
    metadata: &str,
    seed: u64,
) -> Result<Running, Failure> {
    let options = Options {
        data: Some(folder.join(file)),
        metadata: Some(folder.join(metadata)),
        seed,
        ..Options::default()
    };
    Emulator::start(options)
        .await
        .map_err(|error| Failure::new(Exit::Failed, "the emulator can't start").because(error))
}

impl Org {
    /// The one that answers at this address and keeps its records in this file.
    pub(crate) fn new(url: String, file: PathBuf) -> Org {
        Org { url, file, http: reqwest::Client::new() }
    }

    /// Makes a record by hand; tells its id.
    pub(crate) async fn create(&self, object: &str, record: Fields) -> Result<String, Failure> {
        let body = json!({ "operation": "create", "object": object, "record": record });
        let answer = self.post("edit", &body).await?;
        answer["id"].as_str().map(str::to_owned).ok_or_else(|| wrong("no id was told"))
    }

    /// Changes a record by hand.
    pub(crate) async fn update(
        &self,
        object: &str,
        id: &str,
        record: Fields,
    ) -> Result<(), Failure> {
        let body = json!({ "operation": "update", "object": object, "id": id, "record": record });
        self.post("edit", &body).await.map(drop)
    }

    /// Sets faults.
    pub(crate) async fn faults(&self, faults: &Value) -> Result<(), Failure> {
        self.post("faults", faults).await.map(drop)
    }

    async fn post(&self, what: &str, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/emulator/admin/{what}", self.url);
        let sent = self.http.post(url).json(body).send().await.map_err(|error| {
            Failure::new(Exit::Connection, format!("nothing answers at {}", self.url))
                .hint("the emulator of the demo's folder isn't running")
                .because(error)
        })?;
        let status = sent.status();
        let text = sent.text().await.unwrap_or_default();
        if !status.is_success() {
            return Err(wrong(&format!("{status}: {text}")));
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Every record that is there, from the emulator's file.
    pub(crate) fn records(&self) -> Result<Vec<Record>, Failure> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| {
            let sentence = format!("{} can't be read", self.file.display());
            Failure::new(Exit::Failed, sentence).because(error)
        })?;
        Ok(latest(&text))
    }

    /// The record of a flow that holds a key of the shop.
    pub(crate) fn find(&self, flow: &Flow, key: &str) -> Result<Option<Record>, Failure> {
        let is_it = |record: &Record| {
            record.object == flow.object && record.text(SHOP_ID).as_deref() == Some(key)
        };
        Ok(self.records()?.into_iter().find(is_it))
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("the emulator doesn't do what is asked: {what}"))
}

/// The last state of each record, but for deleted ones (docs/reference/emulator.md tells the form).
fn latest(text: &str) -> Vec<Record> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut records = BTreeMap::new();
    for line in whole.lines().skip(1) {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { continue };
        let object = fields.remove("attributes").unwrap_or_default();
        let object = object["type"].as_str().unwrap_or_default().to_owned();
        let id = fields.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
        records.insert(id.clone(), Record { id, object, fields });
    }
    records.into_values().filter(|one| one.fields.get("IsDeleted") != Some(&json!(true))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_record_counts_and_a_torn_one_does_not() {
        let line = |id: &str, more: &str| {
            format!("{{\"Id\":\"{id}\",\"attributes\":{{\"type\":\"Account\"}}{more}}}\n")
        };
        let text = ["head\n".to_owned(), line("1", ",\"Name\":\"a\""), line("2", "")]
            .into_iter()
            .chain([line("1", ",\"Name\":\"b\",\"N\":4.0"), line("2", ",\"IsDeleted\":true")])
            .collect::<String>();
        let records = latest(&(text + "{\"Id\":\"3\""));
        assert_eq!(records.len(), 1, "{records:?}");
        let only = &records[0];
        assert_eq!((only.id.as_str(), only.object.as_str()), ("1", "Account"));
        assert_eq!(only.text("Name").as_deref(), Some("b"));
        assert_eq!(only.text("N").as_deref(), Some("4"));
        assert_eq!(only.text("Phone"), None);
        assert!(latest("").is_empty());
    }
}
