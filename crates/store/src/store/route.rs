//! Which link a record belongs to; a new one where none does. Before any lock.

use crate::session::Session;
use crate::statement::{Query, Statement};
use crate::stored::{checked, corrupt};
use duet_core::id::{FlowName, IntentId, LinkId, RecordId};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::store::{Address, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// By present id, else by a former one, else by the marker of our own create, seen before its
/// answer. A marker on a link that already has another record there is a copy that somebody made. An
/// id that the create took from a link with a partner, or from one that is over, is the create's:
/// what that link knows under it is gone. Per record all that are found, the best first. One
/// statement, so that an id that becomes an alias meanwhile is found as one or the other.
pub(super) const ROUTE: Statement = Statement {
    what: "route",
    postgres: "
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[])
        WITH ORDINALITY AS a(flow, side, record, marker, n)
)
SELECT n, link, rank FROM (
    SELECT a.n, l.id AS link, 0 AS rank FROM asked a
        JOIN links l ON l.flow = a.flow AND l.left_id = a.record AND l.phase <> 'joined'
        WHERE a.side = 'left'
    UNION ALL
    SELECT a.n, l.id, 0 FROM asked a
        JOIN links l ON l.flow = a.flow AND l.right_id = a.record AND l.phase <> 'joined'
        WHERE a.side = 'right'
    UNION ALL
    SELECT a.n, s.link, 1 FROM asked a
        JOIN aliases s ON s.flow = a.flow AND s.side = a.side AND s.record = a.record
    UNION ALL
    SELECT a.n, l.id, CASE WHEN EXISTS (
            SELECT FROM links h WHERE h.flow = a.flow AND h.phase <> 'joined'
                AND CASE a.side WHEN 'left' THEN h.left_id ELSE h.right_id END = a.record
                AND (h.left_id = a.record OR h.right_id = a.record)
                AND (h.phase IN ('tombstoned', 'unlinked')
                    OR h.left_id IS NOT NULL AND h.right_id IS NOT NULL)
        ) THEN -1 ELSE 2 END FROM asked a
        JOIN intents i ON i.id = a.marker AND i.flow = a.flow AND i.side = a.side
            AND i.op = 'create'
        JOIN links l ON l.id = i.link AND l.phase <> 'joined'
            AND CASE a.side WHEN 'left' THEN l.left_id ELSE l.right_id END IS NULL
) found ORDER BY n, rank",
    sqlite: "
WITH asked AS MATERIALIZED (
    SELECT key + 1 AS n, value ->> 0 AS flow, value ->> 1 AS side, value ->> 2 AS record,
        unhex(value ->> 3) AS marker
    FROM json_each($1)
)
SELECT n, link, rank FROM (
    SELECT a.n, l.id AS link, 0 AS rank FROM asked a CROSS JOIN links l
        ON l.flow = a.flow AND l.left_id = a.record AND l.phase <> 'joined' AND a.side = 'left'
    UNION ALL
    SELECT a.n, l.id, 0 FROM asked a CROSS JOIN links l
        ON l.flow = a.flow AND l.right_id = a.record AND l.phase <> 'joined' AND a.side = 'right'
    UNION ALL
    SELECT a.n, s.link, 1 FROM asked a CROSS JOIN aliases s
        ON s.flow = a.flow AND s.side = a.side AND s.record = a.record
    UNION ALL
    SELECT a.n, l.id, CASE WHEN EXISTS (
            SELECT 1 FROM links h WHERE a.side = 'left' AND h.flow = a.flow
                AND h.left_id = a.record AND h.phase <> 'joined'
                AND (h.phase IN ('tombstoned', 'unlinked') OR h.right_id IS NOT NULL)
        ) OR EXISTS (
            SELECT 1 FROM links h WHERE a.side = 'right' AND h.flow = a.flow
                AND h.right_id = a.record AND h.phase <> 'joined'
                AND (h.phase IN ('tombstoned', 'unlinked') OR h.left_id IS NOT NULL)
        ) THEN -1 ELSE 2 END FROM asked a
        CROSS JOIN intents i ON i.id = a.marker AND i.flow = a.flow AND i.side = a.side
            AND i.op = 'create'
        CROSS JOIN links l ON l.id = i.link AND l.phase <> 'joined'
            AND CASE a.side WHEN 'left' THEN l.left_id ELSE l.right_id END IS NULL
) found ORDER BY n, rank",
};

const INSERT: Statement = Statement {
    what: "insert links",
    postgres: "
INSERT INTO links (id, flow, rev, phase, left_id, right_id, waits, created_at)
SELECT id, flow, 0, 'matching',
    CASE side WHEN 'left' THEN record END, CASE side WHEN 'right' THEN record END, 0, $5
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
    WITH ORDINALITY AS new(id, flow, side, record, n)
ORDER BY n
ON CONFLICT DO NOTHING",
    sqlite: "
INSERT INTO links (id, flow, rev, phase, left_id, right_id, waits, created_at)
SELECT unhex(value ->> 0), value ->> 1, 0, 'matching', iif(value ->> 2 = 'left', value ->> 3, NULL),
    iif(value ->> 2 = 'right', value ->> 3, NULL), 0, $5
FROM json_each($1) WHERE true ORDER BY key
ON CONFLICT DO NOTHING",
};

/// The ranks of a link that was found by a marker.
const BY_MARKER: [i32; 2] = [-1, 2];

/// An insert that finds the record taken is followed by a look at who took it; once is enough
/// unless that link is rolled back or re-pointed in between.
const ROUNDS: usize = 4;

type Key<'a> = (&'a FlowName, Side, &'a RecordId);

/// Records asked for, each once, in the order in which links are inserted.
type Asked<'a> = BTreeMap<Key<'a>, Option<IntentId>>;

pub(super) async fn ensure(
    session: &mut Session<'_>,
    addresses: &[Address],
    fresh: &(dyn Fn() -> LinkId + Sync),
    now: Stamp,
) -> Result<Vec<LinkId>, StoreError> {
    let mut missing = asked(addresses)?;
    let mut found: BTreeMap<Key<'_>, LinkId> = BTreeMap::new();
    let mut marked: BTreeSet<(LinkId, Side)> = BTreeSet::new();
    for round in 0..ROUNDS {
        for (key, link, rank) in route(session, &missing).await? {
            // Of several that carry one marker all but the first are copies: records of their own.
            let is_new = missing.contains_key(&key);
            if is_new && (!BY_MARKER.contains(&rank) || marked.insert((link, key.1))) {
                missing.remove(&key);
                found.insert(key, link);
            }
        }
        if missing.is_empty() {
            return answers(addresses, &found);
        }
        if round + 1 < ROUNDS {
            insert(session, &missing, fresh, now).await?;
        }
    }
    Err(StoreError::Busy { what: "route", source: "links come and go".into() })
}

fn asked(addresses: &[Address]) -> Result<Asked<'_>, StoreError> {
    let mut asked = Asked::new();
    for address in addresses {
        checked("record id", address.record.as_str())?;
        let marker = asked.entry((&address.flow, address.side, &address.record)).or_default();
        *marker = marker.or(address.marker);
    }
    Ok(asked)
}

fn answers(
    addresses: &[Address],
    found: &BTreeMap<Key<'_>, LinkId>,
) -> Result<Vec<LinkId>, StoreError> {
    let link =
        |address: &Address| found.get(&(&address.flow, address.side, &address.record)).copied();
    let all: Option<Vec<LinkId>> = addresses.iter().map(link).collect();
    all.ok_or_else(|| corrupt("route", "a record without a link"))
}

async fn route<'a>(
    session: &mut Session<'_>,
    asked: &Asked<'a>,
) -> Result<Vec<(Key<'a>, LinkId, i32)>, StoreError> {
    let keys: Vec<Key<'a>> = asked.keys().copied().collect();
    let query = Query::new(&ROUTE)
        .column(keys.iter().map(|key| key.0.as_str()))
        .column(keys.iter().map(|key| key.1.as_str()))
        .column(keys.iter().map(|key| key.2.as_str()))
        .column(asked.values().map(|marker| marker.map(|intent| intent.0)));
    let rows = session.all(query).await?;
    rows.iter()
        .map(|row| {
            let number: i64 = row.get("n")?;
            let at = usize::try_from(number - 1).ok().and_then(|at| keys.get(at));
            let key = at.ok_or_else(|| corrupt("route", "a row nobody asked for"))?;
            Ok((*key, LinkId(row.get("link")?), row.get("rank")?))
        })
        .collect()
}

async fn insert(
    session: &mut Session<'_>,
    missing: &Asked<'_>,
    fresh: &(dyn Fn() -> LinkId + Sync),
    now: Stamp,
) -> Result<(), StoreError> {
    let query = Query::new(&INSERT)
        .column(missing.keys().map(|_| fresh().0))
        .column(missing.keys().map(|key| key.0.as_str()))
        .column(missing.keys().map(|key| key.1.as_str()))
        .column(missing.keys().map(|key| key.2.as_str()))
        .bind(now.0);
    session.run(query).await
}
