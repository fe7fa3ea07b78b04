//! The shop, the organization, and duet between them, as a person has them: SQL on one side, edits
//! by hand on the other, and duet by its commands only.

use std::collections::BTreeMap;

use duet_tests::compare::{Listed, compare};
use duet_tests::desk::{self, Open};
use duet_tests::duet::{Done, LIMIT, Project};
use duet_tests::flows::{ALL, CUSTOMERS, Flow, POLICIES, PRODUCTS};
use duet_tests::northwind::{self, Row};
use duet_tests::org::{Org, Record};
use duet_tests::salesforce::Salesforce;
use duet_tests::seed::{self, Planted};
use serde_json::{Value, json};

use crate::ground::{Base, Ground, Hub, Way};

/// Everything that one test has for itself.
pub(crate) struct Rig {
    pub(crate) shop: Base,
    pub(crate) org: Salesforce,
    pub(crate) listed: Listed,
    pub(crate) planted: Planted,
    /// What duet keeps in agreement.
    pub(crate) flows: &'static [&'static Flow],
    /// The shop as it was found.
    pub(crate) found: BTreeMap<&'static str, Vec<Row>>,
    project: Project,
    http: reqwest::Client,
    _state: Base,
    _hub: Hub,
}

impl Rig {
    /// Northwind in the shop, a part of it in the organization, nothing of duet yet.
    pub(crate) async fn new(way: Way) -> Self {
        let mut rig = Self::with_flows(way, "flows", &ALL).await;
        rig.plant().await;
        rig
    }

    /// Northwind in the shop, nothing in the organization; the flows with the other policies are
    /// adopted and nothing is written yet.
    pub(crate) async fn policies(way: Way) -> Self {
        let rig = Self::with_flows(way, "policies", &POLICIES).await;
        rig.adopt();
        rig
    }

    async fn with_flows(way: Way, folder: &str, flows: &'static [&'static Flow]) -> Self {
        let (mut project, Ground { shop, state, hub }) = Ground::new(way, folder).await;
        project.set("DUET_SWEEP_MS", "200");
        let org = Salesforce::start(&mut project).await.unwrap();
        let found = everything(shop.url(), flows).await;
        Self {
            shop,
            org,
            found,
            listed: Listed::default(),
            planted: Planted::default(),
            flows,
            project,
            http: reqwest::Client::new(),
            _state: state,
            _hub: hub,
        }
    }

    async fn plant(&mut self) {
        let session = self.org.session().await.unwrap();
        let (customers, products) = (self.rows("customers").await, self.rows("products").await);
        self.planted = seed::plant(&session, &customers, &products).await.unwrap();
        self.listed.left_alone.extend(self.planted.lone());
    }

    /// Runs a command to its end, whatever it says.
    pub(crate) fn duet(&self, arguments: &[&str]) -> Done {
        self.project.run(arguments, LIMIT).unwrap()
    }

    /// Runs a command that must succeed, for its document.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.project.answer(arguments).unwrap()
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
        desk::conflicts(&self.project, all).unwrap()
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
        (everything(self.shop.url(), self.flows).await, self.read_org())
    }

    /// Links every ambiguous record with the first of its candidates; answers how many of them are
    /// left alone.
    pub(crate) fn link_ambiguous(&mut self) -> usize {
        let alone = desk::link_ambiguous(&self.project).unwrap();
        let count = alone.len();
        self.listed.left_alone.extend(alone);
        count
    }

    /// Decides everything that waits, by every kind of choice.
    pub(crate) fn decide(&self) {
        desk::decide(&self.project, |_| false).unwrap();
    }

    /// Every open conflict that isn't listed, and every listed one that isn't told whole.
    pub(crate) async fn untold(&self, open: &[Open]) -> Vec<String> {
        desk::missing(&self.project, self.shop.url(), &self.read_org(), open).await.unwrap()
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
    pub(crate) async fn agreed(way: Way) -> Self {
        let mut rig = Self::new(way).await;
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

/// Every row of these flows.
async fn everything(url: &str, flows: &[&'static Flow]) -> BTreeMap<&'static str, Vec<Row>> {
    let mut rows = BTreeMap::new();
    for flow in flows {
        rows.insert(flow.name, northwind::rows(url, flow).await.unwrap());
    }
    rows
}

/// The flow of an object.
pub(crate) fn flow_of(object: &str) -> &'static str {
    if object == CUSTOMERS.object { CUSTOMERS.name } else { PRODUCTS.name }
}
