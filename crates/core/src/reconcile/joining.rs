//! How two observations of one record on one side become one: by version, else by the time of the
//! read, so that the order in which they come in doesn't matter.
//!
//! Not here: what a joined observation means.

use crate::observation::{Observation, Presence, Version};
use crate::stamp::Stamp;
use std::cmp::Ordering;

/// An observation is fresh until this long after its own stamp: on a side that stamps whole seconds
/// another change may still hide under the same stamp (design, section 6).
const SETTLED_AFTER_US: i64 = 2 * Stamp::SECOND;

/// What came of joining.
pub(super) enum Joined {
    /// The joined observation.
    Into(Box<Observation>),
    /// Not joined: read before our own last write, whose version nobody has read yet.
    TooEarly,
}

/// How long after its read an observation stops being fresh; `None`: it isn't fresh.
pub(super) fn fresh_for(seen: &Observation, grain_us: i64) -> Option<i64> {
    if grain_us == 0 {
        return None;
    }
    let settled = seen.changed_at?.plus(SETTLED_AFTER_US);
    (seen.read_at < settled).then(|| settled.0.saturating_sub(seen.read_at.0))
}

pub(super) fn join(old: Option<&Observation>, new: &Observation, grain_us: i64) -> Joined {
    let Some(old) = old else { return Joined::Into(Box::new(new.clone())) };
    if old.unread_since.is_some_and(|since| new.read_at < since) {
        return Joined::TooEarly;
    }
    if old.unread_since.is_some() {
        let mut first = over(old, new);
        first.unread_since = new.unread_since;
        return Joined::Into(Box::new(first));
    }
    let joined = match order(old, new, grain_us) {
        Ordering::Less => over(old, new),
        Ordering::Greater => over(new, old),
        Ordering::Equal => twice(old, new, grain_us),
    };
    Joined::Into(Box::new(joined))
}

/// Whether `old` is earlier than `new`. Equal: one version, to be looked at more closely.
fn order(old: &Observation, new: &Observation, grain_us: i64) -> Ordering {
    match (&old.version, &new.version) {
        (Some(a), Some(b)) => versions(a, b).unwrap_or_else(|| by_read(old, new)),
        (None, _) | (_, None) => by_read(old, new),
    }
    .then_with(|| freshness(old, grain_us).cmp(&freshness(new, grain_us)))
}

/// How two versions compare; `None`: they can't be ordered.
fn versions(a: &Version, b: &Version) -> Option<Ordering> {
    match (a.order, b.order) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (None, _) | (_, None) => (a.token == b.token).then_some(Ordering::Equal),
    }
}

/// By the time of the read; two at one time by what they say, so that any order gives the same.
fn by_read(old: &Observation, new: &Observation) -> Ordering {
    old.read_at.cmp(&new.read_at).then_with(|| old.presence.cmp(&new.presence))
}

/// Of two observations of one version the one that isn't fresh counts.
fn freshness(seen: &Observation, grain_us: i64) -> bool {
    fresh_for(seen, grain_us).is_none()
}

/// Two observations of one version, equally fresh: the later read counts; two fresh ones that
/// differ leave it open until another read.
fn twice(old: &Observation, new: &Observation, grain_us: i64) -> Observation {
    let later = by_read(old, new).then_with(|| old.image.cmp(&new.image));
    let mut joined = if later == Ordering::Greater { over(new, old) } else { over(old, new) };
    let fresh = fresh_for(old, grain_us).is_some() && fresh_for(new, grain_us).is_some();
    joined.uncertain = fresh && (old.uncertain || new.uncertain || differ(old, new));
    joined.marker = joined.marker.or(old.marker).or(new.marker);
    joined.key = joined.key.or(old.key).or(new.key);
    joined
}

fn differ(a: &Observation, b: &Observation) -> bool {
    let shared = a.image.iter().filter_map(|(column, value)| Some((value, b.image.get(column)?)));
    a.presence != b.presence || shared.into_iter().any(|(one, other)| one != other)
}

/// `newer` over `older`: a partial image never erases what it doesn't name, and a record that is
/// gone keeps the values last seen.
fn over(older: &Observation, newer: &Observation) -> Observation {
    let mut joined = newer.clone();
    joined.unread_since = newer.unread_since;
    // Both mostly have the same columns, in the same order.
    for (at, (column, value)) in older.image.iter().enumerate() {
        if joined.image.find(column, at).is_none() {
            joined.image.insert(column.clone(), value.clone());
        }
    }
    for (column, at) in &older.column_stamps {
        let same = joined.image.get(column) == older.image.get(column);
        if same {
            joined.column_stamps.entry(column.clone()).or_insert(*at);
        }
    }
    if newer.presence == Presence::Unknown {
        joined.version = older.version.clone();
        joined.changed_at = older.changed_at;
        joined.marker = older.marker;
        joined.key = older.key;
    }
    joined
}
