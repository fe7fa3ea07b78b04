//! `schema/envelope.v1.json` and the code say the same: every example is read, written again
//! without a difference, and meets the schema; what the code never writes doesn't.

use duet_ports::envelope::{Body, ChangeV1, Envelope};
use duet_testkit::json_schema::Schema;
use serde_json::{Value, json};

fn load() -> Schema {
    let text = include_str!("../../../schema/envelope.v1.json");
    Schema(serde_json::from_str(text).expect("the schema is JSON"))
}

fn examples(schema: &Schema) -> Vec<Value> {
    schema.0["examples"].as_array().expect("the schema has examples").clone()
}

fn read(example: &Value) -> Envelope {
    serde_json::from_str(&example.to_string()).expect("an envelope")
}

#[test]
fn every_example_comes_back_unchanged() {
    for example in examples(&load()) {
        let again = serde_json::to_string(&read(&example)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), example);
    }
}

#[test]
fn every_change_comes_back_unchanged() {
    let mut count = 0;
    for example in examples(&load()) {
        let Body::Changes { changes } = read(&example).body else { continue };
        for raw in changes {
            let change: ChangeV1 = serde_json::from_str(raw.get()).expect("a change");
            let before: Value = serde_json::from_str(raw.get()).unwrap();
            assert_eq!(serde_json::to_value(&change).unwrap(), before);
            count += 1;
        }
    }
    assert_eq!(count, 4);
}

#[test]
fn what_an_older_version_told_besides_is_passed_over() {
    let change = |told: Value| serde_json::from_value::<ChangeV1>(told).expect("a change");
    let Body::Changes { changes } = read(&examples(&load())[0]).body else { panic!("changes") };
    let now: Value = serde_json::from_str(changes[0].get()).expect("JSON");
    let mut older = now.clone();
    older["seen"]["previous_at"] = json!(1_795_301_990_000_000_i64);
    assert!(older["seen"]["read_at"].is_i64(), "an observation");
    assert_eq!(change(older), change(now));
}

#[test]
fn every_kind_has_an_example_that_meets_the_schema() {
    let schema = load();
    let kinds: Vec<_> = examples(&schema).iter().map(|one| read(one).body.kind()).collect();
    assert_eq!(kinds, ["changes", "wake_links", "wake_intents", "wake_retry"]);
    for example in examples(&schema) {
        schema.check(&example).expect("an example");
    }
}

#[test]
fn what_the_code_never_writes_does_not_meet_the_schema() {
    let schema = load();
    let change = |what: Value| {
        let mut change = json!({"flow": "f", "side": "left", "record": "1"});
        change.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        json!({"v": 1, "body": {"changes": {"changes": [change]}}})
    };
    let wrong = [
        json!({"body": "wake_retry"}),
        json!({"v": 2, "body": "wake_retry"}),
        json!({"v": 1, "body": "wake"}),
        json!({"v": 1, "body": {"wake_links": {"links": ["1"]}}}),
        json!({"v": 1, "number": {"source": "a/left"}, "body": "wake_retry"}),
        change(json!({})),
        change(json!({"gap": null, "key_changed": {"old": "0"}})),
        change(json!({"seen": {"presence": "there", "read_at": 1}})),
        change(json!({"seen": {"presence": "present", "read_at": 1, "image": {"a": 1.5}}})),
    ];
    for value in wrong {
        assert!(schema.check(&value).is_err(), "{value}");
    }
}
