//! What was asked, so that a test can say "no call that writes".

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::{
    call::{Call, Method},
    state::{Writes, is_data},
};

/// Entries kept; counters go on without them.
const ENTRIES_MAX: usize = 2_000;
/// Requests kept with what they sent, when that is asked for: some minutes of a busy client.
const KEPT_MAX: usize = 20_000;

struct Entry {
    method: &'static str,
    kind: String,
    status: u16,
    writes: bool,
    records: u64,
}

/// A request with what it sent. Faults don't matter here: a request that was cut off before it was
/// carried out is kept like any other.
struct Kept {
    method: &'static str,
    kind: String,
    status: u16,
    query: Vec<(String, String)>,
    body: Value,
}

/// Which requests are kept with what they send.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Keeps {
    #[default]
    Nothing,
    /// What may write.
    Writes,
    /// What reads, too.
    Everything,
}

/// Counters since the mark, and the last requests.
#[derive(Default)]
pub(crate) struct Journal {
    keeps: Keeps,
    kept: Vec<Kept>,
    requests: u64,
    writing_calls: u64,
    records_written: u64,
    by_kind: BTreeMap<String, u64>,
    last: VecDeque<Entry>,
}

impl Journal {
    /// Notes a request; status 0 is one that was not answered.
    pub(crate) fn note(&mut self, call: &Call, status: u16, writes: Writes) {
        let (method, kind) = (call.method.name(), kind(call));
        self.keep(call, status);
        self.requests += 1;
        self.writing_calls += u64::from(writes.asked);
        self.records_written += writes.records;
        *self.by_kind.entry(format!("{method} {kind}")).or_default() += 1;
        self.last.push_back(Entry {
            method,
            kind,
            status,
            writes: writes.asked,
            records: writes.records,
        });
        if self.last.len() > ENTRIES_MAX {
            self.last.pop_front();
        }
    }

    fn keep(&mut self, call: &Call, status: u16) {
        let may_write = matches!(call.method, Method::Post | Method::Patch | Method::Delete);
        let wanted = match self.keeps {
            Keeps::Nothing => false,
            Keeps::Writes => may_write,
            Keeps::Everything => may_write || call.method == Method::Get,
        };
        if !wanted || !is_data(call) || self.kept.len() == KEPT_MAX {
            return;
        }
        self.kept.push(Kept {
            method: call.method.name(),
            kind: kind(call),
            status,
            query: call.query.clone(),
            body: serde_json::from_slice(&call.body).unwrap_or_default(),
        });
    }

    /// Starts counting anew; from here, these requests are kept with what they send.
    pub(crate) fn mark(&mut self, keeps: Keeps) {
        *self = Self { keeps, ..Self::default() };
    }

    /// The requests that were kept, oldest first.
    pub(crate) fn kept(&self) -> Value {
        let kept = self.kept.iter().map(|one| {
            json!({
                "method": one.method, "kind": one.kind, "status": one.status,
                "query": one.query, "body": one.body,
            })
        });
        let whole = self.kept.len() < KEPT_MAX;
        json!({ "whole": whole, "kept": kept.collect::<Vec<_>>() })
    }

    pub(crate) fn report(&self) -> Value {
        let last = self.last.iter().map(|entry| {
            json!({
                "method": entry.method, "kind": entry.kind, "status": entry.status,
                "writes": entry.writes, "records": entry.records,
            })
        });
        json!({
            "requests": self.requests, "writing_calls": self.writing_calls,
            "records_written": self.records_written, "by_kind": self.by_kind,
            "last": last.collect::<Vec<_>>(),
        })
    }
}

/// The path without version, ids and values.
fn kind(call: &Call) -> String {
    match call.parts().as_slice() {
        [
            "services",
            "data",
            _,
            "sobjects",
            object,
            which @ ("describe" | "updated" | "deleted"),
        ] => {
            format!("sobjects/{object}/{which}")
        }
        ["services", "data", _, "sobjects", object] => format!("sobjects/{object}"),
        ["services", "data", _, "sobjects", object, _] => format!("sobjects/{object}/row"),
        ["services", "data", _, "sobjects", object, field, ..] => {
            format!("sobjects/{object}/{field}")
        }
        ["services", "data", _, "query" | "queryAll", _] => "query/next".to_owned(),
        ["services", "data", _, rest @ ..] => {
            rest.iter().take(2).copied().collect::<Vec<_>>().join("/")
        }
        ["services", rest @ ..] => rest.iter().take(2).copied().collect::<Vec<_>>().join("/"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}
