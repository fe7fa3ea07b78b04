//! Storing links, their aliases, agreed state, observations and decisions.

use super::error::fault;
use crate::batch::{AliasColumns, Batch, LinkColumns};
use crate::stored::{FORM, checked, to_json};
use duet_core::id::LinkId;
use duet_core::stamp::Stamp;
use duet_ports::store::{Decided, StoreError};
use sqlx::PgConnection;
use std::collections::HashSet;
use uuid::Uuid;

const RELEASE: &str = "UPDATE links SET left_id = NULL, right_id = NULL WHERE id = ANY($1)";

const LINKS: &str = "
UPDATE links l SET rev = n.rev, phase = n.phase, left_id = n.left_id, right_id = n.right_id,
    synced_at = n.synced_at, synced_left = n.synced_left, synced_right = n.synced_right,
    due_at = n.due_at, waits = n.waits, memory = n.memory::json
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::integer[], $12::text[])
    AS n(id, from_rev, rev, phase, left_id, right_id, synced_at, synced_left, synced_right,
        due_at, waits, memory)
WHERE l.id = n.id AND l.rev = n.from_rev
RETURNING l.id";

const FORGET_ALIASES: &str = "DELETE FROM aliases WHERE link = ANY($1)";

/// A link that was joined leaves its aliases to the one that keeps them.
const ALIASES: &str = "
INSERT INTO aliases (flow, side, record, link)
SELECT DISTINCT ON (flow, side, record) flow, side, record, link
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS n(flow, side, record, link)
ORDER BY flow, side, record, link
ON CONFLICT (flow, side, record) DO UPDATE SET link = excluded.link";

const AGREED: &str = "
INSERT INTO agreed (link, form, data)
SELECT link, $3, data::json FROM unnest($1::uuid[], $2::text[]) AS n(link, data)
ON CONFLICT (link) DO UPDATE SET form = excluded.form, data = excluded.data";

const FORGET_AGREED: &str = "DELETE FROM agreed WHERE link = ANY($1)";

const SEEN: &str = "
INSERT INTO observations (link, side, form, data)
SELECT link, side, $4, data::json FROM unnest($1::uuid[], $2::text[], $3::text[])
    AS n(link, side, data)
ON CONFLICT (link, side) DO UPDATE SET form = excluded.form, data = excluded.data";

const FORGET_SEEN: &str = "
DELETE FROM observations o USING unnest($1::uuid[], $2::text[]) AS n(link, side)
WHERE o.link = n.link AND o.side = n.side";

const DECISIONS: &str = "
INSERT INTO decisions (link, rev, at, decided_row, rule, cause, policy, form, outcomes)
SELECT link, rev, $7, decided_row, rule, cause, policy, $8, outcomes::json
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $9::text[])
    WITH ORDINALITY AS n(link, rev, decided_row, rule, cause, policy, outcomes, number)
ORDER BY number";

pub(super) async fn links(connection: &mut PgConnection, batch: &Batch) -> Result<(), StoreError> {
    if !batch.released.is_empty() {
        run(connection, "release record ids", sqlx::query(RELEASE).bind(&batch.released)).await?;
    }
    if !batch.links.id.is_empty() {
        update(connection, &batch.links).await?;
    }
    if !batch.realiased.is_empty() {
        let forget = sqlx::query(FORGET_ALIASES).bind(&batch.realiased);
        run(connection, "forget aliases", forget).await?;
        aliases(connection, &batch.aliases).await?;
    }
    Ok(())
}

async fn update(connection: &mut PgConnection, links: &LinkColumns) -> Result<(), StoreError> {
    let stored: Vec<Uuid> = sqlx::query_scalar(LINKS)
        .bind(&links.id)
        .bind(&links.from_rev)
        .bind(&links.rev)
        .bind(&links.phase)
        .bind(&links.left_id)
        .bind(&links.right_id)
        .bind(&links.synced_at)
        .bind(&links.synced_left)
        .bind(&links.synced_right)
        .bind(&links.due_at)
        .bind(&links.waits)
        .bind(&links.memory)
        .fetch_all(connection)
        .await
        .map_err(fault("store links"))?;
    let stored: HashSet<Uuid> = stored.into_iter().collect();
    match links.id.iter().find(|id| !stored.contains(id)) {
        Some(stale) => Err(StoreError::StaleLink { link: LinkId(*stale) }),
        None => Ok(()),
    }
}

async fn aliases(connection: &mut PgConnection, rows: &AliasColumns) -> Result<(), StoreError> {
    if rows.link.is_empty() {
        return Ok(());
    }
    let query =
        sqlx::query(ALIASES).bind(&rows.flow).bind(&rows.side).bind(&rows.record).bind(&rows.link);
    run(connection, "store aliases", query).await
}

/// Agreed state and observations, as far as they changed.
pub(super) async fn contents(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<(), StoreError> {
    if !batch.agreed.is_empty() {
        let query = sqlx::query(AGREED)
            .bind(batch.agreed.iter().map(|row| row.0).collect::<Vec<_>>())
            .bind(batch.agreed.iter().map(|row| row.1.as_str()).collect::<Vec<_>>())
            .bind(FORM);
        run(connection, "store agreed state", query).await?;
    }
    if !batch.agreed_gone.is_empty() {
        let query = sqlx::query(FORGET_AGREED).bind(&batch.agreed_gone);
        run(connection, "forget agreed state", query).await?;
    }
    seen(connection, batch).await
}

async fn seen(connection: &mut PgConnection, batch: &Batch) -> Result<(), StoreError> {
    if !batch.seen.is_empty() {
        let query = sqlx::query(SEEN)
            .bind(batch.seen.iter().map(|row| row.0).collect::<Vec<_>>())
            .bind(batch.seen.iter().map(|row| row.1).collect::<Vec<_>>())
            .bind(batch.seen.iter().map(|row| row.2.as_str()).collect::<Vec<_>>())
            .bind(FORM);
        run(connection, "store observations", query).await?;
    }
    if !batch.seen_gone.is_empty() {
        let query = sqlx::query(FORGET_SEEN)
            .bind(batch.seen_gone.iter().map(|row| row.0).collect::<Vec<_>>())
            .bind(batch.seen_gone.iter().map(|row| row.1).collect::<Vec<_>>());
        run(connection, "forget observations", query).await?;
    }
    Ok(())
}

/// One row per verdict, none for an echo.
pub(super) async fn decisions(
    connection: &mut PgConnection,
    decided: &[Decided],
    now: Stamp,
) -> Result<(), StoreError> {
    let told: Vec<&Decided> = decided.iter().filter(|one| !one.verdict.echo).collect();
    if told.is_empty() {
        return Ok(());
    }
    let outcomes: Vec<String> = told
        .iter()
        .map(|one| to_json("decision", &one.verdict.outcomes))
        .collect::<Result<_, _>>()?;
    for one in &told {
        checked("rule", &one.verdict.rule)?;
        checked("cause", &one.cause)?;
    }
    let query = sqlx::query(DECISIONS)
        .bind(told.iter().map(|one| one.verdict.link.id.0).collect::<Vec<_>>())
        .bind(told.iter().map(|one| one.verdict.link.rev).collect::<Vec<_>>())
        .bind(told.iter().map(|one| one.verdict.row.as_str()).collect::<Vec<_>>())
        .bind(told.iter().map(|one| one.verdict.rule.as_str()).collect::<Vec<_>>())
        .bind(told.iter().map(|one| one.cause.as_str()).collect::<Vec<_>>())
        .bind(told.iter().map(|one| one.policy.as_str()).collect::<Vec<_>>())
        .bind(now.0)
        .bind(FORM)
        .bind(outcomes);
    run(connection, "store decisions", query).await
}

pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// Runs a statement whose rows nobody reads.
pub(super) async fn run(
    connection: &mut PgConnection,
    what: &'static str,
    query: Query<'_>,
) -> Result<(), StoreError> {
    query.execute(connection).await.map_err(fault(what))?;
    Ok(())
}
