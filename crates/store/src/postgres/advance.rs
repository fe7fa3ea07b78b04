//! Settled positions: marks of finished messages, and the position that passes over them.

use super::error::fault;
use super::save_links::run;
use super::{BEGIN, Postgres};
use crate::stored::checked;
use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use duet_ports::envelope::Numbered;
use duet_ports::store::StoreError;
use sqlx::PgConnection;

/// How often a message failed counts until it is settled.
const MARK: &str = "
WITH forgotten AS (DELETE FROM poison WHERE message = ANY($4::text[]))
INSERT INTO settled (source, token, number)
SELECT DISTINCT source, token, number
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS n(source, token, number)
ORDER BY source, token, number
ON CONFLICT DO NOTHING";

/// A token is outdated once a newer one moved the position or holds the source's lease.
const ADVANCE: &str = "
INSERT INTO cursors (source, token, settled, position, moved_at)
SELECT $1, $2, $3, $4, $5
WHERE NOT EXISTS (SELECT FROM leases WHERE name = 'detect/' || $1 AND token > $2)
ON CONFLICT (source) DO UPDATE SET token = excluded.token,
    settled = CASE WHEN cursors.token = excluded.token
        THEN greatest(cursors.settled, excluded.settled) ELSE excluded.settled END,
    position = coalesce(excluded.position, cursors.position), moved_at = excluded.moved_at
WHERE cursors.token <= excluded.token
RETURNING token";

const FORGET: &str = "
DELETE FROM settled WHERE source = $1 AND (token < $2 OR (token = $2 AND number <= $3))";

/// A message that came once more after the position had passed it counts for nothing.
const SETTLED: &str = "
SELECT s.number FROM settled s
LEFT JOIN cursors c ON c.source = s.source AND c.token = s.token
WHERE s.source = $1 AND s.token = $2 AND s.number > coalesce(c.settled, s.number - 1)
ORDER BY s.number";

const POSITION: &str = "SELECT position FROM cursors WHERE source = $1";

pub(super) async fn mark(
    connection: &mut PgConnection,
    numbers: &[Numbered],
) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(MARK)
        .bind(numbers.iter().map(|one| one.source.as_str()).collect::<Vec<_>>())
        .bind(numbers.iter().map(|one| one.token).collect::<Vec<_>>())
        .bind(numbers.iter().map(|one| one.number).collect::<Vec<_>>())
        .bind(numbers.iter().map(Numbered::name).collect::<Vec<_>>());
    run(connection, "mark messages settled", query).await
}

impl Postgres {
    pub(super) async fn move_position(
        &self,
        source: &str,
        token: i64,
        position: Option<&Position>,
        settled: i64,
        now: Stamp,
    ) -> Result<bool, StoreError> {
        let position = position.map(|position| checked("position", &position.0)).transpose()?;
        self.ready().await?;
        let mut transaction = self.pool.begin_with(BEGIN).await.map_err(fault("begin"))?;
        let moved: Option<i64> = sqlx::query_scalar(ADVANCE)
            .bind(source)
            .bind(token)
            .bind(settled)
            .bind(position)
            .bind(now.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(fault("store a position"))?;
        if moved.is_none() {
            return Ok(false);
        }
        let forget = sqlx::query(FORGET).bind(source).bind(token).bind(settled);
        run(&mut transaction, "delete settled marks", forget).await?;
        transaction.commit().await.map_err(fault("store a position"))?;
        Ok(true)
    }

    pub(super) async fn settled_numbers(
        &self,
        source: &str,
        token: i64,
    ) -> Result<Vec<i64>, StoreError> {
        self.ready().await?;
        let numbers = sqlx::query_scalar(SETTLED).bind(source).bind(token);
        numbers.fetch_all(&self.pool).await.map_err(fault("read settled marks"))
    }

    pub(super) async fn stored_position(
        &self,
        source: &str,
    ) -> Result<Option<Position>, StoreError> {
        self.ready().await?;
        let position: Option<Option<String>> = sqlx::query_scalar(POSITION)
            .bind(source)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault("read a position"))?;
        Ok(position.flatten().map(Position))
    }
}
