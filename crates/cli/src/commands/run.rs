//! `duet run`: keeps both sides in agreement until stopped.

use super::Ended;
use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::{signal, state};
use duet_core::keyed::Rekeyed;
use duet_pipeline::context::Context;
use duet_pipeline::run;
use std::sync::Arc;
use std::time::Duration;

/// How long the steps under way may take after a stop; what doesn't end is recovered later.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// The shortest and the longest wait for a side that is down when duet starts.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Runs it.
pub(crate) async fn run(app: &App) -> Ended {
    let alone = app.project.servers.is_none();
    let _running = alone.then(|| state::run(&app.folder)).transpose()?;
    let mut stopped = Box::pin(signal::stopped());
    let context = tokio::select! {
        context = context(app) => context?,
        exit = &mut stopped => return Ok(gracefully(exit)),
    };
    for rekeyed in context.rekeyed.values() {
        tracing::error!(flow = %rekeyed.flow, "{rekeyed}; {}", Rekeyed::ADVICE);
    }
    let running = run::start(&context);
    tracing::info!(process = %context.options.process, flows = context.flows.len(), "running");
    let exit = stopped.await;
    tracing::info!("stopping: finishing what is under way");
    if !running.stop(STOP_PATIENCE).await {
        tracing::warn!("some calls did not end in time; they are recovered at the next start");
    }
    Ok(gracefully(exit))
}

/// A service that is asked to end and does so has done well.
fn gracefully(exit: Exit) -> Exit {
    if exit == Exit::Terminated { Exit::Done } else { exit }
}

/// Waits for sides that are down or throttled: to end and be started again by a supervisor would
/// ask them more often than they can bear.
async fn context(app: &App) -> Result<Arc<Context>, Failure> {
    let (mut wait, longest) = WAIT;
    loop {
        match app.context().await {
            Err(failure) if failure.passing => {
                let seconds = wait.as_secs();
                tracing::warn!(why = %failure, seconds, "not started yet: trying again");
                tokio::time::sleep(wait).await;
                wait = longest.min(wait * 2);
            }
            answer => return answer,
        }
    }
}
