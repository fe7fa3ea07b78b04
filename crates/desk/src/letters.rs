//! Dead letters: changes that could not be decided. A person has one decided again, which means that
//! its record is read again, or gives it up with a reason.

use crate::Desk;
use crate::error::DeskError;
use crate::errors::GivingUp;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{Accepted, DeadLetterRow, LetterChange, LetterState};
use serde::Serialize;

/// A dead letter as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dead {
    /// Its id: `L` and its number. No other id begins so.
    pub id: String,
    /// Its number.
    #[serde(skip)]
    pub number: i64,
    /// `FLOW/SIDE:KEY`, or what of that is known.
    pub record: String,
    /// Where it died.
    pub place: String,
    /// Why, without values.
    pub reason: String,
    /// What to do.
    pub advice: &'static str,
    /// Where it stands.
    pub state: LetterState,
    /// Since when.
    pub since: Stamp,
    /// Size of its body in bytes.
    pub bytes: u64,
    /// Who asked for it to be decided again, or gave it up.
    pub handled_by: Option<String>,
    /// In that person's words.
    pub note: Option<String>,
    /// When it was over.
    pub closed_at: Option<Stamp>,
}

const NAMED: &str = "Correct the record at its source: this is over by itself when the record is \
    seen again. `duet errors retry` reads it again now, `duet errors discard` gives it up, with a \
    reason.";
const NAMELESS: &str = "It names no record, so nothing can be read again. Find what sent it; then \
    `duet errors discard` gives it up, with a reason.";
const ASKED: &str = "Its record is read again by `duet run` or `duet sync --once`.";
const OVER: &str = "Nothing to do: it is over.";

impl From<DeadLetterRow> for Dead {
    fn from(row: DeadLetterRow) -> Dead {
        let advice = match (row.state, is_named(&row)) {
            (LetterState::Open, true) => NAMED,
            (LetterState::Open, false) => NAMELESS,
            (LetterState::Asked, _) => ASKED,
            (LetterState::Replayed | LetterState::Discarded | LetterState::Superseded, _) => OVER,
        };
        let flow = row.flow.as_ref().map_or("?", |flow| flow.as_str());
        let record = match (row.side, &row.record) {
            (Some(side), Some(record)) => format!("{flow}/{side}:{record}"),
            _ => flow.to_owned(),
        };
        Dead {
            id: id(row.id),
            number: row.id,
            record,
            place: row.place,
            reason: row.reason,
            advice,
            state: row.state,
            since: row.at,
            bytes: row.bytes,
            handled_by: row.handled_by,
            note: row.note,
            closed_at: row.closed_at,
        }
    }
}

fn is_named(row: &DeadLetterRow) -> bool {
    row.flow.is_some() && row.side.is_some() && row.record.is_some()
}

/// As people type it.
pub(crate) fn id(number: i64) -> String {
    format!("L{number}")
}

/// The number in what a person typed; none if it isn't the id of a dead letter.
pub(crate) fn number(id: &str) -> Option<i64> {
    let digits = id.strip_prefix(['L', 'l'])?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl Desk {
    pub(crate) async fn letter(&self, number: i64) -> Result<DeadLetterRow, DeskError> {
        let found = self.store.dead_letter(number).await?;
        found.ok_or_else(|| DeskError::NoSuch { what: "error", id: id(number) })
    }

    /// Asks for a letter to be decided again; the pipeline does.
    pub(crate) async fn ask_for(&self, number: i64) -> Result<(), DeskError> {
        let row = self.letter(number).await?;
        let Some(flow) = row.flow.as_ref().filter(|_| is_named(&row)) else {
            return Err(DeskError::Nameless { id: id(number) });
        };
        self.flow(flow)?;
        self.change(number, LetterState::Asked, None).await
    }

    pub(crate) async fn give_up(&self, number: i64, by: &GivingUp) -> Result<(), DeskError> {
        self.change(number, LetterState::Discarded, Some(by)).await
    }

    async fn change(
        &self,
        number: i64,
        state: LetterState,
        by: Option<&GivingUp>,
    ) -> Result<(), DeskError> {
        let note = by.and_then(|by| by.reason.clone());
        let change = LetterChange { state, by: by.map(|by| by.by.clone()), note };
        match self.store.set_dead_letter(number, &change, self.clock.now()).await? {
            Accepted::Yes => Ok(()),
            Accepted::Stale | Accepted::Gone => {
                Err(DeskError::Over { what: "error", id: id(number) })
            }
        }
    }
}

/// A letter about a record, as old as that.
#[cfg(test)]
pub(crate) fn sample(at: i64) -> DeadLetterRow {
    DeadLetterRow {
        id: 7,
        at: Stamp(at),
        flow: Some("customers".into()),
        side: Some(duet_core::side::Side::Left),
        record: Some("001".into()),
        place: "edge".into(),
        reason: "column Name holds text with NUL".into(),
        bytes: 12,
        state: LetterState::Open,
        handled_by: None,
        note: None,
        closed_at: None,
    }
}

#[cfg(test)]
mod tests {
    //! Shows how letters are named, and what is advised.

    use super::*;

    #[test]
    fn an_id_is_l_and_a_number() {
        assert_eq!(number(&id(12)), Some(12));
        assert_eq!(number("l3"), Some(3));
        for other in ["", "L", "3f2a", "Lx", "L-1", "L+1", "L99999999999999999999", "LL1"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn what_can_be_done_depends_on_what_is_known() {
        let named = Dead::from(sample(1));
        assert_eq!(named.record, "customers/left:001");
        assert!(named.advice.contains("at its source"));
        let nameless = Dead::from(DeadLetterRow { record: None, ..sample(1) });
        assert_eq!(nameless.record, "customers");
        assert!(nameless.advice.contains("names no record"));
        let over = Dead::from(DeadLetterRow { state: LetterState::Discarded, ..sample(1) });
        assert!(over.advice.contains("over"));
    }
}
