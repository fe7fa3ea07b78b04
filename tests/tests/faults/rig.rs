//! An installation as a person has it: the shop, the state database, a broker, the organization,
//! and the project that joins them. It asks duet only through its commands; only the history of
//! calls is read where duet keeps it (`calls`).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use duet_testkit::servers::{Proxy, proxy};
pub(crate) use duet_tests::duet::LIMIT;
use duet_tests::duet::{Done, Project, Running};
use duet_tests::flows::{CUSTOMERS, Flow, PRODUCTS};
use duet_tests::northwind;
use duet_tests::salesforce::Salesforce;
use duet_tests::seed::{self, Planted};
use serde_json::Value;

use crate::ground::{Base, Ground, Hub, Way};

/// For what happens by itself within a second on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// A stop in order ends what is under way: a call may take ten seconds.
pub(crate) const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// Everything that one test has for itself.
pub(crate) struct Rig {
    pub(crate) salesforce: Salesforce,
    pub(crate) project: Project,
    pub(crate) shop: Base,
    pub(crate) state: Base,
    pub(crate) hub: Hub,
}

impl Rig {
    /// On shared servers.
    pub(crate) async fn new() -> Rig {
        Rig::running(Way::Servers).await
    }

    /// On shared servers, or without any.
    pub(crate) async fn running(way: Way) -> Rig {
        Rig::on(Ground::new(way, "flows").await, &northwind::metadata()).await
    }

    /// With a broker that the test may stop.
    pub(crate) async fn with_own_broker() -> Rig {
        Rig::on(Ground::with_own_broker("flows").await, &northwind::metadata()).await
    }

    /// With a broker that the test may stop, and a shop's server that notes what it is asked.
    pub(crate) async fn with_own_servers() -> Rig {
        Rig::on(Ground::with_own_servers("flows").await, &northwind::metadata()).await
    }

    /// With a server of the shop's own, which notes what it is asked.
    pub(crate) async fn with_own_shop(flows: &str) -> Rig {
        Rig::on(Ground::with_own_shop(flows).await, &northwind::metadata()).await
    }

    /// With an organization that has other fields.
    pub(crate) async fn with_metadata(metadata: &Path) -> Rig {
        Rig::on(Ground::new(Way::Servers, "flows").await, metadata).await
    }

    async fn on((mut project, ground): (Project, Ground), metadata: &Path) -> Rig {
        for (name, value) in
            [("DUET_SWEEP_MS", "200"), ("DUET_LEASE_S", "3"), ("DUET_RESEND_AFTER_S", "3")]
        {
            project.set(name, value);
        }
        let salesforce = Salesforce::start_with(&mut project, metadata).await.unwrap();
        let Ground { shop, state, hub } = ground;
        Rig { salesforce, project, shop, state, hub }
    }

    /// From here, the way from duet to the shop can be cut.
    pub(crate) async fn way_to_shop(&mut self) -> Proxy {
        let url = self.shop.url().to_owned();
        let server = server(&url);
        let between = proxy(server).await.unwrap();
        let detour = url.replace(&server.to_string(), &between.address().to_string());
        self.project.set("SHOP_DATABASE_URL", &detour);
        between
    }

    /// Puts a part of the shop's customers and products into the organization, and strangers.
    pub(crate) async fn plant(&self) -> Planted {
        let session = self.salesforce.session().await.unwrap();
        let customers = northwind::rows(self.shop.url(), &CUSTOMERS).await.unwrap();
        let products = northwind::rows(self.shop.url(), &PRODUCTS).await.unwrap();
        seed::plant(&session, &customers, &products).await.unwrap()
    }

    /// Migrates, installs the capture, and adopts these flows, or all.
    pub(crate) fn prepare(&self, flows: &[&str]) {
        self.done(&["migrate"]);
        self.done(&["capture", "install"]);
        let mut adopt = vec!["adopt", "--yes"];
        adopt.extend(flows.iter().flat_map(|flow| ["--flow", *flow]));
        self.done(&adopt);
    }

    /// Runs a command to its end, whatever it says.
    pub(crate) fn duet(&self, arguments: &[&str]) -> Done {
        self.project.run(arguments, LIMIT).unwrap()
    }

    /// Runs a command that must succeed.
    pub(crate) fn done(&self, arguments: &[&str]) -> Done {
        let done = self.duet(arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}\n{}\n{}", done.out, done.err);
        done
    }

    /// Runs a command for its document, and answers it with the exit code.
    pub(crate) fn asked(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        self.project.ask(arguments).unwrap()
    }

    /// Runs a command that must succeed, for its document.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.project.answer(arguments).unwrap()
    }

    /// Starts `duet run`.
    pub(crate) fn run(&self) -> Running {
        self.project.start(&["run"]).unwrap()
    }

    /// Changes the shop, as its own software would.
    pub(crate) async fn sell(&self, statements: &str) {
        northwind::execute(self.shop.url(), statements).await.unwrap();
    }

    /// The id of the record that stands for a row, once it is there.
    pub(crate) fn partner(&self, flow: &Flow, key: &str) -> Option<String> {
        let org = self.salesforce.org().unwrap();
        let found = org.of(flow.object).find(|record| record.text("Ext__c") == Some(key));
        found.map(|record| record.id.clone())
    }

    /// The same once duet knows that both belong together, and what they agreed on.
    pub(crate) fn agreed_partner(&self, flow: &Flow, key: &str) -> Option<String> {
        let id = self.partner(flow, key)?;
        let told = self.project.answer(&["explain", &format!("{}/right:{key}", flow.name)]).ok()?;
        let agreed = told["fields"].as_array()?.iter().all(|field| field["agreed"].is_string());
        (agreed && told["phase"] == "linked").then_some(id)
    }

    /// The value of a record's field in the organization, as text; empty when there is none.
    pub(crate) fn left(&self, flow: &Flow, key: &str, field: &str) -> String {
        let org = self.salesforce.org().unwrap();
        let found = org.of(flow.object).find(|record| record.text("Ext__c") == Some(key));
        found.and_then(|record| record.fields.get(field)).map_or_else(String::new, plain)
    }

    /// The value of a row's field in the shop, under its name on the left.
    pub(crate) async fn right(&self, flow: &Flow, key: &str, field: &str) -> String {
        let rows = northwind::rows(self.shop.url(), flow).await.unwrap();
        let found = rows.iter().find(|row| row.key == key);
        found.and_then(|row| row.values.get(field)).map_or_else(String::new, plain)
    }

    /// Writes and reads of a flow in these states, from `status`.
    pub(crate) fn intents(&self, flow: &str, states: &[&str]) -> u64 {
        intents(&self.json(&["status"]), flow, states)
    }

    /// Whether a process reads both ends of a flow.
    pub(crate) fn reads(&self, flow: &str) -> bool {
        let status = self.json(&["status"]);
        let sources = status["sources"].as_array().unwrap().iter();
        let held = |one: &&Value| {
            let source = one["source"].as_str().unwrap();
            source.starts_with(flow) && !one["holder"].is_null()
        };
        sources.filter(held).count() == 2
    }

    /// Whether nothing is under way: no open call, nobody waits for a parent.
    pub(crate) fn is_quiet(&self) -> bool {
        let status = self.json(&["status"]);
        let flows = status["flows"].as_array().unwrap();
        flows.iter().all(|flow| {
            let name = flow["flow"].as_str().unwrap();
            let open = intents(&status, name, &["planned", "sent", "unknown", "retrying"]);
            open == 0 && flow["awaiting_parent"] == 0 && flow["due"] == 0
        })
    }
}

/// The server of a database's address.
fn server(url: &str) -> SocketAddr {
    let place = url.split_once("://").unwrap().1;
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    place.split_once('/').unwrap().0.parse().unwrap()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn intents(status: &Value, flow: &str, states: &[&str]) -> u64 {
    let flows = status["flows"].as_array().unwrap();
    let flow = flows.iter().find(|one| one["flow"] == flow).unwrap();
    let counted = flow["intents"].as_array().unwrap().iter();
    let wanted = counted.filter(|pair| states.contains(&pair[0].as_str().unwrap()));
    wanted.map(|pair| pair[1].as_u64().unwrap()).sum()
}
