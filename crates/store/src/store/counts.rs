//! Numbers for `status`: counts of a flow, states of sources and connections.

use super::SqlStore;
use crate::session::Row;
use crate::statement::{Query, Statement};
use crate::stored::from_name;
use duet_core::id::{ConnectionName, FlowName};
use duet_core::link::Phase;
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{ConnectionRow, FlowCounts, SourceRow};
use duet_ports::store::StoreError;
use serde::de::DeserializeOwned;

const PHASES: Statement = Statement::same(
    "count links",
    "SELECT phase, count(*), max(synced_at), max(synced_left), max(synced_right)
FROM links WHERE flow = $1 GROUP BY phase ORDER BY phase",
);

/// A link whose parent isn't on both sides yet has nothing to do before it is; from then on it
/// counts again, so the moment in between can't be missed.
/// Neither has one whose candidates wait for a person, or that waits for such a one: it looks at
/// them now and then.
/// One search per side: either finds the parent by its index.
macro_rules! waits_for_nobody {
    () => {
        "
    NOT EXISTS (
        SELECT 1 FROM parent_waits w WHERE w.link = l.id AND NOT EXISTS (
            SELECT 1 FROM links p WHERE w.side = 'left' AND p.flow = w.flow
                AND p.left_id = w.record AND p.right_id IS NOT NULL AND p.phase <> 'joined')
        AND NOT EXISTS (
            SELECT 1 FROM links p WHERE w.side = 'right' AND p.flow = w.flow
                AND p.right_id = w.record AND p.left_id IS NOT NULL AND p.phase <> 'joined'))
    AND l.phase <> 'unmatched' AND NOT EXISTS (
        SELECT 1 FROM conflicts c WHERE c.link = l.id AND c.state IN ('open', 'snoozed')
            AND c.kind IN ('ambiguous_match', 'duplicate'))"
    };
}

/// The words of an index over open intents: SQLite uses it where they stand as they are.
macro_rules! open {
    () => {
        " AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')"
    };
}

macro_rules! due {
    ($flow:literal) => {
        concat!(
            "SELECT count(*), min(l.due_at) FILTER (WHERE",
            waits_for_nobody!(),
            ") FROM links l WHERE l.due_at IS NOT NULL AND ",
            $flow
        )
    };
}

pub(super) const DUE: Statement =
    Statement { what: "count links", postgres: due!("l.flow = $1"), sqlite: due!("+l.flow = $1") };

/// The cheapest first, each by an index: while much is planned, the first look answers. SQLite, which
/// knows nothing of how many rows there are, is told which one (`+` rules a column out).
macro_rules! under_way {
    ($open:expr, $flow:literal) => {
        concat!(
            "SELECT CASE
    WHEN EXISTS (SELECT 1 FROM intents WHERE flow = $1 AND state = 'sent'",
            $open,
            ") THEN true
    WHEN EXISTS (SELECT 1 FROM intents WHERE flow = $1 AND state = 'planned' AND failure IS NULL
        AND due_at <= $2",
            $open,
            ") THEN true
    WHEN EXISTS (SELECT 1 FROM links l WHERE l.due_at <= $2 AND ",
            $flow,
            " AND",
            waits_for_nobody!(),
            ") THEN true
    ELSE EXISTS (SELECT 1 FROM intents WHERE flow = $1 AND state = 'unknown'",
            $open,
            ") END"
        )
    };
}

pub(super) const UNDER_WAY: Statement = Statement {
    what: "look what is under way",
    postgres: under_way!("", "l.flow = $1"),
    sqlite: under_way!(open!(), "+l.flow = $1"),
};

pub(super) const INTENTS: Statement = Statement::same(
    "count intents",
    concat!(
        "SELECT CASE WHEN state = 'planned' AND failure IS NOT NULL THEN 'retrying' ELSE state END
    AS shown, count(*) FROM intents WHERE flow = $1",
        open!(),
        " GROUP BY shown ORDER BY shown"
    ),
);

pub(super) const NEXT_INTENT: Statement = Statement::same(
    "count intents",
    concat!(
        "SELECT min(due_at) FROM intents WHERE flow = $1 AND state = 'planned' AND failure IS NULL",
        open!()
    ),
);

/// A read planned for later that proves no write's outcome waits for freshness.
pub(super) const FRESH: Statement = Statement::same(
    "count what waits for freshness",
    concat!(
        "SELECT count(*) FROM intents i
WHERE i.flow = $1 AND i.op = 'read' AND i.state = 'planned' AND i.failure IS NULL
    AND i.due_at > i.planned_at",
        open!(),
        " AND NOT EXISTS (
    SELECT 1 FROM intents w WHERE w.link = i.link AND w.side = i.side
        AND w.op IN ('create', 'update', 'delete', 'undelete') AND w.state IN ('sent', 'unknown'))"
    ),
);

pub(super) const WAITING: Statement = Statement::same(
    "look for the oldest writes",
    concat!(
        "SELECT side, min(planned_at) FROM intents
WHERE flow = $1 AND op IN ('create', 'update', 'delete', 'undelete')
    AND state IN ('planned', 'sent', 'unknown')",
        open!(),
        " GROUP BY side"
    ),
);

const CONFLICTS: Statement = Statement::same(
    "count conflicts",
    "SELECT kind, count(*) FROM conflicts
WHERE flow = $1 AND state IN ('open', 'snoozed', 'decided') GROUP BY kind ORDER BY kind",
);

const FIELD_ERRORS: Statement = Statement::same(
    "count field errors",
    "SELECT code, count(*) FROM field_errors WHERE flow = $1 GROUP BY code ORDER BY code",
);

const AWAITING: Statement = Statement::same(
    "count waits",
    "SELECT count(DISTINCT w.link) FROM parent_waits w JOIN links l ON l.id = w.link
WHERE l.flow = $1",
);

const DEAD: Statement = Statement::same(
    "count dead letters",
    "SELECT count(*) FROM dead_letters WHERE flow = $1 AND closed_at IS NULL",
);

/// A source is known by its position, by marks that wait for one, or by its detector's lease.
const SOURCES: Statement = Statement::same(
    "list sources",
    "
WITH sources AS (
    SELECT source FROM cursors
    UNION SELECT source FROM settled
    UNION SELECT substr(name, 8) FROM leases WHERE name LIKE 'detect/%'
)
SELECT s.source, c.moved_at, l.holder, l.until, g.until AS scanning FROM sources s
LEFT JOIN cursors c ON c.source = s.source
LEFT JOIN leases l ON l.name = 'detect/' || s.source
LEFT JOIN leases g ON g.name = 'scan/' || s.source AND g.holder IS NOT NULL
ORDER BY s.source",
);

const CONNECTIONS: Statement = Statement::same(
    "list connections",
    "SELECT name, paused_until, reason FROM connections ORDER BY name",
);

/// Links by phase, when one was last brought into agreement, and each side's newest agreed stamp.
type Phases = (Vec<(Phase, u64)>, Option<Stamp>, Both<Option<Stamp>>);

impl SqlStore {
    pub(super) async fn count_flow(&self, flow: &FlowName) -> Result<FlowCounts, StoreError> {
        let due = self.one(about(&DUE, flow)).await?;
        let next_intent: Option<i64> = self.one(about(&NEXT_INTENT, flow)).await?.get(0)?;
        let (phases, synced_at, synced) = self.phases(flow).await?;
        Ok(FlowCounts {
            phases,
            synced_at,
            synced,
            fresh: self.count(&FRESH, flow).await?,
            waiting_since: self.waiting_since(flow).await?,
            due: due.get::<i64>(0)?.unsigned_abs(),
            next_due: due.get::<Option<i64>>(1)?.map(Stamp),
            intents: self.groups(&INTENTS, flow).await?,
            next_intent: next_intent.map(Stamp),
            conflicts: named(self.groups(&CONFLICTS, flow).await?)?,
            field_errors: named(self.groups(&FIELD_ERRORS, flow).await?)?,
            awaiting_parent: self.count(&AWAITING, flow).await?,
            dead_letters: self.count(&DEAD, flow).await?,
        })
    }

    pub(super) async fn look_under_way(
        &self,
        flow: &FlowName,
        until: Stamp,
    ) -> Result<bool, StoreError> {
        self.ready().await?;
        self.one(about(&UNDER_WAY, flow).bind(until.0)).await?.get(0)
    }

    async fn phases(&self, flow: &FlowName) -> Result<Phases, StoreError> {
        let rows = self.all(about(&PHASES, flow)).await?;
        let (mut counts, mut newest) = (Vec::new(), [None; 3]);
        for row in &rows {
            counts.push((row.get(0)?, row.get::<i64>(1)?.unsigned_abs()));
            for (place, stamp) in newest.iter_mut().enumerate() {
                *stamp = row.get::<Option<i64>>(place + 2)?.map(Stamp).max(*stamp);
            }
        }
        let [at, left, right] = newest;
        Ok((named(counts)?, at, Both::new(left, right)))
    }

    async fn waiting_since(&self, flow: &FlowName) -> Result<Both<Option<Stamp>>, StoreError> {
        let mut since = Both::default();
        for row in self.all(about(&WAITING, flow)).await? {
            let side = from_name("side of an intent", &row.get::<String>(0)?)?;
            *since.get_mut(side) = row.get::<Option<i64>>(1)?.map(Stamp);
        }
        Ok(since)
    }

    async fn groups(
        &self,
        statement: &'static Statement,
        flow: &FlowName,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self.all(about(statement, flow)).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get::<i64>(1)?.unsigned_abs()))).collect()
    }

    async fn count(
        &self,
        statement: &'static Statement,
        flow: &FlowName,
    ) -> Result<u64, StoreError> {
        Ok(self.one(about(statement, flow)).await?.get::<i64>(0)?.unsigned_abs())
    }

    pub(super) async fn list_sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        let source = |row: &Row| {
            let stamp = |column| row.get::<Option<i64>>(column).map(|at| at.map(Stamp));
            Ok(SourceRow {
                source: row.get("source")?,
                moved_at: stamp("moved_at")?,
                holder: row.get::<Option<String>>("holder")?.zip(stamp("until")?),
                scanning: stamp("scanning")?,
            })
        };
        self.all(Query::new(&SOURCES)).await?.iter().map(source).collect()
    }

    pub(super) async fn list_connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        let connection = |row: &Row| {
            Ok(ConnectionRow {
                connection: ConnectionName::new(row.get::<String>("name")?),
                paused_until: row.get::<Option<i64>>("paused_until")?.map(Stamp),
                reason: row.get("reason")?,
            })
        };
        self.all(Query::new(&CONNECTIONS)).await?.iter().map(connection).collect()
    }
}

/// A statement about one flow.
fn about<'q>(statement: &'static Statement, flow: &'q FlowName) -> Query<'q> {
    Query::new(statement).bind(flow.as_str())
}

fn named<T: DeserializeOwned>(groups: Vec<(String, u64)>) -> Result<Vec<(T, u64)>, StoreError> {
    groups.into_iter().map(|(name, count)| Ok((from_name("group", &name)?, count))).collect()
}
