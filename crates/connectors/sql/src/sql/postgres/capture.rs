//! The DDL of the capture: tables, functions and triggers in a schema of its own. No function names
//! a column of a user's table: it sees rows as JSON, so that a changed table can't break it.

use super::super::capture::{Capture, Place};
use super::super::{Bound, Statement, quoted};
use super::{literal, micros, owned};
use crate::table::{Kind, Table};

/// The version of what [`functions`] makes; a higher one replaces it at the next install.
pub(crate) const VERSION: i32 = 2;

/// Any constant of our own would do.
pub(crate) fn lock() -> Statement {
    Statement::new("SELECT pg_advisory_xact_lock(7239117651824)")
}

/// Whether the schema is there: `there`.
pub(crate) fn has_schema(schema: &str) -> Statement {
    Statement::new("SELECT to_regnamespace($1) IS NOT NULL AS there").with(quoted(schema))
}

/// Makes the schema.
pub(crate) fn schema(schema: &str) -> Statement {
    Statement::new(format!("CREATE SCHEMA {}", quoted(schema)))
}

/// Takes the schema away, if nothing is left in it.
pub(crate) fn drop_schema(schema: &str) -> Statement {
    Statement::new(format!("DROP SCHEMA {}", quoted(schema)))
}

/// Makes the tables and the sequence; `made` tells whether the schema is ours to take away. The
/// sequence begins at the time in microseconds, beyond all that an earlier one can have given out:
/// versions of a capture that was removed and installed again must not begin anew.
pub(crate) fn tables(schema: &str, made: bool) -> Statement {
    let s = quoted(schema);
    let sequence = literal(&format!("{s}.duet_change_seq"));
    let now = micros("clock_timestamp()");
    Statement::new(format!(
        "CREATE SEQUENCE {s}.duet_change_seq;
         SELECT setval({sequence}::regclass, {now});
         CREATE TABLE {s}.duet_change (
             seq bigint NOT NULL, flow text NOT NULL, side text NOT NULL, op text NOT NULL,
             key text, old_key text, changed_columns text[],
             at timestamptz NOT NULL, write_id uuid,
             xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
             PRIMARY KEY (flow, side, seq));
         CREATE TABLE {s}.duet_row (
             flow text NOT NULL, side text NOT NULL, key text NOT NULL, seq bigint NOT NULL,
             changed_at timestamptz, column_times jsonb, write_id uuid, at timestamptz,
             PRIMARY KEY (flow, side, key));
         CREATE INDEX duet_row_write_id ON {s}.duet_row (write_id) WHERE write_id IS NOT NULL;
         CREATE TABLE {s}.duet_capture (
             flow text NOT NULL, side text NOT NULL, relation oid NOT NULL, name text NOT NULL,
             key text[] NOT NULL, version int NOT NULL,
             installed_at timestamptz NOT NULL DEFAULT now(),
             base bigint NOT NULL DEFAULT 0,
             PRIMARY KEY (flow, side));
         CREATE TABLE {s}.duet_install (made_schema boolean NOT NULL);
         INSERT INTO {s}.duet_install VALUES ({made});"
    ))
}

/// Takes functions, tables and sequence away.
pub(crate) fn drop_tables(schema: &str) -> Statement {
    let s = quoted(schema);
    Statement::new(format!(
        "DROP FUNCTION {s}.duet_capture_row();
         DROP FUNCTION {s}.duet_capture_truncate();
         DROP FUNCTION {s}.duet_key(jsonb, text[]);
         DROP FUNCTION IF EXISTS {s}.duet_cells(anyelement);
         DROP TABLE {s}.duet_change, {s}.duet_row, {s}.duet_capture, {s}.duet_install;
         DROP SEQUENCE {s}.duet_change_seq;"
    ))
}

/// Makes or replaces the functions, and what tables of an older version lack. They run with the
/// rights of who installs, as the programs that write the tables need none on our schema; nobody
/// else may make a trigger of them.
pub(crate) fn functions(schema: &str) -> Statement {
    let s = quoted(schema);
    let sequence = literal(&format!("{s}.duet_change_seq"));
    let channel = literal(&channel(schema));
    Statement::new(format!(
        "ALTER TABLE {s}.duet_row ADD COLUMN IF NOT EXISTS column_times jsonb;
         ALTER TABLE {s}.duet_capture ADD COLUMN IF NOT EXISTS base bigint NOT NULL DEFAULT 0;
         {key} {cells} {row} {truncate}
         REVOKE ALL ON FUNCTION {s}.duet_capture_row(), {s}.duet_capture_truncate(),
             {s}.duet_key(jsonb, text[]), {s}.duet_cells(anyelement) FROM PUBLIC;",
        key = key_function(&s),
        cells = cells_function(&s),
        row = row_function(&s, &sequence, &channel),
        truncate = truncate_function(&s, &sequence, &channel),
    ))
}

/// The channel on which a change is announced; the payload is `flow/side`.
pub(crate) fn channel(schema: &str) -> String {
    // Channels are identifiers of at most 63 bytes.
    let name: String = schema.chars().take(40).filter(char::is_ascii).collect();
    format!("duet_change_{name}")
}

/// Arguments of the triggers: flow, side, per key column a `c` where its padding is cut (else `-`),
/// and the key columns.
fn key_function(s: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {s}.duet_key(item jsonb, args text[]) RETURNS text
         LANGUAGE plpgsql IMMUTABLE AS $duet$
         DECLARE
             part text;
             whole text;
             composite boolean := array_upper(args, 1) > 3;
         BEGIN
             FOR i IN 3 .. array_upper(args, 1) LOOP
                 part := item ->> args[i];
                 IF part IS NULL THEN RETURN NULL; END IF;
                 IF substr(args[2], i - 2, 1) = 'c' THEN part := rtrim(part, ' '); END IF;
                 IF composite THEN
                     part := replace(replace(part, '%', '%25'), '-', '%2D');
                 END IF;
                 whole := CASE WHEN i = 3 THEN part ELSE whole || '-' || part END;
             END LOOP;
             RETURN whole;
         END $duet$;"
    )
}

/// A row as JSON, cell by cell where the whole row has none: a `json` may hold a NUL or a number
/// without bounds, a `bytea` may be longer than a JSON text can be. Such a cell goes by its digest,
/// so that a row which the table takes isn't refused because it is watched.
fn cells_function(s: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {s}.duet_cells(item anyelement) RETURNS jsonb
         LANGUAGE plpgsql STABLE AS $duet$
         DECLARE
             v_name name; v_cell jsonb; v_cells jsonb := '{{}}';
         BEGIN
             BEGIN
                 RETURN to_jsonb(item);
             EXCEPTION WHEN OTHERS THEN NULL;
             END;
             FOR v_name IN
                 SELECT a.attname
                 FROM pg_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid
                 WHERE t.oid = pg_typeof(item) AND a.attnum > 0 AND NOT a.attisdropped
             LOOP
                 BEGIN
                     EXECUTE format('SELECT to_jsonb(($1).%I)', v_name) INTO v_cell USING item;
                 EXCEPTION WHEN OTHERS THEN
                     EXECUTE format('SELECT to_jsonb(md5(($1).%I::text))', v_name)
                     INTO v_cell USING item;
                 END;
                 v_cells := v_cells || jsonb_build_object(v_name, v_cell);
             END LOOP;
             RETURN v_cells;
         END $duet$;"
    )
}

/// Keeps the texts of keys and the comparison of values the same whatever the session of a writer
/// has set.
const FIXED: &str = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp \
                     SET \"TimeZone\" = 'UTC' SET \"DateStyle\" = 'ISO, MDY' \
                     SET \"IntervalStyle\" = 'iso_8601' SET bytea_output = 'hex' \
                     SET extra_float_digits = 1";

fn row_function(s: &str, sequence: &str, channel: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {s}.duet_capture_row() RETURNS trigger
         LANGUAGE plpgsql {FIXED} AS $duet$
         DECLARE
             v_before jsonb; v_after jsonb; v_was text; v_is text; v_changed text[];
             v_op text := left(TG_OP, 1); v_seq bigint; v_at timestamptz := clock_timestamp();
             v_write uuid; v_written timestamptz; v_times jsonb;
             v_now bigint := {now};
         BEGIN
             BEGIN
                 IF TG_OP <> 'INSERT' THEN v_before := to_jsonb(OLD); END IF;
                 IF TG_OP <> 'DELETE' THEN v_after := to_jsonb(NEW); END IF;
             EXCEPTION WHEN OTHERS THEN
                 IF TG_OP <> 'INSERT' THEN v_before := {s}.duet_cells(OLD); END IF;
                 IF TG_OP <> 'DELETE' THEN v_after := {s}.duet_cells(NEW); END IF;
             END;
             v_was := {s}.duet_key(v_before, TG_ARGV);
             v_is := {s}.duet_key(v_after, TG_ARGV);
             IF TG_OP = 'UPDATE' THEN
                 SELECT array_agg(a.key ORDER BY a.key) INTO v_changed FROM jsonb_each(v_after) AS a
                 WHERE a.value IS DISTINCT FROM v_before -> a.key;
                 -- Equal numbers may be written differently (1.5, 1.50): another text, another key.
                 IF v_changed IS NULL AND v_was IS NOT DISTINCT FROM v_is THEN RETURN NULL; END IF;
             END IF;
             -- A row without a key is no record: gaining one is an insert, losing it a delete.
             IF v_was IS NULL AND v_is IS NULL THEN RETURN NULL; END IF;
             IF v_was IS NULL THEN v_op := 'I'; END IF;
             IF v_is IS NULL THEN v_op := 'D'; END IF;
             -- The empty name stands for every column that has no time of its own.
             IF v_op = 'I' THEN v_times := jsonb_build_object('', v_now);
             ELSIF v_op <> 'D' THEN
                 SELECT COALESCE(jsonb_object_agg(c, v_now), '{{}}') INTO v_times
                 FROM unnest(v_changed) AS c;
             END IF;
             v_seq := nextval({sequence}::regclass);
             IF v_op = 'U' AND v_was <> v_is THEN
                 v_op := 'K';
                 INSERT INTO {s}.duet_row AS r (flow, side, key, seq, changed_at)
                 VALUES (TG_ARGV[0], TG_ARGV[1], v_was, v_seq, v_at)
                 ON CONFLICT (flow, side, key)
                 DO UPDATE SET seq = EXCLUDED.seq, changed_at = EXCLUDED.changed_at
                 RETURNING r.write_id, r.at, COALESCE(r.column_times, '{{}}') || v_times
                 INTO v_write, v_written, v_times;
                 v_seq := nextval({sequence}::regclass);
             END IF;
             INSERT INTO {s}.duet_change (seq, flow, side, op, key, old_key, changed_columns, at)
             VALUES (v_seq, TG_ARGV[0], TG_ARGV[1], v_op, COALESCE(v_is, v_was),
                     CASE WHEN v_op = 'K' THEN v_was END, v_changed, v_at);
             INSERT INTO {s}.duet_row AS r
                 (flow, side, key, seq, changed_at, column_times, write_id, at)
             VALUES (TG_ARGV[0], TG_ARGV[1], COALESCE(v_is, v_was), v_seq, v_at, v_times,
                     v_write, v_written)
             ON CONFLICT (flow, side, key)
             DO UPDATE SET seq = EXCLUDED.seq, changed_at = EXCLUDED.changed_at,
                           column_times = CASE v_op WHEN 'U'
                               THEN COALESCE(r.column_times, '{{}}') || v_times
                               ELSE v_times END,
                           write_id = COALESCE(EXCLUDED.write_id, r.write_id),
                           at = COALESCE(EXCLUDED.at, r.at);
             PERFORM pg_notify({channel}, TG_ARGV[0] || '/' || TG_ARGV[1]);
             RETURN NULL;
         END $duet$;",
        now = micros("v_at"),
    )
}

/// Gives every row about to vanish a version of its own, so that a look-up tells of its deletion,
/// and leaves one change that stands for all of them.
fn truncate_function(s: &str, sequence: &str, channel: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {s}.duet_capture_truncate() RETURNS trigger
         LANGUAGE plpgsql {FIXED} AS $duet$
         DECLARE
             v_seq bigint := nextval({sequence}::regclass);
         BEGIN
             EXECUTE format('INSERT INTO {s}.duet_row (flow, side, key, seq, changed_at)
                 SELECT DISTINCT $1, $2, k, $3, clock_timestamp() FROM (
                     SELECT {s}.duet_key({s}.duet_cells(duet_item), $4) AS k FROM %I.%I AS duet_item
                 ) AS duet_keys WHERE k IS NOT NULL
                 ON CONFLICT (flow, side, key)
                 DO UPDATE SET seq = EXCLUDED.seq, changed_at = EXCLUDED.changed_at',
                 TG_TABLE_SCHEMA, TG_TABLE_NAME)
             USING TG_ARGV[0], TG_ARGV[1], v_seq, TG_ARGV;
             INSERT INTO {s}.duet_change (seq, flow, side, op, at)
             VALUES (v_seq, TG_ARGV[0], TG_ARGV[1], 'T', clock_timestamp());
             PERFORM pg_notify({channel}, TG_ARGV[0] || '/' || TG_ARGV[1]);
             RETURN NULL;
         END $duet$;"
    )
}

/// The names of its triggers: for rows, for truncation.
fn names(capture: &Capture) -> [String; 2] {
    let id = capture.id();
    ["row", "truncate"].map(|what| format!("duet_capture_{id}_{what}"))
}

/// Flow, side, which key columns are padded, and the key columns.
fn arguments(capture: &Capture, table: &Table) -> String {
    let padded = |kind| if kind == Kind::Padded { 'c' } else { '-' };
    let mut arguments = vec![
        capture.flow.as_str().to_owned(),
        capture.side.as_str().to_owned(),
        table.key.iter().map(|column| padded(column.kind)).collect(),
    ];
    arguments.extend(table.key_names());
    let arguments: Vec<String> = arguments.iter().map(|text| literal(text)).collect();
    arguments.join(", ")
}

/// Makes both triggers. `ALWAYS`: also for changes that replication brings.
pub(crate) fn triggers(capture: &Capture, table: &Table) -> Statement {
    let place = Place { schema: &table.schema, name: &table.name };
    let (s, on) = (quoted(capture.home.name), on(place));
    let [row, truncate] = names(capture).map(|name| quoted(&name));
    let arguments = arguments(capture, table);
    Statement::new(format!(
        "{drop}
         CREATE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON {on}
             FOR EACH ROW EXECUTE FUNCTION {s}.duet_capture_row({arguments});
         CREATE TRIGGER {truncate} BEFORE TRUNCATE ON {on}
             FOR EACH STATEMENT EXECUTE FUNCTION {s}.duet_capture_truncate({arguments});
         ALTER TABLE {on} ENABLE ALWAYS TRIGGER {row};
         ALTER TABLE {on} ENABLE ALWAYS TRIGGER {truncate};",
        drop = dropped(capture, place),
    ))
}

/// Takes both triggers away.
pub(crate) fn drop_triggers(capture: &Capture, from: Place) -> Statement {
    Statement::new(dropped(capture, from))
}

fn dropped(capture: &Capture, from: Place) -> String {
    let table = on(from);
    let [row, truncate] = names(capture).map(|name| quoted(&name));
    format!(
        "DROP TRIGGER IF EXISTS {row} ON {table}; DROP TRIGGER IF EXISTS {truncate} ON {table};"
    )
}

fn on(place: Place) -> String {
    format!("{}.{}", quoted(place.schema), quoted(place.name))
}

/// `$1`: the table's oid, `$2`: names of triggers.
pub(crate) fn watching(capture: &Capture, identity: &str) -> Statement {
    let text = "SELECT count(*) = 2 AS watched FROM pg_trigger \
                WHERE tgrelid = $1::text::oid AND tgname = ANY($2::text[]) AND tgenabled <> 'D'";
    Statement::new(text).with(identity).with(names(capture).to_vec())
}

/// `$1` flow, `$2` side, `$3` the table's oid, `$4` its name, `$5` key columns, `$6` version, `$7`
/// whether changes may have been missed.
pub(crate) fn register(capture: &Capture, name: &str, table: &Table, missed: bool) -> Statement {
    let s = quoted(capture.home.name);
    let sequence = literal(&format!("{s}.duet_change_seq"));
    let text = format!(
        "INSERT INTO {s}.duet_capture AS p (flow, side, relation, name, key, version, base)
         VALUES ($1::text, $2::text, $3::text::oid, $4::text, $5::text[], $6::int,
                 nextval({sequence}::regclass))
         ON CONFLICT (flow, side) DO UPDATE SET relation = EXCLUDED.relation,
             name = EXCLUDED.name, key = EXCLUDED.key, version = EXCLUDED.version,
             base = CASE WHEN $7::bool THEN EXCLUDED.base ELSE p.base END,
             installed_at = now()"
    );
    of(capture, text)
        .with(table.identity.as_str())
        .with(name)
        .with(table.key_names())
        .with(Bound::Integer(VERSION.into()))
        .with(Bound::Flag(missed))
}

fn of(capture: &Capture, text: String) -> Statement {
    owned(Statement::new(text), capture.flow.as_str(), capture.side)
}

/// `$1` flow, `$2` side. As JSON, because the table of an older version has no `base`; `whole` tells
/// whether it and `duet_row` have what came later (what [`functions`] adds).
pub(crate) fn registered(capture: &Capture) -> Statement {
    let schema = capture.home.name;
    let rows = literal(&format!("{}.duet_row", quoted(schema)));
    let text = format!(
        "SELECT p.relation::text AS relation, p.key, p.version::bigint AS version,
                n.nspname::text AS schema, c.relname::text AS name,
                COALESCE((to_jsonb(p) ->> 'base')::bigint, 0) AS base,
                to_jsonb(p) -> 'base' IS NOT NULL AND EXISTS (
                    SELECT 1 FROM pg_attribute a WHERE a.attrelid = to_regclass({rows})
                    AND a.attname = 'column_times' AND NOT a.attisdropped) AS whole
         FROM {}.duet_capture p LEFT JOIN pg_class c ON c.oid = p.relation
         LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE p.flow = $1::text AND p.side = $2::text",
        quoted(schema)
    );
    of(capture, text)
}

/// `$1` flow, `$2` side.
pub(crate) fn forget(capture: &Capture) -> Vec<Statement> {
    let s = quoted(capture.home.name);
    let forgotten = |table| {
        of(capture, format!("DELETE FROM {s}.{table} WHERE flow = $1::text AND side = $2::text"))
    };
    ["duet_change", "duet_row", "duet_capture"].map(forgotten).to_vec()
}

/// Whether no capture is left, and whether the schema was made by the first one.
pub(crate) fn left(schema: &str) -> Statement {
    let s = quoted(schema);
    Statement::new(format!(
        "SELECT NOT EXISTS (SELECT 1 FROM {s}.duet_capture) AS vacant,
                COALESCE((SELECT bool_or(made_schema) FROM {s}.duet_install), false) AS made"
    ))
}

/// `$1` flow, `$2` side.
pub(crate) fn backlog(capture: &Capture) -> Statement {
    let text = format!(
        "SELECT count(*) AS backlog,
                (extract(epoch FROM clock_timestamp() - min(at)) * 1000000)::bigint AS age
         FROM {}.duet_change WHERE flow = $1::text AND side = $2::text",
        quoted(capture.home.name)
    );
    of(capture, text)
}

/// Every capture that is recorded, with how much is waiting and since when. As JSON, because the
/// table of an older version has no `base`.
pub(crate) fn recorded(schema: &str) -> Statement {
    let s = quoted(schema);
    Statement::new(format!(
        "SELECT p.flow, p.side, p.name, p.version::bigint AS version,
                p.relation::text AS relation,
                COALESCE((to_jsonb(p) ->> 'base')::bigint, 0) AS base, w.backlog, w.age
         FROM {s}.duet_capture p CROSS JOIN LATERAL (
             SELECT count(*) AS backlog,
                    (extract(epoch FROM clock_timestamp() - min(c.at)) * 1000000)::bigint AS age
             FROM {s}.duet_change c WHERE c.flow = p.flow AND c.side = p.side) w
         ORDER BY p.flow, p.side"
    ))
}
