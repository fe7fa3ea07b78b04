//! The data file: the org's records, complete after every answered write and after a SIGKILL.
//!
//! # Form
//! UTF-8 text, one JSON object a line. The first line is `{"format":"duet-emulator","version":1}`.
//! Every other line is one whole state of one record, in the form of a REST answer:
//! `{"attributes":{"type":"Account"},"Id":"001…","IsDeleted":false,"Name":"Acme",…}`, with all
//! fields but the empty ones (and but compound addresses). **The last line of an `Id` wins**;
//! deleted records stay, with `"IsDeleted":true`. Instants look like
//! `2024-01-31T10:00:00.000+0000`, dates like `2024-01-31`.
//!
//! # To read it from outside
//! Read line by line, skip the first line, put each record into a map by `Id`; ignore a last line
//! that doesn't end with a line feed (a process was killed while writing it: it was not answered).
//!
//! # How it is written
//! The records of a request are appended by one `write`, before the request is answered: what the
//! system call took survives the process, so there is no `fsync`. At start the file is rewritten
//! with one line per record, beside it and then renamed. A lock on the file keeps a second
//! emulator away; it ends with the process.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{
    cell::{Cell, parse_date, parse_instant},
    error::EmulatorError,
    ids::Id,
    org::Row,
    schema::{Field, Kind, Object, STAMP, Schema},
};

const HEADER: &str = "{\"format\":\"duet-emulator\",\"version\":1}\n";

const FOREIGN: &str = "is not the header of an emulator's data file";

/// An open data file: first the one that was found, then the one that replaced it.
pub(crate) struct DataFile {
    path: PathBuf,
    file: Option<File>,
    /// Its length up to the last whole line, and whether there is more: a write that failed.
    whole: u64,
    torn: bool,
}

/// A record's line, with its line feed.
pub(crate) fn line(object: &Object, row: &Row) -> String {
    let mut body = Map::new();
    body.insert("attributes".to_owned(), json!({ "type": object.name }));
    for (field, cell) in object.fields.iter().zip(&row.cells).filter(|(_, cell)| !cell.is_null()) {
        body.insert(field.name.clone(), cell.json(field.kind));
    }
    format!("{}\n", Value::Object(body))
}

impl DataFile {
    /// A file at this path; it need not exist yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, whole: 0, torn: false }
    }

    /// The last state of every record in the file, in order of id.
    pub(crate) fn load(&mut self, schema: &Schema) -> Result<Vec<(usize, Row)>, EmulatorError> {
        let bytes = self.read()?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole == 0 && !HEADER.as_bytes().starts_with(&bytes) {
            return Err(self.refused(1, FOREIGN));
        }
        let mut rows = BTreeMap::new();
        for (at, text) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            let refused = |reason: &str| self.refused(at + 1, reason);
            if at == 0 && whole > 0 && text != HEADER.trim_end().as_bytes() {
                return Err(refused(FOREIGN));
            }
            if at > 0 && !text.is_empty() {
                let (object, row) = record(schema, text).map_err(|reason| refused(&reason))?;
                rows.insert(row.id(), (object, row));
            }
        }
        Ok(rows.into_values().collect())
    }

    /// Locks and reads the file that is there; nothing if there is none.
    fn read(&mut self) -> Result<Vec<u8>, EmulatorError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(source)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EmulatorError::InUse { path: self.path.clone() });
            }
            Err(TryLockError::Error(source)) => return Err(self.failed(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| self.failed(source))?;
        self.file = Some(file);
        Ok(bytes)
    }

    /// Rewrites the file with these records, one line each, and opens it for appending.
    pub(crate) fn compact<'a>(
        &mut self,
        schema: &Schema,
        rows: impl Iterator<Item = (usize, &'a Row)>,
    ) -> Result<(), EmulatorError> {
        let mut text = HEADER.to_owned();
        for (object, row) in rows {
            text.push_str(&line(&schema.objects[object], row));
        }
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let written = self.replace(&beside, &text);
        self.file = Some(written.map_err(|source| self.failed(source))?);
        self.whole = text.len() as u64;
        Ok(())
    }

    /// The new file is locked before it takes the place of the old one.
    fn replace(&self, beside: &Path, text: &str) -> io::Result<File> {
        let mut file = File::create(beside)?;
        file.lock()?;
        file.write_all(text.as_bytes())?;
        fs::rename(beside, &self.path)?;
        Ok(file)
    }

    /// Appends lines by one call. What a full disk cut off is taken away again, so that the next
    /// line doesn't follow half of one.
    pub(crate) fn append(&mut self, lines: &str) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| !lines.is_empty()) else { return Ok(()) };
        if self.torn {
            mend(file, self.whole)?;
            self.torn = false;
        }
        if let Err(error) = file.write_all(lines.as_bytes()) {
            self.torn = mend(file, self.whole).is_err();
            return Err(error);
        }
        self.whole += lines.len() as u64;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> EmulatorError {
        EmulatorError::File { path: self.path.clone(), source }
    }

    fn refused(&self, line: usize, reason: &str) -> EmulatorError {
        EmulatorError::Data { path: self.path.clone(), line, reason: reason.to_owned() }
    }
}

fn mend(file: &mut File, whole: u64) -> io::Result<()> {
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole)).map(drop)
}

fn record(schema: &Schema, text: &[u8]) -> Result<(usize, Row), String> {
    let body: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| "is not a JSON object".to_owned())?;
    let kind = body.get("attributes").and_then(|attributes| attributes["type"].as_str());
    let object = kind.and_then(|name| schema.find(name));
    let object = object.ok_or("names no object of this org (is --metadata right?)")?;
    let one = &schema.objects[object];
    let mut cells: Vec<_> = one.fields.iter().map(|_| Cell::Null).collect();
    for (name, value) in body.iter().filter(|(name, _)| *name != "attributes") {
        let place = one.find(name).ok_or_else(|| format!("{} has no field {name}", one.name))?;
        cells[place] = stored(&one.fields[place], value)
            .ok_or_else(|| format!("{name} is not a {}", one.fields[place].kind.wire()))?;
    }
    fill(one, &mut cells);
    match cells.get(..=STAMP) {
        Some(system) if system.iter().all(|cell| !cell.is_null()) => Ok((object, Row { cells })),
        Some(_) | None => Err("lacks a system field".to_owned()),
    }
}

/// Check boxes are never empty, not even those that were defined after the record was written.
fn fill(object: &Object, cells: &mut [Cell]) {
    for (field, cell) in object.fields.iter().zip(cells) {
        if field.kind == Kind::Bool && cell.is_null() {
            *cell = field.default.clone();
        }
    }
}

fn stored(field: &Field, value: &Value) -> Option<Cell> {
    let kind = field.kind;
    match value {
        Value::Null => Some(Cell::Null),
        Value::Bool(flag) => (kind == Kind::Bool).then_some(Cell::Bool(*flag)),
        Value::Number(number) if kind.is_number() => number.as_f64().map(Cell::Number),
        Value::String(text) if kind.is_text() => Some(Cell::Text(text.clone())),
        Value::String(text) => match kind {
            Kind::Id | Kind::Reference => Id::parse(text).map(Cell::Id),
            Kind::Date => parse_date(text).map(Cell::Date),
            Kind::Instant => parse_instant(text).map(Cell::Instant),
            _ => None,
        },
        Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
