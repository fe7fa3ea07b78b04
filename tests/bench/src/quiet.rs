//! Refusal: what strangers use of the processors makes figures worthless, so it is looked at before
//! and during each run.

use crate::error::BenchError;
use crate::processes::{Servers, since, usage};
use std::time::Duration;

/// Cores that strangers may use.
pub(crate) const STRANGERS_MAX: f64 = 0.2;
/// A look is as long as it takes to tell so little from nothing.
const LOOK: Duration = Duration::from_millis(1_500);

/// What is to be done about strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It counts.
    Counts,
    /// Once more: a run that was disturbed.
    Again,
    /// It ends here.
    Refused,
    /// It counts, and says that it was disturbed.
    NotQuiet,
}

/// What follows from the cores that strangers used in the `tried`-th try of a run (0: before it).
pub(crate) fn judge(strangers: f64, tried: u32, tries: u32, force: bool) -> Judgement {
    match strangers <= STRANGERS_MAX {
        true => Judgement::Counts,
        false if force => Judgement::NotQuiet,
        false if tried > 0 && tried < tries => Judgement::Again,
        false => Judgement::Refused,
    }
}

/// The refusal itself.
pub(crate) fn refusal(cores: f64) -> BenchError {
    BenchError::NotQuiet { cores, most: STRANGERS_MAX }
}

/// Cores used by others right now.
pub(crate) async fn strangers(servers: Servers) -> Result<f64, BenchError> {
    let before = usage(servers)?;
    tokio::time::sleep(LOOK).await;
    Ok(since(&before, servers)?.strangers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_machine_counts() {
        assert_eq!(judge(0.0, 0, 3, false), Judgement::Counts);
        assert_eq!(judge(0.2, 1, 3, true), Judgement::Counts);
    }

    #[test]
    fn a_busy_machine_is_refused_before_a_run_and_after_its_last_try() {
        assert_eq!(judge(0.21, 0, 3, false), Judgement::Refused);
        assert_eq!(judge(0.21, 1, 3, false), Judgement::Again);
        assert_eq!(judge(0.21, 2, 3, false), Judgement::Again);
        assert_eq!(judge(0.21, 3, 3, false), Judgement::Refused);
    }

    #[test]
    fn force_measures_anyhow_and_says_so() {
        assert_eq!(judge(1.5, 0, 3, true), Judgement::NotQuiet);
        assert_eq!(judge(1.5, 3, 3, true), Judgement::NotQuiet);
        let told = refusal(0.5).to_string();
        assert!(told.contains("0.50") && told.contains("--force"), "{told}");
    }
}
