//! Bucardo: the same contacts in two databases; rows are changed on one side until both agree.

use crate::bucardo::{Bucardo, missing};
use crate::error::BenchError;
use crate::lab::Lab;
use crate::processes::{since, usage};
use crate::project::{Project, With};
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::shop;
use crate::statistics::float;
use crate::watch::Watch;
use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Rows changed in one transaction.
const TOGETHER: u64 = 200;
/// Between two looks at the other side.
const LOOK: Duration = Duration::from_millis(20);
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(240);
/// What isn't counted: connections are made and plans are cached.
const WARM_UP: u32 = 0;
/// What is.
const MEASURED: u32 = 1;

pub(super) struct BesideBucardo;

#[async_trait(?Send)]
impl Row for BesideBucardo {
    fn name(&self) -> String {
        "bucardo".to_owned()
    }

    fn what(&self) -> String {
        "PostgreSQL to PostgreSQL, rows changed on one side until agreed".to_owned()
    }

    fn against(&self) -> String {
        "Bucardo on the same rows".to_owned()
    }

    fn unit(&self) -> &'static str {
        "rows/s"
    }

    fn first(&self) -> Wanted {
        Wanted::Measured
    }

    fn goal(&self) -> Wanted {
        Wanted::AtLeast(1.0)
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        if let Some(why) = missing() {
            return Err(BenchError::Check(why.to_owned()));
        }
        let (one, other) = (lab.database().await?, lab.database().await?);
        for database in [&one, &other] {
            shop::fill(database, lab.scale.rows).await?;
        }
        let bucardo = Bucardo::start(lab, &one, &other).await?;
        let measured = measured(lab, &one, &other, None).await;
        drop(bucardo);
        for database in [&one, &other] {
            lab.drop_database(database).await?;
        }
        lab.drop_named("bucardo").await?;
        measured.map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let project = Project::new(lab, With::Database, lab.scale.rows).await?;
        let running = project.start()?;
        let (one, other, state) = (&project.shop, &project.other, &project.state);
        let measured = measured(lab, one, other, Some(state)).await;
        drop(running);
        project.end(lab).await?;
        measured
    }
}

/// Changes every row on one side and waits for the other; the second time counts.
async fn measured(
    lab: &Lab,
    one: &str,
    other: &str,
    state: Option<&String>,
) -> Result<Reading, BenchError> {
    let servers = lab.running().await?.servers;
    round(lab.scale.rows, one, other, state, WARM_UP).await?;
    let before = usage(servers)?;
    let seconds = round(lab.scale.rows, one, other, state, MEASURED).await?;
    let used = since(&before, servers)?;
    let rows = usize::try_from(lab.scale.rows).unwrap_or(1);
    Ok(Reading::of_records(float(rows) / seconds, rows, &used))
}

async fn round(
    rows: u64,
    one: &str,
    other: &str,
    state: Option<&String>,
    round: u32,
) -> Result<f64, BenchError> {
    let (mut from, mut to) =
        (PgConnection::connect(one).await?, PgConnection::connect(other).await?);
    let watch = Watch::start();
    let mut first = 0;
    while first < rows {
        let last = (first + TOGETHER).min(rows);
        shop::change(&mut from, first..last, round).await?;
        first = last;
    }
    while shop::changed(&mut to, round).await? < rows {
        if watch.elapsed() > PATIENCE {
            return Err(BenchError::Check("the two databases don't agree in time".to_owned()));
        }
        tokio::time::sleep(LOOK).await;
    }
    if let Some(state) = state {
        confirmed(state, &watch).await?;
    }
    Ok(watch.seconds())
}

/// duet has agreed when it knows so: every write is confirmed.
async fn confirmed(state: &str, watch: &Watch) -> Result<(), BenchError> {
    let mut connection = PgConnection::connect(state).await?;
    let open = "SELECT count(*) FROM intents WHERE state IN ('planned', 'sent', 'unknown')";
    loop {
        let open: i64 = sqlx::query_scalar(open).fetch_one(&mut connection).await?;
        if open == 0 {
            return Ok(());
        }
        if watch.elapsed() > PATIENCE {
            return Err(BenchError::Check(format!("{open} writes are never confirmed")));
        }
        tokio::time::sleep(LOOK).await;
    }
}
