//! What a watched file goes through: many writers, wide tables, both kinds of journal.

use crate::rig::{FILE, SOON, Shop, connect, seen, settle};
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::connector::Connector;
use serde_json::json;
use std::collections::BTreeSet;

/// Writers beside each other, some that give up, and a detector that reads and settles beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_many_writers_are_all_told() {
    const ROUNDS: usize = 30;
    let shop = Shop::captured(FILE, "CREATE TABLE t (id text PRIMARY KEY, a int)", "t").await;
    let mut detector = shop.detector().await;
    let write = async |writer: usize| {
        let mut session = shop.outsider().await;
        for round in 0..ROUNDS {
            session.run("BEGIN IMMEDIATE").await;
            for step in 0..=(writer + round) % 4 {
                session.run(&format!("INSERT INTO t VALUES ('{writer}.{round}.{step}', 0)")).await;
            }
            session.run(if round % 5 == 4 { "ROLLBACK" } else { "COMMIT" }).await;
        }
    };
    let writing = async { tokio::join!(write(0), write(1), write(2)) };
    let expected: usize = (0..3)
        .flat_map(|writer| (0..ROUNDS).map(move |round| (writer, round)))
        .filter(|(_, round)| round % 5 != 4)
        .map(|(writer, round)| (writer + round) % 4 + 1)
        .sum();
    let mut told = BTreeSet::new();
    let reading = async {
        while told.len() < expected {
            let reading = detector.detect(3).await.expect("the outbox can be read");
            told.extend(reading.changes.iter().map(|one| one.record.as_str().to_owned()));
            settle(&mut *detector, &[reading]).await;
        }
    };
    let both = async { tokio::join!(writing, reading) };
    Box::pin(tokio::time::timeout(SOON * 3, both)).await.expect("every commit is told");
    assert_eq!(shop.rows("t").await, i64::try_from(told.len()).expect("a count"));
    assert_eq!(shop.rows("duet_change").await, 0, "all settled");
}

/// Without a log of its own, the file itself is what readers and writers exclude each other from.
#[tokio::test]
async fn a_file_without_a_log_is_watched_and_written_too() {
    let shop = Shop::bare(FILE, "PRAGMA journal_mode = delete", "items").await;
    shop.run(crate::rig::items(FILE)).await;
    let mut shop = shop;
    shop.install().await;
    let side = connect(&shop.ground, json!({ "capture": { "poll": "1h" } }));
    let mut detector = side.detector(&shop.collection, None).await.expect("it is captured");
    for number in 1..4 {
        shop.run(&format!("INSERT INTO items (title) VALUES ('{number}')")).await;
        let waited = tokio::time::timeout(SOON, detector.wait(SOON * 10)).await;
        assert!(waited.is_ok(), "it shows in the file's time");
    }
    assert_eq!(seen(&mut *detector).await.len(), 3);
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    shop.send(duet_core::intent::Op::Update, vec![call]).await;
    assert_eq!(seen(&mut *detector).await["1"].image.get("title"), Some(&Value::text("ours")));
}

#[tokio::test]
async fn a_file_that_somebody_holds_alone_is_read_later() {
    let shop = Shop::bare(FILE, "PRAGMA journal_mode = delete", "items").await;
    shop.run(crate::rig::items(FILE)).await;
    let mut shop = shop;
    shop.install().await;
    let mut detector = shop.detector().await;
    let mut theirs = shop.outsider().await;
    theirs.run("BEGIN EXCLUSIVE; INSERT INTO items (title) VALUES ('a')").await;
    let refused = detector.detect(10).await.expect_err("it is held");
    assert_eq!(refused.failure.class, FailureClass::Transient, "{refused}");
    assert!(refused.failure.message.contains("another program"), "{}", refused.failure.message);
    theirs.run("COMMIT").await;
    assert_eq!(seen(&mut *detector).await.len(), 1);
}

/// SQLite bounds how deep an expression is nested and how many selections are joined.
#[tokio::test]
async fn a_table_of_a_thousand_columns_is_watched() {
    let columns: Vec<String> = (0..1_200).map(|n| format!("c{n} text")).collect();
    let ddl = format!("CREATE TABLE t (id INTEGER PRIMARY KEY, {})", columns.join(", "));
    let shop = Shop::captured(FILE, &ddl, "t").await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO t (c0) VALUES ('a'); UPDATE t SET c7 = 'b', c1199 = 'c'").await;
    let told = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!(told.image.get("c1199"), Some(&Value::text("c")));
    let last = "SELECT changed_columns FROM duet_change ORDER BY seq DESC LIMIT 1";
    assert_eq!(shop.text(last).await, r#"["c7","c1199"]"#);
    let values: Vec<(String, Value)> =
        (0..1_200).map(|n| (format!("c{n}"), Value::text(format!("v{n}")))).collect();
    let values: Vec<(&str, Value)> =
        values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let calls = (2..60).map(|number| crate::rig::creating(number, &values)).collect();
    let outcomes = shop.send(duet_core::intent::Op::Create, calls).await;
    assert_eq!(outcomes.len(), 58);
    assert_eq!(shop.rows("t WHERE c1199 = 'v1199'").await, 58);
}
