//! What can go wrong at the desk, with a sentence a person can act on.

use duet_core::id::{FieldName, FlowName};
use duet_core::stamp::Stamp;
use duet_ports::store::StoreError;

/// What a person typed, safe to print: control characters escaped, and not longer than a line.
fn shown(typed: &str) -> String {
    const WIDTH: usize = 60;
    let mut clear: String = typed.chars().take(WIDTH).flat_map(escaped).collect();
    if typed.chars().nth(WIDTH).is_some() {
        clear.push('\u{2026}');
    }
    clear
}

/// Also what turns the direction of writing, which would show another text than was typed.
fn escaped(one: char) -> Vec<char> {
    let turns =
        matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if one.is_control() || turns { one.escape_unicode().collect() } else { vec![one] }
}

/// An action at the desk failed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such flow.
    #[error("no flow named {} is configured; there are: {known}", shown(.flow.as_str()))]
    NoFlow {
        /// What was asked for.
        flow: FlowName,
        /// What there is.
        known: String,
    },
    /// The text doesn't name a record.
    #[error("\"{}\" names no record: write FLOW/KEY, such as customers/ALFKI", shown(.text))]
    NotARecord {
        /// The text.
        text: String,
    },
    /// No link has this record.
    #[error("{flow}/{}: duet has never seen this record", shown(.key))]
    NoRecord {
        /// The flow.
        flow: FlowName,
        /// The key.
        key: String,
    },
    /// No such field.
    #[error("flow {flow} has no field {}; there are: {known}", shown(.field))]
    NoField {
        /// The flow.
        flow: FlowName,
        /// What was asked for.
        field: String,
        /// What there is.
        known: String,
    },
    /// Nothing has an id that begins so.
    #[error("no {what} has an id that begins with \"{}\"", shown(.id))]
    NoSuch {
        /// What kind of thing.
        what: &'static str,
        /// The id or its beginning.
        id: String,
    },
    /// Several ids begin so.
    #[error("{count} {what}s have an id that begins with {id}: give more of it")]
    Several {
        /// What kind of thing.
        what: &'static str,
        /// The beginning.
        id: String,
        /// How many.
        count: usize,
    },
    /// The row moved on since the person looked (H5, H11).
    #[error("{what} {id} has changed since you looked: look again and decide again")]
    Stale {
        /// What kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Somebody decided otherwise before (H11).
    #[error("{what} {id} was decided by {} at {at}: {choice}. Nothing else is stored", shown(.by))]
    Decided {
        /// What kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
        /// Who.
        by: String,
        /// When.
        at: Stamp,
        /// What kind of choice, without values.
        choice: &'static str,
    },
    /// It is over already.
    #[error("{what} {id} is closed: there is nothing to decide")]
    Over {
        /// What kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A value that is kept back can't be discarded: nothing was sent.
    #[error(
        "{id} is a value that is kept back, not a call: there is nothing to discard. Correct the \
         record at its source, or the column or the flow and then `duet errors retry`"
    )]
    NotACall {
        /// Its id.
        id: String,
    },
    /// A typed value that one of the sides can't hold.
    #[error("the value can't become {field} on both sides: {why}")]
    Unfit {
        /// The field.
        field: FieldName,
        /// Side, column and reason, without the value.
        why: String,
    },
    /// A dead letter that names no record can't be decided again.
    #[error("{id} names no record, so nothing can be read again")]
    Nameless {
        /// Its id.
        id: String,
    },
    /// A dead letter is given up with a reason, which is kept.
    #[error("{id} is a dead letter: say with --reason why it is given up")]
    NoReason {
        /// Its id.
        id: String,
    },
    /// Only dead letters keep a reason.
    #[error("a reason is kept with a dead letter only, and none is named")]
    ReasonNotKept,
    /// The choice doesn't fit the kind of conflict, or the value the field.
    #[error("{choice} can't be chosen here: {why}")]
    BadChoice {
        /// What was chosen.
        choice: String,
        /// Why not, and what can be.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    //! Shows that what a person typed is repeated without harm.

    use super::*;

    #[test]
    fn typed_text_is_cut_and_paints_nothing() {
        assert_eq!(shown("ALFKI \u{e9}"), "ALFKI \u{e9}");
        assert_eq!(shown("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(shown("\u{202e}x"), "\\u{202e}x");
        assert_eq!(shown(&"k".repeat(10_000)), format!("{}\u{2026}", "k".repeat(60)));
    }

    #[test]
    fn a_record_that_is_not_known_is_named_shortly() {
        let error = DeskError::NoRecord { flow: "customers".into(), key: "k".repeat(10_000) };
        assert!(error.to_string().len() < 200, "{error}");
    }
}
