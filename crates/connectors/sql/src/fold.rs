//! Rows of `duet_change` in, what to tell about them out: several changes of one record become one.
//! Pure; reads nothing.

use duet_core::id::RecordId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Happened {
    #[serde(rename = "I")]
    Inserted,
    #[serde(rename = "U")]
    Updated,
    #[serde(rename = "K")]
    Renamed,
    #[serde(rename = "D")]
    Deleted,
    #[serde(rename = "T")]
    Truncated,
}

/// A row of `duet_change`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) seq: i64,
    /// As text: transaction ids may be larger than what JSON readers take.
    pub(crate) xid: String,
    pub(crate) op: Happened,
    pub(crate) key: Option<RecordId>,
    pub(crate) old_key: Option<RecordId>,
    pub(crate) write_id: Option<uuid::Uuid>,
}

impl Change {
    /// Number and transaction.
    pub(crate) fn place(&self) -> (i64, u64) {
        // Zero is before every transaction: it only means that the row may be read twice.
        (self.seq, self.xid.parse().unwrap_or(0))
    }
}

/// What is known of the changes of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Traces {
    /// Whether the last change deleted it.
    pub(crate) deleted: bool,
    /// Whether the last change was our own write.
    pub(crate) ours: bool,
    /// Where its last change stands in the order.
    last: i64,
}

/// What must be told of ids before the records are: these mean other records afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// A row got another key.
    Renamed { old: RecordId, new: RecordId, seq: i64 },
    /// A row was deleted, and another one got its key afterwards.
    Deleted { key: RecordId, seq: i64 },
}

/// What to tell about a list of changes.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// In order.
    pub(crate) moved: Vec<Moved>,
    traces: BTreeMap<RecordId, Traces>,
    /// How many of the changes are covered.
    pub(crate) covered: usize,
}

impl Folded {
    /// Records to read, in the order of their last changes.
    pub(crate) fn records(self) -> Vec<(RecordId, Traces)> {
        let mut records: Vec<_> = self.traces.into_iter().collect();
        records.sort_by_key(|(_, traces)| traces.last);
        records
    }
}

/// Folds changes until there is as much to tell as `limit` allows, or a truncation comes.
pub(crate) fn fold(changes: &[Change], limit: usize) -> Folded {
    let mut folded = Folded::default();
    for change in changes {
        let full = folded.moved.len() + folded.traces.len() >= limit.max(1);
        if full || change.op == Happened::Truncated {
            break;
        }
        add(&mut folded, change);
        folded.covered += 1;
    }
    folded
}

fn add(folded: &mut Folded, change: &Change) {
    let Some(key) = change.key.clone() else { return };
    let mut traces = folded.traces.remove(&key).unwrap_or_default();
    if let (Happened::Renamed, Some(old)) = (change.op, change.old_key.clone()) {
        if traces.deleted {
            folded.moved.push(Moved::Deleted { key: key.clone(), seq: traces.last });
        }
        traces = folded.traces.remove(&old).unwrap_or_default();
        folded.moved.push(Moved::Renamed { old, new: key.clone(), seq: change.seq });
    }
    if change.op == Happened::Inserted {
        traces = Traces::default();
    }
    traces.deleted = change.op == Happened::Deleted;
    traces.ours = change.write_id.is_some();
    traces.last = change.seq;
    folded.traces.insert(key, traces);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: i64, op: Happened, key: &str, old: Option<&str>) -> Change {
        Change {
            seq,
            xid: "1".to_owned(),
            op,
            key: Some(key.into()),
            old_key: old.map(RecordId::from),
            write_id: None,
        }
    }

    fn names(folded: Folded) -> Vec<String> {
        folded.records().into_iter().map(|(record, _)| record.as_str().to_owned()).collect()
    }

    #[test]
    fn changes_of_one_record_become_one() {
        let folded = fold(
            &[
                change(1, Happened::Updated, "a", None),
                change(2, Happened::Updated, "b", None),
                change(3, Happened::Updated, "a", None),
            ],
            10,
        );
        assert_eq!(folded.covered, 3);
        assert_eq!(names(folded), ["b", "a"]);
    }

    #[test]
    fn a_renamed_record_is_read_under_its_new_key() {
        let folded = fold(
            &[
                change(1, Happened::Updated, "a", None),
                change(2, Happened::Renamed, "b", Some("a")),
                change(3, Happened::Inserted, "a", None),
                change(4, Happened::Renamed, "c", Some("b")),
            ],
            10,
        );
        assert_eq!(folded.moved, [renamed("a", "b", 2), renamed("b", "c", 4)]);
        assert_eq!(names(folded), ["a", "c"]);
    }

    fn renamed(old: &str, new: &str, seq: i64) -> Moved {
        Moved::Renamed { old: old.into(), new: new.into(), seq }
    }

    #[test]
    fn a_deletion_is_told_before_another_row_takes_the_key() {
        let deleted = |key: &str, seq| Moved::Deleted { key: key.into(), seq };
        let folded = fold(
            &[
                change(1, Happened::Deleted, "5", None),
                change(2, Happened::Renamed, "5", Some("7")),
                change(3, Happened::Deleted, "5", None),
                change(4, Happened::Renamed, "5", Some("8")),
            ],
            10,
        );
        let expected =
            [deleted("5", 1), renamed("7", "5", 2), deleted("5", 3), renamed("8", "5", 4)];
        assert_eq!(folded.moved, expected);
        assert_eq!(names(folded), ["5"]);
    }

    #[test]
    fn it_stops_at_the_limit_and_before_a_truncation() {
        let changes = [
            change(1, Happened::Updated, "a", None),
            change(2, Happened::Deleted, "b", None),
            change(3, Happened::Updated, "c", None),
        ];
        assert_eq!(fold(&changes, 2).covered, 2);
        let truncated = Change { key: None, ..change(2, Happened::Truncated, "", None) };
        let changes = [changes[0].clone(), truncated, changes[2].clone()];
        assert_eq!(fold(&changes, 9).covered, 1);
        assert_eq!(fold(&changes[1..], 9).covered, 0);
    }
}
