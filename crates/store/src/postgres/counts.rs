//! Numbers for `status`: counts of a flow, states of sources and connections.

use super::Postgres;
use super::error::fault;
use crate::stored::from_name;
use duet_core::id::{ConnectionName, FlowName};
use duet_core::stamp::Stamp;
use duet_ports::inspect::{ConnectionRow, FlowCounts, SourceRow};
use duet_ports::store::StoreError;
use serde::de::DeserializeOwned;

const PHASES: &str =
    "SELECT phase, count(*) FROM links WHERE flow = $1 GROUP BY phase ORDER BY phase";

/// A link whose parent isn't on both sides yet has nothing to do before it is; from then on it
/// counts again, so the moment in between can't be missed.
/// Neither has one whose candidates wait for a person, or that waits for such a one: it looks at
/// them now and then.
/// One search per side: either finds the parent by its index.
const DUE: &str = "
SELECT count(*), min(l.due_at) FILTER (WHERE NOT EXISTS (
    SELECT FROM parent_waits w WHERE w.link = l.id AND NOT EXISTS (
        SELECT FROM links p WHERE w.side = 'left' AND p.flow = w.flow
            AND p.left_id = w.record AND p.right_id IS NOT NULL AND p.phase <> 'joined')
    AND NOT EXISTS (
        SELECT FROM links p WHERE w.side = 'right' AND p.flow = w.flow
            AND p.right_id = w.record AND p.left_id IS NOT NULL AND p.phase <> 'joined'))
    AND l.phase <> 'unmatched' AND NOT EXISTS (
        SELECT FROM conflicts c WHERE c.link = l.id AND c.state IN ('open', 'snoozed')
            AND c.kind IN ('ambiguous_match', 'duplicate')))
FROM links l WHERE l.flow = $1 AND l.due_at IS NOT NULL";

/// The cheapest first, each by an index: while much is planned, the first look answers. The
/// conditions on links are those above.
const UNDER_WAY: &str = "
SELECT CASE
    WHEN EXISTS (SELECT FROM intents WHERE flow = $1 AND state = 'sent') THEN true
    WHEN EXISTS (SELECT FROM intents WHERE flow = $1 AND state = 'planned' AND failure IS NULL
        AND due_at <= $2) THEN true
    WHEN EXISTS (SELECT FROM links l WHERE l.flow = $1 AND l.due_at <= $2
        AND NOT EXISTS (
        SELECT FROM parent_waits w WHERE w.link = l.id AND NOT EXISTS (
            SELECT FROM links p WHERE w.side = 'left' AND p.flow = w.flow
                AND p.left_id = w.record AND p.right_id IS NOT NULL AND p.phase <> 'joined')
        AND NOT EXISTS (
            SELECT FROM links p WHERE w.side = 'right' AND p.flow = w.flow
                AND p.right_id = w.record AND p.left_id IS NOT NULL AND p.phase <> 'joined'))
        AND l.phase <> 'unmatched' AND NOT EXISTS (
            SELECT FROM conflicts c WHERE c.link = l.id AND c.state IN ('open', 'snoozed')
                AND c.kind IN ('ambiguous_match', 'duplicate'))) THEN true
    ELSE EXISTS (SELECT FROM intents WHERE flow = $1 AND state = 'unknown') END";

const INTENTS: &str = "
SELECT CASE WHEN state = 'planned' AND failure IS NOT NULL THEN 'retrying' ELSE state END AS shown,
    count(*)
FROM intents WHERE flow = $1 AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')
GROUP BY shown ORDER BY shown";

const NEXT_INTENT: &str = "
SELECT min(due_at) FROM intents
WHERE flow = $1 AND state = 'planned' AND failure IS NULL";

const CONFLICTS: &str = "
SELECT kind, count(*) FROM conflicts
WHERE flow = $1 AND state IN ('open', 'snoozed', 'decided') GROUP BY kind ORDER BY kind";

const FIELD_ERRORS: &str =
    "SELECT code, count(*) FROM field_errors WHERE flow = $1 GROUP BY code ORDER BY code";

const AWAITING: &str = "
SELECT count(DISTINCT w.link) FROM parent_waits w JOIN links l ON l.id = w.link WHERE l.flow = $1";

const DEAD: &str = "SELECT count(*) FROM dead_letters WHERE flow = $1 AND closed_at IS NULL";

/// A source is known by its position, by marks that wait for one, or by its detector's lease.
const SOURCES: &str = "
WITH sources AS (
    SELECT source FROM cursors
    UNION SELECT source FROM settled
    UNION SELECT substr(name, 8) FROM leases WHERE name LIKE 'detect/%'
)
SELECT s.source, c.moved_at, l.holder, l.until, g.until FROM sources s
LEFT JOIN cursors c ON c.source = s.source
LEFT JOIN leases l ON l.name = 'detect/' || s.source
LEFT JOIN leases g ON g.name = 'scan/' || s.source AND g.holder IS NOT NULL
ORDER BY s.source";

const CONNECTIONS: &str = "SELECT name, paused_until, reason FROM connections ORDER BY name";

impl Postgres {
    pub(super) async fn count_flow(&self, flow: &FlowName) -> Result<FlowCounts, StoreError> {
        let (due, next_due): (i64, Option<i64>) = sqlx::query_as(DUE)
            .bind(flow.as_str())
            .fetch_one(&self.pool)
            .await
            .map_err(fault("count links"))?;
        let next_intent: Option<i64> = sqlx::query_scalar(NEXT_INTENT)
            .bind(flow.as_str())
            .fetch_one(&self.pool)
            .await
            .map_err(fault("count intents"))?;
        Ok(FlowCounts {
            phases: named(self.groups(PHASES, flow).await?)?,
            due: due.unsigned_abs(),
            next_due: next_due.map(Stamp),
            intents: self.groups(INTENTS, flow).await?,
            next_intent: next_intent.map(Stamp),
            conflicts: named(self.groups(CONFLICTS, flow).await?)?,
            field_errors: named(self.groups(FIELD_ERRORS, flow).await?)?,
            awaiting_parent: self.count(AWAITING, flow).await?,
            dead_letters: self.count(DEAD, flow).await?,
        })
    }

    pub(super) async fn look_under_way(
        &self,
        flow: &FlowName,
        until: Stamp,
    ) -> Result<bool, StoreError> {
        self.ready().await?;
        let query = sqlx::query_scalar(UNDER_WAY).bind(flow.as_str()).bind(until.0);
        query.fetch_one(&self.pool).await.map_err(fault("look what is under way"))
    }

    async fn groups(
        &self,
        sql: &'static str,
        flow: &FlowName,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(sql)
            .bind(flow.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(fault("count by group"))?;
        Ok(rows.into_iter().map(|(name, count)| (name, count.unsigned_abs())).collect())
    }

    async fn count(&self, sql: &'static str, flow: &FlowName) -> Result<u64, StoreError> {
        let count: Result<i64, _> =
            sqlx::query_scalar(sql).bind(flow.as_str()).fetch_one(&self.pool).await;
        count.map(i64::unsigned_abs).map_err(fault("count"))
    }

    pub(super) async fn list_sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        type Row = (String, Option<i64>, Option<String>, Option<i64>, Option<i64>);
        let rows: Vec<Row> =
            sqlx::query_as(SOURCES).fetch_all(&self.pool).await.map_err(fault("list sources"))?;
        let source = |(source, moved_at, holder, until, scanning): Row| SourceRow {
            source,
            moved_at: moved_at.map(Stamp),
            holder: holder.zip(until.map(Stamp)),
            scanning: scanning.map(Stamp),
        };
        Ok(rows.into_iter().map(source).collect())
    }

    pub(super) async fn list_connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        type Row = (String, Option<i64>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(CONNECTIONS)
            .fetch_all(&self.pool)
            .await
            .map_err(fault("list connections"))?;
        let connection = |(name, until, reason): Row| ConnectionRow {
            connection: ConnectionName::new(name),
            paused_until: until.map(Stamp),
            reason,
        };
        Ok(rows.into_iter().map(connection).collect())
    }
}

fn named<T: DeserializeOwned>(groups: Vec<(String, u64)>) -> Result<Vec<(T, u64)>, StoreError> {
    groups.into_iter().map(|(name, count)| Ok((from_name("group", &name)?, count))).collect()
}
