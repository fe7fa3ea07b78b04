//! Announcements of a PostgreSQL server.

use crate::database::Database;
use crate::settings::Place;
use crate::sql::channel;
use duet_ports::connector::Collection;
use secrecy::ExposeSecret;
use sqlx::postgres::PgListener;
use std::time::Duration;

/// Listens on a connection of its own, outside the limit of the pool.
pub(crate) struct Announced {
    side: Database,
    source: String,
    listener: Option<PgListener>,
}

impl Announced {
    /// Begins to listen; without a connection it only waits, and tries again at the next wait.
    pub(super) async fn open(side: &Database, collection: &Collection) -> Announced {
        let source = format!("{}/{}", collection.flow, collection.side);
        let mut announced = Announced { side: side.clone(), source, listener: None };
        announced.listen().await;
        announced
    }

    async fn listen(&mut self) {
        let settings = self.side.settings();
        let Place::Server(url) = &settings.place else { return };
        let attempt = async {
            let mut listener = PgListener::connect(url.expose_secret()).await?;
            listener.listen(&channel(&settings.home)).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        match tokio::time::timeout(settings.timeout, attempt).await {
            Ok(Ok(listener)) => self.listener = Some(listener),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    connection = %self.side.name(),
                    "changes are not announced, only polled: can't listen"
                );
            }
        }
    }

    /// Waits for an announcement of this source, at most `patience`.
    pub(super) async fn wait(&mut self, patience: Duration) {
        let waiting = async {
            if self.listener.is_none() {
                self.listen().await;
            }
            self.heard().await;
        };
        let _ = tokio::time::timeout(patience, waiting).await;
    }

    async fn heard(&mut self) {
        let Some(listener) = self.listener.as_mut() else { return std::future::pending().await };
        loop {
            match listener.try_recv().await {
                Ok(Some(told)) if told.payload() == self.source => break,
                Ok(Some(_)) => {}
                // Announcements may have been lost: look, and listen again at the next wait.
                Ok(None) => return,
                Err(_) => {
                    self.listener = None;
                    return;
                }
            }
        }
        // One look answers all that came meanwhile.
        while listener.next_buffered().is_some() {}
    }
}
