//! The flow of a run: one table on each side, columns of one name, matched by `code`; the strategies
//! are drawn.

use crate::chance::Chance;
use crate::side::{ID, KEY_COLUMN, Nature};
use duet_core::side::{Both, Side};
use duet_core::spec::{
    Ambiguous, BlankKey, DeleteConflict, DeletePolicy, Direction, End, FieldSpec, FlowSpec,
    LeaveFilter, Mapping, MatchBy, MatchRule, OnNone, OneWayEdit, Promise, RecordPolicy,
    SameChange, Strategy, Tie,
};
use duet_core::value::ValueType;
use std::collections::BTreeMap;

/// The flow, and its table on both sides.
pub(crate) const THINGS: &str = "things";
/// The column by which records are matched; nobody edits it.
pub(crate) const CODE: &str = "code";
/// The columns that people edit.
pub(crate) const EDITED: [&str; 3] = ["name", "city", "phone"];

/// A flow over two sides of these natures.
pub(crate) fn draw(chance: &mut Chance, natures: &Both<Nature>) -> FlowSpec {
    let edited = EDITED.map(|name| field(name, strategy(chance)));
    let fields = [field(CODE, Strategy::ManualReview)].into_iter().chain(edited).collect();
    // Without a marker a create is told from others by a key that the record brings along.
    let is_marked = Side::BOTH.into_iter().all(|side| natures.get(side).has_marker());
    let by = if is_marked { MatchBy::Equal } else { MatchBy::ExternalId };
    let rule = MatchRule { by, columns: Both::build(|_| vec![CODE.into()]), normalize: Vec::new() };
    FlowSpec {
        name: THINGS.into(),
        ends: Both::build(|side| end(side, *natures.get(side))),
        matching: vec![rule],
        fields,
        constants: Both::default(),
        policy: policy(chance),
        version: "simulated".to_owned(),
    }
}

fn strategy(chance: &mut Chance) -> Strategy {
    match chance.below(5) {
        0 => Strategy::ManualReview,
        1 => Strategy::SourceOfTruth(Side::Left),
        2 => Strategy::SourceOfTruth(Side::Right),
        3 => Strategy::LastWriteWins { tie: vec![Tie::ManualReview] },
        _ => Strategy::LastWriteWins { tie: vec![*chance.pick(&[Tie::Left, Tie::Right])] },
    }
}

fn field(name: &str, strategy: Strategy) -> FieldSpec {
    let kind = ValueType::Text;
    let values = Mapping::Values { kind, transforms: Both::default(), defaults: Both::default() };
    FieldSpec {
        name: name.into(),
        columns: Both::build(|_| vec![name.into()]),
        mapping: values,
        direction: Direction::Both,
        on_one_way_edit: OneWayEdit::Overwrite,
        strategy,
        propagate_null: true,
        fill_nulls: true,
        same_change: SameChange::Accept,
        sensitive: false,
        create_only: false,
    }
}

fn end(side: Side, nature: Nature) -> End {
    End {
        connection: side.as_str().into(),
        collection: THINGS.to_owned(),
        key: vec![ID.into()],
        filter: None,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise {
            guarded: nature.class,
            batch: nature.class,
            grain_us: nature.grain_us,
            skew_us: 0,
            key_column: nature.has_marker().then(|| KEY_COLUMN.into()),
            undelete: false,
        },
        columns: BTreeMap::new(),
    }
}

fn policy(chance: &mut Chance) -> RecordPolicy {
    let deletes = [DeletePolicy::Flag, DeletePolicy::Propagate, DeletePolicy::Unlink];
    let conflicts =
        [DeleteConflict::ManualReview, DeleteConflict::UpdateWins, DeleteConflict::DeleteWins];
    RecordPolicy {
        deletes: Both::build(|_| *chance.pick(&deletes)),
        on_delete_conflict: *chance.pick(&conflicts),
        on_leave_filter: LeaveFilter::Freeze,
        on_none: Both::build(|_| OnNone::Create),
        on_blank_key: BlankKey::Hold,
        on_ambiguous: Ambiguous::Flag,
        initial: None,
        create_grace_us: *chance.pick(&[0, 5_000_000]),
    }
}
