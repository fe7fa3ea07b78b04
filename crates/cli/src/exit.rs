//! Exit codes that scripts can use (docs/reference/exit-codes.md), and what made a command end so.

use duet_core::keyed::Rekeyed;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Differences: `check --strict` with warnings, `simulate` with a broken promise.
    Differences = 2,
    /// Done, but conflicts need a person.
    Conflicts = 3,
    /// The configuration is invalid, or a flow's key isn't the one that its links hold.
    Config = 4,
    /// A connection, sign-in or permission problem.
    Connection = 5,
    /// Partly done: some writes failed.
    Partly = 7,
    /// The command line is wrong.
    Usage = 64,
    /// Try later: somebody else is at it.
    TryLater = 75,
    /// Interrupted (Ctrl-C).
    Interrupted = 130,
    /// Terminated.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A command that ends badly: the code, the sentence, the hint.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened.
    pub(crate) sentence: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The cause.
    #[source]
    pub(crate) source: Option<anyhow::Error>,
    /// Whether it may pass by itself: a service waits for it, a command doesn't.
    pub(crate) passing: bool,
}

impl Failure {
    /// A failure with a sentence alone.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Failure {
        Failure { exit, sentence: sentence.into(), hint: None, source: None, passing: false }
    }

    /// Flows whose key changed since their links were made.
    pub(crate) fn rekeyed<'a>(flows: impl Iterator<Item = &'a Rekeyed>) -> Failure {
        let told: Vec<String> = flows.map(ToString::to_string).collect();
        Failure::new(Exit::Config, told.join("\n")).hint(Rekeyed::ADVICE)
    }

    /// The same failure with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, as one that may pass by itself.
    pub(crate) fn passing(mut self, passing: bool) -> Failure {
        self.passing = passing;
        self
    }

    /// The same failure with its cause.
    pub(crate) fn because(mut self, cause: impl Into<anyhow::Error>) -> Failure {
        self.source = Some(cause.into());
        self
    }
}
