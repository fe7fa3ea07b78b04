//! The port's methods, one by one: what each does stands in the file of its topic.

use super::SqlStore;
use super::facts::flow_state;
use super::unit::SqlUnit;
use crate::session::Row;
use crate::statement::{Query, Statement};
use crate::stored::{FORM, checked, corrupt, from_json, to_json};
use async_trait::async_trait;
use duet_core::facts::FlowState;
use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId};
use duet_core::keyed::KeyedBy;
use duet_core::retry::Failure;
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use duet_ports::inspect::DeadLetterRow;
use duet_ports::store::{Claimed, Lease, Most, Store, StoreError, Unit};
use std::time::Duration;

const COUNT_POISON: Statement = Statement::same(
    "count a failure",
    "INSERT INTO poison (message, failures) VALUES ($1, 1)
ON CONFLICT (message) DO UPDATE SET failures = poison.failures + 1
RETURNING failures",
);

const FLOW: Statement = Statement::same(
    "read a flow",
    "SELECT adopted, paused, deletes_held FROM flows WHERE name = $1",
);

const SET_FLOW: Statement = Statement::same(
    "store a flow",
    "INSERT INTO flows (name, adopted, paused, deletes_held, changed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET adopted = excluded.adopted, paused = excluded.paused,
    deletes_held = excluded.deletes_held, changed_at = excluded.changed_at",
);

const SET_ADOPTED: Statement = Statement::same(
    "mark a flow as adopted",
    "INSERT INTO flows (name, adopted, paused, deletes_held, changed_at)
VALUES ($1, true, false, false, $2)
ON CONFLICT (name) DO UPDATE SET adopted = true, changed_at = excluded.changed_at",
);

const FLOW_KEYS: Statement = Statement::same(
    "read a flow's keys",
    "SELECT keyed_form, CAST(keyed_by AS text) AS keyed_by FROM flows
WHERE name = $1 AND keyed_by IS NOT NULL",
);

/// What is noted stays.
macro_rules! note_flow_keys {
    ($keys:literal) => {
        concat!(
            "
INSERT INTO flows AS f (name, adopted, paused, deletes_held, changed_at, keyed_form, keyed_by)
VALUES ($1, false, false, false, $2, $3, ",
            $keys,
            ")
ON CONFLICT (name) DO UPDATE SET keyed_form = coalesce(f.keyed_form, excluded.keyed_form),
    keyed_by = coalesce(f.keyed_by, excluded.keyed_by)
RETURNING keyed_form, CAST(keyed_by AS text) AS keyed_by"
        )
    };
}

const NOTE_FLOW_KEYS: Statement = Statement {
    what: "note a flow's keys",
    postgres: note_flow_keys!("$4::json"),
    sqlite: note_flow_keys!("$4"),
};

const PAUSE: Statement = Statement::same(
    "pause a connection",
    "INSERT INTO connections (name, paused_until, reason) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET paused_until = excluded.paused_until, reason = excluded.reason",
);

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self) -> Result<Box<dyn Unit>, StoreError> {
        Ok(Box::new(SqlUnit::new(self.begin_transaction().await?)))
    }

    async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.bring_up_to_date().await
    }

    async fn lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
        now: Stamp,
    ) -> Result<Option<Lease>, StoreError> {
        self.take_lease(name, holder, length, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.release_lease(lease).await
    }

    async fn live_processes(&self, now: Stamp) -> Result<u32, StoreError> {
        self.count_processes(now).await
    }

    async fn position(&self, source: &str) -> Result<Option<Position>, StoreError> {
        self.stored_position(source).await
    }

    async fn advance(
        &self,
        source: &str,
        token: i64,
        position: Option<&Position>,
        settled: i64,
        now: Stamp,
    ) -> Result<bool, StoreError> {
        self.move_position(source, token, position, settled, now).await
    }

    async fn settled(&self, source: &str, token: i64) -> Result<Vec<i64>, StoreError> {
        self.settled_numbers(source, token).await
    }

    async fn claim(
        &self,
        connection: &ConnectionName,
        flows: &[FlowName],
        most: Most,
        now: Stamp,
        deadline: Stamp,
    ) -> Result<Option<Claimed>, StoreError> {
        self.claim_due(connection, flows, most, now, deadline).await
    }

    async fn unclaim(
        &self,
        intents: &[IntentId],
        due_at: Stamp,
        failure: Option<&Failure>,
    ) -> Result<(), StoreError> {
        self.give_back(intents, due_at, failure).await
    }

    async fn due_links(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError> {
        self.take_due_links(flows, limit, now).await
    }

    async fn due_intents(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<(Vec<ConnectionName>, Vec<(LinkId, IntentId)>), StoreError> {
        self.find_due_intents(flows, limit, now).await
    }

    async fn is_under_way(&self, flow: &FlowName, until: Stamp) -> Result<bool, StoreError> {
        self.look_under_way(flow, until).await
    }

    async fn asked_letters(
        &self,
        flows: &[FlowName],
        limit: u64,
    ) -> Result<Vec<(DeadLetterRow, Vec<u8>)>, StoreError> {
        self.ready().await?;
        self.letters_asked_for(flows, limit).await
    }

    async fn count_poison(&self, message: &str) -> Result<u32, StoreError> {
        self.ready().await?;
        let count = Query::new(&COUNT_POISON).bind(checked("message", message)?);
        let row = self.write(count).await?.ok_or_else(|| corrupt("poison", "no count"))?;
        row.get("failures").map(i32::unsigned_abs)
    }

    async fn flow_state(&self, flow: &FlowName) -> Result<FlowState, StoreError> {
        self.ready().await?;
        let row = self.first(Query::new(&FLOW).bind(flow.as_str())).await?;
        row.map_or(Ok(FlowState::default()), |row| flow_state(&row))
    }

    async fn set_flow_state(
        &self,
        flow: &FlowName,
        state: FlowState,
        now: Stamp,
    ) -> Result<(), StoreError> {
        self.ready().await?;
        let set = Query::new(&SET_FLOW)
            .bind(checked("flow", flow.as_str())?)
            .bind(state.adopted)
            .bind(state.paused)
            .bind(state.deletes_held)
            .bind(now.0);
        self.write(set).await.map(drop)
    }

    async fn set_adopted(&self, flow: &FlowName, now: Stamp) -> Result<(), StoreError> {
        self.ready().await?;
        let set = Query::new(&SET_ADOPTED).bind(checked("flow", flow.as_str())?).bind(now.0);
        self.write(set).await.map(drop)
    }

    async fn flow_keys(&self, flow: &FlowName) -> Result<Option<Both<KeyedBy>>, StoreError> {
        self.ready().await?;
        let row = self.first(Query::new(&FLOW_KEYS).bind(flow.as_str())).await?;
        row.map(|row| flow_keys(&row)).transpose()
    }

    async fn note_flow_keys(
        &self,
        flow: &FlowName,
        keys: &Both<KeyedBy>,
        now: Stamp,
    ) -> Result<Both<KeyedBy>, StoreError> {
        self.ready().await?;
        let note = Query::new(&NOTE_FLOW_KEYS)
            .bind(checked("flow", flow.as_str())?)
            .bind(now.0)
            .bind(FORM)
            .bind(to_json("flow keys", keys)?);
        let noted = self.write(note).await?;
        flow_keys(&noted.ok_or_else(|| corrupt("flow keys", "nothing is noted"))?)
    }

    async fn pause_connection(
        &self,
        connection: &ConnectionName,
        until: Option<Stamp>,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.ready().await?;
        let pause = Query::new(&PAUSE)
            .bind(checked("connection", connection.as_str())?)
            .bind(until.map(|until| until.0))
            .bind(reason.map(|reason| checked("reason", reason)).transpose()?);
        self.write(pause).await.map(drop)
    }
}

fn flow_keys(row: &Row) -> Result<Both<KeyedBy>, StoreError> {
    from_json("flow keys", row.get("keyed_form")?, &row.get::<String>("keyed_by")?)
}
