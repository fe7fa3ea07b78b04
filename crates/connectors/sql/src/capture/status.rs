//! How captures stand: those of the flows that are configured, and those that flows left behind
//! when they were renamed or taken out of the configuration. Changes nothing.

use super::{Capture, Standing, entry, is_watched, rights};
use crate::postgres::Postgres;
use crate::sql::capture as ddl;
use duet_core::id::FlowName;
use duet_core::side::Side;
use duet_ports::connector::{Collection, ConnectorError};
use sqlx::postgres::PgRow;
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
    /// The number it began with. Numbers begin at the time in microseconds, so that two captures
    /// with one base are the same one, seen through two connections.
    pub base: Option<i64>,
    /// Changes that are not settled yet.
    pub backlog: u64,
    /// How long the oldest of them has been waiting.
    pub oldest: Option<Duration>,
}

impl Postgres {
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

    /// Tells of the captures of everybody else: of flows that were renamed or removed, which nobody
    /// reads and whose changes pile up; but also those that another connection or another project
    /// keeps in the same schema.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn capture_others(
        &self,
        collections: &[Collection],
    ) -> Result<Vec<CaptureStatus>, ConnectorError> {
        let mut all = self.limited(self.recorded()).await?;
        let is_one = |one: &CaptureStatus| {
            collections.iter().any(|it| it.flow == one.flow && it.side == one.side)
        };
        all.retain(|one| !is_one(one));
        Ok(all)
    }

    pub(super) async fn statuses(
        &self,
        collections: &[Collection],
    ) -> Result<Vec<CaptureStatus>, ConnectorError> {
        let mut statuses = Vec::with_capacity(collections.len());
        for collection in collections {
            statuses.push(status(self, collection).await?);
        }
        Ok(statuses)
    }

    async fn recorded(&self) -> Result<Vec<CaptureStatus>, ConnectorError> {
        let fail = |error| self.failed(error);
        let mut connection = self.pool().acquire().await.map_err(fail)?;
        let schema = self.settings().schema.as_str();
        if rights(&mut connection, schema).await.map_err(fail)? != (true, true) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(ddl::recorded(schema).text()).fetch_all(&mut *connection).await;
        let mut all = Vec::new();
        for row in rows.map_err(fail)? {
            all.push(recorded(&mut connection, schema, &row).await.map_err(fail)?);
        }
        Ok(all)
    }
}

async fn recorded(
    connection: &mut PgConnection,
    schema: &str,
    row: &PgRow,
) -> Result<CaptureStatus, sqlx::Error> {
    let side = match row.try_get("side")? {
        "left" => Side::Left,
        _ => Side::Right,
    };
    let flow = FlowName::new(row.try_get::<String, _>("flow")?);
    let capture = Capture { flow: flow.clone(), of: side };
    Ok(CaptureStatus {
        flow,
        side,
        collection: row.try_get("name")?,
        installed: is_watched(connection, schema, &capture, row.try_get("relation")?).await?,
        older: row.try_get::<i32, _>("version")? < ddl::VERSION,
        version: Some(row.try_get("version")?),
        newest: ddl::VERSION,
        base: Some(row.try_get("base")?),
        backlog: count(row.try_get("backlog")?),
        oldest: age(row.try_get("age")?),
    })
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

fn age(micros: Option<i64>) -> Option<Duration> {
    micros.map(|age| Duration::from_micros(u64::try_from(age).unwrap_or(0)))
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
        base: None,
        backlog: 0,
        oldest: None,
    };
    let fail = |error| side.failed(error);
    let mut connection = side.pool().acquire().await.map_err(fail)?;
    if rights(&mut connection, schema).await.map_err(fail)? != (true, true) {
        return Ok(status);
    }
    let capture = Capture::of(collection);
    let entry = entry(&mut connection, schema, &capture).await.map_err(fail)?;
    let (backlog, oldest): (i64, Option<i64>) = sqlx::query_as(ddl::backlog(schema).text())
        .bind(collection.flow.as_str())
        .bind(collection.side.as_str())
        .fetch_one(&mut *connection)
        .await
        .map_err(fail)?;
    status.version = entry.as_ref().map(|entry| entry.version);
    status.base = entry.map(|entry| entry.base);
    status.backlog = count(backlog);
    status.oldest = age(oldest);
    Ok(status)
}
