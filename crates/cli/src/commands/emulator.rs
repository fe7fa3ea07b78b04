//! `duet emulator`: Salesforce on localhost.

use super::Ended;
use crate::args::EmulatorArgs;
use crate::exit::{Exit, Failure};
use crate::signal;
use duet_emulator::{Emulator, Options};

/// Runs it until stopped.
pub(crate) async fn run(args: &EmulatorArgs) -> Ended {
    let options = Options {
        listen: args.listen,
        data: args.data.clone(),
        metadata: args.metadata.clone(),
        seed: args.seed,
        ..Options::default()
    };
    let running = Emulator::start(options)
        .await
        .map_err(|error| Failure::new(Exit::Failed, "the emulator can't start").because(error))?;
    tracing::info!(url = %running.base_url(), "Ctrl-C stops it");
    let exit = signal::stopped().await;
    running.stop().await;
    Ok(exit)
}
