//! Connections to a SQLite file. The file stays as its owner made it: no journal mode is set, and
//! none is made where there is none.

use crate::settings::{ACQUIRE, Settings};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// A transaction that reads and then writes must be the writer from its beginning: one that becomes
/// it on the way is refused at once when another was faster, and nothing waits for that.
pub(super) const IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// What tells one file from another of the same name; none: there is no file.
type Identity = Option<(u64, u64)>;

/// Connections to one file. A connection holds on to the file that it opened: when another one takes
/// its name (a copy put back), they are all opened anew.
pub(crate) struct FilePool {
    path: PathBuf,
    options: SqlitePoolOptions,
    address: SqliteConnectOptions,
    open: Mutex<(Identity, SqlitePool)>,
    turn: Arc<Turn<()>>,
}

impl FilePool {
    /// Connections to a file. It isn't opened before one is used.
    pub(crate) fn new(settings: &Settings, path: PathBuf) -> FilePool {
        let address = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(settings.lock_timeout())
            .disable_statement_logging();
        let options = SqlitePoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(ACQUIRE)
            .after_release(|connection, _| Box::pin(is_sound(connection)));
        let pool = options.clone().connect_lazy_with(address.clone());
        let open = Mutex::new((identity(&path), pool));
        FilePool { path, options, address, open, turn: Arc::default() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Connections to the file that has the name now.
    pub(super) fn pool(&self) -> SqlitePool {
        let here = identity(&self.path);
        let mut open = self.open.lock().expect("no holder panics");
        if open.0 != here {
            *open = (here, self.options.clone().connect_lazy_with(self.address.clone()));
        }
        open.1.clone()
    }

    /// Waits until no other writer of ours is at work.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }
}

/// SQLite ends a transaction by itself where it must (the disk is full, a trigger says so). The driver
/// isn't told, and would take the connection for one in a transaction for ever.
async fn is_sound(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What is to be undone is undone when this answers.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(unix)]
fn identity(path: &Path) -> Identity {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Without numbers of files only their presence can be told.
#[cfg(not(unix))]
fn identity(path: &Path) -> Identity {
    std::fs::metadata(path).ok().map(|_| (0, 0))
}
