//! `duet sync --once`: one pass over everything that has changed.

use super::Ended;
use super::status::{intents, kept_back, needs_mending};
use crate::app::App;
use crate::args::SyncArgs;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::progress;
use crate::signal;
use duet_core::id::FlowName;
use duet_core::keyed::Rekeyed;
use duet_pipeline::context::Tally;
use duet_pipeline::sync;
use duet_ports::inspect::FlowCounts;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What a pass did, and what it left.
#[derive(Serialize)]
struct Account {
    read: u64,
    decided: u64,
    unchanged: u64,
    dead_letters: u64,
    writes: Writes,
    flows: BTreeMap<FlowName, FlowCounts>,
    /// Flows that were left alone because their key changed.
    rekeyed: Vec<Rekeyed>,
}

/// Calls that write, and how many of them landed.
#[derive(Serialize)]
struct Writes {
    left: u64,
    right: u64,
    landed_left: u64,
    landed_right: u64,
}

/// Runs it.
pub(crate) async fn run(app: &App, args: &SyncArgs) -> Ended {
    let context = app.context().await?;
    let bar = app.progress("syncing");
    let asked = Arc::new(OnceLock::new());
    let waiting = tokio::spawn(ask(Arc::clone(&asked)));
    let flows = sync::once(&context, &|standing| {
        let what = format!("syncing, {} under way, sources read", standing.under_way);
        let (read, all) = standing.sources;
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        progress::show(&bar, what, number(read), Some(number(all)));
        if asked.get().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await?;
    waiting.abort();
    bar.finish_and_clear();
    let rekeyed = context.rekeyed.values().cloned().collect();
    let account = account(&context.tally, flows, rekeyed);
    output::result(app.format, "sync", &account, || text(&account))?;
    match asked.get() {
        Some(stopped) => Err(signal::interrupted(*stopped, "the next pass goes on from here")),
        None if !account.rekeyed.is_empty() => Err(Failure::rekeyed(account.rekeyed.iter())),
        None => Ok(exit(&account, args)),
    }
}

/// Notes that somebody asked to stop; the pass looks between its steps.
async fn ask(asked: Arc<OnceLock<Exit>>) {
    let exit = signal::stopped().await;
    let _ = asked.set(exit);
}

fn account(tally: &Tally, flows: BTreeMap<FlowName, FlowCounts>, rekeyed: Vec<Rekeyed>) -> Account {
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Account {
        read: get(&tally.read),
        decided: get(&tally.decided),
        unchanged: get(&tally.echoes),
        dead_letters: get(&tally.dead),
        writes: Writes {
            left: get(&tally.writes.left),
            right: get(&tally.writes.right),
            landed_left: get(&tally.landed.left),
            landed_right: get(&tally.landed.right),
        },
        flows,
        rekeyed,
    }
}

fn exit(account: &Account, args: &SyncArgs) -> Exit {
    let failed = account.flows.values().any(|counts| needs_mending(counts) > 0);
    let open = account.flows.values().any(|counts| !counts.conflicts.is_empty());
    match (failed, open && args.fail_on_conflict) {
        (true, _) => Exit::Partly,
        (false, true) => Exit::Conflicts,
        (false, false) => Exit::Done,
    }
}

fn text(account: &Account) -> String {
    let Writes { left, right, landed_left, landed_right } = account.writes;
    let mut text = format!(
        "read {} changes, decided {} links ({} unchanged)\nwrote left {landed_left} of {left}, \
         right {landed_right} of {right}\n\n",
        account.read, account.decided, account.unchanged,
    );
    let rows = account.flows.iter().map(|(flow, counts)| row(flow, counts)).collect();
    let head =
        ["FLOW", "CONFLICTS", "WAIT FOR PARENT", "KEPT BACK", "RETRY LATER", "PARKED", "DEAD"];
    text.push_str(&output::table(&head, rows));
    text
}

fn row(flow: &FlowName, counts: &FlowCounts) -> Vec<String> {
    let open: u64 = counts.conflicts.iter().map(|(_, count)| count).sum();
    vec![
        flow.to_string(),
        open.to_string(),
        counts.awaiting_parent.to_string(),
        kept_back(counts).to_string(),
        intents(counts, &["retrying"]).to_string(),
        intents(counts, &["parked"]).to_string(),
        counts.dead_letters.to_string(),
    ]
}
