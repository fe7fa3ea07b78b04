//! `duet status`: what every flow is doing.

use super::Ended;
use crate::app::App;
use crate::args::{Format, StatusArgs};
use crate::exit::Exit;
use crate::output;
use crate::progress;
use crate::signal;
use duet_core::keyed::Rekeyed;
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_desk::status::{FlowStatus, Status};
use duet_ports::inspect::FlowCounts;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;

/// Between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears a terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Runs it.
pub(crate) async fn run(app: &App, args: &StatusArgs) -> Ended {
    let desk = app.desk().await?;
    if !args.watch {
        let status = desk.status().await?;
        output::result(app.format, "status", &status, || text(&status))?;
        return Ok(if args.check { checked(&status) } else { Exit::Done });
    }
    let asked = signal::stopped();
    tokio::pin!(asked);
    let redraws =
        app.format == Format::Text && progress::redraws() && std::io::stdout().is_terminal();
    while !output::is_unread() {
        let status = desk.status().await?;
        let clear = if redraws { CLEAR } else { "" };
        output::result(app.format, "status", &status, || format!("{clear}{}\n\n", text(&status)))?;
        tokio::select! {
            exit = &mut asked => return Ok(exit),
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
    }
    Ok(Exit::Done)
}

/// What a probe is told: first what stands still, then what needs mending, then what waits.
fn checked(status: &Status) -> Exit {
    let needs =
        |count: fn(&FlowCounts) -> u64| status.flows.iter().any(|one| count(&one.counts) > 0);
    let open = |counts: &FlowCounts| u64::from(!counts.conflicts.is_empty());
    if !status.connections.is_empty() {
        Exit::Connection
    } else if needs(needs_mending) || !status.dead_letters.is_empty() {
        Exit::Partly
    } else if needs(open) {
        Exit::Conflicts
    } else {
        Exit::Done
    }
}

/// Calls that failed, values kept back, and changes that could not be decided.
pub(super) fn needs_mending(counts: &FlowCounts) -> u64 {
    intents(counts, &["parked", "retrying"]) + kept_back(counts) + counts.dead_letters
}

fn text(status: &Status) -> String {
    let rows = status.flows.iter().map(row).collect();
    let head =
        ["FLOW", "STATE", "LINKED", "ALONE", "ACTIVE", "WAIT", "OPEN", "KEPT", "ERRORS", "DEAD"];
    let mut text = output::table(&head, rows);
    let rows = status.flows.iter().map(|flow| times(flow, status)).collect();
    let head =
        ["FLOW", "READ LEFT", "READ RIGHT", "TO LEFT", "TO RIGHT", "QUEUE", "FRESH", "AGREED"];
    let _ = write!(text, "\n\n{}", output::table(&head, rows));
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

/// How long ago or since when: sources, writes on their way, agreement.
fn times(flow: &FlowStatus, status: &Status) -> Vec<String> {
    let counts = &flow.counts;
    let age = |at: Option<Stamp>| at.map_or_else(|| "-".into(), |at| age(status.at, at));
    let read = |side: Side| {
        let name = format!("{}/{side}", flow.flow);
        let source = status.sources.iter().find(|source| source.source == name);
        age(source.and_then(|source| source.moved_at))
    };
    vec![
        flow.flow.to_string(),
        read(Side::Left),
        read(Side::Right),
        age(counts.waiting_since.left),
        age(counts.waiting_since.right),
        intents(counts, &["planned", "retrying"]).to_string(),
        counts.fresh.to_string(),
        age(counts.synced_at),
    ]
}

/// How long ago, in its largest unit.
fn age(now: Stamp, then: Stamp) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0) / Stamp::SECOND;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} m", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
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

#[cfg(test)]
mod tests {
    //! Shows how ages are told.

    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told = |seconds: i64| age(Stamp(0).plus_seconds(seconds), Stamp(0));
        let ages = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(told);
        assert_eq!(ages, ["0 s", "119 s", "2 m", "119 m", "2 h", "47 h", "2 d"]);
        assert_eq!(age(Stamp(0), Stamp(i64::MAX)), "0 s", "a clock that is ahead");
        assert!(age(Stamp(i64::MAX), Stamp(i64::MIN)).ends_with(" d"));
    }
}
