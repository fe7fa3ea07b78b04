//! Statements over `duet_change` and `duet_row` as a source.

use super::{Sql, quoted};

/// Changes not read yet, oldest first, as one JSON array, with the oldest transaction still open.
///
/// `$1` flow, `$2` side, `$3` the highest number read, `$4` the oldest transaction that was open
/// then, `$5` numbers read of transactions since, `$6` how many. Never "above the highest" alone:
/// numbers are drawn before the commit.
pub(crate) fn unread(schema: &str) -> Sql {
    Sql(format!(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS oldest,
                (SELECT COALESCE(json_agg(n ORDER BY n.seq), '[]')::text FROM (
                     SELECT seq, xid::text AS xid, op, key, old_key, write_id
                     FROM {schema}.duet_change
                     WHERE {news}
                     ORDER BY seq LIMIT $6::bigint) AS n) AS news",
        schema = quoted(schema),
        news = NEWS,
    ))
}

/// Whether something unread was committed before a head. As [`unread`], with `$6` the head.
pub(crate) fn unread_before(schema: &str) -> Sql {
    Sql(format!(
        "SELECT EXISTS (SELECT 1 FROM {}.duet_change WHERE {NEWS} AND xid < $6::text::xid8)",
        quoted(schema)
    ))
}

const NEWS: &str = "flow = $1::text AND side = $2::text
    AND (seq > $3::bigint OR xid >= $4::text::xid8) AND seq <> ALL($5::bigint[])";

/// The first transaction that can't have committed yet.
pub(crate) const HEAD: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";

/// Gives up changes. `$1` flow, `$2` side, `$3` their numbers.
pub(crate) fn settle(schema: &str) -> Sql {
    Sql(format!(
        "DELETE FROM {}.duet_change
         WHERE flow = $1::text AND side = $2::text AND seq = ANY($3::bigint[])",
        quoted(schema)
    ))
}

/// Known ids in order. `$1` flow, `$2` side, `$3` after this one, `$4` how many.
pub(crate) fn known_keys(schema: &str) -> Sql {
    Sql(format!(
        "SELECT key FROM {}.duet_row
         WHERE flow = $1::text AND side = $2::text AND ($3::text IS NULL OR key > $3::text)
         ORDER BY key LIMIT $4::bigint",
        quoted(schema)
    ))
}
