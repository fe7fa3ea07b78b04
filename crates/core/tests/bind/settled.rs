//! What a bound flow has been given.

use crate::{column, draft, field, sides, with};
use duet_core::bind::bind;
use duet_core::side::{Both, Side};
use duet_core::spec::{AfterWait, FlowSpec, Mapping, MissingParent, Transform};
use duet_core::value::{Value, ValueType};

fn bound(spec: FlowSpec, left: ValueType, right: ValueType) -> FlowSpec {
    let sides = sides(column(left), column(right));
    bind(spec, &sides.0, &sides.1).expect("the flow fits")
}

fn mapped(spec: &FlowSpec) -> (ValueType, &Both<Vec<Transform>>) {
    let Mapping::Values { kind, transforms, .. } = &spec.fields[0].mapping else { unreachable!() };
    (*kind, transforms)
}

#[test]
fn columns_keys_promise_and_version_are_filled_in() {
    let mut spec = draft(vec![field("f", &["a"], &["a"])]);
    spec.ends.left.key.clear();
    let spec = bound(spec, ValueType::Text, ValueType::Text);
    assert_eq!(spec.ends.left.key, vec!["id".into()]);
    let used: Vec<&str> = spec.ends.left.columns.keys().map(|name| name.as_str()).collect();
    assert_eq!(used, ["a", "ext", "id"]);
    assert_eq!(spec.version.len(), 16);
    let same = bound(draft(vec![field("f", &["a"], &["a"])]), ValueType::Text, ValueType::Text);
    assert_eq!(spec.version, same.version);
    let other = bound(draft(vec![field("g", &["a"], &["a"])]), ValueType::Text, ValueType::Text);
    assert_ne!(spec.version, other.version);
}

#[test]
fn numbers_meet_as_decimals_unless_a_type_is_asked_for() {
    let plain = draft(vec![field("f", &["a"], &["a"])]);
    let spec = bound(plain, ValueType::Decimal, ValueType::Integer);
    assert_eq!(mapped(&spec).0, ValueType::Decimal);
    let whole = || vec![Transform::Cast(ValueType::Integer)];
    let asked = with(field("f", &["a"], &["a"]), Side::Left, whole());
    let asked = draft(vec![with(asked, Side::Right, whole())]);
    let spec = bound(asked, ValueType::Decimal, ValueType::Integer);
    let (kind, transforms) = mapped(&spec);
    assert_eq!(kind, ValueType::Integer);
    assert_eq!(transforms.right, [], "a step that its side doesn't need is dropped");
}

#[test]
fn a_set_column_needs_no_split() {
    let split = |side| (side, vec![Transform::Split(";".to_owned())]);
    let mut tags = field("f", &["a"], &["a"]);
    for (side, steps) in [split(Side::Left), split(Side::Right)] {
        tags = with(tags, side, steps);
    }
    let spec = bound(draft(vec![tags]), ValueType::Set, ValueType::Text);
    assert_eq!(mapped(&spec).0, ValueType::Set);
    assert_eq!(mapped(&spec).1.left, []);
    assert_eq!(mapped(&spec).1.right.len(), 1);
}

#[test]
fn map_entries_take_the_types_of_their_columns() {
    let map = Transform::Map(vec![(Value::Boolean(false), Value::text("0"))]);
    let field = with(field("f", &["a"], &["a"]), Side::Left, vec![map]);
    let spec = bound(draft(vec![field]), ValueType::Boolean, ValueType::Integer);
    let typed = Transform::Map(vec![(Value::Boolean(false), Value::Integer(0))]);
    assert_eq!(mapped(&spec).1.left, [typed]);
}

#[test]
fn a_reference_that_is_set_once_is_carried_by_creates_only() {
    let mut parent = field("order", &["a"], &["id"]);
    parent.mapping = Mapping::Parent {
        flow: "orders".into(),
        missing: MissingParent { wait_us: None, then: AfterWait::Flag },
        none: Both::default(),
    };
    let mut once = column(ValueType::Text);
    once.updateable = false;
    let sides = sides(once, column(ValueType::Text));
    let spec = bind(draft(vec![parent]), &sides.0, &sides.1).expect("the flow fits");
    assert!(spec.fields[0].create_only);
}
