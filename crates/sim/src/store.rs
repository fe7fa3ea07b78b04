//! The real store, with what a database does at the worst moments: it asks to try again, commits
//! without telling so, and outlives the process that asked it.

use crate::broken::Broken;
use crate::fault::Fault;
use crate::hub::SimHub;
use crate::luck::Luck;
use async_trait::async_trait;
use duet_core::conflict::{CloseReason, Conflict, Resolution};
use duet_core::facts::{Claim, Facts, FlowState, Holder, Parent, Rival};
use duet_core::id::{Column, ConflictId, ConnectionName, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, IntentState};
use duet_core::keyed::KeyedBy;
use duet_core::link::{Link, Phase};
use duet_core::retry::Failure;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_core::verdict::Effect;
use duet_ports::connector::Position;
use duet_ports::envelope::Numbered;
use duet_ports::inspect::{
    Accepted, AttemptRow, ConflictFilter, ConnectionRow, DeadLetterRow, ErrorFilter, ErrorRow,
    FieldErrorFilter, FieldErrorRow, FlowCounts, Inspect, LetterChange, LetterFilter, LinkDetail,
    ProcessRow, SourceRow,
};
use duet_ports::store::{
    Address, Attempt, Claimed, DeadLetter, Decided, Lease, Most, Remembered, SeenRecord, Store,
    StoreError, Unit,
};
use std::sync::Arc;
use std::time::Duration;

/// The store of a run.
pub(crate) struct SimStore {
    inner: Arc<dyn Store>,
    luck: Arc<Luck>,
    hub: Arc<SimHub>,
    broken: Option<Broken>,
}

impl SimStore {
    /// Puts faults before a store.
    #[must_use]
    pub(crate) fn new(
        inner: Arc<dyn Store>,
        luck: Arc<Luck>,
        hub: Arc<SimHub>,
        broken: Option<Broken>,
    ) -> SimStore {
        SimStore { inner, luck, hub, broken }
    }
}

fn busy() -> StoreError {
    let source = Box::new(std::io::Error::other("made up by the simulation"));
    StoreError::Busy { what: "commit", source }
}

fn unknown() -> StoreError {
    let source = Box::new(std::io::Error::other("made up by the simulation"));
    StoreError::Unreachable { what: "commit", place: None, source }
}

/// Methods that are passed on: each takes its time, and the process may die before it or after it.
macro_rules! passed_on {
    ($port:ident { $($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)* } $($own:item)*) => {
        #[async_trait]
        impl $port for SimStore {
            $($own)*
            $(async fn $name(&self $(, $arg: $kind)*) -> Result<$answer, StoreError> {
                self.luck.cross().await;
                let done = self.inner.$name($($arg),*).await;
                self.luck.perhaps_crash().await;
                done
            })*
        }
    };
}

passed_on! { Inspect {
    counts(flow: &FlowName) -> FlowCounts;
    sources() -> Vec<SourceRow>;
    processes(now: Stamp) -> Vec<ProcessRow>;
    connections() -> Vec<ConnectionRow>;
    find_link(flow: &FlowName, side: Option<Side>, record: &RecordId) -> Option<LinkId>;
    link_detail(link: LinkId, history: u64) -> Option<LinkDetail>;
    links(flow: &FlowName, phases: &[Phase], after: Option<LinkId>, limit: u64) -> Vec<Link>;
    conflicts(filter: &ConflictFilter) -> Vec<Conflict>;
    conflict(id: ConflictId) -> Option<Conflict>;
    conflicts_by_prefix(prefix: &str) -> Vec<Conflict>;
    decide(id: ConflictId, rev: i64, resolution: &Resolution) -> Accepted;
    close_conflict(id: ConflictId, rev: i64, reason: CloseReason, now: Stamp) -> Accepted;
    errors(filter: &ErrorFilter) -> Vec<ErrorRow>;
    intents_by_prefix(prefix: &str) -> Vec<Intent>;
    set_intent(id: IntentId, state: IntentState, now: Stamp) -> Accepted;
    attempts_of(id: IntentId) -> Vec<AttemptRow>;
    field_errors(filter: &FieldErrorFilter) -> Vec<FieldErrorRow>;
    field_errors_by_prefix(prefix: &str) -> Vec<FieldErrorRow>;
    dead_letters(filter: &LetterFilter) -> Vec<DeadLetterRow>;
    dead_letter(id: i64) -> Option<DeadLetterRow>;
    set_dead_letter(id: i64, change: &LetterChange, now: Stamp) -> Accepted;
} }

passed_on! { Store {
    migrate() -> Vec<String>;
    lease(name: &str, holder: &str, length: Duration, now: Stamp) -> Option<Lease>;
    release(lease: &Lease) -> ();
    live_processes(now: Stamp) -> u32;
    position(source: &str) -> Option<Position>;
    advance(source: &str, token: i64, position: Option<&Position>, settled: i64, now: Stamp)
        -> bool;
    claim(
        connection: &ConnectionName, flows: &[FlowName], most: Most, now: Stamp, deadline: Stamp
    ) -> Option<Claimed>;
    unclaim(intents: &[IntentId], due_at: Stamp, failure: Option<&Failure>) -> ();
    due_links(flows: &[FlowName], limit: usize, now: Stamp) -> Vec<LinkId>;
    due_intents(flows: &[FlowName], limit: usize, now: Stamp)
        -> (Vec<ConnectionName>, Vec<(LinkId, IntentId)>);
    is_under_way(flow: &FlowName, until: Stamp) -> bool;
    asked_letters(flows: &[FlowName], limit: u64) -> Vec<(DeadLetterRow, Vec<u8>)>;
    count_poison(message: &str) -> u32;
    flow_state(flow: &FlowName) -> FlowState;
    set_flow_state(flow: &FlowName, state: FlowState, now: Stamp) -> ();
    set_adopted(flow: &FlowName, now: Stamp) -> ();
    flow_keys(flow: &FlowName) -> Option<Both<KeyedBy>>;
    note_flow_keys(flow: &FlowName, keys: &Both<KeyedBy>, now: Stamp) -> Both<KeyedBy>;
    pause_connection(
        connection: &ConnectionName, until: Option<Stamp>, reason: Option<&str>
    ) -> ();
}
    async fn begin(&self) -> Result<Box<dyn Unit>, StoreError> {
        self.luck.cross().await;
        let inner = self.inner.begin().await?;
        Ok(Box::new(SimUnit { inner, luck: Arc::clone(&self.luck), broken: self.broken }))
    }

    async fn settled(&self, source: &str, token: i64) -> Result<Vec<i64>, StoreError> {
        self.luck.cross().await;
        if self.broken == Some(Broken::CursorBeforeSettled) {
            return Ok(self.hub.numbers(source, token));
        }
        self.inner.settled(source, token).await
    }
}

struct SimUnit {
    inner: Box<dyn Unit>,
    luck: Arc<Luck>,
    broken: Option<Broken>,
}

#[async_trait]
impl Unit for SimUnit {
    async fn ensure(
        &mut self,
        addresses: &[Address],
        fresh: &(dyn Fn() -> LinkId + Sync),
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError> {
        self.inner.ensure(addresses, fresh, now).await
    }

    async fn lock(
        &mut self,
        links: &[LinkId],
        skip_locked: bool,
    ) -> Result<Vec<(LinkId, i64)>, StoreError> {
        self.inner.lock(links, skip_locked).await
    }

    fn remember(&mut self, stored: &Remembered) {
        self.inner.remember(stored);
    }

    async fn load(
        &mut self,
        links: &[LinkId],
        markers: &[IntentId],
        now: Stamp,
    ) -> Result<Vec<Facts>, StoreError> {
        self.inner.load(links, markers, now).await
    }

    async fn claims(
        &mut self,
        keys: &[(FlowName, usize, String)],
    ) -> Result<Vec<(FlowName, Claim)>, StoreError> {
        self.inner.claims(keys).await
    }

    async fn parents(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
        links: &[LinkId],
    ) -> Result<Vec<Parent>, StoreError> {
        self.inner.parents(records, links).await
    }

    async fn rivals(
        &mut self,
        values: &[(FlowName, Side, Column, Value)],
    ) -> Result<Vec<(FlowName, Rival)>, StoreError> {
        self.inner.rivals(values).await
    }

    async fn holders(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
    ) -> Result<Vec<(FlowName, Holder)>, StoreError> {
        self.inner.holders(records).await
    }

    async fn save(&mut self, decided: &[Decided], now: Stamp) -> Result<Vec<LinkId>, StoreError> {
        if self.broken != Some(Broken::NoConflictRow) {
            return self.inner.save(decided, now).await;
        }
        let mut decided = decided.to_vec();
        for one in &mut decided {
            one.verdict.effects.retain(|effect| !matches!(effect, Effect::Conflict(_)));
        }
        self.inner.save(&decided, now).await
    }

    async fn attempts(&mut self, attempts: &[Attempt]) -> Result<(), StoreError> {
        self.inner.attempts(attempts).await
    }

    async fn resting(
        &mut self,
        connections: &[ConnectionName],
        now: Stamp,
    ) -> Result<Vec<ConnectionName>, StoreError> {
        self.inner.resting(connections, now).await
    }

    async fn settle(
        &mut self,
        numbers: &[Numbered],
        dead: &[DeadLetter],
        now: Stamp,
    ) -> Result<(), StoreError> {
        self.inner.settle(numbers, dead, now).await
    }

    async fn supersede(&mut self, seen: &[SeenRecord<'_>], now: Stamp) -> Result<(), StoreError> {
        self.inner.supersede(seen, now).await
    }

    async fn touch(&mut self, links: &[LinkId], due_at: Stamp) -> Result<(), StoreError> {
        self.inner.touch(links, due_at).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.luck.cross().await;
        if self.luck.strikes(Fault::Busy) {
            return Err(busy());
        }
        self.inner.commit().await?;
        self.luck.perhaps_crash().await;
        if self.luck.strikes(Fault::CommitUnknown) {
            return Err(unknown());
        }
        Ok(())
    }
}
