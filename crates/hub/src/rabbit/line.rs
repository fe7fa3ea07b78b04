//! One connection, kept up by one task of its own: connect, check the topology, watch, and on any
//! error drop everything and begin again after a pause. lapin's own recovery stays off
//! (`docs/decisions/0028-*`).
//!
//! A line never decides what a lost answer means; whoever asked does.

use super::backoff::Backoff;
use super::failure::{Failure, soft};
use super::session::Session;
use super::settings::RabbitSettings;
use super::topology;
use crate::queues::Names;
use duet_ports::clock::{Clock, Entropy};
use duet_ports::hub::Topology;
use futures_util::{Stream, StreamExt};
use lapin::{Connection, ConnectionProperties, Event};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A connection that died without a word is noticed after this at the latest.
const LOOK: Duration = Duration::from_secs(1);

/// What the hub was asked to make exist, kept to make it again.
pub(super) type Wanted = Mutex<Option<Topology>>;

/// What was wanted so far.
pub(super) fn wanted(wanted: &Wanted) -> Option<Topology> {
    // A poisoned lock still holds a whole value: it is replaced, never edited.
    wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// How a connection is.
#[derive(Clone, Debug)]
enum State {
    Up(Arc<Session>),
    Down(Failure),
}

/// A line, as its users see it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    state: watch::Receiver<State>,
}

/// What the task of a line needs.
pub(super) struct Keeper {
    /// Shown by the broker: what the connection is for.
    pub(super) purpose: &'static str,
    pub(super) settings: Arc<RabbitSettings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Checked on each new connection.
    pub(super) wanted: Arc<Wanted>,
    /// Ends the line.
    pub(super) stop: CancellationToken,
}

type Events = Pin<Box<dyn Stream<Item = Event> + Send>>;

impl Line {
    /// The session that is up, waiting for it at most so long.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn session(&self, patience: Duration) -> Result<Arc<Session>, Failure> {
        let mut state = self.state.clone();
        let up = state.wait_for(|state| state.usable().is_ok());
        // Not up in time, or the line ended: the state says why.
        let _ = tokio::time::timeout(patience, up).await;
        self.session_now()
    }

    /// The session that is up right now.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn session_now(&self) -> Result<Arc<Session>, Failure> {
        self.state.borrow().usable()
    }
}

impl State {
    fn usable(&self) -> Result<Arc<Session>, Failure> {
        match self {
            State::Up(session) => match session.blocked() {
                None if !session.is_over() => Ok(Arc::clone(session)),
                None => Err(Failure::lost("use the connection", None)),
                Some(reason) => Err(Failure::Blocked(reason)),
            },
            State::Down(failure) => Err(failure.clone()),
        }
    }
}

impl Keeper {
    /// The line, and the work that keeps it up until it is told to stop.
    pub(super) fn line(self) -> (Line, impl Future<Output = ()> + Send) {
        let (tell, state) = watch::channel(State::Down(Failure::lost(self.attempt(), None)));
        (Line { state }, async move { self.keep(tell).await })
    }

    async fn keep(&self, tell: watch::Sender<State>) {
        let mut backoff = Backoff::new(self.settings.pause_min, self.settings.pause_max);
        loop {
            let failure = tokio::select! {
                () = self.stop.cancelled() => Failure::lost("use a closed hub", None),
                failure = self.once(&tell, &mut backoff) => failure,
            };
            let left = tell.send_replace(State::Down(failure.clone()));
            if let State::Up(session) = left {
                session.end().await;
            }
            if self.stop.is_cancelled() {
                return;
            }
            let pause = backoff.pause(&*self.entropy);
            tracing::warn!(
                purpose = self.purpose,
                cause = %failure,
                pause_ms = pause.as_millis(),
                "the connection to the hub is down, trying again"
            );
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// One connection from its beginning to its end.
    async fn once(&self, tell: &watch::Sender<State>, backoff: &mut Backoff) -> Failure {
        let opening = tokio::time::timeout(self.settings.connect_timeout, self.open());
        let (session, events) = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(failure)) => return failure,
            Err(_) => return Failure::lost(format!("{} in time", self.attempt()), None),
        };
        tracing::info!(purpose = self.purpose, "connected to the hub");
        tell.send_replace(State::Up(Arc::clone(&session)));
        let failure = watch_over(&session, events, tell).await;
        if session.has_worked() {
            backoff.reset();
        }
        failure
    }

    async fn open(&self) -> Result<(Arc<Session>, Events), Failure> {
        let name = format!("{} {}", self.settings.name, self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Connection::connect_uri(self.settings.uri.clone(), properties)
            .await
            .map_err(|error| Failure::lost(self.attempt(), Some(error)))?;
        let events: Events = Box::pin(connection.events_listener());
        let session = Arc::new(Session::new(connection));
        self.check(&session).await?;
        Ok((session, events))
    }

    /// What an attempt is called in errors.
    fn attempt(&self) -> String {
        format!("connect to {}", self.settings.place())
    }

    /// Makes again what was wanted, before anyone uses the connection.
    async fn check(&self, session: &Session) -> Result<(), Failure> {
        let Some(topology) = wanted(&self.wanted) else { return Ok(()) };
        let names = Names::new(&self.settings.prefix);
        let channel = session.channel().await?;
        topology::declare(&channel, &names, &topology).await
    }
}

/// Returns when the connection can't be used any more.
async fn watch_over(session: &Session, events: Events, tell: &watch::Sender<State>) -> Failure {
    let mut events = pin!(events);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = session.over() => return Failure::lost("get an answer", None),
            _ = look.tick() => if !session.connected() {
                return Failure::lost("keep the connection", None);
            },
            event = events.next() => match event {
                None => return Failure::lost("keep the connection", None),
                Some(event) => if let Some(failure) = heed(session, event, tell) {
                    return failure;
                },
            },
        }
    }
}

/// What an event means for the whole connection.
fn heed(session: &Session, event: Event, tell: &watch::Sender<State>) -> Option<Failure> {
    match event {
        Event::ConnectionBlocked(reason) => {
            tracing::warn!(reason, "the broker takes no messages");
            session.block(Some(reason));
        }
        Event::ConnectionUnblocked => {
            tracing::info!("the broker takes messages again");
            session.block(None);
        }
        // One channel was closed: its user knows. The others go on.
        Event::Error(error) if soft(&error).is_some() && session.connected() => {}
        Event::Error(error) => return Some(Failure::lost("keep the connection", Some(error))),
        // Connected, flow control of one channel, and what later versions of lapin may tell.
        _ => {}
    }
    // Blocked or not is part of the state: whoever waits must look again.
    tell.send_modify(|_| {});
    None
}
