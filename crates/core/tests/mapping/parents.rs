//! References: record ids on the sides, links between them.

use crate::{column, flow};
use duet_core::facts::Parent;
use duet_core::id::{LinkId, RecordId};
use duet_core::link::Alias;
use duet_core::mapping::{MapFailure, get, parent_records, put, same};
use duet_core::side::{Both, Side};
use duet_core::spec::{AfterWait, FlowSpec, Mapping, MissingParent};
use duet_core::value::{Value, ValueType};

fn lines(right: Vec<ValueType>, none: Both<Option<Value>>) -> FlowSpec {
    let missing = MissingParent { wait_us: None, then: AfterWait::Flag };
    let mapping = Mapping::Parent { flow: "orders".into(), missing, none };
    let right = right.into_iter().map(column).collect();
    flow(vec![column(ValueType::Text)], right, mapping)
}

fn order(left: Option<&str>, right: Option<&str>) -> Parent {
    Parent {
        flow: "orders".into(),
        link: LinkId(uuid::Uuid::from_u128(7)),
        phase: duet_core::link::Phase::Linked,
        record: Both::new(left.map(RecordId::from), right.map(RecordId::from)),
        aliases: vec![Alias { side: Side::Right, record: "99".into() }],
    }
}

#[test]
fn a_number_on_one_side_and_an_id_on_the_other_mean_one_link() {
    let flow = lines(vec![ValueType::Integer], Both::default());
    let field = &flow.fields[0];
    let parents = [order(Some("801A"), Some("10248"))];
    let link = get(&flow, field, Side::Right, &Value::Integer(10_248), &parents);
    let link = link.expect("the parent is linked");
    assert_eq!(link, Value::Link(parents[0].link));
    let left = put(&flow, field, Side::Left, &link, &parents);
    assert_eq!(left, Ok(Value::text("801A")));
    let right = put(&flow, field, Side::Right, &link, &parents);
    assert_eq!(right, Ok(Value::Integer(10_248)), "in the column's own type");
    let former = get(&flow, field, Side::Right, &Value::Integer(99), &parents);
    assert_eq!(former, Ok(link), "a former id finds the link");
}

#[test]
fn a_parent_that_is_not_there_is_named() {
    let flow = lines(vec![ValueType::Integer], Both::default());
    let field = &flow.fields[0];
    let unlinked = get(&flow, field, Side::Right, &Value::Integer(5), &[]);
    let record = RecordId::from("5");
    let side = Side::Right;
    assert_eq!(
        unlinked,
        Err(MapFailure::ParentUnlinked { flow: "orders".into(), side, record: record.clone() })
    );
    let half = [order(None, Some("5"))];
    let link = Value::Link(half[0].link);
    let without = put(&flow, field, Side::Left, &link, &half);
    assert!(matches!(without, Err(MapFailure::ParentWithoutRecord { side: Side::Left, .. })));
    let image = [("a0".into(), Value::Integer(5))].into();
    assert_eq!(parent_records(&flow, side, &image), vec![("orders".into(), side, record)]);
}

#[test]
fn a_key_of_two_parts_is_one_record_id() {
    let flow = lines(vec![ValueType::Text, ValueType::Integer], Both::default());
    let field = &flow.fields[0];
    let parents = [order(Some("801A"), Some("a%2Db-11"))];
    let native = Value::Tuple(vec![Value::text("a-b"), Value::Integer(11)]);
    let link = get(&flow, field, Side::Right, &native, &parents).expect("the parent is linked");
    assert_eq!(put(&flow, field, Side::Right, &link, &parents), Ok(native));
    let partly = Value::Tuple(vec![Value::text("a-b"), Value::Null]);
    assert_eq!(get(&flow, field, Side::Right, &partly, &parents), Ok(Value::Null));
}

#[test]
fn no_parent_may_have_a_constant() {
    let none = Both::new(Some(Value::text("001NONE")), None);
    let mut flow = lines(vec![ValueType::Integer], none);
    let column = flow.ends.left.columns.get_mut("a0").expect("the column is there");
    column.nullable = false;
    let field = &flow.fields[0];
    let nobody = get(&flow, field, Side::Left, &Value::text("001NONE"), &[]);
    assert_eq!(nobody, Ok(Value::Null));
    assert_eq!(put(&flow, field, Side::Left, &Value::Null, &[]), Ok(Value::text("001NONE")));
    assert!(same(&flow, field, Side::Left, &Value::Null, &Value::text("001NONE")));
    let image = [("a0".into(), Value::text("001NONE"))].into();
    assert!(parent_records(&flow, Side::Left, &image).is_empty());
}

#[test]
fn a_reference_that_is_not_one_is_refused() {
    let flow = lines(vec![ValueType::Integer], Both::default());
    let field = &flow.fields[0];
    let text = put(&flow, field, Side::Left, &Value::text("801A"), &[]);
    assert!(matches!(text, Err(MapFailure::NotRepresentable { .. })));
    let letters = [order(Some("801A"), Some("letters"))];
    let typed = put(&flow, field, Side::Right, &Value::Link(letters[0].link), &letters);
    assert!(matches!(typed, Err(MapFailure::NotRepresentable { .. })));
}
