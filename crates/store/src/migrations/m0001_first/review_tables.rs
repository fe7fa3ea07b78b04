//! Tables of what was decided and what waits for a person.

use crate::schema::{Kind, Table, may, must};

const CONFLICTS: Table = Table {
    name: "conflicts",
    about: "What collided, with every value, stamp and actor; open ones hold their scope back.",
    columns: &[
        must("id", Kind::Uuid, "Its id."),
        must("link", Kind::Uuid, "The link."),
        must("flow", Kind::Text, "The flow of that link."),
        must("kind", Kind::Text, "What kind of collision, such as both_changed."),
        may("field", Kind::Text, "The field it is about; null: the whole record."),
        must("seen", Kind::Text, "A digest of every value: what a decision must name."),
        must("rev", Kind::Long, "Grows with every change of this row."),
        must("state", Kind::Text, "open, snoozed, decided, applied, closed."),
        may("reason", Kind::Text, "Why closed: converged, dissolved, obsolete, expired."),
        may("resolution", Kind::Json, "The person's decision: choice, by whom, note, when."),
        must("opened_at", Kind::Stamp, "Since when."),
        may("until", Kind::Stamp, "Until when snoozed, or when its time runs out."),
        may("closed_at", Kind::Stamp, "When it was closed."),
        must("form", Kind::Small, "The form of data and resolution."),
        must("data", Kind::Json, "Agreed values, both sides' parts, candidates, decider, result."),
    ],
    key: "id",
    indexes: &[
        "CREATE INDEX conflicts_link ON conflicts (link, opened_at)",
        "CREATE INDEX conflicts_unclosed ON conflicts (link) WHERE state <> 'closed'",
        "CREATE INDEX conflicts_inbox ON conflicts (opened_at, id) WHERE \
         state IN ('open', 'snoozed', 'decided')",
        "CREATE INDEX conflicts_flow ON conflicts (flow, state, opened_at, id)",
    ],
};

const DECISIONS: Table = Table {
    name: "decisions",
    about: "Why things are as they are: one row per verdict, none for an echo. Append-only.",
    columns: &[
        must("id", Kind::Counter, "Counts up."),
        must("link", Kind::Uuid, "The link."),
        must("rev", Kind::Long, "The link's revision it made."),
        must("at", Kind::Stamp, "When."),
        must("decided_row", Kind::Text, "The row of the decision tables."),
        must("rule", Kind::Text, "The rule, in words."),
        must("cause", Kind::Text, "What made duet look."),
        must("policy", Kind::Text, "The digest of the policy."),
        must("form", Kind::Small, "The form of outcomes."),
        must("outcomes", Kind::Json, "Per field: row, rule, what follows."),
    ],
    key: "id",
    indexes: &["CREATE INDEX decisions_link ON decisions (link, id)"],
};

const DEAD_LETTERS: Table = Table {
    name: "dead_letters",
    about: "Changes that could not be decoded or decided, kept whole.",
    columns: &[
        must("id", Kind::Counter, "Counts up."),
        must("at", Kind::Stamp, "When."),
        may("flow", Kind::Text, "The flow, as far as known."),
        must("place", Kind::Text, "The queue or stage it died in."),
        must("reason", Kind::Text, "What is wrong, without values."),
        must("body", Kind::Bytes, "The body. May hold values."),
    ],
    key: "id",
    indexes: &["CREATE INDEX dead_letters_flow ON dead_letters (flow)"],
};

const POISON: Table = Table {
    name: "poison",
    about: "How often handling a message failed, counted before it is tried again.",
    columns: &[
        must("message", Kind::Text, "The message."),
        must("failures", Kind::Int, "How often it failed."),
    ],
    key: "message",
    indexes: &[],
};

pub(super) const TABLES: &[Table] = &[CONFLICTS, DECISIONS, DEAD_LETTERS, POISON];
