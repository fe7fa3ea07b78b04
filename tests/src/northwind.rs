//! The shop: loads Northwind as it is found, into a database of a server or into a file, and reads
//! it by plain SQL. Adds nothing to its tables.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::database::{self, Refused};
use crate::flows::{Flow, Kind};
use crate::translated::translated;

/// A variable that servers since PostgreSQL 12 don't know.
const UNKNOWN: &str = "SET default_with_oids";

/// A row of the shop in the words of the left side.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key, parts joined by `-`.
    pub key: String,
    /// Values under the names of the left side's fields.
    pub values: Map<String, Value>,
}

/// Why the shop couldn't be loaded or read.
#[derive(Debug, Error)]
pub enum ShopError {
    /// The script is missing, or the file can't be made.
    #[error("cannot use {path}")]
    File {
        /// The script, or the file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the shop's database refused")]
    Database(#[from] Refused),
}

/// The folder of the data and configuration.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("northwind")
}

/// The organization's own objects and fields.
pub fn metadata() -> PathBuf {
    folder().join("metadata")
}

/// Loads the script into an empty database; a file is made.
///
/// # Errors
/// When the script is missing or the database refuses it.
pub async fn load(url: &str) -> Result<(), ShopError> {
    let script = script()?;
    let known = script.lines().filter(|line| !line.starts_with(UNKNOWN));
    let known = known.collect::<Vec<_>>().join("\n");
    let Some(path) = database::path(url) else { return execute(url, &known).await };
    std::fs::File::create_new(&path).map_err(|source| ShopError::File { path, source })?;
    let translated = translated(&known);
    // As found, it is no program's that holds to references while it loads.
    execute(url, &format!("PRAGMA foreign_keys = off; BEGIN; {translated}; COMMIT")).await
}

fn script() -> Result<String, ShopError> {
    let path = folder().join("northwind.sql");
    std::fs::read_to_string(&path).map_err(|source| ShopError::File { path, source })
}

/// Runs statements in the shop, as its own software would.
///
/// # Errors
/// When the database refuses them.
pub async fn execute(url: &str, statements: &str) -> Result<(), ShopError> {
    Ok(database::execute(url, statements).await?)
}

/// Every row of a flow's right side.
///
/// # Errors
/// When the database refuses the query.
pub async fn rows(url: &str, flow: &Flow) -> Result<Vec<Row>, ShopError> {
    let found = database::rows(url, flow.query).await?;
    Ok(found.into_iter().map(|values| row(values, flow)).collect())
}

/// A file has no truth but numbers.
fn row(mut values: Map<String, Value>, flow: &Flow) -> Row {
    let key = values.remove("key").and_then(|key| key.as_str().map(str::to_owned));
    for field in flow.fields.iter().filter(|field| field.kind == Kind::Flag) {
        if let Some(number) = values.get(field.name).and_then(Value::as_i64) {
            values.insert(field.name.to_owned(), json!(number != 0));
        }
    }
    Row { key: key.unwrap_or_default(), values }
}
