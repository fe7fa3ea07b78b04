//! Questions to PostgreSQL's catalogue. Fixed texts; only the capture's schema is put in.

use super::super::{Bound, Statement, quoted};
use super::literal;

/// A table by its name as quoted identifiers: as written and in lower case.
pub(crate) fn relation(exact: String, folded: String) -> Statement {
    Statement::new(RELATION).with(exact).with(folded)
}

/// The columns of a table, one a row; a domain shows as its base type.
pub(crate) fn columns(oid: i64) -> Statement {
    Statement::new(COLUMNS).with(Bound::Integer(oid))
}

/// The column lists of a table that can hold no value twice.
pub(crate) fn unique(oid: i64) -> Statement {
    Statement::new(UNIQUE).with(Bound::Integer(oid))
}

const RELATION: &str = "
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind::text AS kind, c.reltuples::float8 AS estimate,
       row_security_active(c.oid) AS row_security,
       has_schema_privilege(n.oid, 'USAGE')
       AND has_any_column_privilege(c.oid, 'SELECT') AS may_read,
       has_any_column_privilege(c.oid, 'INSERT') AS may_create,
       has_any_column_privilege(c.oid, 'UPDATE') AS may_update,
       has_table_privilege(c.oid, 'DELETE') AS may_delete,
       ARRAY(SELECT a.attname::text FROM pg_index i
             CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(n, o)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n
             WHERE i.indrelid = c.oid AND i.indisprimary AND k.o <= i.indnkeyatts
             ORDER BY k.o) AS primary_key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = COALESCE(to_regclass($1), to_regclass($2))::oid";

const COLUMNS: &str = "
SELECT a.attname::text AS name, n.nspname::text AS type_schema, b.typname::text AS type_name,
       b.typtype::text AS type_kind, b.typcategory::text AS category, b.typname::text AS type,
       COALESCE(el.typcategory::text, '') AS element,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END::bigint AS modifier,
       a.attnotnull OR t.typnotnull AS required,
       a.attgenerated <> '' OR a.attidentity = 'a' AS computed,
       has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS may_read,
       has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS may_create,
       has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AS may_update,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid
             ORDER BY e.enumsortorder) AS labels
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
JOIN pg_namespace n ON n.oid = b.typnamespace
LEFT JOIN pg_type el ON el.oid = b.typelem AND b.typcategory = 'A'
WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

const UNIQUE: &str = "
SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(n, o)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n
             WHERE k.o <= i.indnkeyatts ORDER BY k.o) AS columns
FROM pg_index i
WHERE i.indrelid = $1::bigint::oid AND i.indisunique AND i.indisvalid
  AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indexrelid";

/// The server's time in microseconds.
pub(crate) fn now() -> Statement {
    Statement::new("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")
}

/// Whether the capture's tables are there and may be used.
pub(crate) fn capture_rights(schema: &str) -> Statement {
    let schema = quoted(schema);
    let name = |table: &str| literal(&format!("{schema}.{table}"));
    let (row, change) = (name("duet_row"), name("duet_change"));
    let (registry, sequence) = (name("duet_capture"), name("duet_change_seq"));
    Statement::new(format!(
        "SELECT to_regclass({registry}) IS NOT NULL AS present,
                COALESCE(has_table_privilege(to_regclass({row}), 'SELECT')
                 AND has_table_privilege(to_regclass({row}), 'INSERT')
                 AND has_table_privilege(to_regclass({row}), 'UPDATE')
                 AND has_table_privilege(to_regclass({change}), 'SELECT')
                 AND has_table_privilege(to_regclass({change}), 'UPDATE')
                 AND has_table_privilege(to_regclass({change}), 'DELETE')
                 AND has_table_privilege(to_regclass({registry}), 'SELECT')
                 AND to_regclass({sequence}) IS NOT NULL, false) AS usable"
    ))
}
