//! Wiring: describes both sides, binds the flows, opens store and hub, and hands the pipeline its
//! context. Fails before anything runs, with every reason at once.

use crate::app::App;
use crate::env;
use crate::exit::{Exit, Failure};
use crate::report;
use crate::sides::{Described, Sides, passes};
use duet_config::FlowDraft;
use duet_core::bind::{BindMistake, Rights, SideFacts, bind, refuse_shared_writes};
use duet_core::id::FlowName;
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_hub::{RabbitHub, RabbitSettings};
use duet_pipeline::context::{Connection, Context, Options, Tally};
use duet_pipeline::pause::Pauses;
use duet_pipeline::run::topology;
use duet_ports::clock::{Entropy, System};
use duet_ports::connector::Description;
use duet_ports::hub::{Hub, HubError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Everything the pipeline needs.
pub(crate) async fn context(app: &App) -> Result<Arc<Context>, Failure> {
    let sides = app.sides()?;
    let flows = bound(app, &sides).await?;
    let store = app.store().await?;
    let connections = sides
        .connectors
        .into_iter()
        .map(|(name, connector)| (name, Connection { connector, bell: Notify::new() }))
        .collect();
    let context = Context {
        store,
        hub: hub(app)?,
        connections,
        flows,
        clock: Arc::new(System),
        entropy: Arc::new(System),
        options: options(app),
        pauses: Pauses::default(),
        tally: Tally::default(),
    };
    // Fails here, not in the middle: a database of another version.
    for flow in context.flows.keys() {
        context.store.flow_state(flow).await?;
    }
    context.hub.declare(&topology(&context)).await.map_err(hub_failure)?;
    Ok(Arc::new(context))
}

fn hub(app: &App) -> Result<Arc<dyn Hub>, Failure> {
    let settings = RabbitSettings::parse(&app.project.hub.url)
        .map_err(|error| Failure::new(Exit::Config, format!("[hub] url: {error}")))?;
    Ok(Arc::new(RabbitHub::open(settings, Arc::new(System), Arc::new(System))))
}

fn hub_failure(error: HubError) -> Failure {
    let hint = match &error {
        HubError::Mismatch { .. } => {
            "delete that queue when it is empty, or give [hub] the number of partitions it had"
        }
        HubError::Unreachable { .. } | HubError::Missing { .. } | HubError::StaleDelivery => {
            "is RabbitMQ running, and is [hub] url right?"
        }
    };
    Failure::new(Exit::Connection, error.to_string()).hint(hint).because(error)
}

fn options(app: &App) -> Options {
    let defaults = Options::default();
    Options {
        partitions: app.project.hub.partitions,
        process: format!("{}-{}", std::process::id(), System.id()),
        sweep: env::sweep_ms().map_or(defaults.sweep, Duration::from_millis),
        resend_after: env::resend_after_s().map_or(defaults.resend_after, Duration::from_secs),
        lease: env::lease_s().map_or(defaults.lease, Duration::from_secs),
        ..defaults
    }
}

/// Flows bound to both sides, or every reason why not.
async fn bound(app: &App, sides: &Sides) -> Result<BTreeMap<FlowName, Arc<FlowSpec>>, Failure> {
    let drafts: Vec<&FlowSpec> = app.project.flows.iter().map(|flow| &flow.spec).collect();
    let mut described = sides.describe(&drafts).await;
    let mut flows = BTreeMap::new();
    let mut wrong = Vec::new();
    for draft in &app.project.flows {
        match bind_one(draft, &mut described)? {
            Ok(spec) => {
                flows.insert(spec.name.clone(), Arc::new(spec));
            }
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    let bound: Vec<FlowSpec> =
        flows.values().map(|spec: &Arc<FlowSpec>| (**spec).clone()).collect();
    let shared = refuse_shared_writes(&bound);
    if wrong.is_empty() && shared.is_empty() {
        return Ok(flows);
    }
    let located = wrong.iter().map(|mistake| app.project.locate(mistake));
    let located = located.chain(shared.iter().map(|one| app.project.locate_shared(one)));
    report::mistakes(&located.collect::<Vec<_>>(), app.format, app.color);
    Err(Failure::new(Exit::Config, "the flows don't fit the two sides")
        .hint("`duet check` tells everything about them"))
}

/// Binds one flow. A side that can't be described, or that can't run so, ends the command.
fn bind_one(
    draft: &FlowDraft,
    described: &mut Described,
) -> Result<Result<FlowSpec, Vec<BindMistake>>, Failure> {
    let name = &draft.spec.name;
    let both = described.remove(name).expect("every flow was described");
    let left = usable(name, Side::Left, both.left)?;
    let right = usable(name, Side::Right, both.right)?;
    Ok(bind(draft.spec.clone(), &side_facts(&left), &side_facts(&right)))
}

fn usable(
    flow: &FlowName,
    side: Side,
    described: Result<Description, duet_ports::connector::ConnectorError>,
) -> Result<Description, Failure> {
    let description = described.map_err(|error| {
        let text = error.failure.message.clone();
        Failure::new(Exit::Connection, format!("flow {flow}, {side}: {error}: {text}"))
            .hint("`duet check` tells more about connections and rights")
            .passing(passes(error.failure.class))
            .because(error)
    })?;
    match description.remarks.iter().find(|remark| remark.fatal) {
        Some(remark) => {
            Err(Failure::new(Exit::Connection, format!("flow {flow}, {side}: {}", remark.text)))
        }
        None => Ok(description),
    }
}

/// What binding needs of a description.
pub(crate) fn side_facts(description: &Description) -> SideFacts {
    SideFacts {
        columns: description.columns.clone(),
        key: description.key.clone(),
        unique: description.unique.clone(),
        key_column: description.key_column.clone(),
        guarded: description.guarded,
        batch: description.batch,
        grain_us: description.grain_us,
        skew_us: description.skew_us,
        undelete: false,
        may: Rights {
            create: description.may.create,
            update: description.may.update,
            delete: description.may.delete,
        },
    }
}
