//! What every stage needs: ports, flows, limits, and the slots and bells by which stages of one process
//! work together. Holds no state that a restart would lose.

use crate::denied::Denials;
use crate::pause::Pauses;
use crate::recent::Recent;
use crate::slots::Slots;
use duet_core::id::{ConnectionName, FlowName, LinkId};
use duet_core::keyed::Rekeyed;
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_core::stamp::Stamp;
use duet_ports::clock::{Clock, Entropy};
use duet_ports::connector::{Collection, Connector};
use duet_ports::envelope::{Body, ENVELOPE_VERSION, Envelope};
use duet_ports::hub::{Hub, Outgoing, Queue};
use duet_ports::partition::partition_of_link;
use duet_ports::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Numbers that a deployment may change.
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions of the change queues, fixed at install.
    pub partitions: u32,
    /// This process, as leases name it.
    pub process: String,
    /// A message not settled for so long is sent again (5 min; seconds in tests).
    pub resend_after: Duration,
    /// How long a lease lasts; renewed at a third of it.
    pub lease: Duration,
    /// Most links in one deciding transaction.
    pub batch: usize,
    /// Most unsettled messages of a source; then it stops reading.
    pub unsettled_max: usize,
    /// How often the sweep and the retry stage look.
    pub sweep: Duration,
    /// Added to a call's time limit for its deadline: what may pass between the commit of *sent*
    /// and the call itself.
    pub call_margin: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            partitions: 4,
            process: String::from("duet"),
            resend_after: Duration::from_secs(300),
            lease: Duration::from_secs(30),
            batch: 200,
            unsettled_max: 1_000,
            sweep: Duration::from_secs(1),
            call_margin: Duration::from_secs(5),
        }
    }
}

/// A connection as the pipeline uses it.
pub struct Connection {
    /// The side's port.
    pub connector: Arc<dyn Connector>,
    /// How many calls may be under way at once, and those about to leave.
    pub slots: Slots,
}

impl Connection {
    /// A connection on which nothing is under way.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>) -> Connection {
        let slots = Slots::of(connector.limits().parallel);
        Connection { connector, slots }
    }
}

/// What every stage needs.
pub struct Context {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The hub.
    pub hub: Arc<dyn Hub>,
    /// Connections by name.
    pub connections: BTreeMap<ConnectionName, Connection>,
    /// Flows by name.
    pub flows: BTreeMap<FlowName, Arc<FlowSpec>>,
    /// Flows that are configured and set aside, because their links mean other records; they are
    /// not among `flows`.
    pub rekeyed: BTreeMap<FlowName, Rekeyed>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Numbers.
    pub options: Options,
    /// Connections that rest after failures.
    pub pauses: Pauses,
    /// What this process has done so far.
    pub tally: Tally,
    /// What it stored of links just before.
    pub recent: Recent,
}

/// What a process has done since it started, for the account at its end.
#[derive(Debug, Default)]
pub struct Tally {
    /// Changes read from sources.
    pub read: AtomicU64,
    /// Links decided.
    pub decided: AtomicU64,
    /// Of these, those where nothing was new.
    pub echoes: AtomicU64,
    /// Changes that became dead letters.
    pub dead: AtomicU64,
    /// Writes sent to the left and to the right side, landed or not.
    pub writes: Both<AtomicU64>,
    /// Writes that are known to have landed, by their answer or by reading.
    pub landed: Both<AtomicU64>,
    /// Refusals for lack of a right that people were told of.
    pub(crate) denials: Denials,
}

impl Tally {
    /// Adds to a count.
    pub fn add(count: &AtomicU64, more: usize) {
        count.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Adds what a batch led to, and tells people what they must know of it.
    pub fn note(&self, aftermath: &crate::batch::Aftermath, now: Stamp) {
        Self::add(&self.decided, aftermath.decided);
        Self::add(&self.echoes, aftermath.echoes);
        Self::add(&self.dead, aftermath.dead);
        for side in Side::BOTH {
            Self::add(self.landed.get(side), *aftermath.landed.get(side));
        }
        self.denials.tell(aftermath.denied.iter(), now);
    }
}

impl Context {
    /// A holder of a lease: each detection and each adoption is one of its own, so that numbers and
    /// tokens are never used twice, not even within a process.
    #[must_use]
    pub fn holder(&self) -> String {
        format!("{}/{}", self.options.process, self.entropy.id())
    }

    /// A flow by name.
    #[must_use]
    pub fn flow(&self, name: &FlowName) -> Option<&Arc<FlowSpec>> {
        self.flows.get(name)
    }

    /// The flows of this process: it takes no work of others.
    #[must_use]
    pub fn flow_names(&self) -> Vec<FlowName> {
        self.flows.keys().cloned().collect()
    }

    /// The connection of a flow's side.
    #[must_use]
    pub fn connection_of(&self, spec: &FlowSpec, side: Side) -> Option<&Connection> {
        self.connections.get(&spec.ends.get(side).connection)
    }

    /// When the answer of a call that leaves now counts no more.
    pub(crate) fn deadline(&self, connection: &Connection, now: Stamp) -> Stamp {
        let timeout = connection.connector.limits().timeout;
        let span = timeout.saturating_add(self.options.call_margin);
        now.plus(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
    }

    /// A flow's collection on a side, as its connector wants it.
    #[must_use]
    pub fn collection(spec: &FlowSpec, side: Side) -> Collection {
        let end = spec.ends.get(side);
        Collection {
            flow: spec.name.clone(),
            side,
            name: end.collection.clone(),
            key: end.key.clone(),
            filter: end.filter.clone(),
            columns: end.columns.clone(),
            soft: end.soft.clone(),
            options: end.options.clone(),
        }
    }

    /// Every (flow, side): one detector each.
    pub fn sources(&self) -> impl Iterator<Item = (&Arc<FlowSpec>, Side)> {
        self.flows.values().flat_map(|spec| Side::BOTH.into_iter().map(move |side| (spec, side)))
    }

    /// Rings the apply stages of these connections, here and in other processes.
    pub async fn ring(&self, connections: &BTreeSet<ConnectionName>) {
        for name in connections {
            if let Some(connection) = self.connections.get(name) {
                connection.slots.ask();
            }
            let body = Body::WakeIntents { connection: name.as_str().to_owned() };
            self.wake(Queue::Intents(name.clone()), body).await;
        }
    }

    /// Wakes links: somebody will look at them soon, at the latest when they are due.
    pub async fn wake_links(&self, links: &[LinkId]) {
        let mut by_partition: BTreeMap<u32, Vec<LinkId>> = BTreeMap::new();
        for link in links {
            let partition = partition_of_link(*link, self.options.partitions);
            by_partition.entry(partition).or_default().push(*link);
        }
        // A message is one batch for whoever takes it.
        for (partition, links) in by_partition {
            for some in links.chunks(self.options.batch.max(1)) {
                let links = some.to_vec();
                self.wake(Queue::Changes(partition), Body::WakeLinks { links }).await;
            }
        }
    }

    pub(crate) async fn wake(&self, queue: Queue, body: Body) {
        let envelope = Envelope { v: ENVELOPE_VERSION, number: None, body };
        self.hub.wake(Outgoing { queue, envelope }).await;
    }
}
