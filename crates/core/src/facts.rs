//! Facts: everything a verdict may depend on. What isn't here can't change a decision.

use crate::agreed::Agreed;
use crate::conflict::Conflict;
use crate::id::{Column, FlowName, IntentId, LinkId, RecordId};
use crate::intent::{Intent, Receipt};
use crate::link::{Link, Phase};
use crate::observation::Observation;
use crate::side::{Both, Side};
use crate::stamp::Stamp;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The facts about one link at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The instant of the batch: the only "now" there is.
    pub as_of: Stamp,
    /// The link.
    pub link: Link,
    /// What is agreed.
    pub agreed: Agreed,
    /// What was last seen, per side.
    pub seen: Both<Option<Observation>>,
    /// Conflicts that are not closed.
    pub conflicts: Vec<Conflict>,
    /// Open intents, per side.
    pub intents: Both<OpenIntents>,
    /// Closed intents of this link whose marker an observation at hand carries (late calls), by id.
    pub marked: BTreeMap<IntentId, Intent>,
    /// Who holds the match keys of this link's records, and which links those are.
    pub claims: Vec<Claim>,
    /// Parents that the images or the agreed state refer to; one that isn't here has no link.
    pub parents: Vec<Parent>,
    /// Other links of the flow that hold a unique value which a write of this batch was refused for
    /// again and again, and that have an open write which replaces it (P7).
    #[serde(default)]
    pub rivals: Vec<Rival>,
    /// Other links that hold a record which a receipt or candidate list of this batch names.
    pub holders: Vec<Holder>,
    /// What the flow allows at the moment.
    pub flow: FlowState,
}

/// At most one open write and one open read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntents {
    /// The open create, update, delete or undelete.
    pub write: Option<Intent>,
    /// The open read or find.
    pub read: Option<Intent>,
}

/// A match key and the link that claimed it. Several links may claim one key, on either side: that
/// is how ambiguity shows (M3), so a store keeps one row per (flow, rule, key, side, link).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Position of the match rule.
    pub rule: usize,
    /// The normalised key.
    pub key: String,
    /// The side whose record holds the key.
    pub side: Side,
    /// The link that claimed it.
    pub link: LinkId,
    /// That link's phase.
    pub phase: Phase,
    /// That link's records.
    pub record: Both<Option<RecordId>>,
    /// Whether that link has an open create (then wait, 2.2).
    pub creating: bool,
}

/// A parent's link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The flow of the parent.
    pub flow: FlowName,
    /// Its link.
    pub link: LinkId,
    /// Its records.
    pub record: Both<Option<RecordId>>,
    /// Former ids.
    pub aliases: Vec<crate::link::Alias>,
    /// Its phase: children of a deleted parent are read again before they are judged (P6).
    #[serde(default)]
    pub phase: Phase,
}

/// A link that holds a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The side of the record.
    pub side: Side,
    /// The record.
    pub record: RecordId,
    /// The link that holds it.
    pub link: LinkId,
    /// That link's phase.
    pub phase: Phase,
    /// Whether the other side of that link is known too.
    pub whole: bool,
    /// Whether that link has an open create on the other side.
    pub creating: bool,
}

impl Holder {
    /// Whether the record can't be joined with another link: that link has a partner, or is over.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.whole || matches!(self.phase, Phase::Tombstoned | Phase::Unlinked)
    }
}

/// Another link whose record holds a value that is wanted here, and is to hold another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rival {
    /// The side of its record.
    pub side: Side,
    /// The column.
    pub column: Column,
    /// What its record was last seen to hold there.
    pub held: Value,
    /// The link.
    pub link: LinkId,
    /// What its open write is to put there.
    pub wanted: Value,
    /// Whether that write was refused itself because a unique value is taken.
    pub refused: bool,
}

/// What a flow allows at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowState {
    /// Adopted; before that changes are recorded and nothing is decided.
    pub adopted: bool,
    /// Paused by a person: recorded, not decided.
    pub paused: bool,
    /// The brake on deletions has tripped (R38).
    pub deletes_held: bool,
}

/// Something that happened to a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A record was seen. `record` is the id it was seen under.
    Seen {
        /// The side.
        side: Side,
        /// The id.
        record: RecordId,
        /// What was seen.
        observation: Box<Observation>,
    },
    /// A record's key changed on its own side.
    KeyChanged {
        /// The side.
        side: Side,
        /// Before.
        old: RecordId,
        /// After.
        new: RecordId,
        /// Its place among the versions of that side, where the source tells: what was seen of
        /// the new id before was another record's.
        #[serde(default)]
        order: Option<i64>,
    },
    /// Another link's record has this link's id from now on: its key changed onto it, or it was made
    /// under it.
    KeyTaken {
        /// The side.
        side: Side,
        /// The id, which is the other's from now on.
        record: RecordId,
    },
    /// A side answered an intent.
    Received(Box<Receipt>),
    /// A sent intent's deadline passed without an answer (W1-W4).
    Overdue(IntentId),
    /// The link is due, or a person decided something: look again.
    Due,
}
