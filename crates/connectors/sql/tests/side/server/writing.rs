//! Writes: what may go wrong with one record, its neighbours, the server, and beside others.

use crate::rig::{SERVER, SOON, Shop, connect, creating, decimal};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Connector};
use duet_testkit::connector_contract::landed;
use duet_testkit::servers::{Fault, Proxy, proxy};
use serde_json::json;

fn refused(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::Refused { failure, .. } => failure,
        other => panic!("it was not refused: {other:?}"),
    }
}

/// A proxy before the server, and the database's address through it.
async fn proxied(shop: &Shop) -> (Proxy, String) {
    let target = shop.ground.server().url().rsplit_once('@').expect("the address names a user").1;
    let (server, name) = target.split_once('/').expect("the address names a database");
    let proxy = proxy(server.parse().expect("an address")).await.expect("a port is free");
    let url = format!("postgres://postgres@{}/{name}", proxy.address());
    (proxy, url)
}

#[tokio::test]
async fn a_row_that_is_held_for_long_does_not_hold_up_its_neighbours() {
    let shop = Shop::items(SERVER).await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b'), ('c')").await;
    let mut calls = Vec::new();
    for number in 1..=3_u128 {
        calls.push(shop.call(number, &number.to_string(), &[("title", Value::text("ours"))]).await);
    }
    let mut theirs = shop.begin().await;
    theirs.run("SELECT 1 FROM items WHERE id = 2 FOR UPDATE").await;
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(refused(&outcomes[1]).class, FailureClass::Transient);
    assert_eq!(landed(&outcomes[0]).as_str(), "1");
    assert_eq!(landed(&outcomes[2]).as_str(), "3");
    theirs.run("ROLLBACK").await;
}

/// A short time limit leaves time for the neighbours all the same.
#[tokio::test]
async fn a_held_row_does_not_use_up_a_short_time_limit() {
    let mut shop = Shop::items(SERVER).await;
    shop.side = connect(&shop.ground, json!({ "limits": { "timeout": "2400ms" } }));
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    let mut calls = Vec::new();
    for number in 1..=2_u128 {
        calls.push(shop.call(number, &number.to_string(), &[("title", Value::text("ours"))]).await);
    }
    let mut theirs = shop.begin().await;
    theirs.run("SELECT 1 FROM items WHERE id = 1 FOR UPDATE").await;
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(refused(&outcomes[0]).code, "55P03");
    assert_eq!(landed(&outcomes[1]).as_str(), "2");
    theirs.run("ROLLBACK").await;
}

#[tokio::test]
async fn every_kind_of_refusal_is_its_own() {
    let ddl = "CREATE TABLE parents (id int PRIMARY KEY);
        CREATE TABLE items (id int PRIMARY KEY, code text UNIQUE, title varchar(5) NOT NULL,
            price numeric(4, 2) CHECK (price >= 0), parent int REFERENCES parents, n smallint);
        CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'titles must not be bad'; END $$;
        CREATE TRIGGER no BEFORE UPDATE ON items FOR EACH ROW WHEN (NEW.title = 'bad')
            EXECUTE FUNCTION no();
        CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER quiet BEFORE UPDATE ON items FOR EACH ROW WHEN (NEW.title = 'quiet')
            EXECUTE FUNCTION quiet();
        INSERT INTO items SELECT n, 'code ' || n, 't' FROM generate_series(1, 12) n";
    let shop = Shop::captured(SERVER, ddl, "items").await;
    let cases: Vec<(&str, Value, FailureClass, &str)> = vec![
        ("title", Value::Null, FailureClass::Validation, "23502"),
        ("title", Value::text("too long"), FailureClass::Validation, "22001"),
        ("price", decimal("-1"), FailureClass::Validation, "23514"),
        ("price", decimal("100"), FailureClass::Validation, "22003"),
        ("n", Value::text("x"), FailureClass::Validation, "22P02"),
        ("parent", Value::Integer(5), FailureClass::Dependency, "23503"),
        ("code", Value::text("code 12"), FailureClass::Uniqueness, "23505"),
        ("title", Value::text("bad"), FailureClass::Validation, "P0001"),
        ("title", Value::text("quiet"), FailureClass::Permission, "not_written"),
        ("nowhere", Value::Null, FailureClass::Permission, "42703"),
        ("id", Value::Integer(99), FailureClass::Validation, "key_column"),
    ];
    let mut calls = Vec::new();
    for ((column, value, _, _), id) in cases.iter().zip(1_u128..) {
        calls.push(shop.call(id, &id.to_string(), &[(column, value.clone())]).await);
    }
    calls.push(shop.call(12, "12", &[("title", Value::text("fine"))]).await);
    let outcomes = shop.send(Op::Update, calls).await;
    for ((column, _, class, code), outcome) in cases.iter().zip(&outcomes) {
        let failure = refused(outcome);
        assert_eq!((failure.class, failure.code.as_str()), (*class, *code), "{failure:?}");
        let named = ["23502", "23505", "22P02", "42703", "key_column"].contains(code);
        assert!(!named || failure.columns == [*column], "{failure:?}");
    }
    assert_eq!(landed(&outcomes[11]).as_str(), "12");
    let Outcome::Refused { observed: Some(found), .. } = &outcomes[6] else { panic!("untold") };
    assert_eq!(found.record.as_str(), "12");
    for id in 1..=11 {
        assert_eq!(shop.read(&id.to_string()).await.image.get("title"), Some(&Value::text("t")));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_unreachable() {
    let shop = Shop::items(SERVER).await;
    let nobody = json!({ "url": "postgres://postgres@127.0.0.1:1/nothing" });
    let side = connect(&shop.ground, nobody);
    let refused = side.ping().await.expect_err("nobody listens");
    assert_eq!(refused.failure.class, FailureClass::Unreachable);
    assert!(!refused.sent);
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls: vec![creating(1, &[])] };
    let refused = side.apply(&shop.collection, &batch).await.expect_err("nobody listens");
    assert!(!refused.sent);
}

/// A server that was failed over from takes no writes: the side as a whole waits, no record is
/// blamed.
#[tokio::test]
async fn a_read_only_server_is_told_as_unreachable() {
    let mut shop = Shop::items(SERVER).await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let update = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let name: String = shop.ask("SELECT current_database()::text").await;
    shop.run(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    shop.side = connect(&shop.ground, json!({}));
    let create = creating(2, &[("title", Value::text("new"))]);
    for (op, call) in [(Op::Update, update), (Op::Create, create)] {
        let batch = Batch { op, path: WritePath::Guarded, calls: vec![call] };
        let refused = shop.side.apply(&shop.collection, &batch).await.expect_err("it is read-only");
        assert_eq!(refused.failure.code, "25006");
        assert_eq!((refused.failure.class, refused.sent), (FailureClass::Unreachable, false));
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_told_as_unreachable() {
    let shop = Shop::items(SERVER).await;
    let (proxy, url) = proxied(&shop).await;
    let side = connect(&shop.ground, json!({ "url": url, "limits": { "timeout": "1s" } }));
    side.ping().await.expect("it answers");
    proxy.set(Fault::Delay(SOON));
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls: vec![creating(1, &[])] };
    let read = side.read(&shop.collection, &["1".into()]).await.expect_err("it hangs");
    let write = side.apply(&shop.collection, &batch).await.expect_err("it hangs");
    for lost in [read, write] {
        assert_eq!((lost.failure.class, lost.sent), (FailureClass::Unreachable, false));
    }
}

#[tokio::test]
async fn a_call_ends_at_its_time_limit() {
    let shop = Shop::items(SERVER).await;
    let hurried = json!({ "limits": { "timeout": "500ms", "connections": 1 } });
    let side = connect(&shop.ground, hurried);
    side.ping().await.expect("it answers");
    let mut theirs = shop.begin().await;
    theirs.run("LOCK TABLE items IN ACCESS EXCLUSIVE MODE").await;
    let read = tokio::time::timeout(SOON, side.read(&shop.collection, &["1".into()])).await;
    let refused = read.expect("it ends").expect_err("the table is locked");
    assert_eq!(refused.failure.class, FailureClass::Transient);
    theirs.run("ROLLBACK").await;
}

#[tokio::test]
async fn a_commit_without_an_answer_is_of_unknown_outcome() {
    let ddl = "CREATE TABLE items (id int PRIMARY KEY, title text);
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON items DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.title = 'ours') EXECUTE FUNCTION die();
        INSERT INTO items VALUES (1, 'a')";
    let shop = Shop::captured(SERVER, ddl, "items").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls: vec![call] };
    let lost = shop.side.apply(&shop.collection, &batch).await.expect_err("the server died");
    assert!(lost.sent);
    assert_eq!(lost.failure.class, FailureClass::UnknownOutcome);
    shop.run("DROP TRIGGER die ON items").await;
    let again = shop.side.apply(&shop.collection, &batch).await.expect("it answers");
    landed(&again.outcomes[0]);
}

/// The answers are cut after ever more bytes, until one passes whole. Whatever was told, the table
/// holds the record at most once, and not at all where it was told that nothing left.
#[tokio::test]
async fn a_connection_cut_at_any_byte_neither_repeats_nor_lies() {
    let shop = Shop::items(SERVER).await;
    let (proxy, url) = proxied(&shop).await;
    let url = json!({ "url": url });
    let calls = vec![creating(1, &[("title", Value::text("new"))])];
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls };
    let mut unknown = 0;
    for bytes in (400..).step_by(61) {
        let before: i64 = shop.ask("SELECT count(*) FROM items").await;
        proxy.set(Fault::CutAfter(bytes));
        let side = connect(&shop.ground, url.clone());
        let answer = side.apply(&shop.collection, &batch).await;
        let after: i64 = shop.ask("SELECT count(*) FROM items").await;
        assert!(after <= 1, "it was created twice");
        match answer {
            Ok(answers) => {
                landed(&answers.outcomes[0]);
                assert_eq!(after, 1);
                break;
            }
            Err(lost) if lost.sent => unknown += 1,
            Err(lost) => {
                assert_eq!(after, before, "it was written: {lost:?}");
                assert_eq!(lost.failure.class, FailureClass::Unreachable, "{lost:?}");
            }
        }
    }
    assert!(unknown < 200, "it ended with an answer");
}
