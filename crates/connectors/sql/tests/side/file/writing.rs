//! Writes to a file: refusals of every kind, and other programs that write, too.

use crate::rig::{FILE, Shop, connect, creating, decimal};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Connector};
use duet_testkit::connector_contract::landed;
use serde_json::json;

fn refused(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::Refused { failure, .. } => failure,
        other => panic!("it was not refused: {other:?}"),
    }
}

const STRICT_SHOP: &str = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE items (id INTEGER PRIMARY KEY, code text UNIQUE, title varchar(5) NOT NULL,
        price numeric(4, 2) CHECK (price >= 0), parent int REFERENCES parents, n int);
    CREATE TRIGGER no BEFORE UPDATE ON items WHEN NEW.title = 'bad' BEGIN
        SELECT RAISE(ABORT, 'titles must not be bad'); END;
    CREATE TRIGGER quiet BEFORE UPDATE ON items WHEN NEW.title = 'quiet' BEGIN
        SELECT RAISE(IGNORE); END;
    CREATE TRIGGER fail AFTER UPDATE ON items WHEN NEW.title = 'fail' BEGIN
        SELECT RAISE(FAIL, 'it fails'); END;
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 13)
    INSERT INTO items (id, code, title) SELECT n, 'code ' || n, 't' FROM n";

#[tokio::test]
async fn every_kind_of_refusal_is_its_own() {
    let shop = Shop::captured(FILE, STRICT_SHOP, "items").await;
    let cases: Vec<(&str, Value, FailureClass, &str)> = vec![
        ("title", Value::Null, FailureClass::Validation, "SQLITE_CONSTRAINT_NOTNULL"),
        ("title", Value::text("too long"), FailureClass::Validation, "22P02"),
        ("price", decimal("-1"), FailureClass::Validation, "SQLITE_CONSTRAINT_CHECK"),
        ("price", decimal("100"), FailureClass::Validation, "22P02"),
        ("n", Value::text("x"), FailureClass::Validation, "22P02"),
        ("parent", Value::Integer(5), FailureClass::Dependency, "SQLITE_CONSTRAINT_FOREIGNKEY"),
        ("code", Value::text("code 13"), FailureClass::Uniqueness, "SQLITE_CONSTRAINT_UNIQUE"),
        ("title", Value::text("bad"), FailureClass::Validation, "SQLITE_CONSTRAINT_TRIGGER"),
        ("title", Value::text("quiet"), FailureClass::Permission, "not_written"),
        ("title", Value::text("fail"), FailureClass::Validation, "SQLITE_CONSTRAINT_TRIGGER"),
        ("nowhere", Value::Null, FailureClass::Permission, "42703"),
        ("id", Value::Integer(99), FailureClass::Validation, "key_column"),
    ];
    let mut calls = Vec::new();
    for ((column, value, _, _), id) in cases.iter().zip(1_u128..) {
        calls.push(shop.call(id, &id.to_string(), &[(column, value.clone())]).await);
    }
    calls.push(shop.call(13, "13", &[("title", Value::text("fine"))]).await);
    let outcomes = shop.send(Op::Update, calls).await;
    for ((column, _, class, code), outcome) in cases.iter().zip(&outcomes) {
        let failure = refused(outcome);
        assert_eq!((failure.class, failure.code.as_str()), (*class, *code), "{failure:?}");
        let named = ["SQLITE_CONSTRAINT_NOTNULL", "SQLITE_CONSTRAINT_UNIQUE", "22P02", "42703"];
        assert!(!named.contains(code) || failure.columns == [*column], "{failure:?}");
    }
    assert_eq!(landed(&outcomes[12]).as_str(), "13");
    let Outcome::Refused { observed: Some(found), .. } = &outcomes[6] else { panic!("untold") };
    assert_eq!(found.record.as_str(), "13");
    assert_eq!(shop.rows("items WHERE title = 't'").await, 12);
}

/// A trigger may end the whole transaction; its record's neighbours pass all the same.
#[tokio::test]
async fn a_refusal_that_takes_the_transaction_with_it_is_one_records_own() {
    let ddl = "CREATE TABLE items (id INTEGER PRIMARY KEY, title text);
        CREATE TRIGGER no BEFORE UPDATE ON items WHEN NEW.title = 'bad' BEGIN
            SELECT RAISE(ROLLBACK, 'all of it'); END;
        INSERT INTO items VALUES (1, 'a'), (2, 'a'), (3, 'a')";
    let shop = Shop::captured(FILE, ddl, "items").await;
    let mut calls = Vec::new();
    for (number, title) in [(1, "fine"), (2, "bad"), (3, "fine")] {
        let id = number.to_string();
        calls.push(shop.call(number, &id, &[("title", Value::text(title))]).await);
    }
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(landed(&outcomes[0]).as_str(), "1");
    assert_eq!(refused(&outcomes[1]).class, FailureClass::Validation);
    assert_eq!(landed(&outcomes[2]).as_str(), "3");
    assert_eq!(shop.text("SELECT group_concat(title) FROM items").await, "fine,a,fine");
    assert_eq!(shop.rows("duet_change WHERE write_id IS NOT NULL").await, 2);
}

#[tokio::test]
async fn a_reference_that_restricts_is_told_as_such() {
    let ddl = "CREATE TABLE items (id INTEGER PRIMARY KEY);
        CREATE TABLE parts (item INT REFERENCES items ON DELETE RESTRICT);
        INSERT INTO items VALUES (1), (2); INSERT INTO parts VALUES (1)";
    let shop = Shop::captured(FILE, ddl, "items").await;
    let calls = vec![shop.call(1, "1", &[]).await, shop.call(2, "2", &[]).await];
    let outcomes = shop.send(Op::Delete, calls).await;
    assert_eq!(refused(&outcomes[0]).class, FailureClass::Restricted);
    landed(&outcomes[1]);
}

#[tokio::test]
async fn a_file_that_is_being_written_is_busy_and_nothing_was_sent() {
    let shop = Shop::items(FILE).await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let side = connect(&shop.ground, json!({ "limits": { "timeout": "2s" } }));
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls: vec![call] };
    let mut theirs = shop.outsider().await;
    theirs.run("BEGIN IMMEDIATE").await;
    let busy = side.apply(&shop.collection, &batch).await.expect_err("it is being written");
    assert_eq!((busy.failure.class, busy.sent), (FailureClass::Transient, false), "{busy}");
    assert_eq!(busy.failure.code, "SQLITE_BUSY");
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("a")), "it can be read");
    theirs.run("ROLLBACK").await;
    let answers = side.apply(&shop.collection, &batch).await.expect("it is free");
    landed(&answers.outcomes[0]);
}

/// Many calls at once from one connector: they go one after the other, and none is told as busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_writers_wait_for_each_other() {
    let shop = Shop::items(FILE).await;
    let write = async |number: u128| {
        let calls = vec![creating(number, &[("title", Value::text("new"))])];
        let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls };
        shop.side.apply(&shop.collection, &batch).await.expect("it is written")
    };
    let all = async { tokio::join!(write(1), write(2), write(3), write(4), write(5), write(6)) };
    all.await;
    assert_eq!(shop.rows("items").await, 6);
    assert_eq!(shop.side.limits().parallel, 1);
}

#[tokio::test]
async fn only_what_we_wrote_is_marked_as_ours() {
    let shop = Shop::items(FILE).await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    let same = shop.call(1, "1", &[("title", Value::text("a"))]).await;
    let other = shop.call(2, "2", &[("title", Value::text("ours"))]).await;
    let outcomes = shop.send(Op::Update, vec![same, other]).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Landed { .. })));
    let marked = "SELECT group_concat(key || op) FROM duet_change WHERE write_id IS NOT NULL";
    assert_eq!(shop.text(marked).await, "2U", "the user's own insert isn't ours");
    assert_eq!(shop.rows("duet_row WHERE write_id IS NOT NULL").await, 2);
}
