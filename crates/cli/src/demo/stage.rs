//! The demo's installation at work: emulator, shop, and duet wired as `duet run` wires it. Waits for
//! conditions, with a deadline; never for a time.

use super::compare::Held;
use super::edit::Evidence;
use super::flows::{CUSTOMERS, FLOWS, Flow, ORDERS, PRODUCTS, SHOP_ID};
use super::folder;
use super::org::{self, Fields, Org};
use super::sample::{Customer, Place, Sample};
use super::shop::Shop;
use crate::app::App;
use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::wire::exit_of;
use duet_core::conflict::{Conflict, ConflictState};
use duet_core::id::{FlowName, RecordId};
use duet_core::intent::IntentState;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_desk::Desk;
use duet_desk::explain::Explanation;
use duet_desk::record::Name;
use duet_pipeline::adopt::{Adoption, Survey, Watch};
use duet_pipeline::context::Context;
use duet_pipeline::run::{self, Running};
use duet_ports::clock::{Clock as _, System};
use duet_ports::inspect::{ConflictFilter, ErrorFilter, FieldErrorFilter, LinkDetail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(40);
/// What falls due later than this is no part of what is under way: candidates that wait for a person
/// are looked at again after a minute.
const SOON_US: i64 = 5 * Stamp::SECOND;
/// History and lists: more than a demo makes.
const ALL: u64 = 1_000;
/// How long the steps under way may take after a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// Everything that is at work.
pub(crate) struct Stage {
    /// Salesforce, by hand.
    pub(crate) org: Org,
    /// The shop, by hand.
    pub(crate) shop: Shop,
    /// The desk.
    pub(crate) desk: Desk,
    /// What duet works with.
    pub(crate) context: Arc<Context>,
    /// The folder of it all.
    pub(crate) folder: String,
    /// Where the emulator is.
    pub(crate) url: String,
    /// How long a condition is waited for.
    pub(crate) patience: Duration,
    emulator: duet_emulator::Running,
    running: Option<Running>,
}

impl Stage {
    /// Builds shop, organization and project in the folder, and wires duet to them.
    pub(crate) async fn build(
        cli: &Cli,
        folder: &Path,
        sample: &Sample,
        seed: u64,
        patience: Duration,
    ) -> Result<Stage, Failure> {
        folder::write_metadata(folder)?;
        let emulator = org::start(folder, folder::ORG, folder::METADATA, seed).await?;
        let url = emulator.base_url();
        let org = Org::new(url.clone(), folder.join(folder::ORG));
        fill(&org, sample).await?;
        let shop = Shop::make(&folder.join(folder::SHOP), sample).await?;
        folder::write_project(folder, &url)?;
        let app = App::at(cli, folder)?;
        install(&app).await?;
        let context = app.context().await?;
        let (store, flows) = (Arc::clone(&context.store), context.flows.clone());
        let desk = Desk { store, clock: Arc::new(System), flows, reveal: true };
        let folder = folder.display().to_string();
        Ok(Stage { org, shop, desk, context, folder, url, patience, emulator, running: None })
    }

    /// Pairs what a flow has on both sides.
    pub(crate) async fn adopt(&self, flow: &Flow, watch: Watch<'_>) -> Result<Survey, Failure> {
        let name = FlowName::from(flow.name);
        let mut adoption = Adoption::begin(&self.context, &name).await?;
        adoption.scan(&self.context, watch).await?;
        let survey = adoption.survey(&self.context, watch).await?;
        adoption.link(&self.context, &survey, watch).await?;
        adoption.end(&self.context).await?;
        Ok(survey)
    }

    /// Starts every stage of duet, as `duet run` does.
    pub(crate) fn start(&mut self) {
        self.running = Some(run::start(&self.context));
    }

    /// Stops duet, then the emulator, and closes the shop's file. Whether all steps ended in time.
    pub(crate) async fn close(self) -> bool {
        let in_time = match self.running {
            Some(running) => running.stop(STOP_PATIENCE).await,
            None => true,
        };
        self.shop.close().await;
        self.emulator.stop().await;
        in_time
    }

    /// Waits until something holds; fails if it doesn't in time.
    pub(crate) async fn until(
        &self,
        what: &str,
        holds: impl AsyncFn() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        while !holds().await? {
            if begun.elapsed() > self.patience {
                let seconds = self.patience.as_secs();
                let sentence = format!("after {seconds} s still not so: {what}");
                return Err(Failure::new(Exit::Failed, sentence)
                    .hint(format!("{} keeps what led to this; please tell us", self.folder)));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until nothing is under way any more.
    pub(crate) async fn rest(&self, what: &str) -> Result<(), Failure> {
        self.until(what, async || Ok(self.is_at_rest().await? && self.is_at_rest().await?)).await
    }

    async fn is_at_rest(&self) -> Result<bool, Failure> {
        for flow in self.context.flows.keys() {
            let soon = System.now().plus(SOON_US);
            if self.context.store.is_under_way(flow, soon).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What duet knows of a record, if it does.
    pub(crate) async fn detail(
        &self,
        flow: &Flow,
        side: Side,
        record: &str,
    ) -> Result<Option<LinkDetail>, Failure> {
        let (flow, record) = (FlowName::from(flow.name), RecordId::from(record));
        let store = &self.context.store;
        match store.find_link(&flow, Some(side), &record).await? {
            Some(link) => Ok(store.link_detail(link, ALL).await?),
            None => Ok(None),
        }
    }

    /// Whether nothing is under way about a record.
    pub(crate) async fn is_quiet(
        &self,
        flow: &Flow,
        side: Side,
        record: &str,
    ) -> Result<bool, Failure> {
        let detail = self.detail(flow, side, record).await?;
        Ok(detail.is_some_and(|detail| is_quiet(&detail)))
    }

    /// Whether both sides really hold this of a row of the shop, and duet has nothing more to do.
    pub(crate) async fn agree(
        &self,
        flow: &Flow,
        key: &str,
        wanted: &[(&str, String)],
    ) -> Result<bool, Failure> {
        let held = Held::read(&self.org, &self.shop).await?;
        let both = held.pair(flow, key).is_some_and(|(record, row)| {
            wanted.iter().all(|(field, value)| {
                let field = flow.field(field).expect("the scenes name fields of their flows");
                let wanted = Some(field.kind.to_left(value));
                held.left_form(field, record) == wanted && Held::right_form(field, row) == wanted
            })
        });
        Ok(both && self.is_quiet(flow, Side::Right, key).await?)
    }

    /// The conflict about a record that waits for a person, once duet has nothing more to do.
    pub(crate) async fn open_conflict(
        &self,
        flow: &Flow,
        side: Side,
        record: &str,
    ) -> Result<Option<Conflict>, Failure> {
        let detail = self.detail(flow, side, record).await?;
        Ok(detail.filter(is_quiet).and_then(|detail| {
            detail.conflicts.into_iter().find(|one| one.state == ConflictState::Open)
        }))
    }

    /// Why a record is as it is, as `duet explain` tells it.
    pub(crate) async fn explain(
        &self,
        flow: &Flow,
        side: Side,
        record: &str,
    ) -> Result<Explanation, Failure> {
        let (flow, record) = (FlowName::from(flow.name), RecordId::from(record));
        Ok(self.desk.explain(&Name { flow, side: Some(side), record }, None).await?)
    }

    /// What duet says about whatever isn't in agreement.
    pub(crate) async fn evidence(&self) -> Result<Evidence, Failure> {
        let store = &self.context.store;
        let states = vec![
            ConflictState::Open,
            ConflictState::Snoozed,
            ConflictState::Decided,
            ConflictState::Applied,
            ConflictState::Closed,
        ];
        let conflicts = ConflictFilter { states, limit: ALL, ..ConflictFilter::default() };
        let errors = ErrorFilter { limit: ALL, ..ErrorFilter::default() };
        let kept = FieldErrorFilter { limit: ALL, ..FieldErrorFilter::default() };
        Ok(Evidence {
            conflicts: store.conflicts(&conflicts).await?,
            errors: store.errors(&errors).await?,
            kept: store.field_errors(&kept).await?,
        })
    }
}

/// No call is to be sent or under way, and the link isn't due soon. What is parked isn't tried again.
fn is_quiet(detail: &LinkDetail) -> bool {
    let open = [IntentState::Planned, IntentState::Sent, IntentState::Unknown];
    let under_way = detail.intents.iter().any(|intent| open.contains(&intent.state));
    let soon = System.now().plus(SOON_US);
    !under_way && detail.link.due_at.is_none_or(|due| due > soon)
}

async fn install(app: &App) -> Result<(), Failure> {
    let sides = app.sides()?;
    let flows = app.project.flows.iter().map(|flow| Context::collection(&flow.spec, Side::Right));
    let flows: Vec<_> = flows.collect();
    for database in sides.databases.values() {
        database.capture_install(&flows).await.map_err(|error| {
            let sentence = format!("the capture can't be installed: {}", error.failure.message);
            Failure::new(exit_of(&error), sentence).because(error)
        })?;
    }
    Ok(())
}

/// Makes the records of Salesforce, by hand.
async fn fill(org: &Org, sample: &Sample) -> Result<(), Failure> {
    let mut accounts = BTreeMap::new();
    for customer in sample.customers.iter().filter(|one| one.place.in_salesforce()) {
        let id = org.create(CUSTOMERS.object, account(customer)).await?;
        accounts.insert(customer.key.as_str(), id);
    }
    for product in sample.products.iter().filter(|one| one.place.in_salesforce()) {
        let record = json!({ SHOP_ID: product.sku, "Name": product.title, "IsActive": true,
            "Stock__c": product.stock });
        org.create(PRODUCTS.object, fields(record)).await?;
    }
    for order in sample.orders.iter().filter(|one| one.place.in_salesforce()) {
        let status = ORDERS.field("status").expect("orders have one");
        let record = json!({ SHOP_ID: order.key, "AccountId": accounts.get(order.customer.as_str()),
            "EffectiveDate": order.placed, "Status": "Draft",
            status.left: status.kind.to_left(order.status) });
        org.create(ORDERS.object, fields(record)).await?;
    }
    Ok(())
}

fn account(customer: &Customer) -> Fields {
    let key = (customer.place == Place::Keyed).then_some(&customer.key);
    fields(json!({ SHOP_ID: key, "Name": customer.name, "Email__c": customer.email,
        "BillingCity": customer.city, "Phone": customer.phone.left }))
}

/// The fields of an object in JSON.
pub(crate) fn fields(record: Value) -> Fields {
    record.as_object().cloned().unwrap_or_default()
}

/// How many records each side begins with.
pub(crate) fn begin_counts(sample: &Sample, flow: &Flow) -> (usize, usize) {
    let places: Vec<Place> = match flow.name {
        "customers" => sample.customers.iter().map(|one| one.place).collect(),
        "products" => sample.products.iter().map(|one| one.place).collect(),
        _ => sample.orders.iter().map(|one| one.place).collect(),
    };
    let left = places.iter().filter(|place| place.in_salesforce()).count();
    let right = places.iter().filter(|place| place.in_shop()).count();
    (left, right)
}

/// How many records there are of each flow, wherever they are.
pub(crate) fn all_records(sample: &Sample) -> Vec<(&'static Flow, usize)> {
    let counts = [sample.customers.len(), sample.products.len(), sample.orders.len()];
    FLOWS.into_iter().zip(counts).collect()
}
