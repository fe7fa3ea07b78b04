//! `duet explain`: why a record, or one of its fields, is as it is.

use super::Ended;
use crate::app::App;
use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::output::{self, fitted, wrapped};
use duet_core::id::RecordId;
use duet_core::intent::Op;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_desk::explain::{Call, Decision, Explanation, Field, Write as Written};
use duet_desk::record::Name;
use std::fmt::Write as _;

/// Calls that the text shows: what happened last is what is asked for.
const CALLS_SHOWN: usize = 5;

/// Where what is told of a field begins.
const VALUES: usize = 11;

/// Runs it.
pub(crate) async fn run(app: &App, args: &ExplainArgs) -> Ended {
    let name = Name::parse(&args.record)?;
    let desk = app.desk().await?.revealing(args.reveal);
    let explanation = desk.explain(&name, args.field.as_deref()).await?;
    output::result(app.format, "explain", &explanation, || fitted(&text(&explanation), VALUES))?;
    Ok(Exit::Done)
}

fn text(explanation: &Explanation) -> String {
    let record = |id: &Option<RecordId>| id.as_ref().map_or("(none)".into(), ToString::to_string);
    let mut text = format!(
        "{}  left {}  right {}  {}\n",
        explanation.flow,
        record(&explanation.record.left),
        record(&explanation.record.right),
        phase(explanation),
    );
    let _ = writeln!(
        text,
        "  agreed {}\n  changed left {}, right {}",
        stamp(explanation.synced_at),
        stamp(explanation.changed.left),
        stamp(explanation.changed.right),
    );
    if let Some(decision) = &explanation.decision {
        let _ = writeln!(text, "  last decision {}", wrapped(&decided(decision), 4));
    }
    for field in &explanation.fields {
        text.push_str(&field_text(field));
    }
    text.push_str(&calls_text(&explanation.calls));
    text
}

/// The newest calls; `-o json` has all of them.
fn calls_text(calls: &[Call]) -> String {
    let mut text = String::new();
    if !calls.is_empty() {
        let _ = writeln!(text, "\n  calls {} of {}", calls.len().min(CALLS_SHOWN), calls.len());
    }
    for call in calls.iter().take(CALLS_SHOWN) {
        let op = call.op.map_or("?", Op::as_str);
        let side = call.side.map_or("?", Side::as_str);
        let code = call.failure.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let Call { number, sent_at, outcome, .. } = call;
        let _ = writeln!(text, "    {sent_at}  {op} {side}, try {number}: {outcome}{code}");
    }
    text
}

fn phase(explanation: &Explanation) -> String {
    let word = format!("{:?}", explanation.phase).to_lowercase();
    match explanation.due_at {
        Some(due) => format!("{word}, looked at again {due}"),
        None => word,
    }
}

fn field_text(field: &Field) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not seen)".into());
    let mut text = format!(
        "\n  {}\n    left   {}\n    right  {}\n",
        field.name,
        value(&field.values.left),
        value(&field.values.right),
    );
    match &field.agreed {
        Some(agreed) => {
            let origin = field.origin.map(|origin| format!("{origin:?}").to_lowercase());
            let _ = writeln!(
                text,
                "    agreed {agreed}  since {} from {}",
                stamp(field.agreed_at),
                origin.unwrap_or_default(),
            );
        }
        None => text.push_str("    agreed (nothing yet)\n"),
    }
    if let Some(decision) = &field.decision {
        let _ = writeln!(text, "    why    {}", wrapped(&decided(decision), VALUES));
    }
    for (side, written) in [("left", &field.written.left), ("right", &field.written.right)] {
        if let Some(written) = written {
            let _ = writeln!(text, "    wrote  {side}: {}", write_text(written));
        }
    }
    if let Some(error) = &field.error {
        let told = format!("back since {}: {}", error.since, error.reason);
        let _ = writeln!(text, "    kept   {}", wrapped(&told, VALUES));
    }
    if let Some(held) = &field.held {
        let kind = serde_json::to_value(held.kind).unwrap_or_default();
        let _ = writeln!(
            text,
            "    held   by conflict {} ({}) since {}",
            output::short(&held.conflict),
            kind.as_str().unwrap_or_default(),
            held.since,
        );
    }
    text
}

fn decided(decision: &Decision) -> String {
    let outcome = if decision.outcome.is_empty() {
        String::new()
    } else {
        format!(" -> {}", decision.outcome)
    };
    let Decision { at, row, rule, cause, .. } = decision;
    format!("{row} at {at} ({cause}): {rule}{outcome}")
}

fn write_text(written: &Written) -> String {
    let state = format!("{:?}", written.state).to_lowercase();
    let failure = written.failure.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    format!("{} at {} {state}{failure}", written.value, written.at)
}

fn stamp(at: Option<Stamp>) -> String {
    at.map_or_else(|| "never".into(), |at| at.to_string())
}
