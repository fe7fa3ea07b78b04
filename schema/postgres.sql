-- The state database of duet on PostgreSQL, as `duet migrate` makes it.
-- Written by the test of this file (crates/store/tests/schema.rs); not to be edited, not to be run.
-- Every point in time is a whole number: microseconds since 1970-01-01 UTC.
-- Names of values are those of `docs/reference`; JSON columns hold the forms of duet-core.

-- The identity of one record on both sides. A transaction locks this row before it changes anything that belongs to the link.
CREATE TABLE links (
    -- Its id; time-ordered, so older is less.
    id uuid NOT NULL,
    -- The flow it belongs to.
    flow text NOT NULL,
    -- Grows with every verdict that changes anything.
    rev bigint NOT NULL,
    -- unmatched, matching, linking, linked, frozen, tombstoned, unlinked, joined.
    phase text NOT NULL,
    -- The record's id on the left side, where known.
    left_id text,
    -- The record's id on the right side, where known.
    right_id text,
    -- When both sides last agreed on everything.
    synced_at bigint,
    -- The left side's own change stamp at that agreement.
    synced_left bigint,
    -- The right side's own change stamp at that agreement.
    synced_right bigint,
    -- When the sweep must look at it again; null: nothing to do.
    due_at bigint,
    -- How often a wait was repeated; delays double from it.
    waits integer NOT NULL,
    -- When it was first seen.
    created_at bigint NOT NULL,
    -- What verdicts remember from one to the next; null: nothing.
    memory json,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX links_left ON links USING btree (flow, left_id) WHERE (phase <> 'joined'::text);
CREATE UNIQUE INDEX links_right ON links USING btree (flow, right_id) WHERE (phase <> 'joined'::text);
CREATE INDEX links_due ON links USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX links_flow ON links USING btree (flow, id);

-- Former record ids that must still find their link (merges, key changes, joins).
CREATE TABLE aliases (
    -- The flow.
    flow text NOT NULL,
    -- left or right.
    side text NOT NULL,
    -- The former id.
    record text NOT NULL,
    -- The link it leads to.
    link uuid NOT NULL,
    PRIMARY KEY (flow, side, record)
);
CREATE INDEX aliases_link ON aliases USING btree (link);

-- Match keys and the links that claimed them. Several links may claim one key: that is how partners find each other, and how ambiguity shows.
CREATE TABLE claims (
    -- The flow.
    flow text NOT NULL,
    -- Position of the match rule in the flow, from 0.
    rule integer NOT NULL,
    -- The normalised key.
    key text NOT NULL,
    -- The side whose record holds the key.
    side text NOT NULL,
    -- The link that claimed it.
    link uuid NOT NULL,
    PRIMARY KEY (flow, rule, key, side, link)
);
CREATE INDEX claims_link ON claims USING btree (link, side);

-- Links that wait for a parent, keyed by the parent's record: it may have no link yet.
CREATE TABLE parent_waits (
    -- The parent's flow.
    flow text NOT NULL,
    -- The side whose record is waited for.
    side text NOT NULL,
    -- The parent's record id on that side.
    record text NOT NULL,
    -- The link that waits.
    link uuid NOT NULL,
    PRIMARY KEY (flow, side, record, link)
);
CREATE INDEX parent_waits_link ON parent_waits USING btree (link);

-- Logged calls to a side. Open ones with a due_at are the retry queue; closed ones keep their values, because a late call may still land.
CREATE TABLE intents (
    -- Its id, and the marker its write leaves on the record.
    id uuid NOT NULL,
    -- The link it serves.
    link uuid NOT NULL,
    -- The flow of that link.
    flow text NOT NULL,
    -- The side it calls: left or right.
    side text NOT NULL,
    -- The connection of that side.
    connection text NOT NULL,
    -- create, update, delete, undelete, read, find.
    op text NOT NULL,
    -- The write path: guarded or batch.
    path text NOT NULL,
    -- planned, sent, unknown, parked, discarded (open); confirmed, not_landed, superseded, refused (closed).
    state text NOT NULL,
    -- The record, where it has an id yet.
    record text,
    -- Calls tried so far, one under way included.
    attempts integer NOT NULL,
    -- When it is to be sent or looked at.
    due_at bigint,
    -- When the call left.
    sent_at bigint,
    -- No answer counts after this.
    deadline bigint,
    -- When it was planned.
    planned_at bigint NOT NULL,
    -- When it landed, if that was found out after it was closed.
    landed_at bigint,
    -- The last failure: class, code, message, columns.
    failure json,
    -- The class of the last failure, for lists.
    failure_class text GENERATED ALWAYS AS ((failure ->> 'class'::text)) STORED,
    -- The form of data.
    form smallint NOT NULL,
    -- Values, keys to find, expectations, carried values, why.
    data text NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX intents_open_write ON intents USING btree (link, side) WHERE ((op = ANY (ARRAY['create'::text, 'update'::text, 'delete'::text, 'undelete'::text])) AND (state = ANY (ARRAY['planned'::text, 'sent'::text, 'unknown'::text, 'parked'::text, 'discarded'::text])));
CREATE UNIQUE INDEX intents_open_read ON intents USING btree (link, side) WHERE ((op = ANY (ARRAY['read'::text, 'find'::text])) AND (state = ANY (ARRAY['planned'::text, 'sent'::text, 'unknown'::text, 'parked'::text, 'discarded'::text])));
CREATE INDEX intents_due ON intents USING btree (connection, due_at, id) WHERE (state = 'planned'::text);
CREATE INDEX intents_overdue ON intents USING btree (deadline) WHERE (state = 'sent'::text);
CREATE INDEX intents_link ON intents USING btree (link, planned_at);
CREATE INDEX intents_errors ON intents USING btree (flow, planned_at) WHERE (state = ANY (ARRAY['planned'::text, 'sent'::text, 'unknown'::text, 'parked'::text, 'discarded'::text]));

-- Calls that were tried: history, never changed.
CREATE TABLE attempts (
    -- Counts up.
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- The intent.
    intent uuid NOT NULL,
    -- Its link.
    link uuid NOT NULL,
    -- Which try of that intent, from 1.
    number integer NOT NULL,
    -- When the call left.
    sent_at bigint NOT NULL,
    -- When its answer was in hand, or the call was given up.
    done_at bigint NOT NULL,
    -- landed, read, found, refused, unknown, not_sent, seen.
    outcome text NOT NULL,
    -- What failed.
    failure json,
    PRIMARY KEY (id)
);
CREATE INDEX attempts_intent ON attempts USING btree (intent, id);
CREATE INDEX attempts_link ON attempts USING btree (link, id);

-- What collided, with every value, stamp and actor; open ones hold their scope back.
CREATE TABLE conflicts (
    -- Its id.
    id uuid NOT NULL,
    -- The link.
    link uuid NOT NULL,
    -- The flow of that link.
    flow text NOT NULL,
    -- What kind of collision, such as both_changed.
    kind text NOT NULL,
    -- The field it is about; null: the whole record.
    field text,
    -- A digest of every value: what a decision must name.
    seen text NOT NULL,
    -- Grows with every change of this row.
    rev bigint NOT NULL,
    -- open, snoozed, decided, applied, closed.
    state text NOT NULL,
    -- Why closed: converged, dissolved, obsolete, expired.
    reason text,
    -- The person's decision: choice, by whom, note, when.
    resolution json,
    -- Since when.
    opened_at bigint NOT NULL,
    -- Until when snoozed, or when its time runs out.
    until bigint,
    -- When it was closed.
    closed_at bigint,
    -- The form of data and resolution.
    form smallint NOT NULL,
    -- Agreed values, both sides' parts, candidates, decider, result.
    data json NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX conflicts_link ON conflicts USING btree (link, opened_at);
CREATE INDEX conflicts_unclosed ON conflicts USING btree (link) WHERE (state <> 'closed'::text);
CREATE INDEX conflicts_inbox ON conflicts USING btree (opened_at, id) WHERE (state = ANY (ARRAY['open'::text, 'snoozed'::text, 'decided'::text]));
CREATE INDEX conflicts_flow ON conflicts USING btree (flow, state, opened_at, id);

-- Why things are as they are: one row per verdict, none for an echo. Append-only.
CREATE TABLE decisions (
    -- Counts up.
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- The link.
    link uuid NOT NULL,
    -- The link's revision it made.
    rev bigint NOT NULL,
    -- When.
    at bigint NOT NULL,
    -- The row of the decision tables.
    decided_row text NOT NULL,
    -- The rule, in words.
    rule text NOT NULL,
    -- What made duet look.
    cause text NOT NULL,
    -- The digest of the policy.
    policy text NOT NULL,
    -- The form of outcomes.
    form smallint NOT NULL,
    -- Per field: row, rule, what follows.
    outcomes text NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX decisions_link ON decisions USING btree (link, id);
CREATE OR REPLACE FUNCTION public.decisions_append_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION 'decisions are append-only' USING ERRCODE = 'restrict_violation';
END
$function$
;
CREATE TRIGGER decisions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON decisions FOR EACH STATEMENT EXECUTE FUNCTION decisions_append_only();

-- Changes that could not be decoded or decided, kept whole.
CREATE TABLE dead_letters (
    -- Counts up.
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- When.
    at bigint NOT NULL,
    -- The flow, as far as known.
    flow text,
    -- The queue or stage it died in.
    place text NOT NULL,
    -- What is wrong, without values.
    reason text NOT NULL,
    -- The body. May hold values.
    body bytea NOT NULL,
    -- The side, as far as known.
    side text,
    -- The record, as far as known.
    record text,
    -- When the record was read, by its side's time; null: it was not about a look at one.
    read_at bigint,
    -- The record's version that was read, where its side tells one.
    version text,
    -- open, asked, replayed, discarded, superseded.
    state text,
    -- Who wants it decided again, or gave it up.
    handled_by text,
    -- Why, in the words of that person.
    note text,
    -- When it was over; null: it is open.
    closed_at bigint,
    PRIMARY KEY (id)
);
CREATE INDEX dead_letters_flow ON dead_letters USING btree (flow);
CREATE INDEX dead_letters_open ON dead_letters USING btree (flow, side, record) WHERE (closed_at IS NULL);
CREATE INDEX dead_letters_version ON dead_letters USING btree (flow, side, record, version) WHERE (version IS NOT NULL);

-- How often handling a message failed, counted before it is tried again.
CREATE TABLE poison (
    -- The message.
    message text NOT NULL,
    -- How often it failed.
    failures integer NOT NULL,
    PRIMARY KEY (message)
);

-- What a flow allows at the moment. No row: new, nothing of it is decided.
CREATE TABLE flows (
    -- The flow.
    name text NOT NULL,
    -- Adopted; before that changes are recorded only.
    adopted boolean NOT NULL,
    -- Paused by a person: recorded, not decided.
    paused boolean NOT NULL,
    -- The brake on deletions has tripped.
    deletes_held boolean NOT NULL,
    -- When this last changed.
    changed_at bigint NOT NULL,
    -- The form of keyed_by.
    keyed_form smallint,
    -- Per side the connection, collection and key columns that its record ids belong to; null: not noted yet.
    keyed_by json,
    PRIMARY KEY (name)
);

-- Deletions planned by policy, for the brake.
CREATE TABLE planned_deletes (
    -- Counts up.
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- The flow.
    flow text NOT NULL,
    -- The side on which a record is to be deleted.
    side text NOT NULL,
    -- The link.
    link uuid NOT NULL,
    -- When it was planned.
    at bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX planned_deletes_flow ON planned_deletes USING btree (flow, at);

-- Connections that were ever paused by an outage or throttling.
CREATE TABLE connections (
    -- The connection.
    name text NOT NULL,
    -- Until when it is left alone.
    paused_until bigint,
    -- Why.
    reason text,
    PRIMARY KEY (name)
);

-- Who may do what only one process may do.
CREATE TABLE leases (
    -- What is leased, such as detect/customers/left.
    name text NOT NULL,
    -- Who holds it; null: given back.
    holder text,
    -- The fencing token: grows with every new holder.
    token bigint NOT NULL,
    -- Until when.
    until bigint NOT NULL,
    PRIMARY KEY (name)
);

-- How far each source is read and settled.
CREATE TABLE cursors (
    -- The source: flow/side.
    source text NOT NULL,
    -- The newest fencing token that moved it.
    token bigint NOT NULL,
    -- Numbers up to this one are settled under that token.
    settled bigint NOT NULL,
    -- Where to read on; null: the source keeps it itself.
    position text,
    -- When it last moved.
    moved_at bigint NOT NULL,
    PRIMARY KEY (source)
);

-- Numbers of messages that were decided or dead-lettered and are not yet passed by their source's position.
CREATE TABLE settled (
    -- The source.
    source text NOT NULL,
    -- The fencing token under which the number was given.
    token bigint NOT NULL,
    -- The message's number.
    number bigint NOT NULL,
    PRIMARY KEY (source, token, number)
);

-- Values that are kept back while the record's other fields go on; gone when mended.
CREATE TABLE field_errors (
    -- Its id, derived from link and field.
    id uuid NOT NULL,
    -- The link.
    link uuid NOT NULL,
    -- The flow of that link.
    flow text NOT NULL,
    -- The field.
    field text NOT NULL,
    -- Why: unmappable, dependency.
    code text NOT NULL,
    -- The side whose value is kept back.
    source text NOT NULL,
    -- The side of the column.
    side text NOT NULL,
    -- The column that the value doesn't fit, or comes from.
    side_column text NOT NULL,
    -- What is wrong, without values.
    reason text NOT NULL,
    -- Since when, without a break.
    since bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX field_errors_link ON field_errors USING btree (link);
CREATE INDEX field_errors_since ON field_errors USING btree (since, id);
CREATE INDEX field_errors_flow ON field_errors USING btree (flow, since, id);

-- What both sides of a link owe each other, and what was last seen of each. No row: nothing of it was ever seen.
CREATE TABLE contents (
    -- The link.
    link uuid NOT NULL,
    -- The newest form among the following.
    form smallint NOT NULL,
    -- JSON: per field trunk, stamp, origin and accounted values, or the memory of an agreed deletion; null: nothing was ever agreed.
    agreed text,
    -- JSON: of the left record presence, values, version, stamps, actor, when it was read.
    seen_left text,
    -- JSON: the same of the right record.
    seen_right text,
    PRIMARY KEY (link)
);
