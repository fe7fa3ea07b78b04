//! Statements over `duet_change` and `duet_row` as a source.

use super::super::capture::Capture;
use super::super::rows::Reached;
use super::super::{Bound, Statement, quoted};
use super::owned;

/// `$1` flow, `$2` side, `$3` the highest number read, `$4` the oldest transaction that was open
/// then, `$5` numbers read of transactions since, `$6` how many. Never "above the highest" alone:
/// numbers are drawn before the commit.
pub(crate) fn unread(capture: &Capture, reached: &Reached, limit: i64) -> Statement {
    let text = format!(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS oldest,
                (SELECT COALESCE(json_agg(n ORDER BY n.seq), '[]')::text FROM (
                     SELECT seq, xid::text AS xid, op, key, old_key, write_id
                     FROM {schema}.duet_change
                     WHERE {news}
                     ORDER BY seq LIMIT $6::bigint) AS n) AS news",
        schema = quoted(capture.home.name),
        news = NEWS,
    );
    asked(capture, text, reached).with(Bound::Integer(limit))
}

/// As [`unread`], with `$6` the head.
pub(crate) fn unread_before(capture: &Capture, reached: &Reached, head: &str) -> Option<Statement> {
    head.parse::<u64>().ok()?;
    let text = format!(
        "SELECT EXISTS (SELECT 1 FROM {}.duet_change \
         WHERE {NEWS} AND xid < $6::text::xid8) AS waiting",
        quoted(capture.home.name)
    );
    Some(asked(capture, text, reached).with(head))
}

const NEWS: &str = "flow = $1::text AND side = $2::text
    AND (seq > $3::bigint OR xid >= $4::text::xid8) AND seq <> ALL($5::bigint[])";

fn asked(capture: &Capture, text: String, reached: &Reached) -> Statement {
    of(capture, text)
        .with(Bound::Integer(reached.top))
        .with(reached.oldest.to_string())
        .with(Bound::Integers(reached.recent.clone()))
}

fn of(capture: &Capture, text: String) -> Statement {
    owned(Statement::new(text), capture.flow.as_str(), capture.side)
}

/// The first transaction that can't have committed yet.
pub(crate) fn head() -> Statement {
    Statement::new("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS head")
}

/// `$1` flow, `$2` side, `$3` their numbers.
pub(crate) fn settle(capture: &Capture, rows: &[i64]) -> Statement {
    let text = format!(
        "DELETE FROM {}.duet_change
         WHERE flow = $1::text AND side = $2::text AND seq = ANY($3::bigint[])",
        quoted(capture.home.name)
    );
    of(capture, text).with(Bound::Integers(rows.to_vec()))
}

/// `$1` flow, `$2` side, `$3` after this one, `$4` how many.
pub(crate) fn known_keys(capture: &Capture, after: Option<&str>, limit: i64) -> Statement {
    let text = format!(
        "SELECT key FROM {}.duet_row
         WHERE flow = $1::text AND side = $2::text AND ($3::text IS NULL OR key > $3::text)
         ORDER BY key LIMIT $4::bigint",
        quoted(capture.home.name)
    );
    of(capture, text).with(Bound::Text(after.map(str::to_owned))).with(Bound::Integer(limit))
}
