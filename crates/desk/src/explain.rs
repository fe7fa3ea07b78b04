//! Explain: why a field of a record is what it is. Both values, the agreed one, stamps, row, rule,
//! what was written, and every call that was tried.

use crate::Desk;
use crate::error::DeskError;
use crate::record::Name;
use crate::shown;
use duet_core::agreed::{Agreed, AgreedField};
use duet_core::conflict::{Conflict, ConflictState, Scope};
use duet_core::field_error::FieldError;
use duet_core::id::{FieldName, LinkId, RecordId};
use duet_core::intent::{Intent, Op};
use duet_core::link::{Link, Phase};
use duet_core::mapping;
use duet_core::side::{Both, Side};
use duet_core::spec::{FieldSpec, FlowSpec};
use duet_core::stamp::Stamp;
use duet_core::verdict::{FieldOutcome, compares_fields};
use duet_ports::inspect::{AttemptRow, DecisionRow, LinkDetail};
use serde::Serialize;

/// How many rows of each kind of history are looked at.
const HISTORY: u64 = 200;

/// Why a record is what it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The flow.
    pub flow: String,
    /// The link.
    pub link: LinkId,
    /// Where it stands.
    pub phase: Phase,
    /// The record on each side.
    pub record: Both<Option<RecordId>>,
    /// When both sides last agreed on everything.
    pub synced_at: Option<Stamp>,
    /// Each side's own change stamp at that agreement.
    pub synced: Both<Option<Stamp>>,
    /// Each side's present change stamp.
    pub changed: Both<Option<Stamp>>,
    /// When duet looks again.
    pub due_at: Option<Stamp>,
    /// The last decision about the record as a whole.
    pub decision: Option<Decision>,
    /// Per field.
    pub fields: Vec<Field>,
    /// Calls about the record, newest first.
    pub calls: Vec<Call>,
}

/// A call that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The intent.
    pub intent: String,
    /// The side that was called, if the intent is among the newest of the record.
    pub side: Option<Side>,
    /// What was asked for, likewise.
    pub op: Option<Op>,
    /// Which try of that intent, from 1. Tries that didn't leave are not counted.
    pub number: u32,
    /// When the call left.
    pub sent_at: Stamp,
    /// When its answer was in hand, or nobody waited for it any more.
    pub done_at: Stamp,
    /// `landed`, `read`, `found`, `refused`, `unknown`, `not_sent`, `seen`.
    pub outcome: String,
    /// The side's code, if it failed.
    pub failure: Option<String>,
}

/// A decision, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// When.
    pub at: Stamp,
    /// The table row.
    pub row: String,
    /// The rule.
    pub rule: String,
    /// What followed.
    pub outcome: String,
    /// What made duet look.
    pub cause: String,
    /// The policy's digest.
    pub policy: String,
}

/// Why a field is what it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: FieldName,
    /// What each side holds, as last seen; none: not seen.
    pub values: Both<Option<String>>,
    /// What is agreed, in the flow's neutral form.
    pub agreed: Option<String>,
    /// When that was agreed.
    pub agreed_at: Option<Stamp>,
    /// Where it came from.
    pub origin: Option<duet_core::agreed::Origin>,
    /// The last decision that names the field.
    pub decision: Option<Decision>,
    /// The last write of the field to each side.
    pub written: Both<Option<Write>>,
    /// What holds it back.
    pub held: Option<Held>,
    /// Why its value is kept back from the other side, if it is (rows F8, P4).
    pub error: Option<FieldError>,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// The intent.
    pub intent: String,
    /// When it left, or was planned.
    pub at: Stamp,
    /// What it carried.
    pub value: String,
    /// Where it stands.
    pub state: duet_core::intent::IntentState,
    /// The side's code, if it failed.
    pub failure: Option<String>,
}

/// What holds a field back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The conflict.
    pub conflict: String,
    /// Its kind.
    pub kind: duet_core::conflict::ConflictKind,
    /// Since when.
    pub since: Stamp,
}

impl Desk {
    /// Explains a record, or one field of it.
    ///
    /// # Errors
    /// When there is no such flow, record or field.
    pub async fn explain(
        &self,
        name: &Name,
        field: Option<&str>,
    ) -> Result<Explanation, DeskError> {
        let spec = self.flow(&name.flow)?;
        let fields = chosen(spec, field)?;
        let link = self.link_of(name).await?;
        let detail = self.store.link_detail(link, HISTORY).await?.ok_or_else(|| {
            DeskError::NoRecord { flow: name.flow.clone(), key: name.record.to_string() }
        })?;
        Ok(explained(spec, &fields, &detail, self.reveal))
    }
}

fn chosen<'a>(spec: &'a FlowSpec, field: Option<&str>) -> Result<Vec<&'a FieldSpec>, DeskError> {
    let Some(wanted) = field else { return Ok(spec.fields.iter().collect()) };
    let found: Vec<&FieldSpec> =
        spec.fields.iter().filter(|one| one.name.as_str() == wanted).collect();
    if found.is_empty() {
        let known: Vec<&str> = spec.fields.iter().map(|one| one.name.as_str()).collect();
        return Err(DeskError::NoField {
            flow: spec.name.clone(),
            field: wanted.to_owned(),
            known: known.join(", "),
        });
    }
    Ok(found)
}

fn explained(
    spec: &FlowSpec,
    fields: &[&FieldSpec],
    detail: &LinkDetail,
    reveal: bool,
) -> Explanation {
    let link = &detail.link;
    Explanation {
        flow: link.flow.to_string(),
        link: link.id,
        phase: link.phase,
        record: link.record.clone(),
        synced_at: link.synced_at,
        synced: link.synced.clone(),
        changed: Both::build(|side| {
            detail.seen.get(side).as_ref().and_then(|seen| seen.changed_at)
        }),
        due_at: link.due_at,
        decision: detail.decisions.first().map(|row| decision(row, &row.rule, "")),
        fields: fields.iter().map(|field| explain_field(spec, field, detail, reveal)).collect(),
        calls: detail.attempts.iter().map(|row| call(row, &detail.intents)).collect(),
    }
}

fn call(row: &AttemptRow, intents: &[Intent]) -> Call {
    let intent = intents.iter().find(|intent| intent.id == row.intent);
    Call {
        intent: row.intent.to_string(),
        side: intent.map(|intent| intent.side),
        op: intent.map(|intent| intent.op),
        number: row.number,
        sent_at: row.sent_at,
        done_at: row.done_at,
        outcome: row.outcome.clone(),
        failure: row.failure.as_ref().map(|failure| failure.code.clone()),
    }
}

fn explain_field(spec: &FlowSpec, field: &FieldSpec, detail: &LinkDetail, reveal: bool) -> Field {
    let agreed = agreed_field(&detail.agreed, &field.name);
    let show =
        |value: &duet_core::value::Value| shown::field_text(spec, &field.name, value, reveal);
    Field {
        name: field.name.clone(),
        values: Both::build(|side| {
            let seen = detail.seen.get(side).as_ref()?;
            Some(show(&mapping::native(field, side, &seen.image)?))
        }),
        agreed: agreed.map(|agreed| show(&agreed.trunk)),
        agreed_at: agreed.map(|agreed| agreed.at),
        origin: agreed.map(|agreed| agreed.origin),
        decision: last_decision(&detail.decisions, &field.name, agreed.is_some()),
        written: Both::build(|side| last_write(&field.name, side, &detail.intents, &show)),
        held: held(&field.name, &detail.conflicts),
        error: kept_back(&field.name, &detail.link),
    }
}

fn agreed_field<'a>(agreed: &'a Agreed, field: &FieldName) -> Option<&'a AgreedField> {
    match agreed {
        Agreed::None => None,
        Agreed::Pair(pair) => pair.fields.get(field),
        Agreed::Tomb(tomb) => tomb.last.fields.get(field),
    }
}

/// Rows that explain nothing: nothing moved, or a side is given what was agreed before.
const CARRIED_OUT: [&str; 2] = ["F1", "F1b"];

/// The last decision that did something about a field; else the last that named it, or that found
/// it as agreed, which isn't told field by field.
fn last_decision(
    decisions: &[DecisionRow],
    field: &FieldName,
    is_agreed: bool,
) -> Option<Decision> {
    let named = || {
        decisions.iter().filter_map(|row| {
            let told = row.outcomes.iter().find(|outcome| outcome.field == *field).cloned();
            let is_calm = is_agreed && compares_fields(&row.row);
            Some((row, told.or_else(|| is_calm.then(|| FieldOutcome::calm(field.clone())))?))
        })
    };
    let acted = named().find(|(_, outcome)| !CARRIED_OUT.contains(&outcome.row.as_str()));
    let (row, outcome) = acted.or_else(|| named().next())?;
    let mut decision = decision(row, &outcome.rule, &outcome.outcome);
    decision.row = outcome.row.to_string();
    Some(decision)
}

fn decision(row: &DecisionRow, rule: &str, outcome: &str) -> Decision {
    Decision {
        at: row.at,
        row: row.row.clone(),
        rule: rule.to_owned(),
        outcome: outcome.to_owned(),
        cause: row.cause.clone(),
        policy: row.policy.clone(),
    }
}

fn last_write(
    field: &FieldName,
    side: Side,
    intents: &[Intent],
    show: &dyn Fn(&duet_core::value::Value) -> String,
) -> Option<Write> {
    let writes = |intent: &&Intent| intent.side == side && intent.op.writes();
    intents.iter().filter(writes).find_map(|intent| {
        Some(Write {
            intent: intent.id.to_string(),
            at: intent.sent_at.unwrap_or(intent.planned_at),
            value: show(intent.carries.get(field)?),
            state: intent.state,
            failure: intent.failure.as_ref().map(|failure| failure.code.clone()),
        })
    })
}

fn kept_back(field: &FieldName, link: &Link) -> Option<FieldError> {
    link.memory.field_errors.iter().find(|error| error.field == *field).cloned()
}

fn held(field: &FieldName, conflicts: &[Conflict]) -> Option<Held> {
    let about = |conflict: &&Conflict| match &conflict.scope {
        Scope::Field(name) => name == field,
        Scope::Record => true,
    };
    let holds = |conflict: &&Conflict| match conflict.state {
        ConflictState::Open | ConflictState::Snoozed | ConflictState::Decided => true,
        ConflictState::Applied | ConflictState::Closed => false,
    };
    conflicts.iter().filter(about).find(holds).map(|conflict| Held {
        conflict: conflict.id.to_string(),
        kind: conflict.kind,
        since: conflict.opened_at,
    })
}
