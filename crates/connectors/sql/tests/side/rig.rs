//! A database with one table, the connector on it, and an outsider who works beside it: on a server
//! or in a file.

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
use duet_sql::{Database, Product};
use duet_testkit::connector_contract::ConnectorRig;
pub(crate) use duet_testkit::connector_contract::scene::image;
use duet_testkit::connector_contract::scene::{drained, undescribed};
use duet_testkit::servers::{self, postgres};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Makes two tests of each function: one on a server, one in a file.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            use duet_sql::Product;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_a_server() {
                super::$case(Product::Postgres).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_file() {
                super::$case(Product::Sqlite).await;
            }
        }
    )+ };
}
pub(crate) use on_both;

/// What tests of a server alone are about.
pub(crate) const SERVER: Product = Product::Postgres;
/// What tests of a file alone are about.
pub(crate) const FILE: Product = Product::Sqlite;

/// The table that most tests use.
pub(crate) fn items(product: Product) -> &'static str {
    match product {
        Product::Postgres => {
            "CREATE TABLE items (
                 id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE,
                 title varchar(60), note text, price numeric(10, 2),
                 deleted boolean NOT NULL DEFAULT false)"
        }
        Product::Sqlite => {
            "CREATE TABLE items (
                 id INTEGER PRIMARY KEY, code text UNIQUE,
                 title varchar(60), note text, price numeric(10, 2),
                 deleted boolean NOT NULL DEFAULT false)"
        }
    }
}

/// Where the tables are.
pub(crate) enum Ground {
    /// A database of a server.
    Server(Box<servers::Database>),
    /// A file, and the folder that it is alone in.
    File(tempfile::TempDir),
}

impl Ground {
    /// The database of a server.
    pub(crate) fn server(&self) -> &servers::Database {
        match self {
            Ground::Server(database) => database,
            Ground::File(_) => panic!("it is a file"),
        }
    }

    /// The folder of a file.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Ground::Server(_) => panic!("it is a server"),
            Ground::File(folder) => folder.path(),
        }
    }

    /// The file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("shop.db")
    }
}

/// Somebody else at work: a session of their own.
pub(crate) enum Outsider {
    /// On a server.
    Server(PgConnection),
    /// In a file.
    File(SqliteConnection),
}

impl Outsider {
    /// Carries out statements, or tells why not.
    pub(crate) async fn attempt(&mut self, script: &str) -> Result<(), sqlx::Error> {
        let script = AssertSqlSafe(script.to_owned());
        match self {
            Outsider::Server(session) => session.execute(script).await.map(drop),
            Outsider::File(session) => session.execute(script).await.map(drop),
        }
    }

    /// Carries out statements.
    pub(crate) async fn run(&mut self, script: &str) {
        let done = self.attempt(script).await;
        done.unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    /// Asks for one text.
    pub(crate) async fn text(&mut self, query: &str) -> String {
        let asked = AssertSqlSafe(query.to_owned());
        let value = match self {
            Outsider::Server(session) => {
                session.fetch_one(asked).await.and_then(|row| row.try_get(0))
            }
            Outsider::File(session) => {
                session.fetch_one(asked).await.and_then(|row| row.try_get(0))
            }
        };
        value.unwrap_or_else(|error| panic!("{query}: {error}"))
    }
}

/// A database, its table, and both who work on it.
pub(crate) struct Shop {
    /// What the database is.
    pub(crate) product: Product,
    /// The connector.
    pub(crate) side: Database,
    /// The table as a flow sees it.
    pub(crate) collection: Collection,
    // Last: dropped when nobody uses it any more.
    pub(crate) ground: Ground,
}

impl Shop {
    /// A database with the items, captured.
    pub(crate) async fn items(product: Product) -> Shop {
        Shop::captured(product, items(product), "items").await
    }

    /// A database with a table, captured.
    pub(crate) async fn captured(product: Product, ddl: &str, name: &str) -> Shop {
        let mut shop = Shop::bare(product, ddl, name).await;
        shop.install().await;
        shop
    }

    /// A database with a table and nothing else.
    pub(crate) async fn bare(product: Product, ddl: &str, name: &str) -> Shop {
        let ground = match product {
            Product::Postgres => {
                Ground::Server(Box::new(postgres().await.expect("a server is there")))
            }
            Product::Sqlite => Ground::File(tempfile::tempdir().expect("a folder can be made")),
        };
        if let Ground::File(_) = &ground {
            let made = SqliteConnectOptions::new()
                .filename(ground.file())
                .create_if_missing(true)
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
            let made = SqliteConnection::connect_with(&made).await.expect("a file can be made");
            made.close().await.expect("it can be closed");
        }
        let side = connect(&ground, json!({}));
        let shop = Shop { product, side, collection: collection("items", name), ground };
        shop.run(ddl).await;
        shop
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

    /// A table of the capture.
    pub(crate) fn table(&self, name: &str) -> String {
        match self.product {
            Product::Postgres => format!("duet.duet_{name}"),
            Product::Sqlite => format!("duet_{name}"),
        }
    }

    /// A session of somebody else. Like most programs that open a file, it holds to no reference.
    pub(crate) async fn outsider(&self) -> Outsider {
        match &self.ground {
            Ground::Server(database) => Outsider::Server(
                PgConnection::connect(database.url()).await.expect("the database is there"),
            ),
            Ground::File(_) => {
                let options =
                    SqliteConnectOptions::new().filename(self.ground.file()).foreign_keys(false);
                let session = SqliteConnection::connect_with(&options).await;
                Outsider::File(session.expect("the file is there"))
            }
        }
    }

    /// The outsider runs statements.
    pub(crate) async fn run(&self, script: &str) {
        self.outsider().await.run(script).await;
    }

    /// Somebody else begins a transaction.
    pub(crate) async fn begin(&self) -> Outsider {
        let mut outsider = self.outsider().await;
        outsider.run("BEGIN").await;
        outsider
    }

    /// The outsider asks for one text.
    pub(crate) async fn text(&self, query: &str) -> String {
        self.outsider().await.text(query).await
    }

    /// The outsider asks for a number.
    pub(crate) async fn number(&self, expression: &str) -> i64 {
        let text = self.text(&format!("SELECT CAST(({expression}) AS text)")).await;
        text.parse().unwrap_or_else(|_| panic!("{expression}: {text} is no number"))
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// The outsider asks a server for one value.
    pub(crate) async fn ask<T>(&self, query: &str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
    {
        let Outsider::Server(mut session) = self.outsider().await else { panic!("it is a file") };
        let value =
            sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut session).await;
        value.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Whether the tables of the capture are there.
    pub(crate) async fn has_capture(&self) -> bool {
        let found = match self.product {
            Product::Postgres => "SELECT count(*) FROM pg_namespace WHERE nspname = 'duet'",
            Product::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'duet%'",
        };
        self.number(found).await > 0
    }

    /// Waits until the side's clock shows another time: that of a file has milliseconds.
    pub(crate) async fn tick(&self) {
        if self.product == Product::Sqlite {
            let mut outsider = self.outsider().await;
            let now = "SELECT strftime('%f', 'now')";
            let before = outsider.text(now).await;
            while outsider.text(now).await == before {}
        }
    }

    /// Makes a user; users belong to the server, so it is named after the database.
    pub(crate) async fn role(&self, name: &str) -> String {
        let database = self.text("SELECT current_database()::text").await;
        let role = format!("{database}_{name}");
        self.run(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN")).await;
        role
    }

    /// Takes a user away with all its rights.
    pub(crate) async fn drop_role(&self, role: &str) {
        self.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }

    /// The connector signed in as a user.
    pub(crate) fn as_role(&self, role: &str) -> Database {
        let url = self.ground.server().url();
        let (_, place) = url.split_once('@').expect("the address names a user");
        connect(&self.ground, json!({ "url": format!("postgres://{role}@{place}") }))
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
pub(crate) fn connect(ground: &Ground, more: serde_json::Value) -> Database {
    let (product, mut section, folder) = match ground {
        Ground::Server(database) => {
            (Product::Postgres, json!({ "url": database.url() }), Path::new("."))
        }
        Ground::File(folder) => (Product::Sqlite, json!({ "path": "shop.db" }), folder.path()),
    };
    section["capture"] = json!({ "poll": "1s" });
    for (key, value) in more.as_object().expect("settings are a table") {
        section[key] = value.clone();
    }
    Database::open(product, ConnectionName::from("shop"), &section, folder, Arc::new(System))
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
        Arc::new(connect(&self.ground, json!({})))
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
        let text = text.replace('\'', "''");
        let insert = format!("INSERT INTO items (title) VALUES ('{text}') RETURNING id");
        let id = match self.outsider().await {
            Outsider::Server(mut session) => {
                let row = session.fetch_one(AssertSqlSafe(insert)).await;
                row.expect("it is inserted").get::<i32, _>(0).into()
            }
            Outsider::File(mut session) => {
                let row = session.fetch_one(AssertSqlSafe(insert)).await;
                row.expect("it is inserted").get::<i64, _>(0)
            }
        };
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
        usize::try_from(self.rows("items").await).expect("a count is not negative")
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
