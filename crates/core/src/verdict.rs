//! Verdicts: the new state of a link, why, and what is to be done. The pipeline makes no choice
//! that a verdict left open.

use crate::agreed::Agreed;
use crate::conflict::Conflict;
use crate::field_error::FieldError;
use crate::id::{FieldName, FlowName, IntentId, LinkId, RecordId, Row};
use crate::intent::{Intent, IntentState};
use crate::link::Link;
use crate::observation::Observation;
use crate::retry::Failure;
use crate::side::{Both, Side};
use crate::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// What was decided about one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The link as it is now: phase, records, aliases, sync stamps, `due_at`, and a `rev` one
    /// higher when anything changed.
    pub link: Link,
    /// The agreed state as it is now.
    pub agreed: Agreed,
    /// The observations as they are now, joined.
    pub seen: Both<Option<Observation>>,
    /// What is to be done, in order.
    pub effects: Vec<Effect>,
    /// The record row that decided.
    pub row: Row,
    /// The rule behind it, in words a person reads: `explain` shows it.
    pub rule: String,
    /// Per field, what was decided and why; nothing of those that nobody moved (F1).
    pub outcomes: Vec<FieldOutcome>,
    /// Nothing but what was known came in: no decision row is written.
    pub echo: bool,
    /// Something of link, agreed or seen differs from the facts and must be stored.
    pub changed: bool,
}

/// What was decided about one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOutcome {
    /// The field.
    pub field: FieldName,
    /// The row of table 3.2a, 3.2b, 3.5 or 3.7.
    pub row: Row,
    /// The rule: strategy, kind, tie, threshold.
    pub rule: String,
    /// What follows, such as `trunk := left`, `write right`, `held`.
    pub outcome: String,
}

impl FieldOutcome {
    /// What isn't told of a field: F1, nobody moved it.
    #[must_use]
    pub fn calm(field: FieldName) -> FieldOutcome {
        let (rule, outcome) = ("nobody moved".to_owned(), "as agreed".to_owned());
        FieldOutcome { field, row: Row::from("F1"), rule, outcome }
    }
}

/// Whether a decision by this record row compared every agreed field: one that it tells nothing of
/// was found calm ([`FieldOutcome::calm`]).
#[must_use]
pub fn compares_fields(row: &str) -> bool {
    ["R20", "R21", "R22", "R23", "R51"].contains(&row)
}

/// Something to be stored or done with a verdict, in the same transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Store this intent; its side is called when it is due.
    Plan(Box<Intent>),
    /// Bring a stored intent to this state. A failure is kept with it.
    Settle {
        /// The intent.
        intent: IntentId,
        /// Its new state.
        state: IntentState,
        /// Why, if it failed.
        failure: Option<Failure>,
        /// When it is due again, for a state that is open.
        due_at: Option<Stamp>,
        /// When it landed, for a late call.
        landed_at: Option<Stamp>,
        /// The count of tries to store; `None`: as it stands. The store counts a try when it brings
        /// an intent to *sent*; a throttled call is taken off again here.
        attempts: Option<u32>,
    },
    /// Store this conflict as it is now (new, changed or closed).
    Conflict(Box<Conflict>),
    /// Claim a match key for this link; lost claims come back as facts at the next look.
    Claim {
        /// Position of the match rule.
        rule: usize,
        /// The normalised key.
        key: String,
        /// The side whose record holds it.
        side: Side,
    },
    /// Give up every claim of this link on one side.
    Unclaim(Side),
    /// Join this link with another one: both are locked in order, in a transaction of their own.
    Join(LinkId),
    /// Wait for a parent: woken when a link gets this record, keyed so that it works before one exists.
    Await {
        /// The parent's flow.
        flow: FlowName,
        /// The side whose record is waited for.
        side: Side,
        /// The parent's record id on that side.
        record: RecordId,
    },
    /// Forget every wait of this link.
    StopWaiting,
    /// The values that are kept back from now on, instead of all that were before; none: all mended.
    FieldErrors(Vec<FieldError>),
    /// Wake the links that wait for this link's record of a side.
    WakeChildren(Side),
    /// Record a deletion planned by policy, for the brake.
    CountDelete(Side),
    /// Tell whoever is on call.
    Alert(String),
}
