//! Ctrl-C and SIGTERM: once means finish what is under way and stop, twice means now.

use crate::exit::{Exit, Failure};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for the first of them, and arms the second: it ends the process at once.
pub(crate) async fn stopped() -> Exit {
    let exit = one().await;
    tokio::spawn(async move {
        let again = one().await;
        tracing::warn!("stopped at once; what was under way is recovered at the next start");
        std::process::exit(again as i32);
    });
    exit
}

/// A command that was asked to stop and did. `afterwards` is what to do then.
pub(crate) fn interrupted(exit: Exit, afterwards: &str) -> Failure {
    Failure::new(exit, "stopped before it was done; nothing is half done").hint(afterwards)
}

async fn one() -> Exit {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            // Without a handler the signal ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Exit::Interrupted,
        () = terminated => Exit::Terminated,
    }
}
