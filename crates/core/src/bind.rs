//! Binds a flow to what both sides say about themselves, and refuses what can't work there: every
//! mistake at once. What comes out is ready to decide with.
//!
//! Not here: where a mistake stands in a file (`config` knows), and how it is shown.

mod closest;
mod columns;
mod rights;
mod samples;
mod typing;

pub use closest::closest;

use crate::id::{Column, ConnectionName, FieldName, FlowName};
use crate::side::{Both, Side};
use crate::spec::{ColumnSpec, FlowSpec, PathClass, Promise};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a side says about a flow's collection, as far as it matters for binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFacts {
    /// Every column that exists.
    pub columns: BTreeMap<Column, ColumnSpec>,
    /// The key columns, for a flow that names none.
    pub key: Vec<Column>,
    /// Columns that are unique and may carry a create.
    pub unique: Vec<Column>,
    /// The column for duet's own unique key.
    pub key_column: Option<Column>,
    /// Class of the guarded path.
    pub guarded: PathClass,
    /// Class of the batch path.
    pub batch: PathClass,
    /// Grain of versions, in microseconds.
    pub grain_us: i64,
    /// How far the side's clock is off, in microseconds.
    pub skew_us: i64,
    /// Deleted records can be brought back.
    pub undelete: bool,
    /// Whether these credentials may create, change and delete records.
    pub may: Rights,
}

/// Rights on a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Create records.
    pub create: bool,
    /// Change records.
    pub update: bool,
    /// Delete records.
    pub delete: bool,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindKind {
    /// The side has no such column.
    UnknownColumn,
    /// Neither the flow nor the side names key columns.
    NoKey,
    /// The two sides' types differ and nothing translates between them.
    TypeMismatch,
    /// A transform can't take the values that reach it.
    StepMismatch,
    /// A constant, default, map entry or bound isn't of its column's type.
    ValueMismatch,
    /// The sides of a group or match rule have different numbers of columns.
    PartsDiffer,
    /// A sample value doesn't come back from the other side.
    NoRoundTrip,
    /// One side holds longer texts than the other.
    TooLong,
    /// A column that changes are to be written to can't be written.
    NotWritable,
    /// A column can be set by a create only, and changes are to be written to it.
    OnlyOnCreate,
    /// A column that creates need is set by nothing.
    RequiredUncovered,
    /// The column of an external-id rule isn't unique.
    ExternalIdNotUnique,
    /// An external-id rule names the key of neither side.
    ExternalIdWithoutKey,
    /// A counter needs paths with an atomic version check and a marker on both sides.
    CounterNeedsMarker,
    /// The side's write paths promise too little for the policy.
    ClassTooWeak,
    /// The credentials don't allow what the flow is to do.
    NotAllowed,
    /// Two fields write one column.
    WrittenTwice,
}

impl BindKind {
    /// Whether the flow can work in spite of it.
    #[must_use]
    pub fn is_warning(self) -> bool {
        match self {
            BindKind::TooLong | BindKind::RequiredUncovered => true,
            BindKind::UnknownColumn
            | BindKind::NoKey
            | BindKind::TypeMismatch
            | BindKind::StepMismatch
            | BindKind::ValueMismatch
            | BindKind::PartsDiffer
            | BindKind::NoRoundTrip
            | BindKind::NotWritable
            | BindKind::OnlyOnCreate
            | BindKind::ExternalIdNotUnique
            | BindKind::ExternalIdWithoutKey
            | BindKind::CounterNeedsMarker
            | BindKind::ClassTooWeak
            | BindKind::NotAllowed
            | BindKind::WrittenTwice => false,
        }
    }
}

/// The part of the flow that a mistake is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BindPlace {
    /// The flow as a whole.
    Flow,
    /// A side's collection and key.
    End(Side),
    /// A field or parent.
    Field(FieldName),
    /// A match rule, by position.
    Match(usize),
    /// The constants of a side.
    Constants(Side),
    /// The soft-delete column of a side.
    Soft(Side),
}

/// One thing that is wrong with a flow on these sides. Holds no record values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flow}: {sentence}")]
pub struct BindMistake {
    /// The flow.
    pub flow: FlowName,
    /// What.
    pub kind: BindKind,
    /// Where in the flow.
    pub place: BindPlace,
    /// On which side, if on one.
    pub side: Option<Side>,
    /// Which column, if one.
    pub column: Option<Column>,
    /// In a sentence.
    pub sentence: String,
    /// What to do.
    pub help: Option<String>,
}

/// Binds a flow to both sides.
///
/// # Errors
/// Every mistake and warning, when one of them keeps the flow from working.
pub fn bind(
    draft: FlowSpec,
    left: &SideFacts,
    right: &SideFacts,
) -> Result<FlowSpec, Vec<BindMistake>> {
    match examine(draft, left, right) {
        (Some(spec), _) => Ok(spec),
        (None, mistakes) => Err(mistakes),
    }
}

/// As [`bind`], and tells warnings about a flow that works.
#[must_use]
pub fn examine(
    draft: FlowSpec,
    left: &SideFacts,
    right: &SideFacts,
) -> (Option<FlowSpec>, Vec<BindMistake>) {
    let mut work = Work { spec: draft, facts: Both::new(left, right), mistakes: Vec::new() };
    columns::fill(&mut work);
    typing::settle(&mut work);
    rights::check(&mut work);
    if !work.has_errors() {
        samples::check(&mut work);
    }
    let Work { mut spec, mistakes, .. } = work;
    if mistakes.iter().any(|mistake| !mistake.kind.is_warning()) {
        return (None, mistakes);
    }
    spec.version = version(&spec);
    (Some(spec), mistakes)
}

/// A column of one collection that two flows may write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connection} {collection}.{column} may be written by the flows {} and {}",
    flows.0,
    flows.1
)]
pub struct SharedWrite {
    /// The connection.
    pub connection: ConnectionName,
    /// Table or object.
    pub collection: String,
    /// The column.
    pub column: Column,
    /// The flows, in order of their names.
    pub flows: (FlowName, FlowName),
    /// The field of the second flow.
    pub field: FieldName,
}

/// Finds every column that more than one of these flows may change.
#[must_use]
pub fn refuse_shared_writes(flows: &[FlowSpec]) -> Vec<SharedWrite> {
    let mut writers: BTreeMap<(&ConnectionName, &str, &Column), &FlowName> = BTreeMap::new();
    let mut ordered: Vec<&FlowSpec> = flows.iter().collect();
    ordered.sort_by(|a, b| a.name.cmp(&b.name));
    let mut shared = Vec::new();
    for flow in ordered {
        for (side, field, column) in rights::changes(flow) {
            let end = flow.ends.get(side);
            let place = (&end.connection, end.collection.as_str(), column);
            let first = *writers.entry(place).or_insert(&flow.name);
            if *first != flow.name {
                shared.push(SharedWrite {
                    connection: end.connection.clone(),
                    collection: end.collection.clone(),
                    column: column.clone(),
                    flows: (first.clone(), flow.name.clone()),
                    field: field.name.clone(),
                });
            }
        }
    }
    shared
}

/// A flow on its way to being bound.
struct Work<'a> {
    spec: FlowSpec,
    facts: Both<&'a SideFacts>,
    mistakes: Vec<BindMistake>,
}

impl Work<'_> {
    fn mistake(
        &mut self,
        kind: BindKind,
        place: BindPlace,
        at: Option<(Side, &Column)>,
        sentence: String,
    ) -> &mut BindMistake {
        self.mistakes.push(BindMistake {
            flow: self.spec.name.clone(),
            kind,
            place,
            side: at.map(|(side, _)| side),
            column: at.map(|(_, column)| column.clone()),
            sentence,
            help: None,
        });
        self.mistakes.last_mut().expect("one was pushed just now")
    }

    fn has_errors(&self) -> bool {
        self.mistakes.iter().any(|mistake| !mistake.kind.is_warning())
    }

    fn promise(&self, side: Side) -> Promise {
        let facts = self.facts.get(side);
        Promise {
            guarded: facts.guarded,
            batch: facts.batch,
            grain_us: facts.grain_us,
            skew_us: facts.skew_us.abs(),
            key_column: facts.key_column.clone(),
            undelete: facts.undelete,
        }
    }
}

/// A digest of the flow: equal flows on equal sides have equal versions. The clock's skew is
/// measured anew at each start and left out.
fn version(spec: &FlowSpec) -> String {
    let mut spec = spec.clone();
    spec.version.clear();
    for side in Side::BOTH {
        spec.ends.get_mut(side).promise.skew_us = 0;
    }
    let text = serde_json::to_string(&spec).expect("a flow has no failing serializer");
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
