//! Two ideal sides: versions, markers, conditions, unique keys.

use duet_core::id::{Column, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Found, Intent, Op, Outcome, Receipt};
use duet_core::observation::{Deletion, Observation, Presence, Source, Version};
use duet_core::retry::{Failure, FailureClass};
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) image: Image,
    pub(crate) version: i64,
    pub(crate) changed_at: Stamp,
    pub(crate) marker: Option<IntentId>,
    pub(crate) key: Option<LinkId>,
    pub(crate) presence: Presence,
}

#[derive(Clone, Debug)]
pub(crate) struct Sides {
    pub(crate) rows: Both<BTreeMap<RecordId, Row>>,
    clock: i64,
    created: u32,
}

impl Sides {
    pub(crate) fn new() -> Sides {
        Sides { rows: Both::default(), clock: 100_000_000, created: 0 }
    }

    pub(crate) fn now(&self) -> Stamp {
        super::at(0).plus(self.clock)
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.clock += seconds * Stamp::SECOND;
    }

    pub(crate) fn pass_until(&mut self, at: Stamp) {
        self.clock = self.clock.max(at.0 - super::at(0).0);
    }

    fn tick(&mut self) -> i64 {
        self.clock += 1_000;
        self.clock
    }

    /// A person writes a record; columns without prefix get the side's.
    pub(crate) fn edit(&mut self, side: Side, record: &str, columns: &[(&str, Value)]) {
        let version = self.tick();
        let now = self.now();
        let row = self.rows.get_mut(side).entry(RecordId::from(record)).or_default();
        if row.presence == Presence::Unknown {
            row.presence = Presence::Present;
            row.image.insert(super::flow::column(side, "id"), Value::text(record));
            row.image.insert(super::flow::column(side, "key"), Value::Null);
        }
        for (name, value) in columns {
            row.image.insert(super::flow::column(side, name), value.clone());
        }
        row.version = version;
        row.changed_at = now;
    }

    pub(crate) fn delete(&mut self, side: Side, record: &str) {
        self.become_(side, record, Presence::Deleted(Deletion::Hard));
    }

    pub(crate) fn become_(&mut self, side: Side, record: &str, presence: Presence) {
        let version = self.tick();
        let now = self.now();
        let row = self.rows.get_mut(side).get_mut(&RecordId::from(record)).expect("it is there");
        row.presence = presence;
        row.version = version;
        row.changed_at = now;
    }

    pub(crate) fn observe(&self, side: Side, record: &RecordId) -> Observation {
        let Some(row) = self.rows.get(side).get(record) else {
            return Observation {
                presence: Presence::Deleted(Deletion::Hard),
                read_at: self.now(),
                ..Observation::default()
            };
        };
        Observation {
            presence: row.presence.clone(),
            image: row.image.clone(),
            version: Some(Version { order: Some(row.version), token: row.version.to_string() }),
            changed_at: Some(row.changed_at),
            marker: row.marker,
            key: row.key,
            read_at: self.now(),
            source: Source::Event,
            ..Observation::default()
        }
    }

    pub(crate) fn value(&self, side: Side, record: &str, name: &str) -> Option<&Value> {
        let row = self.rows.get(side).get(&RecordId::from(record))?;
        row.image.get(&super::flow::column(side, name))
    }

    pub(crate) fn present(&self, side: Side) -> Vec<&RecordId> {
        let rows = self.rows.get(side).iter();
        rows.filter(|(_, row)| row.presence == Presence::Present).map(|(id, _)| id).collect()
    }

    /// The values that a call would destroy, if its condition holds.
    pub(crate) fn destroyed_by(&self, intent: &Intent) -> Vec<Value> {
        let row = intent.record.as_ref().and_then(|id| self.rows.get(intent.side).get(id));
        let Some(row) = row.filter(|row| self.meets(row, intent)) else { return Vec::new() };
        let destroyed = row.image.iter().filter(|(column, held)| match intent.op {
            Op::Update if column.as_str().ends_with("_ext") => false,
            Op::Update => intent.values.get(*column).is_some_and(|new| new != *held),
            Op::Delete => column.as_str().ends_with("_f"),
            Op::Create | Op::Undelete | Op::Read | Op::Find => false,
        });
        destroyed.map(|(_, held)| held.clone()).collect()
    }

    fn meets(&self, row: &Row, intent: &Intent) -> bool {
        match &intent.expected {
            Some(expected) => expected.order == Some(row.version),
            None => {
                let mut expected = intent.expected_values.iter();
                expected.all(|(column, value)| row.image.get(column) == Some(value))
            }
        }
    }

    /// Carries out an intent and answers it.
    pub(crate) fn call(&mut self, intent: &Intent) -> Receipt {
        let sent_at = self.now();
        self.tick();
        let outcome = self.outcome(intent);
        Receipt { intent: intent.id, at: self.now(), sent_at, outcome }
    }

    fn outcome(&mut self, intent: &Intent) -> Outcome {
        match intent.op {
            Op::Create => self.create(intent),
            Op::Update | Op::Delete | Op::Undelete => self.write(intent),
            Op::Read => {
                let record = intent.record.clone().expect("a read names its record");
                let mut seen = self.observe(intent.side, &record);
                seen.source = Source::Read;
                Outcome::Read(Box::new(seen))
            }
            Op::Find => Outcome::Found(self.find(intent)),
        }
    }

    fn find(&self, intent: &Intent) -> Vec<Found> {
        let mut found = Vec::new();
        for (record, row) in self.rows.get(intent.side) {
            let holds = |columns: &[(Column, Value)]| {
                columns.iter().all(|(column, value)| row.image.get(column) == Some(value))
            };
            let hit = intent.find.iter().find(|key| match key.rule {
                Some(_) => holds(&key.columns),
                None => row.key == Some(intent.link),
            });
            if let Some(hit) = hit.filter(|_| row.presence == Presence::Present) {
                let observation = self.observe(intent.side, record);
                found.push(Found { record: record.clone(), rule: hit.rule, observation });
            }
        }
        found
    }

    fn create(&mut self, intent: &Intent) -> Outcome {
        let taken = self.rows.get(intent.side).iter().find(|(_, row)| row.key == Some(intent.link));
        if let Some((record, _)) = taken {
            let record = record.clone();
            let observation = self.observe(intent.side, &record);
            return refused(
                FailureClass::Uniqueness,
                Some(Box::new(Found { record, rule: None, observation })),
            );
        }
        self.created += 1;
        let record = RecordId::new(format!("new-{}-{}", intent.side, self.created));
        let version = self.tick();
        let mut image = intent.values.clone();
        for name in ["id", "key"] {
            let column = super::flow::column(intent.side, name);
            let value = if name == "id" { Value::text(record.as_str()) } else { Value::Null };
            image.entry(column).or_insert(value);
        }
        let row = Row {
            image,
            version,
            changed_at: self.now(),
            marker: Some(intent.id),
            key: Some(intent.link),
            presence: Presence::Present,
        };
        self.rows.get_mut(intent.side).insert(record.clone(), row);
        Outcome::Landed { after: Some(Box::new(self.observe(intent.side, &record))), record }
    }

    fn write(&mut self, intent: &Intent) -> Outcome {
        let record = intent.record.clone().expect("a write names its record");
        let version = self.tick();
        let now = self.now();
        let known = self.rows.get(intent.side).get(&record);
        let Some(expected) = known.map(|row| self.meets(row, intent)) else {
            return refused(FailureClass::Gone, None);
        };
        if !expected {
            let observation = self.observe(intent.side, &record);
            let found = Found { record, rule: None, observation };
            return refused(FailureClass::Stale, Some(Box::new(found)));
        }
        let Some(row) = self.rows.get_mut(intent.side).get_mut(&record) else {
            return refused(FailureClass::Gone, None);
        };
        row.image.extend(intent.values.clone());
        row.version = version;
        row.changed_at = now;
        row.marker = Some(intent.id);
        row.presence = match intent.op {
            Op::Delete => Presence::Deleted(Deletion::Soft),
            Op::Undelete => Presence::Present,
            Op::Update | Op::Create | Op::Read | Op::Find => row.presence.clone(),
        };
        Outcome::Landed { after: Some(Box::new(self.observe(intent.side, &record))), record }
    }
}

pub(crate) fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        code: "TEST".to_owned(),
        message: "refused by a test".to_owned(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}

fn refused(class: FailureClass, observed: Option<Box<Found>>) -> Outcome {
    Outcome::Refused { failure: failure(class), observed }
}
