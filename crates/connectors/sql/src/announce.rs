//! Hears that something changed, so that a detector looks at once: a server announces it (`NOTIFY`),
//! a file shows it in its time. Not needed for correctness: what isn't heard costs the time until the
//! next look.

mod file;
mod server;

use crate::database::Database;
use crate::session::Pool;
use duet_ports::connector::Collection;
use std::time::Duration;

/// What a detector waits for.
pub(crate) enum Announcements {
    /// Of a server.
    Server(server::Announced),
    /// Of a file.
    File(file::Written),
}

impl Announcements {
    /// Begins to listen.
    pub(crate) async fn open(side: &Database, collection: &Collection) -> Announcements {
        match side.pool() {
            Pool::Server(_) => {
                Announcements::Server(server::Announced::open(side, collection).await)
            }
            Pool::File(file) => Announcements::File(file::Written::open(file.path()).await),
        }
    }

    /// Waits for a change, at most `patience`.
    pub(crate) async fn wait(&mut self, patience: Duration) {
        match self {
            Announcements::Server(announced) => announced.wait(patience).await,
            Announcements::File(written) => written.wait(patience).await,
        }
    }
}
