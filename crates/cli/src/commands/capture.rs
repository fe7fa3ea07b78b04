//! `duet capture`: lets SQL tables tell their changes.

use super::Ended;
use crate::app::App;
use crate::args::CaptureCommand;
use crate::exit::{Exit, Failure};
use crate::output::{self, table};
use duet_core::id::ConnectionName;
use duet_core::side::Side;
use duet_pipeline::context::Context;
use duet_ports::connector::{Collection, ConnectorError};
use duet_sql::{CaptureStatus, Postgres};
use serde_json::json;

/// Runs it.
pub(crate) async fn run(app: &App, command: &CaptureCommand) -> Ended {
    if matches!(command, CaptureCommand::Remove { yes: false }) {
        return Err(Failure::new(Exit::Usage, "the capture would be removed")
            .hint("say --yes: changes that are not read yet are then found by `adopt` only"));
    }
    let sides = app.sides()?;
    let mut all = Vec::new();
    for (name, database) in &sides.databases {
        let collections = collections(app, name);
        all.extend(one(database, command, &collections).await.map_err(failed)?);
    }
    let rows: Vec<_> = all.iter().map(document).collect();
    output::result(app.format, "capture", &rows, || text(&all))?;
    Ok(Exit::Done)
}

async fn one(
    database: &Postgres,
    command: &CaptureCommand,
    collections: &[Collection],
) -> Result<Vec<CaptureStatus>, ConnectorError> {
    match command {
        CaptureCommand::Install => database.capture_install(collections).await,
        CaptureCommand::Remove { .. } => {
            database.capture_remove(collections).await?;
            database.capture_status(collections).await
        }
        CaptureCommand::Status => database.capture_status(collections).await,
    }
}

/// Every collection of a connection, once per flow and side.
fn collections(app: &App, name: &ConnectionName) -> Vec<Collection> {
    let ends = app
        .project
        .flows
        .iter()
        .flat_map(|flow| Side::BOTH.into_iter().map(move |side| (&flow.spec, side)));
    ends.filter(|(spec, side)| spec.ends.get(*side).connection == *name)
        .map(|(spec, side)| Context::collection(spec, side))
        .collect()
}

fn failed(error: ConnectorError) -> Failure {
    let text = error.failure.message.clone();
    Failure::new(Exit::Connection, format!("{error}: {text}"))
        .hint("docs/reference/capture.md tells which rights the capture needs")
        .because(error)
}

fn document(status: &CaptureStatus) -> serde_json::Value {
    json!({
        "flow": status.flow,
        "side": status.side,
        "collection": status.collection,
        "installed": status.installed,
        "older": status.older,
        "version": status.version,
        "newest": status.newest,
        "backlog": status.backlog,
        "oldest_seconds": status.oldest.map(|oldest| oldest.as_secs()),
    })
}

fn standing(status: &CaptureStatus) -> &'static str {
    match (status.installed, status.older) {
        (false, _) => "not installed",
        (true, true) => "older, install again",
        (true, false) => "installed",
    }
}

fn text(all: &[CaptureStatus]) -> String {
    if all.is_empty() {
        return "no connection of this project captures changes".into();
    }
    let row = |status: &CaptureStatus| {
        vec![
            status.flow.to_string(),
            status.collection.clone(),
            standing(status).into(),
            status.backlog.to_string(),
            status.oldest.map_or_else(|| "-".into(), |oldest| format!("{} s", oldest.as_secs())),
        ]
    };
    table(&["FLOW", "TABLE", "CAPTURE", "BACKLOG", "OLDEST"], all.iter().map(row).collect())
}
