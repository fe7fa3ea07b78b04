//! The specification of a flow: what is paired, how values map, which policy decides. Validated
//! where it is built (`config`, then [`FlowSpec`] bound to both sides' descriptions); the type is
//! proof.

use crate::id::{Column, ConnectionName, FieldName, FlowName};
use crate::image::Image;
use crate::side::{Both, Side};
use crate::value::{Value, ValueType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A flow, ready to decide with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowSpec {
    /// Its name.
    pub name: FlowName,
    /// Both ends.
    pub ends: Both<End>,
    /// Match rules, best first.
    pub matching: Vec<MatchRule>,
    /// Mapped fields, parents among them, in the order of the configuration.
    pub fields: Vec<FieldSpec>,
    /// Values that every create carries, per side.
    pub constants: Both<Image>,
    /// What decides about the record as a whole.
    pub policy: RecordPolicy,
    /// A digest of everything above, stored with each decision.
    pub version: String,
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The connection.
    pub connection: ConnectionName,
    /// Table or object.
    pub collection: String,
    /// Key columns, in order; what a record's id is made of.
    pub key: Vec<Column>,
    /// The flow's filter, in the side's own language.
    pub filter: Option<String>,
    /// How deletions that are to be `soft` are written here: column and value to set.
    pub soft: Option<(Column, Value)>,
    /// Settings of the connector for this collection, unread by everybody else.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// What the side promises; filled in from its description.
    pub promise: Promise,
    /// Every column in use, filled in from the description.
    pub columns: BTreeMap<Column, ColumnSpec>,
}

/// What a side promises for one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Class of the guarded path.
    pub guarded: PathClass,
    /// Class of the batch path.
    pub batch: PathClass,
    /// Grain of versions and change stamps in microseconds: 1,000,000 on a side that stamps whole
    /// seconds, 0 where every write has its own version.
    pub grain_us: i64,
    /// How far the side's clock may be off, in microseconds (change intervals are widened by it).
    pub skew_us: i64,
    /// The column that carries duet's unique key on creates, if no external-id match field does.
    pub key_column: Option<Column>,
    /// Deleted records can be brought back.
    pub undelete: bool,
}

impl Default for Promise {
    fn default() -> Self {
        Promise {
            guarded: PathClass::K3,
            batch: PathClass::K3,
            grain_us: 0,
            skew_us: 0,
            key_column: None,
            undelete: false,
        }
    }
}

/// What a write path can promise (design, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PathClass {
    /// Blind write.
    K0,
    /// Pre-read in the same batch, polled.
    K1p,
    /// Pre-read in the same batch, complete event stream.
    K1,
    /// Version check, no marker.
    K2,
    /// Version check of one-second grain, and marker.
    K3s,
    /// Atomic version check and marker.
    K3,
}

/// What is known of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSpec {
    /// Its canonical type.
    pub kind: ValueType,
    /// Whether null is allowed.
    pub nullable: bool,
    /// Most characters of a text.
    pub max_length: Option<u32>,
    /// Digits after the point of a decimal.
    pub scale: Option<u32>,
    /// Most digits of a decimal, before and after the point.
    pub precision: Option<u32>,
    /// Least and most of a whole number.
    pub range: Option<(i64, i64)>,
    /// The only values allowed, if restricted.
    pub allowed: Option<Vec<String>>,
    /// Whether duet may set it on a create.
    pub createable: bool,
    /// Whether duet may change it.
    pub updateable: bool,
    /// How values compare.
    pub canon: Canon,
}

/// How a side's values compare: applied by the connector before an image leaves it, and by the
/// core to a value before it is compared with one of that side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canon {
    /// Outer white space doesn't count (the side trims).
    pub trim: bool,
    /// The empty text is null.
    pub empty_is_null: bool,
    /// CR LF counts as LF.
    pub line_ends: bool,
    /// Upper and lower case count as equal.
    pub fold_case: bool,
    /// Decimals are rounded to this many digits after the point.
    pub scale: Option<u32>,
    /// Instants are cut to this grain in microseconds.
    pub instant_grain_us: Option<i64>,
    /// The value comes from a 4-byte float: equal to seven significant digits.
    pub single_precision: bool,
    /// Trailing blanks don't count (text of a fixed width).
    #[serde(default)]
    pub padded: bool,
}

/// A way to find the partner of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRule {
    /// By an external id that is unique (and may carry creates), or by equal values.
    pub by: MatchBy,
    /// Columns that must be equal, per side, after `normalize`.
    pub columns: Both<Vec<Column>>,
    /// Applied to both sides' texts before they are compared.
    pub normalize: Vec<Normalize>,
}

/// The kind of a match rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchBy {
    /// A column that holds the other side's key. Filled in by linking.
    ExternalId,
    /// Equal values.
    Equal,
}

/// A normalisation of texts before matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Drop outer white space.
    Trim,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// Keep letters and digits only.
    Alnum,
}

/// One mapped field: a column, or a group of columns, on each side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldSpec {
    /// Its name.
    pub name: FieldName,
    /// Columns per side; more than one make a group, whose value is a tuple.
    pub columns: Both<Vec<Column>>,
    /// From a side's own form to the neutral form and back.
    pub mapping: Mapping,
    /// Which way changes go.
    pub direction: Direction,
    /// What happens to an edit against the direction.
    pub on_one_way_edit: OneWayEdit,
    /// What decides when values collide.
    pub strategy: Strategy,
    /// Whether clearing a value clears it on the other side (F10).
    pub propagate_null: bool,
    /// Whether an empty side is filled at the first meeting (G2, G3).
    pub fill_nulls: bool,
    /// Whether the same change on both sides is agreement (F4) or goes to the strategy.
    pub same_change: SameChange,
    /// Whether its values are masked wherever they are shown.
    pub sensitive: bool,
    /// Columns that only a create may carry (keys of the other side and the like).
    pub create_only: bool,
}

/// How a field's values translate. `get` makes the neutral form, `put` a side's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mapping {
    /// Values, through transforms.
    Values {
        /// The type of the neutral form (of every part of a group).
        kind: ValueType,
        /// Per side, applied in order by `get`, inverted in reverse order by `put`.
        transforms: Both<Vec<Transform>>,
        /// What stands in for null on a side that needs a value, per side.
        defaults: Both<Option<Value>>,
    },
    /// A reference to a record of another flow, translated through that record's link (P1-P4).
    Parent {
        /// The flow of the parent.
        flow: FlowName,
        /// What to do while the parent has no record on the side to be written.
        missing: MissingParent,
        /// Per side, the constant that stands for "no parent".
        none: Both<Option<Value>>,
    },
}

/// What to do while a parent is missing (P2-P4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct MissingParent {
    /// How long to wait, in microseconds; `None`: for ever.
    pub wait_us: Option<i64>,
    /// Afterwards.
    pub then: AfterWait,
}

/// What follows when a parent didn't come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterWait {
    /// Park with class `dependency`.
    Flag,
    /// Write null (or the constant for "none").
    Null,
}

/// A named, invertible step between a side's form and the neutral form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Drop outer white space (`put` leaves as it is).
    Trim,
    /// Lower case (`put` leaves as it is).
    Lower,
    /// Upper case (`put` leaves as it is).
    Upper,
    /// A value map: pairs of (side's value, neutral value), one to one.
    Map(Vec<(Value, Value)>),
    /// Multiply by a power of ten (cents to units).
    Scale(i32),
    /// Split a text into a set at a separator, and join it again.
    Split(String),
    /// Take the day of an instant in a fixed offset from UTC (seconds); `put` gives its midnight.
    DayOf(i32),
    /// Convert to another type where every value comes back (integer and text, and the like).
    Cast(ValueType),
    /// Round to digits after the point (equal by rounding; `put` leaves as it is).
    Round(u32),
}

/// Which way changes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// Only right to left: the right side owns it.
    ToLeft,
    /// Only left to right: the left side owns it.
    ToRight,
}

impl Direction {
    /// The side that owns a one-way field.
    #[must_use]
    pub fn owner(self) -> Option<Side> {
        match self {
            Direction::Both => None,
            Direction::ToLeft => Some(Side::Right),
            Direction::ToRight => Some(Side::Left),
        }
    }
}

/// What happens to an edit against the direction (F6, F7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OneWayEdit {
    /// Write the owner's value back; the edit is kept in a closed conflict.
    #[default]
    Overwrite,
    /// Leave it; recorded as drift.
    Keep,
    /// Leave it and ask a person.
    Flag,
}

/// Whether the same change on both sides is agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameChange {
    /// It is (F4).
    #[default]
    Accept,
    /// It goes to the strategy like any other collision.
    Review,
}

/// What decides when values collide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The later change wins (3.4); `tie` is tried in order, `manual_review` at its end.
    LastWriteWins {
        /// What to do when the intervals overlap.
        tie: Vec<Tie>,
    },
    /// This side wins.
    SourceOfTruth(Side),
    /// Values combine by kind; where they can't, `otherwise` decides.
    Merge {
        /// How.
        kind: MergeKind,
        /// Else.
        otherwise: Box<Strategy>,
    },
    /// A person.
    #[default]
    ManualReview,
}

/// A rule for changes whose times overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// A person's change beats a program's.
    UserOverAutomation,
    /// Left.
    Left,
    /// Right.
    Right,
    /// A person decides.
    ManualReview,
}

/// How colliding values combine (3.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeKind {
    /// Agreed value plus every side's contribution, within bounds.
    Counter {
        /// Least allowed value (else `below_minimum`, F5e).
        min: Option<Value>,
        /// Most allowed value.
        max: Option<Value>,
    },
    /// Base plus additions less removals.
    Set,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The later of a declared path; going back goes to `otherwise`.
    Progress {
        /// The path, in order.
        path: Vec<Value>,
        /// Values outside the path, and from which values they may be reached.
        also: Vec<(Value, Vec<Value>)>,
    },
    /// The least of a declared order.
    Strictest {
        /// The order, strictest first.
        order: Vec<Value>,
    },
    /// The only value that isn't empty.
    FirstNonEmpty,
}

/// What decides about the record as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordPolicy {
    /// Per side: what a deletion there does to the other side.
    pub deletes: Both<DeletePolicy>,
    /// A deletion against a change.
    pub on_delete_conflict: DeleteConflict,
    /// Leaving the filter.
    pub on_leave_filter: LeaveFilter,
    /// Per side: a record that exists only there.
    pub on_none: Both<OnNone>,
    /// No usable match key.
    pub on_blank_key: BlankKey,
    /// Several candidates.
    pub on_ambiguous: Ambiguous,
    /// First meeting: this side wins everything (G9).
    pub initial: Option<Side>,
    /// How long to wait and look again before a create, in microseconds (M2).
    pub create_grace_us: i64,
}

/// What a deletion does to the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletePolicy {
    /// A person decides.
    #[default]
    Flag,
    /// Write the soft-delete column.
    Soft,
    /// Delete there too.
    Propagate,
    /// Take the link apart; the other record stays.
    Unlink,
    /// Freeze; nothing happens.
    Ignore,
}

/// A deletion against a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteConflict {
    /// A person decides (R34).
    #[default]
    ManualReview,
    /// The change wins (R35).
    UpdateWins,
    /// The deletion wins (R36).
    DeleteWins,
    /// The later wins (R37).
    LastWriteWins,
}

/// Leaving the filter (R40).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveFilter {
    /// Keep the link, write nothing.
    #[default]
    Freeze,
    /// Take the link apart.
    Unlink,
    /// As a deletion.
    Delete,
}

/// A record that exists only on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNone {
    /// A person decides.
    #[default]
    Flag,
    /// Create it on the other side.
    Create,
    /// Leave it alone; it is listed.
    Skip,
}

/// No usable match key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlankKey {
    /// Leave unlinked and list it.
    #[default]
    Hold,
    /// Create on the other side.
    Create,
}

/// Several candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ambiguous {
    /// A person decides (M3).
    #[default]
    Flag,
}
