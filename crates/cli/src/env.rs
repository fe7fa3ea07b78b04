//! Every environment variable that duet reads, in one file. Configuration refers to further ones
//! as `${NAME}`; those are read through here too.

use std::time::Duration;

/// Reads a variable; one that isn't valid Unicode counts as absent.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(crate) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Who is at the keyboard, for decisions.
pub(crate) fn user() -> Option<String> {
    read("DUET_USER").or_else(|| read("USER")).filter(|name| !name.is_empty())
}

/// What to log, in the words of tracing's filter (`DUET_LOG=duet_hub=debug`).
pub(crate) fn log() -> Option<String> {
    read("DUET_LOG")
}

/// Whether colour is unwelcome.
pub(crate) fn no_color() -> bool {
    read("NO_COLOR").is_some_and(|value| !value.is_empty()) || dumb()
}

/// Whether the terminal knows nothing but lines of text.
pub(crate) fn dumb() -> bool {
    read("TERM").is_some_and(|term| term == "dumb")
}

/// Whether colour is wanted though nobody looks at a terminal (`CLICOLOR_FORCE`).
pub(crate) fn force_color() -> bool {
    read("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Whether nothing may be redrawn (screen readers).
pub(crate) fn accessible() -> bool {
    ["DUET_ACCESSIBLE", "ACCESSIBLE"]
        .into_iter()
        .any(|name| read(name).is_some_and(|value| !value.is_empty() && value != "0"))
}

/// Between two plain lines of progress; for tests that can't wait half a minute.
pub(crate) fn progress() -> Option<Duration> {
    read("DUET_PROGRESS_MS")?.parse().ok().map(Duration::from_millis)
}

/// Milliseconds between looks of the sweep; for tests that can't wait a second.
pub(crate) fn sweep_ms() -> Option<u64> {
    read("DUET_SWEEP_MS")?.parse().ok()
}

/// Seconds until an unsettled message is sent again; for tests that can't wait five minutes.
pub(crate) fn resend_after_s() -> Option<u64> {
    read("DUET_RESEND_AFTER_S")?.parse().ok()
}

/// Seconds that a lease lasts; for tests that can't wait half a minute after a kill.
pub(crate) fn lease_s() -> Option<u64> {
    read("DUET_LEASE_S")?.parse().ok()
}
