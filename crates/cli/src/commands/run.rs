//! `duet run`: keeps both sides in agreement until stopped.

use super::Ended;
use crate::app::App;
use crate::exit::Exit;
use crate::signal;
use duet_core::keyed::Rekeyed;
use duet_pipeline::run;
use std::time::Duration;

/// How long the steps under way may take after a stop; what doesn't end is recovered later.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// Runs it.
pub(crate) async fn run(app: &App) -> Ended {
    let context = app.context().await?;
    for rekeyed in context.rekeyed.values() {
        tracing::error!(flow = %rekeyed.flow, "{rekeyed}; {}", Rekeyed::ADVICE);
    }
    let running = run::start(&context);
    tracing::info!(process = %context.options.process, flows = context.flows.len(), "running");
    let exit = signal::stopped().await;
    tracing::info!("stopping: finishing what is under way");
    if !running.stop(STOP_PATIENCE).await {
        tracing::warn!("some calls did not end in time; they are recovered at the next start");
    }
    Ok(if exit == Exit::Terminated { Exit::Done } else { exit })
}
