//! What a column keeps, what it refuses, and what stands in for null.

use crate::{column, flow, get, number, put, values};
use duet_core::mapping::{MapFailure, native, same, same_trunk, spread};
use duet_core::side::{Both, Side};
use duet_core::spec::{Canon, ColumnSpec, FlowSpec, Mapping, Transform};
use duet_core::stamp::Stamp;
use duet_core::value::{Value, ValueType};
use std::collections::BTreeSet;

fn plain(left: ColumnSpec, right: ColumnSpec) -> FlowSpec {
    let kind = right.kind;
    flow(vec![left], vec![right], values(kind, Vec::new()))
}

fn refused(column: ColumnSpec, value: &Value) -> String {
    let flow = plain(column.clone(), ColumnSpec { nullable: true, ..self::column(column.kind) });
    let failed = duet_core::mapping::put(&flow, &flow.fields[0], Side::Left, value, &[]);
    let Err(MapFailure::NotRepresentable { column, reason }) = failed else {
        panic!("{value:?} was taken: {failed:?}");
    };
    assert_eq!(column.as_str(), "a0");
    assert!(!reason.contains("secret"), "a reason holds a value: {reason}");
    reason
}

#[test]
fn a_float_of_four_bytes_equals_the_decimal_it_was_written_from() {
    let mut real = column(ValueType::Decimal);
    real.canon.single_precision = true;
    let flow = plain(column(ValueType::Decimal), real);
    let as_read = number("21.350000381469727");
    assert_eq!(get(&flow, Side::Right, &as_read), Some(number("21.35")));
    assert!(same(&flow, &flow.fields[0], Side::Right, &as_read, &number("21.35")));
    assert!(!same(&flow, &flow.fields[0], Side::Right, &as_read, &number("21.36")));
    assert_eq!(put(&flow, Side::Left, &number("21.35")), Some(number("21.35")));
}

#[test]
fn whole_numbers_and_decimals_meet() {
    let flow = plain(column(ValueType::Decimal), column(ValueType::Integer));
    assert_eq!(get(&flow, Side::Left, &number("10")), Some(Value::Integer(10)));
    assert_eq!(get(&flow, Side::Left, &number("10.5")), None);
    assert_eq!(put(&flow, Side::Left, &Value::Integer(10)), Some(number("10")));
}

/// The sides that can't hold a value, and why.
fn unfit(flow: &FlowSpec, value: &Value) -> Vec<(Side, String)> {
    let unfit = duet_core::mapping::unfit(flow, &flow.fields[0], value);
    unfit.into_iter().map(|(side, why)| (side, why.to_string())).collect()
}

#[test]
fn a_typed_value_must_fit_both_sides() {
    let text = |most| ColumnSpec { max_length: Some(most), ..column(ValueType::Text) };
    let flow = plain(text(5), text(3));
    let sides = |value: &str| -> Vec<Side> {
        unfit(&flow, &Value::text(value)).into_iter().map(|(side, _)| side).collect()
    };
    assert_eq!(sides("abc"), []);
    assert_eq!(sides("abcd"), [Side::Right]);
    assert_eq!(sides("abcdef"), Side::BOTH);
    let [(_, why)] = unfit(&flow, &Value::text("secr")).try_into().expect("one side");
    assert!(why.contains("column a0") && why.contains("holds 3") && !why.contains("secr"), "{why}");
    let picked = |items: &[&str]| ColumnSpec {
        allowed: Some(items.iter().map(|item| (*item).to_owned()).collect()),
        ..column(ValueType::Text)
    };
    let flow = plain(picked(&["New", "Old"]), picked(&["New"]));
    assert!(unfit(&flow, &Value::text("New")).is_empty());
    assert_eq!(unfit(&flow, &Value::text("Old"))[0].0, Side::Right);
    let small = ColumnSpec { range: Some((0, 9)), ..column(ValueType::Integer) };
    let flow = plain(small, ColumnSpec { nullable: false, ..column(ValueType::Integer) });
    assert!(unfit(&flow, &Value::Integer(9)).is_empty());
    assert_eq!(unfit(&flow, &Value::Integer(10))[0].0, Side::Left);
    assert_eq!(unfit(&flow, &Value::Null)[0].0, Side::Right, "it needs a value");
}

#[test]
fn a_typed_value_must_stand_for_the_same_on_both_sides() {
    let trims = |trim| {
        let mut spec = column(ValueType::Text);
        spec.canon.trim = trim;
        spec
    };
    let flow = plain(trims(true), trims(false));
    assert!(unfit(&flow, &Value::text(" a ")).is_empty(), "what doesn't count is left out");
    let pairs = vec![(Value::text("A"), Value::text("a"))];
    let map = values(ValueType::Text, vec![Transform::Map(pairs)]);
    let flow = self::flow(vec![trims(false)], vec![trims(false)], map);
    assert!(unfit(&flow, &Value::text("a")).is_empty());
    let [(side, _)] = unfit(&flow, &Value::text("b")).try_into().expect("one side");
    assert_eq!(side, Side::Left, "no entry leads there");
}

#[test]
fn what_does_not_fit_is_refused_without_its_value() {
    let text = |change: fn(&mut ColumnSpec)| {
        let mut spec = column(ValueType::Text);
        change(&mut spec);
        spec
    };
    let long = refused(text(|spec| spec.max_length = Some(5)), &Value::text("secret"));
    assert_eq!(long, "the text has 6 characters, the column holds 5");
    refused(text(|spec| spec.nullable = false), &Value::Null);
    refused(text(|spec| spec.allowed = Some(vec!["a".to_owned()])), &Value::text("secret"));
    refused(column(ValueType::Text), &Value::text("secret\0"));
    refused(column(ValueType::Text), &Value::Integer(1));
    let mut small = column(ValueType::Integer);
    small.range = Some((-32_768, 32_767));
    refused(small, &Value::Integer(40_000));
    let mut money = column(ValueType::Decimal);
    (money.scale, money.precision) = (Some(2), Some(5));
    refused(money.clone(), &number("1.234"));
    refused(money.clone(), &number("1000"));
    let flow = plain(money, column(ValueType::Decimal));
    assert_eq!(put(&flow, Side::Left, &number("999.99")), Some(number("999.99")));
}

#[test]
fn items_of_a_set_are_checked_one_by_one() {
    let mut picklist = column(ValueType::Set);
    picklist.allowed = Some(vec!["red".to_owned(), "blue".to_owned()]);
    let set = |items: &[&str]| Value::Set(items.iter().map(|&item| item.to_owned()).collect());
    refused(picklist.clone(), &set(&["red", "secret"]));
    let flow = plain(picklist, column(ValueType::Set));
    assert_eq!(put(&flow, Side::Left, &set(&["blue"])), Some(set(&["blue"])));
    assert_eq!(get(&flow, Side::Left, &Value::Set(BTreeSet::new())), Some(Value::Null));
}

#[test]
fn a_default_stands_in_for_null_and_counts_as_null() {
    let mut required = column(ValueType::Text);
    required.nullable = false;
    let mut flow = plain(required, column(ValueType::Text));
    let Mapping::Values { defaults, .. } = &mut flow.fields[0].mapping else { unreachable!() };
    *defaults = Both::new(Some(Value::text("Unknown")), None);
    let field = flow.fields[0].clone();
    let unknown = Value::text("Unknown");
    assert_eq!(put(&flow, Side::Left, &Value::Null), Some(unknown.clone()));
    assert!(same_trunk(&field, &unknown, &Value::Null));
    assert!(same(&flow, &field, Side::Right, &unknown, &Value::Null));
    assert!(!same_trunk(&field, &Value::text("Known"), &Value::Null));
    assert_eq!(put(&flow, Side::Right, &Value::Null), Some(Value::Null));
}

#[test]
fn what_one_side_drops_is_no_difference_between_them() {
    let mut left = column(ValueType::Text);
    left.canon = Canon { trim: true, empty_is_null: true, ..Canon::default() };
    let flow = plain(left, column(ValueType::Text));
    let field = &flow.fields[0];
    assert_eq!(get(&flow, Side::Right, &Value::text("")), Some(Value::Null));
    assert!(same(&flow, field, Side::Right, &Value::text(" a "), &Value::text("a")));
    assert!(same(&flow, field, Side::Right, &Value::text(" "), &Value::Null));
    assert_eq!(put(&flow, Side::Left, &Value::text(" a")), Some(Value::text("a")));
}

#[test]
fn case_is_kept_for_writing_and_left_out_of_comparing() {
    let mut right = column(ValueType::Text);
    right.canon.fold_case = true;
    let flow = plain(column(ValueType::Text), right);
    let field = &flow.fields[0];
    let (mixed, lower) = (Value::text("Anna"), Value::text("anna"));
    assert!(same(&flow, field, Side::Right, &mixed, &lower));
    assert!(!same(&flow, field, Side::Left, &mixed, &lower));
    assert_eq!(get(&flow, Side::Right, &mixed), Some(mixed.clone()));
    assert_eq!(put(&flow, Side::Right, &mixed), Some(mixed));
}

#[test]
fn the_coarser_grain_of_two_sides_counts() {
    let mut left = column(ValueType::Instant);
    left.canon.instant_grain_us = Some(Stamp::SECOND);
    let flow = plain(left, column(ValueType::Instant));
    let at = |micros| Value::Instant(Stamp(micros));
    assert!(same(&flow, &flow.fields[0], Side::Right, &at(1_000_001), &at(1_999_999)));
    assert_eq!(get(&flow, Side::Right, &at(-1)), Some(at(-1_000_000)));
}

#[test]
fn a_group_is_read_compared_and_written_as_one() {
    let text = || column(ValueType::Text);
    let mapping = values(ValueType::Text, Vec::new());
    let flow = flow(vec![text(), text()], vec![text(), text()], mapping);
    let field = &flow.fields[0];
    let mut image = duet_core::image::Image::new();
    image.insert("a0".into(), Value::text("Street 1"));
    assert_eq!(native(field, Side::Left, &image), None, "a part that was not seen is not null");
    image.insert("a1".into(), Value::Null);
    let group = native(field, Side::Left, &image).expect("both parts were seen");
    let trunk = get(&flow, Side::Left, &group).expect("a group has a neutral form");
    assert_eq!(put(&flow, Side::Right, &trunk), Some(group.clone()));
    let written = spread(field, Side::Right, &group);
    assert_eq!(written[0], ("a0".into(), Value::text("Street 1")));
    assert_eq!(written[1], ("a1".into(), Value::Null));
    assert!(same_trunk(field, &Value::Null, &Value::Tuple(vec![Value::Null, Value::Null])));
    assert_eq!(spread(field, Side::Left, &Value::Null).len(), 2);
}

#[test]
fn text_that_ends_its_lines_otherwise_is_the_same() {
    let mut left = column(ValueType::Text);
    left.canon.line_ends = true;
    let flow = plain(left, column(ValueType::Text));
    let (dos, unix) = (Value::text("a\r\nb"), Value::text("a\nb"));
    assert!(same(&flow, &flow.fields[0], Side::Left, &dos, &unix));
    assert_eq!(get(&flow, Side::Right, &dos), Some(unix));
}
