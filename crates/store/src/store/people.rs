//! What a person may change: a decision, the end of a conflict, an intent's fate. Each takes the
//! link's row first, as every writer does, so that no verdict under way can overwrite it.

use super::SqlStore;
use crate::session::Transaction;
use crate::statement::{Query, Statement};
use crate::stored::{FORM, from_json, from_name, name_of, to_json};
use duet_core::conflict::{CloseReason, ConflictState, Resolution, Standing, Weighed};
use duet_core::id::{ConflictId, IntentId};
use duet_core::intent::IntentState;
use duet_core::stamp::Stamp;
use duet_ports::inspect::Accepted;
use duet_ports::store::StoreError;
use uuid::Uuid;

const DUE_BY_CONFLICT: Statement = Statement::same(
    "make a link due",
    "UPDATE links SET due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
WHERE id = (SELECT link FROM conflicts WHERE id = $1)",
);

const DUE_BY_INTENT: Statement = Statement::same(
    "make a link due",
    "UPDATE links SET due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
WHERE id = (SELECT link FROM intents WHERE id = $1)",
);

const CONFLICT: Statement = Statement::same(
    "read a conflict",
    "SELECT state, rev, seen, CAST(resolution AS text) AS resolution FROM conflicts WHERE id = $1",
);

const DECIDE: Statement = Statement {
    what: "store a decision",
    postgres: "
UPDATE conflicts SET state = $2, rev = rev + 1, resolution = $3::json WHERE id = $1",
    sqlite: "UPDATE conflicts SET state = $2, rev = rev + 1, resolution = $3 WHERE id = $1",
};

const CLOSE: Statement = Statement::same(
    "close a conflict",
    "UPDATE conflicts SET state = $2, rev = rev + 1, reason = $3, closed_at = $4 WHERE id = $1",
);

const INTENT: Statement =
    Statement::same("read an intent", "SELECT state FROM intents WHERE id = $1");

const SET: Statement =
    Statement::same("set an intent", "UPDATE intents SET state = $2, due_at = $3 WHERE id = $1");

impl SqlStore {
    pub(super) async fn store_resolution(
        &self,
        id: ConflictId,
        rev: i64,
        resolution: &Resolution,
    ) -> Result<Accepted, StoreError> {
        let stored = to_json("resolution", resolution)?;
        let mut transaction = self.hold(&DUE_BY_CONFLICT, id.0, resolution.at).await?;
        let Some(row) = conflict(&mut transaction, id).await? else {
            return Ok(Accepted::Gone);
        };
        match row.weigh(rev, resolution)? {
            Weighed::New => {}
            Weighed::Again => return Ok(Accepted::Yes),
            Weighed::Stale => return Ok(Accepted::Stale),
            Weighed::Over => return Ok(Accepted::Gone),
        }
        let decide = Query::new(&DECIDE).bind(id.0).bind(name_of(ConflictState::Decided));
        transaction.session().run(decide.bind(stored)).await?;
        accept(transaction).await
    }

    pub(super) async fn close_by_hand(
        &self,
        id: ConflictId,
        rev: i64,
        reason: CloseReason,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        let mut transaction = self.hold(&DUE_BY_CONFLICT, id.0, now).await?;
        let closed = name_of(ConflictState::Closed);
        match conflict(&mut transaction, id).await? {
            Some(row) if row.state == closed => return Ok(Accepted::Gone),
            Some(row) if row.rev != rev => return Ok(Accepted::Stale),
            Some(_) => {}
            None => return Ok(Accepted::Gone),
        }
        let close = Query::new(&CLOSE).bind(id.0).bind(closed).bind(name_of(reason)).bind(now.0);
        transaction.session().run(close).await?;
        accept(transaction).await
    }

    pub(super) async fn set_by_hand(
        &self,
        id: IntentId,
        state: IntentState,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        let due_at = due_by_hand(state, now)?;
        let mut transaction = self.hold(&DUE_BY_INTENT, id.0, now).await?;
        let row = transaction.session().first(Query::new(&INTENT).bind(id.0)).await?;
        let Some(row) = row else { return Ok(Accepted::Gone) };
        let current: IntentState = from_name("state of an intent", &row.get::<String>("state")?)?;
        if !current.is_open() {
            return Ok(Accepted::Gone);
        }
        if !current.is_replaceable() {
            return Ok(Accepted::Stale);
        }
        let set = Query::new(&SET).bind(id.0).bind(name_of(state)).bind(due_at);
        transaction.session().run(set).await?;
        accept(transaction).await
    }

    /// Begins a transaction that holds a link's row, made due.
    async fn hold(
        &self,
        statement: &'static Statement,
        id: Uuid,
        at: Stamp,
    ) -> Result<Transaction, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        transaction.session().run(Query::new(statement).bind(id).bind(at.0)).await?;
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
struct Standpoint {
    state: String,
    rev: i64,
    seen: String,
    resolution: Option<String>,
}

impl Standpoint {
    fn weigh(&self, rev: i64, decision: &Resolution) -> Result<Weighed, StoreError> {
        let made = self.resolution.as_deref().map(|text| from_json("resolution", FORM, text));
        let made: Option<Resolution> = made.transpose()?;
        let state = from_name("state of a conflict", &self.state)?;
        let standing = Standing { state, rev: self.rev, seen: &self.seen, made: made.as_ref() };
        Ok(standing.weigh(rev, decision))
    }
}

async fn conflict(
    transaction: &mut Transaction,
    id: ConflictId,
) -> Result<Option<Standpoint>, StoreError> {
    let row = transaction.session().first(Query::new(&CONFLICT).bind(id.0)).await?;
    let read = |row: crate::session::Row| {
        let (state, rev, seen) = (row.get("state")?, row.get("rev")?, row.get("seen")?);
        Ok(Standpoint { state, rev, seen, resolution: row.get("resolution")? })
    };
    row.map(read).transpose()
}

async fn accept(transaction: Transaction) -> Result<Accepted, StoreError> {
    transaction.commit("commit").await?;
    Ok(Accepted::Yes)
}
