//! `schema/postgres.sql` and `schema/sqlite.sql` say what a migrated database holds, read from its
//! catalogues. Where they don't, the test fails; `UPDATE_SCHEMA=1` writes them anew.

mod rig;

use rig::{PostgresRig, SqliteRig};
use sqlx::PgConnection;
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
-- Written by the test of this file (crates/store/tests/schema.rs); not to be edited, not to be run.
-- Every point in time is a whole number: microseconds since 1970-01-01 UTC.
-- Names of values are those of `docs/reference`; JSON columns hold the forms of duet-core.
";

const TABLES: &str = "
SELECT c.oid::bigint, c.relname::text, coalesce(obj_description(c.oid), '') FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migrations'
ORDER BY c.oid";

const COLUMNS: &str = "
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    CASE WHEN a.attidentity <> '' THEN ' GENERATED ALWAYS AS IDENTITY'
         WHEN a.attgenerated <> ''
         THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
         ELSE '' END,
    coalesce(col_description(a.attrelid, a.attnum), '')
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const KEY: &str = "
SELECT pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = $1::bigint::oid AND contype = 'p'";

const INDEXES: &str = "
SELECT replace(pg_get_indexdef(indexrelid), ' ON public.', ' ON ') FROM pg_index
WHERE indrelid = $1::bigint::oid AND NOT indisprimary ORDER BY indexrelid";

const TRIGGERS: &str = "
SELECT replace(pg_get_triggerdef(oid), ' ON public.', ' ON '), pg_get_functiondef(tgfoid)
FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND NOT tgisinternal ORDER BY tgname";

type Column = (String, String, bool, String, String);

async fn render(database: &mut PgConnection) -> String {
    let mut text =
        format!("-- The state database of duet on PostgreSQL, as `duet migrate` makes it.\n{HEAD}");
    let tables: Vec<(i64, String, String)> =
        sqlx::query_as(TABLES).fetch_all(&mut *database).await.expect("tables can be listed");
    for (oid, name, about) in tables {
        assert!(!about.is_empty(), "table {name} has no comment");
        write!(text, "\n-- {about}\nCREATE TABLE {name} (\n").expect("text grows");
        text.push_str(&columns(database, oid, &name).await);
        text.push_str(&definitions(database, oid).await);
    }
    text
}

async fn columns(database: &mut PgConnection, oid: i64, table: &str) -> String {
    let columns: Vec<Column> =
        sqlx::query_as(COLUMNS).bind(oid).fetch_all(database).await.expect("columns can be listed");
    let mut text = String::new();
    for (name, kind, required, made, about) in columns {
        assert!(!about.is_empty(), "column {table}.{name} has no comment");
        let required = if required { " NOT NULL" } else { "" };
        writeln!(text, "    -- {about}\n    {name} {kind}{required}{made},").expect("text grows");
    }
    text
}

async fn definitions(database: &mut PgConnection, oid: i64) -> String {
    let key: String =
        sqlx::query_scalar(KEY).bind(oid).fetch_one(&mut *database).await.expect("a key");
    let mut text = format!("    {key}\n);\n");
    let indexes: Vec<String> =
        sqlx::query_scalar(INDEXES).bind(oid).fetch_all(&mut *database).await.expect("indexes");
    for index in indexes {
        writeln!(text, "{index};").expect("text grows");
    }
    let triggers: Vec<(String, String)> =
        sqlx::query_as(TRIGGERS).bind(oid).fetch_all(database).await.expect("triggers");
    for (trigger, function) in triggers {
        writeln!(text, "{}\n;\n{trigger};", function.trim_end()).expect("text grows");
    }
    text
}

/// SQLite keeps the words that everything was made with, comments included.
const MADE: &str = "
SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name <> 'migrations'
ORDER BY (SELECT t.rowid FROM sqlite_schema t WHERE t.name = sqlite_schema.tbl_name), rowid";

#[tokio::test]
async fn the_schema_file_tells_the_truth() {
    let rig = PostgresRig::new().await;
    is_told("postgres.sql", &render(&mut rig.plain().await).await);
}

#[tokio::test]
async fn the_schema_file_of_sqlite_tells_the_truth() {
    let rig = SqliteRig::new().await;
    let made: Vec<String> =
        sqlx::query_scalar(MADE).fetch_all(&mut rig.plain().await).await.expect("it answers");
    let mut text = format!(
        "-- The state database of duet in a SQLite file, as `duet migrate` makes it.\n{HEAD}"
    );
    text.push_str("-- Ids are 16 bytes: `hex(id)` shows them, `unhex('...')` finds them.\n");
    for statement in made {
        let space = if statement.starts_with("CREATE TABLE") { "\n" } else { "" };
        writeln!(text, "{space}{statement}").expect("text grows");
    }
    is_told("sqlite.sql", &text);
}

#[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
fn is_told(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(name);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, rendered).expect("the file can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, rendered, "UPDATE_SCHEMA=1 writes schema/{name} anew");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    use duet_ports::store::StoreError;
    use duet_testkit::store_contract::StoreRig;
    const NEWER: &str = "INSERT INTO migrations (version, applied_at) VALUES ('9999_later', 0)";
    let (server, file) = (PostgresRig::new().await, SqliteRig::new().await);
    sqlx::query(NEWER).execute(&mut server.plain().await).await.expect("it is added");
    sqlx::query(NEWER).execute(&mut file.plain().await).await.expect("it is added");
    for store in [server.store().await, file.store().await] {
        for error in [store.begin().await.err(), store.migrate().await.err()] {
            let error = error.expect("it is refused");
            assert!(matches!(error, StoreError::NotMigrated { .. }), "{error:?}");
            assert!(error.to_string().contains("newer duet"), "{error}");
        }
    }
}
