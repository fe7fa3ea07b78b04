//! `duet capture`: lets SQL tables tell their changes.

use super::Ended;
use crate::app::App;
use crate::args::CaptureCommand;
use crate::exit::{Exit, Failure};
use crate::output::{self, table};
use crate::sides::Sides;
use duet_core::id::ConnectionName;
use duet_core::keyed::KeyedBy;
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_pipeline::context::Context;
use duet_pipeline::keyed;
use duet_ports::connector::{Collection, Connector, ConnectorError};
use duet_ports::store::StoreError;
use duet_sql::{CaptureStatus, Postgres};
use serde_json::json;

/// Runs it.
pub(crate) async fn run(app: &App, command: &CaptureCommand) -> Ended {
    if matches!(command, CaptureCommand::Remove { yes: false, .. }) {
        return Err(Failure::new(Exit::Usage, "the capture would be removed")
            .hint("say --yes: changes that are not read yet are then found by `adopt` only"));
    }
    let sides = app.sides()?;
    match command {
        CaptureCommand::Install => refuse_rekeyed(app, &sides).await?,
        CaptureCommand::Remove { flow, .. } => known(app, flow)?,
        CaptureCommand::Status => {}
    }
    let mut all = Vec::new();
    for (name, database) in &sides.databases {
        let collections = collections(app, name, command);
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

/// Installing for another key would throw away what the capture holds for the one of the links.
async fn refuse_rekeyed(app: &App, sides: &Sides) -> Result<(), Failure> {
    let store = app.store().await?;
    let mut rekeyed = Vec::new();
    for draft in &app.project.flows {
        let keys = keys(sides, &draft.spec).await;
        match keyed::look(store.as_ref(), &draft.spec.name, &keys).await {
            Ok(changed) => rekeyed.extend(changed),
            // Nothing is noted yet.
            Err(StoreError::NotMigrated { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    if rekeyed.is_empty() { Ok(()) } else { Err(Failure::rekeyed(rekeyed.iter())) }
}

/// What a flow is keyed by; a database is asked for a key that the flow leaves to it.
async fn keys(sides: &Sides, draft: &FlowSpec) -> Both<KeyedBy> {
    let mut keys = Both::build(|side| KeyedBy::of(draft.ends.get(side), &[]));
    for side in Side::BOTH {
        let end = draft.ends.get(side);
        let Some(database) = sides.databases.get(&end.connection) else { continue };
        if end.key.is_empty()
            && let Ok(told) = database.describe(&Context::collection(draft, side)).await
        {
            *keys.get_mut(side) = KeyedBy::of(end, &told.key);
        }
    }
    keys
}

fn known(app: &App, named: &[String]) -> Result<(), Failure> {
    let is_known = |name: &&String| {
        app.project.flows.iter().any(|flow| flow.spec.name.as_str() == name.as_str())
    };
    match named.iter().find(|name| !is_known(name)) {
        Some(name) => Err(Failure::new(Exit::Usage, format!("no flow named {name} is configured"))),
        None => Ok(()),
    }
}

/// Every collection of a connection that a command is about, once per flow and side.
fn collections(app: &App, name: &ConnectionName, command: &CaptureCommand) -> Vec<Collection> {
    let named: &[String] = match command {
        CaptureCommand::Remove { flow, .. } => flow,
        CaptureCommand::Install | CaptureCommand::Status => &[],
    };
    let wanted = |flow: &str| named.is_empty() || named.iter().any(|name| name == flow);
    let ends = app
        .project
        .flows
        .iter()
        .filter(|flow| wanted(flow.spec.name.as_str()))
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
        "version": status.version,
        "newest": status.newest,
        "backlog": status.backlog,
        "oldest_seconds": status.oldest.map(|oldest| oldest.as_secs()),
    })
}

fn text(all: &[CaptureStatus]) -> String {
    if all.is_empty() {
        return "no connection of this project captures changes".into();
    }
    let row = |status: &CaptureStatus| {
        vec![
            status.flow.to_string(),
            status.collection.clone(),
            if status.installed { "installed".into() } else { "not installed".into() },
            status.backlog.to_string(),
            status.oldest.map_or_else(|| "-".into(), |oldest| format!("{} s", oldest.as_secs())),
        ]
    };
    table(&["FLOW", "TABLE", "CAPTURE", "BACKLOG", "OLDEST"], all.iter().map(row).collect())
}
