//! A database with one table, the connector on it, and an outsider who works beside it.

use async_trait::async_trait;
use duet_core::id::{Column, ConnectionName, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::Observation;
use duet_core::side::Side;
use duet_core::value::Value;
use duet_ports::clock::System;
use duet_ports::connector::{Batch, Call, Collection, Connector, Detected, Detector, Reading};
use duet_ports::envelope::WhatV1;
use duet_sql::Postgres;
use duet_testkit::connector_contract::ConnectorRig;
pub(crate) use duet_testkit::connector_contract::scene::image;
use duet_testkit::connector_contract::scene::{drained, undescribed};
use duet_testkit::servers::{Database, postgres};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The table that most tests use.
pub(crate) const ITEMS: &str = "CREATE TABLE items (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE,
    title varchar(60), note text, price numeric(10, 2), deleted boolean NOT NULL DEFAULT false)";

/// A database, its table, and both who work on it.
pub(crate) struct Shop {
    /// The outsider.
    pub(crate) pool: PgPool,
    /// The connector.
    pub(crate) side: Postgres,
    /// The table as a flow sees it.
    pub(crate) collection: Collection,
    // Last: dropped when nobody uses it any more.
    pub(crate) database: Database,
}

impl Shop {
    /// A database with the items, captured.
    pub(crate) async fn items() -> Shop {
        Shop::captured(ITEMS, "items").await
    }

    /// A database with a table, captured.
    pub(crate) async fn captured(ddl: &str, name: &str) -> Shop {
        let mut shop = Shop::bare(ddl, name).await;
        shop.install().await;
        shop
    }

    /// A database with a table and nothing else.
    pub(crate) async fn bare(ddl: &str, name: &str) -> Shop {
        let database = postgres().await.expect("a server is there");
        database.run(ddl).await.expect("the table can be made");
        let pool = PgPool::connect(database.url()).await.expect("the database is there");
        let side = connect(&database, json!({}));
        Shop { side, collection: collection("items", name), pool, database }
    }

    /// Installs the capture and describes the columns, as a start does.
    pub(crate) async fn install(&mut self) {
        let here = std::slice::from_ref(&self.collection);
        self.side.capture_install(here).await.expect("the capture can be installed");
        self.describe().await;
    }

    /// Takes over the columns as described.
    pub(crate) async fn describe(&mut self) {
        let about = self.side.describe(&self.collection).await.expect("the table is there");
        self.collection.columns = about.columns;
    }

    /// The outsider runs statements.
    pub(crate) async fn run(&self, script: &str) {
        let done = self.pool.execute(AssertSqlSafe(script.to_owned())).await;
        done.unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    /// The outsider asks for one value.
    pub(crate) async fn ask<T>(&self, query: &str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
    {
        let value = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&self.pool).await;
        value.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Makes a user; users belong to the server, so it is named after the database.
    pub(crate) async fn role(&self, name: &str) -> String {
        let database: String = self.ask("SELECT current_database()::text").await;
        let role = format!("{database}_{name}");
        self.run(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN")).await;
        role
    }

    /// Takes a user away with all its rights.
    pub(crate) async fn drop_role(&self, role: &str) {
        self.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }

    /// The connector signed in as a user.
    pub(crate) fn as_role(&self, role: &str) -> Postgres {
        let (_, place) = self.database.url().split_once('@').expect("the address names a user");
        connect(&self.database, json!({ "url": format!("postgres://{role}@{place}") }))
    }

    /// Opens the outbox.
    pub(crate) async fn detector(&self) -> Box<dyn Detector> {
        self.side.detector(&self.collection, None).await.expect("the capture is installed")
    }

    /// Reads one record.
    pub(crate) async fn read(&self, record: &str) -> Observation {
        let found = self.side.read(&self.collection, &[record.into()]).await;
        found.expect("the table can be read").remove(0).observation
    }

    /// Sends a batch; one outcome per call.
    pub(crate) async fn send(&self, op: Op, calls: Vec<Call>) -> Vec<Outcome> {
        let batch = Batch { op, path: WritePath::Guarded, calls };
        let answers = self.side.apply(&self.collection, &batch).await;
        answers.expect("the database answers").outcomes
    }

    /// A call to a record as it is now.
    pub(crate) async fn call(&self, number: u128, record: &str, values: &[(&str, Value)]) -> Call {
        let seen = self.read(record).await;
        Call {
            record: Some(record.into()),
            expected: seen.version,
            expected_values: seen.image,
            ..creating(number, values)
        }
    }
}

/// A connector with settings of its own.
pub(crate) fn connect(database: &Database, more: serde_json::Value) -> Postgres {
    let mut section = json!({ "url": database.url(), "capture": { "poll": "1s" } });
    for (key, value) in more.as_object().expect("settings are a table") {
        section[key] = value.clone();
    }
    Postgres::open(ConnectionName::from("shop"), &section, Arc::new(System))
        .expect("the settings are right")
}

/// A table as a flow sees it; its key as the table tells.
pub(crate) fn collection(flow: &str, name: &str) -> Collection {
    undescribed(flow, Side::Right, name, &[])
}

/// A number as an intent's id.
pub(crate) fn intent(number: u128) -> IntentId {
    IntentId(Uuid::from_u128(number))
}

/// A call that creates a record.
pub(crate) fn creating(number: u128, values: &[(&str, Value)]) -> Call {
    Call {
        intent: intent(number),
        link: LinkId(Uuid::from_u128(number)),
        record: None,
        values: image(values),
        unique: None,
        expected: None,
        expected_values: Image::new(),
    }
}

/// A decimal.
pub(crate) fn decimal(text: &str) -> Value {
    Value::decimal(text.parse().expect("a number"))
}

/// Reads everything that is waiting.
pub(crate) async fn drain(detector: &mut dyn Detector) -> Vec<Reading> {
    drained(detector, 100).await
}

/// Everything that is waiting, in order.
pub(crate) async fn changes(detector: &mut dyn Detector) -> Vec<Detected> {
    drain(detector).await.into_iter().flat_map(|reading| reading.changes).collect()
}

/// A key change from this id, placed where the record is seen afterwards.
pub(crate) fn renamed_from(old: &str, seen: &Detected) -> WhatV1 {
    let WhatV1::Seen(seen) = &seen.what else { panic!("it is seen after its key change") };
    let order = seen.version.as_ref().and_then(|version| version.order);
    assert!(order.is_some(), "rows have versions");
    WhatV1::KeyChanged { old: old.into(), order }
}

/// Everything that is waiting, by record; the last one counts.
pub(crate) async fn seen(detector: &mut dyn Detector) -> BTreeMap<String, Observation> {
    let changes = changes(detector).await.into_iter();
    changes
        .filter_map(|change| match change.what {
            WhatV1::Seen(seen) => Some((change.record.as_str().to_owned(), *seen)),
            WhatV1::KeyChanged { .. } | WhatV1::Gap => None,
        })
        .collect()
}

/// Gives up everything that these readings covered.
pub(crate) async fn settle(detector: &mut dyn Detector, readings: &[Reading]) {
    let positions: Vec<_> =
        readings.iter().filter_map(|reading| reading.position.clone()).collect();
    detector.settle(&positions).await.expect("the outbox can be reached");
}

/// For anything that happens soon.
pub(crate) const SOON: Duration = Duration::from_secs(60);

#[async_trait(?Send)]
impl ConnectorRig for Shop {
    async fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(connect(&self.database, json!({})))
    }

    fn collection(&self) -> Collection {
        self.collection.clone()
    }

    fn text(&self) -> Column {
        Column::from("title")
    }

    fn other(&self) -> Column {
        Column::from("note")
    }

    async fn create(&self, text: &str) -> RecordId {
        let id: i32 = sqlx::query_scalar("INSERT INTO items (title) VALUES ($1) RETURNING id")
            .bind(text)
            .fetch_one(&self.pool)
            .await
            .expect("the row can be inserted");
        RecordId::new(id.to_string())
    }

    async fn edit(&self, record: &RecordId, column: &Column, text: &str) {
        let text = text.replace('\'', "''");
        self.run(&format!("UPDATE items SET {column} = '{text}' WHERE id = {record}")).await;
    }

    async fn delete(&self, record: &RecordId) {
        self.run(&format!("DELETE FROM items WHERE id = {record}")).await;
    }

    async fn count(&self) -> usize {
        let count: i64 = self.ask("SELECT count(*) FROM items").await;
        usize::try_from(count).expect("a count is not negative")
    }

    fn new_record(&self, number: u32) -> (Image, Option<(Column, Value)>) {
        let code = Value::text(format!("code {number}"));
        let values = [("code", code.clone()), ("title", Value::text("new"))];
        (image(&values), Some((Column::from("code"), code)))
    }

    fn refused(&self) -> Value {
        Value::text("x".repeat(61))
    }

    async fn ripen(&self) {
        // Every write has a version of its own: nothing to wait for.
    }
}
