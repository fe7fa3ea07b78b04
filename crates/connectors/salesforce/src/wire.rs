//! The forms that travel: rows, results of collections, composite requests. No decisions.

use crate::failure::SideError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The body of a record to write: values as they are sent, to the digit.
pub(crate) type Body = BTreeMap<String, Box<RawValue>>;

/// One page of a query.
#[derive(Deserialize)]
pub(crate) struct QueryPage {
    #[serde(rename = "totalSize")]
    pub(crate) total: u64,
    pub(crate) done: bool,
    #[serde(rename = "nextRecordsUrl", default)]
    pub(crate) next: Option<String>,
    pub(crate) records: Vec<Row>,
}

/// One row, undecoded: numbers keep every digit.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Row(BTreeMap<String, Box<RawValue>>);

impl Row {
    /// The value at a path such as `Name` or `Owner.Email`, as JSON; `None` where it wasn't sent.
    pub(crate) fn json(&self, path: &str) -> Option<String> {
        match path.split_once('.') {
            None => self.0.get(path).map(|raw| raw.get().to_owned()),
            Some((parent, rest)) => {
                let raw = self.0.get(parent)?.get();
                if raw == "null" {
                    return Some(raw.to_owned());
                }
                serde_json::from_str::<Row>(raw).ok()?.json(rest)
            }
        }
    }

    /// The text at a path; `None` for null and for anything but text.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        serde_json::from_str(&self.json(path)?).ok()
    }

    /// Whether the value at a path is `true`.
    pub(crate) fn flag(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|raw| raw.get() == "true")
    }
}

/// The fate of one record of a collections call.
#[derive(Deserialize)]
pub(crate) struct SaveResult {
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) success: bool,
    #[serde(default)]
    pub(crate) errors: Vec<SideError>,
}

/// A collections call.
#[derive(Serialize)]
pub(crate) struct Collections {
    #[serde(rename = "allOrNone")]
    pub(crate) all_or_none: bool,
    pub(crate) records: Vec<Body>,
}

/// A composite call.
#[derive(Serialize)]
pub(crate) struct Composite {
    #[serde(rename = "allOrNone")]
    pub(crate) all_or_none: bool,
    /// Off: the read-back at the end must see what stands before it.
    #[serde(rename = "collateSubrequests")]
    pub(crate) collate: bool,
    #[serde(rename = "compositeRequest")]
    pub(crate) requests: Vec<Part>,
}

/// One request inside a composite call.
#[derive(Serialize)]
pub(crate) struct Part {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    #[serde(rename = "referenceId")]
    pub(crate) reference: String,
    #[serde(rename = "httpHeaders", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Body>,
}

/// The answer of a composite call.
#[derive(Deserialize)]
pub(crate) struct CompositeAnswer {
    #[serde(rename = "compositeResponse")]
    pub(crate) parts: Vec<PartAnswer>,
}

/// The answer of one request inside a composite call.
#[derive(Deserialize)]
pub(crate) struct PartAnswer {
    #[serde(rename = "httpStatusCode")]
    pub(crate) status: u16,
    #[serde(rename = "referenceId")]
    pub(crate) reference: String,
    #[serde(default)]
    pub(crate) body: Option<Box<RawValue>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_values_by_path() {
        let row: Row = serde_json::from_str(
            r#"{"Id":"1","N":1.50,"B":true,"Owner":{"Email":"a@b"},"Parent":null,"T":null}"#,
        )
        .unwrap();
        assert_eq!(row.json("N").as_deref(), Some("1.50"));
        assert_eq!(row.text("Owner.Email").as_deref(), Some("a@b"));
        assert_eq!(row.json("Parent.Name").as_deref(), Some("null"));
        assert_eq!((row.text("T"), row.json("X"), row.flag("B")), (None, None, true));
    }
}
