//! The commands: each reads its arguments, asks a library, prints the result.

pub(crate) mod adopt;
pub(crate) mod capture;
pub(crate) mod check;
pub(crate) mod conflicts;
pub(crate) mod demo;
pub(crate) mod emulator;
pub(crate) mod errors;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod migrate;
pub(crate) mod run;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod texts;

use crate::exit::{Exit, Failure};
use crate::wire::exit_of;
use duet_desk::error::DeskError;
use duet_pipeline::error::StageError;
use duet_ports::store::StoreError;

/// How a command ended.
pub(crate) type Ended = Result<Exit, Failure>;

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Failure {
        let exit = match &error {
            DeskError::Store(error) => {
                return store_failure(error.to_string(), error_exit(error), error_hint(error));
            }
            DeskError::NotARecord { .. }
            | DeskError::NoFlow { .. }
            | DeskError::NoField { .. }
            | DeskError::NotACall { .. }
            | DeskError::NoReason { .. }
            | DeskError::Unfit { .. }
            | DeskError::ReasonNotKept
            | DeskError::BadChoice { .. } => Exit::Usage,
            DeskError::NoRecord { .. }
            | DeskError::NoSuch { .. }
            | DeskError::Several { .. }
            | DeskError::Nameless { .. }
            | DeskError::Stale { .. }
            | DeskError::Decided { .. }
            | DeskError::Over { .. } => Exit::Failed,
        };
        let failure = Failure::new(exit, error.to_string());
        match &error {
            DeskError::Decided { .. } => failure.hint(INSTEAD),
            DeskError::Nameless { .. } => failure.hint(GIVE_UP),
            _ => failure,
        }
    }
}

const GIVE_UP: &str = "find what sent it; `duet errors discard` gives it up, with a reason";

const INSTEAD: &str = "`duet conflicts show` tells what stands; until it is carried out, \
    --instead-of with the revision shown there changes it";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let (exit, hint) = (error_exit(&error), error_hint(&error));
        let sentence = error.to_string();
        Failure {
            exit,
            sentence,
            hint: hint.map(str::to_owned),
            source: Some(error.into()),
            passing: false,
        }
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Failure {
        match error {
            StageError::Store(error) => error.into(),
            StageError::Hub(error) => Failure::new(Exit::Connection, error.to_string())
                .hint("is RabbitMQ running, and is [hub] url right?")
                .because(error),
            StageError::Connector(error) => Failure::new(exit_of(&error), error.to_string())
                .hint("`duet check` tells more about connections and rights")
                .because(error),
            StageError::NoFlow { .. } => Failure::new(Exit::Usage, error.to_string()),
            StageError::Rekeyed { rekeyed } => Failure::rekeyed(std::iter::once(rekeyed.as_ref())),
            StageError::LeaseHeld { .. } => Failure::new(Exit::TryLater, error.to_string()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Failed, error.to_string())
    }
}

fn store_failure(sentence: String, exit: Exit, hint: Option<&str>) -> Failure {
    Failure { exit, sentence, hint: hint.map(str::to_owned), source: None, passing: false }
}

/// What the store calls its first step.
const CONNECTING: &str = "connect";

fn error_exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Unreachable { .. } | StoreError::NotMigrated { .. } => Exit::Connection,
        // A database that isn't there, a role that doesn't exist, a password that is wrong.
        StoreError::Refused { what: CONNECTING, .. } => Exit::Connection,
        StoreError::Busy { .. } => Exit::TryLater,
        StoreError::StaleLink { .. } | StoreError::Corrupt { .. } | StoreError::Refused { .. } => {
            Exit::Failed
        }
    }
}

fn error_hint(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Unreachable { .. } => Some(
            "is the database running, and is [state] url right? without [state]: may duet read \
                 and write its file?",
        ),
        StoreError::Refused { what: CONNECTING, .. } => {
            Some("make the database (createdb), and check user and password in [state] url")
        }
        StoreError::NotMigrated { .. } => Some("run `duet migrate`"),
        StoreError::Busy { .. } => Some("try again in a moment"),
        StoreError::StaleLink { .. } | StoreError::Corrupt { .. } | StoreError::Refused { .. } => {
            None
        }
    }
}
