//! One established connection and its channels. It ends once and is never repaired.

use super::failure::Failure;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// For the goodbye; the broker notices a missing one anyway.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// An established connection.
pub(super) struct Session {
    connection: Connection,
    over: CancellationToken,
    blocked: watch::Sender<Option<String>>,
    worked: AtomicBool,
    /// Channels in confirm mode without anything outstanding.
    idle: Mutex<Vec<Channel>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("over", &self.is_over()).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Session {
            connection,
            over: CancellationToken::new(),
            blocked: watch::Sender::new(None),
            worked: AtomicBool::new(false),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<Channel, Failure> {
        let opened = self.connection.create_channel().await;
        opened.map_err(|error| Failure::lost("open a channel", Some(error)))
    }

    /// A channel in confirm mode for one publish alone. Only a channel with nothing outstanding may
    /// be handed back with [`Session::keep`]; any other is dropped.
    pub(super) async fn confirming(&self) -> Result<Channel, Failure> {
        while let Some(channel) = self.take_idle() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.channel().await?;
        let selected = channel.confirm_select(ConfirmSelectOptions::default()).await;
        selected.map_err(|error| Failure::lost("ask for confirms", Some(error)))?;
        Ok(channel)
    }

    fn take_idle(&self) -> Option<Channel> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a channel from [`Session::confirming`] for the next publish.
    pub(super) fn keep(&self, channel: Channel) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }

    /// The connection did something useful: the next pause is a short one.
    pub(super) fn worked(&self) {
        self.worked.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_worked(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }

    pub(super) fn connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Gives the whole connection up.
    pub(super) fn give_up(&self) {
        self.over.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Returns when the connection was given up.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    pub(super) fn block(&self, reason: Option<String>) {
        self.blocked.send_replace(reason);
    }

    /// Why the broker takes no messages, if so.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.borrow().clone()
    }

    /// Returns when the broker takes no messages any more.
    pub(super) async fn until_blocked(&self) {
        // The sender lives as long as `self`, so the wait ends by a block only.
        let _ = self.blocked.subscribe().wait_for(Option::is_some).await;
    }

    /// Ends it: whoever waits for it is told, then it says goodbye.
    pub(super) async fn end(&self) {
        self.give_up();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let goodbye = self.connection.close(200, "bye".into());
        // Without an answer the broker finds out by itself.
        let _ = tokio::time::timeout(GOODBYE_LIMIT, goodbye).await;
    }
}
