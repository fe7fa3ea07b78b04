//! Creates: inserts that never overwrite. A repeated one is known by its marker; one that meets a
//! record of somebody else reads it and is refused.

use super::Work;
use super::existing::in_order;
use super::prepare::Item;
use crate::error::made;
use crate::session::Session;
use duet_core::id::{IntentId, RecordId};
use duet_core::intent::Outcome;
use duet_core::retry::FailureClass;
use duet_ports::connector::Call;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

impl Work<'_> {
    /// Inserts records. One outcome per call.
    pub(super) async fn create(
        &self,
        session: &mut Session,
        calls: &[&Call],
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut outcomes = self.landed_before(session, calls).await?;
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
        outcomes.extend(self.write_items(session, calls, items).await?);
        Ok(in_order(calls.len(), outcomes))
    }

    /// Calls whose marker stands on a record already. Two processes with one intent wait for each
    /// other here, so that the second one sees the first one's marker.
    async fn landed_before(
        &self,
        session: &mut Session,
        calls: &[&Call],
    ) -> Result<HashMap<usize, Outcome>, sqlx::Error> {
        let Some(capture) = &self.shape.capture else { return Ok(HashMap::new()) };
        let intents: Vec<IntentId> = calls.iter().map(|call| call.intent).collect();
        if let Some(one_at_a_time) = capture.one_at_a_time(&intents) {
            session.run(&one_at_a_time).await?;
        }
        let mut marked: HashMap<Uuid, RecordId> = HashMap::new();
        for row in session.all(&capture.marked(&intents)).await? {
            if let Ok(id) = row.own_text("write_id")?.parse() {
                marked.insert(id, RecordId::new(row.own_text("key")?));
            }
        }
        let records: Vec<RecordId> = marked.values().cloned().collect();
        let mut after = self.read_back(session, &records).await?;
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
