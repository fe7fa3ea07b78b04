//! `duet conflicts`: what waits for a person.

use super::Ended;
use crate::app::App;
use crate::args::{ChoiceArgs, ConflictsCommand, ConflictsListArgs, ResolveArgs, Take};
use crate::exit::{Exit, Failure};
use crate::output::{self, Listed, clipped, short, table, wrapped};
use crate::wire;
use duet_core::conflict::{Choice, ConflictKind, ConflictState, Resolution};
use duet_core::id::FieldName;
use duet_core::side::Both;
use duet_core::spec::FlowSpec;
use duet_core::value::Value;
use duet_desk::Desk;
use duet_desk::conflicts::{Part, Shown, Wish};
use duet_desk::typed;
use duet_ports::inspect::ConflictFilter;
use serde_json::json;
use std::fmt::Write as _;

/// Where the choices of `resolve` stand in a line.
const RESOLVE: usize = 6;
/// Characters of a digest that tell one look from another.
const SEEN: usize = 8;

/// Runs it.
pub(crate) async fn run(app: &App, command: &ConflictsCommand) -> Ended {
    let desk = app.desk().await?;
    match command {
        ConflictsCommand::List(args) => {
            let desk = desk.revealing(args.reveal);
            let mut filter = filter(&desk, args)?;
            filter.limit = args.limit.saturating_add(1);
            let conflicts = Listed::of(desk.conflicts(&filter).await?, args.limit);
            output::result(app.format, "conflicts", &conflicts, || list(&conflicts.items))?;
            conflicts.tell_more();
        }
        ConflictsCommand::Show { id } => {
            // Nobody decides blind: what a decision is made from is shown as it is.
            let desk = desk.revealing(true);
            let conflict = desk.conflict(id).await?;
            output::result(app.format, "conflict", &conflict, || show(&conflict))?;
        }
        ConflictsCommand::Resolve(args) => resolve(app, &desk, args).await?,
    }
    Ok(Exit::Done)
}

fn filter(desk: &Desk, args: &ConflictsListArgs) -> Result<ConflictFilter, Failure> {
    let flow = args.flow.as_deref().map(Into::into);
    if let Some(flow) = &flow {
        desk.flow(flow)?;
    }
    let states = if args.all {
        vec![
            ConflictState::Open,
            ConflictState::Snoozed,
            ConflictState::Decided,
            ConflictState::Applied,
            ConflictState::Closed,
        ]
    } else {
        Vec::new()
    };
    let (field, limit) = (args.field.clone(), args.limit);
    Ok(ConflictFilter { flow, states, field, limit, ..ConflictFilter::default() })
}

async fn resolve(app: &App, desk: &Desk, args: &ResolveArgs) -> Result<(), Failure> {
    let mut shown = desk.conflict(&args.id).await?;
    if let Some(seen) = &args.seen {
        // The beginning will do, as for ids; anything else is another look at it.
        if seen.chars().count() < SEEN || !shown.seen.starts_with(seen.as_str()) {
            shown.seen.clone_from(seen);
        }
    }
    let choice = choice(app, &shown, &args.choice).await?;
    let by = args.by.clone().or_else(|| app.user.clone()).unwrap_or_else(|| "unknown".into());
    let (note, instead_of) = (args.note.clone(), args.instead_of);
    let wish = Wish { choice: choice.clone(), by: by.clone(), note, instead_of };
    let before = desk.resolve(&shown, wish).await?;
    let by = before.as_ref().map_or(&by, |made| &made.by);
    let (id, repeated) = (&shown.id, before.is_some());
    let value = json!({ "id": id, "record": shown.record, "choice": choice, "by": by,
        "repeated": repeated });
    let text = || {
        let how = match &before {
            Some(made) => format!("was decided so by {} at {}", made.by, made.at),
            None => format!("decided on {}", decided_on(&shown)),
        };
        format!(
            "{} {}: {how}; it is applied by `duet run` or `duet sync --once`, if both sides still \
             hold that",
            shown.record,
            shown.field.as_ref().map_or("record", FieldName::as_str),
        )
    };
    Ok(output::result(app.format, "resolution", &value, text)?)
}

/// What the decision was made from, in the few words of a list.
fn decided_on(shown: &Shown) -> String {
    let Both { left, right } = &shown.sides;
    let part = |part: &Part| clipped(&value_of(part, shown.field.as_ref()));
    format!("left {}, right {}", part(left), part(right))
}

fn value_of(part: &Part, field: Option<&FieldName>) -> String {
    match field {
        Some(field) => part.values.get(field).cloned().unwrap_or_default(),
        None if part.present => "present".into(),
        None => "absent".into(),
    }
}

async fn choice(app: &App, shown: &Shown, args: &ChoiceArgs) -> Result<Choice, Failure> {
    Ok(match (&args.take, &args.value, &args.link) {
        (Some(Take::Left), _, _) => Choice::TakeLeft,
        (Some(Take::Right), _, _) => Choice::TakeRight,
        (Some(Take::Agreed), _, _) => Choice::TakeAgreed,
        (None, Some(text), _) => Choice::TakeValue(value(app, shown, Some(text)).await?),
        (None, None, Some(record)) => Choice::LinkWith(record.as_str().into()),
        (None, None, None) if args.null => Choice::TakeValue(value(app, shown, None).await?),
        (None, None, None) if args.create => Choice::CreateNew,
        (None, None, None) => Choice::LeaveAlone,
    })
}

/// A typed value, as the field's type is written, or null. Both sides are asked what they can hold:
/// a choice that can't be carried out isn't stored.
async fn value(app: &App, shown: &Shown, text: Option<&String>) -> Result<Value, Failure> {
    let bad = |why: &str| {
        let what = text.map_or("null".to_owned(), |text| format!("{text:?}"));
        Failure::new(Exit::Usage, format!("{what} can't be taken: {why}"))
    };
    let (flow, _) = shown.record.split_once('/').unwrap_or((&shown.record, ""));
    let name = shown.field.as_ref().ok_or_else(|| bad("the conflict is about a record"))?;
    let mut drafts = app.project.flows.iter();
    let draft = drafts.find(|draft| draft.spec.name.as_str() == flow);
    let draft = draft.ok_or_else(|| bad("the flow is no longer configured"))?;
    let is_mapped = |spec: &FlowSpec| spec.fields.iter().any(|one| one.name == *name);
    if !is_mapped(&draft.spec) {
        return Err(bad("the field is no longer mapped"));
    }
    let spec = wire::bound_flow(app, draft).await?;
    let field = spec.fields.iter().find(|one| one.name == *name);
    let field = field.ok_or_else(|| bad("the field is no longer mapped"))?;
    let value = text.map_or(Ok(Value::Null), |text| typed::value(field, text))?;
    typed::fits_both(&spec, field, &value)?;
    Ok(value)
}

fn kind(kind: ConflictKind) -> String {
    let word = serde_json::to_value(kind).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn state(state: ConflictState) -> String {
    format!("{state:?}").to_lowercase()
}

fn list(conflicts: &[Shown]) -> String {
    if conflicts.is_empty() {
        return "no conflicts".into();
    }
    let row = |conflict: &Shown| {
        vec![
            short(&conflict.id),
            conflict.record.clone(),
            conflict.field.as_ref().map_or("(record)".into(), ToString::to_string),
            kind(conflict.kind),
            state(conflict.state),
            clipped(&value_of(&conflict.sides.left, conflict.field.as_ref())),
            clipped(&value_of(&conflict.sides.right, conflict.field.as_ref())),
        ]
    };
    let rows = conflicts.iter().map(row).collect();
    table(&["ID", "RECORD", "FIELD", "KIND", "STATE", "LEFT", "RIGHT"], rows)
}

fn show(conflict: &Shown) -> String {
    let mut text = format!(
        "{}  {}  {}  {} since {}\n",
        conflict.record,
        conflict.field.as_ref().map_or("(record)", FieldName::as_str),
        kind(conflict.kind),
        state(conflict.state),
        conflict.opened_at,
    );
    let _ = writeln!(text, "  id      {}", conflict.id);
    for (field, value) in &conflict.agreed {
        let _ = writeln!(text, "  agreed  {field} = {value}");
    }
    for (side, part) in [("left ", &conflict.sides.left), ("right", &conflict.sides.right)] {
        text.push_str(&part_text(side, part));
    }
    for candidate in &conflict.candidates {
        let _ = writeln!(text, "  could be {candidate}");
    }
    for made in conflict.resolution.iter().flat_map(Resolution::with_earlier) {
        let choice = serde_json::to_string(&made.choice).unwrap_or_default();
        let _ = writeln!(text, "  decided {choice} by {} at {}", made.by, made.at);
    }
    if conflict.state.holds() {
        let _ = writeln!(
            text,
            "\n  duet conflicts resolve {} --seen {}{} \\\n      {}",
            short(&conflict.id),
            conflict.seen.chars().take(SEEN).collect::<String>(),
            instead_of(conflict),
            wrapped(&conflict.choices.join(" | "), RESOLVE),
        );
    }
    text
}

/// How a decision that stands is changed.
fn instead_of(conflict: &Shown) -> String {
    match conflict.state {
        ConflictState::Decided => format!(" --instead-of {}", conflict.rev),
        ConflictState::Open
        | ConflictState::Snoozed
        | ConflictState::Applied
        | ConflictState::Closed => String::new(),
    }
}

fn part_text(side: &str, part: &Part) -> String {
    let record = part.record.as_ref().map_or("(none)".into(), ToString::to_string);
    let there = if part.present { "" } else { "  not there" };
    let who = part.actor.name.as_deref().unwrap_or("unknown");
    let class = format!("{:?}", part.actor.class).to_lowercase();
    let mut text = format!("  {side}   {record}{there}  by {who} ({class})\n");
    if let Some((from, to)) = part.changed {
        let _ = writeln!(text, "          changed between {from} and {to}");
    }
    for (field, value) in &part.values {
        let _ = writeln!(text, "          {field} = {value}");
    }
    text
}
