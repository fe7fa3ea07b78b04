//! The organization, read from its data file after the fact. The file's form is documented by the
//! emulator: a header line, then one whole state of one record a line, the last of an id wins, and
//! a last line without its end is not counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use thiserror::Error;

/// The first line of a data file.
const HEADER: &str = r#"{"format":"duet-emulator","version":1}"#;

/// The records of an organization.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Org {
    records: BTreeMap<String, Record>,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its object.
    pub object: String,
    /// Whether it is in the bin.
    pub deleted: bool,
    /// Its fields; empty ones are absent.
    pub fields: Map<String, Value>,
}

/// Why a data file couldn't be read.
#[derive(Debug, Error)]
pub enum OrgError {
    /// The file is missing.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line isn't what it should be.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Org {
    /// Reads a data file.
    ///
    /// # Errors
    /// When it is missing or not a data file.
    pub fn read(path: &Path) -> Result<Self, OrgError> {
        let fail = |source| OrgError::File { path: path.to_owned(), source };
        Self::parse(&std::fs::read_to_string(path).map_err(fail)?)
    }

    /// Reads the text of a data file.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn parse(text: &str) -> Result<Self, OrgError> {
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut org = Self::default();
        for (at, line) in whole.lines().enumerate() {
            if at == 0 && line != HEADER {
                return Err(OrgError::Line { line: 1, reason: "is not the header" });
            }
            if at > 0 && !line.is_empty() {
                org.put(record(line).map_err(|reason| OrgError::Line { line: at + 1, reason })?);
            }
        }
        Ok(org)
    }

    /// Adds a record or replaces its earlier state.
    pub fn put(&mut self, record: Record) {
        self.records.insert(record.id.clone(), record);
    }

    /// A record by its id, also from the bin.
    pub fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    /// The records of an object that aren't deleted, in order of id.
    pub fn of(&self, object: &str) -> impl Iterator<Item = &Record> {
        self.records.values().filter(move |record| record.object == object && !record.deleted)
    }
}

impl Record {
    /// A text field, if it isn't empty.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

fn record(line: &str) -> Result<Record, &'static str> {
    let mut fields: Map<String, Value> =
        serde_json::from_str(line).map_err(|_| "is not a JSON object")?;
    let attributes = fields.remove("attributes").ok_or("has no attributes")?;
    let object = attributes["type"].as_str().ok_or("has no type")?.to_owned();
    let id = fields.get("Id").and_then(Value::as_str).ok_or("has no Id")?.to_owned();
    let deleted = fields.get("IsDeleted").and_then(Value::as_bool).ok_or("has no IsDeleted")?;
    Ok(Record { id, object, deleted, fields })
}

#[cfg(test)]
mod tests {
    //! Shows the four rules of the form.

    use super::*;

    const ACME: &str =
        r#"{"attributes":{"type":"Account"},"Id":"001A","IsDeleted":false,"Name":"Acme"}"#;

    fn of(lines: &[&str]) -> Result<Org, OrgError> {
        Org::parse(&format!("{}\n", lines.join("\n")))
    }

    #[test]
    fn the_last_state_of_an_id_wins() {
        let later = ACME.replace("Acme", "Acme Ltd");
        let org = of(&[HEADER, ACME, &later]).unwrap();
        assert_eq!(org.of("Account").count(), 1);
        assert_eq!(org.get("001A").unwrap().text("Name"), Some("Acme Ltd"));
    }

    #[test]
    fn deleted_records_are_kept_apart() {
        let gone = ACME.replace("false", "true");
        let org = of(&[HEADER, ACME, &gone]).unwrap();
        assert_eq!(org.of("Account").count(), 0);
        assert!(org.get("001A").unwrap().deleted);
    }

    #[test]
    fn a_line_without_its_end_was_not_answered() {
        let org = Org::parse(&format!("{HEADER}\n{ACME}\n{{\"attributes\":{{\"ty")).unwrap();
        assert_eq!(org.of("Account").count(), 1);
    }

    #[test]
    fn another_file_is_refused_with_its_line() {
        let wrong = |lines: &[&str]| of(lines).unwrap_err().to_string();
        assert_eq!(wrong(&["{}"]), "line 1: is not the header");
        assert_eq!(wrong(&[HEADER, ACME, "[]"]), "line 3: is not a JSON object");
        assert_eq!(wrong(&[HEADER, "{}"]), "line 2: has no attributes");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Org::read(Path::new("nowhere.jsonl")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read nowhere.jsonl");
    }
}
