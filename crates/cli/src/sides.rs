//! The configured connections as ports, one `match` on the kind: the only place that names
//! products.

use duet_config::{Code, ConnectionSection, Mistake, Project};
use duet_core::id::{ConnectionName, FlowName};
use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_pipeline::context::Context;
use duet_ports::clock::System;
use duet_ports::connector::{Connector, ConnectorError, Description};
use duet_salesforce::{Salesforce, Settings as SalesforceSettings};
use duet_sql::{Database, Product};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a side is asked about a collection.
const TRIES: u32 = 4;
/// A side that took longer to fail was waited for already.
const PATIENCE: Duration = Duration::from_secs(3);
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Every connection.
pub(crate) struct Sides {
    /// As ports, by name.
    pub(crate) connectors: BTreeMap<ConnectionName, Arc<dyn Connector>>,
    /// The SQL ones, for their capture.
    pub(crate) databases: BTreeMap<ConnectionName, Database>,
}

/// A setting that can't be used: its path, and a sentence without values.
type Wrong = (String, String);

fn salesforce(section: &ConnectionSection) -> Result<Salesforce, Vec<Wrong>> {
    let settings = SalesforceSettings::parse(&section.settings).map_err(|mistakes| {
        mistakes.into_iter().map(|mistake| (mistake.key, mistake.reason)).collect::<Vec<_>>()
    })?;
    Salesforce::new(section.name.clone(), settings, Arc::new(System))
        .map_err(|error| vec![(String::new(), error.to_string())])
}

fn database(
    product: Product,
    section: &ConnectionSection,
    folder: &Path,
) -> Result<Database, Vec<Wrong>> {
    let (name, clock) = (section.name.clone(), Arc::new(System));
    Database::open(product, name, &section.settings, folder, clock).map_err(|mistakes| {
        let told = |mistake: duet_sql::Mistake| (mistake.key, mistake.reason);
        mistakes.into_iter().map(told).collect()
    })
}

/// What both sides said about one flow's collections.
pub(crate) type Answers = Both<Result<Description, ConnectorError>>;
/// The same for every flow.
pub(crate) type Described = BTreeMap<FlowName, Answers>;

impl Sides {
    /// Sets every connection up; nothing is sent yet. Settings that can't be used are told with
    /// their places, those of all connections at once. Paths count from the project's folder.
    pub(crate) fn open(project: &Project, folder: &Path) -> Result<Sides, Vec<Mistake>> {
        let mut sides = Sides { connectors: BTreeMap::new(), databases: BTreeMap::new() };
        let mut mistakes = Vec::new();
        for section in &project.connections {
            if let Err(wrong) = sides.add(section, folder) {
                mistakes.extend(wrong.into_iter().map(|(key, sentence)| {
                    project.locate_setting(&section.name, &key, Code::BadSetting, sentence)
                }));
            }
        }
        if mistakes.is_empty() { Ok(sides) } else { Err(mistakes) }
    }

    fn add(&mut self, section: &ConnectionSection, folder: &Path) -> Result<(), Vec<Wrong>> {
        let name = section.name.clone();
        let connector: Arc<dyn Connector> = match Product::of(&section.kind) {
            Some(product) => {
                let database = database(product, section, folder)?;
                self.databases.insert(name.clone(), database.clone());
                Arc::new(database)
            }
            None if section.kind == "salesforce" => Arc::new(salesforce(section)?),
            None => {
                let sentence = format!("no connector for {:?}", section.kind);
                return Err(vec![("kind".into(), sentence)]);
            }
        };
        self.connectors.insert(name, connector);
        Ok(())
    }

    /// Asks both sides of every flow about its collections, all at once.
    pub(crate) async fn describe(&self, flows: &[&FlowSpec]) -> Described {
        let asked = flows.iter().map(|spec| async move {
            let (left, right) = tokio::join!(
                self.describe_end(spec, Side::Left),
                self.describe_end(spec, Side::Right),
            );
            (spec.name.clone(), Both::new(left, right))
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Asks one side, a few times where it may answer in a moment: a service that starts while a
    /// side stumbles need not be started again.
    async fn describe_end(
        &self,
        spec: &FlowSpec,
        side: Side,
    ) -> Result<Description, ConnectorError> {
        let name = &spec.ends.get(side).connection;
        let connector = self.connectors.get(name).expect("config refuses unknown connections");
        let collection = Context::collection(spec, side);
        let (mut wait, begun) = (FIRST_WAIT, Instant::now());
        for _ in 1..TRIES {
            match connector.describe(&collection).await {
                Err(error) if passing(error.failure.class) && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(wait).await;
                }
                answer => return answer,
            }
            wait *= 2;
        }
        connector.describe(&collection).await
    }
}

/// Whether a side that failed so is asked again before a command gives up.
fn passing(class: FailureClass) -> bool {
    passes(class) && class != FailureClass::Throttled
}

/// Whether a side that failed so may answer later without anybody's doing.
pub(crate) fn passes(class: FailureClass) -> bool {
    match class {
        FailureClass::Transient
        | FailureClass::Unreachable
        | FailureClass::UnknownOutcome
        | FailureClass::Throttled => true,
        FailureClass::Auth
        | FailureClass::Stale
        | FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Gone
        | FailureClass::Dependency
        | FailureClass::Permission
        | FailureClass::Restricted
        | FailureClass::Poison => false,
    }
}
