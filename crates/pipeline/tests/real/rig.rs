//! Everything a pipeline needs, made for one test: a database, a virtual host, two sides.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use duet_core::conflict::{Choice, Conflict, Resolution};
use duet_core::facts::FlowState;
use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::intent::{Intent, Op};
use duet_core::keyed::Rekeyed;
use duet_core::link::{Link, Phase};
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_hub::{Embedded, RabbitHub, RabbitSettings};
use duet_pipeline::context::{Connection, Context, Options, Tally};
use duet_pipeline::pause::Pauses;
use duet_pipeline::recent::Recent;
use duet_pipeline::run::topology;
use duet_ports::clock::{Clock, System};
use duet_ports::connector::{Collection, Connector};
use duet_ports::hub::Hub;
use duet_ports::inspect::{
    Accepted, ConflictFilter, DeadLetterRow, FlowCounts, Inspect, LetterFilter, LinkDetail,
};
use duet_ports::store::Store;
use duet_store::{Postgres, PostgresOptions, SqlStore};
use duet_testkit::memory_side::{Kind, MemorySide, Promises, ShiftedClock};
use duet_testkit::servers::{Broker, Database, Fault, Proxy, postgres, proxy, rabbitmq};

use super::flows::{THINGS, things};

/// For anything that happens by itself.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What a test wants.
pub(crate) struct Wanted {
    pub(crate) flows: Vec<FlowSpec>,
    pub(crate) rekeyed: BTreeMap<FlowName, Rekeyed>,
    pub(crate) promises: Both<Promises>,
    pub(crate) options: Options,
    pub(crate) adopted: bool,
    pub(crate) lock_timeout: Duration,
    /// The clock of both sides, where it isn't ours.
    pub(crate) sides_clock: Option<Arc<ShiftedClock>>,
    /// The database is reached through a proxy that can cut it off.
    pub(crate) cuttable: bool,
    /// Without a broker: every process has a hub in its own memory.
    pub(crate) embedded: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            flows: vec![things()],
            rekeyed: BTreeMap::new(),
            promises: Both::default(),
            options: Options {
                partitions: 1,
                process: "test".to_owned(),
                resend_after: Duration::from_secs(60),
                sweep: Duration::from_millis(50),
                call_margin: Duration::from_millis(500),
                ..Options::default()
            },
            adopted: true,
            lock_timeout: Duration::from_secs(5),
            sides_clock: None,
            cuttable: false,
            embedded: false,
        }
    }
}

/// The parts. Fields are dropped in order: users of a server before the server.
pub(crate) struct Rig {
    pub(crate) context: Arc<Context>,
    pub(crate) sides: Both<MemorySide>,
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) store: Arc<SqlStore>,
    pub(crate) hub: Arc<dyn Hub>,
    /// None: every process has a hub in its own memory.
    broker: Option<Broker>,
    way: Option<Proxy>,
    _database: Database,
}

impl Rig {
    /// The usual flow on two strict sides.
    pub(crate) async fn usual() -> Rig {
        Rig::of(Wanted::default()).await
    }

    pub(crate) async fn flow(spec: FlowSpec) -> Rig {
        Rig::of(Wanted { flows: vec![spec], ..Wanted::default() }).await
    }

    pub(crate) async fn of(wanted: Wanted) -> Rig {
        let clock = Arc::new(ShiftedClock::default());
        let theirs = wanted.sides_clock.clone().unwrap_or_else(|| clock.clone());
        let sides = Both::build(|side| {
            let promises = *wanted.promises.get(side);
            MemorySide::new(side.as_str(), theirs.clone(), promises)
        });
        let database = postgres().await.expect("PostgreSQL");
        let broker = match wanted.embedded {
            true => None,
            false => Some(rabbitmq().await.expect("RabbitMQ")),
        };
        let (url, way) = way_to(&database, wanted.cuttable).await;
        let store = Postgres::connect(&url, store_options(&wanted)).await.expect("it is up");
        let store = Arc::new(store);
        store.migrate().await.expect("an empty database");
        let hub = hub(broker.as_ref());
        let context = context(&wanted, &clock, &sides, &store, &hub);
        hub.declare(&topology(&context)).await.expect("an empty virtual host");
        let state = FlowState { adopted: wanted.adopted, ..FlowState::default() };
        for flow in context.flows.keys() {
            store.set_flow_state(flow, state, clock.now()).await.expect("it is up");
            for side in Side::BOTH {
                sides.get(side).table(flow.as_str());
            }
        }
        let context = Arc::new(context);
        Rig { context, sides, clock, store, hub, broker, way, _database: database }
    }

    /// Cuts the database off, or lets it back.
    pub(crate) fn cut_store(&self, cut: bool) {
        let way = self.way.as_ref().expect("the test asked for it");
        way.set(if cut { Fault::Refuse } else { Fault::None });
        way.drop_connections();
    }

    /// The same store and sides as another process sees them, with a hub connection of its own.
    pub(crate) fn another_process(&self) -> Arc<Context> {
        let wanted = Wanted {
            flows: self.context.flows.values().map(|spec| spec.as_ref().clone()).collect(),
            options: Options { process: "another".into(), ..self.context.options.clone() },
            ..Wanted::default()
        };
        self.process_with(wanted)
    }

    /// Another process with settings of its own.
    pub(crate) fn process_with(&self, wanted: Wanted) -> Arc<Context> {
        let hub = hub(self.broker.as_ref());
        Arc::new(context(&wanted, &self.clock, &self.sides, &self.store, &hub))
    }

    /// Another process whose way to the hub can be cut.
    pub(crate) async fn process_behind_proxy(&self) -> (Arc<Context>, Proxy) {
        let (user, rest) = self.broker().url().split_once('@').expect("an address with a user");
        let (server, name) = rest.split_once('/').expect("an address with a virtual host");
        let target = server.to_socket_addrs().expect("host and port").next().expect("one at least");
        let way = proxy(target).await.expect("a port is free");
        let settings = RabbitSettings::parse(&format!("{user}@{}/{name}", way.address()));
        let settings = settings.expect("only the place changed");
        let hub: Arc<dyn Hub> =
            Arc::new(RabbitHub::open(settings, Arc::new(System), Arc::new(System)));
        let wanted = Wanted {
            flows: self.context.flows.values().map(|spec| spec.as_ref().clone()).collect(),
            options: Options { process: "cut".into(), ..self.context.options.clone() },
            ..Wanted::default()
        };
        (Arc::new(context(&wanted, &self.clock, &self.sides, &self.store, &hub)), way)
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("the test asked for one")
    }

    /// Deletes every message.
    pub(crate) fn purge(&self) {
        self.broker().purge().expect("the broker does it");
    }

    pub(crate) fn left(&self) -> &MemorySide {
        &self.sides.left
    }

    pub(crate) fn right(&self) -> &MemorySide {
        &self.sides.right
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn spec(&self) -> &Arc<FlowSpec> {
        self.context.flows.values().next().expect("there is a flow")
    }

    pub(crate) fn collection(&self, side: Side) -> Collection {
        Context::collection(self.spec(), side)
    }

    /// How many writes took effect on both sides.
    pub(crate) fn writes(&self) -> usize {
        self.left().written().len() + self.right().written().len()
    }

    pub(crate) fn write_calls(&self, side: Side) -> usize {
        self.sides.get(side).calls(Kind::Apply)
    }

    pub(crate) async fn counts(&self) -> FlowCounts {
        self.store.counts(&self.spec().name).await.expect("it is up")
    }

    pub(crate) async fn links(&self) -> Vec<Link> {
        let flow = &self.spec().name;
        let links = self.store.links(flow, &[], None, 10_000).await.expect("it is up");
        links.into_iter().filter(|link| link.phase != Phase::Joined).collect()
    }

    pub(crate) async fn link_of(&self, side: Side, record: &str) -> LinkId {
        let (flow, record) = (&self.spec().name, RecordId::from(record));
        let found = self.store.find_link(flow, Some(side), &record).await.expect("it is up");
        found.expect("the record has a link")
    }

    pub(crate) async fn detail(&self, side: Side, record: &str) -> LinkDetail {
        let link = self.link_of(side, record).await;
        self.store.link_detail(link, 100).await.expect("it is up").expect("it exists")
    }

    /// Intents of a record's link, oldest first.
    pub(crate) async fn intents(&self, side: Side, record: &str, op: Op) -> Vec<Intent> {
        let mut intents = self.detail(side, record).await.intents;
        intents.retain(|intent| intent.op == op);
        intents.sort_by_key(|intent| intent.planned_at);
        intents
    }

    /// What came of each call of an intent.
    pub(crate) async fn outcomes(&self, intent: &Intent) -> Vec<String> {
        let attempts = self.store.attempts_of(intent.id).await.expect("it is up");
        attempts.into_iter().map(|attempt| attempt.outcome).collect()
    }

    pub(crate) async fn conflicts(&self) -> Vec<Conflict> {
        let filter = ConflictFilter { limit: 100, ..ConflictFilter::default() };
        self.store.conflicts(&filter).await.expect("it is up")
    }

    pub(crate) async fn dead(&self) -> Vec<String> {
        self.letters().await.into_iter().map(|letter| letter.reason).collect()
    }

    /// Dead letters that are open, oldest first.
    pub(crate) async fn letters(&self) -> Vec<DeadLetterRow> {
        let open = LetterFilter { limit: 100, ..LetterFilter::default() };
        self.store.dead_letters(&open).await.expect("it is up")
    }

    /// A person decides a conflict.
    pub(crate) async fn choose(&self, conflict: &Conflict, choice: Choice) -> Accepted {
        let resolution = Resolution {
            choice,
            seen: conflict.seen.clone(),
            by: "Ann".to_owned(),
            note: None,
            at: self.clock.now(),
            earlier: Vec::new(),
        };
        let stored = self.store.decide(conflict.id, conflict.rev, &resolution).await;
        stored.expect("it is up")
    }

    pub(crate) fn text(&self, side: Side, record: &str, column: &str) -> Option<String> {
        self.sides.get(side).text(THINGS, record, column)
    }

    /// The id of the only record of a side with this code.
    pub(crate) fn id(&self, side: Side, code: &str) -> String {
        let found = self.sides.get(side).find_one(THINGS, "code", code);
        found.unwrap_or_else(|| panic!("{side} has no {code}")).as_str().to_owned()
    }

    /// A record with this code has this name on both sides, once on each.
    pub(crate) fn agree(&self, code: &str, name: &str) -> bool {
        Side::BOTH.into_iter().all(|side| {
            let found = self.sides.get(side).find_one(THINGS, "code", code);
            found.is_some_and(|id| self.text(side, id.as_str(), "name").as_deref() == Some(name))
        })
    }
}

fn store_options(wanted: &Wanted) -> PostgresOptions {
    let usual = PostgresOptions { lock_timeout: wanted.lock_timeout, ..PostgresOptions::default() };
    let patience = if wanted.cuttable { Duration::from_secs(1) } else { usual.connect_timeout };
    PostgresOptions { connect_timeout: patience, ..usual }
}

async fn way_to(database: &Database, cuttable: bool) -> (String, Option<Proxy>) {
    if !cuttable {
        return (database.url().to_owned(), None);
    }
    let (user, rest) = database.url().split_once('@').expect("an address with a user");
    let (server, name) = rest.split_once('/').expect("an address with a database");
    let target = server.to_socket_addrs().expect("host and port").next().expect("one at least");
    let way = proxy(target).await.expect("a port is free");
    (format!("{user}@{}/{name}", way.address()), Some(way))
}

fn hub(broker: Option<&Broker>) -> Arc<dyn Hub> {
    let Some(broker) = broker else { return Arc::new(Embedded::new()) };
    let settings = RabbitSettings::parse(broker.url()).expect("the launcher gives an address");
    Arc::new(RabbitHub::open(settings, Arc::new(System), Arc::new(System)))
}

fn context(
    wanted: &Wanted,
    clock: &Arc<ShiftedClock>,
    sides: &Both<MemorySide>,
    store: &Arc<SqlStore>,
    hub: &Arc<dyn Hub>,
) -> Context {
    let connections: BTreeMap<_, _> = Side::BOTH
        .into_iter()
        .map(|side| {
            let connector: Arc<dyn Connector> = Arc::new(sides.get(side).clone());
            (side.as_str().into(), Connection::new(connector))
        })
        .collect();
    let flows: BTreeMap<FlowName, Arc<FlowSpec>> =
        wanted.flows.iter().map(|spec| (spec.name.clone(), Arc::new(spec.clone()))).collect();
    Context {
        store: store.clone(),
        hub: hub.clone(),
        connections,
        flows,
        rekeyed: wanted.rekeyed.clone(),
        clock: clock.clone(),
        entropy: Arc::new(System),
        options: wanted.options.clone(),
        pauses: Pauses::default(),
        tally: Tally::default(),
        recent: Recent::default(),
    }
}
