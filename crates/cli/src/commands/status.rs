//! `duet status`: what every flow is doing.

use super::Ended;
use crate::app::App;
use crate::exit::Exit;
use crate::output;
use duet_core::keyed::Rekeyed;
use duet_core::link::Phase;
use duet_desk::status::{FlowStatus, Status};
use duet_ports::inspect::FlowCounts;
use std::fmt::Write as _;

/// Runs it.
pub(crate) async fn run(app: &App) -> Ended {
    let status = app.desk().await?.status().await?;
    output::result(app.format, "status", &status, || text(&status))?;
    Ok(Exit::Done)
}

fn text(status: &Status) -> String {
    let rows = status.flows.iter().map(row).collect();
    let head =
        ["FLOW", "STATE", "LINKED", "ALONE", "ACTIVE", "WAIT", "OPEN", "KEPT", "ERRORS", "DEAD"];
    let mut text = output::table(&head, rows);
    let new: Vec<&str> = status
        .flows
        .iter()
        .filter(|flow| flow.state == "new")
        .map(|flow| flow.flow.as_str())
        .collect();
    if !new.is_empty() {
        let _ = write!(
            text,
            "\n\nnew: {}\nchanges are recorded; nothing is decided until `duet adopt --yes`",
            new.join(", "),
        );
    }
    for rekeyed in status.flows.iter().filter_map(|flow| flow.rekeyed.as_ref()) {
        let _ = write!(text, "\n\n{}", output::wrapped(&rekeyed.to_string(), 0));
        let _ = write!(text, "\n  = help: {}", output::wrapped(Rekeyed::ADVICE, 10));
    }
    for source in status.sources.iter().filter(|source| source.scanning.is_some()) {
        let _ = write!(
            text,
            "\n\nsource {}: scanning to close a gap; what was missed is found soon",
            source.source,
        );
    }
    if status.processes.len() > 1 {
        let _ = write!(text, "\n\n{} processes share the work", status.processes.len());
    }
    for connection in &status.connections {
        let _ = write!(
            text,
            "\n\nconnection {} rests until {} ({})",
            connection.connection,
            connection.paused_until.map_or_else(|| "?".into(), |until| until.to_string()),
            connection.reason.as_deref().unwrap_or("no reason noted"),
        );
    }
    if !status.dead_letters.is_empty() {
        text.push_str("\n\ndead letters: `duet errors list` tells which changes and why");
    }
    text
}

fn row(flow: &FlowStatus) -> Vec<String> {
    let counts = &flow.counts;
    let alone = phases(counts, &[Phase::Unmatched, Phase::Matching, Phase::Linking]);
    let under_way = intents(counts, &["planned", "sent", "unknown"]);
    let errors = intents(counts, &["retrying", "parked"]);
    let open: u64 = counts.conflicts.iter().map(|(_, count)| count).sum();
    vec![
        flow.flow.to_string(),
        if flow.deletes_held { format!("{}, deletes held", flow.state) } else { flow.state.into() },
        phases(counts, &[Phase::Linked]).to_string(),
        alone.to_string(),
        under_way.to_string(),
        counts.awaiting_parent.to_string(),
        open.to_string(),
        kept_back(counts).to_string(),
        errors.to_string(),
        counts.dead_letters.to_string(),
    ]
}

fn phases(counts: &FlowCounts, wanted: &[Phase]) -> u64 {
    let matching = counts.phases.iter().filter(|(phase, _)| wanted.contains(phase));
    matching.map(|(_, count)| count).sum()
}

/// Values that are kept back until somebody mends something.
pub(super) fn kept_back(counts: &FlowCounts) -> u64 {
    counts.field_errors.iter().map(|(_, count)| count).sum()
}

/// Intents in these states.
pub(super) fn intents(counts: &FlowCounts, wanted: &[&str]) -> u64 {
    let matching = counts.intents.iter().filter(|(state, _)| wanted.contains(&state.as_str()));
    matching.map(|(_, count)| count).sum()
}
