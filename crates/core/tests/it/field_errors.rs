//! Values that are kept back (F8, P4), over several decisions: when they are told, how long they
//! last, and that the record's other fields go on. The single rows stand in the tables.

use super::protocol::linked;
use super::stories::customers;
use super::support::flow::{any_column, column};
use super::support::{World, link_id};
use duet_core::facts::Event;
use duet_core::field_error::{FieldError, FieldErrorCode};
use duet_core::side::Both;
use duet_core::side::Side::{self, Left, Right};
use duet_core::spec::{Mapping, Transform};
use duet_core::value::{Value, ValueType};
use duet_core::verdict::{Effect, Verdict};

fn text(text: &str) -> Value {
    Value::text(text)
}

/// Linked customers; the left column of `phone` holds three characters.
fn narrow() -> World {
    let mut world = linked(customers());
    let mut known = any_column(ValueType::Text);
    known.max_length = Some(3);
    world.spec.ends.left.columns.insert(column(Left, "phone"), known);
    world
}

fn edit(world: &mut World, values: &[(&str, Value)]) -> Verdict {
    world.sides.edit(Right, "C1", values);
    let verdict = world.see(9, Right, "C1");
    world.send_all(verdict.link.id);
    verdict
}

/// What the store was told, if it was told anything.
fn told(verdict: &Verdict) -> Option<&[FieldError]> {
    verdict.effects.iter().find_map(|effect| {
        if let Effect::FieldErrors(errors) = effect { Some(errors.as_slice()) } else { None }
    })
}

fn kept(world: &World) -> Vec<(String, FieldErrorCode, Side)> {
    let last = world.last.as_ref().expect("a verdict");
    let errors = last.link.memory.field_errors.iter();
    errors.map(|error| (error.field.to_string(), error.code, error.side)).collect()
}

#[test]
fn a_value_that_does_not_fit_is_told_once_and_keeps_its_beginning() {
    let mut world = narrow();
    let first = edit(&mut world, &[("phone", text("12345")), ("name", text("Beta"))]);
    let errors = told(&first).expect("the store is told");
    let since = errors[0].since;
    assert_eq!(errors[0].column, column(Left, "phone"));
    assert_eq!((errors[0].source, errors[0].side), (Right, Left));
    assert!(!errors[0].reason.contains("12345"), "no value: {}", errors[0].reason);
    assert_eq!(world.sides.value(Left, "A1", "name"), Some(&text("Beta")), "the others go on");
    assert_ne!(world.sides.value(Left, "A1", "phone"), Some(&text("12345")));

    let again = edit(&mut world, &[("name", text("Gamma"))]);
    assert_eq!(told(&again), None, "nothing new of it");
    assert_eq!(kept(&world), [("phone".to_owned(), FieldErrorCode::Unmappable, Left)]);

    world.sides.pass(60);
    let longer = edit(&mut world, &[("phone", text("1234567"))]);
    let errors = told(&longer).expect("the words changed");
    assert_eq!(errors[0].since, since, "it is the same error");

    let mended = edit(&mut world, &[("phone", text("123"))]);
    assert_eq!(told(&mended), Some(&[][..]));
    assert_eq!(world.sides.value(Left, "A1", "phone"), Some(&text("123")));
}

#[test]
fn a_value_without_a_counterpart_is_no_echo() {
    let mut world = linked(customers());
    let map = Transform::Map(vec![(text("1"), text("1")), (text("2"), text("2"))]);
    let phone = world.spec.fields.iter_mut().find(|field| field.name.as_str() == "phone");
    phone.expect("a field").mapping = Mapping::Values {
        kind: ValueType::Text,
        transforms: Both::new(Vec::new(), vec![map]),
        defaults: Both::default(),
    };
    let verdict = edit(&mut world, &[("phone", text("9"))]);
    assert!(!verdict.echo && verdict.changed, "a decision row tells it");
    let errors = told(&verdict).expect("the store is told");
    assert_eq!((errors[0].source, errors[0].side), (Right, Right));
    edit(&mut world, &[("phone", text("2"))]);
    assert!(kept(&world).is_empty());
}

#[test]
fn what_changed_elsewhere_is_found_by_another_look() {
    let mut world = narrow();
    edit(&mut world, &[("phone", text("12345"))]);
    world.spec.ends.left.columns.clear();
    let verdict = world.decide(link_id(1), &[Event::Due]);
    assert_eq!(told(&verdict), Some(&[][..]));
    world.send_all(link_id(1));
    assert_eq!(world.sides.value(Left, "A1", "phone"), Some(&text("12345")));
}

#[test]
fn while_a_write_is_under_way_errors_stay_as_they_are() {
    let mut world = narrow();
    world.sides.edit(Right, "C1", &[("phone", text("12345")), ("name", text("Beta"))]);
    world.see(9, Right, "C1");
    world.send(link_id(1), Left, true).expect("the name is on its way");
    let verdict = world.see(9, Right, "C1");
    assert_eq!(verdict.row.as_str(), "R02");
    assert_eq!((told(&verdict), kept(&world).len()), (None, 1));
}

#[test]
fn a_record_that_is_gone_has_no_errors() {
    let mut world = narrow();
    edit(&mut world, &[("phone", text("12345"))]);
    assert_eq!(kept(&world).len(), 1);
    world.sides.delete(Right, "C1");
    world.see(9, Right, "C1");
    assert!(kept(&world).is_empty(), "the deletion is what there is to decide");
}
