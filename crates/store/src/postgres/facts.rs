//! Loading the facts of locked links: one statement per kind of row, whatever the number of links.

use super::error::fault;
use super::rows;
use crate::batch::StoredLink;
use crate::stored::{from_json, from_name};
use duet_core::agreed::Agreed;
use duet_core::conflict::Conflict;
use duet_core::facts::{Facts, FlowState, OpenIntents};
use duet_core::id::{IntentId, LinkId};
use duet_core::intent::Intent;
use duet_core::link::Alias;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_ports::store::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const LINKS: &str = "
SELECT l.id, l.flow, l.rev, l.phase, l.left_id, l.right_id, l.synced_at, l.synced_left,
    l.synced_right, l.due_at, l.waits, l.created_at, l.memory::text AS memory,
    a.form AS agreed_form, a.data::text AS agreed,
    ol.form AS left_form, ol.data::text AS seen_left,
    r.form AS right_form, r.data::text AS seen_right,
    f.adopted, f.paused, f.deletes_held,
    EXISTS (SELECT 1 FROM dead_letters WHERE closed_at IS NULL) AS letters
FROM links l
LEFT JOIN agreed a ON a.link = l.id
LEFT JOIN observations ol ON ol.link = l.id AND ol.side = 'left'
LEFT JOIN observations r ON r.link = l.id AND r.side = 'right'
LEFT JOIN flows f ON f.name = l.flow
WHERE l.id = ANY($1) ORDER BY l.id";

const ALIASES: &str =
    "SELECT link, side, record FROM aliases WHERE link = ANY($1) ORDER BY link, side, record";

const CONFLICTS: &str = "
SELECT id, link, flow, kind, field, seen, rev, state, reason, resolution::text AS resolution,
    opened_at, until, closed_at, form, data::text AS data
FROM conflicts WHERE link = ANY($1) AND state <> 'closed' ORDER BY link, opened_at, id";

/// The open ones by the indexes that keep them unique; the closed ones that a marker names by id.
const INTENTS: &str = "
WITH wanted AS (
    SELECT id FROM intents WHERE link = ANY($1)
        AND op IN ('create', 'update', 'delete', 'undelete')
        AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')
    UNION ALL
    SELECT id FROM intents WHERE link = ANY($1) AND op IN ('read', 'find')
        AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')
    UNION ALL
    SELECT id FROM intents WHERE id = ANY($2) AND link = ANY($1)
        AND state IN ('confirmed', 'not_landed', 'superseded', 'refused')
)
SELECT i.id, i.link, i.flow, i.side, i.connection, i.op, i.path, i.state, i.record, i.attempts,
    i.due_at, i.sent_at, i.deadline, i.planned_at, i.landed_at, i.failure::text AS failure,
    i.form, i.data::text AS data
FROM wanted JOIN intents i ON i.id = wanted.id";

/// Facts, and what they were read from.
pub(super) struct Loaded {
    pub(super) facts: Facts,
    pub(super) stored: StoredLink,
    /// Whether any dead letter is open.
    pub(super) letters: bool,
}

pub(super) async fn load(
    connection: &mut PgConnection,
    links: &[Uuid],
    markers: &[IntentId],
    now: Stamp,
) -> Result<Vec<Loaded>, StoreError> {
    let mut aliases = aliases(connection, links).await?;
    let mut conflicts = conflicts(connection, links).await?;
    let mut intents = intents(connection, links, markers).await?;
    let rows = sqlx::query(LINKS).bind(links).fetch_all(connection).await;
    rows.map_err(fault("load links"))?
        .iter()
        .map(|row| {
            let id: Uuid = row.try_get("id").map_err(fault("load links"))?;
            let mut loaded = link(row, aliases.remove(&id).unwrap_or_default(), now)?;
            loaded.facts.conflicts = conflicts.remove(&id).unwrap_or_default();
            sort_in(&mut loaded.facts, intents.remove(&id).unwrap_or_default());
            Ok(loaded)
        })
        .collect()
}

fn link(row: &PgRow, aliases: Vec<Alias>, now: Stamp) -> Result<Loaded, StoreError> {
    let model = rows::link(row).map_err(fault("load links"))?;
    let link = model.into_link(aliases)?;
    let (agreed, agreed_text) = stored_json(row, "agreed", "agreed_form", "agreed")?;
    let (left, left_text) = stored_json(row, "observation", "left_form", "seen_left")?;
    let (right, right_text) = stored_json(row, "observation", "right_form", "seen_right")?;
    let stored = StoredLink {
        record: link.record.clone(),
        aliases: link.aliases.clone(),
        agreed: agreed_text,
        seen: Both::new(left_text, right_text),
    };
    let facts = Facts {
        as_of: now,
        link,
        agreed: agreed.unwrap_or(Agreed::None),
        seen: Both::new(left, right),
        conflicts: Vec::new(),
        intents: Both::default(),
        marked: BTreeMap::new(),
        claims: Vec::new(),
        parents: Vec::new(),
        rivals: Vec::new(),
        holders: Vec::new(),
        flow: flow_state(row).map_err(fault("load flows"))?,
    };
    let letters = row.try_get("letters").map_err(fault("load links"))?;
    Ok(Loaded { facts, stored, letters })
}

/// A JSON column that may be absent, parsed and as it stands.
fn stored_json<T: serde::de::DeserializeOwned>(
    row: &PgRow,
    what: &'static str,
    form: &str,
    data: &str,
) -> Result<(Option<T>, Option<String>), StoreError> {
    let form: Option<i16> = row.try_get(form).map_err(fault("load links"))?;
    let text: Option<String> = row.try_get(data).map_err(fault("load links"))?;
    match form.zip(text) {
        Some((form, text)) => Ok((Some(from_json(what, form, &text)?), Some(text))),
        None => Ok((None, None)),
    }
}

/// A flow without a row is new.
pub(super) fn flow_state(row: &PgRow) -> Result<FlowState, sqlx::Error> {
    let flag = |name: &str| row.try_get::<Option<bool>, _>(name).map(Option::unwrap_or_default);
    Ok(FlowState {
        adopted: flag("adopted")?,
        paused: flag("paused")?,
        deletes_held: flag("deletes_held")?,
    })
}

pub(super) async fn aliases(
    connection: &mut PgConnection,
    links: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Alias>>, StoreError> {
    let rows = sqlx::query(ALIASES).bind(links).fetch_all(connection).await;
    let mut by_link: HashMap<Uuid, Vec<Alias>> = HashMap::new();
    for row in rows.map_err(fault("load aliases"))? {
        let read = || -> Result<(Uuid, String, String), sqlx::Error> {
            Ok((row.try_get("link")?, row.try_get("side")?, row.try_get("record")?))
        };
        let (link, side, record) = read().map_err(fault("load aliases"))?;
        let side: Side = from_name("side of an alias", &side)?;
        let alias = Alias { side, record: duet_core::id::RecordId::new(record) };
        by_link.entry(link).or_default().push(alias);
    }
    Ok(by_link)
}

async fn conflicts(
    connection: &mut PgConnection,
    links: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Conflict>>, StoreError> {
    let rows = sqlx::query(CONFLICTS).bind(links).fetch_all(connection).await;
    let mut by_link: HashMap<Uuid, Vec<Conflict>> = HashMap::new();
    for row in rows.map_err(fault("load conflicts"))? {
        let model = rows::conflict(&row).map_err(fault("load conflicts"))?;
        by_link.entry(model.link).or_default().push(model.into_conflict()?);
    }
    Ok(by_link)
}

async fn intents(
    connection: &mut PgConnection,
    links: &[Uuid],
    markers: &[IntentId],
) -> Result<HashMap<Uuid, Vec<Intent>>, StoreError> {
    let markers: Vec<Uuid> = markers.iter().map(|marker| marker.0).collect();
    let rows = sqlx::query(INTENTS).bind(links).bind(markers).fetch_all(connection).await;
    let mut by_link: HashMap<Uuid, Vec<Intent>> = HashMap::new();
    for row in rows.map_err(fault("load intents"))? {
        let model = rows::intent(&row).map_err(fault("load intents"))?;
        by_link.entry(model.link).or_default().push(model.into_intent()?);
    }
    Ok(by_link)
}

fn sort_in(facts: &mut Facts, intents: Vec<Intent>) {
    for intent in intents {
        let open: &mut OpenIntents = facts.intents.get_mut(intent.side);
        match (intent.state.is_open(), intent.op.writes()) {
            (false, _) => {
                facts.marked.insert(intent.id, intent);
            }
            (true, true) => open.write = Some(intent),
            (true, false) => open.read = Some(intent),
        }
    }
}

/// The ids of links, for statements that take plain ids.
pub(super) fn plain(links: impl Iterator<Item = LinkId>) -> Vec<Uuid> {
    links.map(|link| link.0).collect()
}
