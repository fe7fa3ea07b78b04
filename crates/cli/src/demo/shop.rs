//! The sample shop: a SQLite file, as its own programs would use it. Nothing here goes by way of
//! duet's connector.

use super::flows::Flow;
use super::sample::Sample;
use crate::exit::{Exit, Failure};
use serde_json::Value;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long the shop's programs wait for one another, and for duet.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE customers (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    phone TEXT,
    city  TEXT
);
CREATE TABLE products (
    sku   TEXT PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    stock INTEGER NOT NULL
);
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    placed_on   DATE NOT NULL,
    status      TEXT NOT NULL,
    tracking    TEXT
);
";

/// A row: its key, and its columns as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The key.
    pub(crate) key: String,
    /// What it holds.
    pub(crate) columns: BTreeMap<&'static str, Option<String>>,
}

/// The shop.
pub(crate) struct Shop {
    pool: SqlitePool,
}

/// Several edits that are made as one, and seen by nobody before. Until then nobody else writes.
pub(crate) struct Hand(Transaction<'static, Sqlite>);

impl Shop {
    /// Makes the shop's file, with the sample in it.
    pub(crate) async fn make(file: &Path, sample: &Sample) -> Result<Shop, Failure> {
        let shop = Shop::open_with(file, true).await?;
        sqlx::raw_sql(TABLES).execute(&shop.pool).await.map_err(failed)?;
        let mut hand = shop.begin().await?;
        for one in sample.customers.iter().filter(|one| one.place.in_shop()) {
            let phone = one.phone.right.clone().map_or(Value::Null, Value::String);
            let values = [text(&one.key), text(&one.name), text(&one.email), phone, text(one.city)];
            hand.run("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", &values).await?;
        }
        for one in &sample.products {
            let values = [text(&one.sku), text(&one.title), one.stock.into()];
            hand.run("INSERT INTO products VALUES (?, ?, ?)", &values).await?;
        }
        for one in &sample.orders {
            let values = [text(&one.key), text(&one.customer), text(&one.placed), text(one.status)];
            hand.run("INSERT INTO orders VALUES (?, ?, ?, ?, NULL)", &values).await?;
        }
        hand.commit().await?;
        Ok(shop)
    }

    /// Opens the shop's file.
    pub(crate) async fn open(file: &Path) -> Result<Shop, Failure> {
        Shop::open_with(file, false).await
    }

    async fn open_with(file: &Path, make: bool) -> Result<Shop, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(make)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options);
        Ok(Shop { pool: pool.await.map_err(failed)? })
    }

    /// Begins several edits.
    pub(crate) async fn begin(&self) -> Result<Hand, Failure> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map(Hand).map_err(failed)
    }

    /// Every row of a flow, by its key.
    pub(crate) async fn rows(&self, flow: &Flow) -> Result<Vec<Row>, Failure> {
        let columns = flow.fields.iter().map(|field| format!(", CAST({} AS TEXT)", field.right));
        let columns: String = columns.collect();
        let Flow { table, key, .. } = flow;
        let query = format!("SELECT CAST({key} AS TEXT){columns} FROM {table} ORDER BY {key}");
        let found = sqlx::query(AssertSqlSafe(query)).fetch_all(&self.pool).await;
        let found = found.map_err(failed)?;
        let row = |row: SqliteRow| -> Result<Row, sqlx::Error> {
            let mut columns = BTreeMap::new();
            for (at, field) in flow.fields.iter().enumerate() {
                columns.insert(field.right, row.try_get(at + 1)?);
            }
            Ok(Row { key: row.try_get(0)?, columns })
        };
        found.into_iter().map(row).collect::<Result<_, _>>().map_err(failed)
    }

    /// Closes the file.
    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}

impl Hand {
    /// Sets a column of a row; tells whether the row is there.
    pub(crate) async fn set(
        &mut self,
        flow: &Flow,
        key: &str,
        column: &str,
        value: &Value,
    ) -> Result<bool, Failure> {
        let Flow { table, key: key_column, .. } = flow;
        let statement = format!("UPDATE {table} SET {column} = ? WHERE {key_column} = ?");
        self.run(&statement, &[value.clone(), text(key)]).await.map(|rows| rows > 0)
    }

    /// Adds to a column of a row.
    pub(crate) async fn add(
        &mut self,
        flow: &Flow,
        key: &str,
        column: &str,
        more: i64,
    ) -> Result<(), Failure> {
        let Flow { table, key: key_column, .. } = flow;
        let statement =
            format!("UPDATE {table} SET {column} = {column} + ? WHERE {key_column} = ?");
        self.run(&statement, &[more.into(), text(key)]).await.map(drop)
    }

    /// Deletes a row.
    pub(crate) async fn delete(&mut self, flow: &Flow, key: &str) -> Result<(), Failure> {
        let Flow { table, key: key_column, .. } = flow;
        let statement = format!("DELETE FROM {table} WHERE {key_column} = ?");
        self.run(&statement, &[text(key)]).await.map(drop)
    }

    /// Carries a statement out; tells how many rows it changed.
    pub(crate) async fn run(&mut self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        let mut query = sqlx::query(AssertSqlSafe(statement.to_owned()));
        for value in values {
            query = match value {
                Value::Null => query.bind(None::<String>),
                Value::Number(number) => query.bind(number.as_i64()),
                Value::String(text) => query.bind(text.clone()),
                other => query.bind(other.to_string()),
            };
        }
        query.execute(&mut *self.0).await.map(|done| done.rows_affected()).map_err(failed)
    }

    /// Makes the edits.
    pub(crate) async fn commit(self) -> Result<(), Failure> {
        self.0.commit().await.map_err(failed)
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn failed(error: sqlx::Error) -> Failure {
    Failure::new(Exit::Failed, "the shop's file doesn't take that").because(error)
}

#[cfg(test)]
mod tests {
    use super::super::chance::Chance;
    use super::super::flows::{CUSTOMERS, FLOWS, PRODUCTS};
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn what_a_hand_did_is_there_once_it_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let sample = Sample::draw(&mut Chance::new(1));
        let file = folder.path().join("shop.db");
        let shop = Shop::make(&file, &sample).await.expect("a shop");
        let first = sample.products[0].clone();
        let mut hand = shop.begin().await.expect("a hand");
        hand.add(&PRODUCTS, &first.sku, "stock", 5).await.expect("added");
        let set = hand.set(&CUSTOMERS, "1001", "city", &json!(null)).await.expect("set");
        let nobody = hand.set(&CUSTOMERS, "1", "city", &json!("Oslo")).await.expect("no row");
        assert!(set && !nobody);
        hand.delete(&PRODUCTS, &sample.products[1].sku).await.expect("deleted");
        let stock = |rows: Vec<Row>| {
            let row = rows.into_iter().find(|row| row.key == first.sku).expect("a product");
            row.columns["stock"].clone()
        };
        let before = shop.rows(&PRODUCTS).await.expect("rows");
        assert_eq!((before.len(), stock(before)), (12, Some(first.stock.to_string())));
        hand.commit().await.expect("done");
        let after = shop.rows(&PRODUCTS).await.expect("rows");
        assert_eq!((after.len(), stock(after)), (11, Some((first.stock + 5).to_string())));
        assert_eq!(shop.rows(&CUSTOMERS).await.expect("rows")[0].columns["city"], None);
        shop.close().await;
        let shop = Shop::open(&file).await.expect("it is there");
        for flow in FLOWS {
            assert!(!shop.rows(flow).await.expect("rows").is_empty(), "{}", flow.name);
        }
    }
}
