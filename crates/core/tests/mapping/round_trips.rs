//! The two laws, for every transform and on random values: `put(get(x))` is `x` and `get(put(y))`
//! is `y`, up to what the columns and transforms declare as not counting.

use crate::{column, flow, get, put, values};
use chrono::NaiveDate;
use duet_core::cast::parse_decimal;
use duet_core::mapping::{same, same_trunk};
use duet_core::side::Side;
use duet_core::spec::{Canon, FlowSpec, Transform};
use duet_core::stamp::Stamp;
use duet_core::value::{Value, ValueType};
use proptest::prelude::*;

/// Both laws for one native value of the left side, and the second from the right side on.
pub(crate) fn holds(flow: &FlowSpec, native: &Value) -> Result<(), TestCaseError> {
    let field = &flow.fields[0];
    let Some(trunk) = get(flow, Side::Left, native) else { return Ok(()) };
    let Some(back) = put(flow, Side::Left, &trunk) else {
        return Err(TestCaseError::fail(format!("{trunk:?} doesn't come back to the left")));
    };
    prop_assert!(same(flow, field, Side::Left, &back, native), "{native:?} {trunk:?} {back:?}");
    let again = get(flow, Side::Left, &back);
    let again = again.ok_or_else(|| TestCaseError::fail("what was put can't be got"))?;
    prop_assert!(same_trunk(field, &again, &trunk), "{trunk:?} {back:?} {again:?}");
    Ok(())
}

/// A neutral value that can be put comes back.
pub(crate) fn returns(flow: &FlowSpec, trunk: &Value) -> Result<(), TestCaseError> {
    let Some(native) = put(flow, Side::Left, trunk) else { return Ok(()) };
    let again = get(flow, Side::Left, &native);
    let again = again.ok_or_else(|| TestCaseError::fail("what was put can't be got"))?;
    prop_assert!(same_trunk(&flow.fields[0], &again, trunk), "{trunk:?} {native:?} {again:?}");
    Ok(())
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        "[ -~]{0,12}".prop_map(Value::text),
        "\\PC{0,8}".prop_map(Value::text),
        "[ a\r\n\t;,]{0,8}".prop_map(Value::text),
    ]
}

fn decimal() -> impl Strategy<Value = Value> {
    (any::<i64>(), -3_i64..12)
        .prop_map(|(digits, scale)| format!("{digits}e{}", -scale))
        .prop_map(|text| Value::decimal(parse_decimal(&text).expect("a short number")))
}

fn instant() -> impl Strategy<Value = Value> {
    (-4_000_000_000_000_000_i64..8_000_000_000_000_000).prop_map(|at| Value::Instant(Stamp(at)))
}

fn date() -> impl Strategy<Value = Value> {
    (-30_000_i32..100_000)
        .prop_map(|days| NaiveDate::from_epoch_days(days).expect("within the calendar"))
        .prop_map(Value::Date)
}

fn set() -> impl Strategy<Value = Value> {
    proptest::collection::btree_set("[a-c;, ]{0,3}", 0..4).prop_map(Value::Set)
}

fn any_value() -> impl Strategy<Value = Value> {
    let whole = any::<i64>().prop_map(Value::Integer);
    let flag = any::<bool>().prop_map(Value::Boolean);
    prop_oneof![text(), decimal(), instant(), date(), set(), whole, flag]
}

pub(crate) fn one(kind: ValueType, neutral: ValueType, steps: Vec<Transform>) -> FlowSpec {
    flow(vec![column(kind)], vec![column(neutral)], values(neutral, steps))
}

proptest! {
    #[test]
    fn texts_through_trim_and_case(value in text(), end in text()) {
        for step in [Transform::Trim, Transform::Lower, Transform::Upper] {
            let flow = one(ValueType::Text, ValueType::Text, vec![step]);
            holds(&flow, &value)?;
            returns(&flow, &end)?;
        }
        let all = vec![Transform::Trim, Transform::Lower];
        holds(&one(ValueType::Text, ValueType::Text, all), &value)?;
    }

    #[test]
    fn numbers_through_shifts_and_rounding(value in decimal(), power in -6_i32..6, to in 0_u32..5) {
        for steps in [
            vec![Transform::Scale(power)],
            vec![Transform::Round(to)],
            vec![Transform::Scale(power), Transform::Round(to)],
        ] {
            let flow = one(ValueType::Decimal, ValueType::Decimal, steps);
            holds(&flow, &value)?;
            returns(&flow, &value)?;
        }
    }

    #[test]
    fn cents_are_whole_numbers(value in any::<i64>(), units in decimal()) {
        let flow = one(ValueType::Integer, ValueType::Decimal, vec![Transform::Scale(-2)]);
        holds(&flow, &Value::Integer(value))?;
        returns(&flow, &units)?;
    }

    #[test]
    fn sets_through_a_separator(value in text(), items in set()) {
        for separator in [";", ", ", "a"] {
            let steps = vec![Transform::Split(separator.to_owned())];
            let flow = one(ValueType::Text, ValueType::Set, steps);
            holds(&flow, &value)?;
            returns(&flow, &items)?;
        }
    }

    #[test]
    fn days_through_offsets(at in instant(), day in date(), offset in -50_400_i32..50_400) {
        let flow = one(ValueType::Instant, ValueType::Date, vec![Transform::DayOf(offset)]);
        holds(&flow, &at)?;
        returns(&flow, &day)?;
    }

    #[test]
    fn casts_to_every_type(value in any_value()) {
        let Some(kind) = value.kind() else { return Ok(()) };
        use ValueType::{Boolean, Date, Decimal, Instant, Integer, Set, Text};
        for to in [Text, Integer, Decimal, Boolean, Date, Instant, Set] {
            holds(&one(kind, to, vec![Transform::Cast(to)]), &value)?;
            returns(&one(to, kind, vec![Transform::Cast(kind)]), &value)?;
        }
    }

    #[test]
    fn value_maps(place in 0_usize..4) {
        let pairs = vec![
            (Value::text("New"), Value::text("new")),
            (Value::text("Sent"), Value::text("shipped")),
            (Value::text("Gone"), Value::text("lost")),
        ];
        let flow = one(ValueType::Text, ValueType::Text, vec![Transform::Map(pairs.clone())]);
        match pairs.get(place) {
            Some((left, neutral)) => {
                prop_assert_eq!(get(&flow, Side::Left, left), Some(neutral.clone()));
                holds(&flow, left)?;
                returns(&flow, neutral)?;
            }
            None => prop_assert_eq!(get(&flow, Side::Left, &Value::text("other")), None),
        }
    }

    #[test]
    fn columns_that_settle_differently(value in text(), amount in decimal(), at in instant()) {
        let careless = Canon {
            trim: true, empty_is_null: true, line_ends: true, fold_case: true, scale: Some(2),
            instant_grain_us: Some(Stamp::SECOND), single_precision: true, padded: true,
        };
        for value in [value, amount, at] {
            let Some(kind) = value.kind() else { continue };
            for side in Side::BOTH {
                let mut flow = one(kind, kind, Vec::new());
                let columns = &mut flow.ends.get_mut(side).columns;
                columns.values_mut().for_each(|column| column.canon = careless.clone());
                holds(&flow, &value)?;
                let neutral = get(&flow, Side::Right, &value);
                returns(&flow, &neutral.expect("the right side takes every value"))?;
            }
        }
    }
}
