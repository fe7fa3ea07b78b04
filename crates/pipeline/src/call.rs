//! One call to a side: intents as its connector wants them, and one outcome per intent out of its
//! answer. A side that answers another number than it was asked has answered nothing.
//!
//! Not here: when a call may leave, and what follows from its outcomes (`apply`).

use crate::context::Context;
use duet_core::id::{Column, RecordId};
use duet_core::intent::{Intent, Op, Outcome};
use duet_core::observation::Observation;
use duet_core::retry::{Failure, FailureClass};
use duet_core::spec::{FlowSpec, MatchBy};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{self, Call, Connector, ConnectorError, Record, Search};
use duet_ports::store::Claimed;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a side answered.
pub(crate) struct Answered {
    /// One per intent, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// The source's time of the answer, where it told one.
    pub(crate) at: Option<Stamp>,
}

/// Calls the side, for at most `limit`.
pub(crate) async fn call(
    connector: &dyn Connector,
    spec: &FlowSpec,
    claimed: &Claimed,
    limit: Duration,
) -> Result<Answered, ConnectorError> {
    match tokio::time::timeout(limit, dispatch(connector, spec, claimed)).await {
        Ok(done) => done,
        Err(_) => Err(ConnectorError {
            connection: connector.connection().clone(),
            failure: failure(FailureClass::UnknownOutcome, "TIMEOUT", "no answer in time"),
            sent: true,
            source: None,
        }),
    }
}

async fn dispatch(
    connector: &dyn Connector,
    spec: &FlowSpec,
    claimed: &Claimed,
) -> Result<Answered, ConnectorError> {
    let collection = Context::collection(spec, claimed.side);
    let intents = &claimed.intents;
    match claimed.op {
        Op::Read => {
            let records: Vec<RecordId> =
                intents.iter().filter_map(|intent| intent.record.clone()).collect();
            let read = connector.read(&collection, &records).await?;
            Ok(Answered { outcomes: read_outcomes(intents, read), at: None })
        }
        Op::Find => {
            let searches: Vec<Search> = intents
                .iter()
                .map(|intent| Search { intent: intent.id, keys: intent.find.clone() })
                .collect();
            let found = connector.find(&collection, &searches).await?;
            let outcomes = found.into_iter().map(Outcome::Found).collect();
            Ok(Answered { outcomes: counted(outcomes, intents.len()), at: None })
        }
        Op::Create | Op::Update | Op::Delete | Op::Undelete => {
            let calls = intents.iter().map(|intent| call_of(spec, intent)).collect();
            let batch = connector::Batch { op: claimed.op, path: claimed.path, calls };
            let answers = connector.apply(&collection, &batch).await?;
            let outcomes = counted(answers.outcomes, intents.len());
            Ok(Answered { outcomes, at: Some(answers.at) })
        }
    }
}

/// Answers of reads by their records: an answer about another record is none.
fn read_outcomes(intents: &[Intent], read: Vec<Record>) -> Vec<Outcome> {
    let by_record: BTreeMap<RecordId, Observation> =
        read.into_iter().map(|one| (one.record, one.observation)).collect();
    let outcome = |intent: &Intent| {
        let seen = intent.record.as_ref().and_then(|record| by_record.get(record));
        seen.map_or_else(missing, |seen| Outcome::Read(Box::new(seen.clone())))
    };
    intents.iter().map(outcome).collect()
}

/// Outcomes come in the order of the calls; where their number is wrong nobody knows whose is
/// missing.
fn counted(outcomes: Vec<Outcome>, asked: usize) -> Vec<Outcome> {
    if outcomes.len() == asked { outcomes } else { vec![missing(); asked] }
}

fn missing() -> Outcome {
    let told = "the side answered another number of records than it was asked";
    Outcome::Unknown(failure(FailureClass::Poison, "MISSING_ANSWER", told))
}

fn call_of(spec: &FlowSpec, intent: &Intent) -> Call {
    Call {
        intent: intent.id,
        link: intent.link,
        record: intent.record.clone(),
        values: intent.values.clone(),
        unique: unique(spec, intent),
        expected: intent.expected.clone(),
        expected_values: intent.expected_values.clone(),
    }
}

/// The external-id column that makes a create unique, if the create carries one.
fn unique(spec: &FlowSpec, intent: &Intent) -> Option<(Column, Value)> {
    if intent.op != Op::Create {
        return None;
    }
    let rules = spec.matching.iter().filter(|rule| rule.by == MatchBy::ExternalId);
    rules
        .filter_map(|rule| match rule.columns.get(intent.side).as_slice() {
            [column] => Some(column),
            _ => None,
        })
        .find_map(|column| {
            let value = intent.values.get(column).filter(|value| !value.is_null())?;
            Some((column.clone(), value.clone()))
        })
}

fn failure(class: FailureClass, code: &str, message: &str) -> Failure {
    Failure {
        class,
        code: code.into(),
        message: message.into(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::id::{IntentId, LinkId, derived};
    use duet_core::image::Image;
    use duet_core::intent::{IntentState, WritePath};
    use duet_core::side::Side;

    /// Some id, the same for the same name.
    fn link_of(name: &str) -> LinkId {
        let nil = serde_json::from_str("\"00000000-0000-0000-0000-000000000000\"");
        LinkId(derived(nil.expect("an id"), 0, name))
    }

    fn intent(op: Op, record: Option<&str>) -> Intent {
        let link = link_of(record.unwrap_or("new"));
        Intent {
            id: IntentId(link.0),
            link,
            flow: "things".into(),
            side: Side::Right,
            connection: "shop".into(),
            op,
            path: WritePath::Guarded,
            record: record.map(RecordId::from),
            values: Image::new(),
            find: Vec::new(),
            expected: None,
            expected_values: Image::new(),
            carries: BTreeMap::new(),
            state: IntentState::Sent,
            attempts: 1,
            due_at: None,
            sent_at: None,
            deadline: None,
            planned_at: Stamp(0),
            landed_at: None,
            failure: None,
            why: String::new(),
        }
    }

    fn read(record: &str, at: i64) -> Record {
        let observation = Observation { read_at: Stamp(at), ..Observation::default() };
        Record { record: record.into(), observation }
    }

    /// When each intent's record was read; `None`: it has no answer.
    fn answered(intents: &[Intent], read: Vec<Record>) -> Vec<Option<i64>> {
        let outcomes = read_outcomes(intents, read);
        let at = |outcome: &Outcome| match outcome {
            Outcome::Read(seen) => Some(seen.read_at.0),
            _ => None,
        };
        outcomes.iter().map(at).collect()
    }

    #[test]
    fn answers_of_reads_are_told_apart_by_their_records() {
        let intents = [intent(Op::Read, Some("a")), intent(Op::Read, Some("b"))];
        let both = vec![read("a", 1), read("b", 2)];
        assert_eq!(answered(&intents, both), [Some(1), Some(2)]);
        assert_eq!(answered(&intents, vec![read("b", 2), read("a", 1)]), [Some(1), Some(2)]);
        assert_eq!(answered(&intents, vec![read("b", 2)]), [None, Some(2)]);
        assert_eq!(answered(&intents, vec![read("c", 3), read("b", 2)]), [None, Some(2)]);
        assert_eq!(answered(&intents, Vec::new()), [None, None]);
    }

    #[test]
    fn two_reads_of_one_record_have_the_same_answer() {
        let intents = [intent(Op::Read, Some("a")), intent(Op::Read, Some("a"))];
        assert_eq!(answered(&intents, vec![read("a", 1)]), [Some(1), Some(1)]);
    }

    #[test]
    fn a_wrong_number_of_outcomes_says_nothing_about_any_call() {
        let landed = || Outcome::Landed { record: "a".into(), after: None };
        let is_known = |outcomes: Vec<Outcome>| {
            let known = outcomes.iter().filter(|one| matches!(one, Outcome::Landed { .. }));
            (outcomes.len(), known.count())
        };
        assert_eq!(is_known(counted(vec![landed(), landed()], 2)), (2, 2));
        assert_eq!(is_known(counted(vec![landed()], 2)), (2, 0));
        assert_eq!(is_known(counted(vec![landed(), landed(), landed()], 2)), (2, 0));
        assert_eq!(is_known(counted(Vec::new(), 0)), (0, 0));
    }
}
