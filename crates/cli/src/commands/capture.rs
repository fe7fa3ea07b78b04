//! `duet capture`: lets SQL tables tell their changes.

use super::Ended;
use crate::app::App;
use crate::args::CaptureCommand;
use crate::exit::{Exit, Failure};
use crate::output::{self, table};
use crate::sides::Sides;
use duet_core::id::ConnectionName;
use duet_core::intent::IntentState;
use duet_core::keyed::KeyedBy;
use duet_core::retry::{FailureClass, advice};
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_pipeline::context::Context;
use duet_pipeline::keyed;
use duet_ports::connector::{Collection, Connector, ConnectorError};
use duet_ports::store::StoreError;
use duet_sql::{CaptureStatus, Database};
use serde_json::json;

/// A capture, and whether its flow is configured.
type Line = (CaptureStatus, bool);

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
    let mut configured = Vec::new();
    for (name, database) in &sides.databases {
        let collections = collections(app, name, command);
        configured.extend(one(database, command, &collections).await.map_err(failed)?);
    }
    let mut left_behind = Vec::new();
    // Where the captures of some flows go, the others' are not looked at.
    let named = matches!(command, CaptureCommand::Remove { flow, .. } if !flow.is_empty());
    for (name, database) in sides.databases.iter().filter(|_| !named) {
        let all = collections(app, name, &CaptureCommand::Status);
        let others = database.capture_others(&all).await.map_err(failed)?;
        let others = left_by_nobody_else(others, &configured);
        if matches!(command, CaptureCommand::Remove { unconfigured: true, .. }) {
            database.capture_remove_others(&others).await.map_err(failed)?;
        } else {
            left_behind.extend(others);
        }
    }
    let ours = configured.into_iter().map(|one| (one, true));
    let lines: Vec<Line> = ours.chain(left_behind.into_iter().map(|one| (one, false))).collect();
    let rows: Vec<_> = lines.iter().map(document).collect();
    output::result(app.format, "capture", &rows, || text(&lines))?;
    Ok(Exit::Done)
}

/// Does what is asked for the flows of one connection; tells how they stand then.
async fn one(
    database: &Database,
    command: &CaptureCommand,
    collections: &[Collection],
) -> Result<Vec<CaptureStatus>, ConnectorError> {
    match command {
        CaptureCommand::Install => database.capture_install(collections).await,
        CaptureCommand::Remove { unconfigured: false, .. } => {
            database.capture_remove(collections).await?;
            database.capture_status(collections).await
        }
        CaptureCommand::Remove { unconfigured: true, .. } | CaptureCommand::Status => {
            database.capture_status(collections).await
        }
    }
}

/// Two connections may lead to one database: what one of them keeps there is no leftover of the
/// other's. A flow that moved to another database did leave one, once it is installed there.
fn left_by_nobody_else(
    mut others: Vec<CaptureStatus>,
    configured: &[CaptureStatus],
) -> Vec<CaptureStatus> {
    let is_kept = |other: &CaptureStatus| {
        let mut same =
            configured.iter().filter(|it| (&it.flow, it.side) == (&other.flow, other.side));
        same.any(|one| one.base.is_none() || one.base == other.base)
    };
    others.retain(|other| !is_kept(other));
    others
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
    let told = |exit| Failure::new(exit, format!("{error}: {text}"));
    let failure = match error.failure.class {
        FailureClass::Transient => told(Exit::TryLater).hint(
            "the table, or another `duet capture`, was busy; nothing was changed: run it again",
        ),
        FailureClass::Permission => told(Exit::Connection)
            .hint("docs/reference/capture.md tells which rights the capture needs"),
        FailureClass::Throttled
        | FailureClass::Auth
        | FailureClass::Stale
        | FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Gone
        | FailureClass::Dependency
        | FailureClass::Restricted
        | FailureClass::UnknownOutcome
        | FailureClass::Unreachable
        | FailureClass::Poison => {
            told(Exit::Connection).hint(advice(&error.failure, IntentState::Planned))
        }
    };
    failure.because(error)
}

fn document((status, configured): &Line) -> serde_json::Value {
    json!({
        "flow": status.flow,
        "side": status.side,
        "collection": status.collection,
        "configured": configured,
        "installed": status.installed,
        "older": status.older,
        "version": status.version,
        "newest": status.newest,
        "backlog": status.backlog,
        "oldest_seconds": status.oldest.map(|oldest| oldest.as_secs()),
    })
}

fn text(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "no connection of this project captures changes".into();
    }
    let head = ["FLOW", "TABLE", "CAPTURE", "BACKLOG", "OLDEST"];
    let mut text = table(&head, lines.iter().map(row).collect());
    if lines.iter().any(|(_, configured)| !configured) {
        text.push_str(
            "\nNobody reads what isn't configured, unless it is another project's: it only grows.\n\
             `duet capture remove --unconfigured --yes` takes it away.",
        );
    }
    text
}

fn row((status, configured): &Line) -> Vec<String> {
    let capture = match (configured, status.installed, status.older) {
        (false, _, _) => "not configured",
        (true, false, _) => "not installed",
        (true, true, true) => "older, install again",
        (true, true, false) => "installed",
    };
    vec![
        status.flow.to_string(),
        status.collection.clone(),
        capture.into(),
        status.backlog.to_string(),
        status.oldest.map_or_else(|| "-".into(), |oldest| format!("{} s", oldest.as_secs())),
    ]
}

#[cfg(test)]
mod tests {
    //! Shows what counts as left behind, and what a failure makes a person do.

    use super::*;

    fn status(flow: &str, base: Option<i64>) -> CaptureStatus {
        CaptureStatus {
            flow: flow.into(),
            side: Side::Right,
            collection: "items".into(),
            installed: base.is_some(),
            older: false,
            version: None,
            newest: 2,
            base,
            backlog: 3,
            oldest: None,
        }
    }

    #[test]
    fn what_another_connection_keeps_in_the_same_database_is_not_left_behind() {
        let configured = [status("shared", Some(1)), status("moved", Some(2)), status("new", None)];
        let others = ["shared", "moved", "new", "renamed"].map(|flow| status(flow, Some(1)));
        let left = left_by_nobody_else(others.to_vec(), &configured);
        let left: Vec<_> = left.iter().map(|one| one.flow.as_str()).collect();
        assert_eq!(left, ["moved", "renamed"]);
    }

    #[test]
    fn a_leftover_is_shown_with_what_to_do() {
        let ours = (status("people", Some(1)), true);
        assert!(!text(std::slice::from_ref(&ours)).contains("unconfigured"));
        let shown = text(&[ours, (status("renamed", Some(2)), false)]);
        let line = shown.lines().find(|line| line.contains("renamed")).expect("it is listed");
        assert!(line.contains("not configured"), "{shown}");
        assert!(shown.contains("duet capture remove --unconfigured --yes"), "{shown}");
        assert_eq!(document(&(status("renamed", None), false))["configured"], false);
    }

    #[test]
    fn a_busy_table_is_not_a_matter_of_rights() {
        let failure = |class, code: &str| {
            failed(ConnectorError {
                connection: "shop".into(),
                failure: duet_core::retry::Failure {
                    class,
                    code: code.into(),
                    message: "it failed".into(),
                    columns: Vec::new(),
                    retry_after_us: None,
                },
                sent: false,
                source: None,
            })
        };
        for (class, code, exit, hint) in [
            (FailureClass::Transient, "55P03", Exit::TryLater, "run it again"),
            (FailureClass::Permission, "42501", Exit::Connection, "rights"),
            (FailureClass::Unreachable, "io", Exit::Connection, "the network"),
        ] {
            let told = failure(class, code);
            assert_eq!(told.exit, exit, "{code}");
            assert!(told.hint.as_deref().is_some_and(|text| text.contains(hint)), "{code}");
            assert!(told.sentence.contains(code) && told.sentence.contains("it failed"));
        }
    }
}
