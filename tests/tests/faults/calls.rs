//! Every call to Salesforce that may write, as Salesforce got it, against every attempt that duet
//! tells: none is left out on either side. Writes carry their intent's id in `Duet_Write__c`;
//! deletions carry none and are told apart by their record.

use std::collections::BTreeMap;

use duet_tests::database;
use serde_json::{Map, Value};

use crate::rig::Rig;

const MARKER: &str = "Duet_Write__c";
/// Refusals by a look beforehand: such a write never left.
const LOOKED_FIRST: [&str; 5] =
    ["PRE_READ_MOVED", "PRE_READ_GONE", "VERSION", "NO_ID", "NOT_REPRESENTABLE"];
/// The attempt of a process that ended: its call may have left, or may not.
const NO_ANSWER: &str = "NO_ANSWER";

/// What duet tells of all tries to write to the left.
const TOLD: &str = "
SELECT a.intent, a.number, a.outcome, a.failure ->> 'code' AS code, i.op, i.record
FROM attempts a JOIN intents i ON i.id = a.intent
WHERE i.side = 'left' AND i.op IN ('create', 'update', 'delete', 'undelete') ORDER BY a.id";

/// The tries of one intent, and the calls that carried it.
#[derive(Default)]
struct Story {
    /// By intent and number: the outcome, with its code where it has one. A record may be deleted by
    /// several intents, one after the other.
    tries: BTreeMap<(String, u64), Vec<String>>,
    /// Status of each call; 0 is one that got no answer.
    calls: Vec<i64>,
}

impl Story {
    fn note(&mut self, row: &Map<String, Value>) {
        let (outcome, code) = (row["outcome"].as_str().unwrap(), row["code"].as_str());
        let stayed = outcome == "not_sent" || code.is_some_and(|code| LOOKED_FIRST.contains(&code));
        if !stayed {
            let code = code.filter(|_| outcome == "unknown").unwrap_or_default();
            let intent = row["intent"].as_str().unwrap().to_owned();
            let told = self.tries.entry((intent, row["number"].as_u64().unwrap())).or_default();
            told.push(format!("{outcome} {code}"));
        }
    }

    /// What doesn't fit; nothing if every try has its call and every call its try.
    fn gap(&self) -> Option<&'static str> {
        let maybe = |told: &&Vec<String>| told.iter().all(|one| one.ends_with(NO_ANSWER));
        let sure = self.tries.len() - self.tries.values().filter(maybe).count();
        let told = |word: &str| {
            let tells = |told: &&Vec<String>| told.iter().any(|one| one.starts_with(word));
            self.tries.values().filter(tells).count()
        };
        let answered = self.calls.iter().filter(|status| **status == 200).count();
        if self.calls.len() > self.tries.len() {
            Some("a call without an attempt")
        } else if self.calls.len() < sure {
            Some("an attempt without a call")
        } else if told("landed") + told("refused") > answered {
            Some("an answer that nobody gave")
        } else {
            None
        }
    }
}

/// What there was, for a test that wants to know that it saw something.
#[derive(Debug)]
pub(crate) struct Told {
    /// Calls to Salesforce, record by record.
    pub(crate) calls: usize,
    /// Of these, those that got no answer.
    pub(crate) unanswered: usize,
}

/// Compares everything since Salesforce began to keep its calls; fails where one is missing.
pub(crate) async fn assert_all_told(rig: &Rig) -> Told {
    let rows = database::rows(rig.state.url(), TOLD).await.unwrap();
    let kept = rig.salesforce.kept().await.unwrap();
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    for row in &rows {
        stories.entry(subject(row)).or_default().note(row);
    }
    for call in kept["kept"].as_array().unwrap() {
        let status = call["status"].as_i64().unwrap();
        assert!([0, 200, 204, 503].contains(&status), "refused as a whole: {call}");
        let mut subjects = Vec::new();
        markers(&call["body"], &mut subjects);
        subjects.extend(deleted(call));
        for subject in subjects {
            let status = if status == 204 { 200 } else { status };
            stories.entry(subject).or_default().calls.push(status);
        }
    }
    let gaps: Vec<String> = stories
        .iter()
        .filter_map(|(subject, story)| {
            let gap = story.gap()?;
            Some(format!("{gap}: {subject} calls {:?}, tries {:?}", story.calls, story.tries))
        })
        .collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    let calls = || stories.values().flat_map(|story| &story.calls);
    Told { calls: calls().count(), unanswered: calls().filter(|status| **status == 0).count() }
}

/// What a try is about: its intent, or for a deletion the record.
fn subject(row: &Map<String, Value>) -> String {
    let of = if row["op"] == "delete" { &row["record"] } else { &row["intent"] };
    of.as_str().unwrap().to_owned()
}

fn markers(body: &Value, found: &mut Vec<String>) {
    match body {
        Value::Object(fields) => {
            found.extend(fields.get(MARKER).and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| markers(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| markers(item, found)),
        _ => {}
    }
}

fn deleted(call: &Value) -> Vec<String> {
    let query = call["query"].as_array().unwrap().iter().filter(|_| call["method"] == "DELETE");
    let ids = query.filter(|pair| pair[0] == "ids").filter_map(|pair| pair[1].as_str());
    ids.flat_map(|ids| ids.split(',')).map(str::to_owned).collect()
}

/// `explain` tells the same calls about a record as are stored.
pub(crate) async fn assert_explained(rig: &Rig, flow: &str, key: &str) {
    let stored = format!(
        "SELECT a.intent, a.number, a.outcome, a.failure ->> 'code' AS failure, i.side, i.op
        FROM attempts a JOIN links l ON l.id = a.link JOIN intents i ON i.id = a.intent
        WHERE l.flow = '{flow}' AND l.right_id = '{key}' ORDER BY a.id DESC"
    );
    let stored = database::rows(rig.state.url(), &stored).await.unwrap();
    let told = rig.json(&["explain", &format!("{flow}/right:{key}")]);
    let calls = told["calls"].as_array().unwrap();
    assert_eq!(calls.len(), stored.len(), "{told}");
    assert!(!calls.is_empty(), "nothing was tried: {told}");
    for (call, row) in calls.iter().zip(&stored) {
        for part in ["intent", "number", "outcome", "failure", "side", "op"] {
            assert_eq!(call[part], row[part], "{part} of {call}");
        }
        assert!(call["sent_at"].is_string() || call["sent_at"].is_number(), "{call}");
    }
}
