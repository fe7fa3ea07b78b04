//! Everything behind the one lock of the server, and what a request carries through it.

use serde_json::{Value, json};

use super::{call::Call, fault::Faults, journal::Journal, query::Cursors, session::Sessions};
use crate::{
    clock::now_ms,
    ids::Id,
    org::{Actor, Org},
    schema::{PERSON, USER},
};

/// The state of a running emulator.
pub(crate) struct State {
    pub(crate) org: Org,
    pub(crate) sessions: Sessions,
    pub(crate) faults: Faults,
    pub(crate) cursors: Cursors,
    pub(crate) journal: Journal,
    pub(crate) usage: Usage,
    pub(crate) started_ms: i64,
    pub(crate) writes: Writes,
}

/// Requests of the day. The day begins at the start, and anew when the limit is set.
pub(crate) struct Usage {
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

/// What the request under way wrote, or tried to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Writes {
    pub(crate) asked: bool,
    pub(crate) records: u64,
}

/// One request of a signed-in client.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) actor: Actor,
    /// Times ten: 600 is v60.0.
    pub(crate) version: u32,
    /// `/services/data/v60.0`.
    pub(crate) base: String,
}

impl State {
    pub(crate) fn new(org: Org, daily_limit: u64, seed: u64) -> Self {
        Self {
            org,
            sessions: Sessions::default(),
            faults: Faults::new(seed),
            cursors: Cursors::default(),
            journal: Journal::default(),
            usage: Usage { used: 0, limit: daily_limit },
            started_ms: now_ms(),
            writes: Writes::default(),
        }
    }

    /// The user of API clients, now.
    pub(crate) fn client(&self) -> Actor {
        let late_ms = self.org.rules.late_ms;
        Actor { user: builtin(USER), now_ms: now_ms(), person: false, late_ms }
    }

    /// The user who edits by hand, now.
    pub(crate) fn person(&self, late_ms: i64) -> Actor {
        Actor { user: builtin(PERSON), now_ms: now_ms(), person: true, late_ms }
    }

    /// Notes a writing operation and how many records it wrote.
    pub(crate) fn wrote(&mut self, records: usize) {
        self.writes.asked = true;
        self.writes.records += records as u64;
    }
}

impl Usage {
    pub(crate) fn header(&self) -> String {
        format!("api-usage={}/{}", self.used, self.limit)
    }

    /// The answer of `/limits`; the other limits are never reached here.
    pub(crate) fn report(&self) -> Value {
        let free = |max: u64| json!({ "Max": max, "Remaining": max });
        json!({
            "DailyApiRequests": {
                "Max": self.limit, "Remaining": self.limit.saturating_sub(self.used),
            },
            "DataStorageMB": free(1_024), "FileStorageMB": free(1_024),
            "DailyBulkApiBatches": free(15_000), "DailyBulkV2QueryJobs": free(10_000),
            "DailyBulkV2QueryFileStorageMB": free(976_562),
            "DailyAsyncApexExecutions": free(250_000), "DailyStreamingApiEvents": free(10_000),
            "DailyDurableStreamingApiEvents": free(10_000),
            "DailyGenericStreamingApiEvents": free(10_000),
            "HourlyPublishedPlatformEvents": free(250_000),
            "StreamingApiConcurrentClients": free(20),
            "DurableStreamingApiConcurrentClients": free(20),
            "ConcurrentAsyncGetReportInstances": free(200), "ConcurrentSyncReportRuns": free(20),
            "MassEmail": free(10), "SingleEmail": free(15), "HourlyTimeBasedWorkflow": free(50),
            "HourlyODataCallout": free(1_000),
        })
    }
}

/// `v60.0` is 600.
pub(crate) fn version_of(text: &str) -> Option<u32> {
    let (major, minor) = text.strip_prefix(['v', 'V'])?.split_once('.')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = plain(major) && plain(minor) && major.len() <= 3 && minor.len() == 1;
    let number = |text: &str| text.parse::<u32>().ok();
    well_formed.then(|| Some(number(major)? * 10 + number(minor)?)).flatten()
}

fn builtin(id: &str) -> Id {
    Id::parse(id).expect("built-in ids are well-formed")
}

/// True if the request is part of the API that counts.
pub(crate) fn is_data(call: &Call) -> bool {
    matches!(call.parts().as_slice(), ["services", "data", ..])
}
