//! `duet adopt`: pairs what exists on both sides; links the pairs with `--yes`.

use super::Ended;
use crate::app::App;
use crate::args::AdoptArgs;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::progress;
use crate::report;
use crate::signal;
use duet_core::id::FlowName;
use duet_core::spec::Mapping;
use duet_pipeline::adopt::{Adoption, Lone, Progress, Survey};
use duet_pipeline::context::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Records that the text report names of each kind; `-o json` has them all.
const NAMED: usize = 10;

/// What to do after an interruption.
const GO_ON: &str = "run it again: what is linked stays linked";

/// One flow's report.
#[derive(Serialize)]
struct Report {
    flow: FlowName,
    linked_now: bool,
    #[serde(flatten)]
    survey: Survey,
}

/// Runs it.
pub(crate) async fn run(app: &App, args: &AdoptArgs) -> Ended {
    // Listens from now on: a lease that is held is given back.
    let mut stopped = tokio::spawn(signal::stopped());
    let gone =
        |exit: Result<Exit, _>| signal::interrupted(exit.unwrap_or(Exit::Interrupted), GO_ON);
    let context = tokio::select! {
        context = app.context() => context?,
        exit = &mut stopped => return Err(gone(exit)),
    };
    let mut reports = Vec::new();
    let mut ended = Ok(Exit::Done);
    for flow in chosen(&context, &args.flow)? {
        let stopped = async { gone((&mut stopped).await) };
        match adopt_one(app, &context, &flow, args.yes, stopped).await {
            Ok(survey) => reports.push(Report { flow, linked_now: args.yes, survey }),
            Err(failure) => {
                ended = Err(failure);
                break;
            }
        }
    }
    // What was linked before one failed is told all the same.
    if ended.is_ok() || !reports.is_empty() {
        output::result(app.format, "adopt", &reports, || text(&reports, args.yes))?;
    }
    let dead = context.tally.dead.load(Ordering::Relaxed);
    if dead > 0 {
        let records = output::count(dead, "record", "records");
        report::note(&format!("{records} could not be recorded: `duet errors list` tells why"));
    }
    ended
}

async fn adopt_one(
    app: &App,
    context: &Arc<Context>,
    flow: &FlowName,
    yes: bool,
    stopped: impl Future<Output = Failure>,
) -> Result<Survey, Failure> {
    let mut adoption = Adoption::begin(context, flow).await?;
    // Every step is a transaction or a read: one that is dropped leaves nothing behind.
    let done = tokio::select! {
        done = adopt(app, context, flow, &mut adoption, yes) => done,
        failure = stopped => Err(failure),
    };
    adoption.end(context).await?;
    done
}

async fn adopt(
    app: &App,
    context: &Arc<Context>,
    flow: &FlowName,
    adoption: &mut Adoption,
    yes: bool,
) -> Result<Survey, Failure> {
    let bar = app.progress(format!("{flow}: reading"));
    let watch = |progress| match progress {
        Progress::Scanned(side, count, estimate) => {
            progress::show(&bar, format!("{flow}: reading {side}"), count, estimate);
        }
        Progress::Surveyed(count) => {
            progress::show(&bar, format!("{flow}: matching"), count, None);
        }
        Progress::Linked(count, total) => {
            progress::show(&bar, format!("{flow}: linking"), count, Some(total));
        }
    };
    adoption.scan(context, &watch).await?;
    let survey = adoption.survey(context, &watch).await?;
    if yes {
        adoption.link(context, &survey, &watch).await?;
    }
    bar.finish_and_clear();
    Ok(survey)
}

fn configured(context: &Context) -> impl Iterator<Item = &FlowName> {
    context.flows.keys().chain(context.rekeyed.keys())
}

/// The flows to adopt, parents first. None is, if the key of one of them changed.
fn chosen(context: &Context, named: &[String]) -> Result<Vec<FlowName>, Failure> {
    for name in named {
        if !configured(context).any(|flow| flow.as_str() == name) {
            let known: Vec<&str> = configured(context).map(FlowName::as_str).collect();
            let sentence = format!("no flow named {name} is configured");
            let hint = format!("there are: {}", known.join(", "));
            return Err(Failure::new(Exit::Usage, sentence).hint(hint));
        }
    }
    let wanted =
        |flow: &FlowName| named.is_empty() || named.iter().any(|name| name == flow.as_str());
    let mut rekeyed = context.rekeyed.values().filter(|changed| wanted(&changed.flow)).peekable();
    if rekeyed.peek().is_some() {
        return Err(Failure::rekeyed(rekeyed));
    }
    let mut ordered = Vec::new();
    for flow in context.flows.keys() {
        visit(context, flow, &mut ordered, &mut Vec::new());
    }
    Ok(ordered.into_iter().filter(wanted).collect())
}

fn visit(
    context: &Context,
    flow: &FlowName,
    ordered: &mut Vec<FlowName>,
    path: &mut Vec<FlowName>,
) {
    if ordered.contains(flow) || path.contains(flow) {
        return;
    }
    path.push(flow.clone());
    let parents = context.flow(flow).into_iter().flat_map(|spec| &spec.fields);
    for field in parents {
        if let Mapping::Parent { flow: parent, .. } = &field.mapping {
            visit(context, parent, ordered, path);
        }
    }
    path.pop();
    ordered.push(flow.clone());
}

fn text(reports: &[Report], yes: bool) -> String {
    let rows = reports.iter().map(row).collect();
    let head =
        ["FLOW", "MATCHED", "DIFFER", "AMBIGUOUS", "ONLY LEFT", "ONLY RIGHT", "LINKED BEFORE"];
    let mut text = output::table(&head, rows);
    for report in reports {
        text.push_str(&details(report));
    }
    text.push_str(if yes {
        "\n\nlinked; the rest follows by `on_none`: duet run, or duet sync --once"
    } else {
        "\n\nnothing was written or linked; to link: duet adopt --yes"
    });
    text
}

fn row(report: &Report) -> Vec<String> {
    let Survey { matched, ambiguous, only, linked, .. } = &report.survey;
    let differing = matched.iter().filter(|pair| !pair.differing.is_empty()).count();
    vec![
        report.flow.to_string(),
        matched.len().to_string(),
        differing.to_string(),
        format!("{} / {}", ambiguous.left.len(), ambiguous.right.len()),
        only.left.len().to_string(),
        only.right.len().to_string(),
        linked.to_string(),
    ]
}

fn details(report: &Report) -> String {
    let survey = &report.survey;
    let mut text = String::new();
    let mut fields: BTreeMap<&str, usize> = BTreeMap::new();
    for field in survey.matched.iter().flat_map(|pair| &pair.differing) {
        *fields.entry(field.as_str()).or_default() += 1;
    }
    let fields: Vec<String> =
        fields.iter().map(|(field, count)| format!("{field} {count}")).collect();
    if !fields.is_empty() {
        let line = format!("{}: pairs differ in {}", report.flow, fields.join(", "));
        let _ = write!(text, "\n\n{}", output::wrapped(&line, 4));
    }
    for (what, lone) in [
        ("ambiguous left", &survey.ambiguous.left),
        ("ambiguous right", &survey.ambiguous.right),
        ("only left", &survey.only.left),
        ("only right", &survey.only.right),
        ("without a key left", &survey.keyless.left),
        ("without a key right", &survey.keyless.right),
    ] {
        text.push_str(&named(&report.flow, what, lone));
    }
    text
}

fn named(flow: &FlowName, what: &str, lone: &[Lone]) -> String {
    if lone.is_empty() {
        return String::new();
    }
    // A key may be the empty text, which is named `FLOW/right:`.
    let name = |one: &Lone| match one.record.as_str() {
        "" => "\"\"".to_owned(),
        key => key.to_owned(),
    };
    let names: Vec<String> = lone.iter().take(NAMED).map(name).collect();
    let more = lone.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more (-o json)") } else { String::new() };
    format!("\n{}", output::wrapped(&format!("{flow}: {what}: {}{rest}", names.join(", ")), 4))
}
