//! What a person may change: a decision, the end of a conflict, an intent's fate. Each takes the
//! link's row first, as every writer does, so that no verdict under way can overwrite it.

use super::Postgres;
use super::error::fault;
use super::save_links::run;
use crate::stored::{FORM, from_json, from_name, name_of, to_json};
use duet_core::conflict::{CloseReason, ConflictState, Resolution, Standing, Weighed};
use duet_core::id::{ConflictId, IntentId};
use duet_core::intent::IntentState;
use duet_core::stamp::Stamp;
use duet_ports::inspect::Accepted;
use duet_ports::store::StoreError;
use sqlx::{Postgres as Driver, Transaction};
use uuid::Uuid;

const DUE_BY_CONFLICT: &str = "
UPDATE links SET due_at = least(due_at, $2)
WHERE id = (SELECT link FROM conflicts WHERE id = $1)";

const DUE_BY_INTENT: &str = "
UPDATE links SET due_at = least(due_at, $2)
WHERE id = (SELECT link FROM intents WHERE id = $1)";

const CONFLICT: &str = "SELECT state, rev, seen, resolution::text FROM conflicts WHERE id = $1";

const DECIDE: &str = "
UPDATE conflicts SET state = $2, rev = rev + 1, resolution = $3::json WHERE id = $1";

const CLOSE: &str = "
UPDATE conflicts SET state = $2, rev = rev + 1, reason = $3, closed_at = $4 WHERE id = $1";

const INTENT: &str = "SELECT state FROM intents WHERE id = $1";

const SET: &str = "UPDATE intents SET state = $2, due_at = $3 WHERE id = $1";

impl Postgres {
    pub(super) async fn store_resolution(
        &self,
        id: ConflictId,
        rev: i64,
        resolution: &Resolution,
    ) -> Result<Accepted, StoreError> {
        let stored = to_json("resolution", resolution)?;
        let mut transaction = self.hold(DUE_BY_CONFLICT, id.0, resolution.at).await?;
        let Some(row) = conflict(&mut transaction, id).await? else {
            return Ok(Accepted::Gone);
        };
        match row.weigh(rev, resolution)? {
            Weighed::New => {}
            Weighed::Again => return Ok(Accepted::Yes),
            Weighed::Stale => return Ok(Accepted::Stale),
            Weighed::Over => return Ok(Accepted::Gone),
        }
        let decide = sqlx::query(DECIDE).bind(id.0).bind(name_of(ConflictState::Decided));
        run(&mut transaction, "store a decision", decide.bind(stored)).await?;
        accept(transaction).await
    }

    pub(super) async fn close_by_hand(
        &self,
        id: ConflictId,
        rev: i64,
        reason: CloseReason,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        let mut transaction = self.hold(DUE_BY_CONFLICT, id.0, now).await?;
        let closed = name_of(ConflictState::Closed);
        match conflict(&mut transaction, id).await? {
            Some(row) if row.state == closed => return Ok(Accepted::Gone),
            Some(row) if row.rev != rev => return Ok(Accepted::Stale),
            Some(_) => {}
            None => return Ok(Accepted::Gone),
        }
        let close = sqlx::query(CLOSE).bind(id.0).bind(closed).bind(name_of(reason)).bind(now.0);
        run(&mut transaction, "close a conflict", close).await?;
        accept(transaction).await
    }

    pub(super) async fn set_by_hand(
        &self,
        id: IntentId,
        state: IntentState,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        let due_at = due_by_hand(state, now)?;
        let mut transaction = self.hold(DUE_BY_INTENT, id.0, now).await?;
        let current: Option<String> = sqlx::query_scalar(INTENT)
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(fault("read an intent"))?;
        let Some(current) = current else { return Ok(Accepted::Gone) };
        let current: IntentState = from_name("state of an intent", &current)?;
        if !current.is_open() {
            return Ok(Accepted::Gone);
        }
        if !current.is_replaceable() {
            return Ok(Accepted::Stale);
        }
        let set = sqlx::query(SET).bind(id.0).bind(name_of(state)).bind(due_at);
        run(&mut transaction, "set an intent", set).await?;
        accept(transaction).await
    }

    /// Begins a transaction that holds a link's row, made due.
    async fn hold(
        &self,
        sql: &'static str,
        id: Uuid,
        at: Stamp,
    ) -> Result<Transaction<'static, Driver>, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        run(&mut transaction, "make a link due", sqlx::query(sql).bind(id).bind(at.0)).await?;
        Ok(transaction)
    }
}

/// When an intent that a person set is due; a person can only plan it again or discard it.
fn due_by_hand(state: IntentState, now: Stamp) -> Result<Option<i64>, StoreError> {
    match state {
        IntentState::Planned => Ok(Some(now.0)),
        IntentState::Discarded => Ok(None),
        IntentState::Sent
        | IntentState::Unknown
        | IntentState::Parked
        | IntentState::Confirmed
        | IntentState::NotLanded
        | IntentState::Superseded
        | IntentState::Refused => Err(StoreError::Refused {
            what: "set an intent",
            source: "an intent can be planned again or discarded, nothing else".into(),
        }),
    }
}

/// What is asked of a conflict before a person changes it.
struct Row {
    state: String,
    rev: i64,
    seen: String,
    resolution: Option<String>,
}

impl Row {
    fn weigh(&self, rev: i64, decision: &Resolution) -> Result<Weighed, StoreError> {
        let made = self.resolution.as_deref().map(|text| from_json("resolution", FORM, text));
        let made: Option<Resolution> = made.transpose()?;
        let state = from_name("state of a conflict", &self.state)?;
        let standing = Standing { state, rev: self.rev, seen: &self.seen, made: made.as_ref() };
        Ok(standing.weigh(rev, decision))
    }
}

async fn conflict(
    transaction: &mut Transaction<'static, Driver>,
    id: ConflictId,
) -> Result<Option<Row>, StoreError> {
    let row: Option<(String, i64, String, Option<String>)> = sqlx::query_as(CONFLICT)
        .bind(id.0)
        .fetch_optional(&mut **transaction)
        .await
        .map_err(fault("read a conflict"))?;
    Ok(row.map(|(state, rev, seen, resolution)| Row { state, rev, seen, resolution }))
}

async fn accept(transaction: Transaction<'static, Driver>) -> Result<Accepted, StoreError> {
    transaction.commit().await.map_err(fault("commit"))?;
    Ok(Accepted::Yes)
}
