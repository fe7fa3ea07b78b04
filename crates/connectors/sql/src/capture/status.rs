//! How captures stand: those of the flows that are configured, and those that flows left behind
//! when they were renamed or taken out of the configuration. Changes nothing.

use super::{Standing, entry, is_watched, is_whole, rights};
use crate::answer::Answer;
use crate::database::Database;
use crate::session::Session;
use crate::sql::{Capture, Home};
use duet_core::id::FlowName;
use duet_core::side::Side;
use duet_ports::connector::{Collection, ConnectorError};
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

impl Database {
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
        let mut session = self.pool().acquire().await.map_err(fail)?;
        let home = self.home();
        let usable = rights(&mut session, home).await.map_err(fail)? == (true, true);
        if !usable || !is_whole(&mut session, home).await.map_err(fail)? {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for row in session.all(&home.recorded()).await.map_err(fail)? {
            all.push(recorded(&mut session, home, &row).await.map_err(fail)?);
        }
        Ok(all)
    }
}

async fn recorded(
    session: &mut Session,
    home: Home<'_>,
    row: &Answer,
) -> Result<CaptureStatus, sqlx::Error> {
    let side = match row.own_text("side")?.as_str() {
        "left" => Side::Left,
        _ => Side::Right,
    };
    let flow = FlowName::new(row.own_text("flow")?);
    let capture = Capture { home, flow: flow.clone(), side };
    let version = row.own_integer("version")?;
    Ok(CaptureStatus {
        flow,
        side,
        collection: row.own_text("name")?,
        installed: is_watched(session, &capture, &row.own_text("relation")?).await?,
        older: version < home.version().into(),
        version: i32::try_from(version).ok(),
        newest: home.version(),
        base: row.integer("base")?,
        backlog: count(row.own_integer("backlog")?),
        oldest: age(row.integer("age")?),
    })
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

fn age(micros: Option<i64>) -> Option<Duration> {
    micros.map(|age| Duration::from_micros(u64::try_from(age).unwrap_or(0)))
}

async fn status(side: &Database, collection: &Collection) -> Result<CaptureStatus, ConnectorError> {
    let known = side.look(collection).await?;
    let home = side.home();
    let mut status = CaptureStatus {
        flow: collection.flow.clone(),
        side: collection.side,
        collection: collection.name.clone(),
        installed: known.standing != Standing::Missing,
        older: known.standing == Standing::Older,
        version: None,
        newest: home.version(),
        base: None,
        backlog: 0,
        oldest: None,
    };
    let fail = |error| side.failed(error);
    let mut session = side.pool().acquire().await.map_err(fail)?;
    let usable = rights(&mut session, home).await.map_err(fail)? == (true, true);
    if !usable || !is_whole(&mut session, home).await.map_err(fail)? {
        return Ok(status);
    }
    let capture = Capture::of(home, collection);
    let entry = entry(&mut session, &capture).await.map_err(fail)?;
    let waiting = session.one(&capture.backlog()).await.map_err(fail)?;
    status.version = entry.as_ref().and_then(|entry| i32::try_from(entry.version).ok());
    status.base = entry.map(|entry| entry.base);
    status.backlog = count(waiting.own_integer("backlog").map_err(fail)?);
    status.oldest = age(waiting.integer("age").map_err(fail)?);
    Ok(status)
}
