//! Why a server could not be had. Not for product code: a test prints it and fails.

use std::path::PathBuf;

use thiserror::Error;

/// Why a server, a database or a virtual host could not be had.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A file or folder of the server could not be made.
    #[error("cannot prepare {path}")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}; tests/install installs what is missing")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: String,
        /// The end of what it printed.
        output: String,
    },
    /// A server did not answer in time.
    #[error("{program} did not answer within its deadline: {output}")]
    Silent {
        /// The program.
        program: String,
        /// The end of what it printed.
        output: String,
    },
    /// No port was free.
    #[error("no free port on 127.0.0.1")]
    NoPort,
    /// The database server refused an administrative statement.
    #[error("the database server refused: {statement}")]
    Statement {
        /// The statement.
        statement: String,
        /// What the server said.
        source: sqlx::Error,
    },
}
