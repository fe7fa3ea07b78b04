//! Everything at once, during the whole of the main job: kills, answers lost on both sides, locks, a
//! broker that restarts and forgets, while what is there beforehand is linked, everything else is
//! created, a person decides, and both sides are edited. Afterwards both sides are equal but for
//! what is listed. Without servers it is the same, but for what goes wrong around duet: other
//! programs hold the shop's file, or the state's, and kills begin with the first command.

use std::time::Duration;

use duet_testkit::servers::{Fault, Proxy};
use duet_testkit::wait::wait_until;
use duet_tests::compare::{Listed, compare};
use duet_tests::database;
use duet_tests::desk;
use duet_tests::duet::Running;
use duet_tests::flows::{self, ALL, CUSTOMERS, PRODUCTS};
use duet_tests::northwind;
use duet_tests::seed::{Found, Planted};
use serde_json::json;

use crate::calls::assert_all_told;
use crate::dice::Dice;
use crate::edits::Edits;
use crate::ground::{Hub, Way};
use crate::held::held;
use crate::lost::lose_a_commit;
use crate::rig::{LIMIT, Rig, SOON, STOPS_WITHIN};

/// Records that are created, or a few less: the first kills fall between the first and the last.
const CREATED: usize = 3_100;
/// Kills while records are created; from the next on everything is there.
const EARLY: usize = 3;
const KILLS: usize = 5;
/// A part of the creation takes this long at most, faults included.
const GROWS_WITHIN: Duration = Duration::from_secs(180);
/// Longer than duet waits for the shop's file when another program holds it (2 s).
const HELD: Duration = Duration::from_millis(2_500);
/// Bytes of answers after which the way to the shop is cut, while it is bad.
const SOME_ANSWERS: usize = 100_000;

/// What there is around duet.
enum Around {
    /// A broker, and a way to the shop.
    Servers(Proxy),
    /// Files.
    Nothing,
}

impl Around {
    fn calm(&self) {
        if let Around::Servers(way) = self {
            way.set(Fault::None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lost_answers_and_a_forgetful_broker_leave_no_trace() {
    let mut rig = Rig::with_own_servers().await;
    let way = rig.way_to_shop().await;
    storm(rig, Around::Servers(way)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_the_one_process_leave_no_trace() {
    storm(Rig::running(Way::Alone).await, Around::Nothing).await;
}

async fn storm(mut rig: Rig, around: Around) {
    let mut dice = Dice::new();
    let planted = rig.plant().await;
    rig.salesforce.keep().await.unwrap();
    match around {
        Around::Servers(_) => rig.prepare(&[]),
        Around::Nothing => prepare_among_kills(&rig, &mut dice).await,
    }
    let faults = json!({ "lost_rate": 0.1, "lock_rate": 0.01, "unavailable_rate": 0.03 });
    rig.salesforce.fail(faults).await.unwrap();
    let mut edits = Edits::beside(planted.clone());
    let (marks, desk_opens) = (marks(&mut dice), dice.below(EARLY));
    for at in 0..KILLS {
        let running = rig.run();
        let running = grown(&rig, running, marks.get(at).copied(), &edits, at >= desk_opens).await;
        trouble(&mut rig, at, &around, &mut edits, &mut dice).await;
        edits.make(&rig, &mut dice).await;
        tokio::time::sleep(Duration::from_millis(dice.below(1_000) as u64)).await;
        running.kill();
        around.calm();
        edits.collide(&rig, &mut dice).await;
    }
    rig.salesforce.mend().await.unwrap();
    edits.assert_varied();
    drain(&rig, &mut edits, &mut dice).await;
    assert_equal(&rig, &edits, &planted).await;
    let told = assert_all_told(&rig).await;
    assert!(told.calls >= CREATED && told.unanswered > 0, "{told:?}");
}

/// Counts of records, beyond those that were there, at which duet is killed.
#[expect(clippy::print_stdout, reason = "tells where to look in a failure")]
fn marks(dice: &mut Dice) -> Vec<usize> {
    let mut marks: Vec<usize> = (0..EARLY).map(|_| dice.below(CREATED)).collect();
    marks.sort_unstable();
    println!("killed at {marks:?} records, and {} times afterwards", KILLS - EARLY);
    marks
}

/// Waits for so many records, or for all; a supervisor starts duet again where it gave up at its
/// start, and a person looks in once the desk is open.
async fn grown(
    rig: &Rig,
    mut running: Running,
    mark: Option<usize>,
    edits: &Edits,
    desk: bool,
) -> Running {
    let what = format!("there are {mark:?} records");
    wait_until(GROWS_WITHIN, &what, || {
        if !running.is_running() {
            running = rig.run();
        }
        if desk {
            edits.decide(rig);
        }
        is_grown(rig, mark)
    })
    .await;
    running
}

async fn is_grown(rig: &Rig, mark: Option<usize>) -> bool {
    let org = rig.salesforce.org().unwrap();
    for flow in ALL {
        let keyed = org.of(flow.object).filter(|one| one.text("Ext__c").is_some()).count();
        if mark.is_none() && keyed < northwind::rows(rig.shop.url(), flow).await.unwrap().len() {
            return false;
        }
    }
    let created = |flow: &flows::Flow| org.of(flow.object).count();
    mark.is_none_or(|mark| ALL.into_iter().map(created).sum::<usize>() >= mark)
}

/// Capture and adoption, each killed at some moment and begun anew, until they get through.
async fn prepare_among_kills(rig: &Rig, dice: &mut Dice) {
    for (arguments, longest) in [(["capture", "install"], 100), (["adopt", "--yes"], 1_500)] {
        for _ in 0..EARLY {
            let running = rig.project.start(&arguments).unwrap();
            tokio::time::sleep(Duration::from_millis(dice.below(longest) as u64)).await;
            running.kill();
        }
        // The lease of one that was killed has to run out.
        let through = || std::future::ready(rig.duet(&arguments).code == Some(0));
        wait_until(SOON, &format!("{arguments:?} gets through"), through).await;
    }
}

/// Something else each time, while duet is running.
async fn trouble(rig: &mut Rig, at: usize, around: &Around, edits: &mut Edits, dice: &mut Dice) {
    let Around::Servers(way) = around else { return file_trouble(rig, at).await };
    way.drop_connections();
    match at {
        1 => purge(rig),
        2 => way.set(Fault::CutAfter((SOME_ANSWERS + dice.below(SOME_ANSWERS)) as u64)),
        3 => restart_broker(rig).await,
        4 => lose_a_commit(rig, way, edits, dice).await,
        _ => {}
    }
}

async fn file_trouble(rig: &Rig, at: usize) {
    match at {
        1 => held(rig.shop.url(), HELD).await,
        2 => held(rig.state.url(), HELD).await,
        3 => database::execute(rig.shop.url(), "VACUUM").await.unwrap(),
        4 => database::execute(rig.state.url(), "VACUUM").await.unwrap(),
        _ => {}
    }
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

/// Lets duet finish, with more edits meanwhile and a person who decides, and stops it in order.
async fn drain(rig: &Rig, edits: &mut Edits, dice: &mut Dice) {
    let running = grown(rig, rig.run(), None, edits, true).await;
    edits.make(rig, dice).await;
    edits.both_count(rig, dice).await;
    wait_until(LIMIT, "nothing is under way, nor left to say", || {
        std::future::ready(rig.is_quiet() && edits.decide(rig))
    })
    .await;
    let status = running.stop(STOPS_WITHIN).expect("it stops in time");
    assert_eq!(status.code(), Some(0), "a stop in order");
    rig.done(&["sync", "--once"]);
    let again = rig.json(&["sync", "--once"]);
    assert_eq!((&again["writes"]["left"], &again["writes"]["right"]), (&json!(0), &json!(0)));
}

async fn assert_equal(rig: &Rig, edits: &Edits, planted: &Planted) {
    assert_eq!(rig.done(&["errors", "list"]).out.trim(), "no errors");
    let org = rig.salesforce.org().unwrap();
    let mut listed = Listed::default();
    listed.left_alone.extend(planted.lone());
    let twins = planted.seeds.iter().filter(|(seed, _)| seed.found == Found::Twice);
    let keyless = |id: &&String| org.get(id).unwrap().text("Ext__c").is_none();
    let twins: Vec<&String> = twins.map(|(_, id)| id).filter(keyless).collect();
    assert_eq!(twins.len(), 4, "one of each two is linked");
    listed.left_alone.extend(twins.into_iter().cloned());
    let open = edits.open();
    for (record, _, column) in &open {
        listed.open(&CUSTOMERS, record.trim_start_matches("customers/"), column);
    }
    let mut found = Vec::new();
    for flow in ALL {
        let rows = northwind::rows(rig.shop.url(), flow).await.unwrap();
        let differences = compare(flow, &rows, &org, &listed);
        found.extend(differences.iter().map(ToString::to_string));
        let alone = org.of(flow.object).filter(|one| listed.left_alone.contains(&one.id)).count();
        assert_eq!(org.of(flow.object).count(), rows.len() + alone, "{}", flow.name);
    }
    found.extend(edits.lost(rig).await);
    found.extend(desk::missing(&rig.project, rig.shop.url(), &org, &open).await.unwrap());
    found.extend(forgotten(rig, edits));
    let soft = org.of(PRODUCTS.object).filter(|one| one.fields["IsActive"] == false).count();
    assert_eq!(soft, 0, "no product was given up");
    assert!(found.is_empty(), "of {} edits:\n{}", edits.made, found.join("\n"));
}

/// Values that lost by rule and aren't in the store.
fn forgotten(rig: &Rig, edits: &Edits) -> Vec<String> {
    let all = desk::conflicts(&rig.project, true).unwrap();
    let kept: Vec<String> = all.iter().map(ToString::to_string).collect();
    let is_kept = |value: &&String| kept.iter().any(|one| one.contains(&format!("{value}\\\"")));
    let lost = edits.overruled.iter().filter(|value| !is_kept(value));
    lost.map(|value| format!("{value:?} was overruled and isn't kept")).collect()
}
