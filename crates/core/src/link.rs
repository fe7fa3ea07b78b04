//! A link: the identity of one record on both sides.

use crate::field_error::FieldError;
use crate::id::{FieldName, FlowName, IntentId, LinkId, RecordId};
use crate::side::{Both, Side};
use crate::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// Where a link stands in its life.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One side only; nothing is to be done about it (R12, `on_none = skip`, blank key).
    Unmatched,
    /// One side only; a partner is being looked for.
    #[default]
    Matching,
    /// One side only; the other side's record is being created.
    Linking,
    /// Both sides known.
    Linked,
    /// Kept as it is; nothing is written (R31 `keep`, R40 `freeze`).
    Frozen,
    /// Deleted on both sides, remembered.
    Tombstoned,
    /// Deliberately taken apart.
    Unlinked,
    /// Joined into another link; its ids are aliases there.
    Joined,
}

/// The identity of one record on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The flow it belongs to.
    pub flow: FlowName,
    /// Grows with every verdict that changes anything; a commit against an older one changes nothing.
    pub rev: i64,
    /// Where it stands.
    pub phase: Phase,
    /// The record's id per side, where one is known.
    pub record: Both<Option<RecordId>>,
    /// Former ids that must still find this link (merges, key changes, re-creations, joins).
    pub aliases: Vec<Alias>,
    /// When both sides last agreed on everything.
    pub synced_at: Option<Stamp>,
    /// Each side's own change stamp at that agreement.
    pub synced: Both<Option<Stamp>>,
    /// When the sweep must look at it again; `None`: nothing to do.
    pub due_at: Option<Stamp>,
    /// How often a wait was repeated (doubling delays start from it); zero when nothing waits.
    pub waits: u32,
    /// When the link was first seen (create grace counts from here).
    pub created_at: Stamp,
    /// What verdicts remember from one to the next; stored as one JSON value.
    #[serde(default)]
    pub memory: Memory,
}

/// What verdicts remember about a link from one to the next. Only the core decides by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Since when the link waits for something (parents, a create elsewhere).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Stamp>,
    /// The parents it waits for, as asked of the store.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaited: Vec<Awaited>,
    /// The references whose parent is missing, and since when each is waited for (P2, P4).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// The match keys it claimed, as asked of the store.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claimed: Vec<Claimed>,
    /// When candidates that wait for a person were last looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searched_at: Option<Stamp>,
    /// The candidates a person decided to leave alone (a digest): not asked again for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<String>,
    /// A person asked for a new record in spite of candidates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Came back after an agreed deletion (R50): gets a partner again, made where a search finds none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub revived: bool,
    /// Taken apart by a rule, not by a person: records that come back are compared again (R41, S3).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_return: bool,
    /// Fields whose unique value is given up for a moment, so that another record can take it (P7).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vacate: Vec<FieldName>,
    /// Writes refused one after another because the record had moved on; a backoff grows with it.
    #[serde(skip_serializing_if = "is_zero")]
    pub stale: u32,
    /// Per side, when its next write may leave after so many of these.
    #[serde(skip_serializing_if = "is_nowhere")]
    pub not_before: Both<Option<Stamp>>,
    /// Calls that fail and are tried again, and since when: a long streak is a person's matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<Failing>,
    /// Per side, the place of the last key change among the side's versions: older observations
    /// under the present id are another record's, and that key change isn't followed twice.
    #[serde(skip_serializing_if = "is_nowhere")]
    pub keyed_at: Both<Option<i64>>,
    /// Per side, the id that another record took while this link's was there, as far as known.
    #[serde(skip_serializing_if = "is_nowhere")]
    pub displaced: Both<Option<Displaced>>,
    /// The values kept back (rows F8, P4), as told to the store; by field, in the flow's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub field_errors: Vec<FieldError>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_nowhere<T>(both: &Both<Option<T>>) -> bool {
    both.left.is_none() && both.right.is_none()
}

/// A call that fails for passing reasons, one try after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The call.
    pub intent: IntentId,
    /// When the first of these tries failed.
    pub since: Stamp,
    /// When the last one did.
    pub last: Stamp,
}

/// An id that was taken from a link by another record's key change, before anything told what
/// became of its own record: that record's own key change, or its deletion, is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Displaced {
    /// The id.
    pub record: RecordId,
    /// Since when the link is without it.
    pub since: Stamp,
}

/// A parent's record that a link waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Awaited {
    /// The parent's flow.
    pub flow: FlowName,
    /// The side whose record is waited for.
    pub side: Side,
    /// That record.
    pub record: RecordId,
}

/// A reference whose parent is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The field that refers to it.
    pub field: FieldName,
    /// The parent's record, on the side that names it.
    pub parent: Awaited,
    /// Since when the field waits for this parent.
    pub since: Stamp,
}

/// A match key that a link claimed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claimed {
    /// Position of the match rule.
    pub rule: usize,
    /// The normalised key.
    pub key: String,
    /// The side whose record holds it.
    pub side: Side,
}

/// A former id of a link's record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alias {
    /// The side it was seen on.
    pub side: Side,
    /// The id.
    pub record: RecordId,
}
