//! Tables of calls to a side: intents and attempts.

use crate::schema::{Kind, Table, derived, may, must};

const INTENTS: Table = Table {
    name: "intents",
    about: "Logged calls to a side. Open ones with a due_at are the retry queue; closed ones keep \
            their values, because a late call may still land.",
    columns: &[
        must("id", Kind::Uuid, "Its id, and the marker its write leaves on the record."),
        must("link", Kind::Uuid, "The link it serves."),
        must("flow", Kind::Text, "The flow of that link."),
        must("side", Kind::Text, "The side it calls: left or right."),
        must("connection", Kind::Text, "The connection of that side."),
        must("op", Kind::Text, "create, update, delete, undelete, read, find."),
        must("path", Kind::Text, "The write path: guarded or batch."),
        must(
            "state",
            Kind::Text,
            "planned, sent, unknown, parked, discarded (open); confirmed, not_landed, superseded, \
             refused (closed).",
        ),
        may("record", Kind::Text, "The record, where it has an id yet."),
        must("attempts", Kind::Int, "Calls tried so far, one under way included."),
        may("due_at", Kind::Stamp, "When it is to be sent or looked at."),
        may("sent_at", Kind::Stamp, "When the call left."),
        may("deadline", Kind::Stamp, "No answer counts after this."),
        must("planned_at", Kind::Stamp, "When it was planned."),
        may("landed_at", Kind::Stamp, "When it landed, if that was found out after it was closed."),
        may("failure", Kind::Json, "The last failure: class, code, message, columns."),
        derived(
            "failure_class",
            Kind::Text,
            "failure ->> 'class'",
            "The class of the last failure, for lists.",
        ),
        must("form", Kind::Small, "The form of data."),
        must("data", Kind::Json, "Values, keys to find, expectations, carried values, why."),
    ],
    key: "id",
    indexes: &[
        "CREATE UNIQUE INDEX intents_open_write ON intents (link, side) WHERE \
         op IN ('create', 'update', 'delete', 'undelete') \
         AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')",
        "CREATE UNIQUE INDEX intents_open_read ON intents (link, side) WHERE \
         op IN ('read', 'find') \
         AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')",
        "CREATE INDEX intents_due ON intents (connection, due_at, id) WHERE state = 'planned'",
        "CREATE INDEX intents_overdue ON intents (deadline) WHERE state = 'sent'",
        "CREATE INDEX intents_link ON intents (link, planned_at)",
        "CREATE INDEX intents_errors ON intents (flow, planned_at) WHERE \
         state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')",
    ],
};

const ATTEMPTS: Table = Table {
    name: "attempts",
    about: "Calls that were tried: history, never changed.",
    columns: &[
        must("id", Kind::Counter, "Counts up."),
        must("intent", Kind::Uuid, "The intent."),
        must("link", Kind::Uuid, "Its link."),
        must("number", Kind::Int, "Which try of that intent, from 1."),
        must("sent_at", Kind::Stamp, "When the call left."),
        must("done_at", Kind::Stamp, "When its answer was in hand, or the call was given up."),
        must("outcome", Kind::Text, "landed, read, found, refused, unknown, not_sent, seen."),
        may("failure", Kind::Json, "What failed."),
    ],
    key: "id",
    indexes: &[
        "CREATE INDEX attempts_intent ON attempts (intent, id)",
        "CREATE INDEX attempts_link ON attempts (link, id)",
    ],
};

pub(super) const TABLES: &[Table] = &[INTENTS, ATTEMPTS];
