-- The state database of duet in a SQLite file, as `duet migrate` makes it.
-- Written by the test of this file (crates/store/tests/schema.rs); not to be edited, not to be run.
-- Every point in time is a whole number: microseconds since 1970-01-01 UTC.
-- Names of values are those of `docs/reference`; JSON columns hold the forms of duet-core.
-- Ids are 16 bytes: `hex(id)` shows them, `unhex('...')` finds them.

CREATE TABLE links (
    -- The identity of one record on both sides. A transaction locks this row before it changes anything that belongs to the link.

    -- Its id; time-ordered, so older is less.
    id BLOB NOT NULL,
    -- The flow it belongs to.
    flow TEXT NOT NULL,
    -- Grows with every verdict that changes anything.
    rev INTEGER NOT NULL,
    -- unmatched, matching, linking, linked, frozen, tombstoned, unlinked, joined.
    phase TEXT NOT NULL,
    -- The record's id on the left side, where known.
    left_id TEXT,
    -- The record's id on the right side, where known.
    right_id TEXT,
    -- When both sides last agreed on everything.
    synced_at INTEGER,
    -- The left side's own change stamp at that agreement.
    synced_left INTEGER,
    -- The right side's own change stamp at that agreement.
    synced_right INTEGER,
    -- When the sweep must look at it again; null: nothing to do.
    due_at INTEGER,
    -- How often a wait was repeated; delays double from it.
    waits INTEGER NOT NULL,
    -- When it was first seen.
    created_at INTEGER NOT NULL,
    -- What verdicts remember from one to the next; null: nothing.
    memory TEXT,
    PRIMARY KEY (id)
) STRICT;
CREATE UNIQUE INDEX links_left ON links (flow, left_id) WHERE phase <> 'joined';
CREATE UNIQUE INDEX links_right ON links (flow, right_id) WHERE phase <> 'joined';
CREATE INDEX links_due ON links (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX links_flow ON links (flow, id);

CREATE TABLE aliases (
    -- Former record ids that must still find their link (merges, key changes, joins).

    -- The flow.
    flow TEXT NOT NULL,
    -- left or right.
    side TEXT NOT NULL,
    -- The former id.
    record TEXT NOT NULL,
    -- The link it leads to.
    link BLOB NOT NULL,
    PRIMARY KEY (flow, side, record)
) STRICT;
CREATE INDEX aliases_link ON aliases (link);

CREATE TABLE claims (
    -- Match keys and the links that claimed them. Several links may claim one key: that is how partners find each other, and how ambiguity shows.

    -- The flow.
    flow TEXT NOT NULL,
    -- Position of the match rule in the flow, from 0.
    rule INTEGER NOT NULL,
    -- The normalised key.
    key TEXT NOT NULL,
    -- The side whose record holds the key.
    side TEXT NOT NULL,
    -- The link that claimed it.
    link BLOB NOT NULL,
    PRIMARY KEY (flow, rule, key, side, link)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_link ON claims (link, side);

CREATE TABLE parent_waits (
    -- Links that wait for a parent, keyed by the parent's record: it may have no link yet.

    -- The parent's flow.
    flow TEXT NOT NULL,
    -- The side whose record is waited for.
    side TEXT NOT NULL,
    -- The parent's record id on that side.
    record TEXT NOT NULL,
    -- The link that waits.
    link BLOB NOT NULL,
    PRIMARY KEY (flow, side, record, link)
) STRICT, WITHOUT ROWID;
CREATE INDEX parent_waits_link ON parent_waits (link);

CREATE TABLE intents (
    -- Logged calls to a side. Open ones with a due_at are the retry queue; closed ones keep their values, because a late call may still land.

    -- Its id, and the marker its write leaves on the record.
    id BLOB NOT NULL,
    -- The link it serves.
    link BLOB NOT NULL,
    -- The flow of that link.
    flow TEXT NOT NULL,
    -- The side it calls: left or right.
    side TEXT NOT NULL,
    -- The connection of that side.
    connection TEXT NOT NULL,
    -- create, update, delete, undelete, read, find.
    op TEXT NOT NULL,
    -- The write path: guarded or batch.
    path TEXT NOT NULL,
    -- planned, sent, unknown, parked, discarded (open); confirmed, not_landed, superseded, refused (closed).
    state TEXT NOT NULL,
    -- The record, where it has an id yet.
    record TEXT,
    -- Calls tried so far, one under way included.
    attempts INTEGER NOT NULL,
    -- When it is to be sent or looked at.
    due_at INTEGER,
    -- When the call left.
    sent_at INTEGER,
    -- No answer counts after this.
    deadline INTEGER,
    -- When it was planned.
    planned_at INTEGER NOT NULL,
    -- When it landed, if that was found out after it was closed.
    landed_at INTEGER,
    -- The last failure: class, code, message, columns.
    failure TEXT,
    -- The class of the last failure, for lists.
    failure_class TEXT GENERATED ALWAYS AS (failure ->> 'class') STORED,
    -- The form of data.
    form INTEGER NOT NULL,
    -- Values, keys to find, expectations, carried values, why.
    data TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE UNIQUE INDEX intents_open_write ON intents (link, side) WHERE op IN ('create', 'update', 'delete', 'undelete') AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded');
CREATE UNIQUE INDEX intents_open_read ON intents (link, side) WHERE op IN ('read', 'find') AND state IN ('planned', 'sent', 'unknown', 'parked', 'discarded');
CREATE INDEX intents_due ON intents (connection, due_at, id) WHERE state = 'planned';
CREATE INDEX intents_overdue ON intents (deadline) WHERE state = 'sent';
CREATE INDEX intents_link ON intents (link, planned_at);
CREATE INDEX intents_errors ON intents (flow, planned_at) WHERE state IN ('planned', 'sent', 'unknown', 'parked', 'discarded');

CREATE TABLE attempts (
    -- Calls that were tried: history, never changed.

    -- Counts up.
    id INTEGER NOT NULL,
    -- The intent.
    intent BLOB NOT NULL,
    -- Its link.
    link BLOB NOT NULL,
    -- Which try of that intent, from 1.
    number INTEGER NOT NULL,
    -- When the call left.
    sent_at INTEGER NOT NULL,
    -- When its answer was in hand, or the call was given up.
    done_at INTEGER NOT NULL,
    -- landed, read, found, refused, unknown, not_sent, seen.
    outcome TEXT NOT NULL,
    -- What failed.
    failure TEXT,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX attempts_intent ON attempts (intent, id);
CREATE INDEX attempts_link ON attempts (link, id);

CREATE TABLE conflicts (
    -- What collided, with every value, stamp and actor; open ones hold their scope back.

    -- Its id.
    id BLOB NOT NULL,
    -- The link.
    link BLOB NOT NULL,
    -- The flow of that link.
    flow TEXT NOT NULL,
    -- What kind of collision, such as both_changed.
    kind TEXT NOT NULL,
    -- The field it is about; null: the whole record.
    field TEXT,
    -- A digest of every value: what a decision must name.
    seen TEXT NOT NULL,
    -- Grows with every change of this row.
    rev INTEGER NOT NULL,
    -- open, snoozed, decided, applied, closed.
    state TEXT NOT NULL,
    -- Why closed: converged, dissolved, obsolete, expired.
    reason TEXT,
    -- The person's decision: choice, by whom, note, when.
    resolution TEXT,
    -- Since when.
    opened_at INTEGER NOT NULL,
    -- Until when snoozed, or when its time runs out.
    until INTEGER,
    -- When it was closed.
    closed_at INTEGER,
    -- The form of data and resolution.
    form INTEGER NOT NULL,
    -- Agreed values, both sides' parts, candidates, decider, result.
    data TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX conflicts_link ON conflicts (link, opened_at);
CREATE INDEX conflicts_unclosed ON conflicts (link) WHERE state <> 'closed';
CREATE INDEX conflicts_inbox ON conflicts (opened_at, id) WHERE state IN ('open', 'snoozed', 'decided');
CREATE INDEX conflicts_flow ON conflicts (flow, state, opened_at, id);

CREATE TABLE decisions (
    -- Why things are as they are: one row per verdict, none for an echo. Append-only.

    -- Counts up.
    id INTEGER NOT NULL,
    -- The link.
    link BLOB NOT NULL,
    -- The link's revision it made.
    rev INTEGER NOT NULL,
    -- When.
    at INTEGER NOT NULL,
    -- The row of the decision tables.
    decided_row TEXT NOT NULL,
    -- The rule, in words.
    rule TEXT NOT NULL,
    -- What made duet look.
    cause TEXT NOT NULL,
    -- The digest of the policy.
    policy TEXT NOT NULL,
    -- The form of outcomes.
    form INTEGER NOT NULL,
    -- Per field: row, rule, what follows.
    outcomes TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX decisions_link ON decisions (link, id);
CREATE TRIGGER decisions_no_update BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER decisions_no_delete BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER decisions_no_replace BEFORE INSERT ON decisions
WHEN EXISTS (SELECT 1 FROM decisions WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;

CREATE TABLE dead_letters (
    -- Changes that could not be decoded or decided, kept whole.

    -- Counts up.
    id INTEGER NOT NULL,
    -- When.
    at INTEGER NOT NULL,
    -- The flow, as far as known.
    flow TEXT,
    -- The queue or stage it died in.
    place TEXT NOT NULL,
    -- What is wrong, without values.
    reason TEXT NOT NULL,
    -- The body. May hold values.
    body BLOB NOT NULL, side /* The side, as far as known. */ TEXT, record /* The record, as far as known. */ TEXT, read_at /* When the record was read, by its side's time; null: it was not about a look at one. */ INTEGER, version /* The record's version that was read, where its side tells one. */ TEXT, state /* open, asked, replayed, discarded, superseded. */ TEXT, handled_by /* Who wants it decided again, or gave it up. */ TEXT, note /* Why, in the words of that person. */ TEXT, closed_at /* When it was over; null: it is open. */ INTEGER,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX dead_letters_flow ON dead_letters (flow);
CREATE INDEX dead_letters_open ON dead_letters (flow, side, record) WHERE closed_at IS NULL;
CREATE INDEX dead_letters_version ON dead_letters (flow, side, record, version) WHERE version IS NOT NULL;

CREATE TABLE poison (
    -- How often handling a message failed, counted before it is tried again.

    -- The message.
    message TEXT NOT NULL,
    -- How often it failed.
    failures INTEGER NOT NULL,
    PRIMARY KEY (message)
) STRICT;

CREATE TABLE flows (
    -- What a flow allows at the moment. No row: new, nothing of it is decided.

    -- The flow.
    name TEXT NOT NULL,
    -- Adopted; before that changes are recorded only.
    adopted INTEGER NOT NULL,
    -- Paused by a person: recorded, not decided.
    paused INTEGER NOT NULL,
    -- The brake on deletions has tripped.
    deletes_held INTEGER NOT NULL,
    -- When this last changed.
    changed_at INTEGER NOT NULL, keyed_form /* The form of keyed_by. */ INTEGER, keyed_by /* Per side the connection, collection and key columns that its record ids belong to; null: not noted yet. */ TEXT,
    PRIMARY KEY (name)
) STRICT;

CREATE TABLE planned_deletes (
    -- Deletions planned by policy, for the brake.

    -- Counts up.
    id INTEGER NOT NULL,
    -- The flow.
    flow TEXT NOT NULL,
    -- The side on which a record is to be deleted.
    side TEXT NOT NULL,
    -- The link.
    link BLOB NOT NULL,
    -- When it was planned.
    at INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX planned_deletes_flow ON planned_deletes (flow, at);

CREATE TABLE connections (
    -- Connections that were ever paused by an outage or throttling.

    -- The connection.
    name TEXT NOT NULL,
    -- Until when it is left alone.
    paused_until INTEGER,
    -- Why.
    reason TEXT,
    PRIMARY KEY (name)
) STRICT;

CREATE TABLE leases (
    -- Who may do what only one process may do.

    -- What is leased, such as detect/customers/left.
    name TEXT NOT NULL,
    -- Who holds it; null: given back.
    holder TEXT,
    -- The fencing token: grows with every new holder.
    token INTEGER NOT NULL,
    -- Until when.
    until INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT;

CREATE TABLE cursors (
    -- How far each source is read and settled.

    -- The source: flow/side.
    source TEXT NOT NULL,
    -- The newest fencing token that moved it.
    token INTEGER NOT NULL,
    -- Numbers up to this one are settled under that token.
    settled INTEGER NOT NULL,
    -- Where to read on; null: the source keeps it itself.
    position TEXT,
    -- When it last moved.
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (source)
) STRICT;

CREATE TABLE settled (
    -- Numbers of messages that were decided or dead-lettered and are not yet passed by their source's position.

    -- The source.
    source TEXT NOT NULL,
    -- The fencing token under which the number was given.
    token INTEGER NOT NULL,
    -- The message's number.
    number INTEGER NOT NULL,
    PRIMARY KEY (source, token, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE field_errors (
    -- Values that are kept back while the record's other fields go on; gone when mended.

    -- Its id, derived from link and field.
    id BLOB NOT NULL,
    -- The link.
    link BLOB NOT NULL,
    -- The flow of that link.
    flow TEXT NOT NULL,
    -- The field.
    field TEXT NOT NULL,
    -- Why: unmappable, dependency.
    code TEXT NOT NULL,
    -- The side whose value is kept back.
    source TEXT NOT NULL,
    -- The side of the column.
    side TEXT NOT NULL,
    -- The column that the value doesn't fit, or comes from.
    side_column TEXT NOT NULL,
    -- What is wrong, without values.
    reason TEXT NOT NULL,
    -- Since when, without a break.
    since INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX field_errors_link ON field_errors (link);
CREATE INDEX field_errors_since ON field_errors (since, id);
CREATE INDEX field_errors_flow ON field_errors (flow, since, id);

CREATE TABLE contents (
    -- What both sides of a link owe each other, and what was last seen of each. No row: nothing of it was ever seen.

    -- The link.
    link BLOB NOT NULL,
    -- The newest form among the following.
    form INTEGER NOT NULL,
    -- JSON: per field trunk, stamp, origin and accounted values, or the memory of an agreed deletion; null: nothing was ever agreed.
    agreed TEXT,
    -- JSON: of the left record presence, values, version, stamps, actor, when it was read.
    seen_left TEXT,
    -- JSON: the same of the right record.
    seen_right TEXT,
    PRIMARY KEY (link)
) STRICT;
