//! Loading the facts of locked links: one statement per kind of row, whatever the number of links.

use super::rows;
use crate::batch::StoredLink;
use crate::session::{Row, Session};
use crate::statement::{Query, Statement};
use crate::stored::{from_json, from_name};
use duet_core::agreed::Agreed;
use duet_core::conflict::Conflict;
use duet_core::facts::{Facts, FlowState, OpenIntents};
use duet_core::id::{IntentId, LinkId, RecordId};
use duet_core::intent::Intent;
use duet_core::link::Alias;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_ports::store::{Contents, Remembered, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

macro_rules! links {
    ($contents:literal, $from:literal, $among:literal) => {
        concat!(
            "
SELECT l.id, l.flow, l.rev, l.phase, l.left_id, l.right_id, l.synced_at, l.synced_left,
    l.synced_right, l.due_at, l.waits, l.created_at, CAST(l.memory AS text) AS memory,
    ",
            $contents,
            "f.adopted, f.paused, f.deletes_held,
    EXISTS (SELECT 1 FROM dead_letters WHERE closed_at IS NULL) AS letters
FROM links l
",
            $from,
            "LEFT JOIN flows f ON f.name = l.flow
WHERE l.id ",
            $among,
            " ORDER BY l.id"
        )
    };
}

/// Links with their contents.
macro_rules! whole {
    ($among:literal) => {
        links!(
            "c.form, c.agreed, c.seen_left, c.seen_right, ",
            "LEFT JOIN contents c ON c.link = l.id
",
            $among
        )
    };
}

pub(super) const LINKS: Statement = Statement {
    what: "load links",
    postgres: whole!("= ANY($1)"),
    sqlite: whole!("IN (SELECT unhex(value) FROM json_each($1))"),
};

/// Links whose contents are known.
const BARE_LINKS: Statement = Statement {
    what: "load links",
    postgres: links!("", "", "= ANY($1)"),
    sqlite: links!("", "", "IN (SELECT unhex(value) FROM json_each($1))"),
};

pub(super) const ALIASES: Statement = Statement {
    what: "load aliases",
    postgres: "
SELECT link, side, record FROM aliases WHERE link = ANY($1) ORDER BY link, side, record",
    sqlite: "
SELECT link, side, record FROM aliases WHERE link IN (SELECT unhex(value) FROM json_each($1))
ORDER BY link, side, record",
};

pub(super) const CONFLICTS: Statement = Statement {
    what: "load conflicts",
    postgres: "
SELECT id, link, flow, kind, field, seen, rev, state, reason, resolution::text AS resolution,
    opened_at, until, closed_at, form, data::text AS data
FROM conflicts WHERE link = ANY($1) AND state <> 'closed' ORDER BY link, opened_at, id",
    sqlite: "
SELECT * FROM conflicts INDEXED BY conflicts_unclosed
WHERE link IN (SELECT unhex(value) FROM json_each($1)) AND state <> 'closed'
ORDER BY link, opened_at, id",
};

/// The open ones by the indexes that keep them unique; the closed ones that a marker names by id.
pub(super) const INTENTS: Statement = Statement {
    what: "load intents",
    postgres: "
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
    i.form, i.data
FROM wanted JOIN intents i ON i.id = wanted.id",
    sqlite: "
WITH these AS MATERIALIZED (SELECT unhex(value) AS id FROM json_each($1))
SELECT i.* FROM these CROSS JOIN intents i INDEXED BY intents_open_write ON i.link = these.id
    AND op IN ('create', 'update', 'delete', 'undelete')
    AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')
UNION ALL
SELECT i.* FROM these CROSS JOIN intents i INDEXED BY intents_open_read ON i.link = these.id
    AND op IN ('read', 'find')
    AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')
UNION ALL
SELECT i.* FROM json_each($2) n CROSS JOIN intents i ON i.id = unhex(n.value)
    AND link IN these
    AND state IN ('confirmed', 'not_landed', 'superseded', 'refused')",
};

/// Facts, and what they were read from.
pub(super) struct Loaded {
    pub(super) facts: Facts,
    pub(super) stored: StoredLink,
    /// Whether any dead letter is open.
    pub(super) letters: bool,
}

pub(super) async fn load(
    session: &mut Session<'_>,
    links: &[LinkId],
    remembered: &Remembered,
    markers: &[IntentId],
    now: Stamp,
) -> Result<Vec<Loaded>, StoreError> {
    let all = plain(links.iter().copied());
    let mut aliases = aliases(session, &all).await?;
    let mut conflicts = conflicts(session, &all).await?;
    let mut intents = intents(session, &all, markers).await?;
    let rows = link_rows(session, links, remembered).await?;
    rows.into_iter()
        .map(|(row, contents)| {
            let id: Uuid = row.get("id")?;
            let own = aliases.remove(&id).unwrap_or_default();
            let mut loaded = link(&row, contents, own, now)?;
            loaded.facts.conflicts = conflicts.remove(&id).unwrap_or_default();
            sort_in(&mut loaded.facts, intents.remove(&id).unwrap_or_default());
            Ok(loaded)
        })
        .collect()
}

/// Rows of links with their contents, which are read only where nobody remembers them. In the order of
/// their ids.
async fn link_rows(
    session: &mut Session<'_>,
    links: &[LinkId],
    remembered: &Remembered,
) -> Result<Vec<(Row, Arc<Contents>)>, StoreError> {
    let (known, unknown): (Vec<LinkId>, Vec<LinkId>) =
        links.iter().partition(|link| remembered.contains_key(link));
    let mut rows = BTreeMap::new();
    if !unknown.is_empty() {
        for row in session.all(Query::new(&LINKS).list(plain(unknown.into_iter()))).await? {
            let contents = Arc::new(contents(&row)?);
            rows.insert(LinkId(row.get("id")?), (row, contents));
        }
    }
    if !known.is_empty() {
        for row in session.all(Query::new(&BARE_LINKS).list(plain(known.into_iter()))).await? {
            let id = LinkId(row.get("id")?);
            if let Some(contents) = remembered.get(&id) {
                rows.insert(id, (row, Arc::clone(contents)));
            }
        }
    }
    Ok(rows.into_values().collect())
}

fn contents(row: &Row) -> Result<Contents, StoreError> {
    let agreed = stored_json(row, "agreed", "agreed")?;
    Ok(Contents {
        rev: row.get("rev")?,
        agreed: agreed.unwrap_or(Agreed::None),
        seen: Both::new(
            stored_json(row, "observation", "seen_left")?,
            stored_json(row, "observation", "seen_right")?,
        ),
    })
}

fn link(
    row: &Row,
    contents: Arc<Contents>,
    aliases: Vec<Alias>,
    now: Stamp,
) -> Result<Loaded, StoreError> {
    let link = rows::link(row)?.into_link(aliases)?;
    let Contents { agreed, seen, .. } = contents.as_ref().clone();
    let stored =
        StoredLink { record: link.record.clone(), aliases: link.aliases.clone(), contents };
    let facts = Facts {
        as_of: now,
        link,
        agreed,
        seen,
        conflicts: Vec::new(),
        intents: Both::default(),
        marked: BTreeMap::new(),
        claims: Vec::new(),
        parents: Vec::new(),
        rivals: Vec::new(),
        holders: Vec::new(),
        flow: flow_state(row)?,
    };
    let letters = row.get("letters")?;
    Ok(Loaded { facts, stored, letters })
}

/// A JSON column that may be absent.
fn stored_json<T: serde::de::DeserializeOwned>(
    row: &Row,
    what: &'static str,
    column: &str,
) -> Result<Option<T>, StoreError> {
    let form: Option<i16> = row.get("form")?;
    let text: Option<String> = row.get(column)?;
    form.zip(text).map(|(form, text)| from_json(what, form, &text)).transpose()
}

/// A flow without a row is new.
pub(super) fn flow_state(row: &Row) -> Result<FlowState, StoreError> {
    let flag = |name: &str| row.get::<Option<bool>>(name).map(Option::unwrap_or_default);
    Ok(FlowState {
        adopted: flag("adopted")?,
        paused: flag("paused")?,
        deletes_held: flag("deletes_held")?,
    })
}

pub(super) async fn aliases(
    session: &mut Session<'_>,
    links: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Alias>>, StoreError> {
    let rows = session.all(Query::new(&ALIASES).list(links.iter().copied())).await?;
    let mut by_link: HashMap<Uuid, Vec<Alias>> = HashMap::new();
    for row in rows {
        let side: Side = from_name("side of an alias", &row.get::<String>("side")?)?;
        let alias = Alias { side, record: RecordId::new(row.get::<String>("record")?) };
        by_link.entry(row.get("link")?).or_default().push(alias);
    }
    Ok(by_link)
}

async fn conflicts(
    session: &mut Session<'_>,
    links: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Conflict>>, StoreError> {
    let rows = session.all(Query::new(&CONFLICTS).list(links.iter().copied())).await?;
    let mut by_link: HashMap<Uuid, Vec<Conflict>> = HashMap::new();
    for row in rows {
        let model = rows::conflict(&row)?;
        by_link.entry(model.link).or_default().push(model.into_conflict()?);
    }
    Ok(by_link)
}

async fn intents(
    session: &mut Session<'_>,
    links: &[Uuid],
    markers: &[IntentId],
) -> Result<HashMap<Uuid, Vec<Intent>>, StoreError> {
    let query = Query::new(&INTENTS)
        .list(links.iter().copied())
        .list(markers.iter().map(|marker| marker.0));
    let mut by_link: HashMap<Uuid, Vec<Intent>> = HashMap::new();
    for row in session.all(query).await? {
        let model = rows::intent(&row)?;
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
