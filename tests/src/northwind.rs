//! The shop: loads Northwind as it is found and reads it by plain SQL. Adds nothing to its tables.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use thiserror::Error;

use crate::flows::Flow;

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
    /// The script is missing.
    #[error("cannot read {path}")]
    Script {
        /// The script.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the shop's database refused {what}")]
    Database {
        /// What was tried.
        what: String,
        /// What it said.
        source: sqlx::Error,
    },
}

/// The folder of the data and configuration.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("northwind")
}

/// The organization's own objects and fields.
pub fn metadata() -> PathBuf {
    folder().join("metadata")
}

/// Loads the script into an empty database.
///
/// # Errors
/// When the script is missing or the database refuses it.
pub async fn load(url: &str) -> Result<(), ShopError> {
    let path = folder().join("northwind.sql");
    let script =
        std::fs::read_to_string(&path).map_err(|source| ShopError::Script { path, source })?;
    let known = script.lines().filter(|line| !line.starts_with(UNKNOWN));
    execute(url, &known.collect::<Vec<_>>().join("\n")).await
}

/// Runs statements in the shop, as its own software would.
///
/// # Errors
/// When the database refuses them.
pub async fn execute(url: &str, statements: &str) -> Result<(), ShopError> {
    let what = statements.chars().take(80).collect::<String>();
    let fail = |source| ShopError::Database { what: what.clone(), source };
    let mut connection = PgConnection::connect(url).await.map_err(fail)?;
    let statements = AssertSqlSafe(statements.to_owned());
    sqlx::raw_sql(statements).execute(&mut connection).await.map_err(fail)?;
    connection.close().await.map_err(fail)
}

/// The shop's clock, in seconds since 1970.
///
/// # Errors
/// When the database refuses.
pub async fn clock(url: &str) -> Result<f64, ShopError> {
    let fail = |source| ShopError::Database { what: "the time".to_owned(), source };
    let mut connection = PgConnection::connect(url).await.map_err(fail)?;
    let clock = "SELECT extract(epoch FROM clock_timestamp())::float8";
    let now = sqlx::query_scalar(clock).fetch_one(&mut connection).await.map_err(fail)?;
    connection.close().await.map_err(fail)?;
    Ok(now)
}

/// What a query answers whose only column is a JSON object.
///
/// # Errors
/// When the database refuses the query.
pub async fn objects(url: &str, query: &str) -> Result<Vec<Value>, ShopError> {
    let fail = |source| ShopError::Database { what: query.to_owned(), source };
    let mut connection = PgConnection::connect(url).await.map_err(fail)?;
    let query = AssertSqlSafe(query.to_owned());
    let found: Vec<Json<Value>> =
        sqlx::query_scalar(query).fetch_all(&mut connection).await.map_err(fail)?;
    connection.close().await.map_err(fail)?;
    Ok(found.into_iter().map(|Json(value)| value).collect())
}

/// Every row of a flow's right side.
///
/// # Errors
/// When the database refuses the query.
pub async fn rows(url: &str, flow: &Flow) -> Result<Vec<Row>, ShopError> {
    let query = format!("SELECT to_jsonb(row) FROM ({}) AS row", flow.query);
    let found = objects(url, &query).await?;
    let values = found.into_iter().filter_map(|value| match value {
        Value::Object(values) => Some(values),
        _ => None,
    });
    Ok(values.map(row).collect())
}

fn row(mut values: Map<String, Value>) -> Row {
    let key = values.remove("key").and_then(|key| key.as_str().map(str::to_owned));
    Row { key: key.unwrap_or_default(), values }
}
