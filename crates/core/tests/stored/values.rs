//! The reader of values takes exactly what the one before it took, which tried one form after the
//! other; on values as they are written, and on JSON at random.

use chrono::NaiveDate;
use duet_core::cast::parse_decimal;
use duet_core::id::LinkId;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The form as it was declared at first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Declared {
    Null(()),
    Boolean(bool),
    Integer(i64),
    Text(String),
    Tuple(Vec<Declared>),
    Tagged(Tagged),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tagged {
    Decimal(String),
    Date(NaiveDate),
    At(i64),
    Set(BTreeSet<String>),
    Link(LinkId),
}

fn meant(declared: Declared) -> Option<Value> {
    Some(match declared {
        Declared::Null(()) => Value::Null,
        Declared::Boolean(flag) => Value::Boolean(flag),
        Declared::Integer(number) => Value::Integer(number),
        Declared::Text(text) => Value::text(text),
        Declared::Tuple(parts) => {
            Value::Tuple(parts.into_iter().map(meant).collect::<Option<Vec<_>>>()?)
        }
        Declared::Tagged(Tagged::Decimal(text)) => Value::decimal(parse_decimal(&text)?),
        Declared::Tagged(Tagged::Date(day)) => Value::Date(day),
        Declared::Tagged(Tagged::At(micros)) => Value::Instant(Stamp(micros)),
        Declared::Tagged(Tagged::Set(items)) => Value::Set(items),
        Declared::Tagged(Tagged::Link(id)) => Value::Link(id),
    })
}

fn agree(json: &str) {
    let before = serde_json::from_str::<Declared>(json).ok().and_then(meant);
    let now = serde_json::from_str::<Value>(json).ok();
    assert_eq!(now, before, "{json}");
}

#[test]
fn both_readers_agree_at_the_edges() {
    let edges = [
        "null",
        "true",
        "0",
        "-0",
        "1.0",
        "1e2",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "\"\"",
        "\"a\\u0000b\"",
        "[]",
        "[[]]",
        "[null,[1,\"a\"]]",
        "{}",
        "{\"decimal\":\"1.20\"}",
        "{\"decimal\":1}",
        "{\"decimal\":\"\"}",
        "{\"decimal\":null}",
        "{\"decimal\":\"1e5\"}",
        "{\"decimal\":\"-0\"}",
        "{\"decimal\":\"1\",\"decimal\":\"1\"}",
        "{\"decimal\":\"1\",\"set\":[]}",
        "{\"decimal\":\"1\",\"x\":1}",
        "{\"x\":1}",
        "{\"Decimal\":\"1\"}",
        "{\"date\":\"2026-02-29\"}",
        "{\"date\":\"2024-02-29\"}",
        "{\"date\":\"-0001-01-01\"}",
        "{\"date\":\"+12024-02-29\"}",
        "{\"date\":5}",
        "{\"at\":5}",
        "{\"at\":5.0}",
        "{\"at\":\"5\"}",
        "{\"at\":9223372036854775808}",
        "{\"set\":[]}",
        "{\"set\":[\"b\",\"a\",\"a\"]}",
        "{\"set\":[1]}",
        "{\"set\":{}}",
        "{\"set\":null}",
        "{\"link\":\"01890a5d-ac96-774b-bcce-b302099a8057\"}",
        "{\"link\":\"01890a5dac96774bbcceb302099a8057\"}",
        "{\"link\":\"x\"}",
        "{\"link\":[1]}",
        "{\"link\":null}",
        "[{\"at\":1},{\"at\":\"x\"}]",
        "{\"0\":\"1\"}",
        "{\"set\":\"a\"}",
    ];
    for json in edges {
        agree(json);
    }
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(serde_json::from_str::<Value>(&deep(100)).is_ok());
    assert!(serde_json::from_str::<Value>(&deep(200)).is_err(), "a stack has an end");
}

#[test]
fn what_is_no_value_is_told_without_guessing() {
    let told = |json: &str| serde_json::from_str::<Value>(json).unwrap_err().to_string();
    assert!(told("1.5").contains("expected a value: null, true or false"), "{}", told("1.5"));
    assert!(told("{\"dezimal\":\"1\"}").contains("`decimal`"), "{}", told("{\"dezimal\":\"1\"}"));
    assert!(told("{\"decimal\":\"x\"}").contains("no usable decimal"));
    assert!(told("{\"at\":1,\"set\":[]}").contains("one key"));
}

fn texts() -> impl Strategy<Value = String> {
    let known = ["decimal", "date", "at", "set", "link", "1.50", "-3", "2026-11-29", "x"];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        ".{0,12}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "-?[0-9]{1,20}(\\.[0-9]{1,20})?",
    ]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e9f64..1e9).prop_map(Into::into),
        texts().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((texts(), inner), 0..3)
                .prop_map(|entries| { serde_json::Value::Object(entries.into_iter().collect()) }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn both_readers_agree_on_json_at_random(json in json()) {
        agree(&json.to_string());
    }
}
