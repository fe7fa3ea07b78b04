//! Faults on purpose: what happens to a request before and after it is carried out.

use serde::{Deserialize, Serialize};

use super::call::{Answer, Body};
use crate::rules::Random;

const UNAVAILABLE: &str =
    "<html><head><title>Service Unavailable</title></head><body>503</body></html>";

/// What tests have switched on. Rates are from 0 to 1.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Switches {
    /// Every request waits this long before it is carried out.
    pub(crate) latency_ms: u64,
    /// So many requests are answered 503 without being carried out.
    pub(crate) unavailable_next: u32,
    pub(crate) unavailable_rate: f64,
    /// So many writing requests are carried out and not answered: the connection is cut.
    pub(crate) lost_next: u32,
    pub(crate) lost_rate: f64,
}

/// The faults, and their own random numbers.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) switches: Switches,
    /// Until then every connection is cut without an answer, and nothing is carried out.
    pub(crate) outage_until_ms: i64,
    random: Random,
}

/// What happens to a request before it is carried out.
pub(crate) enum Before {
    Go,
    Refuse(Answer),
    Cut,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Random(seed ^ 0x5EED);
        Self { switches: Switches::default(), outage_until_ms: 0, random }
    }

    pub(crate) fn clear(&mut self) {
        self.switches = Switches::default();
        self.outage_until_ms = 0;
    }

    pub(crate) fn before(&mut self, now_ms: i64) -> Before {
        if now_ms < self.outage_until_ms {
            return Before::Cut;
        }
        let next = took_one(&mut self.switches.unavailable_next);
        if next || self.random.hits(self.switches.unavailable_rate) {
            let body = Body::Html(UNAVAILABLE);
            return Before::Refuse(Answer { status: 503, headers: Vec::new(), body });
        }
        Before::Go
    }

    /// True if the answer of a writing request gets lost.
    pub(crate) fn loses(&mut self) -> bool {
        took_one(&mut self.switches.lost_next) || self.random.hits(self.switches.lost_rate)
    }
}

fn took_one(count: &mut u32) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}
