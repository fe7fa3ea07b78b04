//! The port to the store: what duet remembers. Correctness lives here: row locks, `rev`, unique
//! open intents.
//!
//! A deciding transaction ([`Unit`]) is used in this order: `ensure` or `route`, `lock`, `load`,
//! `claims`/`parents`/`holders`, `save`, `settle`, `commit`. Locking and loading are two statements:
//! one joined statement would read stale facts after a wait (PostgreSQL, read committed). A dropped
//! unit rolls back. Everything is written in batches, one statement per kind of row.
//!
//! A transaction keeps the links it locked from others, or everything (SQLite): then others wait
//! before they begin, and nothing is ever passed over. So whoever has a unit open begins no other one,
//! and writes by no other way, before it is ended: it might wait for itself. Reading never waits.

use crate::connector::Position;
use crate::envelope::Numbered;
use crate::inspect::DeadLetterRow;
use async_trait::async_trait;
use duet_core::agreed::Agreed;
use duet_core::facts::{Claim, Facts, FlowState, Holder, Parent, Rival};
use duet_core::id::{Column, ConnectionName, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, Op, WritePath};
use duet_core::keyed::KeyedBy;
use duet_core::observation::Observation;
use duet_core::retry::Failure;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_core::verdict::Verdict;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reachable; nothing was committed.
    #[error("can't reach the state database{} ({what})", at(.place))]
    Unreachable {
        /// What was tried.
        what: &'static str,
        /// Its address, without credentials, where nothing answered there.
        place: Option<String>,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Deadlock, serialization failure or busy: roll back and try again.
    #[error("the state database asks to try again ({what})")]
    Busy {
        /// What was tried.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A link moved on since its facts were loaded: nothing was committed.
    #[error("link {link} moved on; its facts are stale")]
    StaleLink {
        /// The link.
        link: LinkId,
    },
    /// A row can't be what it is: a broken invariant, or a schema of another version.
    #[error("{what}: stored state can't be used: {reason}")]
    Corrupt {
        /// Which row.
        what: String,
        /// Why.
        reason: String,
    },
    /// The schema isn't the one this build needs.
    #[error("the state database needs `duet migrate` ({reason})")]
    NotMigrated {
        /// What is missing.
        reason: String,
    },
    /// Anything else the database refused.
    #[error("the state database refused ({what})")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An address within a sentence.
fn at(place: &Option<String>) -> String {
    place.as_ref().map(|place| format!(" {place}")).unwrap_or_default()
}

/// A record to be routed to its link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The flow.
    pub flow: FlowName,
    /// The side.
    pub side: Side,
    /// The record, by present id or alias.
    pub record: RecordId,
    /// A marker seen on it: our own create, seen before its answer, leads to the intent's link.
    pub marker: Option<IntentId>,
}

/// A decoded change that could not be decided, or a body that could not be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// The flow, as far as known.
    pub flow: Option<FlowName>,
    /// The side it was told on, as far as known.
    pub side: Option<Side>,
    /// The record, as far as known.
    pub record: Option<RecordId>,
    /// When the record was read, by its side's time, if it was seen: the letter is over as soon as a
    /// later look at the record is decided, or a letter of its own ([`Unit::supersede`]).
    pub read_at: Option<Stamp>,
    /// Which version of the record was read, where its side tells one: a version dies once, another
    /// look at it is no other letter, whatever became of the first.
    pub version: Option<String>,
    /// The queue or stage it died in.
    pub place: String,
    /// What is wrong, without values.
    pub reason: String,
    /// The body. May hold values.
    pub body: Vec<u8>,
}

/// A record that was seen, and when it was read, by its side's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenRecord<'a> {
    /// The flow.
    pub flow: &'a FlowName,
    /// The side.
    pub side: Side,
    /// The record.
    pub record: &'a RecordId,
    /// When it was read.
    pub read_at: Stamp,
    /// The version that was read, if it becomes a letter of its own: one about the very same stays.
    pub died: Option<&'a str>,
}

/// What one batch of verdicts comes from, for the decision rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The facts' revision of the link, checked against the row.
    pub from_rev: i64,
    /// The verdict.
    pub verdict: Verdict,
    /// What made duet look, such as `seen left`, `receipt`, `due`.
    pub cause: String,
    /// The policy's digest.
    pub policy: String,
}

/// An attempt: one call that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The intent.
    pub intent: IntentId,
    /// Its link.
    pub link: LinkId,
    /// Which try of that intent, from 1.
    pub number: u32,
    /// When the call left.
    pub sent_at: Stamp,
    /// When the answer was in hand, or the call was given up.
    pub done_at: Stamp,
    /// `landed`, `read`, `found`, `refused`, `unknown`, `not_sent`; `seen`: no answer was told, but
    /// the record carries what was written.
    pub outcome: &'static str,
    /// The failure's class, code, columns and wait. Without the side's sentence, which may hold
    /// values: whoever makes the attempt leaves it out.
    pub failure: Option<Failure>,
}

/// A source's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is leased: `detect/flow/side`, `adopt/flow`, `process/holder`,
    /// `scan/flow/side`.
    pub name: String,
    /// The fencing token: grows with every new holder.
    pub token: i64,
    /// Until when.
    pub until: Stamp,
}

/// What is stored of a link beside its own row, as of one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The link's revision.
    pub rev: i64,
    /// The agreed state.
    pub agreed: Agreed,
    /// What was seen last of each side.
    pub seen: Both<Option<Observation>>,
}

/// Contents of links that are likely to be asked for soon.
pub type Remembered = HashMap<LinkId, Arc<Contents>>;

/// Intents taken to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The flow (which names the collection), side, operation and path they share.
    pub flow: FlowName,
    /// The side.
    pub side: Side,
    /// The operation.
    pub op: Op,
    /// The path.
    pub path: WritePath,
    /// The intents, now *sent*.
    pub intents: Vec<Intent>,
}

/// How many intents one call may carry, by what it does, and how long writes wait for company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Of creates, updates, deletes and undeletes.
    pub writes: usize,
    /// Of reads and finds.
    pub reads: usize,
    /// A write that has been due for so long is taken even if its call isn't full.
    pub patience: Duration,
}

impl Most {
    /// As many of either, at once.
    #[must_use]
    pub const fn of(count: usize) -> Most {
        Most { writes: count, reads: count, patience: Duration::ZERO }
    }
}

/// As many claims of one key and side as [`Unit::claims`] tells, and as many holders as are woken by
/// every further one: enough to see that a key tells nothing apart, however many records share it.
pub const CLAIMS_MAX: usize = 20;

/// One deciding transaction.
#[async_trait]
pub trait Unit: Send {
    /// The links of these records: by record id or alias, else by marker, else a new link in
    /// [`duet_core::link::Phase::Matching`], inserted sorted by (flow, side, record id) with
    /// `ON CONFLICT DO NOTHING`. A marker leads one of these records to its link: others that carry
    /// it are copies. One answer per address, in order. `fresh` gives ids for new links.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn ensure(
        &mut self,
        addresses: &[Address],
        fresh: &(dyn Fn() -> LinkId + Sync),
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError>;

    /// Locks these links in the order of their ids and returns their revisions; a link that was
    /// joined into another meanwhile is left out. With `skip_locked`, links locked by others are
    /// left out too.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn lock(
        &mut self,
        links: &[LinkId],
        skip_locked: bool,
    ) -> Result<Vec<(LinkId, i64)>, StoreError>;

    /// Tells what this process stored of links just before. The next [`Unit::load`] doesn't read it
    /// again where the lock found the link at that revision.
    fn remember(&mut self, _stored: &Remembered) {}

    /// Loads the facts of locked links, with a new snapshot. `claims`, `parents` and `holders` come
    /// empty; `marked` holds the closed intents named in `markers`.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn load(
        &mut self,
        links: &[LinkId],
        markers: &[IntentId],
        now: Stamp,
    ) -> Result<Vec<Facts>, StoreError>;

    /// Who holds these match keys `(flow, rule, key)`; links of this transaction included. Per key
    /// and side at most [`CLAIMS_MAX`], the oldest links.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn claims(
        &mut self,
        keys: &[(FlowName, usize, String)],
    ) -> Result<Vec<(FlowName, Claim)>, StoreError>;

    /// The links of these parents `(flow, side, record)`, by present id or alias, and of these links.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn parents(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
        links: &[LinkId],
    ) -> Result<Vec<Parent>, StoreError>;

    /// Links of these flows with an open update that replaces one of these values
    /// `(flow, side, column, value)`: the record was last seen to hold it (P7).
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn rivals(
        &mut self,
        values: &[(FlowName, Side, Column, Value)],
    ) -> Result<Vec<(FlowName, Rival)>, StoreError>;

    /// Which links hold these records.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn holders(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
    ) -> Result<Vec<(FlowName, Holder)>, StoreError>;

    /// Stores verdicts with their effects, decision rows (none for an echo), conflicts, claims and
    /// waits. Returns the links to wake after the commit: children of links that got a record, and
    /// holders of claims that this batch asked for, unless [`CLAIMS_MAX`] links of the same side
    /// held the key before: then the holders know enough. They have been given a `due_at` too.
    ///
    /// # Errors
    /// [`StoreError::StaleLink`] when a revision moved on; and as of [`StoreError`].
    async fn save(&mut self, decided: &[Decided], now: Stamp) -> Result<Vec<LinkId>, StoreError>;

    /// Writes attempts.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn attempts(&mut self, attempts: &[Attempt]) -> Result<(), StoreError>;

    /// Those of these connections that rest at `now`, by whatever process they were paused.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn resting(
        &mut self,
        connections: &[ConnectionName],
        now: Stamp,
    ) -> Result<Vec<ConnectionName>, StoreError>;

    /// Marks messages as settled, forgets how often they failed, and stores dead letters.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn settle(
        &mut self,
        numbers: &[Numbered],
        dead: &[DeadLetter],
        now: Stamp,
    ) -> Result<(), StoreError>;

    /// Ends open dead letters about what was seen of these records no later than now: what is newer
    /// counts. To be called after `load` and before `settle`; where no dead letter is open it costs
    /// nothing.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn supersede(&mut self, seen: &[SeenRecord<'_>], now: Stamp) -> Result<(), StoreError>;

    /// Moves `due_at` of these locked links.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn touch(&mut self, links: &[LinkId], due_at: Stamp) -> Result<(), StoreError>;

    /// Commits. On `Err` nothing is known to be stored; doing it all again is harmless.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The store.
#[async_trait]
pub trait Store: crate::inspect::Inspect + Send + Sync {
    /// Begins a deciding transaction.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn begin(&self) -> Result<Box<dyn Unit>, StoreError>;

    /// Brings the schema up to date. Idempotent; safe to run twice at once.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn migrate(&self) -> Result<Vec<String>, StoreError>;

    /// Takes or renews a lease. `None`: someone else holds it. A new holder gets a larger token.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
        now: Stamp,
    ) -> Result<Option<Lease>, StoreError>;

    /// Gives a lease back. Nothing happens if it isn't held with this token any more.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    /// How many processes are at work: leases `process/…` that hold at `now`. Those that ran out are
    /// deleted: nobody ever asks for a token of theirs.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn live_processes(&self, now: Stamp) -> Result<u32, StoreError>;

    /// The stored position of a source.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn position(&self, source: &str) -> Result<Option<Position>, StoreError>;

    /// Stores a source's position and deletes marks: those of this token up to `settled`, and
    /// every mark of an older token. Refused (`false`) when a newer token was seen.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn advance(
        &self,
        source: &str,
        token: i64,
        position: Option<&Position>,
        settled: i64,
        now: Stamp,
    ) -> Result<bool, StoreError>;

    /// Numbers of a source's messages settled under this token and not yet deleted, ascending.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn settled(&self, source: &str, token: i64) -> Result<Vec<i64>, StoreError>;

    /// Planned intents of a connection that are due, oldest first: at most `most`, of one (flow,
    /// side, operation, path), their links locked with SKIP LOCKED in the order of ids, brought to
    /// *sent* and committed. Only of these flows: others are another process's. `None`: nothing is
    /// due.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn claim(
        &self,
        connection: &ConnectionName,
        flows: &[FlowName],
        most: Most,
        now: Stamp,
        deadline: Stamp,
    ) -> Result<Option<Claimed>, StoreError>;

    /// Gives back intents that were claimed but could not be sent: *planned* again, due at `due_at`,
    /// without an attempt counted.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn unclaim(
        &self,
        intents: &[IntentId],
        due_at: Stamp,
        failure: Option<&Failure>,
    ) -> Result<(), StoreError>;

    /// Links of these flows that are due, at most `limit`, moved one minute on as they are returned
    /// (SKIP LOCKED).
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn due_links(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError>;

    /// Connections with planned intents of these flows that are due, and links whose sent intents
    /// are past their deadline (at most `limit`).
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn due_intents(
        &self,
        flows: &[FlowName],
        limit: usize,
        now: Stamp,
    ) -> Result<(Vec<ConnectionName>, Vec<(LinkId, IntentId)>), StoreError>;

    /// Whether anything of a flow is under way: sent intents and those of unknown outcome, planned
    /// ones that never failed and are due by `until`, and links due by then; none that waits for a
    /// parent or a person, as in [`crate::inspect::FlowCounts`]. Asked often.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn is_under_way(&self, flow: &FlowName, until: Stamp) -> Result<bool, StoreError>;

    /// Open dead letters of these flows that a person asked to be decided again, the oldest first,
    /// with their bodies.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn asked_letters(
        &self,
        flows: &[FlowName],
        limit: u64,
    ) -> Result<Vec<(DeadLetterRow, Vec<u8>)>, StoreError>;

    /// Counts a failed handling of a message and returns how often it failed so far.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn count_poison(&self, message: &str) -> Result<u32, StoreError>;

    /// What a flow allows at the moment.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn flow_state(&self, flow: &FlowName) -> Result<FlowState, StoreError>;

    /// Sets what a flow allows.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn set_flow_state(
        &self,
        flow: &FlowName,
        state: FlowState,
        now: Stamp,
    ) -> Result<(), StoreError>;

    /// Marks a flow as adopted, and leaves alone what else is set of it: a person may pause it
    /// meanwhile.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn set_adopted(&self, flow: &FlowName, now: Stamp) -> Result<(), StoreError>;

    /// What the record ids of a flow's links are made of, as noted when its first record came in.
    /// `None`: nothing is noted.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn flow_keys(&self, flow: &FlowName) -> Result<Option<Both<KeyedBy>>, StoreError>;

    /// Notes what the record ids of a flow's links are made of, and returns what is noted: what was
    /// noted first stays, also when two processes note at once.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn note_flow_keys(
        &self,
        flow: &FlowName,
        keys: &Both<KeyedBy>,
        now: Stamp,
    ) -> Result<Both<KeyedBy>, StoreError>;

    /// Pauses a connection until a time (outage, throttling), or lifts it; with the reason shown by
    /// `status`. Paused connections are skipped by `claim` and `due_intents`.
    ///
    /// # Errors
    /// As of [`StoreError`].
    async fn pause_connection(
        &self,
        connection: &ConnectionName,
        until: Option<Stamp>,
        reason: Option<&str>,
    ) -> Result<(), StoreError>;
}
