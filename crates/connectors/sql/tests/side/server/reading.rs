//! Values as they are read: every type in canonical form, odd values kept, odd questions answered.

use crate::rig::{SERVER, Shop, creating, decimal, intent};
use duet_core::id::RecordId;
use duet_core::intent::{FindKey, Op};
use duet_core::observation::{Absence, Deletion, Presence};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Connector, Search};
use std::collections::BTreeSet;

const MIXED: &str = "
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
CREATE TABLE mixed (
    id smallint PRIMARY KEY, price numeric(10, 2), ratio real, wide double precision,
    code char(5), flag boolean, day date, local timestamp, at timestamptz, ref uuid,
    mood mood, tags text[], extra jsonb, free numeric)";

fn set(items: &[&str]) -> Value {
    Value::Set(items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>())
}

/// Microseconds of 2026-11-21 10:20:30.123456 UTC.
const INSTANT: i64 = 1_795_256_430_123_456;

fn mixed() -> Vec<(&'static str, Value)> {
    vec![
        ("id", Value::Integer(7)),
        ("price", decimal("12.5")),
        ("ratio", decimal("0.1")),
        ("wide", decimal("0.1")),
        ("code", Value::text("AB")),
        ("flag", Value::Boolean(true)),
        ("day", Value::Date("2026-11-21".parse().expect("a day"))),
        ("local", Value::Instant(Stamp(INSTANT))),
        ("at", Value::Instant(Stamp(INSTANT))),
        ("ref", Value::text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("mood", Value::text("glad")),
        ("tags", set(&["a", "b,c", "\"q\""])),
        ("extra", Value::text(r#"{"a": 1}"#)),
        ("free", decimal("123456789012345678901234567890.123456789")),
    ]
}

fn search(columns: &[(&str, Value)]) -> Search {
    let columns = columns.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Search { intent: intent(1), keys: vec![FindKey { rule: Some(0), columns }] }
}

#[tokio::test]
async fn every_type_is_written_and_comes_back() {
    let shop = Shop::captured(SERVER, MIXED, "mixed").await;
    let outcomes = shop.send(Op::Create, vec![creating(1, &mixed())]).await;
    assert_eq!(duet_testkit::connector_contract::landed(&outcomes[0]).as_str(), "7");
    let read = shop.read("7").await;
    for (name, value) in mixed() {
        assert_eq!(read.image.get(name), Some(&value), "{name}");
    }
    let instants: bool = shop
        .ask(
            "SELECT at = '2026-11-21 10:20:30.123456+00' AND local = '2026-11-21 10:20:30.123456'
              FROM mixed",
        )
        .await;
    assert!(instants, "a time without a zone is UTC");
    let tags: Vec<String> = shop.ask("SELECT tags FROM mixed").await;
    assert_eq!(tags, ["\"q\"", "a", "b,c"], "a set is written in its own order");
    let empty: Vec<_> = mixed().into_iter().skip(1).map(|(name, _)| (name, Value::Null)).collect();
    let call = shop.call(2, "7", &empty).await;
    shop.send(Op::Update, vec![call]).await;
    let read = shop.read("7").await;
    assert!(empty.iter().all(|(name, _)| read.image.get(*name) == Some(&Value::Null)));
}

#[tokio::test]
async fn odd_values_are_kept_and_break_nothing() {
    let shop = Shop::captured(SERVER, MIXED, "mixed").await;
    shop.run(
        "INSERT INTO mixed (id, free, wide, day, at, tags) VALUES
         (1, 'NaN', 'Infinity', 'infinity', '-infinity', '{{a,b},{c,d}}'),
         (2, 0.10, -0.0, '0044-03-15 BC', '0044-03-15 12:00:00 BC', '{}'),
         (3, 1e30, 1e-30, '9999-12-31', '9999-12-31 23:59:59.999999+00', '{a,NULL,a}')",
    )
    .await;
    assert_eq!(shop.read("1").await.image.get("free"), Some(&Value::text("NaN")));
    assert_eq!(shop.read("1").await.image.get("day"), Some(&Value::text("infinity")));
    assert_eq!(shop.read("2").await.image.get("tags"), Some(&set(&[])));
    assert_eq!(shop.read("2").await.image.get("free"), Some(&decimal("0.1")));
    assert_eq!(shop.read("3").await.image.get("tags"), Some(&set(&["a"])));
    assert_eq!(shop.read("3").await.image.get("free"), Some(&decimal("1e30")));
}

#[tokio::test]
async fn questions_that_cannot_be_meant_are_answered() {
    let shop = Shop::captured(SERVER, MIXED, "mixed").await;
    shop.run("INSERT INTO mixed (id) VALUES (1)").await;
    let ids = ["99999999999", "abc", "", "1-2", "nul\0", "2", "1", "1"].map(RecordId::from);
    let found = shop.side.read(&shop.collection, &ids).await.expect("it can be read");
    let presences: Vec<Presence> =
        found.into_iter().map(|record| record.observation.presence).collect();
    let nobody = Presence::OutOfScope(Absence::Visibility);
    assert_eq!(
        presences[..5],
        [nobody.clone(), nobody.clone(), nobody.clone(), nobody.clone(), nobody]
    );
    assert_eq!(presences[5], Presence::Deleted(Deletion::Hard));
    assert_eq!(presences[6..], [Presence::Present, Presence::Present]);
    let none = shop.side.read(&shop.collection, &[]).await.expect("it can be read");
    assert!(none.is_empty());
}

#[tokio::test]
async fn searches_compare_values_of_every_type() {
    let shop = Shop::captured(SERVER, MIXED, "mixed").await;
    shop.send(Op::Create, vec![creating(1, &mixed())]).await;
    let mut searches: Vec<Search> = mixed()
        .into_iter()
        .filter(|(name, _)| !["ratio", "tags", "extra"].contains(name))
        .map(|pair| search(&[pair]))
        .collect();
    let found = shop.side.find(&shop.collection, &searches).await.expect("it can be searched");
    for (search, found) in searches.iter().zip(&found) {
        assert_eq!(found.len(), 1, "{search:?}");
    }
    searches = vec![
        search(&[("id", Value::text("x"))]),
        search(&[("id", Value::Integer(40_000))]),
        search(&[("mood", Value::text("angry"))]),
        search(&[("ref", Value::text("not a uuid"))]),
        search(&[("code", Value::Null)]),
        search(&[("id", Value::text("7")), ("code", Value::text("AB"))]),
    ];
    let found = shop.side.find(&shop.collection, &searches).await.expect("it can be searched");
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 1]);
    let wrong = [search(&[("nowhere", Value::Null)])];
    assert!(shop.side.find(&shop.collection, &wrong).await.is_err());
}
