//! Wiring: describes both sides, binds the flows, opens store and hub, and hands the pipeline its
//! context. Fails before anything runs, with every reason at once.

use crate::app::App;
use crate::env;
use crate::exit::{Exit, Failure};
use crate::report;
use crate::sides::{Answers, Described, passes};
use crate::unfit;
use duet_config::{FlowDraft, Mistake};
use duet_core::bind::{BindMistake, Rights, SideFacts, bind, refuse_shared_writes};
use duet_core::id::FlowName;
use duet_core::keyed::{KeyedBy, Rekeyed};
use duet_core::retry::FailureClass;
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_hub::{Embedded, RabbitHub, RabbitSettings};
use duet_pipeline::context::{Connection, Context, Options, Tally};
use duet_pipeline::keyed;
use duet_pipeline::pause::Pauses;
use duet_pipeline::recent::Recent;
use duet_pipeline::run::topology;
use duet_ports::clock::{Clock, Entropy, System};
use duet_ports::connector::{ConnectorError, Description};
use duet_ports::hub::{Hub, HubError};
use duet_ports::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Flows whose key changed.
type Changed = BTreeMap<FlowName, Rekeyed>;

/// Everything the pipeline needs.
pub(crate) async fn context(app: &App) -> Result<Arc<Context>, Failure> {
    let sides = app.sides()?;
    let drafts: Vec<&FlowSpec> = app.project.flows.iter().map(|flow| &flow.spec).collect();
    let described = sides.describe(&drafts).await;
    // A flow whose key changed isn't bound: what its sides say of the new key would mislead.
    let looked = look(app, &described).await;
    let none = BTreeMap::new();
    let mut flows = bound(app, described, looked.as_ref().map_or(&none, |(_, known)| known))?;
    let (store, mut rekeyed) = looked?;
    note_keys(store.as_ref(), &mut flows, &mut rekeyed).await?;
    if flows.is_empty() && !rekeyed.is_empty() {
        return Err(Failure::rekeyed(rekeyed.values()));
    }
    let connections = sides
        .connectors
        .into_iter()
        .map(|(name, connector)| (name, Connection::new(connector)))
        .collect();
    let context = Context {
        store,
        hub: hub(app)?,
        connections,
        flows,
        rekeyed,
        clock: Arc::new(System),
        entropy: Arc::new(System),
        options: options(app),
        pauses: Pauses::default(),
        tally: Tally::default(),
        recent: Recent::default(),
    };
    context.hub.declare(&topology(&context)).await.map_err(hub_failure)?;
    Ok(Arc::new(context))
}

fn hub(app: &App) -> Result<Arc<dyn Hub>, Failure> {
    let Some(servers) = &app.project.servers else { return Ok(Arc::new(Embedded::new())) };
    let settings = RabbitSettings::parse(&servers.hub.url)
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
    let partitions = app.project.servers.as_ref().map(|servers| servers.hub.partitions);
    Options {
        partitions: partitions.unwrap_or(defaults.partitions),
        process: format!("{}-{}", std::process::id(), System.id()),
        sweep: env::sweep_ms().map_or(defaults.sweep, Duration::from_millis),
        resend_after: env::resend_after_s().map_or(defaults.resend_after, Duration::from_secs),
        lease: env::lease_s().map_or(defaults.lease, Duration::from_secs),
        ..defaults
    }
}

/// The state database, and the flows whose key changed.
async fn look(app: &App, described: &Described) -> Result<(Arc<dyn Store>, Changed), Failure> {
    let store = app.store().await?;
    let mut rekeyed = Changed::new();
    for draft in &app.project.flows {
        let keys = keys(&draft.spec, described.get(&draft.spec.name));
        let changed = keyed::look(store.as_ref(), &draft.spec.name, &keys).await?;
        rekeyed.extend(changed.map(|changed| (draft.spec.name.clone(), changed)));
    }
    Ok((store, rekeyed))
}

/// What a flow's record ids are made of, as far as its sides answered.
pub(crate) fn keys(draft: &FlowSpec, described: Option<&Answers>) -> Both<KeyedBy> {
    Both::build(|side| {
        let answer = described.and_then(|both| both.get(side).as_ref().ok());
        KeyedBy::of(draft.ends.get(side), answer.map_or(&[], |told| told.key.as_slice()))
    })
}

/// Notes what flows are keyed by, before anything of them is recorded.
async fn note_keys(
    store: &dyn Store,
    flows: &mut BTreeMap<FlowName, Arc<FlowSpec>>,
    rekeyed: &mut Changed,
) -> Result<(), Failure> {
    for (flow, spec) in flows.iter() {
        let changed = keyed::note(store, flow, &keys(spec, None), System.now()).await?;
        // Another process, with another configuration, was first.
        rekeyed.extend(changed.map(|changed| (flow.clone(), changed)));
    }
    flows.retain(|flow, _| !rekeyed.contains_key(flow));
    Ok(())
}

/// One flow bound to both its sides: what their columns can hold is known then.
pub(crate) async fn bound_flow(app: &App, draft: &FlowDraft) -> Result<Arc<FlowSpec>, Failure> {
    let mut described = app.sides()?.describe(&[&draft.spec]).await;
    bind_one(draft, &mut described)?.map(Arc::new).map_err(|wrong| {
        let located = wrong.iter().map(|mistake| app.project.locate(mistake));
        refuse(app, &located.collect::<Vec<_>>())
    })
}

fn refuse(app: &App, mistakes: &[Mistake]) -> Failure {
    report::mistakes(mistakes, app.format, app.color);
    Failure::new(Exit::Config, "the flows don't fit the two sides")
        .hint("`duet check` tells everything about them")
}

/// Flows bound to both sides, or every reason why not.
fn bound(
    app: &App,
    mut described: Described,
    rekeyed: &Changed,
) -> Result<BTreeMap<FlowName, Arc<FlowSpec>>, Failure> {
    let drafts = app.project.flows.iter().filter(|one| !rekeyed.contains_key(&one.spec.name));
    let mut flows = BTreeMap::new();
    let (mut wrong, mut located) = (Vec::new(), Vec::new());
    for draft in drafts {
        let unfit = unfit(app, draft, &described);
        if !unfit.is_empty() {
            located.extend(unfit);
            continue;
        }
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
    located.extend(wrong.iter().map(|mistake| app.project.locate(mistake)));
    located.extend(shared.iter().map(|one| app.project.locate_shared(one)));
    if located.is_empty() {
        return Ok(flows);
    }
    Err(refuse(app, &located))
}

/// What is wrong with both ends of a flow as a whole.
fn unfit(app: &App, draft: &FlowDraft, described: &Described) -> Vec<Mistake> {
    let Some(both) = described.get(&draft.spec.name) else { return Vec::new() };
    let of = |side| unfit::mistakes(&app.project, &draft.spec.name, side, both.get(side));
    Side::BOTH.into_iter().flat_map(of).collect()
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
    described: Result<Description, ConnectorError>,
) -> Result<Description, Failure> {
    let description = described.map_err(|error| {
        let text = error.failure.message.clone();
        Failure::new(exit_of(&error), format!("flow {flow}, {side}: {error}: {text}"))
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

/// How a command ends that a side doesn't serve: a used-up budget is there again later.
pub(crate) fn exit_of(error: &ConnectorError) -> Exit {
    match error.failure.class {
        FailureClass::Throttled => Exit::TryLater,
        FailureClass::Transient
        | FailureClass::Unreachable
        | FailureClass::UnknownOutcome
        | FailureClass::Auth
        | FailureClass::Stale
        | FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Gone
        | FailureClass::Dependency
        | FailureClass::Permission
        | FailureClass::Restricted
        | FailureClass::Poison => Exit::Connection,
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
