//! Creates: inserts that never overwrite. A repeated one is known by its marker; one that meets a
//! record of somebody else reads it and is refused.

use super::Work;
use super::existing::in_order;
use super::prepare::Item;
use crate::error::made;
use crate::sql::writes;
use duet_core::id::{IntentId, RecordId};
use duet_core::intent::Outcome;
use duet_core::retry::FailureClass;
use duet_ports::connector::Call;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

impl Work<'_> {
    /// Inserts records. One outcome per call.
    pub(super) async fn create(
        &self,
        connection: &mut PgConnection,
        calls: &[&Call],
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut outcomes = self.landed_before(connection, calls).await?;
        let mut items = Vec::new();
        let mut ids = HashSet::new();
        for (at, call) in calls.iter().enumerate() {
            if outcomes.contains_key(&at) {
                continue;
            }
            match self.new_item(at, call, &mut ids) {
                Ok(item) => items.push(item),
                Err(outcome) => drop(outcomes.insert(at, outcome)),
            }
        }
        outcomes.extend(self.write_items(connection, calls, items).await?);
        Ok(in_order(calls.len(), outcomes))
    }

    /// Calls whose marker stands on a record already. Two processes with one intent wait for each
    /// other here, so that the second one sees the first one's marker.
    async fn landed_before(
        &self,
        connection: &mut PgConnection,
        calls: &[&Call],
    ) -> Result<HashMap<usize, Outcome>, sqlx::Error> {
        let Some(schema) = self.shape.capture else { return Ok(HashMap::new()) };
        let numbers: Vec<i64> = calls.iter().map(|call| number(call.intent)).collect();
        sqlx::query(writes::ONE_AT_A_TIME).bind(numbers).execute(&mut *connection).await?;
        let intents: Vec<Uuid> = calls.iter().map(|call| call.intent.0).collect();
        let marked: Vec<(Uuid, String, Option<i64>)> =
            sqlx::query_as(writes::marked(schema).text())
                .bind(self.collection.flow.as_str())
                .bind(self.collection.side.as_str())
                .bind(intents)
                .fetch_all(&mut *connection)
                .await?;
        let marked: HashMap<Uuid, RecordId> =
            marked.into_iter().map(|(id, key, _)| (id, RecordId::new(key))).collect();
        let records: Vec<RecordId> = marked.values().cloned().collect();
        let mut after = self.read_back(connection, &records).await?;
        let landed = |(at, call): (usize, &&Call)| {
            let record = marked.get(&call.intent.0)?.clone();
            let after = after.remove(&record).map(Box::new);
            Some((at, Outcome::Landed { record, after }))
        };
        Ok(calls.iter().enumerate().filter_map(landed).collect())
    }

    /// The item of a create. Its id is known before if its values hold the whole key; a second one
    /// with the same id goes alone, to meet the first.
    fn new_item(
        &self,
        at: usize,
        call: &Call,
        ids: &mut HashSet<RecordId>,
    ) -> Result<Item, Outcome> {
        let mut item = self.item(at, call)?;
        if item.columns.is_empty() {
            let text = "a record can't be created without a value";
            let failure = made(FailureClass::Validation, "no_values", text);
            return Err(Outcome::Refused { failure, observed: None });
        }
        item.record = self.new_id(&item).filter(|id| ids.insert(id.clone()));
        Ok(item)
    }

    fn new_id(&self, item: &Item) -> Option<RecordId> {
        let part = |name| {
            let at = item.columns.iter().position(|column| column == name)?;
            item.cells[at].clone()
        };
        let parts: Option<Vec<String>> =
            self.shape.table.key.iter().map(|column| part(&column.name)).collect();
        parts.map(|parts| RecordId::from_parts(&parts))
    }
}

/// Any number that an intent always has: a collision only makes two calls wait for each other.
fn number(intent: IntentId) -> i64 {
    let (high, low) = intent.0.as_u64_pair();
    (high ^ low).cast_signed()
}
