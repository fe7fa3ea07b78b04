//! `duet check`: configuration, connections, permissions, types, and the class of every write path.

use super::Ended;
use crate::app::App;
use crate::args::{CheckArgs, Cli, Format};
use crate::exit::{Exit, Failure};
use crate::output::{self, table};
use crate::report;
use crate::sides::{Answers, Sides};
use crate::unfit;
use crate::wire::{keys, side_facts};
use duet_config::{FlowDraft, Mistake};
use duet_core::bind::{examine, refuse_shared_writes};
use duet_core::id::FlowName;
use duet_core::keyed::Rekeyed;
use duet_core::side::{Both, Side};
use duet_core::spec::{FlowSpec, PathClass};
use duet_hub::{RabbitHub, RabbitSettings};
use duet_pipeline::keyed;
use duet_ports::clock::System;
use duet_ports::connector::{ConnectorError, Description, Usage};
use duet_ports::hub::{Hub, HubError, Queue};
use duet_ports::store::Store;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::Arc;

/// Where the second line of a promise begins.
const PROMISE: usize = 5;

/// What `check` found.
#[derive(Default, Serialize)]
struct Findings {
    mistakes: Vec<Value>,
    problems: Vec<Problem>,
    paths: Vec<PathRow>,
    connections: Vec<Reached>,
    /// Flows whose key isn't the one that their links hold.
    rekeyed: Vec<Rekeyed>,
}

/// A connection or permission that doesn't work, or a remark.
#[derive(Serialize)]
struct Problem {
    place: String,
    fatal: bool,
    text: String,
}

/// The promise of one write path.
#[derive(Serialize)]
struct PathRow {
    flow: FlowName,
    side: Side,
    collection: String,
    guarded: PathClass,
    batch: PathClass,
}

/// Whether something answered.
#[derive(Serialize)]
struct Reached {
    what: String,
    ok: bool,
    /// The day's requests, where the side counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

/// Runs it.
pub(crate) async fn run(cli: &Cli, args: &CheckArgs) -> Ended {
    let app = App::load(cli)?;
    let mut findings = Findings::default();
    let mut located: Vec<Mistake> = Vec::new();
    if !args.offline {
        online(&app, &mut findings, &mut located).await?;
    }
    findings.mistakes = located.iter().map(report::document).collect();
    let located = folded(located);
    if app.format == Format::Text {
        report::mistakes(&located, app.format, app.color);
    }
    output::result(app.format, "check", &findings, || text(&app, &findings, &located))?;
    Ok(exit(&findings, &located, args))
}

/// Several mistakes of one code in one place, such as the columns of a group, as one.
fn folded(located: Vec<Mistake>) -> Vec<Mistake> {
    let mut folded: Vec<Mistake> = Vec::new();
    for mistake in located {
        match folded.last_mut() {
            Some(last)
                if (last.code, &last.file, &last.span)
                    == (mistake.code, &mistake.file, &mistake.span) =>
            {
                last.sentence = format!("{}; {}", last.sentence, mistake.sentence);
            }
            _ => folded.push(mistake),
        }
    }
    folded
}

async fn online(
    app: &App,
    findings: &mut Findings,
    located: &mut Vec<Mistake>,
) -> Result<(), Failure> {
    let store = state(app, findings).await;
    hub(app, findings).await;
    let sides = app.sides()?;
    connections(&sides, findings).await;
    let drafts: Vec<&FlowSpec> = app.project.flows.iter().map(|flow| &flow.spec).collect();
    let mut described = sides.describe(&drafts).await;
    let mut bound = Vec::new();
    for draft in &app.project.flows {
        if let Some(both) = described.remove(&draft.spec.name) {
            if is_rekeyed(store.as_deref(), draft, &both, findings).await? {
                continue;
            }
            bound.extend(flow(app, draft, both, findings, located));
        }
    }
    let shared = refuse_shared_writes(&bound);
    located.extend(shared.iter().map(|one| app.project.locate_shared(one)));
    Ok(())
}

/// Whether a flow's key changed since its links were made: what its sides say of the new key would
/// mislead.
async fn is_rekeyed(
    store: Option<&dyn Store>,
    draft: &FlowDraft,
    both: &Answers,
    findings: &mut Findings,
) -> Result<bool, Failure> {
    let Some(store) = store else { return Ok(false) };
    let flow = &draft.spec.name;
    let Some(rekeyed) = keyed::look(store, flow, &keys(&draft.spec, Some(both))).await? else {
        return Ok(false);
    };
    let text = format!("{rekeyed}; {}", Rekeyed::ADVICE);
    findings.problems.push(Problem { place: format!("flow {flow}"), fatal: true, text });
    findings.rekeyed.push(rekeyed);
    Ok(true)
}

/// The state database or file, if it answers. A file that isn't there is made at its first use.
async fn state(app: &App, findings: &mut Findings) -> Option<Arc<dyn Store>> {
    if app.project.servers.is_none() && !crate::state::place(&app.folder).exists() {
        return None;
    }
    let flow = app.project.flows.first().map(|flow| flow.spec.name.clone());
    let asked = async {
        let store = app.store().await?;
        if let Some(flow) = flow {
            store.flow_state(&flow).await?;
        }
        Ok::<_, Failure>(store)
    };
    let answer = asked.await.map_err(|failure| match failure.hint {
        Some(hint) => format!("{}: {hint}", failure.sentence),
        None => failure.sentence,
    });
    let store = answer.as_ref().ok().cloned();
    findings.reached("state database", answer.map(drop));
    store
}

/// Asks for one queue: that makes none, and one that is missing is made by whoever needs it.
async fn hub(app: &App, findings: &mut Findings) {
    let Some(servers) = &app.project.servers else { return };
    let answer = match RabbitSettings::parse(&servers.hub.url) {
        Err(error) => Err(error.to_string()),
        Ok(settings) => {
            let hub = RabbitHub::open(settings, Arc::new(System), Arc::new(System));
            let answer = match hub.depth(&Queue::Changes(0)).await {
                Ok(_) | Err(HubError::Missing { .. }) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            hub.close().await;
            answer
        }
    };
    findings.reached("hub", answer);
}

async fn connections(sides: &Sides, findings: &mut Findings) {
    for (name, connector) in &sides.connectors {
        let answer = connector.ping().await.map_err(|error| words(&error));
        findings.reached(&format!("connection {name}"), answer);
        if let Some(reached) = findings.connections.last_mut() {
            reached.usage = connector.usage();
        }
    }
}

fn words(error: &ConnectorError) -> String {
    format!("{} ({})", error.failure.message, error.failure.code)
}

fn flow(
    app: &App,
    draft: &FlowDraft,
    both: Both<Result<Description, ConnectorError>>,
    findings: &mut Findings,
    located: &mut Vec<Mistake>,
) -> Option<FlowSpec> {
    let Both { left, right } = both;
    let unfit = |side, one| unfit::mistakes(&app.project, &draft.spec.name, side, one);
    let unfit = [unfit(Side::Left, &left), unfit(Side::Right, &right)].concat();
    let left = end(draft, Side::Left, left, findings);
    let right = end(draft, Side::Right, right, findings);
    if !unfit.is_empty() {
        located.extend(unfit);
        return None;
    }
    let (left, right) = (side_facts(&left?), side_facts(&right?));
    let (bound, mistakes) = examine(draft.spec.clone(), &left, &right);
    located.extend(mistakes.iter().map(|mistake| app.project.locate(mistake)));
    bound
}

fn end(
    draft: &FlowDraft,
    side: Side,
    described: Result<Description, ConnectorError>,
    findings: &mut Findings,
) -> Option<Description> {
    let place = format!("flow {}, {side}", draft.spec.name);
    match described {
        Ok(description) => {
            let remarks = description.remarks.iter().filter(|remark| !unfit::is_mistake(remark));
            findings.problems.extend(remarks.map(|remark| Problem {
                place: place.clone(),
                fatal: remark.fatal,
                text: remark.text.clone(),
            }));
            findings.paths.push(PathRow {
                flow: draft.spec.name.clone(),
                side,
                collection: draft.spec.ends.get(side).collection.clone(),
                guarded: description.guarded,
                batch: description.batch,
            });
            Some(description)
        }
        Err(error) if unfit::of_error(&error).is_some() => None,
        Err(error) => {
            let text = words(&error);
            // A connection that fails as a whole has been told of.
            let whole = format!("connection {}", draft.spec.ends.get(side).connection);
            if !findings.problems.iter().any(|told| told.place == whole && told.text == text) {
                findings.problems.push(Problem { place, fatal: true, text });
            }
            None
        }
    }
}

impl Findings {
    fn reached(&mut self, what: &str, answer: Result<(), String>) {
        let ok = answer.is_ok();
        if let Err(text) = answer {
            self.problems.push(Problem { place: what.to_owned(), fatal: true, text });
        }
        self.connections.push(Reached { what: what.to_owned(), ok, usage: None });
    }
}

fn exit(findings: &Findings, located: &[Mistake], args: &CheckArgs) -> Exit {
    let warnings = located.iter().any(Mistake::is_warning)
        || findings.problems.iter().any(|problem| !problem.fatal);
    if located.iter().any(|mistake| !mistake.is_warning()) || !findings.rekeyed.is_empty() {
        Exit::Config
    } else if findings.problems.iter().any(|problem| problem.fatal) {
        Exit::Connection
    } else if args.strict && warnings {
        Exit::Differences
    } else {
        Exit::Done
    }
}

fn text(app: &App, findings: &Findings, located: &[Mistake]) -> String {
    let mut text = String::new();
    for problem in &findings.problems {
        let word = if problem.fatal { "error" } else { "warning" };
        let _ = writeln!(text, "{word}: {}: {}", problem.place, problem.text);
    }
    if !findings.paths.is_empty() {
        let class = |class: PathClass| format!("{class:?}");
        let row = |path: &PathRow| {
            vec![
                path.flow.to_string(),
                path.side.to_string(),
                path.collection.clone(),
                class(path.guarded),
                class(path.batch),
            ]
        };
        let rows = findings.paths.iter().map(row).collect();
        let head = ["FLOW", "SIDE", "COLLECTION", "GUARDED PATH", "BATCH PATH"];
        let _ = writeln!(text, "{}", table(&head, rows));
        for note in promises(&findings.paths) {
            let _ = writeln!(text, "{}", output::wrapped(note, PROMISE));
        }
        text.push_str("classes: docs/reference/classes.md\n");
    }
    let reached = findings.connections.iter().filter(|one| one.ok).count();
    if !findings.connections.is_empty() {
        let _ = writeln!(text, "reached {reached} of {}", findings.connections.len());
    }
    for (what, usage) in findings.connections.iter().filter_map(|one| Some((&one.what, one.usage?)))
    {
        let Usage { used, max, .. } = usage;
        let _ = writeln!(text, "{what}: {used} of {max} requests used in 24 hours");
    }
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let flows = number(app.project.flows.len());
    let fatal = findings.problems.iter().filter(|problem| problem.fatal).count();
    let others = (number(fatal), number(findings.problems.len() - fatal));
    let summary = report::summary_with(located, others);
    let _ = write!(text, "{}: {summary}", output::count(flows, "flow", "flows"));
    text
}

/// What the classes in use can't promise: whoever chooses a policy must know (design, section 6).
fn promises(paths: &[PathRow]) -> Vec<&'static str> {
    let mut used: Vec<PathClass> =
        paths.iter().flat_map(|path| [path.guarded, path.batch]).collect();
    used.sort_unstable();
    used.dedup();
    used.into_iter().rev().filter_map(promise).collect()
}

fn promise(class: PathClass) -> Option<&'static str> {
    match class {
        PathClass::K3 => None,
        PathClass::K3s => Some(
            "K3s: an edit is safe unless it is saved in the very second of the version that was \
             read, by a transaction still open at that time",
        ),
        PathClass::K2 => Some("K2: plain fields are safe; counters need capture or a marker field"),
        PathClass::K1 => {
            Some("K1: an edit between the read and the write of a batch is lost, and recorded")
        }
        PathClass::K1p => Some(
            "K1p: an edit between the read and the write of a batch (the time of two calls) is \
             overwritten",
        ),
        PathClass::K0 => Some("K0: whatever is there is overwritten"),
    }
}

#[cfg(test)]
mod tests {
    //! Shows what is told once.

    use super::*;
    use duet_config::Code;

    #[test]
    fn columns_of_one_place_are_told_as_one() {
        let one = |code, line: usize, sentence: &str| {
            let mut mistake = Mistake::of_file(code, "a.toml", sentence.to_owned());
            mistake.span = line..line + 1;
            mistake
        };
        let located = vec![
            one(Code::BindTooLong, 1, "a is longer"),
            one(Code::BindTooLong, 1, "b is longer"),
            one(Code::BindNotWritable, 1, "a is closed"),
            one(Code::BindTooLong, 2, "c is longer"),
        ];
        let sentences: Vec<String> =
            folded(located).into_iter().map(|mistake| mistake.sentence).collect();
        assert_eq!(sentences, ["a is longer; b is longer", "a is closed", "c is longer"]);
        assert_eq!(folded(Vec::new()), []);
    }

    #[test]
    fn a_class_is_explained_once_and_only_where_it_is_used() {
        let path = |guarded, batch| PathRow {
            flow: "a".into(),
            side: Side::Left,
            collection: "A".into(),
            guarded,
            batch,
        };
        let told = |paths: &[PathRow]| -> Vec<String> {
            promises(paths).iter().map(|note| note[..3].replace(':', "")).collect()
        };
        use PathClass::{K1p, K2, K3, K3s};
        assert_eq!(told(&[path(K3s, K1p), path(K3, K3), path(K3s, K2)]), ["K3s", "K2", "K1p"]);
        assert!(told(&[path(K3, K3)]).is_empty());
    }
}
