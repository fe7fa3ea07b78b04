//! What dead letters promise: none is lost, a person handles them, and what is newer ends them.

use duet_core::id::{FlowName, RecordId};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{Accepted, DeadLetterRow, LetterChange, LetterFilter, LetterState};
use duet_ports::store::{DeadLetter, SeenRecord, Store, Unit};

use super::StoreRig;
use super::sample::{NOW, flow, hold, linked};

fn letter(reason: &str, body: &[u8]) -> DeadLetter {
    let (flow, place) = (Some(flow()), "reconcile".to_owned());
    DeadLetter {
        flow,
        place,
        reason: reason.to_owned(),
        body: body.to_vec(),
        ..DeadLetter::default()
    }
}

/// About a look at a record of the left.
fn about(record: &str, read_at: i64) -> DeadLetter {
    let (side, record) = (Some(Side::Left), Some(RecordId::from(record)));
    DeadLetter { side, record, read_at: Some(Stamp(read_at)), ..letter("no good", b"{}") }
}

async fn bury(store: &dyn Store, dead: &[DeadLetter]) {
    let mut unit = store.begin().await.expect("the store is up");
    unit.settle(&[], dead, NOW).await.expect("they are taken");
    unit.commit().await.expect("they are stored");
}

async fn listed(store: &dyn Store, states: &[LetterState]) -> Vec<DeadLetterRow> {
    let filter = LetterFilter { flow: None, states: states.to_vec(), limit: 9 };
    store.dead_letters(&filter).await.expect("it answers")
}

async fn open(store: &dyn Store) -> u64 {
    store.counts(&flow()).await.expect("it answers").dead_letters
}

fn to(state: LetterState) -> LetterChange {
    LetterChange { state, by: None, note: None }
}

/// Dead letters are kept whole, oldest first; nothing in them can be refused.
pub async fn dead_letters_are_kept(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let unknown = DeadLetter { flow: None, ..letter("first", b"") };
    let named =
        DeadLetter { reason: "no\0good".into(), body: vec![0, 159, 255], ..about("r\0", 7) };
    let mut unit = store.begin().await.expect("the store is up");
    unit.settle(&[], std::slice::from_ref(&unknown), NOW).await.expect("it is taken");
    drop(unit);
    assert!(listed(&*store, &[]).await.is_empty(), "part of its transaction");
    bury(&*store, &[unknown, named]).await;
    let rows = listed(&*store, &[]).await;
    assert_eq!((rows[1].reason.as_str(), rows[1].bytes), ("no\u{fffd}good", 3));
    assert_eq!((rows[1].flow.clone(), rows[1].place.as_str()), (Some(flow()), "reconcile"));
    assert_eq!(
        (rows[1].side, rows[1].record.clone()),
        (Some(Side::Left), Some("r\u{fffd}".into()))
    );
    assert_eq!((rows[0].flow.clone(), rows[0].bytes, rows[0].at), (None, 0, NOW));
    assert_eq!((rows[0].side, rows[0].record.clone()), (None, None));
    assert!(rows[0].id < rows[1].id);
    assert_eq!(store.dead_letter(rows[1].id).await.expect("it answers").as_ref(), Some(&rows[1]));
    assert_eq!(store.dead_letter(rows[1].id + 1).await.expect("it answers"), None);
    let filter = LetterFilter { flow: Some(flow()), limit: 9, ..LetterFilter::default() };
    assert_eq!(store.dead_letters(&filter).await.expect("it answers"), rows[1..]);
    let one = LetterFilter { limit: 1, ..LetterFilter::default() };
    assert_eq!(store.dead_letters(&one).await.expect("it answers"), rows[..1]);
    assert_eq!(open(&*store).await, 1, "the one of the flow");
}

/// A person asks for one to be decided again, or gives it up; what is over stays so.
pub async fn a_person_handles_dead_letters(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let nameless = letter("no", b"17");
    bury(&*store, &[about("a", 1), about("b", 1), nameless]).await;
    let ids: Vec<i64> = listed(&*store, &[]).await.iter().map(|row| row.id).collect();
    let set = async |id, change: &LetterChange| {
        store.set_dead_letter(id, change, NOW).await.expect("it answers")
    };
    let asked = async |flows: &[FlowName]| {
        let asked = store.asked_letters(flows, 9).await.expect("it answers");
        asked.into_iter().map(|(row, body)| (row.id, body)).collect::<Vec<_>>()
    };
    assert!(asked(&[flow()]).await.is_empty(), "nobody asked yet");
    assert_eq!(set(ids[0], &to(LetterState::Asked)).await, Accepted::Yes);
    assert_eq!(set(ids[2], &to(LetterState::Asked)).await, Accepted::Yes);
    assert_eq!(asked(&[flow()]).await, [(ids[0], b"{}".to_vec())], "what names no record isn't");
    assert!(asked(&["other".into()]).await.is_empty());
    assert_eq!(open(&*store).await, 3, "asked for is open still");
    assert_eq!(set(ids[0], &to(LetterState::Replayed)).await, Accepted::Yes);
    let (by, note) = (Some("ann".to_owned()), Some("a te\0st".to_owned()));
    let give_up = LetterChange { state: LetterState::Discarded, by, note };
    assert_eq!(set(ids[1], &give_up).await, Accepted::Yes);
    for id in [ids[0], ids[1], ids[2] + 1] {
        assert_eq!(set(id, &to(LetterState::Asked)).await, Accepted::Gone);
    }
    assert!(asked(&[flow()]).await.is_empty() && open(&*store).await == 1);
    let over = listed(&*store, &[LetterState::Replayed, LetterState::Discarded]).await;
    let told = |row: &DeadLetterRow| (row.id, row.handled_by.clone(), row.note.clone());
    let ann = (ids[1], Some("ann".to_owned()), Some("a te\u{fffd}st".to_owned()));
    assert_eq!(over.iter().map(told).collect::<Vec<_>>(), [(ids[0], None, None), ann]);
    assert!(over.iter().all(|row| row.closed_at == Some(NOW)));
}

async fn see(unit: &mut dyn Unit, record: &str, read_at: i64) {
    let (flow, record, read_at) = (flow(), RecordId::from(record), Stamp(read_at));
    let seen = SeenRecord { flow: &flow, side: Side::Left, record: &record, read_at, died: None };
    unit.supersede(&[seen], NOW).await.expect("it is taken");
}

/// A later look at its record ends a letter about a look at it, and only such a one; in the
/// transaction in which it counts.
pub async fn a_later_look_ends_a_dead_letter(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a"]).await;
    let change = DeadLetter { read_at: None, ..about("a", 0) };
    let right = DeadLetter { side: Some(Side::Right), ..about("a", 5) };
    bury(&*store, &[about("a", 5), about("b", 5), right, change]).await;
    let mut unit = store.begin().await.expect("the store is up");
    hold(unit.as_mut(), &links).await;
    see(unit.as_mut(), "a", 6).await;
    drop(unit);
    assert_eq!(open(&*store).await, 4);
    let mut unit = store.begin().await.expect("the store is up");
    hold(unit.as_mut(), &links).await;
    see(unit.as_mut(), "a", 4).await;
    see(unit.as_mut(), "c", 9).await;
    unit.commit().await.expect("it is stored");
    assert_eq!(open(&*store).await, 4, "an older look proves nothing");
    let mut unit = store.begin().await.expect("the store is up");
    hold(unit.as_mut(), &links).await;
    see(unit.as_mut(), "a", 6).await;
    unit.commit().await.expect("it is stored");
    let over = listed(&*store, &[LetterState::Superseded]).await;
    assert_eq!(over.iter().map(|row| row.record.clone()).collect::<Vec<_>>(), [Some("a".into())]);
    assert_eq!((open(&*store).await, over[0].closed_at), (3, Some(NOW)));
    let mut unit = store.begin().await.expect("the store is up");
    see(unit.as_mut(), "b", 5).await;
    unit.settle(&[], &[about("b", 5)], NOW).await.expect("it is taken");
    unit.commit().await.expect("it is stored");
    assert_eq!(open(&*store).await, 3, "a newer letter takes the place of the older one");
}

/// A version of a record dies once: another look at it is no other letter, also when the first was
/// given up or asked for; another version is.
pub async fn a_version_dies_once(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let dies = async |version: &str, read_at: i64| {
        let letter = DeadLetter { version: Some(version.into()), ..about("a", read_at) };
        let (flow, record) = (flow(), RecordId::from("a"));
        let read_at = Stamp(read_at);
        let died = Some(version);
        let seen = SeenRecord { flow: &flow, side: Side::Left, record: &record, read_at, died };
        let mut unit = store.begin().await.expect("the store is up");
        unit.supersede(&[seen], NOW).await.expect("it is taken");
        unit.settle(&[], &[letter], NOW).await.expect("it is taken");
        unit.commit().await.expect("it is stored");
    };
    dies("v1", 1).await;
    let first = listed(&*store, &[]).await;
    dies("v1", 2).await;
    assert_eq!(listed(&*store, &[]).await, first, "the same letter, under the same number");
    for state in [LetterState::Asked, LetterState::Replayed] {
        store.set_dead_letter(first[0].id, &to(state), NOW).await.expect("it answers");
        dies("v1", 3).await;
        assert_eq!(listed(&*store, &[]).await.len(), usize::from(state.is_open()), "{state:?}");
    }
    dies("v2", 4).await;
    let second = listed(&*store, &[]).await;
    assert_eq!(second.len(), 1, "another version is another letter");
    let given_up = to(LetterState::Discarded);
    store.set_dead_letter(second[0].id, &given_up, NOW).await.expect("it answers");
    dies("v2", 5).await;
    assert_eq!(open(&*store).await, 0, "given up is given up");
    dies("v3", 6).await;
    dies("v4", 7).await;
    let last = listed(&*store, &[]).await;
    assert_eq!((last.len(), open(&*store).await), (1, 1), "the newest takes the place");
}
