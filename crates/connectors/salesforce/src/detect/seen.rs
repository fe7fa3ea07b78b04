//! What a detector has given out: id, stamp and a digest of the content. Bounded; what was
//! forgotten is given out again, which is harmless.

use duet_core::id::RecordId;
use duet_core::image;
use duet_core::observation::{Observation, Presence};
use duet_core::stamp::Stamp;
use duet_ports::connector::Record;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};

/// Some 50 MB at most; ten minutes of the fastest load that a poll can follow.
const RECORDS_MAX: usize = 200_000;

/// As long after its stamp a record may still change under it: stamps have whole seconds.
const FRESH_US: i64 = 2 * Stamp::SECOND;

type Content = [u8; 16];

/// What was given out of a record.
struct Given {
    stamp: Stamp,
    /// What the row held.
    held: Content,
    /// The same with its presence in the flow's filter.
    shown: Content,
    /// Read while it could still change under its stamp.
    fresh: bool,
}

impl Given {
    fn new(one: &Record) -> Given {
        let seen = &one.observation;
        let (stamp, held) = (stamp(one), held(seen));
        let fresh = seen.read_at < stamp.plus(FRESH_US);
        Given { stamp, held, shown: digest(&held, &format!("{:?}", seen.presence)), fresh }
    }
}

/// The newest that was given out of each record.
#[derive(Default)]
pub(super) struct Seen {
    by_id: HashMap<RecordId, Given>,
    by_stamp: BTreeSet<(Stamp, RecordId)>,
    /// Not read again yet after ten minutes.
    unsettled: BTreeSet<(Stamp, RecordId)>,
}

impl Seen {
    /// Whether this stamp of the record was given out.
    pub(super) fn knows(&self, id: &RecordId, stamp: Stamp) -> bool {
        self.by_id.get(id).is_some_and(|given| given.stamp == stamp)
    }

    /// Of rows just read those for which the flow's filter must be asked: new ones, and those whose
    /// other columns may have changed under the stamp.
    pub(super) fn suspects(&self, records: Vec<Record>) -> Vec<Record> {
        let suspect = |one: &Record| {
            self.by_id.get(&one.record).is_none_or(|given| {
                given.fresh || (given.stamp, given.held) != (stamp(one), held(&one.observation))
            })
        };
        records.into_iter().filter(suspect).collect()
    }

    /// Of these records those that are new, in their order by stamp.
    pub(super) fn news(&mut self, records: Vec<Record>) -> Vec<Record> {
        let mut news = Vec::new();
        for one in records {
            let now = Given::new(&one);
            match self.by_id.get_mut(&one.record) {
                Some(old) if (old.stamp, old.shown) == (now.stamp, now.shown) => {
                    old.fresh &= now.fresh;
                }
                Some(_) | None => news.push(one),
            }
        }
        news.sort_by_key(stamp);
        news
    }

    /// These are given out.
    pub(super) fn note(&mut self, news: Vec<Record>) -> Vec<Record> {
        for one in &news {
            self.remember(one);
        }
        while self.by_id.len() > RECORDS_MAX {
            self.forget_oldest();
        }
        news
    }

    fn remember(&mut self, one: &Record) {
        let (id, now) = (&one.record, Given::new(one));
        let stamp = now.stamp;
        let before = self.by_id.insert(id.clone(), now);
        if let Some(old) = before.filter(|old| old.stamp != stamp) {
            self.by_stamp.remove(&(old.stamp, id.clone()));
            self.unsettled.remove(&(old.stamp, id.clone()));
        }
        self.by_stamp.insert((stamp, id.clone()));
        self.unsettled.insert((stamp, id.clone()));
    }

    /// Changes up to a stamp that weren't read again yet, at most `limit`.
    pub(super) fn unsettled(&self, up_to: Stamp, limit: usize) -> Vec<(Stamp, RecordId)> {
        let old = self.unsettled.iter().take_while(|(stamp, _)| *stamp <= up_to);
        old.take(limit).cloned().collect()
    }

    /// These were read again.
    pub(super) fn settle(&mut self, changes: &[(Stamp, RecordId)]) {
        for change in changes {
            self.unsettled.remove(change);
        }
    }

    /// Forgets what no look reaches any more, but not what is still to be read again.
    pub(super) fn forget_before(&mut self, stamp: Stamp) {
        let first = |set: &BTreeSet<(Stamp, RecordId)>| set.first().map(|(at, _)| *at);
        while first(&self.by_stamp).is_some_and(|at| at < stamp)
            && first(&self.unsettled) != first(&self.by_stamp)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.by_stamp.pop_first() {
            self.unsettled.remove(&oldest);
            self.by_id.remove(&oldest.1);
        }
    }
}

fn stamp(one: &Record) -> Stamp {
    one.observation.changed_at.unwrap_or_default()
}

/// What the side holds of the record: values, marker, whether and how it is deleted.
fn held(observation: &Observation) -> Content {
    let deleted = match &observation.presence {
        Presence::Deleted(deletion) => Some(deletion),
        Presence::Present | Presence::OutOfScope(_) | Presence::Unknown => None,
    };
    let rest = format!("{deleted:?}{:?}", observation.marker);
    digest(image::digest(&observation.image).as_bytes(), &rest)
}

fn digest(first: &[u8], second: &str) -> Content {
    let mut hasher = Sha256::new();
    hasher.update(first);
    hasher.update(second);
    let digest = hasher.finalize();
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::id::Column;
    use duet_core::observation::Absence;
    use duet_core::value::Value;

    fn record(id: &str, at: i64, name: &str) -> Record {
        let image = [(Column::from("Name"), Value::text(name))].into();
        let changed_at = Some(Stamp(at));
        let observation = Observation { image, changed_at, ..Observation::default() };
        Record { record: RecordId::from(id), observation }
    }

    fn give_out(seen: &mut Seen, records: Vec<Record>) -> usize {
        let news = seen.news(records);
        seen.note(news).len()
    }

    #[test]
    fn the_same_is_given_out_once_and_another_content_again() {
        let mut seen = Seen::default();
        assert_eq!(give_out(&mut seen, vec![record("1", 5, "a")]), 1);
        assert_eq!(give_out(&mut seen, vec![record("1", 5, "a")]), 0);
        assert_eq!(give_out(&mut seen, vec![record("1", 5, "b")]), 1, "same second, other values");
        assert_eq!(give_out(&mut seen, vec![record("1", 6, "b")]), 1, "other stamp");
        assert!(seen.knows(&RecordId::from("1"), Stamp(6)));
        assert!(!seen.knows(&RecordId::from("1"), Stamp(5)));
    }

    #[test]
    fn the_filter_is_asked_for_what_is_new_or_was_read_too_early() {
        let mut seen = Seen::default();
        give_out(&mut seen, vec![record("1", 5, "a")]);
        assert_eq!(seen.suspects(vec![record("1", 5, "a")]).len(), 1, "read within its second");
        let mut later = record("1", 5, "a");
        later.observation.read_at = Stamp(5).plus(FRESH_US);
        assert_eq!(give_out(&mut seen, vec![later.clone()]), 0);
        assert_eq!(seen.suspects(vec![later.clone()]).len(), 0);
        assert_eq!(seen.suspects(vec![record("1", 5, "b")]).len(), 1);
        later.observation.presence = Presence::OutOfScope(Absence::Filter);
        assert_eq!(give_out(&mut seen, vec![later]), 1, "left the filter");
    }

    #[test]
    fn changes_are_read_again_once() {
        let mut seen = Seen::default();
        give_out(&mut seen, vec![record("1", 5, "a"), record("2", 7, "a")]);
        let due = seen.unsettled(Stamp(6), 10);
        assert_eq!(due, [(Stamp(5), RecordId::from("1"))]);
        seen.settle(&due);
        assert!(seen.unsettled(Stamp(6), 10).is_empty());
        assert_eq!(seen.unsettled(Stamp(9), 10).len(), 1);
    }

    #[test]
    fn what_is_old_and_read_again_is_forgotten() {
        let mut seen = Seen::default();
        give_out(&mut seen, vec![record("1", 5, "a"), record("2", 7, "a")]);
        seen.forget_before(Stamp(100));
        assert!(seen.knows(&RecordId::from("1"), Stamp(5)), "still to be read again");
        seen.settle(&seen.unsettled(Stamp(100), 10));
        seen.forget_before(Stamp(6));
        assert!(!seen.knows(&RecordId::from("1"), Stamp(5)));
        assert!(seen.knows(&RecordId::from("2"), Stamp(7)));
    }

    #[test]
    fn order_is_by_stamp() {
        let fresh = Seen::default().news(vec![record("2", 7, "a"), record("1", 5, "a")]);
        assert_eq!(fresh[0].record, RecordId::from("1"));
    }
}
