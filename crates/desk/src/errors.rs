//! Errors: calls that failed, values that are kept back, and dead letters. List, show with advice,
//! try again, discard.

use crate::Desk;
use crate::error::DeskError;
use crate::letters::{self, Dead};
use crate::shown;
use duet_core::field_error::FieldErrorCode;
use duet_core::id::{Column, FieldErrorId, FieldName, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::{Intent, IntentState};
use duet_core::retry::{self, Failure};
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_ports::inspect::{
    Accepted, AttemptRow, DeadLetterRow, ErrorFilter, ErrorRow, FieldErrorFilter, FieldErrorRow,
    LetterFilter,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// Links that are looked at again in one transaction.
const BATCH: usize = 200;
/// Errors that are listed at once to be tried again.
const AT_ONCE: usize = 1_000;

/// A row of the errors list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// A call that failed.
    Call(Failed),
    /// A value that is kept back while the record's other fields go on.
    Value(KeptBack),
    /// A change that could not be decided.
    Letter(Dead),
}

/// A row of the errors list with everything about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TroubleDetail {
    /// A call that failed.
    Call(FailedDetail),
    /// A value that is kept back.
    Value(KeptBack),
    /// A dead letter.
    Letter(Dead),
}

/// What a person points at to have it tried again or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A call.
    Call(IntentId),
    /// A create that lacks a parent's record, and its link: it is planned anew, never sent as it is.
    Incomplete(IntentId, LinkId),
    /// A value that is kept back, and its link.
    Value(FieldErrorId, LinkId),
    /// A dead letter, by its number.
    Letter(i64),
}

/// What became of everything that was listed and tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Due now.
    pub done: usize,
    /// Had moved on since they were listed, by themselves or by another hand.
    pub moved_on: usize,
    /// Dead letters that name no record of a flow: nothing can be read again.
    pub left: usize,
}

/// A person who gives something up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivingUp {
    /// Who.
    pub by: String,
    /// Why; kept with a dead letter, which needs one.
    pub reason: Option<String>,
}

/// A failed write or read, in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The intent.
    pub id: IntentId,
    /// The link.
    #[serde(skip)]
    pub link: LinkId,
    /// `FLOW/KEY`, by the key of the right, or of the left where there is none, as conflicts are.
    pub record: String,
    /// What was to be done, and where.
    pub what: String,
    /// Where it stands.
    pub state: IntentState,
    /// Class, code and the side's words.
    pub failure: Option<Failure>,
    /// What to do.
    pub advice: String,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried again; none: not by itself.
    pub due_at: Option<Stamp>,
}

/// A failed intent with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedDetail {
    /// The row of the list.
    #[serde(flatten)]
    pub error: Failed,
    /// Columns it writes (names only).
    pub columns: Vec<String>,
    /// Every call that was tried.
    pub history: Vec<AttemptRow>,
}

/// A value that is kept back (rows F8, P4).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptBack {
    /// Its id.
    pub id: FieldErrorId,
    /// The link.
    #[serde(skip)]
    pub link: LinkId,
    /// `FLOW/KEY`, as for calls.
    pub record: String,
    /// The field.
    pub field: FieldName,
    /// The side whose value is kept back.
    pub source: Side,
    /// The side of the column.
    pub side: Side,
    /// The column that the value doesn't fit, or comes from.
    pub column: Column,
    /// Why, as a word.
    pub code: FieldErrorCode,
    /// Why, for people, without the value.
    pub reason: String,
    /// What to do.
    pub advice: String,
    /// Since when.
    pub since: Stamp,
}

impl Failed {
    fn target(&self) -> Target {
        match &self.failure {
            Some(failure) if failure.is_missing_parent() => Target::Incomplete(self.id, self.link),
            Some(_) | None => Target::Call(self.id),
        }
    }
}

impl Trouble {
    /// What to point at.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Trouble::Call(call) => call.target(),
            Trouble::Value(value) => Target::Value(value.id, value.link),
            Trouble::Letter(letter) => Target::Letter(letter.number),
        }
    }
}

impl TroubleDetail {
    /// What to point at.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            TroubleDetail::Call(call) => call.error.target(),
            TroubleDetail::Value(value) => Target::Value(value.id, value.link),
            TroubleDetail::Letter(letter) => Target::Letter(letter.number),
        }
    }
}

impl Desk {
    /// Failed calls, values kept back and dead letters of a flow, or of all; oldest first, at most so
    /// many.
    ///
    /// # Errors
    /// When the store can't be reached.
    pub async fn errors(
        &self,
        flow: Option<&FlowName>,
        limit: u64,
    ) -> Result<Vec<Trouble>, DeskError> {
        let flow = flow.cloned();
        let calls = ErrorFilter { flow: flow.clone(), limit, ..ErrorFilter::default() };
        let letters = LetterFilter { flow: flow.clone(), limit, ..LetterFilter::default() };
        let values = FieldErrorFilter { flow, limit, ..FieldErrorFilter::default() };
        let calls = self.store.errors(&calls).await?;
        let values = self.store.field_errors(&values).await?;
        let letters = self.store.dead_letters(&letters).await?;
        Ok(self.masked_troubles(listed(calls, values, letters, limit)))
    }

    /// The side's own sentence may repeat a value: it is left out where one of the flow's fields is
    /// sensitive and nobody asked to reveal it.
    fn masked_troubles(&self, mut troubles: Vec<Trouble>) -> Vec<Trouble> {
        for trouble in &mut troubles {
            if let Trouble::Call(call) = trouble {
                self.mask(call);
            }
        }
        troubles
    }

    fn mask(&self, call: &mut Failed) {
        let flow = call.record.split_once('/').map_or(call.record.as_str(), |(flow, _)| flow);
        let spec = self.flows.get(&FlowName::from(flow));
        let sensitive = spec.is_none_or(|spec| spec.fields.iter().any(|field| field.sensitive));
        if let Some(failure) = call.failure.as_mut().filter(|_| sensitive && !self.reveal) {
            failure.message = shown::MASK.into();
        }
    }

    /// One failed call or value kept back, by its id or the beginning of it, or a dead letter.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub async fn error(&self, id: &str) -> Result<TroubleDetail, DeskError> {
        if let Some(number) = letters::number(id) {
            return self.letter(number).await.map(|row| TroubleDetail::Letter(row.into()));
        }
        let mut intents = self.store.intents_by_prefix(id).await?;
        let mut values = self.store.field_errors_by_prefix(id).await?;
        match (intents.len() + values.len(), intents.pop(), values.pop()) {
            (1, Some(intent), _) => self.failed_call(intent).await.map(TroubleDetail::Call),
            (1, None, Some(value)) => Ok(TroubleDetail::Value(kept_back(value))),
            (0, ..) | (1, None, None) => {
                Err(DeskError::NoSuch { what: "error", id: id.to_owned() })
            }
            (count, ..) => Err(DeskError::Several { what: "error", id: id.to_owned(), count }),
        }
    }

    async fn failed_call(&self, intent: Intent) -> Result<FailedDetail, DeskError> {
        let history = self.store.attempts_of(intent.id).await?;
        let detail = self.store.link_detail(intent.link, 0).await?;
        let record = detail.map(|detail| detail.link.record).unwrap_or_default();
        let columns = intent.values.keys().map(ToString::to_string).collect();
        let mut error = failed(intent, &record);
        self.mask(&mut error);
        Ok(FailedDetail { error, columns, history })
    }

    /// Tries everything again that failed, is kept back or died.
    ///
    /// # Errors
    /// When the store can't be reached; those before are due.
    pub async fn retry_all(&self) -> Result<Retried, DeskError> {
        let mut retried = Retried::default();
        let mut seen: BTreeSet<Target> = BTreeSet::new();
        loop {
            let limit = u64::try_from(seen.len() + AT_ONCE).unwrap_or(u64::MAX);
            let listed = self.errors(None, limit).await?;
            let new: Vec<Target> = listed.iter().map(Trouble::target).collect();
            let new: Vec<Target> = new.into_iter().filter(|one| seen.insert(*one)).collect();
            if new.is_empty() {
                return Ok(retried);
            }
            let (values, others): (Vec<Target>, Vec<Target>) =
                new.into_iter().partition(|target| target.link().is_some());
            retried.done += self.retry(&values).await?;
            for other in others {
                match self.retry(&[other]).await {
                    Ok(count) => retried.done += count,
                    Err(DeskError::Stale { .. } | DeskError::Over { .. }) => retried.moved_on += 1,
                    Err(DeskError::NoFlow { .. } | DeskError::Nameless { .. }) => retried.left += 1,
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Tries failed calls again, now; records with values kept back, those that wait for a parent's
    /// record, and those of dead letters are decided again.
    ///
    /// # Errors
    /// When one of the calls isn't waiting any more, or a dead letter names nothing that could be
    /// read again; those before it are due.
    pub async fn retry(&self, targets: &[Target]) -> Result<usize, DeskError> {
        let links: BTreeSet<LinkId> = targets.iter().filter_map(Target::link).collect();
        let links: Vec<LinkId> = links.into_iter().collect();
        for some in links.chunks(BATCH) {
            self.look_again(some).await?;
        }
        for target in targets.iter().filter(|target| target.link().is_none()) {
            match target {
                Target::Letter(number) => self.ask_for(*number).await?,
                _ => self.set(target, IntentState::Planned).await?,
            }
        }
        Ok(targets.len())
    }

    /// Gives up failed calls, which are not tried again until one of their inputs changes, and dead
    /// letters, which are over.
    ///
    /// # Errors
    /// As of [`Desk::can_be_given_up`], before anything is discarded; and when one of them isn't
    /// waiting any more; those before it are discarded.
    pub async fn discard(
        &self,
        targets: &[Target],
        giving_up: &GivingUp,
    ) -> Result<usize, DeskError> {
        Desk::can_be_given_up(targets, giving_up)?;
        for target in targets {
            match target {
                Target::Letter(number) => self.give_up(*number, giving_up).await?,
                _ => self.set(target, IntentState::Discarded).await?,
            }
        }
        Ok(targets.len())
    }

    /// Whether all of them are calls or dead letters, and a reason is given where one is kept.
    ///
    /// # Errors
    /// [`DeskError::NotACall`] for the first value, [`DeskError::NoReason`] for the first dead
    /// letter without a reason, [`DeskError::ReasonNotKept`] where there is none to keep it with.
    pub fn can_be_given_up(targets: &[Target], giving_up: &GivingUp) -> Result<(), DeskError> {
        let is_letter = |target: &&Target| matches!(target, Target::Letter(_));
        let letter = targets.iter().find(is_letter);
        match (letter, &giving_up.reason) {
            (Some(Target::Letter(number)), None) => {
                return Err(DeskError::NoReason { id: letters::id(*number) });
            }
            (None, Some(_)) => return Err(DeskError::ReasonNotKept),
            (Some(_), _) | (None, None) => {}
        }
        let value = targets.iter().find_map(|target| match target {
            Target::Call(_) | Target::Incomplete(..) | Target::Letter(_) => None,
            Target::Value(id, _) => Some(id.to_string()),
        });
        value.map_or(Ok(()), |id| Err(DeskError::NotACall { id }))
    }

    async fn look_again(&self, links: &[LinkId]) -> Result<(), DeskError> {
        let mut unit = self.store.begin().await?;
        let locked: Vec<LinkId> =
            unit.lock(links, false).await?.into_iter().map(|(link, _)| link).collect();
        unit.touch(&locked, self.clock.now()).await?;
        Ok(unit.commit().await?)
    }

    async fn set(&self, target: &Target, state: IntentState) -> Result<(), DeskError> {
        let (Target::Call(id) | Target::Incomplete(id, _)) = target else { return Ok(()) };
        match self.store.set_intent(*id, state, self.clock.now()).await? {
            Accepted::Yes => Ok(()),
            Accepted::Stale => Err(DeskError::Stale { what: "error", id: id.to_string() }),
            Accepted::Gone => Err(DeskError::Over { what: "error", id: id.to_string() }),
        }
    }
}

impl Target {
    /// The link to be looked at again.
    fn link(&self) -> Option<LinkId> {
        match self {
            Target::Call(_) | Target::Letter(_) => None,
            Target::Incomplete(_, link) | Target::Value(_, link) => Some(*link),
        }
    }
}

/// All kinds as one list, oldest first; each came sorted, with at most `limit` rows.
fn listed(
    calls: Vec<ErrorRow>,
    values: Vec<FieldErrorRow>,
    letters: Vec<DeadLetterRow>,
    limit: u64,
) -> Vec<Trouble> {
    let calls = calls
        .into_iter()
        .map(|row| (row.intent.planned_at, Trouble::Call(failed(row.intent, &row.record))));
    let values = values.into_iter().map(|row| (row.error.since, Trouble::Value(kept_back(row))));
    let letters = letters.into_iter().map(|row| (row.at, Trouble::Letter(row.into())));
    let mut all: Vec<(Stamp, Trouble)> = calls.chain(values).chain(letters).collect();
    all.sort_by_key(|(since, _)| *since);
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    all.into_iter().map(|(_, trouble)| trouble).collect()
}

fn failed(intent: Intent, record: &Both<Option<RecordId>>) -> Failed {
    Failed {
        id: intent.id,
        link: intent.link,
        record: named(&intent.flow, record),
        what: format!("{} {} ({})", intent.op.as_str(), intent.side, intent.connection),
        state: intent.state,
        advice: intent
            .failure
            .as_ref()
            .map(|failure| retry::advice(failure, intent.state))
            .unwrap_or_default(),
        failure: intent.failure,
        attempts: intent.attempts,
        due_at: intent.due_at,
    }
}

fn kept_back(row: FieldErrorRow) -> KeptBack {
    let (record, advice) = (named(&row.flow, &row.record), row.error.advice());
    let error = row.error;
    KeptBack {
        id: row.id,
        link: row.link,
        record,
        field: error.field,
        source: error.source,
        side: error.side,
        column: error.column,
        code: error.code,
        reason: error.reason,
        advice,
        since: error.since,
    }
}

fn named(flow: &FlowName, record: &Both<Option<RecordId>>) -> String {
    let key = record.right.as_ref().or(record.left.as_ref()).map_or("?", RecordId::as_str);
    format!("{flow}/{key}")
}

#[cfg(test)]
mod tests {
    //! Shows how the two kinds become one list, and what programs read of them.

    use super::*;
    use duet_core::field_error::FieldError;
    use serde_json::json;

    fn id(number: u8) -> String {
        format!("00000000-0000-0000-0000-0000000000{number:02}")
    }

    fn link() -> LinkId {
        serde_json::from_value(json!(id(3))).expect("an id")
    }

    fn call(planned_at: i64) -> ErrorRow {
        let intent = serde_json::from_value(json!({
            "id": id(1), "link": id(2), "flow": "customers",
            "side": "left", "connection": "crm", "op": "update", "path": "batch",
            "record": "r1", "values": {}, "find": [], "expected": null, "expected_values": {},
            "carries": {}, "state": "parked", "attempts": 2, "due_at": null, "sent_at": null,
            "deadline": null, "planned_at": planned_at, "landed_at": null, "failure": null,
            "why": "R22",
        }));
        ErrorRow { intent: intent.expect("an intent"), record: Both::default() }
    }

    fn value(since: i64) -> FieldErrorRow {
        let link = link();
        let error = FieldError {
            field: "phone".into(),
            code: FieldErrorCode::Unmappable,
            source: Side::Right,
            side: Side::Left,
            column: "Phone".into(),
            reason: "the text has 9 characters, the column holds 8".to_owned(),
            since: Stamp(since),
        };
        let record = Both::new(Some("001".into()), Some("ALFKI".into()));
        FieldErrorRow { id: error.id(link), link, flow: "customers".into(), record, error }
    }

    #[test]
    fn all_kinds_are_one_list_oldest_first() {
        let list = |limit| {
            let (calls, values) = (vec![call(2), call(5)], vec![value(1), value(4)]);
            listed(calls, values, vec![letters::sample(3), letters::sample(6)], limit)
        };
        let kind = |one: &Trouble| match one {
            Trouble::Call(_) => 'c',
            Trouble::Value(_) => 'v',
            Trouble::Letter(_) => 'l',
        };
        assert_eq!(list(9).iter().map(kind).collect::<String>(), "vclvcl");
        assert_eq!(list(3).len(), 3);
        assert_eq!(list(3), list(9)[..3]);
    }

    #[test]
    fn programs_tell_the_kinds_apart() {
        let list = listed(vec![call(1)], vec![value(2)], vec![letters::sample(3)], 9);
        let read = serde_json::to_value(&list).expect("it is written");
        assert_eq!((&read[2]["kind"], &read[2]["id"]), (&json!("letter"), &json!("L7")));
        assert_eq!(read[2]["record"], "customers/left:001");
        assert_eq!((&read[0]["kind"], &read[0]["state"]), (&json!("call"), &json!("parked")));
        assert_eq!(read[1]["kind"], "value");
        assert_eq!(read[1]["record"], "customers/ALFKI");
        for (key, word) in
            [("field", "phone"), ("source", "right"), ("side", "left"), ("code", "unmappable")]
        {
            assert_eq!(read[1][key], word, "{key}");
        }
        assert!(read[1]["advice"].as_str().is_some_and(|advice| advice.contains("left column")));
    }

    fn giving_up(reason: Option<&str>) -> GivingUp {
        GivingUp { by: "ann".into(), reason: reason.map(str::to_owned) }
    }

    #[test]
    fn calls_can_be_given_up_and_letters_with_a_reason_and_values_never() {
        let list = listed(vec![call(1)], vec![value(2)], vec![letters::sample(3)], 9);
        let targets: Vec<Target> = list.iter().map(Trouble::target).collect();
        let told = |targets: &[Target], reason| {
            Desk::can_be_given_up(targets, &giving_up(reason)).err().map(|error| error.to_string())
        };
        assert_eq!(told(&targets[..1], None), None);
        assert!(told(&targets[..1], Some("x")).is_some_and(|told| told.contains("dead letter")));
        assert!(told(&targets[..2], None).is_some_and(|told| told.contains("duet errors retry")));
        assert_eq!(told(&targets[2..], Some("x")), None);
        assert!(told(&targets[2..], None).is_some_and(|told| told.contains("L7")));
        assert!(told(&targets, Some("x")).is_some_and(|told| told.contains("kept back")));
        assert_eq!(targets[1].link(), Some(link()));
        assert_eq!((targets[0].link(), targets[2].link()), (None, None));
    }

    #[test]
    fn a_create_that_lacks_its_parent_is_decided_again_and_never_sent_as_it_is() {
        let mut row = call(1);
        row.intent.failure = serde_json::from_value(json!({
            "class": "dependency", "code": retry::PARENT_MISSING, "message": "", "columns": [],
            "retry_after_us": null,
        }))
        .expect("a failure");
        let (id, waits) = (row.intent.id, row.intent.link);
        let target = listed(vec![row], Vec::new(), Vec::new(), 9)[0].target();
        assert_eq!((target, target.link()), (Target::Incomplete(id, waits), Some(waits)));
        assert!(Desk::can_be_given_up(&[target], &giving_up(None)).is_ok());
    }
}
