//! `duet errors`: calls that failed, values that are kept back, and dead letters.

use super::Ended;
use crate::app::App;
use crate::args::ErrorsCommand;
use crate::exit::{Exit, Failure};
use crate::output::{self, Listed, count, fitted, short, table, wrapped};
use crate::report;
use duet_desk::Desk;
use duet_desk::errors::{
    Failed, FailedDetail, GivingUp, KeptBack, Retried, Target, Trouble, TroubleDetail,
};
use duet_desk::letters::Dead;
use duet_ports::inspect::LetterState;
use serde_json::json;
use std::fmt::Write as _;

/// Where the second column of `show` begins.
const INDENT: usize = 10;

/// Runs it.
pub(crate) async fn run(app: &App, command: &ErrorsCommand) -> Ended {
    let desk = app.desk().await?;
    match command {
        ErrorsCommand::List { flow, limit, reveal } => {
            let desk = desk.revealing(*reveal);
            let flow = flow.as_deref().map(Into::into);
            if let Some(flow) = &flow {
                desk.flow(flow)?;
            }
            let errors = desk.errors(flow.as_ref(), limit.saturating_add(1)).await?;
            let errors = Listed::of(errors, *limit);
            output::result(app.format, "errors", &errors, || list(&errors.items))?;
            errors.tell_more();
        }
        ErrorsCommand::Show { id, reveal } => {
            let detail = desk.revealing(*reveal).error(id).await?;
            output::result(app.format, "error", &detail, || show(&detail))?;
        }
        ErrorsCommand::Retry { all: true, .. } => {
            let Retried { done, moved_on, left } = desk.retry_all().await?;
            report(app, "due now", done)?;
            if moved_on > 0 {
                let moved_on = count(len(moved_on), "other", "others");
                report::note(&format!("{moved_on} had moved on by themselves"));
            }
            if left > 0 {
                let left = count(len(left), "dead letter names", "dead letters name");
                report::note(&format!("{left} no record that could be read again"));
            }
        }
        ErrorsCommand::Retry { ids, all: false } => {
            let done = desk.retry(&chosen(&desk, ids).await?).await?;
            report(app, "due now", done)?;
        }
        ErrorsCommand::Discard { ids, reason, by, yes } => {
            let by = by.clone().or_else(|| app.user.clone()).unwrap_or_else(|| "unknown".into());
            let giving_up = GivingUp { by, reason: reason.clone() };
            discard(app, &desk, &chosen(&desk, ids).await?, &giving_up, *yes).await?;
        }
    }
    Ok(Exit::Done)
}

async fn discard(
    app: &App,
    desk: &Desk,
    targets: &[Target],
    giving_up: &GivingUp,
    yes: bool,
) -> Result<(), Failure> {
    Desk::can_be_given_up(targets, giving_up)?;
    if !yes {
        let what = count(len(targets.len()), "error", "errors");
        return Err(Failure::new(Exit::Usage, format!("{what} would be discarded"))
            .hint("say --yes to discard; calls are tried again when an input changes"));
    }
    let done = desk.discard(targets, giving_up).await?;
    report(app, "discarded", done)
}

fn len(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

async fn chosen(desk: &Desk, ids: &[String]) -> Result<Vec<Target>, Failure> {
    let mut chosen = Vec::with_capacity(ids.len());
    for id in ids {
        chosen.push(desk.error(id).await?.target());
    }
    Ok(chosen)
}

fn report(app: &App, what: &str, done: usize) -> Result<(), Failure> {
    let value = json!({ "count": done, "outcome": what });
    let text = || format!("{} {what}", count(len(done), "error", "errors"));
    Ok(output::result(app.format, "errors-change", &value, text)?)
}

fn list(errors: &[Trouble]) -> String {
    if errors.is_empty() {
        return "no errors".into();
    }
    let rows = errors.iter().map(|error| match error {
        Trouble::Call(call) => call_row(call),
        Trouble::Value(value) => value_row(value),
        Trouble::Letter(letter) => letter_row(letter),
    });
    let rows = rows.collect();
    table(&["ID", "RECORD", "WHAT", "TRIES", "NEXT TRY", "CODE"], rows)
}

fn call_row(error: &Failed) -> Vec<String> {
    vec![
        short(&error.id.to_string()),
        error.record.clone(),
        error.what.clone(),
        error.attempts.to_string(),
        error.due_at.map_or_else(|| "parked".into(), |due| due.to_string()),
        error.failure.as_ref().map(|failure| failure.code.clone()).unwrap_or_default(),
    ]
}

fn value_row(error: &KeptBack) -> Vec<String> {
    vec![
        short(&error.id.to_string()),
        error.record.clone(),
        format!("{} to {}", error.field, error.source.other()),
        "-".into(),
        "kept back".into(),
        error.code.as_str().into(),
    ]
}

fn letter_row(letter: &Dead) -> Vec<String> {
    vec![
        letter.id.clone(),
        letter.record.clone(),
        "change".into(),
        "-".into(),
        standing(letter.state).into(),
        letter.place.clone(),
    ]
}

fn standing(state: LetterState) -> &'static str {
    match state {
        LetterState::Open => "dead letter",
        LetterState::Asked => "to be read again",
        LetterState::Replayed => "decided again",
        LetterState::Discarded => "discarded",
        LetterState::Superseded => "superseded",
    }
}

fn show(detail: &TroubleDetail) -> String {
    let text = match detail {
        TroubleDetail::Call(call) => show_call(call),
        TroubleDetail::Value(value) => show_value(value),
        TroubleDetail::Letter(letter) => show_letter(letter),
    };
    fitted(&text, INDENT)
}

fn show_value(error: &KeptBack) -> String {
    let KeptBack { id, record, field, source, side, column, code, reason, advice, since, .. } =
        error;
    let mut text = format!("{record}  {field} to {}  kept back\n", source.other());
    let _ = writeln!(text, "  id      {id}");
    let _ = writeln!(text, "  since   {since}");
    let _ = writeln!(text, "  code    {}", code.as_str());
    let _ = writeln!(text, "  column  {column} ({side})");
    let _ = writeln!(text, "  reason  {}", wrapped(reason, INDENT));
    let _ = writeln!(text, "  advice  {}", wrapped(advice, INDENT));
    text
}

fn show_letter(letter: &Dead) -> String {
    let mut text = format!("{}  change  {}\n", letter.record, standing(letter.state));
    let _ = writeln!(text, "  id      {}", letter.id);
    let _ = writeln!(text, "  since   {}", letter.since);
    let _ = writeln!(text, "  place   {}", letter.place);
    let _ = writeln!(text, "  reason  {}", wrapped(&letter.reason, INDENT));
    let _ = writeln!(text, "  bytes   {}", letter.bytes);
    if let Some(at) = letter.closed_at {
        let by = letter.handled_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let _ = writeln!(text, "  over    {at}{by}");
    }
    if let Some(note) = &letter.note {
        let _ = writeln!(text, "  note    {}", wrapped(note, INDENT));
    }
    let _ = writeln!(text, "  advice  {}", wrapped(letter.advice, INDENT));
    text
}

fn show_call(detail: &FailedDetail) -> String {
    let Failed { id, record, what, state, failure, advice, due_at, .. } = &detail.error;
    let mut text = format!("{record}  {what}  {}\n", format!("{state:?}").to_lowercase());
    let _ = writeln!(text, "  id      {id}");
    if let Some(failure) = failure {
        let told = format!("{}: {}", failure.code, failure.message);
        let _ = writeln!(text, "  refused {}", wrapped(&told, INDENT));
    }
    if !advice.is_empty() {
        let _ = writeln!(text, "  advice  {}", wrapped(advice, INDENT));
    }
    let _ = writeln!(text, "  writes  {}", wrapped(&detail.columns.join(", "), INDENT));
    let next = due_at.map_or_else(|| "when an input changes".into(), |due| due.to_string());
    let _ = writeln!(text, "  next    {next}");
    for attempt in &detail.history {
        let code = attempt.failure.as_ref().map(|failure| failure.code.as_str());
        let _ = writeln!(
            text,
            "  try {}   {} {} {}",
            attempt.number,
            attempt.sent_at,
            attempt.outcome,
            code.unwrap_or_default(),
        );
    }
    text
}
