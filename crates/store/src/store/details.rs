//! Everything about one link, and the way to it from a record.

use super::{SqlStore, facts};
use crate::entity::{attempts, conflicts, decisions, intents};
use crate::statement::{Query, Statement};
use duet_core::conflict::Conflict;
use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::intent::Intent;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{AttemptRow, DecisionRow, LinkDetail};
use duet_ports::store::{Remembered, StoreError};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

const FIND: Statement = Statement::same(
    "find a link",
    "
SELECT link FROM (
    SELECT id AS link, 0 AS rank FROM links
        WHERE flow = $1 AND left_id = $2 AND phase <> 'joined' AND $3 IS DISTINCT FROM 'right'
    UNION ALL
    SELECT id, 0 FROM links
        WHERE flow = $1 AND right_id = $2 AND phase <> 'joined' AND $3 IS DISTINCT FROM 'left'
    UNION ALL
    SELECT link, 1 FROM aliases WHERE flow = $1 AND record = $2 AND side = coalesce($3, side)
) found ORDER BY rank, link LIMIT 1",
);

impl SqlStore {
    pub(super) async fn link_of(
        &self,
        flow: &FlowName,
        side: Option<Side>,
        record: &RecordId,
    ) -> Result<Option<LinkId>, StoreError> {
        if record.as_str().contains('\0') {
            return Ok(None);
        }
        let find = Query::new(&FIND)
            .bind(flow.as_str())
            .bind(record.as_str())
            .bind(side.map(Side::as_str));
        let row = self.first(find).await?;
        row.map(|row| row.get("link").map(LinkId)).transpose()
    }

    pub(super) async fn detail(
        &self,
        link: LinkId,
        history: u64,
    ) -> Result<Option<LinkDetail>, StoreError> {
        let mut connection = self.reading("read a link").await?;
        let (mut session, nothing) = (connection.session(), Remembered::new());
        let mut loaded = facts::load(&mut session, &[link], &nothing, &[], Stamp(0)).await?;
        drop(connection);
        let Some(facts) = loaded.pop().map(|one| one.facts) else { return Ok(None) };
        Ok(Some(LinkDetail {
            link: facts.link,
            agreed: facts.agreed,
            seen: facts.seen,
            conflicts: self.newest_conflicts(link, history).await?,
            intents: self.newest_intents(link, history).await?,
            decisions: self.newest_decisions(link, history).await?,
            attempts: self.newest_attempts(link, history).await?,
        }))
    }

    async fn newest_conflicts(&self, link: LinkId, n: u64) -> Result<Vec<Conflict>, StoreError> {
        let rows = conflicts::Entity::find()
            .filter(conflicts::Column::Link.eq(link.0))
            .order_by_desc(conflicts::Column::OpenedAt)
            .order_by_desc(conflicts::Column::Id)
            .limit(n)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("read a link's conflicts"))?;
        rows.into_iter().map(conflicts::Model::into_conflict).collect()
    }

    async fn newest_intents(&self, link: LinkId, n: u64) -> Result<Vec<Intent>, StoreError> {
        let rows = intents::Entity::find()
            .filter(intents::Column::Link.eq(link.0))
            .order_by_desc(intents::Column::PlannedAt)
            .order_by_desc(intents::Column::Id)
            .limit(n)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("read a link's intents"))?;
        rows.into_iter().map(intents::Model::into_intent).collect()
    }

    async fn newest_decisions(&self, link: LinkId, n: u64) -> Result<Vec<DecisionRow>, StoreError> {
        let rows = decisions::Entity::find()
            .filter(decisions::Column::Link.eq(link.0))
            .order_by_desc(decisions::Column::Id)
            .limit(n)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("read a link's decisions"))?;
        rows.into_iter().map(decisions::Model::into_row).collect()
    }

    async fn newest_attempts(&self, link: LinkId, n: u64) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = attempts::Entity::find()
            .filter(attempts::Column::Link.eq(link.0))
            .order_by_desc(attempts::Column::Id)
            .limit(n)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("read a link's attempts"))?;
        rows.into_iter().map(attempts::Model::into_row).collect()
    }
}
