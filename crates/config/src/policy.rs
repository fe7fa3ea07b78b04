//! What decides about records as a whole, and what holds for all fields of a flow: the flow's keys
//! over those of `[defaults]` over the built-in ones.

use crate::code::Code;
use crate::keys;
use crate::section::{Reading, Section};
use crate::strategy;
use duet_core::side::{Both, Side};
use duet_core::spec::{
    Ambiguous, BlankKey, DeleteConflict, DeletePolicy, Direction, LeaveFilter, OnNone, OneWayEdit,
    RecordPolicy, SameChange, Strategy,
};
use duet_ports::duration::micros;

/// The words of a side.
pub(crate) const SIDE: &[(&str, Side)] = &[("left", Side::Left), ("right", Side::Right)];

pub(crate) const DIRECTION: &[(&str, Direction)] =
    &[("both", Direction::Both), ("to_left", Direction::ToLeft), ("to_right", Direction::ToRight)];
pub(crate) const ONE_WAY_EDIT: &[(&str, OneWayEdit)] =
    &[("overwrite", OneWayEdit::Overwrite), ("keep", OneWayEdit::Keep), ("flag", OneWayEdit::Flag)];
pub(crate) const SAME_CHANGE: &[(&str, SameChange)] =
    &[("accept", SameChange::Accept), ("review", SameChange::Review)];
pub(crate) const ON_NONE: &[(&str, OnNone)] =
    &[("flag", OnNone::Flag), ("create", OnNone::Create), ("skip", OnNone::Skip)];
pub(crate) const DELETES: &[(&str, DeletePolicy)] = &[
    ("flag", DeletePolicy::Flag),
    ("soft", DeletePolicy::Soft),
    ("propagate", DeletePolicy::Propagate),
    ("unlink", DeletePolicy::Unlink),
    ("ignore", DeletePolicy::Ignore),
];
pub(crate) const DELETE_CONFLICT: &[(&str, DeleteConflict)] = &[
    ("manual_review", DeleteConflict::ManualReview),
    ("update_wins", DeleteConflict::UpdateWins),
    ("delete_wins", DeleteConflict::DeleteWins),
    ("last_write_wins", DeleteConflict::LastWriteWins),
];
pub(crate) const LEAVE_FILTER: &[(&str, LeaveFilter)] = &[
    ("freeze", LeaveFilter::Freeze),
    ("unlink", LeaveFilter::Unlink),
    ("delete", LeaveFilter::Delete),
];
pub(crate) const BLANK_KEY: &[(&str, BlankKey)] =
    &[("hold", BlankKey::Hold), ("create", BlankKey::Create)];
pub(crate) const AMBIGUOUS: &[(&str, Ambiguous)] = &[("flag", Ambiguous::Flag)];

/// What fields have unless they say otherwise.
#[derive(Clone, Debug)]
pub(crate) struct FieldPolicy {
    pub(crate) direction: Direction,
    pub(crate) on_one_way_edit: OneWayEdit,
    pub(crate) strategy: Strategy,
    pub(crate) same_change: SameChange,
    pub(crate) propagate_null: bool,
    pub(crate) fill_nulls: bool,
}

impl Default for FieldPolicy {
    fn default() -> Self {
        FieldPolicy {
            direction: Direction::Both,
            on_one_way_edit: OneWayEdit::Overwrite,
            strategy: Strategy::ManualReview,
            same_change: SameChange::Accept,
            propagate_null: true,
            fill_nulls: true,
        }
    }
}

impl FieldPolicy {
    /// This policy with what a section says. Strategies are read by the caller's own rules.
    pub(crate) fn with(&self, reading: &mut Reading<'_>, section: &Section<'_>) -> FieldPolicy {
        FieldPolicy {
            direction: section.word(reading, "direction", DIRECTION).unwrap_or(self.direction),
            on_one_way_edit: section
                .word(reading, "on_one_way_edit", ONE_WAY_EDIT)
                .unwrap_or(self.on_one_way_edit),
            strategy: self.strategy.clone(),
            same_change: section
                .word(reading, "same_change", SAME_CHANGE)
                .unwrap_or(self.same_change),
            propagate_null: section.flag(reading, "propagate_null").unwrap_or(self.propagate_null),
            fill_nulls: section.flag(reading, "fill_nulls").unwrap_or(self.fill_nulls),
        }
    }
}

/// What a flow has unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlowPolicy {
    pub(crate) fields: FieldPolicy,
    pub(crate) deletes: Both<DeletePolicy>,
    pub(crate) on_none: Both<OnNone>,
    pub(crate) on_delete_conflict: DeleteConflict,
    pub(crate) on_leave_filter: LeaveFilter,
    pub(crate) on_blank_key: BlankKey,
    pub(crate) on_ambiguous: Ambiguous,
    pub(crate) create_grace_us: Option<i64>,
}

impl FlowPolicy {
    /// This policy with what a section says.
    pub(crate) fn with(&self, reading: &mut Reading<'_>, section: &Section<'_>) -> FlowPolicy {
        let mut fields = self.fields.with(reading, section);
        if let Some(strategy) = strategy::of_flow(reading, section) {
            fields.strategy = strategy;
        }
        let conflict = section.word(reading, "on_delete_conflict", DELETE_CONFLICT);
        let filter = section.word(reading, "on_leave_filter", LEAVE_FILTER);
        let blank = section.word(reading, "on_blank_key", BLANK_KEY);
        let ambiguous = section.word(reading, "on_ambiguous", AMBIGUOUS);
        FlowPolicy {
            fields,
            deletes: sides(reading, section, "deletes", DELETES, &self.deletes),
            on_none: sides(reading, section, "on_none", ON_NONE, &self.on_none),
            on_delete_conflict: conflict.unwrap_or(self.on_delete_conflict),
            on_leave_filter: filter.unwrap_or(self.on_leave_filter),
            on_blank_key: blank.unwrap_or(self.on_blank_key),
            on_ambiguous: ambiguous.unwrap_or(self.on_ambiguous),
            create_grace_us: grace(reading, section).or(self.create_grace_us),
        }
    }

    /// As the core takes it. A create that carries a unique key needs no grace.
    pub(crate) fn record(&self, initial: Option<Side>, unique_key: bool) -> RecordPolicy {
        const GRACE_US: i64 = 5_000_000;
        let grace = if unique_key { 0 } else { GRACE_US };
        RecordPolicy {
            deletes: self.deletes.clone(),
            on_delete_conflict: self.on_delete_conflict,
            on_leave_filter: self.on_leave_filter,
            on_none: self.on_none.clone(),
            on_blank_key: self.on_blank_key,
            on_ambiguous: self.on_ambiguous,
            initial,
            create_grace_us: self.create_grace_us.unwrap_or(grace),
        }
    }
}

fn sides<T: Copy>(
    reading: &mut Reading<'_>,
    section: &Section<'_>,
    key: &str,
    words: &[(&str, T)],
    base: &Both<T>,
) -> Both<T> {
    let mut both = Both::new(base.left, base.right);
    let Some(node) = section.get(key) else { return both };
    let name = format!("{} {key}", section.name);
    let Some(inner) = Section::open_node(reading, name, node, keys::SIDES) else { return both };
    for side in Side::BOTH {
        if let Some(word) = inner.word(reading, side.as_str(), words) {
            *both.get_mut(side) = word;
        }
    }
    both
}

fn grace(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<i64> {
    let node = section.get("create_grace")?;
    let (_, text) = reading.text(node, "create_grace")?;
    let found = micros(text);
    if found.is_none() {
        reading.told(Code::BadDuration, &node.span, "create_grace isn't a duration").help =
            "a whole number and `ms`, `s`, `m`, `h` or `d`".to_owned();
    }
    found
}
