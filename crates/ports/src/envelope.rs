//! What travels on the hub: one versioned envelope with a kind. `schema/envelope.v1.json` is the
//! same contract for other programs. Core types may change while messages are in flight; this may not.

mod reading;

use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::observation::Observation;
use duet_core::side::Side;
use serde::{Deserialize, Serialize};

/// The newest envelope version this build writes and the only one it reads.
pub const ENVELOPE_VERSION: u32 = 1;

/// One message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The version of this form.
    pub v: u32,
    /// Its place in its source's numbering; none on wake-ups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Numbered>,
    /// What it carries.
    pub body: Body,
}

impl Envelope {
    /// A message of this version without a number: a wake-up.
    #[must_use]
    pub fn unnumbered(body: Body) -> Envelope {
        Envelope { v: ENVELOPE_VERSION, number: None, body }
    }
}

/// Where a message stands in the numbering of its source (design, 2.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Numbered {
    /// The source: `flow/side`.
    pub source: String,
    /// The fencing token of the detector's lease.
    pub token: i64,
    /// One message, never used twice under a token.
    pub number: i64,
}

impl Numbered {
    /// What failures of the message are counted under ([`crate::store::Store::count_poison`]).
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.source, self.token, self.number)
    }
}

/// The kinds of messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Changes of one partition, each decoded by itself: one that can't be becomes a dead letter
    /// and the rest goes on ([`ChangeV1`] as JSON).
    Changes {
        /// The changes, undecoded.
        changes: Vec<Box<serde_json::value::RawValue>>,
    },
    /// Links to look at again.
    WakeLinks {
        /// The links.
        links: Vec<LinkId>,
    },
    /// A connection has intents to send.
    WakeIntents {
        /// The connection.
        connection: String,
    },
    /// Something of the retry queue is due.
    WakeRetry,
}

impl Body {
    /// The kind, as written in the message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Changes { .. } => "changes",
            Body::WakeLinks { .. } => "wake_links",
            Body::WakeIntents { .. } => "wake_intents",
            Body::WakeRetry => "wake_retry",
        }
    }
}

/// One change as it travels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangeV1 {
    /// The flow.
    pub flow: FlowName,
    /// The side it was seen on.
    pub side: Side,
    /// The record.
    pub record: RecordId,
    /// What happened.
    #[serde(flatten)]
    pub what: WhatV1,
}

/// What happened to a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhatV1 {
    /// It was seen.
    Seen(Box<Observation>),
    /// Its key changed; `record` is the new one.
    KeyChanged {
        /// The key before.
        old: RecordId,
        /// Its place among the versions of the side's records, where the source has one: every
        /// version seen under the new key from then on is at least this.
        #[serde(skip_serializing_if = "Option::is_none")]
        order: Option<i64>,
    },
    /// The source lost events about it: it must be read.
    Gap,
}
