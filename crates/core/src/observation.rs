//! What was last seen of a record on one side.

use crate::id::{Column, IntentId, LinkId, RecordId};
use crate::image::Image;
use crate::stamp::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a record is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Not known; a read must tell.
    #[default]
    Unknown,
    /// There, and inside the flow's filter.
    Present,
    /// Positively deleted: an event, a tombstone or an explicit look-up said so.
    Deleted(Deletion),
    /// There or not, but not this flow's business; never a deletion (rows R40, R41, R70).
    OutOfScope(Absence),
}

/// How a record was deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// Recoverable (recycle bin, a `deleted_at` column).
    Soft,
    /// Gone.
    Hard,
    /// Merged into another record of the same side (section 3.8).
    MergedInto(RecordId),
    /// Gone, and the side can't tell a deletion from a merge or a key change (row S4).
    Unclassified,
}

/// Why a record is out of scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// It no longer meets the flow's `where`.
    Filter,
    /// A read found or was allowed to see nothing, without evidence of a deletion (row R70).
    Visibility,
}

/// A version of a record on its side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Larger is later. `None`: versions of this side can only be told equal or different.
    pub order: Option<i64>,
    /// Handed back to the connector as the expected version of a write; opaque to all others.
    pub token: String,
}

/// Who changed a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The class that tie rules look at.
    pub class: ActorClass,
    /// A name or id a person can recognise, where the side tells one.
    pub name: Option<String>,
}

/// A class of actors.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ActorClass {
    /// Not told.
    #[default]
    Unknown,
    /// A person, or a program acting for one.
    User,
    /// A trigger, a flow, a job.
    Automation,
    /// duet itself.
    Duet,
}

/// How an observation was made.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A poll of changed records.
    #[default]
    Poll,
    /// An outbox or event stream.
    Event,
    /// A full scan (adopt, scrub).
    Scan,
    /// A read that a verdict asked for.
    Read,
    /// The answer of a write.
    WriteAnswer,
}

/// What was seen of one record on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Whether the record is there.
    pub presence: Presence,
    /// Canonical values by column; possibly partial.
    #[serde(default)]
    pub image: Image,
    /// The version these values belong to, where the side tells one.
    pub version: Option<Version>,
    /// When the record was last changed, by its own side's clock.
    pub changed_at: Option<Stamp>,
    /// Per column, when it changed, where the side tells (an interval's upper end).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub column_stamps: BTreeMap<Column, Stamp>,
    /// Who made the last change.
    #[serde(default)]
    pub actor: Actor,
    /// The write marker found on the record: the last write of duet's, not the last writer.
    pub marker: Option<IntentId>,
    /// The link id that the record carries as duet's unique key, if the side stores one.
    pub key: Option<LinkId>,
    /// The source's time when the read was sent. Of two observations of one version the later counts.
    pub read_at: Stamp,
    /// How it was seen.
    #[serde(default)]
    pub source: Source,
    /// Our own write happened at this source time and its version has not been read yet: an
    /// observation read before it is not joined (design, section 6, "unread versions").
    pub unread_since: Option<Stamp>,
    /// Two fresh observations of one version differ: a read must tell before anything is decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
}
