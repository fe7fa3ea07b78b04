//! The hub on RabbitMQ. Two supervised connections: one publishes, the other consumes and
//! administrates, because a broker short of memory stops reading from those that publish.

mod backoff;
mod consume;
mod failure;
mod line;
mod publish;
mod session;
pub(crate) mod settings;
mod topology;
mod wake;

use crate::queues::Names;
use async_trait::async_trait;
use consume::Source;
use duet_ports::clock::{Clock, Entropy};
use duet_ports::hub::{Consumer, Depth, Hub, HubError, Outgoing, Published, Queue, Topology};
use failure::Failure;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use line::{Keeper, Line, Wanted, wanted};
use publish::{Ready, publish};
use settings::RabbitSettings;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use topology::short;
use wake::Waker;

/// Publish calls under way at once, each with a channel of its own.
const CALLS_MAX: usize = 16;

/// The hub on RabbitMQ. Dropping it ends its connections.
pub struct RabbitHub {
    settings: Arc<RabbitSettings>,
    names: Names,
    clock: Arc<dyn Clock>,
    publishing: Line,
    consuming: Line,
    wanted: Arc<Wanted>,
    gone: Arc<AtomicBool>,
    calls: Semaphore,
    wakes: mpsc::Sender<Outgoing>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl RabbitHub {
    /// Starts connecting in the background, within a tokio runtime. Whether the broker can be
    /// reached is told by the first [`Hub::declare`].
    #[must_use]
    pub fn open(
        settings: RabbitSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let settings = Arc::new(settings);
        let (wanted, stop) = (Arc::new(Mutex::new(None)), CancellationToken::new());
        let tasks = TaskTracker::new();
        let start = |purpose| {
            let keeper = Keeper {
                purpose,
                settings: Arc::clone(&settings),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                wanted: Arc::clone(&wanted),
                stop: stop.clone(),
            };
            let (line, keeping) = keeper.line();
            tasks.spawn(keeping);
            line
        };
        let (publishing, consuming) = (start("publishing"), start("consuming"));
        let (wakes, waiting) = mpsc::channel(settings.wakes_waiting_max.max(1));
        let hub = RabbitHub {
            names: Names::new(&settings.prefix),
            publishing,
            consuming,
            gone: Arc::new(AtomicBool::new(false)),
            calls: Semaphore::new(CALLS_MAX),
            wakes,
            _stop_on_drop: stop.clone().drop_guard(),
            settings,
            clock,
            wanted,
            tasks,
            stop,
        };
        hub.tasks.spawn(hub.waker().run(waiting));
        hub
    }

    /// Ends the connections and waits for their goodbye. Nothing can be published afterwards.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn waker(&self) -> Waker {
        Waker {
            line: self.publishing.clone(),
            names: self.names.clone(),
            clock: Arc::clone(&self.clock),
            silence_limit: self.settings.confirm_timeout,
            gone: Arc::clone(&self.gone),
            stop: self.stop.clone(),
        }
    }

    async fn make(&self, topology: &Topology) -> Result<(), Failure> {
        let session = self.consuming.session(self.settings.reconnect_patience).await?;
        let making = async {
            let channel = session.channel().await?;
            topology::declare(&channel, &self.names, topology).await
        };
        let Ok(made) = tokio::time::timeout(self.settings.answer_timeout, making).await else {
            session.give_up();
            return Err(Failure::lost("declare the queues in time", None));
        };
        made?;
        session.worked();
        Ok(())
    }

    /// After a message came back: makes the topology again before the next ones are sent.
    async fn make_again(&self) -> Result<(), Failure> {
        if !self.gone.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let Some(topology) = wanted(&self.wanted) else { return Ok(()) };
        self.make(&topology).await.inspect_err(|_| self.gone.store(true, Ordering::Relaxed))
    }

    async fn send(&self, ready: &[Ready]) -> Result<Vec<Published>, Failure> {
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        self.make_again().await?;
        let session = self.publishing.session(self.settings.reconnect_patience).await?;
        let _turn = self.calls.acquire().await.expect("the semaphore is never closed");
        let sent = publish(&session, &self.names, ready, self.settings.confirm_timeout).await?;
        if sent.gone {
            self.gone.store(true, Ordering::Relaxed);
        }
        Ok(sent.fates)
    }

    async fn look(&self, queue: &Queue) -> Result<Depth, Failure> {
        let name = self.names.queue(queue);
        let session = self.consuming.session(self.settings.reconnect_patience).await?;
        let looking = async {
            let channel = session.channel().await?;
            let passive = QueueDeclareOptions::durable().passive();
            let state = channel.queue_declare(short(&name)?, passive, FieldTable::default()).await;
            state.map_err(|error| Failure::of_queue(&name, "look at a queue", error))
        };
        let looked = tokio::time::timeout(self.settings.answer_timeout, looking).await;
        let state = looked.map_err(|_| Failure::lost("look at a queue in time", None))??;
        Ok(Depth { ready: state.message_count(), consumers: state.consumer_count() })
    }
}

#[async_trait]
impl Hub for RabbitHub {
    async fn declare(&self, topology: &Topology) -> Result<(), HubError> {
        self.make(topology).await?;
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = Some(topology::union(wanted.take(), topology));
        Ok(())
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<Vec<Published>, HubError> {
        let now = self.clock.now();
        let prepared = messages.iter().map(|message| Ready::new(&self.names, message, now));
        let mut fates = Vec::with_capacity(messages.len());
        let mut ready = Vec::with_capacity(messages.len());
        for message in prepared {
            fates.push(message?.map(|message| ready.push(message)));
        }
        let mut sent = self.send(&ready).await?.into_iter();
        let fate = |sendable: Option<()>| match sendable {
            Some(()) => sent.next().expect("one result per message sent"),
            None => Published::TooLarge,
        };
        Ok(fates.into_iter().map(fate).collect())
    }

    async fn wake(&self, message: Outgoing) {
        if self.wakes.try_send(message).is_err() {
            tracing::debug!("a wake-up was dropped, too many are waiting");
        }
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, HubError> {
        let source = Source {
            line: self.consuming.clone(),
            names: self.names.clone(),
            wanted: Arc::clone(&self.wanted),
            queue: self.names.queue(&queue),
            prefetch,
            answer_timeout: self.settings.answer_timeout,
        };
        Ok(Box::new(source.subscribe(self.settings.reconnect_patience).await?))
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth, HubError> {
        Ok(self.look(queue).await?)
    }
}
