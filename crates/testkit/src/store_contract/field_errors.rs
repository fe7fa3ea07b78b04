//! What is promised of values that are kept back: those of a link are what its last verdict said.

use duet_core::field_error::{FieldError, FieldErrorCode};
use duet_core::link::Phase;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::verdict::Effect;
use duet_ports::inspect::{FieldErrorFilter, FieldErrorRow};
use duet_ports::store::{Store, StoreError};

use super::StoreRig;
use super::sample::{NOW, decide, effects, flow, hold, linked, verdict};

fn error(field: &str, code: FieldErrorCode, since: i64) -> FieldError {
    FieldError {
        field: field.into(),
        code,
        source: Side::Right,
        side: Side::Left,
        column: "Phone".into(),
        reason: "the text has 9 characters, the column's \"most\" is 8".to_owned(),
        since: Stamp(since),
    }
}

fn too_long(field: &str, since: i64) -> FieldError {
    error(field, FieldErrorCode::Unmappable, since)
}

fn any() -> FieldErrorFilter {
    FieldErrorFilter { limit: 9, ..FieldErrorFilter::default() }
}

async fn ask(store: &dyn Store, filter: FieldErrorFilter) -> Vec<FieldErrorRow> {
    store.field_errors(&filter).await.expect("it answers")
}

async fn kept(store: &dyn Store) -> Vec<FieldError> {
    ask(store, any()).await.into_iter().map(|row| row.error).collect()
}

/// Values kept back, the longest first, by every filter, with their links' records; and counted.
pub async fn values_kept_back_are_listed(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let late = error("parent", FieldErrorCode::Dependency, 2);
    let told = vec![too_long("phone", 3), late.clone()];
    effects(&*store, links[0], vec![Effect::FieldErrors(told.clone())]).await;
    effects(&*store, links[1], vec![Effect::FieldErrors(vec![too_long("phone", 1)])]).await;
    let all = ask(&*store, any()).await;
    let whole: Vec<_> = all.iter().map(|row| (row.link, row.error.clone())).collect();
    let [first, second] = [&told[0], &told[1]].map(|error| (links[0], error.clone()));
    assert_eq!(whole, [(links[1], too_long("phone", 1)), second, first]);
    assert_eq!((all[1].id, all[1].flow.clone()), (late.id(links[0]), flow()));
    assert_eq!(all[1].record.left, Some("a".into()));
    assert_eq!(ask(&*store, FieldErrorFilter { limit: 1, ..any() }).await, all[..1]);
    let code = Some(FieldErrorCode::Dependency);
    assert_eq!(ask(&*store, FieldErrorFilter { code, ..any() }).await, all[1..2]);
    assert_eq!(ask(&*store, FieldErrorFilter { flow: Some(flow()), ..any() }).await.len(), 3);
    assert!(ask(&*store, FieldErrorFilter { flow: Some("x".into()), ..any() }).await.is_empty());
    let short = &late.id(links[0]).to_string()[..8];
    let found = store.field_errors_by_prefix(short).await.expect("it answers");
    assert_eq!(found, all[1..2]);
    assert!(store.field_errors_by_prefix("not hex").await.expect("it answers").is_empty());
    let counts = store.counts(&flow()).await.expect("it answers");
    let expected = [(FieldErrorCode::Dependency, 1), (FieldErrorCode::Unmappable, 2)];
    assert_eq!(counts.field_errors, expected);
}

/// A verdict that tells of values kept back replaces all of its link's, and no other's; one that
/// doesn't leaves them.
pub async fn what_is_told_replaces_what_was(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let links = linked(&*store, &["a", "b"]).await;
    let told = |errors: &[FieldError]| vec![Effect::FieldErrors(errors.to_vec())];
    effects(&*store, links[0], told(&[too_long("phone", 1), too_long("fax", 2)])).await;
    effects(&*store, links[1], told(&[too_long("name", 3)])).await;
    effects(&*store, links[0], Vec::new()).await;
    assert_eq!(kept(&*store).await.len(), 3, "nothing was said of them");
    let longer = FieldError { reason: "longer".to_owned(), ..too_long("fax", 2) };
    effects(&*store, links[0], told(std::slice::from_ref(&longer))).await;
    assert_eq!(kept(&*store).await, [longer, too_long("name", 3)]);
    effects(&*store, links[0], told(&[])).await;
    assert_eq!(kept(&*store).await, [too_long("name", 3)]);
}

/// Of two verdicts in one transaction the later counts; a dropped one stores nothing; and a reason
/// that can't be stored is refused.
pub async fn values_kept_back_are_part_of_their_transaction(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    let mut unit = store.begin().await.expect("the store is up");
    let mut facts = hold(unit.as_mut(), &[link]).await.pop().expect("the link is there");
    for field in ["phone", "fax"] {
        let told = Effect::FieldErrors(vec![too_long(field, 1)]);
        let decided = verdict(&facts, |new| new.effects = vec![told]);
        unit.save(std::slice::from_ref(&decided), NOW).await.expect("it is locked");
        facts.link = decided.verdict.link;
    }
    unit.commit().await.expect("it is stored");
    assert_eq!(kept(&*store).await, [too_long("fax", 1)]);

    let mut unit = store.begin().await.expect("the store is up");
    let facts = hold(unit.as_mut(), &[link]).await.pop().expect("the link is there");
    let none = verdict(&facts, |new| new.effects = vec![Effect::FieldErrors(Vec::new())]);
    unit.save(&[none], NOW).await.expect("it is locked");
    drop(unit);
    assert_eq!(kept(&*store).await.len(), 1, "nothing was committed");

    let broken = FieldError { reason: "a\0b".to_owned(), ..too_long("phone", 1) };
    let refused =
        decide(&*store, link, |new| new.effects = vec![Effect::FieldErrors(vec![broken])]).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
}

/// What a link kept back goes when it is joined into another one, which tells its own.
pub async fn a_joined_link_keeps_nothing_back(rig: &dyn StoreRig) {
    let store = rig.store().await;
    let link = linked(&*store, &["a"]).await[0];
    effects(&*store, link, vec![Effect::FieldErrors(vec![too_long("phone", 1)])]).await;
    decide(&*store, link, |new| {
        new.link.phase = Phase::Joined;
        new.link.record.left = None;
    })
    .await
    .expect("it is stored");
    assert!(kept(&*store).await.is_empty());
}
