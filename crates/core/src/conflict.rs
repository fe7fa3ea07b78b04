//! Conflicts and holds: what collided, with every value; what waits for a person. A conflict is a
//! value, never an error.

use crate::id::{ConflictId, FieldName, FlowName, LinkId, RecordId, Row};
use crate::observation::Actor;
use crate::side::Both;
use crate::stamp::Stamp;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of collision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Both sides (or a side and unseen trunk content) hold different values (F5).
    BothChanged,
    /// First meeting, and the values differ (G4-G7).
    FirstLinkDiffers,
    /// Deleted on one side, changed on the other (R34-R37).
    DeleteUpdate,
    /// The side refuses the deletion because of dependants (R39).
    DeleteRefused,
    /// Several candidates (M3).
    AmbiguousMatch,
    /// The only candidate belongs to another link (M4).
    Duplicate,
    /// Two linked records were merged into one (S2).
    Merged,
    /// A deletion that can't be told from a merge or key change (S4).
    DeleteUnclassified,
    /// A create whose outcome can't be found out.
    CreateAmbiguous,
    /// A step that the declared path forbids.
    IllegalTransition,
    /// A counter below its minimum (F5e).
    BelowMinimum,
    /// A change on the side that doesn't own the field (F6, `on_one_way_edit = flag`).
    OneWayEdit,
    /// A value was overwritten between pre-read and write (class K1).
    OverwrittenInFlight,
    /// duet's own writes keep changing a field (I16).
    Oscillation,
    /// A tolerated difference (F7, F10).
    Drift,
    /// A brake was pulled (R38).
    Guard,
}

impl ConflictKind {
    /// Whether it is about who belongs to whom: decided by naming a partner, not by taking a side.
    #[must_use]
    pub fn is_about_matching(self) -> bool {
        match self {
            ConflictKind::AmbiguousMatch
            | ConflictKind::Duplicate
            | ConflictKind::CreateAmbiguous => true,
            ConflictKind::BothChanged
            | ConflictKind::FirstLinkDiffers
            | ConflictKind::DeleteUpdate
            | ConflictKind::DeleteRefused
            | ConflictKind::Merged
            | ConflictKind::DeleteUnclassified
            | ConflictKind::IllegalTransition
            | ConflictKind::BelowMinimum
            | ConflictKind::OneWayEdit
            | ConflictKind::OverwrittenInFlight
            | ConflictKind::Oscillation
            | ConflictKind::Drift
            | ConflictKind::Guard => false,
        }
    }
}

/// How far the hold of a conflict reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One field (or group).
    Field(FieldName),
    /// The whole record.
    Record,
}

/// Where a conflict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictState {
    /// Waits for a person.
    Open,
    /// Waits, out of sight until a time.
    Snoozed,
    /// A person chose; not applied yet.
    Decided,
    /// The choice (or an automatic strategy's) is being written.
    Applied,
    /// Over; the reason says how.
    Closed,
}

impl ConflictState {
    /// Whether it still holds its scope back.
    #[must_use]
    pub fn holds(self) -> bool {
        match self {
            ConflictState::Open | ConflictState::Snoozed | ConflictState::Decided => true,
            ConflictState::Applied | ConflictState::Closed => false,
        }
    }
}

/// Why a conflict is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Both sides came to hold the same, by a decision or by themselves (H2, H4).
    Converged,
    /// One side went back to what was agreed (H3).
    Dissolved,
    /// The field is no longer mapped, or the record is gone on both sides (H8).
    Obsolete,
    /// Its time ran out and a configured rule applied (H9).
    Expired,
    /// The difference stays, by a rule (F7, F10) or a person's decision.
    Tolerated,
}

/// One party's part in a conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Whether the record is there on this side.
    pub present: bool,
    /// The record, where one is known.
    pub record: Option<RecordId>,
    /// Values by field name, in the flow's neutral form where they have one; every mapped field for
    /// a conflict about the record.
    pub values: BTreeMap<FieldName, Value>,
    /// The same values as the side holds them (its own form).
    pub native: BTreeMap<FieldName, Value>,
    /// When it was changed: the interval's ends, where known.
    pub changed: Option<(Stamp, Stamp)>,
    /// Who changed it.
    pub actor: Actor,
}

/// Who decided, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// A strategy: row and rule.
    Rule {
        /// The table row.
        row: Row,
        /// The rule as configured, such as `last_write_wins` or `merge counter`.
        rule: String,
    },
    /// A person.
    Person(String),
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The left side's value (record: keep what left says).
    TakeLeft,
    /// The right side's value.
    TakeRight,
    /// What was agreed before.
    TakeAgreed,
    /// Another value, in the neutral form.
    TakeValue(Value),
    /// For `ambiguous_match` and `duplicate`: link with this record of the other side.
    LinkWith(RecordId),
    /// For matching conflicts: none of the candidates; create a new record.
    CreateNew,
    /// Leave the records apart, or the record as it is; nothing is written.
    LeaveAlone,
}

/// A person's decision, tied to what the person saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// What was chosen.
    pub choice: Choice,
    /// The [`Conflict::seen`] that the person looked at: a stale one is refused (H5, I8).
    pub seen: String,
    /// Who.
    pub by: String,
    /// In the person's words.
    pub note: Option<String>,
    /// When.
    pub at: Stamp,
    /// What was decided before and gave way to this, oldest first; none of them has any of its own.
    /// The last one is what a change of a decision that stands must name (H11).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Resolution>,
}

impl Resolution {
    /// The same as one that gave way to another.
    #[must_use]
    pub fn without_earlier(&self) -> Resolution {
        Resolution { earlier: Vec::new(), ..self.clone() }
    }

    /// All that was decided up to this one, oldest first.
    #[must_use]
    pub fn with_earlier(&self) -> Vec<Resolution> {
        self.earlier.iter().cloned().chain([self.without_earlier()]).collect()
    }
}

/// What a stored conflict says to a decision about it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Where it stands.
    pub state: ConflictState,
    /// Its revision.
    pub rev: i64,
    /// The digest of its values.
    pub seen: &'a str,
    /// What was decided so far.
    pub made: Option<&'a Resolution>,
}

/// What becomes of a person's decision (H4, H5, H11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// It is stored.
    New,
    /// The very same was decided already: it stands, nothing is stored.
    Again,
    /// Somebody decided otherwise, or the values are others by now: nothing is stored.
    Stale,
    /// There is nothing to decide any more.
    Over,
}

impl Standing<'_> {
    /// Weighs a decision of somebody who looked at the conflict at `rev`. The first one wins: until
    /// it is carried out, another choice is taken only if it names the one that gives way.
    #[must_use]
    pub fn weigh(&self, rev: i64, decision: &Resolution) -> Weighed {
        let current = decision.seen == self.seen;
        let stored = if current && rev == self.rev { Weighed::New } else { Weighed::Stale };
        match (self.state, self.made) {
            (ConflictState::Open | ConflictState::Snoozed, _) => stored,
            (ConflictState::Decided | ConflictState::Applied, Some(made))
                if current && made.seen == self.seen && made.choice == decision.choice =>
            {
                Weighed::Again
            }
            (ConflictState::Decided, Some(made))
                if decision.earlier.last() == Some(&made.without_earlier()) =>
            {
                stored
            }
            (ConflictState::Decided | ConflictState::Applied, Some(_)) => Weighed::Stale,
            // Decided by a rule, or closed.
            (ConflictState::Decided | ConflictState::Applied, None)
            | (ConflictState::Closed, _) => Weighed::Over,
        }
    }
}

/// What collided, with every value and stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its id.
    pub id: ConflictId,
    /// The link.
    pub link: LinkId,
    /// The flow of that link.
    pub flow: FlowName,
    /// What kind.
    pub kind: ConflictKind,
    /// How far its hold reaches.
    pub scope: Scope,
    /// What was agreed, by field, in the neutral form; empty when nothing was.
    pub agreed: BTreeMap<FieldName, Value>,
    /// Each side's part.
    pub sides: Both<Candidate>,
    /// For matching conflicts: the records that could be the partner, best first.
    pub candidates: Vec<RecordId>,
    /// A digest of every value above: what a resolution must name.
    pub seen: String,
    /// Grows with every change (two reviewers at once, H11).
    pub rev: i64,
    /// Where it stands.
    pub state: ConflictState,
    /// Why it is closed.
    pub reason: Option<CloseReason>,
    /// Who decided: a strategy or a person.
    pub decided_by: Option<Decider>,
    /// The person's decision; kept as a suggestion when applying it failed (H6).
    pub resolution: Option<Resolution>,
    /// What came out, by field, in the neutral form.
    pub result: BTreeMap<FieldName, Value>,
    /// Since when.
    pub opened_at: Stamp,
    /// Until when snoozed, or when its time runs out.
    pub until: Option<Stamp>,
    /// When it was closed.
    pub closed_at: Option<Stamp>,
}

impl Conflict {
    /// What it says to a decision.
    #[must_use]
    pub fn standing(&self) -> Standing<'_> {
        let made = self.resolution.as_ref();
        Standing { state: self.state, rev: self.rev, seen: &self.seen, made }
    }
}
