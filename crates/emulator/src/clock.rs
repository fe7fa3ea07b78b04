//! The emulator's clock: the one place that asks the machine for the time.

/// Milliseconds since 1970, now.
#[expect(clippy::disallowed_methods, reason = "the emulator is a server of its own, not a part")]
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Stamps have a grain of one second: the milliseconds are always zero.
pub(crate) fn whole_second(at_ms: i64) -> i64 {
    at_ms.div_euclid(1000) * 1000
}
