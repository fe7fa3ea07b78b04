//! What people ask the store: lists, details, and the few rows a person may change. Reading here
//! never locks a link; writing sets a row and the link's `due_at`, and the ordinary way decides.

use crate::store::StoreError;
use async_trait::async_trait;
use duet_core::agreed::Agreed;
use duet_core::conflict::{CloseReason, Conflict, ConflictKind, ConflictState, Resolution};
use duet_core::field_error::{FieldError, FieldErrorCode};
use duet_core::id::{
    ConflictId, ConnectionName, FieldErrorId, FlowName, IntentId, LinkId, RecordId,
};
use duet_core::intent::{Intent, IntentState};
use duet_core::link::{Link, Phase};
use duet_core::observation::Observation;
use duet_core::retry::{Failure, FailureClass};
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::verdict::FieldOutcome;
use serde::{Deserialize, Serialize};

/// Which conflicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Of this flow.
    pub flow: Option<FlowName>,
    /// In one of these states; empty: everything that still holds.
    pub states: Vec<ConflictState>,
    /// Of this kind.
    pub kind: Option<ConflictKind>,
    /// About this field.
    pub field: Option<String>,
    /// Of this link.
    pub link: Option<LinkId>,
    /// At most this many.
    pub limit: u64,
}

/// A decision as stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionRow {
    /// When.
    pub at: Stamp,
    /// The link's revision it made.
    pub rev: i64,
    /// The record row.
    pub row: String,
    /// The rule, in words.
    pub rule: String,
    /// What made duet look.
    pub cause: String,
    /// Per field.
    pub outcomes: Vec<FieldOutcome>,
    /// The policy's digest.
    pub policy: String,
}

/// An attempt as stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptRow {
    /// The intent.
    pub intent: IntentId,
    /// Which try.
    pub number: u32,
    /// When the call left.
    pub sent_at: Stamp,
    /// When its answer was in hand.
    pub done_at: Stamp,
    /// What came of it.
    pub outcome: String,
    /// The failure.
    pub failure: Option<Failure>,
}

/// Everything about one link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkDetail {
    /// The link.
    pub link: Link,
    /// What is agreed.
    pub agreed: Agreed,
    /// What was last seen.
    pub seen: Both<Option<Observation>>,
    /// Its conflicts, newest first, closed ones included.
    pub conflicts: Vec<Conflict>,
    /// Its intents, newest first, closed ones included.
    pub intents: Vec<Intent>,
    /// Its decisions, newest first.
    pub decisions: Vec<DecisionRow>,
    /// Its attempts, newest first.
    pub attempts: Vec<AttemptRow>,
}

/// A failed or waiting intent, for the errors list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorRow {
    /// The intent.
    pub intent: Intent,
    /// The link's records.
    pub record: Both<Option<RecordId>>,
}

/// Which errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFilter {
    /// Of this flow.
    pub flow: Option<FlowName>,
    /// Of this class.
    pub class: Option<FailureClass>,
    /// In one of these states; empty: parked, and planned with a failure.
    pub states: Vec<IntentState>,
    /// At most this many.
    pub limit: u64,
}

/// A value that is kept back (rows F8, P4), for the errors list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldErrorRow {
    /// Its id.
    pub id: FieldErrorId,
    /// The link.
    pub link: LinkId,
    /// The flow of that link.
    pub flow: FlowName,
    /// The link's records.
    pub record: Both<Option<RecordId>>,
    /// What is kept back, and why.
    pub error: FieldError,
}

/// Which values that are kept back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrorFilter {
    /// Of this flow.
    pub flow: Option<FlowName>,
    /// For this reason.
    pub code: Option<FieldErrorCode>,
    /// At most this many.
    pub limit: u64,
}

/// Counts of one flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowCounts {
    /// Links by phase.
    pub phases: Vec<(Phase, u64)>,
    /// Links that are due or will be.
    pub due: u64,
    /// When the earliest link is due that doesn't wait for a parent (a parent under way is itself
    /// due, or has an open intent).
    pub next_due: Option<Stamp>,
    /// Open intents by state, planned ones with a failure apart (`retrying`).
    pub intents: Vec<(String, u64)>,
    /// When the earliest planned intent without a failure is due.
    pub next_intent: Option<Stamp>,
    /// Conflicts that hold, by kind.
    pub conflicts: Vec<(ConflictKind, u64)>,
    /// Values that are kept back until somebody mends something, by code.
    pub field_errors: Vec<(FieldErrorCode, u64)>,
    /// Records that wait to be written until their version can't hide another change any more: each
    /// has a read planned for then (freshness).
    pub fresh: u64,
    /// Since when the oldest write to each side is on its way: planned, sent, or failed and to be
    /// tried again. Not one that is parked.
    pub waiting_since: Both<Option<Stamp>>,
    /// When a link was last brought into agreement.
    pub synced_at: Option<Stamp>,
    /// Each side's newest change stamp that is agreed.
    pub synced: Both<Option<Stamp>>,
    /// Links that wait for a parent.
    pub awaiting_parent: u64,
    /// Dead letters that are open.
    pub dead_letters: u64,
}

/// A source's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceRow {
    /// `flow/side`.
    pub source: String,
    /// When its position last moved.
    pub moved_at: Option<Stamp>,
    /// Who holds its lease, until when.
    pub holder: Option<(String, Stamp)>,
    /// Its collection is being scanned, because its position could not be used any more: until when
    /// that is known to go on.
    pub scanning: Option<Stamp>,
}

/// A process at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessRow {
    /// Its name, as leases have it.
    pub process: String,
    /// Until when it is known to be at work.
    pub until: Stamp,
}

/// A connection's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionRow {
    /// The connection.
    pub connection: ConnectionName,
    /// Paused until.
    pub paused_until: Option<Stamp>,
    /// Why.
    pub reason: Option<String>,
}

/// Where a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterState {
    /// It waits for a person, or for its record to be seen again.
    Open,
    /// A person wants its change decided again; the pipeline does so soon.
    Asked,
    /// Its change was decided again: what follows from that is told by links and intents.
    Replayed,
    /// A person gave it up.
    Discarded,
    /// A later look at its record counts.
    Superseded,
}

impl LetterState {
    /// Whether something is still to be done.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            LetterState::Open | LetterState::Asked => true,
            LetterState::Replayed | LetterState::Discarded | LetterState::Superseded => false,
        }
    }
}

/// A dead letter as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Stamp,
    /// The flow, as far as known.
    pub flow: Option<FlowName>,
    /// The side, as far as known.
    pub side: Option<Side>,
    /// The record, as far as known.
    pub record: Option<RecordId>,
    /// Where it died.
    pub place: String,
    /// Why.
    pub reason: String,
    /// Size of its body in bytes.
    pub bytes: u64,
    /// Where it stands.
    pub state: LetterState,
    /// Who asked for it to be decided again, or gave it up.
    pub handled_by: Option<String>,
    /// In that person's words.
    pub note: Option<String>,
    /// When it was over.
    pub closed_at: Option<Stamp>,
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Of this flow.
    pub flow: Option<FlowName>,
    /// In one of these states; empty: those that are open.
    pub states: Vec<LetterState>,
    /// At most this many.
    pub limit: u64,
}

/// What is to become of an open dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterChange {
    /// Where it stands from now on.
    pub state: LetterState,
    /// Who wants it so; none: who is noted stays.
    pub by: Option<String>,
    /// In that person's words; none: what is noted stays.
    pub note: Option<String>,
}

/// What became of a person's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Stored, the link is due; or it was so already.
    Yes,
    /// The row moved on since the person looked (H5, H11).
    Stale,
    /// No such row, or it is closed.
    Gone,
}

/// What people ask the store.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Counts of a flow.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn counts(&self, flow: &FlowName) -> Result<FlowCounts, StoreError>;

    /// Sources of all flows.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn sources(&self) -> Result<Vec<SourceRow>, StoreError>;

    /// Processes at work at `now`, by name.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn processes(&self, now: Stamp) -> Result<Vec<ProcessRow>, StoreError>;

    /// Connections that were ever paused.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError>;

    /// The link of a record, by present id or alias.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn find_link(
        &self,
        flow: &FlowName,
        side: Option<Side>,
        record: &RecordId,
    ) -> Result<Option<LinkId>, StoreError>;

    /// Everything about a link; at most `history` rows of each kind.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn link_detail(
        &self,
        link: LinkId,
        history: u64,
    ) -> Result<Option<LinkDetail>, StoreError>;

    /// Links of a flow in these phases (all when empty), by id, after `after`.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn links(
        &self,
        flow: &FlowName,
        phases: &[Phase],
        after: Option<LinkId>,
        limit: u64,
    ) -> Result<Vec<Link>, StoreError>;

    /// Conflicts, oldest first.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>, StoreError>;

    /// One conflict.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn conflict(&self, id: ConflictId) -> Result<Option<Conflict>, StoreError>;

    /// Conflicts whose id begins with these hexadecimal digits (people type short ids).
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn conflicts_by_prefix(&self, prefix: &str) -> Result<Vec<Conflict>, StoreError>;

    /// Stores a person's decision if the conflict still is at `rev` and waits for one, and makes its
    /// link due. Where a decision stands already, another one is stale unless it names the one that
    /// gives way; the very same again is accepted and stores nothing
    /// ([`duet_core::conflict::Standing::weigh`]).
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn decide(
        &self,
        id: ConflictId,
        rev: i64,
        resolution: &Resolution,
    ) -> Result<Accepted, StoreError>;

    /// Closes a conflict that asks for no write (tolerated differences and the like).
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn close_conflict(
        &self,
        id: ConflictId,
        rev: i64,
        reason: CloseReason,
        now: Stamp,
    ) -> Result<Accepted, StoreError>;

    /// Failed intents, oldest first.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn errors(&self, filter: &ErrorFilter) -> Result<Vec<ErrorRow>, StoreError>;

    /// Intents whose id begins with these hexadecimal digits.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn intents_by_prefix(&self, prefix: &str) -> Result<Vec<Intent>, StoreError>;

    /// Brings a parked, discarded or waiting intent back to *planned*, due now (`Planned`), or
    /// marks it *discarded*. Only from a replaceable state.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn set_intent(
        &self,
        id: IntentId,
        state: IntentState,
        now: Stamp,
    ) -> Result<Accepted, StoreError>;

    /// Attempts of an intent, oldest first.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn attempts_of(&self, id: IntentId) -> Result<Vec<AttemptRow>, StoreError>;

    /// Values that are kept back, the longest first.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn field_errors(
        &self,
        filter: &FieldErrorFilter,
    ) -> Result<Vec<FieldErrorRow>, StoreError>;

    /// Values that are kept back whose id begins with these hexadecimal digits.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn field_errors_by_prefix(&self, prefix: &str) -> Result<Vec<FieldErrorRow>, StoreError>;

    /// Dead letters, oldest first.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn dead_letters(&self, filter: &LetterFilter) -> Result<Vec<DeadLetterRow>, StoreError>;

    /// One dead letter.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRow>, StoreError>;

    /// Changes an open dead letter; [`Accepted::Gone`] where it is over or never was.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn set_dead_letter(
        &self,
        id: i64,
        change: &LetterChange,
        now: Stamp,
    ) -> Result<Accepted, StoreError>;
}
