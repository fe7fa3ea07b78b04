//! When a field was changed: an interval, because stamps have a grain and clocks are off (3.4).
//!
//! Not here: what a later change is good for (`reconcile::strategy`).

use crate::observation::Observation;
use crate::side::Side;
use crate::spec::{FieldSpec, FlowSpec};
use crate::stamp::Stamp;

/// A change happened at or after `.0` and at or before `.1`.
pub type Interval = (Stamp, Stamp);

/// Nothing is known of the time of a change: it overlaps every other.
pub const UNKNOWN: Interval = (Stamp(i64::MIN), Stamp(i64::MAX));

/// What a stamp may be ahead of the batch's instant besides the known skew, before it counts as
/// unknown: a clock that far ahead would win every comparison.
const AHEAD_US: i64 = 2 * Stamp::SECOND;

/// When a field was changed on a side. `since` is the side's stamp at the last agreement; without
/// one (the first meeting) the record's stamp stands for all its fields.
#[must_use]
pub fn changed(
    spec: &FlowSpec,
    field: &FieldSpec,
    side: Side,
    seen: &Observation,
    since: Option<Stamp>,
    now: Stamp,
) -> Interval {
    let promise = &spec.ends.get(side).promise;
    // A stamp may be cut or rounded to its grain: nobody says which.
    let margin = promise.skew_us.saturating_add(promise.grain_us);
    let Some(at) = listed(field, side, seen).or(seen.changed_at) else { return UNKNOWN };
    if at > now.plus(promise.skew_us.saturating_add(AHEAD_US)) {
        return UNKNOWN;
    }
    let from = match listed(field, side, seen) {
        Some(point) => point,
        None => since.filter(|since| *since < at).unwrap_or(at),
    };
    (from.plus(-margin), at.plus(margin))
}

/// The latest stamp that the side lists for one of the field's columns.
fn listed(field: &FieldSpec, side: Side, seen: &Observation) -> Option<Stamp> {
    let columns = field.columns.get(side);
    columns.iter().filter_map(|column| seen.column_stamps.get(column)).max().copied()
}

/// Whether every instant of `a` is after every instant of `b`.
#[must_use]
pub fn after(a: Interval, b: Interval) -> bool {
    a.0 > b.1
}
