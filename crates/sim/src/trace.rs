//! What happened, in order: always as a hash, by which two runs are compared, and as lines where
//! somebody wants to read them.

use std::fmt::{Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// FNV-1a: no secret depends on it, and it needs no state but a number.
const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0100_0000_01B3;

/// The account of one run.
#[derive(Debug)]
pub(crate) struct Trace(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    hash: u64,
    line: String,
    /// Kept only if asked for: a long run says a lot.
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace; with `lines` it keeps what it was told.
    #[must_use]
    pub(crate) fn new(lines: bool) -> Trace {
        let lines = lines.then(Vec::new);
        Trace(Mutex::new(Inner { hash: BASIS, line: String::new(), lines }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What was noted before a panic stands.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happened at a virtual time.
    pub(crate) fn note(&self, at: i64, what: impl Display) {
        let mut inner = self.inner();
        let mut line = std::mem::take(&mut inner.line);
        line.clear();
        write!(line, "{at:>12} {what}").expect("a text takes everything");
        for byte in line.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        if let Some(lines) = &mut inner.lines {
            lines.push(line.clone());
        }
        inner.line = line;
    }

    /// The hash of everything noted so far.
    #[must_use]
    pub(crate) fn hash(&self) -> u64 {
        self.inner().hash
    }

    /// The lines that were kept.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner().lines.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_order_time_and_words_apart() {
        let hash = |notes: &[(i64, &str)]| {
            let trace = Trace::new(false);
            notes.iter().for_each(|(at, what)| trace.note(*at, what));
            assert!(trace.lines().is_empty(), "nobody asked for them");
            trace.hash()
        };
        let told = [(1, "a"), (2, "b")];
        assert_eq!(hash(&told), hash(&told));
        for other in [[(2, "b"), (1, "a")], [(1, "a"), (3, "b")], [(1, "a"), (2, "c")]] {
            assert_ne!(hash(&told), hash(&other));
        }
    }

    #[test]
    fn lines_are_kept_where_somebody_reads_them() {
        let trace = Trace::new(true);
        trace.note(7, "hello");
        assert_eq!(trace.lines(), ["           7 hello"]);
    }
}
