//! Conflicts: list, show, resolve. A resolution names what the person saw; if either side has moved
//! since, it is refused and nothing is written (H5).

use crate::Desk;
use crate::error::DeskError;
use crate::shown;
use duet_core::conflict::{
    Choice, Conflict, ConflictKind, ConflictState, Resolution, Scope, Weighed,
};
use duet_core::id::{FieldName, RecordId};
use duet_core::link::{Link, Phase};
use duet_core::side::{Both, Side};
use duet_core::spec::FlowSpec;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::inspect::{Accepted, ConflictFilter};
use serde::Serialize;
use std::collections::BTreeMap;

/// A conflict as a person sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// `FLOW/KEY`.
    pub record: String,
    /// Its kind.
    pub kind: ConflictKind,
    /// The field it is about; none: the record.
    pub field: Option<FieldName>,
    /// Where it stands.
    pub state: ConflictState,
    /// Why it is closed.
    pub reason: Option<duet_core::conflict::CloseReason>,
    /// Since when.
    pub opened_at: Stamp,
    /// What was agreed, by field.
    pub agreed: BTreeMap<FieldName, String>,
    /// Each side's part.
    pub sides: Both<Part>,
    /// Records that could be the partner.
    pub candidates: Vec<RecordId>,
    /// What can be chosen.
    pub choices: Vec<&'static str>,
    /// What was chosen, by whom, and with which words.
    pub resolution: Option<Resolution>,
    /// The digest of what is shown here: a decision names it.
    pub seen: String,
    /// The row's revision.
    pub rev: i64,
}

/// One side's part in a conflict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Whether the record is there.
    pub present: bool,
    /// Its id.
    pub record: Option<RecordId>,
    /// Its values, by field.
    pub values: BTreeMap<FieldName, String>,
    /// Between when and when it changed.
    pub changed: Option<(Stamp, Stamp)>,
    /// Who changed it.
    pub actor: duet_core::observation::Actor,
}

/// What a person wants to become of a conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The choice.
    pub choice: Choice,
    /// Who.
    pub by: String,
    /// In the person's words.
    pub note: Option<String>,
    /// The revision ([`Shown::rev`]) whose decision gives way. None: no decision gives way.
    pub instead_of: Option<i64>,
}

impl Desk {
    /// Conflicts, oldest first.
    ///
    /// # Errors
    /// When the store can't be reached.
    pub async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Shown>, DeskError> {
        let rows = self.store.conflicts(filter).await?;
        Ok(rows.iter().map(|conflict| self.shown(conflict)).collect())
    }

    /// One conflict, by its id or the beginning of it.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub async fn conflict(&self, id: &str) -> Result<Shown, DeskError> {
        Ok(self.shown(&self.conflict_row(id).await?))
    }

    async fn conflict_row(&self, id: &str) -> Result<Conflict, DeskError> {
        let mut found = self.store.conflicts_by_prefix(id).await?;
        match (found.pop(), found.len()) {
            (Some(conflict), 0) => Ok(conflict),
            (None, _) => Err(DeskError::NoSuch { what: "conflict", id: id.to_owned() }),
            (Some(_), more) => {
                Err(DeskError::Several { what: "conflict", id: id.to_owned(), count: more + 1 })
            }
        }
    }

    /// Stores a person's decision about a conflict as it stands in `seen`; its link becomes due. If
    /// the very same was decided before, nothing is stored, and who did is told.
    ///
    /// # Errors
    /// When the choice doesn't fit, the conflict has moved on or is over, or somebody decided
    /// otherwise (H11).
    pub async fn resolve(&self, seen: &Shown, wish: Wish) -> Result<Option<Resolution>, DeskError> {
        let row = self.conflict_row(&seen.id).await?;
        let looked_at = wish.instead_of.unwrap_or(seen.rev);
        if row.seen != seen.seen || row.rev != looked_at {
            return Err(moved_on(&row));
        }
        if row.state == ConflictState::Closed {
            return Err(over(&row));
        }
        fits(&row, &wish.choice)?;
        if let Choice::LinkWith(record) = &wish.choice {
            self.is_free(&row, record).await?;
        }
        let resolution = self.resolution(&row, wish)?;
        match row.standing().weigh(row.rev, &resolution) {
            Weighed::New => {}
            Weighed::Again => return Ok(row.resolution),
            Weighed::Stale => return Err(moved_on(&row)),
            Weighed::Over => return Err(over(&row)),
        }
        match self.store.decide(row.id, row.rev, &resolution).await? {
            Accepted::Yes => Ok(None),
            Accepted::Stale => Err(moved_on(&self.conflict_row(&seen.id).await?)),
            Accepted::Gone => Err(over(&row)),
        }
    }

    /// The decision as it is to be stored. It names what it takes the place of: a suggestion that
    /// came to nothing (H6), or a decision that stands, if the person said so.
    fn resolution(&self, row: &Conflict, wish: Wish) -> Result<Resolution, DeskError> {
        let Wish { choice, by, note, instead_of } = wish;
        let gives_way = row.state != ConflictState::Decided || instead_of.is_some();
        let before = row.resolution.as_ref().filter(|_| gives_way);
        Ok(Resolution {
            choice: typed_like(row, choice)?,
            seen: row.seen.clone(),
            by,
            note,
            at: self.clock.now(),
            earlier: before.map(Resolution::with_earlier).unwrap_or_default(),
        })
    }

    /// A value that a person typed is as sensitive as those that collided.
    fn masked_choice(&self, conflict: &Conflict, mut made: Resolution) -> Resolution {
        let earlier = std::mem::take(&mut made.earlier).into_iter();
        made.earlier = earlier.map(|before| self.masked_choice(conflict, before)).collect();
        if let (Choice::TakeValue(value), Scope::Field(field)) = (&made.choice, &conflict.scope) {
            let spec = self.flows.get(&conflict.flow);
            if shown::is_masked(spec.map(AsRef::as_ref), field, value, self.reveal) {
                made.choice = Choice::TakeValue(Value::text(shown::MASK));
            }
        }
        made
    }

    /// Whether a record can become the partner, as far as it shows here; the decision looks again
    /// (H5). A record belongs to one link for as long as that link keeps it.
    async fn is_free(&self, conflict: &Conflict, record: &RecordId) -> Result<(), DeskError> {
        let Some(own) =
            Side::BOTH.into_iter().find(|side| conflict.sides.get(*side).record.is_some())
        else {
            return Ok(());
        };
        let side = own.other();
        let found = self.store.find_link(&conflict.flow, Some(side), record).await?;
        let Some(id) = found.filter(|id| *id != conflict.link) else { return Ok(()) };
        let Some(detail) = self.store.link_detail(id, 0).await? else { return Ok(()) };
        let present = detail.link.record.get(side).as_ref() == Some(record);
        let Some(why) = kept_by(&detail.link).filter(|_| present) else { return Ok(()) };
        let choice = format!("{}/{side}:{record}", conflict.flow);
        Err(DeskError::BadChoice { choice, why: format!("{why}; choose --create or --leave") })
    }

    fn shown(&self, conflict: &Conflict) -> Shown {
        let spec = self.flows.get(&conflict.flow);
        let values = |values: &BTreeMap<FieldName, Value>| {
            values
                .iter()
                .map(|(field, value)| (field.clone(), shown_value(spec, field, value, self.reveal)))
                .collect()
        };
        let part = |side: Side| {
            let candidate = conflict.sides.get(side);
            Part {
                present: candidate.present,
                record: candidate.record.clone(),
                values: values(&candidate.values),
                changed: candidate.changed,
                actor: candidate.actor.clone(),
            }
        };
        Shown {
            id: conflict.id.to_string(),
            record: record_name(conflict),
            kind: conflict.kind,
            field: match &conflict.scope {
                Scope::Field(field) => Some(field.clone()),
                Scope::Record => None,
            },
            state: conflict.state,
            reason: conflict.reason,
            opened_at: conflict.opened_at,
            agreed: values(&conflict.agreed),
            sides: Both::build(part),
            candidates: conflict.candidates.clone(),
            choices: choices(conflict),
            resolution: conflict.resolution.clone().map(|made| self.masked_choice(conflict, made)),
            seen: conflict.seen.clone(),
            rev: conflict.rev,
        }
    }
}

fn shown_value(
    spec: Option<&std::sync::Arc<FlowSpec>>,
    field: &FieldName,
    value: &Value,
    reveal: bool,
) -> String {
    spec.map_or_else(|| shown::text(value), |spec| shown::field_text(spec, field, value, reveal))
}

/// Who looked at a conflict before it moved on is told why.
fn moved_on(row: &Conflict) -> DeskError {
    let (what, id) = ("conflict", row.id.to_string());
    let decided = matches!(row.state, ConflictState::Decided | ConflictState::Applied);
    match row.resolution.as_ref().filter(|_| decided) {
        Some(made) => {
            let (by, at, choice) = (made.by.clone(), made.at, word(&made.choice));
            DeskError::Decided { what, id, by, at, choice }
        }
        None => DeskError::Stale { what, id },
    }
}

fn over(row: &Conflict) -> DeskError {
    DeskError::Over { what: "conflict", id: row.id.to_string() }
}

/// What kind of choice, without the value.
fn word(choice: &Choice) -> &'static str {
    match choice {
        Choice::TakeLeft => "left's value",
        Choice::TakeRight => "right's value",
        Choice::TakeAgreed => "what was agreed",
        Choice::TakeValue(_) => "a value of its own",
        Choice::LinkWith(_) => "a partner",
        Choice::CreateNew => "a new record",
        Choice::LeaveAlone => "left as it is",
    }
}

/// Why a link doesn't give up its records.
fn kept_by(link: &Link) -> Option<&'static str> {
    let whole = link.record.left.is_some() && link.record.right.is_some();
    match link.phase {
        Phase::Unlinked => {
            Some("it was taken apart from its partner and still belongs to that link")
        }
        Phase::Tombstoned => Some("its link remembers it as deleted"),
        Phase::Unmatched | Phase::Matching | Phase::Linking | Phase::Linked | Phase::Frozen => {
            whole.then_some("it has a partner already")
        }
        Phase::Joined => None,
    }
}

fn record_name(conflict: &Conflict) -> String {
    let Both { left, right } = &conflict.sides;
    let key = right.record.as_ref().or(left.record.as_ref()).map_or("?", RecordId::as_str);
    format!("{}/{key}", conflict.flow)
}

/// What can be chosen, as the command line writes it.
fn choices(conflict: &Conflict) -> Vec<&'static str> {
    match (&conflict.scope, conflict.kind.is_about_matching()) {
        (_, true) => vec!["--link RECORD", "--create", "--leave"],
        (Scope::Field(_), false) => {
            vec!["--take left", "--take right", "--take agreed", "--value VALUE", "--leave"]
        }
        (Scope::Record, false) => vec!["--take left", "--take right", "--leave"],
    }
}

/// The chosen value in the type of those that collided.
fn typed_like(conflict: &Conflict, choice: Choice) -> Result<Choice, DeskError> {
    let (Choice::TakeValue(value), Scope::Field(field)) = (&choice, &conflict.scope) else {
        return Ok(choice);
    };
    let Both { left, right } = &conflict.sides;
    let known = [&conflict.agreed, &left.values, &right.values];
    let known: Vec<&Value> = known.into_iter().filter_map(|values| values.get(field)).collect();
    let typed = crate::typed::like(value.clone(), &known);
    typed.map(Choice::TakeValue).ok_or_else(|| DeskError::BadChoice {
        choice: shown::text(value),
        why: "it isn't of the field's type".to_owned(),
    })
}

fn fits(conflict: &Conflict, choice: &Choice) -> Result<(), DeskError> {
    let bad = |choice: &str, why: &str| {
        Err(DeskError::BadChoice { choice: choice.to_owned(), why: why.to_owned() })
    };
    let matching = conflict.kind.is_about_matching();
    match choice {
        Choice::LinkWith(record) if matching => {
            if conflict.candidates.is_empty() || conflict.candidates.contains(record) {
                Ok(())
            } else {
                bad(record.as_str(), "it is not among the candidates that `conflicts show` lists")
            }
        }
        Choice::CreateNew if matching => Ok(()),
        Choice::LeaveAlone => Ok(()),
        Choice::LinkWith(_) | Choice::CreateNew => {
            bad("a partner", "the records are linked; take a side or a value")
        }
        Choice::TakeValue(_) | Choice::TakeAgreed if conflict.scope == Scope::Record => {
            bad("a value", "the conflict is about the whole record; take a side")
        }
        Choice::TakeLeft | Choice::TakeRight | Choice::TakeAgreed | Choice::TakeValue(_) => {
            if matching {
                bad("a side", "first say which records belong together: --link, --create, --leave")
            } else {
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn link(phase: Phase, right: Option<&str>) -> Link {
        Link {
            id: serde_json::from_value(json!("00000000-0000-0000-0000-000000000001"))
                .expect("an id"),
            flow: "customers".into(),
            rev: 1,
            phase,
            record: Both::new(Some("001".into()), right.map(RecordId::from)),
            aliases: Vec::new(),
            synced_at: None,
            synced: Both::default(),
            due_at: None,
            waits: 0,
            created_at: Stamp(0),
            memory: duet_core::link::Memory::default(),
        }
    }

    #[test]
    fn only_a_record_without_a_partner_can_be_chosen_as_one() {
        let why = |phase, right| kept_by(&link(phase, right)).unwrap_or_default();
        assert_eq!(why(Phase::Unmatched, None), "");
        assert_eq!(why(Phase::Matching, None), "");
        assert!(why(Phase::Linked, Some("C1")).contains("partner already"));
        assert!(why(Phase::Frozen, Some("C1")).contains("partner already"));
        assert!(why(Phase::Unlinked, Some("C1")).contains("taken apart"));
        assert!(why(Phase::Unlinked, None).contains("taken apart"));
        assert!(why(Phase::Tombstoned, Some("C1")).contains("deleted"));
    }
}
