//! The side in memory keeps the promises that every connector makes; and its faults do what they say.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duet_core::id::{Column, RecordId};
use duet_core::image::Image;
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::Presence;
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_core::value::Value;
use duet_ports::connector::{Batch, Collection, Connector};

use super::{Fault, Kind, MemorySide, Promises, ShiftedClock, columns};
use crate::connector_contract::scene::undescribed;
use crate::connector_contract::{ConnectorRig, creating, landed};

struct Rig {
    side: MemorySide,
    clock: Arc<ShiftedClock>,
}

fn rig_of(promises: Promises) -> Rig {
    let clock = Arc::new(ShiftedClock::default());
    let side = MemorySide::new("memory", clock.clone(), promises);
    side.table("things");
    side.forbid("things", "name", "refused", FailureClass::Validation);
    Rig { side, clock }
}

fn collection() -> Collection {
    let mut collection = undescribed("things", Side::Right, "things", &["id"]);
    let columns = ["name", "city"].map(|name| (Column::from(name), super::connector::any_text()));
    collection.columns = columns.into();
    collection
}

#[async_trait(?Send)]
impl ConnectorRig for Rig {
    async fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(self.side.clone())
    }

    fn collection(&self) -> Collection {
        collection()
    }

    fn text(&self) -> Column {
        "name".into()
    }

    fn other(&self) -> Column {
        "city".into()
    }

    async fn create(&self, text: &str) -> RecordId {
        let record = format!("thing-{}", self.side.records("things").len() + 1);
        self.side.put("things", &record, columns(&[("name", text), ("city", "")]));
        record.as_str().into()
    }

    async fn edit(&self, record: &RecordId, column: &Column, text: &str) {
        self.side.put("things", record.as_str(), columns(&[(column.as_str(), text)]));
    }

    async fn delete(&self, record: &RecordId) {
        self.side.delete("things", record.as_str());
    }

    async fn count(&self) -> usize {
        self.side.records("things").len()
    }

    fn new_record(&self, number: u32) -> (Image, Option<(Column, Value)>) {
        let code = number.to_string();
        let values = columns(&[("name", "new"), ("city", ""), ("code", &code)]);
        (values, Some(("code".into(), Value::text(code))))
    }

    fn refused(&self) -> Value {
        Value::text("refused")
    }

    async fn ripen(&self) {
        self.clock.pass(Duration::from_secs(3));
    }
}

crate::connector_contract_tests!([
    rig_of(Promises::default()),
    rig_of(Promises::of_whole_seconds())
]);

async fn create(rig: &Rig) -> Result<Vec<Outcome>, duet_ports::connector::ConnectorError> {
    let calls = vec![creating(rig, 1), creating(rig, 2)];
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls };
    Ok(rig.side.apply(&collection(), &batch).await?.outcomes)
}

#[tokio::test]
async fn a_lost_answer_and_a_lost_call_look_the_same() {
    let rig = rig_of(Promises::default());
    rig.side.plan(Kind::Apply, Fault::CallLost, 1);
    rig.side.plan(Kind::Apply, Fault::AnswerLost, 1);
    let first = create(&rig).await.expect_err("the call is lost");
    assert_eq!((first.sent, rig.side.written().len()), (true, 0));
    let second = create(&rig).await.expect_err("the answer is lost");
    assert_eq!((second.sent, rig.side.written().len()), (true, 2));
    assert_eq!(first.failure, second.failure);
}

#[tokio::test]
async fn a_call_that_lands_late_is_held_to_its_condition() {
    let rig = rig_of(Promises::default());
    rig.side.plan(Kind::Create, Fault::Later, 1);
    assert!(create(&rig).await.expect_err("nobody answers").sent);
    landed(&create(&rig).await.expect("the side answers")[0]);
    let late = rig.side.land_late(&collection());
    assert_eq!(late.len(), 2);
    assert!(late.iter().all(|one| matches!(one, Outcome::Refused { .. })), "{late:?}");
    assert!(rig.side.land_late(&collection()).is_empty());
    assert_eq!(rig.side.written().len(), 2);
}

#[tokio::test]
async fn faults_end_and_are_counted() {
    let rig = rig_of(Promises::default());
    rig.side.plan(Kind::Any, Fault::NotSent(FailureClass::Unreachable), 2);
    for _ in 0..2 {
        let failed = create(&rig).await.expect_err("not sent");
        assert!(!failed.sent);
        assert_eq!(failed.failure.class, FailureClass::Unreachable);
    }
    rig.side.plan(Kind::Apply, Fault::AnswerMissing, 1);
    assert_eq!(create(&rig).await.expect("it answers").len(), 1);
    assert_eq!((rig.side.calls(Kind::Create), rig.side.calls(Kind::Apply)), (3, 3));
    rig.side.plan(Kind::Any, Fault::Throttled(Duration::from_secs(9)), 1);
    let asked = create(&rig).await.expect_err("too many").failure.retry_after_us;
    assert_eq!(asked, Some(9_000_000));
    rig.side.plan(Kind::Any, Fault::CallLost, 100);
    rig.side.heal();
    assert!(create(&rig).await.is_ok());
}

#[tokio::test]
async fn a_renamed_record_and_an_untold_change_are_journalled() {
    let rig = rig_of(Promises::default());
    let mut detector = rig.side.detector(&collection(), None).await.expect("it opens");
    rig.side.put("things", "a", columns(&[("name", "x")]));
    rig.side.rename("things", "a", "b");
    rig.side.put_untold("things", "b", columns(&[("name", "y")]));
    let read = detector.detect(10).await.expect("it can be read").changes;
    let kinds: Vec<String> = read.iter().map(|one| format!("{:?}", one.what)).collect();
    assert_eq!(read.len(), 3, "nothing is told under the id it had");
    assert!(kinds[0].starts_with("KeyChanged"), "{kinds:?}");
    assert!(kinds[2].starts_with("Gap"), "{kinds:?}");
    let gone = rig.side.read(&collection(), &["a".into()]).await.expect("it can be read");
    assert_ne!(gone[0].observation.presence, Presence::Present);
    assert_eq!(rig.side.text("things", "b", "name").as_deref(), Some("y"));
}

#[tokio::test]
async fn a_side_of_whole_seconds_has_one_version_a_second() {
    let rig = rig_of(Promises::of_whole_seconds());
    let version = || rig.side.row("things", "a").expect("it is there").version;
    rig.side.put("things", "a", columns(&[("name", "x")]));
    let first = version();
    assert_eq!(first % 1_000_000, 0);
    rig.clock.pass(Duration::from_secs(1));
    rig.side.put("things", "a", columns(&[("name", "y")]));
    assert!(version() > first);
}
