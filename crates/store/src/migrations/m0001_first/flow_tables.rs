//! Tables of flows, sources and connections.

use crate::schema::{Kind, Table, may, must};

const FLOWS: Table = Table {
    name: "flows",
    about: "What a flow allows at the moment. No row: new, nothing of it is decided.",
    columns: &[
        must("name", Kind::Text, "The flow."),
        must("adopted", Kind::Bool, "Adopted; before that changes are recorded only."),
        must("paused", Kind::Bool, "Paused by a person: recorded, not decided."),
        must("deletes_held", Kind::Bool, "The brake on deletions has tripped."),
        must("changed_at", Kind::Stamp, "When this last changed."),
    ],
    key: "name",
    indexes: &[],
};

const PLANNED_DELETES: Table = Table {
    name: "planned_deletes",
    about: "Deletions planned by policy, for the brake.",
    columns: &[
        must("id", Kind::Counter, "Counts up."),
        must("flow", Kind::Text, "The flow."),
        must("side", Kind::Text, "The side on which a record is to be deleted."),
        must("link", Kind::Uuid, "The link."),
        must("at", Kind::Stamp, "When it was planned."),
    ],
    key: "id",
    indexes: &["CREATE INDEX planned_deletes_flow ON planned_deletes (flow, at)"],
};

const CONNECTIONS: Table = Table {
    name: "connections",
    about: "Connections that were ever paused by an outage or throttling.",
    columns: &[
        must("name", Kind::Text, "The connection."),
        may("paused_until", Kind::Stamp, "Until when it is left alone."),
        may("reason", Kind::Text, "Why."),
    ],
    key: "name",
    indexes: &[],
};

const LEASES: Table = Table {
    name: "leases",
    about: "Who may do what only one process may do.",
    columns: &[
        must("name", Kind::Text, "What is leased, such as detect/customers/left."),
        may("holder", Kind::Text, "Who holds it; null: given back."),
        must("token", Kind::Long, "The fencing token: grows with every new holder."),
        must("until", Kind::Stamp, "Until when."),
    ],
    key: "name",
    indexes: &[],
};

const CURSORS: Table = Table {
    name: "cursors",
    about: "How far each source is read and settled.",
    columns: &[
        must("source", Kind::Text, "The source: flow/side."),
        must("token", Kind::Long, "The newest fencing token that moved it."),
        must("settled", Kind::Long, "Numbers up to this one are settled under that token."),
        may("position", Kind::Text, "Where to read on; null: the source keeps it itself."),
        must("moved_at", Kind::Stamp, "When it last moved."),
    ],
    key: "source",
    indexes: &[],
};

const SETTLED: Table = Table {
    name: "settled",
    about: "Numbers of messages that were decided or dead-lettered and are not yet passed by their \
            source's position.",
    columns: &[
        must("source", Kind::Text, "The source."),
        must("token", Kind::Long, "The fencing token under which the number was given."),
        must("number", Kind::Long, "The message's number."),
    ],
    key: "source, token, number",
    indexes: &[],
};

pub(super) const TABLES: &[Table] =
    &[FLOWS, PLANNED_DELETES, CONNECTIONS, LEASES, CURSORS, SETTLED];
