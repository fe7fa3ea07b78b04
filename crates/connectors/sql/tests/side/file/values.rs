//! Values as a file keeps them: by declared type where they fit, told as they are where they don't,
//! and never made into something else on the way.

use crate::rig::{FILE, Shop, creating, decimal, intent};
use duet_core::intent::{FindKey, Op, Outcome};
use duet_core::retry::FailureClass;
use duet_core::spec::ColumnSpec;
use duet_core::stamp::Stamp;
use duet_core::value::{Value, ValueType};
use duet_ports::connector::{Connector, Search};
use duet_testkit::connector_contract::landed;

const MIXED: &str = "CREATE TABLE mixed (
    id INTEGER PRIMARY KEY, price DECIMAL(10, 2), ratio REAL, whole BIGINT, name VARCHAR(5),
    flag BOOLEAN, day DATE, at DATETIME, ref UUID, body BLOB, extra JSON, note TEXT, any_value)";

/// Microseconds of 2026-11-21 10:20:30.123456 UTC.
const INSTANT: i64 = 1_795_256_430_123_456;

fn mixed() -> Vec<(&'static str, Value)> {
    vec![
        ("id", Value::Integer(7)),
        ("price", decimal("12.5")),
        ("ratio", decimal("0.1")),
        ("whole", Value::Integer(i64::MAX)),
        ("name", Value::text("Änne")),
        ("flag", Value::Boolean(true)),
        ("day", Value::Date("2026-11-21".parse().expect("a day"))),
        ("at", Value::Instant(Stamp(INSTANT))),
        ("ref", Value::text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("body", Value::text("\\x00ff")),
        ("extra", Value::text(r#"{"a": 1}"#)),
        ("note", Value::text("it's 007 💥")),
        ("any_value", Value::text("x")),
    ]
}

#[tokio::test]
async fn every_declared_type_is_written_and_comes_back() {
    let shop = Shop::captured(FILE, MIXED, "mixed").await;
    let outcomes = shop.send(Op::Create, vec![creating(1, &mixed())]).await;
    assert_eq!(landed(&outcomes[0]).as_str(), "7");
    let read = shop.read("7").await;
    for (name, value) in mixed() {
        assert_eq!(read.image.get(name), Some(&value), "{name}");
    }
    let stored = "SELECT typeof(price) || typeof(ratio) || typeof(whole) || typeof(name)
        || typeof(flag) || typeof(day) || typeof(at) || typeof(body) FROM mixed";
    assert_eq!(shop.text(stored).await, "realrealintegertextintegertexttextblob");
    assert_eq!(shop.text("SELECT at FROM mixed").await, "2026-11-21 10:20:30.123456");
    let empty: Vec<_> = mixed().into_iter().skip(1).map(|(name, _)| (name, Value::Null)).collect();
    let call = shop.call(2, "7", &empty).await;
    landed(&shop.send(Op::Update, vec![call]).await[0]);
    let read = shop.read("7").await;
    assert!(empty.iter().all(|(name, _)| read.image.get(*name) == Some(&Value::Null)));
}

#[tokio::test]
async fn the_declared_types_are_described() {
    let shop = Shop::bare(FILE, MIXED, "MIXED").await;
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    let spec = |name: &str| -> &ColumnSpec { about.columns.get(name).expect(name) };
    let kinds = [
        ("id", ValueType::Integer),
        ("price", ValueType::Decimal),
        ("ratio", ValueType::Decimal),
        ("name", ValueType::Text),
        ("flag", ValueType::Boolean),
        ("day", ValueType::Date),
        ("at", ValueType::Instant),
        ("body", ValueType::Text),
        ("any_value", ValueType::Text),
    ];
    for (name, kind) in kinds {
        assert_eq!(spec(name).kind, kind, "{name}");
    }
    assert_eq!((spec("price").precision, spec("price").canon.scale), (Some(10), Some(2)));
    assert_eq!(spec("name").max_length, Some(5));
    assert!(spec("id").nullable, "a row id that is left out is made");
    assert_eq!((about.grain_us, about.skew_us), (0, 1_000), "times have milliseconds");
    assert!(about.may.create && about.may.update && about.may.delete);
}

/// SQLite keeps any value in any column. One that isn't of the declared type is told as a text: kept,
/// shown, and refused where another side can't hold it.
#[tokio::test]
async fn what_does_not_fit_its_column_is_told_as_it_is() {
    let shop = Shop::captured(FILE, MIXED, "mixed").await;
    shop.run(
        "INSERT INTO mixed (id, price, ratio, whole, flag, day, at, note, any_value) VALUES
         (1, 'cheap', 'half', 5.5, 'true', 20261121, 'tomorrow', x'00ff', 5),
         (2, 12.345, 9e999, 'many', 2, '21.11.2026', 1795256430, CAST(x'4dfc' AS TEXT), 5.0),
         (3, 0.1 + 0.2, 1e300, '7', 0, '2026-11-21', '2026-11-21T10:20:30Z', '', x'41')",
    )
    .await;
    let texts = [
        ("1", "price", "cheap"),
        ("1", "ratio", "half"),
        ("1", "whole", "5.5"),
        ("1", "flag", "true"),
        ("1", "day", "20261121"),
        ("1", "at", "tomorrow"),
        ("1", "note", "\\x00ff"),
        ("1", "any_value", "5"),
        ("2", "price", "12.345"),
        ("2", "ratio", "Infinity"),
        ("2", "whole", "many"),
        ("2", "flag", "2"),
        ("2", "day", "21.11.2026"),
        ("2", "at", "1795256430"),
        ("2", "note", "\\x4dfc"),
        ("3", "any_value", "\\x41"),
    ];
    for (id, name, text) in texts {
        let read = shop.read(id).await;
        assert_eq!(read.image.get(name), Some(&Value::text(text)), "{id} {name}");
    }
    let fitting = shop.read("3").await.image;
    assert_eq!(
        fitting.get("price"),
        Some(&decimal("0.3")),
        "a float that is off in its last place"
    );
    assert_eq!(fitting.get("ratio"), Some(&decimal("1e300")));
    assert_eq!(fitting.get("whole"), Some(&Value::Integer(7)), "SQLite made a number of it");
    assert_eq!(fitting.get("at"), Some(&Value::Instant(Stamp(INSTANT - 123_456))));
    let call = shop.call(1, "1", &[("name", Value::text("new"))]).await;
    landed(&shop.send(Op::Update, vec![call]).await[0]);
    assert_eq!(shop.text("SELECT price FROM mixed WHERE id = 1").await, "cheap", "left alone");
}

#[tokio::test]
async fn what_would_be_stored_as_something_else_is_refused_for_its_record_alone() {
    let ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, price DECIMAL(6, 2), ratio REAL, whole INT,
        name VARCHAR(5), code STRING, body BLOB, flag BOOLEAN, day DATE);
        INSERT INTO t (id) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11)";
    let shop = Shop::captured(FILE, ddl, "t").await;
    let cases = [
        ("price", decimal("12345.6")),
        ("price", decimal("1.234")),
        ("ratio", decimal("0.12345678901234567890")),
        ("whole", Value::text("many")),
        ("name", Value::text("Magdalena")),
        ("code", Value::text("007")),
        ("code", Value::text("1e5")),
        ("body", Value::text("no bytes")),
        ("flag", Value::text("yes")),
        ("day", Value::text("tomorrow")),
    ];
    let mut calls = Vec::new();
    for ((column, value), id) in cases.iter().zip(1_u128..) {
        calls.push(shop.call(id, &id.to_string(), &[(column, value.clone())]).await);
    }
    calls.push(shop.call(11, "11", &[("code", Value::text("A-7"))]).await);
    let outcomes = shop.send(Op::Update, calls).await;
    for ((column, _), outcome) in cases.iter().zip(&outcomes) {
        let Outcome::Refused { failure, .. } = outcome else { panic!("{column}: {outcome:?}") };
        assert_eq!(failure.class, FailureClass::Validation, "{failure:?}");
        assert_eq!(failure.columns, [*column]);
    }
    landed(&outcomes[10]);
    assert_eq!(shop.rows("t WHERE code IS NOT NULL").await, 1);
}

#[tokio::test]
async fn searches_find_what_is_stored_in_any_way() {
    let ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, r REAL, b BOOLEAN, x BLOB, u,
        name TEXT COLLATE NOCASE);
        INSERT INTO t VALUES (1, 5, 0.5, 1, x'00ff', 5, 'Anna'), (2, 6, 0.1, 0, x'01', '5', 'Bo')";
    let shop = Shop::captured(FILE, ddl, "t").await;
    let cases = [
        ("n", Value::Integer(5), "1"),
        ("r", decimal("0.1"), "2"),
        ("b", Value::Boolean(true), "1"),
        ("x", Value::text("\\x00ff"), "1"),
        ("u", Value::text("5"), "1 2"),
        ("u", Value::text("5x"), ""),
        ("name", Value::text("anna"), "1"),
        ("n", Value::text("none"), ""),
        ("name", Value::Null, ""),
    ];
    for (column, value, expected) in cases {
        let columns = vec![(column.into(), value)];
        let keys = vec![FindKey { rule: Some(0), columns }];
        let search = Search { intent: intent(1), keys };
        let found = shop.side.find(&shop.collection, &[search]).await.expect("it can be searched");
        let found: Vec<&str> = found[0].iter().map(|one| one.record.as_str()).collect();
        assert_eq!(found.join(" "), expected, "{column}");
    }
}

/// `5` and `'5'` are two values with two places in the order; no page repeats or leaves one out.
#[tokio::test]
async fn a_scan_goes_in_the_order_of_what_is_stored() {
    let ddl = "CREATE TABLE t (id NOT NULL PRIMARY KEY) WITHOUT ROWID;
        INSERT INTO t VALUES (10), (9), (9.5), ('10'), ('9'), (x'00'), ('é'), (0.1 + 0.2)";
    let shop = Shop::captured(FILE, ddl, "t").await;
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = shop.side.scan(&shop.collection, after.as_ref(), 1).await;
        let page = page.expect("it can be scanned");
        ids.extend(page.records.into_iter().map(|record| record.record.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = ["0.30000000000000004", "9", "9.5", "10", "10", "9", "é", "\\x00"];
    assert_eq!(ids, expected);
}
