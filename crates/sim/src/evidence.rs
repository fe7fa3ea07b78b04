//! Reads duet's tables for the checker, into the checker's own words.

use crate::check::history::Place;
use crate::check::tables::{CallRow, ConflictRow, LinkRow, Tables};
use crate::side::{place, text};
use duet_core::conflict::{Candidate, Conflict, Scope};
use duet_core::id::{FieldName, FlowName};
use duet_core::intent::{Intent, IntentState};
use duet_core::link::{Link, Phase};
use duet_core::side::Side;
use duet_core::value::Value;
use duet_ports::inspect::{DeadLetterRow, LetterFilter};
use duet_ports::store::{Store, StoreError};
use std::collections::BTreeSet;

/// More than a run makes of anything.
const ALL: u64 = 100_000;

/// Reads everything.
///
/// # Errors
/// When the store can't be read.
pub(crate) async fn tables(store: &dyn Store, flow: &FlowName) -> Result<Tables, StoreError> {
    let mut tables = Tables::default();
    for link in store.links(flow, &[], None, ALL).await? {
        let Some(detail) = store.link_detail(link.id, ALL).await? else { continue };
        tables.conflicts.extend(detail.conflicts.iter().map(conflict_row));
        let open = detail.intents.iter().filter(|intent| intent.state.is_open());
        tables.calls.extend(open.map(call_row));
        tables.links.push(link_row(&detail.link));
    }
    let letters = LetterFilter { limit: ALL, ..LetterFilter::default() };
    let dead = store.dead_letters(&letters).await?;
    tables.dead = dead.iter().filter_map(dead_record).collect();
    Ok(tables)
}

fn dead_record(letter: &DeadLetterRow) -> Option<(Place, String)> {
    Some((place(letter.side?), letter.record.as_ref()?.to_string()))
}

fn link_row(link: &Link) -> LinkRow {
    let present = Side::BOTH.into_iter().filter_map(|side| {
        let record = link.record.get(side).as_ref()?;
        Some((place(side), record.to_string()))
    });
    let former = link.aliases.iter().map(|alias| (place(alias.side), alias.record.to_string()));
    let is_apart = matches!(link.phase, Phase::Unlinked | Phase::Frozen);
    LinkRow { id: link.id.to_string(), records: present.chain(former).collect(), is_apart }
}

/// A conflict with every value that it keeps.
pub(crate) fn conflict_row(conflict: &Conflict) -> ConflictRow {
    let field = match &conflict.scope {
        Scope::Field(field) => Some(field.to_string()),
        Scope::Record => None,
    };
    let of_side = |candidate: &Candidate| -> Vec<(String, String)> {
        let all = candidate.values.iter().chain(&candidate.native);
        all.filter_map(pair).collect()
    };
    let agreed = conflict.agreed.iter().filter_map(pair);
    let sides = Side::BOTH.into_iter().flat_map(|side| of_side(conflict.sides.get(side)));
    let values: BTreeSet<(String, String)> = agreed.chain(sides).collect();
    ConflictRow {
        link: conflict.link.to_string(),
        field,
        holds: conflict.state.holds(),
        opened_at: conflict.opened_at.0,
        values,
    }
}

fn pair((field, value): (&FieldName, &Value)) -> Option<(String, String)> {
    Some((field.to_string(), text(value)?))
}

fn call_row(intent: &Intent) -> CallRow {
    let (op, side, state) = (intent.op.as_str(), intent.side, intent.state);
    CallRow {
        link: intent.link.to_string(),
        what: format!("{op} on the {side} side, {state:?}, {:?}", intent.failure),
        is_parked: matches!(state, IntentState::Parked | IntentState::Discarded),
    }
}
