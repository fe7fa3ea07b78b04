//! `capture install | remove | status`: what it takes to see changes without touching the user's
//! tables but for two triggers. Every function may run twice: the second run finds nothing to do.

use crate::error::database;
use crate::postgres::Postgres;
use crate::sql::capture::{self as ddl, Triggers};
use crate::sql::{Sql, catalog, writes};
use crate::table::{Kind, Table};
use duet_core::id::{Column, FlowName};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_ports::connector::{Collection, ConnectorError};
use sqlx::{PgConnection, Row};
use std::time::Duration;

/// How the capture of one collection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureStatus {
    /// The flow.
    pub flow: FlowName,
    /// The side.
    pub side: Side,
    /// The table, as the flow names it.
    pub collection: String,
    /// Whether its changes are captured.
    pub installed: bool,
    /// Whether it is captured, but by an older version that has to be brought up to date first.
    pub older: bool,
    /// The version that was installed.
    pub version: Option<i32>,
    /// The version that an install would make.
    pub newest: i32,
    /// Changes that are not settled yet.
    pub backlog: u64,
    /// How long the oldest of them has been waiting.
    pub oldest: Option<Duration>,
}

impl Postgres {
    /// Installs the capture for these collections, all or none. What stands already is left alone.
    ///
    /// # Errors
    /// When a table can't be captured, or rights are missing; then nothing was changed.
    pub async fn capture_install(
        &self,
        collections: &[Collection],
    ) -> Result<Vec<CaptureStatus>, ConnectorError> {
        self.limited(async {
            self.in_transaction(async |connection| {
                prepare(self, connection).await?;
                for collection in collections {
                    install(self, connection, collection).await?;
                }
                Ok(())
            })
            .await?;
            for collection in collections {
                self.forget(collection);
            }
            self.statuses(collections).await
        })
        .await
    }

    /// Takes the capture of these collections away, with all that is waiting; with the last one,
    /// everything that installing made.
    ///
    /// # Errors
    /// When rights are missing; then nothing was changed.
    pub async fn capture_remove(&self, collections: &[Collection]) -> Result<(), ConnectorError> {
        self.limited(async {
            self.in_transaction(async |connection| {
                self.run(connection, ddl::LOCK).await?;
                if !self.exists(connection).await? {
                    return Ok(());
                }
                for collection in collections {
                    remove(self, connection, collection).await?;
                }
                sweep(self, connection).await
            })
            .await?;
            for collection in collections {
                self.forget(collection);
            }
            Ok(())
        })
        .await
    }

    /// Tells how the capture of these collections stands.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn capture_status(
        &self,
        collections: &[Collection],
    ) -> Result<Vec<CaptureStatus>, ConnectorError> {
        self.limited(self.statuses(collections)).await
    }

    async fn statuses(
        &self,
        collections: &[Collection],
    ) -> Result<Vec<CaptureStatus>, ConnectorError> {
        let mut statuses = Vec::with_capacity(collections.len());
        for collection in collections {
            statuses.push(status(self, collection).await?);
        }
        Ok(statuses)
    }

    async fn in_transaction(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<(), ConnectorError>,
    ) -> Result<(), ConnectorError> {
        let mut transaction = self.pool().begin().await.map_err(|error| self.failed(error))?;
        work(&mut transaction).await?;
        transaction.commit().await.map_err(|error| self.failed(error))
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        statement: &'static str,
    ) -> Result<(), ConnectorError> {
        let done = sqlx::query(statement).execute(connection).await;
        done.map(drop).map_err(|error| self.failed(error))
    }

    async fn ddl(
        &self,
        connection: &mut PgConnection,
        statement: &Sql,
    ) -> Result<(), ConnectorError> {
        let done = sqlx::raw_sql(statement.text()).execute(connection).await;
        done.map(drop).map_err(|error| self.explain(error))
    }

    /// Missing rights are what goes wrong here; the server's words alone don't tell what to do.
    fn explain(&self, error: sqlx::Error) -> ConnectorError {
        let denied = database(&error).is_some_and(|told| told.code() == "42501");
        let mut failed = self.failed(error);
        if denied {
            failed.failure.message.push_str(
                "; installing needs CREATE on the database (or on the schema of the capture) and \
                 TRIGGER on the table",
            );
        }
        failed
    }

    async fn exists(&self, connection: &mut PgConnection) -> Result<bool, ConnectorError> {
        let found = rights(connection, &self.settings().schema).await;
        found.map(|(exists, _)| exists).map_err(|error| self.failed(error))
    }
}

/// Whether the capture's tables exist, and whether we may use them.
pub(crate) async fn rights(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(bool, bool), sqlx::Error> {
    let row = sqlx::query(catalog::capture_rights(schema).text()).fetch_one(connection).await;
    let row = match row {
        Ok(row) => row,
        // Without rights on the schema its tables can't even be looked for.
        Err(error) if database(&error).is_some_and(|told| told.code() == "42501") => {
            return Ok((false, false));
        }
        Err(error) => return Err(error),
    };
    Ok((row.try_get("exists")?, row.try_get("usable")?))
}

/// How a capture stands for a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Changes of the collection aren't captured.
    Missing,
    /// They are, by triggers or into tables of an older version, which lack what we ask for.
    Older,
    /// They are, and this is the base of their versions.
    Captured(i64),
}

impl Standing {
    /// What is wrong with the capture of a collection and what to do about it, if anything is.
    pub(crate) fn fault(self, collection: &Collection) -> Option<String> {
        let name = &collection.name;
        match self {
            Standing::Missing => {
                Some(format!("changes of {name} are not captured: run `duet capture install`"))
            }
            Standing::Older => Some(format!(
                "the capture of {name} in the database is of an older version: run `duet capture \
                 install`"
            )),
            Standing::Captured(_) => None,
        }
    }
}

/// How the capture of a collection stands: with both triggers, made for the key that the flow uses.
pub(crate) async fn installed(
    connection: &mut PgConnection,
    schema: &str,
    collection: &Collection,
    table: &Table,
) -> Result<Standing, sqlx::Error> {
    if rights(connection, schema).await? != (true, true) {
        return Ok(Standing::Missing);
    }
    let entry = entry(connection, schema, collection).await?;
    let of_this_key = |entry: &Entry| entry.relation == table.oid && entry.key == key(table);
    let Some(entry) = entry.filter(of_this_key) else { return Ok(Standing::Missing) };
    Ok(match is_watched(connection, schema, collection, table.oid).await? {
        false => Standing::Missing,
        true if entry.is_older() => Standing::Older,
        true => Standing::Captured(entry.base),
    })
}

async fn is_watched(
    connection: &mut PgConnection,
    schema: &str,
    collection: &Collection,
    oid: i64,
) -> Result<bool, sqlx::Error> {
    let names = names(schema, collection);
    let watching: i64 = sqlx::query_scalar(catalog::WATCHING)
        .bind(oid)
        .bind(names.as_slice())
        .fetch_one(connection)
        .await?;
    Ok(watching == 2)
}

/// What is recorded of a capture.
struct Entry {
    relation: i64,
    key: Vec<String>,
    version: i32,
    base: i64,
    /// Whether the capture's tables have every column that we ask for.
    whole: bool,
    /// Schema and name of the table, if it still exists.
    table: Option<(String, String)>,
}

impl Entry {
    /// The version alone doesn't tell: a restored copy of the tables may lack a column.
    fn is_older(&self) -> bool {
        self.version < ddl::VERSION || !self.whole
    }
}

async fn entry(
    connection: &mut PgConnection,
    schema: &str,
    collection: &Collection,
) -> Result<Option<Entry>, sqlx::Error> {
    let row = sqlx::query(ddl::registered(schema).text())
        .bind(collection.flow.as_str())
        .bind(collection.side.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let table_schema: Option<String> = row.try_get("schema")?;
    let name: Option<String> = row.try_get("name")?;
    Ok(Some(Entry {
        relation: row.try_get("relation")?,
        key: row.try_get("key")?,
        version: row.try_get("version")?,
        base: row.try_get("base")?,
        whole: row.try_get("whole")?,
        table: table_schema.zip(name),
    }))
}

fn key(table: &Table) -> Vec<String> {
    table.key.iter().map(|column| column.name.as_str().to_owned()).collect()
}

/// Trigger names: derived, as a flow's name may be longer than an identifier.
fn names(schema: &str, collection: &Collection) -> [String; 2] {
    let text = format!("{schema}/{}/{}", collection.flow, collection.side);
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
    ["row", "truncate"].map(|what| format!("duet_capture_{}_{what}", &id[..16]))
}

fn triggers<'a>(schema: &'a str, collection: &Collection, table: &'a Table) -> Triggers<'a> {
    let padded = |kind| if kind == Kind::Padded { 'c' } else { '-' };
    let mut arguments = vec![
        collection.flow.as_str().to_owned(),
        collection.side.as_str().to_owned(),
        table.key.iter().map(|column| padded(column.kind)).collect(),
    ];
    arguments.extend(key(table));
    Triggers {
        schema,
        table_schema: &table.schema,
        table: &table.name,
        names: names(schema, collection),
        arguments,
    }
}

/// Makes what all captures share, or brings its functions up to date.
async fn prepare(side: &Postgres, connection: &mut PgConnection) -> Result<(), ConnectorError> {
    side.run(connection, ddl::LOCK).await?;
    let schema = side.settings().schema.as_str();
    if !side.exists(connection).await? {
        let there: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(crate::sql::quoted(schema))
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| side.failed(error))?;
        if !there {
            side.ddl(connection, &ddl::schema(schema)).await?;
        }
        side.ddl(connection, &ddl::tables(schema, !there)).await?;
    }
    side.ddl(connection, &ddl::functions(schema)).await
}

async fn install(
    side: &Postgres,
    connection: &mut PgConnection,
    collection: &Collection,
) -> Result<(), ConnectorError> {
    let known = side.load(connection, collection).await?;
    let table = &known.table;
    capturable(side, collection, table)?;
    let schema = side.settings().schema.as_str();
    let fail = |error| side.failed(error);
    let old = entry(connection, schema, collection).await.map_err(fail)?;
    let same = old.as_ref().is_some_and(|old| old.relation == table.oid && old.key == key(table));
    let watched = is_watched(connection, schema, collection, table.oid).await.map_err(fail)?;
    if !(same && watched) {
        forget_other(side, connection, collection, old, table).await?;
        side.ddl(connection, &ddl::triggers(&triggers(schema, collection, table))).await?;
    }
    register(side, connection, collection, table, !watched).await
}

/// A capture of this flow on another table, or with another key: its ids mean nothing here.
async fn forget_other(
    side: &Postgres,
    connection: &mut PgConnection,
    collection: &Collection,
    old: Option<Entry>,
    table: &Table,
) -> Result<(), ConnectorError> {
    match old {
        Some(old) if old.relation != table.oid || old.key != key(table) => {
            forget(side, connection, collection, Some(old)).await
        }
        Some(_) | None => Ok(()),
    }
}

fn capturable(
    side: &Postgres,
    collection: &Collection,
    table: &Table,
) -> Result<(), ConnectorError> {
    if matches!(table.relation_kind.as_str(), "r" | "p") {
        return Ok(());
    }
    let text = format!("{} is not a table: its changes can't be captured", collection.name);
    Err(side.refuse(FailureClass::Permission, "42809", text))
}

async fn register(
    side: &Postgres,
    connection: &mut PgConnection,
    collection: &Collection,
    table: &Table,
    missed: bool,
) -> Result<(), ConnectorError> {
    let done = sqlx::query(ddl::register(&side.settings().schema).text())
        .bind(collection.flow.as_str())
        .bind(collection.side.as_str())
        .bind(table.oid)
        .bind(collection.name.as_str())
        .bind(key(table))
        .bind(ddl::VERSION)
        .bind(missed)
        .execute(connection)
        .await;
    done.map(drop).map_err(|error| side.failed(error))
}

async fn remove(
    side: &Postgres,
    connection: &mut PgConnection,
    collection: &Collection,
) -> Result<(), ConnectorError> {
    let old = entry(connection, &side.settings().schema, collection).await;
    let old = old.map_err(|error| side.failed(error))?;
    forget(side, connection, collection, old).await
}

async fn forget(
    side: &Postgres,
    connection: &mut PgConnection,
    collection: &Collection,
    old: Option<Entry>,
) -> Result<(), ConnectorError> {
    let schema = side.settings().schema.as_str();
    if let Some((table_schema, table)) = old.and_then(|old| old.table) {
        let of = Triggers {
            schema,
            table_schema: &table_schema,
            table: &table,
            names: names(schema, collection),
            arguments: Vec::new(),
        };
        side.ddl(connection, &ddl::drop_triggers(&of)).await?;
    }
    for statement in ddl::forget(schema) {
        let done = sqlx::query(statement.text())
            .bind(collection.flow.as_str())
            .bind(collection.side.as_str())
            .execute(&mut *connection)
            .await;
        done.map_err(|error| side.failed(error))?;
    }
    Ok(())
}

/// With the last capture goes what all of them share; the schema only if it was made by us and
/// holds nothing else.
async fn sweep(side: &Postgres, connection: &mut PgConnection) -> Result<(), ConnectorError> {
    let schema = side.settings().schema.as_str();
    let (empty, made): (bool, bool) = sqlx::query_as(ddl::left(schema).text())
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| side.failed(error))?;
    if empty {
        side.ddl(connection, &ddl::drop_tables(schema)).await?;
    }
    if empty && made {
        drop_schema(side, connection).await?;
    }
    Ok(())
}

/// What a user put into our schema keeps it.
async fn drop_schema(side: &Postgres, connection: &mut PgConnection) -> Result<(), ConnectorError> {
    side.run(connection, writes::SAVEPOINT).await?;
    let dropped = side.ddl(connection, &ddl::drop_schema(&side.settings().schema)).await;
    let end = if dropped.is_ok() { writes::RELEASE } else { writes::BACK };
    let ended = sqlx::raw_sql(end).execute(connection).await;
    ended.map(drop).map_err(|error| side.failed(error))
}

async fn status(side: &Postgres, collection: &Collection) -> Result<CaptureStatus, ConnectorError> {
    let known = side.look(collection).await?;
    let schema = side.settings().schema.as_str();
    let mut status = CaptureStatus {
        flow: collection.flow.clone(),
        side: collection.side,
        collection: collection.name.clone(),
        installed: known.standing != Standing::Missing,
        older: known.standing == Standing::Older,
        version: None,
        newest: ddl::VERSION,
        backlog: 0,
        oldest: None,
    };
    let fail = |error| side.failed(error);
    let mut connection = side.pool().acquire().await.map_err(fail)?;
    if rights(&mut connection, schema).await.map_err(fail)? != (true, true) {
        return Ok(status);
    }
    let entry = entry(&mut connection, schema, collection).await.map_err(fail)?;
    let (backlog, age): (i64, Option<i64>) = sqlx::query_as(ddl::backlog(schema).text())
        .bind(collection.flow.as_str())
        .bind(collection.side.as_str())
        .fetch_one(&mut *connection)
        .await
        .map_err(fail)?;
    status.version = entry.map(|entry| entry.version);
    status.backlog = u64::try_from(backlog).unwrap_or(0);
    status.oldest = age.map(|age| Duration::from_micros(u64::try_from(age).unwrap_or(0)));
    Ok(status)
}

/// The columns that a capture of this collection would take as key.
pub(crate) fn is_unique_key(table: &Table) -> bool {
    let key: Vec<Column> = table.key.iter().map(|column| column.name.clone()).collect();
    table.is_unique(&key)
}
