//! Statements over `duet_change` and `duet_row` as a source. A file has one writer at a time, who
//! draws numbers inside his transaction: they are in the order of the commits, and what is above the
//! highest one read is all that is unread.

use super::super::capture::Capture;
use super::super::rows::Reached;
use super::super::{Bound, Statement};
use super::{of, table};
use crate::told::Told;

/// `?1` flow, `?2` side, `?3` the highest number read, `?4` how many, `?5` the record told last. No
/// transaction is ever open that could bring a lower number: all are "of before" the first one.
pub(crate) fn unread(
    capture: &Capture,
    reached: &Reached,
    limit: i64,
    last: Option<&Told>,
) -> Statement {
    let text = format!(
        "SELECT '1' AS oldest, (SELECT seq FROM {row} WHERE flow = ?1 AND side = ?2 AND key = ?5) \
         AS known, (
             SELECT json_group_array(json_object('seq', seq, 'xid', '0', 'op', op, 'key', key,
                                                 'old_key', old_key, 'write_id', write_id))
             FROM (SELECT seq, op, key, old_key, write_id FROM {change}
                   WHERE flow = ?1 AND side = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4)) AS news",
        change = table(capture.home.name, "change"),
        row = table(capture.home.name, "row"),
    );
    let last = Bound::Text(last.map(|last| last.key.clone()));
    of(capture, text).with(Bound::Integer(reached.top)).with(Bound::Integer(limit)).with(last)
}

/// As [`unread`], with `?4` the head.
pub(crate) fn unread_before(capture: &Capture, reached: &Reached, head: &str) -> Option<Statement> {
    let head: i64 = head.parse().ok()?;
    let text = format!(
        "SELECT EXISTS (SELECT 1 FROM {} WHERE flow = ?1 AND side = ?2
                        AND seq > ?3 AND seq <= ?4) AS waiting",
        table(capture.home.name, "change")
    );
    Some(of(capture, text).with(Bound::Integer(reached.top)).with(Bound::Integer(head)))
}

/// The last number that was drawn.
pub(crate) fn head(home: &str) -> Statement {
    Statement::new(format!("SELECT CAST(n AS TEXT) AS head FROM {}", table(home, "number")))
}

/// `?3` their numbers.
pub(crate) fn settle(capture: &Capture, rows: &[i64]) -> Statement {
    let text = format!(
        "DELETE FROM {} WHERE flow = ?1 AND side = ?2
         AND seq IN (SELECT value FROM json_each(?3))",
        table(capture.home.name, "change")
    );
    of(capture, text).with(Bound::Integers(rows.to_vec()))
}

/// `?3` after this one, `?4` how many.
pub(crate) fn known_keys(capture: &Capture, after: Option<&str>, limit: i64) -> Statement {
    let text = format!(
        "SELECT key FROM {} WHERE flow = ?1 AND side = ?2 AND (?3 IS NULL OR key > ?3)
         ORDER BY key LIMIT ?4",
        table(capture.home.name, "row")
    );
    of(capture, text).with(Bound::Text(after.map(str::to_owned))).with(Bound::Integer(limit))
}
