//! The shop, the organization, and duet between them, as a person has them: SQL on one side, edits
//! by hand on the other, and duet by its commands only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use duet_testkit::servers::{Broker, Database, postgres, rabbitmq};
use duet_tests::compare::{Listed, compare};
use duet_tests::duet::{Done, Places, Project};
use duet_tests::flows::{ALL, CUSTOMERS, Flow, POLICIES, PRODUCTS};
use duet_tests::northwind::{self, Row};
use duet_tests::org::{Org, Record};
use duet_tests::salesforce::Salesforce;
use duet_tests::seed::{self, Found, Seed};
use serde_json::{Value, json};

/// How long a command may take at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);
/// The standard price book of every organization.
const PRICE_BOOK: &str = "01s000000000001AAA";

/// Everything that one test has for itself.
pub(crate) struct Rig {
    pub(crate) shop: Database,
    pub(crate) org: Salesforce,
    pub(crate) listed: Listed,
    /// What was put into the organization beforehand, with the ids it got.
    pub(crate) seeds: Vec<(Seed, String)>,
    pub(crate) strangers: Vec<String>,
    /// What duet keeps in agreement.
    flows: &'static [&'static Flow],
    project: Project,
    http: reqwest::Client,
    _state: Database,
    _broker: Broker,
}

impl Rig {
    /// Northwind in the shop, a part of it in the organization, nothing of duet yet.
    pub(crate) async fn new() -> Self {
        let mut rig = Self::with_flows("flows", &ALL).await;
        rig.plant().await;
        rig
    }

    /// Northwind in the shop, nothing in the organization; the flows with the other policies are
    /// adopted and nothing is written yet.
    pub(crate) async fn policies() -> Self {
        let rig = Self::with_flows("policies", &POLICIES).await;
        rig.adopt();
        rig
    }

    async fn with_flows(folder: &str, flows: &'static [&'static Flow]) -> Self {
        let (shop, state) = (postgres().await.unwrap(), postgres().await.unwrap());
        northwind::load(shop.url()).await.unwrap();
        let broker = rabbitmq().await.unwrap();
        let places = Places {
            state: state.url(),
            hub: broker.url(),
            shop: shop.url(),
            login: "set when the organization has started",
            price_book: PRICE_BOOK,
        };
        let mut project = Project::with_flows(folder, places).unwrap();
        project.set("DUET_SWEEP_MS", "200");
        let org = Salesforce::start(&mut project).await.unwrap();
        Self {
            shop,
            org,
            listed: Listed::default(),
            seeds: Vec::new(),
            strangers: Vec::new(),
            flows,
            project,
            http: reqwest::Client::new(),
            _state: state,
            _broker: broker,
        }
    }

    async fn plant(&mut self) {
        let mut seeds = seed::customers(&self.rows("customers").await);
        seeds.extend(seed::products(&self.rows("products").await));
        let session = self.org.session().await.unwrap();
        let (strangers, ids) = seed::plant(&session, &seeds).await.unwrap();
        self.seeds = seeds.into_iter().zip(ids).collect();
        self.strangers = strangers;
        for id in self.lone() {
            self.listed.left_alone.insert(id);
        }
    }

    /// The records of the organization that no key leads to.
    pub(crate) fn lone(&self) -> BTreeSet<String> {
        let never = self.seeds.iter().filter(|(seed, _)| seed.found == Found::Never);
        never.map(|(_, id)| id.clone()).chain(self.strangers.iter().cloned()).collect()
    }

    /// Runs a command to its end, whatever it says.
    pub(crate) fn duet(&self, arguments: &[&str]) -> Done {
        self.project.run(arguments, LIMIT).unwrap()
    }

    /// Runs a command that must succeed, for its document.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let done = self.duet(&arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}\n{}\n{}", done.out, done.err);
        serde_json::from_str(&done.out).unwrap()
    }

    /// Migrates, installs the capture and adopts every flow.
    pub(crate) fn adopt(&self) -> Value {
        self.json(&["migrate"]);
        self.json(&["capture", "install"]);
        self.json(&["adopt", "--yes"])
    }

    /// One pass.
    pub(crate) fn sync(&self) -> Value {
        self.json(&["sync", "--once"])
    }

    /// Conflicts that hold, or all that ever were, with every value.
    pub(crate) fn conflicts(&self, all: bool) -> Vec<Value> {
        let mut arguments = vec!["conflicts", "list", "--reveal", "--limit", "10000"];
        arguments.extend(all.then_some("--all"));
        self.json(&arguments)["items"].as_array().unwrap().clone()
    }

    /// An edit by hand in the organization; answers the id.
    pub(crate) async fn hand(
        &self,
        operation: &str,
        object: &str,
        id: &str,
        record: Value,
    ) -> String {
        let mut edit = json!({ "operation": operation, "object": object, "record": record });
        if operation != "create" {
            edit["id"] = json!(id);
        }
        let url = format!("{}/emulator/admin/edit", self.org.url());
        let answer = self.http.post(url).json(&edit).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{edit}: {status} {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["id"].as_str().unwrap_or(id).to_owned()
    }

    /// Changes the shop, as its own software would.
    pub(crate) async fn sell(&self, statements: &str) {
        northwind::execute(self.shop.url(), statements).await.unwrap();
    }

    /// Rows of a flow, in the words of the left.
    pub(crate) async fn rows(&self, flow: &str) -> Vec<Row> {
        let flow = self.flow(flow);
        northwind::rows(self.shop.url(), flow).await.unwrap()
    }

    fn flow(&self, name: &str) -> &'static Flow {
        self.flows.iter().find(|one| one.name == name).unwrap()
    }

    /// The organization, from its data file.
    pub(crate) fn read_org(&self) -> Org {
        self.org.org().unwrap()
    }

    /// The record that stands for a row.
    pub(crate) fn partner(&self, flow: &str, key: &str) -> Option<Record> {
        let object = self.flow(flow).object;
        let org = self.read_org();
        org.of(object).find(|record| record.text("Ext__c") == Some(key)).cloned()
    }

    /// Every difference between both sides that isn't listed.
    pub(crate) async fn differences(&self) -> Vec<String> {
        let org = self.read_org();
        let mut found = Vec::new();
        for flow in self.flows {
            let rows = northwind::rows(self.shop.url(), flow).await.unwrap();
            let differences = compare(flow, &rows, &org, &self.listed);
            found.extend(differences.iter().map(ToString::to_string));
        }
        found
    }

    /// What of either side would change with any write: every row of the shop, every record of the
    /// organization with its stamps.
    pub(crate) async fn fingerprint(&self) -> (BTreeMap<&'static str, Vec<Row>>, Org) {
        let mut rows = BTreeMap::new();
        for flow in self.flows {
            rows.insert(flow.name, northwind::rows(self.shop.url(), flow).await.unwrap());
        }
        (rows, self.read_org())
    }

    /// Links every ambiguous record with the first of its candidates; answers how many there were.
    pub(crate) fn link_ambiguous(&mut self) -> usize {
        let conflicts = self.conflicts(false);
        let ambiguous = conflicts.iter().filter(|one| one["kind"] == "ambiguous_match");
        let mut count = 0;
        for conflict in ambiguous {
            let candidates: Vec<&str> = conflict["candidates"]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_str().unwrap())
                .collect();
            assert_eq!(candidates.len(), 2, "{conflict}");
            let id = conflict["id"].as_str().unwrap();
            self.json(&["conflicts", "resolve", id, "--link", candidates[0], "--by", "ann"]);
            self.listed.left_alone.insert(candidates[1].to_owned());
            count += 1;
        }
        count
    }

    /// Decides everything that waits, by every kind of choice.
    pub(crate) fn decide(&self) {
        let choices: [&[&str]; 4] =
            [&["--take", "left"], &["--take", "right"], &["--value", "by hand"], &["--null"]];
        let mut next = choices.into_iter().cycle();
        for conflict in self.conflicts(false) {
            let text = conflict["field"] == "phone" || conflict["field"] == "fax";
            let choice: &[&str] = match conflict["kind"].as_str() {
                Some("ambiguous_match") => continue,
                Some("duplicate") => &["--leave"],
                _ if text => next.next().unwrap(),
                _ => choices[0],
            };
            let (id, seen) = (conflict["id"].as_str().unwrap(), conflict["seen"].as_str().unwrap());
            let arguments = ["conflicts", "resolve", id, "--seen", seen, "--by", "ann"];
            self.json(&[&arguments[..], choice].concat());
        }
    }

    /// A pass right after another makes no call that writes.
    pub(crate) async fn nothing_to_write(&self) {
        let before = self.fingerprint().await;
        self.org.mark().await.unwrap();
        let pass = self.sync();
        assert_eq!(self.org.log().await.unwrap()["writing_calls"], 0);
        let none = json!({ "left": 0, "right": 0, "landed_left": 0, "landed_right": 0 });
        assert_eq!(pass["writes"], none);
        assert!(self.fingerprint().await == before, "the pass wrote");
    }

    /// From two systems that never met to agreement, without a look on the way.
    pub(crate) async fn agreed() -> Self {
        let mut rig = Self::new().await;
        rig.adopt();
        rig.sync();
        rig.link_ambiguous();
        rig.decide();
        rig.sync();
        rig.decide();
        rig.sync();
        rig
    }
}

/// The flow of an object.
pub(crate) fn flow_of(object: &str) -> &'static str {
    if object == CUSTOMERS.object { CUSTOMERS.name } else { PRODUCTS.name }
}
