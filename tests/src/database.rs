//! A database that a test asks and changes by plain SQL, as somebody else's program would: on a
//! PostgreSQL server, or in a SQLite file. Which one it is its address tells.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::types::{Json, Uuid};
use sqlx::{
    AssertSqlSafe, Column, Connection, PgConnection, Row, SqliteConnection, TypeInfo, ValueRef,
};
use thiserror::Error;

/// How the address of a file begins.
const FILE: &str = "sqlite:";
/// A program of a shop waits for its turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database refused.
#[derive(Debug, Error)]
#[error("the database refused {what}")]
pub struct Refused {
    /// What was tried.
    what: String,
    /// What it said.
    source: sqlx::Error,
}

enum Session {
    Server(PgConnection),
    File(SqliteConnection),
}

/// The address of a file.
pub fn file(path: &Path) -> String {
    format!("{FILE}{}", path.display())
}

/// The path that the address of a file names.
pub fn path(url: &str) -> Option<PathBuf> {
    url.strip_prefix(FILE).map(PathBuf::from)
}

/// Runs statements.
///
/// # Errors
/// When the database refuses them.
pub async fn execute(url: &str, statements: &str) -> Result<(), Refused> {
    let fail = |source| Refused { what: statements.chars().take(80).collect(), source };
    let script = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
    match open(url).await.map_err(fail)? {
        Session::Server(mut session) => {
            script.execute(&mut session).await.map_err(fail)?;
            session.close().await.map_err(fail)
        }
        Session::File(mut session) => {
            script.execute(&mut session).await.map_err(fail)?;
            session.close().await.map_err(fail)
        }
    }
}

/// Every row that a query answers, by the names of its columns.
///
/// # Errors
/// When the database refuses the query.
pub async fn rows(url: &str, query: &str) -> Result<Vec<Map<String, Value>>, Refused> {
    let fail = |source| Refused { what: query.to_owned(), source };
    match open(url).await.map_err(fail)? {
        Session::Server(mut session) => {
            let query = AssertSqlSafe(format!("SELECT to_jsonb(row) FROM ({query}) AS row"));
            let found: Vec<Json<Map<String, Value>>> =
                sqlx::query_scalar(query).fetch_all(&mut session).await.map_err(fail)?;
            session.close().await.map_err(fail)?;
            Ok(found.into_iter().map(|Json(row)| row).collect())
        }
        Session::File(mut session) => {
            let query = AssertSqlSafe(query.to_owned());
            let found = sqlx::query(query).fetch_all(&mut session).await.map_err(fail)?;
            session.close().await.map_err(fail)?;
            found.iter().map(stored).collect::<Result<_, _>>().map_err(fail)
        }
    }
}

/// The database's clock, in seconds since 1970.
///
/// # Errors
/// When the database refuses.
pub async fn clock(url: &str) -> Result<f64, Refused> {
    let now = match path(url) {
        None => "SELECT extract(epoch FROM clock_timestamp())::float8 AS now",
        Some(_) => "SELECT (julianday('now') - 2440587.5) * 86400.0 AS now",
    };
    let found = rows(url, now).await?;
    Ok(found.first().and_then(|row| row["now"].as_f64()).unwrap_or_default())
}

async fn open(url: &str) -> Result<Session, sqlx::Error> {
    let Some(path) = path(url) else {
        return PgConnection::connect(url).await.map(Session::Server);
    };
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
    SqliteConnection::connect_with(&options.foreign_keys(true)).await.map(Session::File)
}

/// A row of a file: values as they are stored; identifiers of 16 bytes as UUIDs, other bytes as a
/// server tells them.
fn stored(row: &SqliteRow) -> Result<Map<String, Value>, sqlx::Error> {
    let mut values = Map::new();
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at)?;
        let (is_null, kind) = (raw.is_null(), raw.type_info().name().to_owned());
        let value = match kind.as_str() {
            _ if is_null => Value::Null,
            "INTEGER" => json!(row.try_get_unchecked::<i64, _>(at)?),
            "REAL" => json!(row.try_get_unchecked::<f64, _>(at)?),
            "BLOB" => bytes(row.try_get_unchecked(at)?),
            _ => json!(row.try_get_unchecked::<String, _>(at)?),
        };
        values.insert(column.name().to_owned(), value);
    }
    Ok(values)
}

fn bytes(bytes: Vec<u8>) -> Value {
    match Uuid::from_slice(&bytes) {
        Ok(id) => json!(id.to_string()),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!(format!("\\x{digits}"))
        }
    }
}

#[cfg(test)]
mod tests {
    //! Shows that a file answers what it holds.

    use super::*;

    #[tokio::test]
    async fn a_file_answers_what_is_stored() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = file(&folder.path().join("a b.db"));
        let missing = execute(&url, "SELECT 1").await.unwrap_err();
        assert_eq!(missing.to_string(), "the database refused SELECT 1");
        std::fs::write(path(&url).unwrap(), "").unwrap();
        execute(&url, "CREATE TABLE t (a, b, c, d); INSERT INTO t VALUES (1, 0.5, 'x', NULL)")
            .await
            .unwrap();
        let id = "SELECT a, b, c, d, x'000102030405060708090a0b0c0d0e0f' AS e FROM t";
        let found = rows(&url, id).await.unwrap();
        let e = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        assert_eq!(json!(found), json!([{ "a": 1, "b": 0.5, "c": "x", "d": null, "e": e }]));
        let before = clock(&url).await.unwrap();
        assert!(before > 1.7e9 && clock(&url).await.unwrap() >= before);
    }
}
