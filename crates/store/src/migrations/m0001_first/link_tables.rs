//! Tables of a link: identity, agreed state, what was seen, match keys, waits.

use crate::schema::{Kind, Table, may, must};

const LINKS: Table = Table {
    name: "links",
    about: "The identity of one record on both sides. A transaction locks this row before it \
            changes anything that belongs to the link.",
    columns: &[
        must("id", Kind::Uuid, "Its id; time-ordered, so older is less."),
        must("flow", Kind::Text, "The flow it belongs to."),
        must("rev", Kind::Long, "Grows with every verdict that changes anything."),
        must(
            "phase",
            Kind::Text,
            "unmatched, matching, linking, linked, frozen, tombstoned, unlinked, joined.",
        ),
        may("left_id", Kind::Text, "The record's id on the left side, where known."),
        may("right_id", Kind::Text, "The record's id on the right side, where known."),
        may("synced_at", Kind::Stamp, "When both sides last agreed on everything."),
        may("synced_left", Kind::Stamp, "The left side's own change stamp at that agreement."),
        may("synced_right", Kind::Stamp, "The right side's own change stamp at that agreement."),
        may("due_at", Kind::Stamp, "When the sweep must look at it again; null: nothing to do."),
        must("waits", Kind::Int, "How often a wait was repeated; delays double from it."),
        must("created_at", Kind::Stamp, "When it was first seen."),
        may("memory", Kind::Json, "What verdicts remember from one to the next; null: nothing."),
    ],
    key: "id",
    indexes: &[
        "CREATE UNIQUE INDEX links_left ON links (flow, left_id) WHERE phase <> 'joined'",
        "CREATE UNIQUE INDEX links_right ON links (flow, right_id) WHERE phase <> 'joined'",
        "CREATE INDEX links_due ON links (due_at) WHERE due_at IS NOT NULL",
        "CREATE INDEX links_flow ON links (flow, id)",
    ],
};

const ALIASES: Table = Table {
    name: "aliases",
    about: "Former record ids that must still find their link (merges, key changes, joins).",
    columns: &[
        must("flow", Kind::Text, "The flow."),
        must("side", Kind::Text, "left or right."),
        must("record", Kind::Text, "The former id."),
        must("link", Kind::Uuid, "The link it leads to."),
    ],
    key: "flow, side, record",
    indexes: &["CREATE INDEX aliases_link ON aliases (link)"],
};

const AGREED: Table = Table {
    name: "agreed",
    about: "What both sides of a link owe each other, or the memory of an agreed deletion. No row: \
            nothing was ever agreed.",
    columns: &[
        must("link", Kind::Uuid, "The link."),
        must("form", Kind::Small, "The form of data."),
        must("data", Kind::Json, "Per field trunk, stamp, origin and accounted values."),
    ],
    key: "link",
    indexes: &[],
};

const OBSERVATIONS: Table = Table {
    name: "observations",
    about: "What was last seen of a record on one side.",
    columns: &[
        must("link", Kind::Uuid, "The link."),
        must("side", Kind::Text, "left or right."),
        must("form", Kind::Small, "The form of data."),
        must("data", Kind::Json, "Presence, values, version, stamps, actor, when it was read."),
    ],
    key: "link, side",
    indexes: &[],
};

const CLAIMS: Table = Table {
    name: "claims",
    about: "Match keys and the links that claimed them. Several links may claim one key: that is \
            how partners find each other, and how ambiguity shows.",
    columns: &[
        must("flow", Kind::Text, "The flow."),
        must("rule", Kind::Int, "Position of the match rule in the flow, from 0."),
        must("key", Kind::Text, "The normalised key."),
        must("side", Kind::Text, "The side whose record holds the key."),
        must("link", Kind::Uuid, "The link that claimed it."),
    ],
    key: "flow, rule, key, side, link",
    indexes: &["CREATE INDEX claims_link ON claims (link, side)"],
};

const PARENT_WAITS: Table = Table {
    name: "parent_waits",
    about: "Links that wait for a parent, keyed by the parent's record: it may have no link yet.",
    columns: &[
        must("flow", Kind::Text, "The parent's flow."),
        must("side", Kind::Text, "The side whose record is waited for."),
        must("record", Kind::Text, "The parent's record id on that side."),
        must("link", Kind::Uuid, "The link that waits."),
    ],
    key: "flow, side, record, link",
    indexes: &["CREATE INDEX parent_waits_link ON parent_waits (link)"],
};

pub(super) const TABLES: &[Table] = &[LINKS, ALIASES, AGREED, OBSERVATIONS, CLAIMS, PARENT_WAITS];
