//! The port's questions, one by one: how each is answered stands in the file of its topic.

use super::SqlStore;
use async_trait::async_trait;
use duet_core::conflict::{CloseReason, Conflict, Resolution};
use duet_core::id::{ConflictId, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, IntentState};
use duet_core::link::{Link, Phase};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{
    Accepted, AttemptRow, ConflictFilter, ConnectionRow, DeadLetterRow, ErrorFilter, ErrorRow,
    FieldErrorFilter, FieldErrorRow, FlowCounts, Inspect, LetterChange, LetterFilter, LinkDetail,
    ProcessRow, SourceRow,
};
use duet_ports::store::StoreError;

#[async_trait]
impl Inspect for SqlStore {
    async fn counts(&self, flow: &FlowName) -> Result<FlowCounts, StoreError> {
        self.ready().await?;
        self.count_flow(flow).await
    }

    async fn sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        self.ready().await?;
        self.list_sources().await
    }

    async fn processes(&self, now: Stamp) -> Result<Vec<ProcessRow>, StoreError> {
        self.ready().await?;
        self.list_processes(now).await
    }

    async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        self.ready().await?;
        self.list_connections().await
    }

    async fn find_link(
        &self,
        flow: &FlowName,
        side: Option<Side>,
        record: &RecordId,
    ) -> Result<Option<LinkId>, StoreError> {
        self.ready().await?;
        self.link_of(flow, side, record).await
    }

    async fn link_detail(
        &self,
        link: LinkId,
        history: u64,
    ) -> Result<Option<LinkDetail>, StoreError> {
        self.ready().await?;
        self.detail(link, history).await
    }

    async fn links(
        &self,
        flow: &FlowName,
        phases: &[Phase],
        after: Option<LinkId>,
        limit: u64,
    ) -> Result<Vec<Link>, StoreError> {
        self.ready().await?;
        self.list_links(flow, phases, after, limit).await
    }

    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>, StoreError> {
        self.ready().await?;
        self.list_conflicts(filter).await
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<Conflict>, StoreError> {
        self.ready().await?;
        self.one_conflict(id).await
    }

    async fn conflicts_by_prefix(&self, prefix: &str) -> Result<Vec<Conflict>, StoreError> {
        self.ready().await?;
        self.conflicts_from(prefix).await
    }

    async fn decide(
        &self,
        id: ConflictId,
        rev: i64,
        resolution: &Resolution,
    ) -> Result<Accepted, StoreError> {
        self.store_resolution(id, rev, resolution).await
    }

    async fn close_conflict(
        &self,
        id: ConflictId,
        rev: i64,
        reason: CloseReason,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        self.close_by_hand(id, rev, reason, now).await
    }

    async fn errors(&self, filter: &ErrorFilter) -> Result<Vec<ErrorRow>, StoreError> {
        self.ready().await?;
        self.list_errors(filter).await
    }

    async fn intents_by_prefix(&self, prefix: &str) -> Result<Vec<Intent>, StoreError> {
        self.ready().await?;
        self.intents_from(prefix).await
    }

    async fn set_intent(
        &self,
        id: IntentId,
        state: IntentState,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        self.set_by_hand(id, state, now).await
    }

    async fn attempts_of(&self, id: IntentId) -> Result<Vec<AttemptRow>, StoreError> {
        self.ready().await?;
        self.list_attempts(id).await
    }

    async fn field_errors(
        &self,
        filter: &FieldErrorFilter,
    ) -> Result<Vec<FieldErrorRow>, StoreError> {
        self.ready().await?;
        self.list_field_errors(filter).await
    }

    async fn field_errors_by_prefix(&self, prefix: &str) -> Result<Vec<FieldErrorRow>, StoreError> {
        self.ready().await?;
        self.field_errors_from(prefix).await
    }

    async fn dead_letters(&self, filter: &LetterFilter) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.ready().await?;
        self.list_dead_letters(filter).await
    }

    async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRow>, StoreError> {
        self.ready().await?;
        self.one_dead_letter(id).await
    }

    async fn set_dead_letter(
        &self,
        id: i64,
        change: &LetterChange,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        self.ready().await?;
        self.change_dead_letter(id, change, now).await
    }
}
