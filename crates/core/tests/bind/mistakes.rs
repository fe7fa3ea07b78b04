//! One test per kind of mistake.

use crate::{column, draft, facts, field, kinds, sides, told, with};
use duet_core::bind::{BindKind, BindPlace, bind, refuse_shared_writes};
use duet_core::side::Side;
use duet_core::spec::{
    ColumnSpec, DeletePolicy, Direction, Mapping, MatchBy, MergeKind, OnNone, PathClass, Strategy,
    Transform,
};
use duet_core::value::{Value, ValueType};

fn text() -> ColumnSpec {
    column(ValueType::Text)
}

fn plain() -> Vec<duet_core::spec::FieldSpec> {
    vec![field("f", &["a"], &["a"])]
}

#[test]
fn an_unknown_column_is_named_with_the_one_that_was_meant() {
    let found = told(draft(vec![field("f", &["A_"], &["a"])]), &sides(text(), text()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, BindKind::UnknownColumn);
    assert_eq!(found[0].place, BindPlace::Field("f".into()));
    assert_eq!(found[0].side, Some(Side::Left));
    assert_eq!(found[0].help.as_deref(), Some("did you mean a?"));
}

#[test]
fn a_side_without_key() {
    let mut spec = draft(plain());
    spec.ends.right.key.clear();
    let mut sides = sides(text(), text());
    sides.1.key.clear();
    assert!(kinds(spec, &sides).contains(&BindKind::NoKey));
}

#[test]
fn types_that_differ() {
    let sides = sides(text(), column(ValueType::Instant));
    assert_eq!(kinds(draft(plain()), &sides), [BindKind::TypeMismatch]);
    let day = with(field("f", &["a"], &["a"]), Side::Left, vec![Transform::DayOf(0)]);
    assert_eq!(kinds(draft(vec![day]), &sides), [BindKind::StepMismatch]);
}

#[test]
fn a_map_that_does_not_lead_to_the_column() {
    let sides = sides(text(), column(ValueType::Integer));
    let map = vec![(Value::text("x"), Value::text("one"))];
    let field = with(field("f", &["a"], &["a"]), Side::Left, vec![Transform::Map(map)]);
    assert_eq!(kinds(draft(vec![field]), &sides), [BindKind::ValueMismatch]);
}

#[test]
fn a_map_that_is_not_one_to_one() {
    let pairs = |names: [&str; 2]| {
        vec![(Value::text(names[0]), Value::text("1")), (Value::text(names[1]), Value::text("2"))]
    };
    let sides = sides(text(), column(ValueType::Integer));
    let twice = Transform::Map(pairs(["x", "x"]));
    let twice = with(field("f", &["a"], &["a"]), Side::Left, vec![twice]);
    assert_eq!(kinds(draft(vec![twice]), &sides), [BindKind::NoRoundTrip]);
    let once = Transform::Map(pairs(["x", "y"]));
    let once = with(field("f", &["a"], &["a"]), Side::Left, vec![once]);
    assert_eq!(kinds(draft(vec![once]), &sides), []);
}

#[test]
fn constants_and_soft_values_of_another_type() {
    let sides = sides(text(), column(ValueType::Integer));
    let mut spec = draft(vec![]);
    spec.constants.right.insert("a".into(), Value::text("many"));
    spec.ends.right.soft = Some(("a".into(), Value::text("gone")));
    assert_eq!(kinds(spec, &sides), [BindKind::ValueMismatch, BindKind::ValueMismatch]);
}

#[test]
fn groups_of_different_size() {
    let spec = draft(vec![field("f", &["a", "ext"], &["a"])]);
    assert_eq!(kinds(spec, &sides(text(), text())), [BindKind::PartsDiffer]);
}

#[test]
fn texts_that_may_be_too_long_are_a_warning() {
    let mut short = text();
    short.max_length = Some(40);
    let mut long = text();
    long.max_length = Some(64);
    let sides = sides(short, long);
    let found = told(draft(plain()), &sides);
    assert_eq!(found[0].kind, BindKind::TooLong);
    assert_eq!(found[0].sentence, "a holds 64 characters, a allows 40");
    assert!(bind(draft(plain()), &sides.0, &sides.1).is_ok());
}

#[test]
fn columns_that_cannot_be_written() {
    let mut fixed = text();
    fixed.updateable = false;
    let mut spec = draft(plain());
    assert_eq!(kinds(spec.clone(), &sides(fixed.clone(), text())), [BindKind::OnlyOnCreate]);
    fixed.createable = false;
    assert_eq!(kinds(spec.clone(), &sides(fixed.clone(), text())), [BindKind::NotWritable]);
    spec.fields[0].direction = Direction::ToRight;
    assert_eq!(kinds(spec, &sides(fixed, text())), [], "nothing is written there");
}

#[test]
fn creates_that_lack_a_column() {
    let mut spec = draft(plain());
    spec.policy.on_none.right = OnNone::Create;
    let mut sides = sides(text(), text());
    let needed = ColumnSpec { nullable: false, ..text() };
    sides.0.columns.insert("Name".into(), needed);
    assert_eq!(kinds(spec.clone(), &sides), [BindKind::RequiredUncovered]);
    spec.constants.left.insert("Name".into(), Value::text("x"));
    assert_eq!(kinds(spec, &sides), []);
}

#[test]
fn external_ids_are_unique_and_hold_a_key() {
    let mut sides = sides(text(), text());
    sides.0.unique.clear();
    assert_eq!(kinds(draft(plain()), &sides), [BindKind::ExternalIdNotUnique]);
    let mut spec = draft(plain());
    spec.matching[0].columns.right = vec!["a".into()];
    assert_eq!(kinds(spec.clone(), &sides), [BindKind::ExternalIdWithoutKey]);
    spec.matching[0].by = MatchBy::Equal;
    assert_eq!(kinds(spec, &sides), []);
}

#[test]
fn counters_need_strict_paths_on_both_sides() {
    let number = column(ValueType::Integer);
    let mut sides = sides(number.clone(), number);
    let mut spec = draft(plain());
    spec.fields[0].strategy = Strategy::Merge {
        kind: MergeKind::Counter { min: Some(Value::text("0")), max: None },
        otherwise: Box::new(Strategy::ManualReview),
    };
    assert_eq!(kinds(spec.clone(), &sides), []);
    for (class, fine) in [(PathClass::K3s, true), (PathClass::K2, false), (PathClass::K1, false)] {
        sides.0.guarded = class;
        assert_eq!(kinds(spec.clone(), &sides).is_empty(), fine, "{class:?}");
    }
    sides.0.guarded = PathClass::K3;
    let names = self::sides(text(), text());
    assert_eq!(kinds(spec, &names), [BindKind::ValueMismatch, BindKind::TypeMismatch][1..]);
}

#[test]
fn blind_writes_are_for_sides_without_a_say() {
    let mut sides = sides(text(), text());
    sides.1.guarded = PathClass::K0;
    let mut spec = draft(plain());
    assert_eq!(kinds(spec.clone(), &sides), [BindKind::ClassTooWeak]);
    spec.fields[0].strategy = Strategy::SourceOfTruth(Side::Left);
    assert_eq!(kinds(spec, &sides), []);
}

#[test]
fn credentials_must_allow_what_the_flow_does() {
    let mut sides = sides(text(), text());
    sides.0.may.create = false;
    sides.0.may.delete = false;
    sides.1.may.update = false;
    let mut spec = draft(plain());
    spec.policy.on_none.right = OnNone::Create;
    spec.policy.deletes.right = DeletePolicy::Propagate;
    assert_eq!(kinds(spec, &sides), [BindKind::NotAllowed; 3]);
}

#[test]
fn one_column_written_by_two_fields_or_flows() {
    let twice = draft(vec![field("f", &["a"], &["a"]), field("g", &["ext"], &["a"])]);
    assert_eq!(kinds(twice, &sides(text(), text())), [BindKind::WrittenTwice]);
    let mut other = draft(plain());
    other.name = "other".into();
    let shared = refuse_shared_writes(&[other.clone(), draft(plain())]);
    assert_eq!(shared.len(), 2, "the column of either side");
    assert_eq!(shared[0].flows, ("flow".into(), "other".into()));
    other.fields[0].direction = Direction::ToLeft;
    other.ends.left.collection = "others".into();
    assert_eq!(refuse_shared_writes(&[other, draft(plain())]), []);
}

#[test]
fn everything_is_told_at_once() {
    let mut spec = draft(vec![field("f", &["x"], &["a"]), field("g", &["a"], &["y"])]);
    spec.ends.left.key = vec!["z".into()];
    let found = kinds(spec, &sides(text(), text()));
    assert_eq!(found, [BindKind::UnknownColumn; 3]);
}

#[test]
fn an_empty_side_is_told_without_a_panic() {
    let empty = facts(&[]);
    let found = kinds(draft(plain()), &(empty.clone(), empty));
    assert!(found.iter().all(|kind| *kind == BindKind::UnknownColumn), "{found:?}");
    assert!(!found.is_empty());
    let mut spec = draft(vec![field("f", &[], &[])]);
    let Mapping::Values { defaults, .. } = &mut spec.fields[0].mapping else { unreachable!() };
    defaults.left = Some(Value::text("x"));
    assert!(kinds(spec, &sides(text(), text())).contains(&BindKind::PartsDiffer));
}
