//! Adoption: what exists on both sides is paired; nothing is written before somebody says so.

use duet_core::conflict::ConflictKind;
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_pipeline::adopt::{Adoption, Progress, Survey};
use duet_pipeline::error::StageError;
use duet_ports::clock::Clock;
use duet_ports::store::Store;
use duet_testkit::memory_side::columns;

use super::flows::THINGS;
use super::hands::Hands;
use super::rig::{Rig, Wanted};

fn silent(_: Progress) {}

fn put(rig: &Rig, side: Side, record: &str, code: &str, name: &str) {
    let values = columns(&[("code", code), ("name", name), ("city", "Oslo")]);
    rig.sides.get(side).put(THINGS, record, values);
}

/// Two sides with a history of their own: pairs, a differing pair, doubles, loners, a keyless one.
async fn two_histories() -> Rig {
    let rig = Rig::of(Wanted { adopted: false, ..Wanted::default() }).await;
    for (record, code, name) in
        [("l1", "1", "Ann"), ("l2", "2", "Bob"), ("l3", "3", "Cid"), ("l4", "3", "Cid again")]
    {
        put(&rig, Side::Left, record, code, name);
    }
    for (record, code, name) in [("r1", "1", "Ann"), ("r2", "2", "Bobby"), ("r3", "3", "Cid")] {
        put(&rig, Side::Right, record, code, name);
    }
    put(&rig, Side::Left, "only-l", "7", "Left");
    put(&rig, Side::Right, "only-r", "8", "Right");
    rig.left().put(THINGS, "keyless", columns(&[("name", "No code"), ("city", "Oslo")]));
    rig
}

async fn begin(rig: &Rig) -> Adoption {
    Adoption::begin(&rig.context, &rig.spec().name).await.expect("nobody adopts")
}

async fn surveyed(rig: &Rig, adoption: &mut Adoption) -> Survey {
    adoption.scan(&rig.context, &silent).await.expect("both sides can be read");
    adoption.survey(&rig.context, &silent).await.expect("it is up")
}

fn records(lone: &[duet_pipeline::adopt::Lone]) -> Vec<&str> {
    let mut records: Vec<&str> = lone.iter().map(|one| one.record.as_str()).collect();
    records.sort_unstable();
    records
}

#[tokio::test]
async fn the_report_tells_everything_and_nothing_is_written() {
    let rig = two_histories().await;
    let mut adoption = begin(&rig).await;
    let mut survey = surveyed(&rig, &mut adoption).await;
    survey.matched.sort_by_key(|pair| pair.records.left.clone());
    assert_eq!(survey.matched.len(), 2);
    assert_eq!(survey.matched[0].records.right.as_str(), "r1");
    assert!(survey.matched[0].differing.is_empty());
    let differing: Vec<&str> =
        survey.matched[1].differing.iter().map(|field| field.as_str()).collect();
    assert_eq!(differing, ["name"]);
    assert_eq!(records(&survey.ambiguous.left), ["l3", "l4"]);
    assert_eq!(records(&survey.ambiguous.right), ["r3"]);
    assert_eq!(records(&survey.only.left), ["keyless", "only-l"]);
    assert_eq!(records(&survey.only.right), ["only-r"]);
    assert_eq!(records(&survey.keyless.left), ["keyless"]);
    assert_eq!(survey.linked, 0);
    adoption.end(&rig.context).await.expect("it is up");
    let mut hands = Hands::of(&rig).await;
    hands.work_through(&rig, 60, 2).await;
    assert_eq!(rig.writes(), 0, "nobody said yes");
    assert!(rig.links().await.iter().all(|link| link.phase != Phase::Linked));
    assert!(!rig.store.flow_state(&rig.spec().name).await.expect("it is up").adopted);
}

#[tokio::test]
async fn what_matches_is_linked_and_the_rest_follows_the_tables() {
    let rig = two_histories().await;
    let mut adoption = begin(&rig).await;
    let survey = surveyed(&rig, &mut adoption).await;
    adoption.link(&rig.context, &survey, &silent).await.expect("it is up");
    adoption.end(&rig.context).await.expect("it is up");
    assert_eq!(rig.writes(), 0, "linking writes to no side");
    let mut hands = Hands::of(&rig).await;
    hands.work_through(&rig, 2, 3).await;
    assert!(rig.agree("1", "Ann") && rig.agree("7", "Left") && rig.agree("8", "Right"));
    assert_eq!(rig.link_of(Side::Left, "l2").await, rig.link_of(Side::Right, "r2").await);
    let mut kinds: Vec<ConflictKind> =
        rig.conflicts().await.iter().map(|conflict| conflict.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [ConflictKind::FirstLinkDiffers, ConflictKind::AmbiguousMatch]);
    assert_eq!(rig.writes(), 2, "the two loners, nothing else");
    assert_eq!(rig.text(Side::Right, "r2", "name").unwrap(), "Bobby");
    rig.left().put(THINGS, "l1", columns(&[("name", "Anna")]));
    hands.work().await;
    assert!(rig.agree("1", "Anna"));
}

#[tokio::test]
async fn a_second_adoption_has_to_wait() {
    let rig = two_histories().await;
    let first = begin(&rig).await;
    let flow = rig.spec().name.clone();
    for process in [rig.context.clone(), rig.another_process()] {
        let second = Adoption::begin(&process, &flow).await;
        assert!(matches!(second, Err(StageError::LeaseHeld { .. })));
    }
    first.end(&rig.context).await.expect("it is up");
    begin(&rig).await.end(&rig.context).await.expect("it is up");
}

#[tokio::test]
async fn an_adoption_of_an_unknown_flow_is_refused() {
    let rig = two_histories().await;
    let unknown = Adoption::begin(&rig.context, &"nothing".into()).await;
    assert!(matches!(unknown, Err(StageError::NoFlow { .. })));
}

#[tokio::test]
async fn changes_while_it_is_adopted_are_recorded_and_not_lost() {
    let rig = two_histories().await;
    let mut hands = Hands::of(&rig).await;
    let mut adoption = begin(&rig).await;
    let survey = surveyed(&rig, &mut adoption).await;
    rig.left().put(THINGS, "l1", columns(&[("name", "Anna")]));
    put(&rig, Side::Left, "new", "9", "New");
    hands.work().await;
    assert_eq!(rig.writes(), 0);
    adoption.link(&rig.context, &survey, &silent).await.expect("it is up");
    adoption.end(&rig.context).await.expect("it is up");
    hands.work_through(&rig, 2, 3).await;
    assert!(rig.agree("9", "New"));
    let l1 = rig.link_of(Side::Left, "l1").await;
    let held = rig.conflicts().await.iter().any(|one| one.link == l1);
    assert!(held || rig.agree("1", "Anna"), "the edit is flowing or asked about");
}

#[tokio::test]
async fn an_adoption_that_broke_off_is_repeated() {
    let rig = two_histories().await;
    let mut first = begin(&rig).await;
    let survey = surveyed(&rig, &mut first).await;
    // It links one pair, then its process dies.
    let one = Survey { matched: survey.matched[..1].to_vec(), ..Survey::default() };
    let pairs: Vec<_> = one.matched.iter().map(duet_pipeline::adopt::Match::links).collect();
    duet_pipeline::join::many(&rig.context, &pairs).await.expect("it is up");
    drop(first);
    let held = Adoption::begin(&rig.context, &rig.spec().name).await;
    assert!(matches!(held, Err(StageError::LeaseHeld { .. })), "its lease must run out");
    rig.pass(31);
    let mut second = begin(&rig).await;
    let again = surveyed(&rig, &mut second).await;
    assert_eq!(again.matched.len(), 1, "what is linked stays linked");
    second.link(&rig.context, &again, &silent).await.expect("it is up");
    second.end(&rig.context).await.expect("it is up");
    let mut hands = Hands::of(&rig).await;
    hands.work_through(&rig, 2, 3).await;
    assert!(rig.agree("1", "Ann") && rig.agree("7", "Left") && rig.agree("8", "Right"));
    assert_eq!(rig.links().await.iter().filter(|link| link.phase == Phase::Linked).count(), 4);
}

#[tokio::test]
async fn an_adoption_tells_how_far_it_is() {
    let rig = two_histories().await;
    let told = std::sync::Mutex::new(Vec::new());
    let watch = |progress| told.lock().expect("one thread").push(progress);
    let mut adoption = begin(&rig).await;
    adoption.scan(&rig.context, &watch).await.expect("both sides can be read");
    let survey = adoption.survey(&rig.context, &watch).await.expect("it is up");
    adoption.link(&rig.context, &survey, &watch).await.expect("it is up");
    let told = told.into_inner().expect("one thread");
    assert_eq!(told[0], Progress::Scanned(Side::Left, 6, Some(6)));
    assert_eq!(told[1], Progress::Scanned(Side::Right, 4, Some(4)));
    assert_eq!(told[2], Progress::Surveyed(10));
    assert_eq!(told[3], Progress::Linked(2, 2));
}

#[tokio::test]
async fn a_side_that_cannot_be_read_ends_the_adoption_with_nothing_done() {
    use duet_core::retry::FailureClass;
    use duet_testkit::memory_side::{Fault, Kind};
    let rig = two_histories().await;
    let mut adoption = begin(&rig).await;
    rig.right().plan(Kind::Scan, Fault::NotSent(FailureClass::Unreachable), 1);
    let failed = adoption.scan(&rig.context, &silent).await;
    assert!(matches!(failed, Err(StageError::Connector(_))), "{failed:?}");
    let survey = surveyed(&rig, &mut adoption).await;
    assert_eq!(survey.matched.len(), 2, "scanned again, nothing is there twice");
    assert_eq!(rig.links().await.len(), 10);
}

#[tokio::test]
async fn a_source_that_another_process_is_opening_has_no_position_yet() {
    let rig = two_histories().await;
    let hour = std::time::Duration::from_secs(3_600);
    let lease = rig.store.lease("detect/things/left", "other", hour, rig.clock.now()).await;
    let lease = lease.expect("it is up").expect("nobody has it");
    let passing = async {
        loop {
            rig.pass(1);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let flow = &rig.spec().name;
    let failed = tokio::select! {
        begun = Adoption::begin(&rig.context, flow) => begun.err(),
        () = passing => None,
    };
    assert!(matches!(failed, Some(StageError::LeaseHeld { .. })), "{failed:?}");
    let (now, head) = (rig.clock.now(), duet_ports::connector::Position("0".to_owned()));
    let opened = rig.store.advance("things/left", lease.token, Some(&head), 0, now);
    let (begun, opened) = tokio::join!(Adoption::begin(&rig.context, flow), opened);
    assert!(opened.expect("it is up"));
    begun.expect("it has one now").end(&rig.context).await.expect("it is up");
}
