//! Settled positions: marks of finished messages, and the position that passes over them.

use super::SqlStore;
use crate::session::Session;
use crate::statement::{Query, Statement};
use crate::stored::checked;
use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use duet_ports::envelope::Numbered;
use duet_ports::store::StoreError;

/// How often a message failed counts until it is settled.
const MARK: Statement = Statement {
    what: "mark messages settled",
    postgres: "
WITH forgotten AS (DELETE FROM poison WHERE message = ANY($4::text[]))
INSERT INTO settled (source, token, number)
SELECT DISTINCT source, token, number
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS n(source, token, number)
ORDER BY source, token, number
ON CONFLICT DO NOTHING",
    sqlite: "
DELETE FROM poison WHERE message IN (SELECT value FROM json_each($4));
INSERT INTO settled (source, token, number)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE true
ON CONFLICT DO NOTHING",
};

/// A token is outdated once a newer one moved the position or holds the source's lease.
const ADVANCE: Statement = Statement::same(
    "store a position",
    "
INSERT INTO cursors (source, token, settled, position, moved_at)
SELECT $1, $2, $3, $4, $5
WHERE NOT EXISTS (SELECT 1 FROM leases WHERE name = 'detect/' || $1 AND token > $2)
ON CONFLICT (source) DO UPDATE SET token = excluded.token,
    settled = CASE WHEN cursors.token = excluded.token
            AND cursors.settled > excluded.settled
        THEN cursors.settled ELSE excluded.settled END,
    position = coalesce(excluded.position, cursors.position), moved_at = excluded.moved_at
WHERE cursors.token <= excluded.token
RETURNING token",
);

const FORGET: Statement = Statement::same(
    "delete settled marks",
    "DELETE FROM settled WHERE source = $1 AND (token < $2 OR (token = $2 AND number <= $3))",
);

/// A message that came once more after the position had passed it counts for nothing.
const SETTLED: Statement = Statement::same(
    "read settled marks",
    "
SELECT s.number FROM settled s
LEFT JOIN cursors c ON c.source = s.source AND c.token = s.token
WHERE s.source = $1 AND s.token = $2 AND s.number > coalesce(c.settled, s.number - 1)
ORDER BY s.number",
);

const POSITION: Statement =
    Statement::same("read a position", "SELECT position FROM cursors WHERE source = $1");

pub(super) async fn mark(
    session: &mut Session<'_>,
    numbers: &[Numbered],
) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let query = Query::new(&MARK)
        .column(numbers.iter().map(|one| one.source.as_str()))
        .column(numbers.iter().map(|one| one.token))
        .column(numbers.iter().map(|one| one.number))
        .list(numbers.iter().map(Numbered::name));
    session.run(query).await
}

impl SqlStore {
    pub(super) async fn move_position(
        &self,
        source: &str,
        token: i64,
        position: Option<&Position>,
        settled: i64,
        now: Stamp,
    ) -> Result<bool, StoreError> {
        let position = position.map(|position| checked("position", &position.0)).transpose()?;
        let mut transaction = self.begin_transaction().await?;
        let advance =
            Query::new(&ADVANCE).bind(source).bind(token).bind(settled).bind(position).bind(now.0);
        if transaction.session().first(advance).await?.is_none() {
            return Ok(false);
        }
        let forget = Query::new(&FORGET).bind(source).bind(token).bind(settled);
        transaction.session().run(forget).await?;
        transaction.commit("store a position").await?;
        Ok(true)
    }

    pub(super) async fn settled_numbers(
        &self,
        source: &str,
        token: i64,
    ) -> Result<Vec<i64>, StoreError> {
        self.ready().await?;
        let rows = self.all(Query::new(&SETTLED).bind(source).bind(token)).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn stored_position(
        &self,
        source: &str,
    ) -> Result<Option<Position>, StoreError> {
        self.ready().await?;
        let row = self.first(Query::new(&POSITION).bind(source)).await?;
        let position: Option<Option<String>> = row.map(|row| row.get(0)).transpose()?;
        Ok(position.flatten().map(Position))
    }
}
