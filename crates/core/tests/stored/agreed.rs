//! Agreed content: both of its stored forms are read, and mean the same; the second one is written,
//! and leaves out what goes without saying.

use duet_core::agreed::{Agreed, AgreedField, Origin, Pair, Tomb};
use duet_core::id::FieldName;
use duet_core::observation::{ActorClass, Version};
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use proptest::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Form 1, as it was declared: everything is said of every field.
#[derive(Serialize)]
struct First<'a> {
    fields: BTreeMap<&'a FieldName, FirstField<'a>>,
}

#[derive(Serialize)]
struct FirstField<'a> {
    trunk: &'a Value,
    at: Stamp,
    origin: Origin,
    accounted: Accounted<'a>,
    tolerated: &'a Both<bool>,
    hops: u8,
    changed: Option<(Stamp, Stamp)>,
    by: ActorClass,
    moved: &'a Both<Option<Stamp>>,
}

#[derive(Serialize)]
struct Accounted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<&'a Value>,
}

fn first(pair: &Pair) -> String {
    let fields = pair.fields.iter().map(|(name, field)| {
        let Both { left, right } = &field.accounted;
        let first = FirstField {
            trunk: &field.trunk,
            at: field.at,
            origin: field.origin,
            accounted: Accounted { left: left.as_ref(), right: right.as_ref() },
            tolerated: &field.tolerated,
            hops: field.hops,
            changed: field.changed,
            by: field.by,
            moved: &field.moved,
        };
        (name, first)
    });
    serde_json::to_string(&First { fields: fields.collect() }).expect("JSON")
}

fn agreed(trunk: Value) -> AgreedField {
    AgreedField {
        accounted: Both { left: Some(trunk.clone()), right: Some(trunk.clone()) },
        trunk,
        at: Stamp(1_795_302_000_000_000),
        origin: Origin::Both,
        tolerated: Both::default(),
        hops: 0,
        changed: None,
        by: ActorClass::Unknown,
        moved: Both::default(),
    }
}

/// A pair as an earlier release stored it.
const STORED_IN_FORM_1: &str = r#"{"pair":{"fields":{"city":{"trunk":null,"at":1795302000000000,
"origin":"both","accounted":{"left":null},"tolerated":{"left":false,"right":true},"hops":2,
"changed":[1795301000000000,1795302000000000],"by":"user","moved":{"left":1795302000000000,
"right":null}},"name":{"trunk":"Acme","at":1795302000000001,"origin":"left","accounted":{"left":
"Acme","right":"ACME"},"tolerated":{"left":false,"right":false},"hops":0,"changed":null,"by":
"unknown","moved":{"left":null,"right":null}},"old":{"trunk":{"decimal":"1.5"},"at":5,"origin":
"merge","accounted":{}}}}}"#;

#[test]
fn what_an_earlier_release_stored_is_read() {
    let read: Agreed = serde_json::from_str(STORED_IN_FORM_1).expect("form 1");
    let city = AgreedField {
        accounted: Both { left: Some(Value::Null), right: None },
        tolerated: Both { left: false, right: true },
        hops: 2,
        changed: Some((Stamp(1_795_301_000_000_000), Stamp(1_795_302_000_000_000))),
        by: ActorClass::User,
        moved: Both { left: Some(Stamp(1_795_302_000_000_000)), right: None },
        ..agreed(Value::Null)
    };
    let name = AgreedField {
        at: Stamp(1_795_302_000_000_001),
        origin: Origin::Left,
        accounted: Both { left: Some(Value::text("Acme")), right: Some(Value::text("ACME")) },
        ..agreed(Value::text("Acme"))
    };
    let old = AgreedField {
        at: Stamp(5),
        origin: Origin::Merge,
        accounted: Both::default(),
        ..agreed(Value::decimal("1.5".parse().expect("a number")))
    };
    let fields = [("city".into(), city), ("name".into(), name), ("old".into(), old)];
    assert_eq!(read, Agreed::Pair(Pair { fields: fields.into() }));
    assert!(serde_json::from_str::<Agreed>(r#"{"pair":{"fields":{"a":{"at":1}}}}"#).is_err());
    assert!(serde_json::from_str::<Agreed>(r#"{"pair":{"fields":{"a":{"is":1}}}}"#).is_err());
    assert!(serde_json::from_str::<Agreed>(r#"{"pair":{}}"#).is_err());
}

#[test]
fn what_goes_without_saying_is_left_out() {
    let mut city = agreed(Value::text("Bern"));
    city.at = Stamp(7);
    city.origin = Origin::Left;
    city.accounted.right = None;
    city.moved.left = Some(Stamp(7));
    city.changed = Some((Stamp(5), Stamp(6)));
    city.by = ActorClass::User;
    let mut phone = agreed(Value::Null);
    phone.accounted.right = Some(Value::text(""));
    phone.tolerated.right = true;
    let fields = [
        ("city".into(), city),
        ("name".into(), agreed(Value::text("Acme"))),
        ("phone".into(), phone),
        ("vip".into(), agreed(Value::Boolean(true))),
    ];
    let written = serde_json::to_string(&Agreed::Pair(Pair { fields: fields.into() }));
    let wanted = concat!(
        r#"{"pair":{"at":1795302000000000,"from":"both","fields":{"#,
        r#""city":{"is":"Bern","at":7,"from":"left","unconfirmed":["right"],"changed":[5,6],"#,
        r#""by":"user","moved_at":[7,null]},"name":{"is":"Acme"},"#,
        r#""phone":{"is":null,"right":"","tolerates":["right"]},"vip":{"is":true}}}}"#
    );
    assert_eq!(written.expect("JSON"), wanted);
}

#[test]
fn a_pair_of_nothing_and_a_remembered_one_come_back() {
    let last = Pair { fields: [("f".into(), agreed(Value::Integer(1)))].into() };
    let version = || Some(Version { order: Some(1), token: "1".to_owned() });
    let tomb = Tomb {
        at: Stamp(3),
        version: Both::build(|_| version()),
        record: Both { left: Some("1".into()), right: None },
        last,
    };
    for agreed in [Agreed::None, Agreed::Pair(Pair::default()), Agreed::Tomb(tomb)] {
        let stored = serde_json::to_string(&agreed).expect("JSON");
        assert_eq!(serde_json::from_str::<Agreed>(&stored).expect(&stored), agreed, "{stored}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0..3_i64).prop_map(Value::Integer),
        "[ab]{0,2}".prop_map(Value::text),
        Just(Value::decimal("1.5".parse().expect("a number"))),
        Just(Value::Tuple(vec![Value::Null, Value::text("a")])),
        (0..2_i64).prop_map(|at| Value::Instant(Stamp(at))),
    ]
}

fn stamps() -> impl Strategy<Value = Option<Stamp>> {
    proptest::option::of(prop_oneof![0..3_i64, Just(i64::MIN), Just(i64::MAX)].prop_map(Stamp))
}

fn fields() -> impl Strategy<Value = AgreedField> {
    let origins = [Origin::Left, Origin::Right, Origin::Both, Origin::Merge, Origin::Person];
    let actors = [ActorClass::Unknown, ActorClass::User, ActorClass::Automation, ActorClass::Duet];
    let accounted = (proptest::option::of(values()), proptest::option::of(values()));
    let who =
        (proptest::sample::select(origins.to_vec()), proptest::sample::select(actors.to_vec()));
    let times = (0..2_i64, stamps(), stamps(), stamps(), stamps());
    (values(), accounted, who, times, any::<(bool, bool)>(), 0..3_u8).prop_map(
        |(trunk, accounted, (origin, by), times, tolerated, hops)| AgreedField {
            trunk,
            at: Stamp(times.0),
            origin,
            accounted: Both { left: accounted.0, right: accounted.1 },
            tolerated: Both { left: tolerated.0, right: tolerated.1 },
            hops,
            changed: times.1.zip(times.2),
            by,
            moved: Both { left: times.3, right: times.4 },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_forms_mean_the_same(all in proptest::collection::btree_map("[a-d]", fields(), 0..4)) {
        let fields = all.into_iter().map(|(name, field)| (FieldName::new(name), field));
        let pair = Pair { fields: fields.collect() };
        let before = first(&pair);
        let now = serde_json::to_string(&pair).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Pair>(&before).expect(&before), pair.clone());
        prop_assert_eq!(serde_json::from_str::<Pair>(&now).expect(&now), pair);
    }
}
