//! What follows from every class of failure, and what people are told.

use super::support::sides::failure;
use duet_core::intent::{IntentState, Op};
use duet_core::retry::*;

const CLASSES: [FailureClass; 13] = [
    FailureClass::Transient,
    FailureClass::Throttled,
    FailureClass::Auth,
    FailureClass::Stale,
    FailureClass::Validation,
    FailureClass::Uniqueness,
    FailureClass::Gone,
    FailureClass::Dependency,
    FailureClass::Permission,
    FailureClass::Restricted,
    FailureClass::UnknownOutcome,
    FailureClass::Unreachable,
    FailureClass::Poison,
];

fn tried(attempts: u32, age_us: i64, jitter: u32) -> Tried {
    Tried { attempts, age_us, jitter }
}

fn of(class: FailureClass, op: Op, attempts: u32) -> Treatment {
    treatment(&failure(class), op, tried(attempts, 0, u32::MAX / 2))
}

#[test]
fn every_class_has_its_treatment() {
    let update = |class| of(class, Op::Update, 1);
    assert!(matches!(update(FailureClass::Transient), Treatment::Retry { .. }));
    assert!(matches!(update(FailureClass::Throttled), Treatment::Pause { .. }));
    assert!(matches!(update(FailureClass::Auth), Treatment::Pause { .. }));
    assert!(matches!(update(FailureClass::Unreachable), Treatment::Pause { .. }));
    assert_eq!(update(FailureClass::Stale), Treatment::ReRead);
    assert_eq!(update(FailureClass::Gone), Treatment::ReRead);
    assert_eq!(update(FailureClass::Validation), Treatment::Park);
    assert_eq!(update(FailureClass::Dependency), Treatment::Park);
    assert_eq!(update(FailureClass::Permission), Treatment::Park);
    assert_eq!(update(FailureClass::UnknownOutcome), Treatment::Recover);
    assert_eq!(of(FailureClass::Restricted, Op::Delete, 1), Treatment::Conflict);
    assert_eq!(of(FailureClass::Uniqueness, Op::Create, 1), Treatment::ReadHolder);
    assert!(matches!(update(FailureClass::Uniqueness), Treatment::Retry { .. }));
    assert_eq!(of(FailureClass::Uniqueness, Op::Update, EXCHANGE_TRIES), Treatment::Park);
    assert!(matches!(update(FailureClass::Poison), Treatment::Retry { .. }));
    assert_eq!(of(FailureClass::Poison, Op::Update, POISON_TRIES), Treatment::Park);
}

#[test]
fn a_read_never_has_an_unknown_outcome() {
    assert!(matches!(of(FailureClass::UnknownOutcome, Op::Read, 1), Treatment::Retry { .. }));
    assert_eq!(of(FailureClass::Gone, Op::Find, 1), Treatment::Park);
}

#[test]
fn waits_grow_from_a_second_to_an_hour_and_are_spread() {
    let wait = |attempts, jitter| {
        let treated =
            treatment(&failure(FailureClass::Transient), Op::Update, tried(attempts, 0, jitter));
        let Treatment::Retry { after_us } = treated else { panic!("it is tried again") };
        after_us
    };
    let longest: Vec<i64> = (1..=20).map(|attempts| wait(attempts, u32::MAX)).collect();
    assert_eq!(longest[0], BACKOFF_MIN_US);
    assert!(longest.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(longest[19], BACKOFF_MAX_US);
    assert!((1..=20).all(|attempts| wait(attempts, 0) == BACKOFF_MIN_US));
    assert!(wait(10, u32::MAX / 2) < wait(10, u32::MAX));
}

#[test]
fn after_a_day_of_passing_failures_a_person_is_asked() {
    let day = tried(9, AGE_MAX_US, 7);
    assert_eq!(treatment(&failure(FailureClass::Transient), Op::Update, day), Treatment::Park);
    let outage = treatment(&failure(FailureClass::Unreachable), Op::Update, day);
    assert!(matches!(outage, Treatment::Pause { .. }), "an outage of a day loses nothing");
}

#[test]
fn a_side_is_left_alone_as_long_as_it_asked() {
    let mut asked = failure(FailureClass::Throttled);
    asked.retry_after_us = Some(120_000_000);
    let Treatment::Pause { after_us } = treatment(&asked, Op::Update, tried(1, 0, 0)) else {
        panic!("the connection waits")
    };
    assert_eq!(after_us, 120_000_000);
}

#[test]
fn every_class_has_advice_that_names_the_columns_and_no_values() {
    for class in CLASSES {
        let mut told = failure(class);
        told.message = "Secret Value".to_owned();
        told.columns = vec!["Phone".to_owned()];
        for state in [IntentState::Planned, IntentState::Parked, IntentState::Discarded] {
            let advice = advice(&told, state);
            assert!(advice.len() > 40 && advice.ends_with('.'), "{class:?}: {advice}");
            assert!(!advice.contains("Secret Value"));
            assert!(!advice.contains("  "), "{advice}");
        }
    }
    let told = failure(FailureClass::Transient);
    let (waits, parked) = (advice(&told, IntentState::Planned), advice(&told, IntentState::Parked));
    assert!(waits.contains("by itself") && !waits.contains("retry`"), "{waits}");
    assert!(parked.contains("not tried again") && parked.contains("retry`"), "{parked}");
}
