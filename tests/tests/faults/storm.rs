//! Everything at once, during the whole initial creation: kills, lost answers, locks, a broker that
//! restarts and forgets, edits on both sides. Afterwards both sides are equal.

use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::compare::{Listed, compare};
use duet_tests::duet::Running;
use duet_tests::flows::ALL;
use duet_tests::northwind;
use serde_json::json;

use crate::calls::assert_all_told;
use crate::dice::Dice;
use crate::edits::Edits;
use crate::rig::{Hub, LIMIT, Rig, STOPS_WITHIN};

/// Records that the creation is about; kills fall between the first and the last of them.
const CREATED: usize = 3_230;
const KILLS: usize = 5;
/// A part of the creation takes this long at most, faults included.
const GROWS_WITHIN: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn kills_lost_answers_and_a_forgetful_broker_leave_no_trace() {
    let mut dice = Dice::new();
    let mut rig = Rig::with_own_broker().await;
    rig.salesforce.keep().await.unwrap();
    rig.prepare(&[]);
    let faults = json!({ "lost_rate": 0.1, "lock_rate": 0.01, "unavailable_rate": 0.03 });
    rig.salesforce.fail(faults).await.unwrap();
    let mut edits = Edits::default();
    for (at, mark) in marks(&mut dice).into_iter().enumerate() {
        let running = grown(&rig, rig.run(), mark).await;
        match at {
            1 => purge(&rig),
            3 => restart_broker(&mut rig).await,
            _ => {}
        }
        edits.make(&rig, &mut dice).await;
        tokio::time::sleep(Duration::from_millis(dice.below(300) as u64)).await;
        running.kill();
    }
    rig.salesforce.mend().await.unwrap();
    drain(&rig, &mut edits, &mut dice).await;
    assert_equal(&rig, &edits).await;
    let told = assert_all_told(&rig).await;
    assert!(told.calls >= CREATED && told.unanswered > 0, "{told:?}");
}

/// Counts of records at which duet is killed.
#[expect(clippy::print_stdout, reason = "tells where to look in a failure")]
fn marks(dice: &mut Dice) -> Vec<usize> {
    let mut marks: Vec<usize> = (0..KILLS).map(|_| dice.below(CREATED - 100)).collect();
    marks.sort_unstable();
    println!("killed at {marks:?} records");
    marks
}

/// Waits for so many records; a supervisor starts duet again where it gave up at its start.
async fn grown(rig: &Rig, mut running: Running, mark: usize) -> Running {
    let count = || {
        let org = rig.salesforce.org().unwrap();
        ALL.into_iter().map(|flow| org.of(flow.object).count()).sum::<usize>()
    };
    let what = format!("there are {mark} records");
    wait_until(GROWS_WITHIN, &what, || {
        if !running.is_running() {
            running = rig.run();
        }
        std::future::ready(count() >= mark)
    })
    .await;
    running
}

fn purge(rig: &Rig) {
    let Hub::Own(broker) = &rig.hub else { panic!("the broker is this test's own") };
    let every = "[rabbit_amqqueue:purge(Q) || Q <- rabbit_amqqueue:list()], purged.";
    assert!(broker.evaluate(every).unwrap().contains("purged"));
}

async fn restart_broker(rig: &mut Rig) {
    let Hub::Own(broker) = &mut rig.hub else { panic!("the broker is this test's own") };
    broker.restart().await.unwrap();
}

/// Lets duet finish, with more edits meanwhile, and stops it in order.
async fn drain(rig: &Rig, edits: &mut Edits, dice: &mut Dice) {
    let running = grown(rig, rig.run(), CREATED).await;
    edits.make(rig, dice).await;
    wait_until(LIMIT, "nothing is under way", || std::future::ready(rig.is_quiet())).await;
    let status = running.stop(STOPS_WITHIN).expect("it stops in time");
    assert_eq!(status.code(), Some(0), "a stop in order");
    rig.done(&["sync", "--once"]);
    let again = rig.json(&["sync", "--once"]);
    assert_eq!((&again["writes"]["left"], &again["writes"]["right"]), (&json!(0), &json!(0)));
}

async fn assert_equal(rig: &Rig, edits: &Edits) {
    assert_eq!(rig.done(&["conflicts", "list"]).out.trim(), "no conflicts");
    assert_eq!(rig.done(&["errors", "list"]).out.trim(), "no errors");
    let org = rig.salesforce.org().unwrap();
    let mut found = Vec::new();
    for flow in ALL {
        let rows = northwind::rows(rig.shop.url(), flow).await.unwrap();
        assert_eq!(org.of(flow.object).count(), rows.len(), "{}", flow.name);
        let differences = compare(flow, &rows, &org, &Listed::default());
        found.extend(differences.iter().map(ToString::to_string));
        assert!(rows.iter().all(|row| !edits.gone().contains(&row.key)), "{} is back", flow.name);
    }
    found.extend(edits.lost(rig).await);
    assert!(found.is_empty(), "of {} edits:\n{}", edits.count(), found.join("\n"));
}
