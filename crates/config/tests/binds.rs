//! The sample bound to its sides: what was read is what the core can decide with.

mod facts;

use duet_config::{Code, Project, load};
use duet_core::bind::{BindKind, SideFacts, bind, examine, refuse_shared_writes};
use duet_core::facts::Parent;
use duet_core::id::{Column, LinkId};
use duet_core::mapping;
use duet_core::side::{Both, Side};
use duet_core::spec::{Canon, ColumnSpec, FieldSpec, FlowSpec, PathClass};
use duet_core::value::{Value, ValueType};
use std::path::PathBuf;

const SIDES: &str = include_str!("sides.txt");

fn project() -> Project {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/northwind");
    load(&dir, &|name| match name {
        "DUET_DATABASE_URL" => Some("postgres://localhost/duet".to_owned()),
        "DUET_AMQP_URL" => Some("amqp://localhost".to_owned()),
        other => Some(format!("value of {other}")),
    })
    .expect("the sample loads")
}

fn kind(name: &str) -> ValueType {
    serde_json::from_value(name.into()).expect("a type")
}

fn column(shape: &str, flags: &str) -> ColumnSpec {
    let (name, size) = shape.trim_end_matches(')').split_once('(').unwrap_or((shape, ""));
    let kind = kind(name);
    let numbers: Vec<u32> = size.split(',').filter_map(|part| part.parse().ok()).collect();
    let text = kind == ValueType::Text;
    let decimal = |place: usize| (!text).then(|| numbers.get(place).copied()).flatten();
    ColumnSpec {
        kind,
        nullable: !flags.contains('!'),
        max_length: if text { numbers.first().copied() } else { None },
        scale: decimal(1),
        precision: decimal(0),
        range: None,
        allowed: None,
        createable: !flags.contains('r'),
        updateable: !flags.contains(['r', 'c']),
        canon: Canon { single_precision: flags.contains('f'), ..Canon::default() },
    }
}

/// The sides of a flow, from `sides.txt`.
fn sides(flow: &str) -> Both<SideFacts> {
    let mut both = Both::new(facts::empty("Id"), facts::empty("id"));
    let mut here = None;
    for line in SIDES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((name, side)) = line.strip_prefix("= ").and_then(|rest| rest.split_once(' ')) {
            let side = if side == "left" { Side::Left } else { Side::Right };
            here = (name == flow).then_some(side);
            continue;
        }
        let Some(side) = here else { continue };
        let mut parts = line.splitn(3, ' ');
        let (name, shape) = (parts.next().expect("a name"), parts.next().expect("a type"));
        let flags = parts.next().unwrap_or_default();
        let facts = both.get_mut(side);
        facts.columns.insert(Column::new(name), column(shape, flags));
        if flags.contains('u') {
            facts.unique.push(Column::new(name));
        }
    }
    both
}

fn bound(project: &Project, name: &str) -> FlowSpec {
    let draft = project.flow(&name.into()).expect("the flow is there").spec.clone();
    let sides = sides(name);
    bind(draft, &sides.left, &sides.right).unwrap_or_else(|found| {
        let told: Vec<String> =
            found.iter().map(|mistake| project.locate(mistake).to_string()).collect();
        panic!("{}", told.join("\n"));
    })
}

fn field<'a>(flow: &'a FlowSpec, name: &str) -> &'a FieldSpec {
    flow.fields.iter().find(|field| field.name.as_str() == name).expect("the field is there")
}

/// What a value of the right side becomes on the left.
fn leftward(flow: &FlowSpec, name: &str, right: Value) -> Option<Value> {
    let field = field(flow, name);
    let trunk = mapping::get(flow, field, Side::Right, &right, &[]).ok()?;
    mapping::put(flow, field, Side::Left, &trunk, &[]).ok()
}

fn number(text: &str) -> Value {
    Value::decimal(text.parse().expect("a number"))
}

#[test]
fn every_flow_of_the_sample_fits_its_sides() {
    let project = project();
    let flows: Vec<FlowSpec> =
        project.flows.iter().map(|draft| bound(&project, draft.spec.name.as_str())).collect();
    assert_eq!(flows.len(), 5);
    assert_eq!(refuse_shared_writes(&flows), []);
}

#[test]
fn warnings_of_the_sample_are_about_lengths_alone() {
    let project = project();
    for draft in &project.flows {
        let sides = sides(draft.spec.name.as_str());
        let (spec, found) = examine(draft.spec.clone(), &sides.left, &sides.right);
        assert!(spec.is_some(), "{}: {found:#?}", draft.spec.name);
        let told: Vec<BindKind> = found.iter().map(|mistake| mistake.kind).collect();
        assert!(told.iter().all(|kind| *kind == BindKind::TooLong), "{told:?}");
    }
}

#[test]
fn values_of_the_shop_reach_salesforce() {
    let project = project();
    let products = bound(&project, "products");
    assert_eq!(leftward(&products, "in_stock", Value::Integer(39)), Some(number("39")));
    assert_eq!(leftward(&products, "in_stock", Value::Null), Some(Value::Null));
    let ended = leftward(&products, "discontinued", Value::Integer(1));
    assert_eq!(ended, Some(Value::Boolean(true)));
    assert_eq!(leftward(&products, "discontinued", Value::Integer(7)), None, "not in the map");
    let orders = bound(&project, "orders");
    let carrier = leftward(&orders, "carrier", Value::Integer(3));
    assert_eq!(carrier, Some(Value::text("Federal Shipping")));
    assert_eq!(leftward(&orders, "freight", number("32.380001")), Some(number("32.38")));
    let lines = bound(&project, "lines");
    assert_eq!(leftward(&lines, "discount", number("0.15000001")), Some(number("0.15")));
    let customers = bound(&project, "customers");
    let roles = leftward(&customers, "roles", Value::text("Owner/Agent")).expect("a set");
    assert_eq!(roles, Value::Set(["Agent".to_owned(), "Owner".to_owned()].into()));
}

#[test]
fn a_price_that_a_small_number_holds_is_no_change() {
    let project = project();
    let prices = bound(&project, "prices");
    let price = field(&prices, "price");
    let (read, wrote) = (number("21.350000381"), number("21.35"));
    assert!(mapping::same(&prices, price, Side::Right, &read, &wrote));
    assert!(!mapping::same(&prices, price, Side::Right, &read, &number("21.36")));
}

#[test]
fn references_of_a_line_are_carried_by_its_create() {
    let project = project();
    let lines = bound(&project, "lines");
    for name in ["order_id", "product_id"] {
        assert!(field(&lines, name).create_only, "{name} is a part of the key");
    }
    let order = Parent {
        flow: "orders".into(),
        link: LinkId(Default::default()),
        phase: duet_core::link::Phase::Linked,
        record: Both::new(Some("801000000000001AAA".into()), Some("10248".into())),
        aliases: Vec::new(),
    };
    let parents = [order];
    let reference = field(&lines, "order_id");
    let trunk = mapping::get(&lines, reference, Side::Right, &Value::Integer(10_248), &parents);
    let trunk = trunk.expect("the order is linked");
    let left = mapping::put(&lines, reference, Side::Left, &trunk, &parents);
    assert_eq!(left, Ok(Value::text("801000000000001AAA")));
    let back = mapping::put(&lines, reference, Side::Right, &trunk, &parents);
    assert_eq!(back, Ok(Value::Integer(10_248)));
}

#[test]
fn what_binding_finds_is_told_with_its_place() {
    let project = project();
    let draft = project.flow(&"products".into()).expect("the flow is there");
    let mut sides = sides("products");
    sides.left.guarded = PathClass::K1p;
    sides.left.columns.remove("Reorder_Level__c");
    sides.left.unique.clear();
    let (spec, found) = examine(draft.spec.clone(), &sides.left, &sides.right);
    assert!(spec.is_none());
    let mut told: Vec<(Code, String)> = found
        .iter()
        .map(|mistake| project.locate(mistake))
        .filter(|mistake| !mistake.is_warning())
        .map(|mistake| (mistake.code, mistake.source_line.trim().to_owned()))
        .collect();
    told.sort();
    let codes: Vec<Code> = told.iter().map(|(code, _)| *code).collect();
    let wanted =
        [Code::BindUnknownColumn, Code::BindExternalIdNotUnique, Code::BindCounterNeedsMarker];
    assert_eq!(codes, wanted);
    assert!(told[0].1.starts_with("reorder_level"), "{}", told[0].1);
    assert!(told[1].1.starts_with("{ by = \"external_id\""), "{}", told[1].1);
    assert!(told[2].1.starts_with("in_stock"), "{}", told[2].1);
}
