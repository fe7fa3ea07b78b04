//! The keys of fields and of references, and those that a flow says for all of its fields.

use crate::{field, policy, steps, strategy};
use duet_ports::keys::{Holds, Key, Table, joined};

pub(super) const SIDE: Holds = words!(policy::SIDE);
pub(super) const STRATEGY: Holds = words!(strategy::STRATEGY);
/// Without `merge`: references don't combine.
const STRATEGY_OF_PARENT: Holds =
    Holds::Words(&["manual_review", "last_write_wins", "source_of_truth"]);
const TIE: Holds = Holds::Any(&[words!(strategy::TIE), Holds::List(&words!(strategy::TIE), 0)]);
pub(super) const COLUMNS: Holds = Holds::Any(&[Holds::Column, Holds::List(&Holds::Column, 1)]);
const FLAG: Holds = Holds::Words(&["flag"]);

pub(super) const DIRECTION: Key =
    Key::new("direction", words!(policy::DIRECTION), "both", "Which way changes go.");
pub(super) const ON_ONE_WAY_EDIT: Key = Key::new(
    "on_one_way_edit",
    words!(policy::ONE_WAY_EDIT),
    "overwrite",
    "An edit against the direction.",
);
pub(super) const TRUTH: Key =
    Key::new("truth", SIDE, "", "With `source_of_truth`: whose value stays.");
pub(super) const TIES: Key = Key::new(
    "tie",
    TIE,
    "manual_review",
    "With `last_write_wins`: the times can't be told apart; tried in order.",
);
pub(super) const SAME_CHANGE: Key = Key::new(
    "same_change",
    words!(policy::SAME_CHANGE),
    "accept",
    "Both sides made the same change.",
);
pub(super) const PROPAGATE_NULL: Key =
    Key::new("propagate_null", Holds::Flag, "true", "Clearing it clears the other side.");
pub(super) const FILL_NULLS: Key =
    Key::new("fill_nulls", Holds::Flag, "true", "An empty side is filled at the first meeting.");

/// An entry of `parents`.
pub const PARENT: &Table = &Table {
    title: "parents",
    keys: &[
        Key::needed("left", COLUMNS, "The reference on the left side."),
        Key::needed(
            "right",
            COLUMNS,
            "The reference on the right side; names the field, parts joined by `_`.",
        ),
        Key::needed("flow", Holds::Name, "The flow of the parent."),
        Key::new(
            "missing",
            field::MISSING,
            "wait",
            "The parent has no record on the other side yet.",
        ),
        Key::new(
            "none",
            Holds::Any(&[Holds::Plain, Holds::Sides(&Holds::Plain)]),
            "null",
            "What stands for \"no parent\"; a plain value is the left side's.",
        ),
        DIRECTION,
        ON_ONE_WAY_EDIT,
        Key::new(
            "strategy",
            STRATEGY_OF_PARENT,
            "manual_review",
            "Both sides changed it, differently.",
        ),
        TRUTH,
        TIES,
        Key::later("lookup"),
    ],
};

/// How a field is mapped.
const MAPPED: [Key; 19] = [
    Key::needed("left", COLUMNS, "The left column; in a group a list."),
    Key::needed("right", COLUMNS, "The right column; in a group a list."),
    Key::new("group", Holds::Flag, "false", "Several columns that change as one."),
    Key::new(
        "type",
        Holds::Any(&[words!(steps::TYPES), steps::TYPE_OF_DECIMALS]),
        "the columns' type",
        "The type that both sides are brought to; `decimal(P,S)` rounds to S digits.",
    ),
    Key::new(
        "transform",
        Holds::Any(&[
            steps::TRANSFORM,
            Holds::List(&steps::TRANSFORM, 0),
            Holds::Sides(&Holds::Any(&[steps::TRANSFORM, Holds::List(&steps::TRANSFORM, 0)])),
        ]),
        "[]",
        "Steps on the way to the neutral form; `scale(N)` moves by N tens.",
    ),
    Key::new(
        "map",
        Holds::ByValue(&Holds::Plain),
        "none",
        "Right value = left value, one to one; a value that isn't named is kept back and reported.",
    ),
    Key::new("unmapped", FLAG, "flag", "A value that `map` doesn't name."),
    Key::new(
        "split",
        Holds::Sides(&Holds::Text),
        "none",
        "Separator of a set that is stored as text.",
    ),
    Key::new("default_left", Holds::Plain, "none", "Stands in for null on the left side."),
    Key::new("default_right", Holds::Plain, "none", "Stands in for null on the right side."),
    Key::new("on_too_long", FLAG, "flag", "A text longer than the other side holds."),
    Key::new("create_only", Holds::Flag, "false", "Carried by creates, never by changes."),
    Key::new(
        "sensitive",
        Holds::Any(&[Holds::Flag, Holds::Words(&["pii"])]),
        "false",
        "Masked wherever values are shown.",
    ),
    Key::later("lookup"),
    Key::later("reset"),
    Key::later("coalesce"),
    Key::later("critical"),
    Key::later("reason_required"),
    Key::later("append_only"),
];

/// `[flow.NAME.fields.FIELD]`.
pub const FIELD: &Table = &Table {
    title: "[flow.NAME.fields]",
    keys: &joined::<{ MAPPED.len() + DECIDED.len() }>(&MAPPED, &DECIDED),
};

/// What decides about a field.
const DECIDED: [Key; 17] = [
    DIRECTION,
    ON_ONE_WAY_EDIT,
    Key::new("strategy", STRATEGY, "manual_review", "Both sides changed it, differently."),
    TRUTH,
    TIES,
    Key::new("merge", words!(strategy::KIND), "", "With `merge`: how values combine."),
    Key::new(
        "otherwise",
        words!(strategy::OTHERWISE),
        "manual_review",
        "With `merge`: the values can't be combined. A side's name makes it the source of truth.",
    ),
    Key::new("path", Holds::List(&Holds::Plain, 2), "", "With `progress`: right values in order."),
    Key::new(
        "also",
        Holds::ByValue(&Holds::List(&Holds::Plain, 0)),
        "none",
        "With `progress`: value = the values it may be reached from.",
    ),
    Key::new(
        "order",
        Holds::List(&Holds::Plain, 2),
        "",
        "With `strictest`: right values, strictest first.",
    ),
    Key::new("min", Holds::Number, "none", "With `counter`: least value."),
    Key::new("max", Holds::Number, "none", "With `counter`: greatest value."),
    Key::new("on_min", FLAG, "flag", "With `min`: a counter would fall below it."),
    Key::new(
        "on_backward",
        FLAG,
        "flag",
        "With `progress`: a step back, also of one side alone; unless `otherwise` decides.",
    ),
    SAME_CHANGE,
    PROPAGATE_NULL,
    FILL_NULLS,
];
