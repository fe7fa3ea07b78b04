//! What a failure means and what to do about it: one exhaustive function (correctness, 4.8).

use crate::intent::{Intent, IntentState, Op};
use crate::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// The class of a failure; connectors classify, this file decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Passing: network, 5xx, lock not obtained, deadlock.
    Transient,
    /// Too many calls; the whole side waits.
    Throttled,
    /// Signed out, or sign-in refused; the whole side waits.
    Auth,
    /// The version check failed: the record moved on.
    Stale,
    /// The side's rules refuse the values.
    Validation,
    /// Another record holds a unique value.
    Uniqueness,
    /// The record is not there any more.
    Gone,
    /// A record that this one refers to is missing.
    Dependency,
    /// Not allowed, or a column isn't there.
    Permission,
    /// A deletion that dependants forbid (row R39).
    Restricted,
    /// Sent, and nobody knows whether it landed.
    UnknownOutcome,
    /// The side can't be reached at all; nothing was sent.
    Unreachable,
    /// The answer makes no sense, or handling it broke.
    Poison,
}

/// A failure as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its class.
    pub class: FailureClass,
    /// The side's own code, such as `DUPLICATE_VALUE` or SQLSTATE `23505`.
    pub code: String,
    /// The side's own sentence. May hold values of the record: stored, never logged.
    pub message: String,
    /// The columns it names.
    pub columns: Vec<String>,
    /// How long the side asked to wait, in microseconds.
    pub retry_after_us: Option<i64>,
}

/// The shortest wait before another try.
pub const BACKOFF_MIN_US: i64 = Stamp::SECOND;
/// The longest wait before another try.
pub const BACKOFF_MAX_US: i64 = 3_600 * Stamp::SECOND;
/// A call that met passing failures for this long, one after another, is left to a person.
pub const AGE_MAX_US: i64 = 24 * 3_600 * Stamp::SECOND;
/// Answers that make no sense, until the call is left to a person.
pub const POISON_TRIES: u32 = 5;
/// Writes refused as stale, one after another, that are planned again at once (correctness, 4.6).
pub const STALE_AT_ONCE: u32 = 5;
/// Tries after which two records are taken to wait for each other's unique value (P7).
pub const EXCHANGE_TRIES: u32 = 3;
/// The code of a create that waits for a parent's record in vain (P4). It is incomplete: only a new
/// decision may plan it.
pub const PARENT_MISSING: &str = "parent_missing";
/// How long a side that was not asked to wait longer is left alone.
const PAUSE_US: i64 = 10 * Stamp::SECOND;

/// What was tried so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Tries, the failed one included.
    pub attempts: u32,
    /// How long ago the first of the failures in a row was met, in microseconds. Time that the
    /// connection was paused before counts for nothing.
    pub age_us: i64,
    /// A random fraction, `u32::MAX` standing for one: full jitter is a share of the backoff.
    pub jitter: u32,
}

impl Tried {
    /// What was tried of an intent that has been failing since then. The fraction comes from its
    /// id, which nobody chose: the same facts give the same due time, and intents that failed
    /// together come back apart.
    #[must_use]
    pub fn of(intent: &Intent, since: Stamp, now: Stamp) -> Tried {
        let bytes = intent.id.0.as_bytes();
        let turn = (intent.attempts as usize % 3) * 4;
        let jitter = [bytes[turn], bytes[turn + 1], bytes[turn + 2], bytes[turn + 3]];
        Tried {
            attempts: intent.attempts,
            age_us: now.0.saturating_sub(since.0),
            jitter: u32::from_be_bytes(jitter),
        }
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Try the same call again after this many microseconds.
    Retry {
        /// The wait.
        after_us: i64,
    },
    /// The whole connection waits; the call waits with it and no try is counted.
    Pause {
        /// The wait.
        after_us: i64,
    },
    /// Read the record and decide again.
    ReRead,
    /// Read who holds the unique value and match again (row M8).
    ReadHolder,
    /// Leave it to a person until an input changes.
    Park,
    /// A conflict: a person decides (row R39).
    Conflict,
    /// Find out by reading whether it landed (W5).
    Recover,
}

impl Failure {
    /// The same without the side's sentence, which may hold values of the record: attempts are
    /// kept long and keep names, sizes, codes and ids only.
    #[must_use]
    pub fn without_message(self) -> Failure {
        Failure { message: String::new(), ..self }
    }

    /// Whether it tells of a create that is incomplete until a parent's record comes (P4).
    #[must_use]
    pub fn is_missing_parent(&self) -> bool {
        self.class == FailureClass::Dependency && self.code == PARENT_MISSING
    }
}

/// What follows from a failure of a call (correctness, 4.8).
#[must_use]
pub fn treatment(failure: &Failure, op: Op, tried: Tried) -> Treatment {
    match failure.class {
        FailureClass::Transient => retry_or_park(tried),
        FailureClass::Throttled | FailureClass::Auth | FailureClass::Unreachable => {
            Treatment::Pause { after_us: pause_us(failure, tried) }
        }
        FailureClass::Stale => Treatment::ReRead,
        FailureClass::Validation | FailureClass::Dependency | FailureClass::Permission => {
            Treatment::Park
        }
        FailureClass::Uniqueness => uniqueness(op, tried),
        FailureClass::Gone if op.writes() => Treatment::ReRead,
        FailureClass::Gone => Treatment::Park,
        FailureClass::Restricted => Treatment::Conflict,
        FailureClass::UnknownOutcome if op.writes() => Treatment::Recover,
        FailureClass::UnknownOutcome => retry_or_park(tried),
        FailureClass::Poison if tried.attempts >= POISON_TRIES => Treatment::Park,
        FailureClass::Poison => Treatment::Retry { after_us: backoff_us(tried) },
    }
}

/// A create finds another record in its way (M8). A changed record waits a little for the other one
/// to give the value up; then the value is exchanged in steps, or a person has to help (P7).
fn uniqueness(op: Op, tried: Tried) -> Treatment {
    match op {
        Op::Create => Treatment::ReadHolder,
        Op::Update | Op::Undelete if tried.attempts < EXCHANGE_TRIES => {
            Treatment::Retry { after_us: backoff_us(tried) }
        }
        Op::Update | Op::Delete | Op::Undelete | Op::Read | Op::Find => Treatment::Park,
    }
}

fn retry_or_park(tried: Tried) -> Treatment {
    if tried.age_us >= AGE_MAX_US {
        return Treatment::Park;
    }
    Treatment::Retry { after_us: backoff_us(tried) }
}

/// How long a write waits after so many of its record were refused as stale one after another: it
/// moves on so fast, or a program of its side changes it as we write, that trying at once only adds
/// load. The wait is that of passing failures, counted from the first refusal that isn't free.
#[must_use]
pub fn stale_wait_us(refused: u32, tried: Tried) -> i64 {
    match refused.saturating_sub(STALE_AT_ONCE) {
        0 => 0,
        attempts => backoff_us(Tried { attempts, ..tried }),
    }
}

fn pause_us(failure: &Failure, tried: Tried) -> i64 {
    let least = failure.retry_after_us.unwrap_or(PAUSE_US).clamp(0, BACKOFF_MAX_US);
    least.saturating_add(share(BACKOFF_MIN_US, tried.jitter))
}

/// Full jitter between one second and a limit that doubles with every try, up to an hour.
#[must_use]
pub fn backoff_us(tried: Tried) -> i64 {
    let doublings = tried.attempts.saturating_sub(1).min(12);
    let limit = (BACKOFF_MIN_US << doublings).min(BACKOFF_MAX_US);
    share(limit, tried.jitter).max(BACKOFF_MIN_US)
}

fn share(of: i64, jitter: u32) -> i64 {
    let part = i128::from(of) * i128::from(jitter) / i128::from(u32::MAX);
    i64::try_from(part).unwrap_or(of)
}

/// What a person can do about a failed call in this state, in a few sentences without values.
#[must_use]
pub fn advice(failure: &Failure, state: IntentState) -> String {
    match state {
        IntentState::Discarded => "It was given up by hand. It is tried again when one of its \
            inputs changes, or with `duet errors retry`."
            .to_owned(),
        IntentState::Parked => advice_if_parked(failure),
        IntentState::Planned
        | IntentState::Sent
        | IntentState::Unknown
        | IntentState::Confirmed
        | IntentState::NotLanded
        | IntentState::Superseded
        | IntentState::Refused => advice_by_class(failure),
    }
}

/// What failures that pass by themselves ask of a person when they didn't.
fn advice_if_parked(failure: &Failure) -> String {
    match failure.class {
        FailureClass::Transient | FailureClass::UnknownOutcome => {
            "It kept failing for a day and is not tried again by itself. Look at the other \
             system's health, then use `duet errors retry`."
                .to_owned()
        }
        FailureClass::Throttled
        | FailureClass::Auth
        | FailureClass::Stale
        | FailureClass::Validation
        | FailureClass::Uniqueness
        | FailureClass::Gone
        | FailureClass::Dependency
        | FailureClass::Permission
        | FailureClass::Restricted
        | FailureClass::Unreachable
        | FailureClass::Poison => advice_by_class(failure),
    }
}

fn advice_by_class(failure: &Failure) -> String {
    let columns = failure.columns.join(", ");
    let named = if columns.is_empty() { String::new() } else { format!(" ({columns})") };
    match failure.class {
        FailureClass::Transient => {
            "Nothing to do: it is tried again by itself. If it lasts, look at the other system's \
             health."
                .to_owned()
        }
        FailureClass::Throttled => {
            "Nothing to do: the connection waits as long as the other system asked. If it happens \
             often, raise that system's limit or lower the connection's."
                .to_owned()
        }
        FailureClass::Auth => {
            "Signing in was refused. Check the connection's credentials and that its user is \
             active, then run `duet check`."
                .to_owned()
        }
        FailureClass::Stale => {
            "Nothing to do: the record had changed meanwhile; it is read and decided again."
                .to_owned()
        }
        FailureClass::Validation => format!(
            "The other system's rules refuse the values{named}. Correct the record at its source, \
             or the rule; the changed record goes through by itself."
        ),
        FailureClass::Uniqueness => format!(
            "Another record already holds a value that must be unique{named}. Give one of them \
             another value, or merge the two; then use `duet errors retry`."
        ),
        FailureClass::Gone => {
            "The record is not there any more. If that is right, do nothing; else restore it there."
                .to_owned()
        }
        FailureClass::Dependency => format!(
            "A record that this one refers to is missing on the other side{named}. Let its flow \
             create it, or correct the reference; this one follows by itself."
        ),
        FailureClass::Permission => format!(
            "The connection's user may not do this, or a column is missing{named}. Grant the right \
             or correct the mapping, run `duet check`, then `duet errors retry`."
        ),
        FailureClass::Restricted => {
            "Other records depend on this one, so it can't be deleted. Decide the conflict: remove \
             the dependants, or keep the record."
                .to_owned()
        }
        FailureClass::UnknownOutcome => {
            "Nothing to do: the record is read to find out whether the call took effect.".to_owned()
        }
        FailureClass::Unreachable => {
            "The other system can't be reached; nothing was sent and nothing is lost. Check the \
             address and the network; it goes on by itself."
                .to_owned()
        }
        FailureClass::Poison => {
            "The answer made no sense. Look at it with `duet errors show`; if the other system was \
             changed, run `duet check`, then `duet errors retry`."
                .to_owned()
        }
    }
}
