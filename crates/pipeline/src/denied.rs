//! Refusals for lack of a right: each call is parked for itself, because rights differ from record to
//! record and a parked record never blocks another. People are told once, not once a record.

use duet_core::id::FlowName;
use duet_core::intent::IntentState;
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_core::verdict::{Effect, Verdict};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How long one alert stands for all that follow of the same kind.
const QUIET_US: i64 = 3_600 * Stamp::SECOND;

/// What was refused: the flow, and the side's code.
pub(crate) type Denied = (FlowName, String);

/// When which kind of refusal was last told of.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<BTreeMap<Denied, Stamp>>);

impl Denials {
    /// Tells of refusals that nobody was told of within an hour. How many it told of.
    pub(crate) fn tell<'a>(&self, denied: impl Iterator<Item = &'a Denied>, now: Stamp) -> usize {
        let mut told = 0;
        for one in denied.filter(|one| self.is_news(one, now)) {
            tracing::error!(flow = %one.0, code = one.1,
                "calls are refused for lack of a right, and parked: `duet check` tells which \
                 right, `duet errors list` which records, `duet errors retry --all` tries again");
            told += 1;
        }
        told
    }

    fn is_news(&self, denied: &Denied, now: Stamp) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = last.get(denied).is_some_and(|at| now < at.plus(QUIET_US));
        if !quiet {
            last.insert(denied.clone(), now);
        }
        !quiet
    }
}

/// What a verdict parked for lack of a right.
pub(crate) fn denied(verdict: &Verdict) -> impl Iterator<Item = Denied> {
    verdict.effects.iter().filter_map(|effect| match effect {
        Effect::Settle { state: IntentState::Parked, failure: Some(failure), .. }
            if failure.class == FailureClass::Permission =>
        {
            Some((verdict.link.flow.clone(), failure.code.clone()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_of_refusal_is_told_once_an_hour() {
        let denials = Denials::default();
        let kind = |flow: &str, code: &str| (FlowName::from(flow), code.to_owned());
        let (a, b) = (kind("orders", "42501"), kind("orders", "42703"));
        let tell = |all: &[&Denied], now| denials.tell(all.iter().copied(), Stamp(now));
        assert_eq!(tell(&[&a, &a, &b], 0), 2);
        assert_eq!(tell(&[&a, &b, &kind("lines", "42501")], QUIET_US - 1), 1);
        assert_eq!(tell(&[&a, &b], QUIET_US), 2);
    }
}
