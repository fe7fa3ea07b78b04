//! Lists for people, through the entities. Reads never lock.

use super::SqlStore;
use super::facts::aliases;
use crate::entity::{attempts, conflicts, intents, links};
use crate::filters;
use crate::stored::name_of;
use duet_core::conflict::Conflict;
use duet_core::id::{ConflictId, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::Intent;
use duet_core::link::{Link, Phase};
use duet_core::side::Both;
use duet_ports::inspect::{AttemptRow, ConflictFilter, ErrorFilter, ErrorRow};
use duet_ports::store::StoreError;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::HashMap;
use uuid::Uuid;

/// The most rows a short id may stand for: more is no answer.
pub(super) const PREFIX_MAX: u64 = 20;

impl SqlStore {
    pub(super) async fn list_links(
        &self,
        flow: &FlowName,
        phases: &[Phase],
        after: Option<LinkId>,
        limit: u64,
    ) -> Result<Vec<Link>, StoreError> {
        use links::Column;
        let mut query = links::Entity::find().filter(Column::Flow.eq(flow.as_str()));
        if !phases.is_empty() {
            query = query.filter(Column::Phase.is_in(phases.iter().map(name_of)));
        }
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.0));
        }
        let query = query.order_by_asc(Column::Id).limit(limit);
        let rows = query.all(&self.lists).await.map_err(self.list_fault("list links"))?;
        self.with_aliases(rows).await
    }

    pub(super) async fn with_aliases(
        &self,
        rows: Vec<links::Model>,
    ) -> Result<Vec<Link>, StoreError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut connection = self.reading("list links").await?;
        let mut aliases = aliases(&mut connection.session(), &ids).await?;
        rows.into_iter()
            .map(|row| {
                let own = aliases.remove(&row.id).unwrap_or_default();
                row.into_link(own)
            })
            .collect()
    }

    pub(super) async fn list_conflicts(
        &self,
        filter: &ConflictFilter,
    ) -> Result<Vec<Conflict>, StoreError> {
        let rows = conflicts::Entity::find()
            .filter(filters::conflicts(filter))
            .order_by_asc(conflicts::Column::OpenedAt)
            .order_by_asc(conflicts::Column::Id)
            .limit(filter.limit)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list conflicts"))?;
        rows.into_iter().map(conflicts::Model::into_conflict).collect()
    }

    pub(super) async fn one_conflict(
        &self,
        id: ConflictId,
    ) -> Result<Option<Conflict>, StoreError> {
        let row = conflicts::Entity::find_by_id(id.0).one(&self.lists).await;
        let row = row.map_err(self.list_fault("read a conflict"))?;
        row.map(conflicts::Model::into_conflict).transpose()
    }

    pub(super) async fn conflicts_from(&self, prefix: &str) -> Result<Vec<Conflict>, StoreError> {
        let Some((first, last)) = filters::ids_from_prefix(prefix) else {
            return Ok(Vec::new());
        };
        let rows = conflicts::Entity::find()
            .filter(conflicts::Column::Id.between(first, last))
            .order_by_asc(conflicts::Column::Id)
            .limit(PREFIX_MAX)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list conflicts"))?;
        rows.into_iter().map(conflicts::Model::into_conflict).collect()
    }

    pub(super) async fn intents_from(&self, prefix: &str) -> Result<Vec<Intent>, StoreError> {
        let Some((first, last)) = filters::ids_from_prefix(prefix) else {
            return Ok(Vec::new());
        };
        let rows = intents::Entity::find()
            .filter(intents::Column::Id.between(first, last))
            .order_by_asc(intents::Column::Id)
            .limit(PREFIX_MAX)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list intents"))?;
        rows.into_iter().map(intents::Model::into_intent).collect()
    }

    pub(super) async fn list_errors(
        &self,
        filter: &ErrorFilter,
    ) -> Result<Vec<ErrorRow>, StoreError> {
        let rows = intents::Entity::find()
            .filter(filters::errors(filter))
            .order_by_asc(intents::Column::PlannedAt)
            .order_by_asc(intents::Column::Id)
            .limit(filter.limit)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list errors"))?;
        let mut records = self.records_of(rows.iter().map(|row| row.link)).await?;
        rows.into_iter()
            .map(|row| {
                let record = records.get_mut(&row.link).map(|record| record.clone());
                let record = record.unwrap_or_default();
                Ok(ErrorRow { intent: row.into_intent()?, record })
            })
            .collect()
    }

    /// The records of links, by link.
    pub(super) async fn records_of(
        &self,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, Both<Option<RecordId>>>, StoreError> {
        let ids: Vec<Uuid> = ids.collect();
        let rows = links::Entity::find().filter(links::Column::Id.is_in(ids)).all(&self.lists);
        let rows = rows.await.map_err(self.list_fault("list errors"))?;
        let both = |row: links::Model| {
            Both::new(row.left_id.map(RecordId::new), row.right_id.map(RecordId::new))
        };
        Ok(rows.into_iter().map(|row| (row.id, both(row))).collect())
    }

    pub(super) async fn list_attempts(&self, id: IntentId) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = attempts::Entity::find()
            .filter(attempts::Column::Intent.eq(id.0))
            .order_by_asc(attempts::Column::Id)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list attempts"))?;
        rows.into_iter().map(attempts::Model::into_row).collect()
    }
}
