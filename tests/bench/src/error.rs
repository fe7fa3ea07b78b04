//! Why a measurement could not be made. A row that can't be measured says so in the table; what
//! concerns all rows ends the bench.

use duet_ports::hub::HubError;
use duet_ports::store::StoreError;
use duet_testkit::servers::ServerError;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A server could not be had.
    #[error("a server for the bench")]
    Server(#[from] ServerError),
    /// The store under measurement failed.
    #[error("the store")]
    Store(#[from] StoreError),
    /// The hub under measurement failed.
    #[error("the hub")]
    Hub(#[from] HubError),
    /// A statement of the bench's own failed.
    #[error("a statement of the bench")]
    Sql(#[from] sqlx::Error),
    /// The HTTP side failed.
    #[error("the HTTP side")]
    Http(#[from] reqwest::Error),
    /// Something was not written as expected.
    #[error("an answer that can't be read")]
    Json(#[from] serde_json::Error),
    /// A file or process failed.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program of the bench ended with an error.
    #[error("{program} failed: {output}")]
    Program {
        /// The program and its task.
        program: String,
        /// The end of what it printed.
        output: String,
    },
    /// A program isn't built.
    #[error("{} is missing; `just bench` builds it", .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// What was measured isn't what should have happened: the figure doesn't count.
    #[error("{0}")]
    Check(String),
    /// Others use the processors.
    #[error(
        "strangers use {cores:.2} processor cores, at most {most:.2} are allowed; \
         wait until the machine is idle, or measure anyhow with --force"
    )]
    NotQuiet {
        /// Cores that others use.
        cores: f64,
        /// Allowed.
        most: f64,
    },
}

impl BenchError {
    /// An error of the system, with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> BenchError {
        let what = what.into();
        move |source| BenchError::Io { what, source }
    }

    /// The error and its causes, in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
