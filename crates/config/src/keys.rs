//! Every key of the configuration, described once: what the parser knows, what the JSON Schema and the
//! reference page tell. A key of later work is known too, to be refused by name. What a connector reads
//! of its connection is described by the connector.

/// One of the words that the parser of a key knows.
macro_rules! words {
    ($pairs:expr) => {
        Holds::Words(&duet_ports::keys::words::<_, { $pairs.len() }>($pairs))
    };
}

mod field;

use crate::{connection, flow, policy};
use duet_ports::keys::{Holds, Key, Table, joined};
use field::{COLUMNS, DIRECTION, FILL_NULLS, ON_ONE_WAY_EDIT, PROPAGATE_NULL, SAME_CHANGE, SIDE};
pub use field::{FIELD, PARENT};
use field::{STRATEGY, TIES, TRUTH};

/// `duet.toml`.
pub const PROJECT: &Table = &Table {
    title: "duet.toml",
    keys: &[
        Key::needed("version", Holds::Whole(1, 1), "Version of this format."),
        Key::needed("project", Holds::Name, "Name of the project."),
        Key::new(
            "flows",
            Holds::Any(&[Holds::Text, Holds::List(&Holds::Text, 0)]),
            "[\"flows/*.toml\"]",
            "Patterns of files with flows, inside the project's folder.",
        ),
        Key::new("state", Holds::Table(STATE), "", "The store of duet itself."),
        Key::new("hub", Holds::Table(HUB), "", "The message broker."),
        Key::needed(
            "connections",
            Holds::ByName(&Holds::Table(CONNECTION)),
            "The systems, by name.",
        ),
        Key::new(
            "defaults",
            Holds::Table(DEFAULTS),
            "",
            "What holds for every flow that doesn't say otherwise.",
        ),
        FLOWS,
        Key::later("notify"),
        Key::later("alerts"),
        Key::later("console"),
        Key::later("templates"),
        Key::later("metrics"),
    ],
};

const FLOWS: Key = Key::new(
    "flow",
    Holds::ByName(&Holds::Table(FLOW)),
    "",
    "Flows, by name; here or in files of their own.",
);

/// A file of flows.
pub const FLOW_FILE: &Table = &Table { title: "a file of flows", keys: &[FLOWS] };

/// `[state]`.
pub const STATE: &Table = &Table {
    title: "[state]",
    keys: &[
        Key::needed(
            "url",
            Holds::Address(&["postgres", "postgresql"]),
            "`postgres://USER:PASSWORD@HOST:PORT/DATABASE`; needs `[hub]`, too.",
        ),
        Key::later("retention"),
        Key::later("encryption"),
    ],
};

/// `[hub]`.
pub const HUB: &Table = &Table {
    title: "[hub]",
    keys: &[
        Key::needed(
            "url",
            Holds::Address(&["amqp", "amqps"]),
            "`amqp://USER:PASSWORD@HOST:PORT/VHOST`; needs `[state]`, too.",
        ),
        Key::new(
            "partitions",
            Holds::Whole(1, 64),
            "4",
            "Queues for changes. Set at install; to change it, drain the queues first.",
        ),
    ],
};

/// `[connections.NAME]`; all other keys are the connector's.
pub const CONNECTION: &Table = &Table {
    title: "[connections.NAME]",
    keys: &[
        Key::needed("kind", words!(&connection::KINDS), "The product; it says which other keys."),
        Key::new("label", Holds::Text, "the name", "How people call it."),
    ],
};

/// What a flow says for its records and fields, and `[defaults]` for every flow.
const POLICY: [Key; 19] = [
    Key::new(
        "on_none",
        Holds::Sides(&words!(policy::ON_NONE)),
        "flag",
        "A record that exists only on that side.",
    ),
    Key::new("on_ambiguous", words!(policy::AMBIGUOUS), "flag", "Several partners are possible."),
    Key::new(
        "on_blank_key",
        words!(policy::BLANK_KEY),
        "hold",
        "A record without a usable match key.",
    ),
    Key::new(
        "deletes",
        Holds::Sides(&words!(policy::DELETES)),
        "flag",
        "What a deletion on that side does to the other side.",
    ),
    Key::new(
        "on_delete_conflict",
        words!(policy::DELETE_CONFLICT),
        "manual_review",
        "Deleted here, changed there.",
    ),
    Key::new(
        "on_leave_filter",
        words!(policy::LEAVE_FILTER),
        "freeze",
        "A record no longer meets `where`.",
    ),
    Key::new(
        "create_grace",
        Holds::Duration,
        "`0s` with an external-id rule, else `5s`",
        "How long to wait and look again before a create.",
    ),
    DIRECTION,
    ON_ONE_WAY_EDIT,
    Key::new(
        "strategy",
        STRATEGY,
        "manual_review",
        "Both sides changed a field, differently; `merge` here means field by field.",
    ),
    TRUTH,
    TIES,
    SAME_CHANGE,
    PROPAGATE_NULL,
    FILL_NULLS,
    Key::later("sla"),
    Key::later("guard"),
    Key::later("verify"),
    Key::later("merges"),
];

/// `[defaults]`.
pub const DEFAULTS: &Table = &Table { title: "[defaults]", keys: &POLICY };

/// What only a flow says.
const OWN: [Key; 14] = [
    Key::needed("left", Holds::Table(END), "The left end."),
    Key::needed("right", Holds::Table(END), "The right end."),
    Key::needed(
        "match",
        Holds::List(&Holds::Table(MATCH), 1),
        "How partners are found, best rule first.",
    ),
    Key::needed(
        "fields",
        Holds::ByName(&Holds::Table(FIELD)),
        "What is kept in agreement, by name.",
    ),
    Key::new(
        "parents",
        Holds::List(&Holds::Table(PARENT), 0),
        "[]",
        "References to records of other flows.",
    ),
    Key::new(
        "constants",
        Holds::Sides(&Holds::ByValue(&Holds::Plain)),
        "none",
        "Values that every create carries, by column.",
    ),
    Key::new(
        "soft",
        Holds::Sides(&Holds::Table(SOFT)),
        "none",
        "How a deletion shows on that side.",
    ),
    Key::new("initial", SIDE, "unset", "First meeting: this side wins every field."),
    Key::later("children"),
    Key::later("lifecycle"),
    Key::later("atomic"),
    Key::later("revive"),
    Key::later("snapshot"),
    Key::later("window"),
];

/// `[flow.NAME]`.
pub const FLOW: &Table =
    &Table { title: "[flow.NAME]", keys: &joined::<{ OWN.len() + POLICY.len() }>(&OWN, &POLICY) };

/// `left` and `right` of a flow.
pub const END: &Table = &Table {
    title: "left, right",
    keys: &[
        Key::needed("connection", Holds::Name, "The connection."),
        Key::new("object", Holds::Text, "", "The object, on Salesforce."),
        Key::new(
            "table",
            Holds::Text,
            "",
            "The table, in SQL; `schema.table` outside PostgreSQL's `public`.",
        ),
        Key::new(
            "key",
            COLUMNS,
            "the primary key, `Id`",
            "What a record's id is made of; parts are joined by `-`.",
        ),
        Key::new(
            "where",
            Holds::Text,
            "none",
            "Only these records, in the side's own language (SOQL, SQL).",
        ),
        Key::later("changed"),
        Key::later("resource"),
        Key::later("capture"),
        Key::later("query"),
    ],
};

/// An entry of `match`.
pub const MATCH: &Table = &Table {
    title: "match",
    keys: &[
        Key::needed(
            "by",
            words!(flow::BY),
            "A unique column that holds the other side's key, or equal values.",
        ),
        Key::needed("left", COLUMNS, "Columns of the left side."),
        Key::needed("right", COLUMNS, "Columns of the right side."),
        Key::new(
            "normalize",
            Holds::List(&words!(flow::NORMALIZE), 0),
            "[]",
            "Applied to both sides before comparing.",
        ),
        Key::new("unique", Holds::True, "true", "Several partners are a conflict, never a guess."),
    ],
};

/// `soft.SIDE`.
pub const SOFT: &Table = &Table {
    title: "soft",
    keys: &[
        Key::needed("column", Holds::Column, "The column that marks a deletion."),
        Key::needed("value", Holds::Plain, "What it then holds; `now` is the time of the write."),
    ],
};

/// A table of two sides: what each holds is said where it is used.
pub(crate) const SIDES: &Table = &Table {
    title: "left, right",
    keys: &[
        Key::new("left", Holds::Plain, "", "The left side."),
        Key::new("right", Holds::Plain, "", "The right side."),
    ],
};

/// Every table, for the reference page.
pub const TABLES: &[&Table] =
    &[PROJECT, STATE, HUB, CONNECTION, DEFAULTS, FLOW, END, MATCH, PARENT, FIELD, SOFT];
