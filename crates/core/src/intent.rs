//! Intents: logged calls to a side; and receipts: what the side answered.

use crate::id::{Column, ConnectionName, FieldName, FlowName, IntentId, LinkId, RecordId};
use crate::image::Image;
use crate::observation::{Observation, Version};
use crate::retry::Failure;
use crate::side::Side;
use crate::stamp::Stamp;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is to be done at a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Insert a record that carries a unique field and the marker.
    Create,
    /// Change columns of a record.
    Update,
    /// Delete a record.
    Delete,
    /// Bring a deleted record back.
    Undelete,
    /// Read the record as it is now (by id).
    Read,
    /// Look for records by match key (or, after a create of unknown outcome, by unique field).
    Find,
}

impl Op {
    /// Whether it changes the side. At most one open write and one open read per link and side.
    #[must_use]
    pub fn writes(self) -> bool {
        match self {
            Op::Create | Op::Update | Op::Delete | Op::Undelete => true,
            Op::Read | Op::Find => false,
        }
    }

    /// As stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Create => "create",
            Op::Update => "update",
            Op::Delete => "delete",
            Op::Undelete => "undelete",
            Op::Read => "read",
            Op::Find => "find",
        }
    }
}

/// Which write path of a side carries an intent (design, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WritePath {
    /// The strictest path the side has: version check per record (K3, K3s, K2).
    Guarded,
    /// The cheapest path for many records: pre-read in the same batch (K1, K1p), or as guarded
    /// where a side has only one path.
    Batch,
}

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentState {
    /// To be sent when due. The next verdict may replace it.
    Planned,
    /// Left, or about to leave; nothing else may be planned for that side (R02).
    Sent,
    /// Left, and no answer came in time: must be settled by reading (R01).
    Unknown,
    /// Refused for a reason only a change of inputs can mend. Counts as planned: a verdict that
    /// plans something else replaces it, one that plans the same leaves it parked.
    Parked,
    /// A person decided that it is not to be tried again. Like parked, without an error to mend.
    Discarded,
    /// Landed.
    Confirmed,
    /// Proved not to have landed.
    NotLanded,
    /// Overtaken: a newer verdict replaced it, or the record's version moved on.
    Superseded,
    /// Refused, and answered by another decision (stale, duplicate, gone).
    Refused,
}

impl IntentState {
    /// Whether an intent in this state occupies its link's slot on that side.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            IntentState::Planned
            | IntentState::Sent
            | IntentState::Unknown
            | IntentState::Parked
            | IntentState::Discarded => true,
            IntentState::Confirmed
            | IntentState::NotLanded
            | IntentState::Superseded
            | IntentState::Refused => false,
        }
    }

    /// Whether a verdict may replace it.
    #[must_use]
    pub fn is_replaceable(self) -> bool {
        match self {
            IntentState::Planned | IntentState::Parked | IntentState::Discarded => true,
            IntentState::Sent
            | IntentState::Unknown
            | IntentState::Confirmed
            | IntentState::NotLanded
            | IntentState::Superseded
            | IntentState::Refused => false,
        }
    }
}

/// A logged call to a side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its id, and the marker its write leaves on the record.
    pub id: IntentId,
    /// The link it serves.
    pub link: LinkId,
    /// The flow of that link.
    pub flow: FlowName,
    /// The side it calls.
    pub side: Side,
    /// The connection of that side.
    pub connection: ConnectionName,
    /// What to do.
    pub op: Op,
    /// Which write path.
    pub path: WritePath,
    /// The record, where it has an id yet.
    pub record: Option<RecordId>,
    /// Columns to write, with constants and key columns on a create; empty for reads.
    pub values: Image,
    /// For [`Op::Find`]: the alternatives to look for, in the order of the match rules.
    pub find: Vec<FindKey>,
    /// The version the write expects to find.
    pub expected: Option<Version>,
    /// What the written columns held when it was decided: compared where versions can't be.
    pub expected_values: Image,
    /// Per field the trunk value that `values` carries: what becomes accounted on confirmation.
    pub carries: BTreeMap<FieldName, Value>,
    /// Where it stands.
    pub state: IntentState,
    /// Calls tried so far.
    pub attempts: u32,
    /// When it is to be sent or looked at; the retry queue.
    pub due_at: Option<Stamp>,
    /// When the call left.
    pub sent_at: Option<Stamp>,
    /// No answer counts after this instant.
    pub deadline: Option<Stamp>,
    /// When it was planned.
    pub planned_at: Stamp,
    /// When it was proved to have landed, if only after it was closed (a late call).
    pub landed_at: Option<Stamp>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Decision row and rule that planned it.
    pub why: String,
}

/// One key to look for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FindKey {
    /// Position of the match rule in the flow; `usize::MAX` would be meaningless, so `None` stands
    /// for "by duet's own key".
    pub rule: Option<usize>,
    /// Column and value that a record must hold.
    pub columns: Vec<(Column, Value)>,
}

/// What a side answered to one intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The intent.
    pub intent: IntentId,
    /// The source's time of the answer.
    pub at: Stamp,
    /// When the call was sent, by the source's time: decides what a read can prove.
    pub sent_at: Stamp,
    /// What happened.
    pub outcome: Outcome,
}

/// What happened to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The write landed. With the record's id on a create, and its state where the answer has it.
    Landed {
        /// The id the side gave or confirmed.
        record: RecordId,
        /// The record after the write, where the side told it in the same answer.
        after: Option<Box<Observation>>,
    },
    /// The read answered; `Presence` tells whether the record is there.
    Read(Box<Observation>),
    /// The search answered: every record that holds one of the keys.
    Found(Vec<Found>),
    /// The side refused; nothing was written. With the record as found, where the side told it
    /// (version check failed, duplicate value).
    Refused {
        /// Class, code and text.
        failure: Failure,
        /// The record that stood in the way.
        observed: Option<Box<Found>>,
    },
    /// The call left and nobody knows whether it landed.
    Unknown(Failure),
    /// The call didn't leave.
    NotSent(Failure),
}

/// A record that a side showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its id.
    pub record: RecordId,
    /// Which of the keys it holds: positions of match rules, `None` for duet's own key.
    pub rule: Option<usize>,
    /// What it holds.
    pub observation: Observation,
}
