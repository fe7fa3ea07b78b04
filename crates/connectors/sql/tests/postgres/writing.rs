//! Writes: what may go wrong with one record, its neighbours, the server, and beside others.

use crate::rig::{SOON, Shop, connect, creating, decimal, intent};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::{Deletion, Presence};
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Connector};
use duet_testkit::connector_contract::landed;
use duet_testkit::servers::{Fault, Proxy, proxy};
use serde_json::json;
use sqlx::Executor;

fn refused(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::Refused { failure, .. } => failure,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_edit_between_read_and_write_is_not_overwritten() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'n')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    shop.run("UPDATE items SET note = 'theirs'").await;
    let outcome = shop.send(Op::Update, vec![call]).await.remove(0);
    let Outcome::Refused { failure, observed: Some(found) } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.class, FailureClass::Stale);
    assert_eq!(found.observation.image.get("note"), Some(&Value::text("theirs")));
    let again = Call { expected: found.observation.version, ..shop.call(1, "1", &[]).await };
    let again = Call { values: crate::rig::image(&[("title", Value::text("ours"))]), ..again };
    landed(&shop.send(Op::Update, vec![again]).await[0]);
}

#[tokio::test]
async fn an_edit_under_way_is_waited_for_and_then_seen() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let mut theirs = shop.pool.begin().await.expect("a transaction");
    theirs.execute("UPDATE items SET title = 'theirs'").await.expect("it is changed");
    let writing = shop.send(Op::Update, vec![call]);
    let committing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while shop.ask::<i64>(waiting).await == 0 {}
        theirs.commit().await.expect("it is committed");
    };
    let (outcomes, ()) = tokio::join!(writing, committing);
    assert_eq!(refused(&outcomes[0]).class, FailureClass::Stale);
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("theirs")));
}

#[tokio::test]
async fn a_row_that_is_held_for_long_does_not_hold_up_its_neighbours() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b'), ('c')").await;
    let mut calls = Vec::new();
    for number in 1..=3_u128 {
        calls.push(shop.call(number, &number.to_string(), &[("title", Value::text("ours"))]).await);
    }
    let mut theirs = shop.pool.begin().await.expect("a transaction");
    theirs.execute("SELECT 1 FROM items WHERE id = 2 FOR UPDATE").await.expect("it is held");
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(refused(&outcomes[1]).class, FailureClass::Transient);
    assert_eq!(landed(&outcomes[0]).as_str(), "1");
    assert_eq!(landed(&outcomes[2]).as_str(), "3");
    theirs.rollback().await.expect("it is rolled back");
}

/// A short time limit leaves time for the neighbours all the same.
#[tokio::test]
async fn a_held_row_does_not_use_up_a_short_time_limit() {
    let mut shop = Shop::items().await;
    shop.side = connect(&shop.database, json!({ "limits": { "timeout": "2400ms" } }));
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    let mut calls = Vec::new();
    for number in 1..=2_u128 {
        calls.push(shop.call(number, &number.to_string(), &[("title", Value::text("ours"))]).await);
    }
    let mut theirs = shop.pool.begin().await.expect("a transaction");
    theirs.execute("SELECT 1 FROM items WHERE id = 1 FOR UPDATE").await.expect("it is held");
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(refused(&outcomes[0]).code, "55P03");
    assert_eq!(landed(&outcomes[1]).as_str(), "2");
    theirs.rollback().await.expect("it is rolled back");
}

#[tokio::test]
async fn without_a_version_the_values_decide_beside_a_capture_too() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'n')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let unread = Call { expected: None, ..call };
    shop.run("UPDATE items SET title = 'theirs'").await;
    let outcome = shop.send(Op::Update, vec![unread.clone()]).await.remove(0);
    assert_eq!(refused(&outcome).class, FailureClass::Stale);
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("theirs")));
    shop.run("UPDATE items SET title = 'a'").await;
    landed(&shop.send(Op::Update, vec![unread.clone()]).await[0]);
    let expected_values = duet_core::image::Image::new();
    let presence = Call { intent: intent(2), expected_values, ..unread };
    landed(&shop.send(Op::Update, vec![presence]).await[0]);
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
    let shop = Shop::captured(ddl, "items").await;
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
async fn a_constraint_checked_at_the_commit_refuses_one_record_only() {
    let ddl = "CREATE TABLE parents (id int PRIMARY KEY); CREATE TABLE items (id int PRIMARY KEY,
        parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO parents VALUES (1); INSERT INTO items VALUES (1), (2), (3)";
    let shop = Shop::captured(ddl, "items").await;
    let mut calls = Vec::new();
    for (id, parent) in [("1", 1), ("2", 99), ("3", 1)] {
        calls.push(
            shop.call(parent.try_into().expect("small"), id, &[("parent", Value::Integer(parent))])
                .await,
        );
    }
    for (call, number) in calls.iter_mut().zip(1..) {
        call.intent = intent(number);
    }
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(landed(&outcomes[0]).as_str(), "1");
    assert_eq!(refused(&outcomes[1]).class, FailureClass::Dependency);
    assert_eq!(landed(&outcomes[2]).as_str(), "3");
    assert_eq!(shop.read("3").await.marker, Some(intent(3)));
}

#[tokio::test]
async fn a_delete_that_dependants_forbid_is_restricted() {
    let ddl = "CREATE TABLE items (id int PRIMARY KEY);
        CREATE TABLE parts (item int REFERENCES items);
        INSERT INTO items VALUES (1), (2); INSERT INTO parts VALUES (1)";
    let shop = Shop::captured(ddl, "items").await;
    let calls = vec![shop.call(1, "1", &[]).await, shop.call(2, "2", &[]).await];
    let outcomes = shop.send(Op::Delete, calls).await;
    assert_eq!(refused(&outcomes[0]).class, FailureClass::Restricted);
    let Outcome::Landed { after: Some(after), .. } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(after.presence, Presence::Deleted(Deletion::Hard));
    assert_eq!(after.marker, Some(intent(2)));
    assert_eq!(shop.read("1").await.presence, Presence::Present);
    let none = shop.send(Op::Undelete, vec![creating(3, &[])]).await;
    assert_eq!(refused(&none[0]).code, "unsupported");
}

#[tokio::test]
async fn the_answer_shows_what_the_tables_own_triggers_made_of_it() {
    let ddl = "CREATE TABLE items (id int PRIMARY KEY, title text, slug text);
        CREATE FUNCTION slug() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.slug := lower(NEW.title); RETURN NEW; END $$;
        CREATE TRIGGER slug BEFORE INSERT OR UPDATE ON items
            FOR EACH ROW EXECUTE FUNCTION slug();";
    let shop = Shop::captured(ddl, "items").await;
    let call = creating(1, &[("id", Value::Integer(1)), ("title", Value::text("ABC"))]);
    let outcomes = shop.send(Op::Create, vec![call]).await;
    let Outcome::Landed { after: Some(after), .. } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(after.image.get("slug"), Some(&Value::text("abc")));
    assert_eq!(after.marker, Some(intent(1)));
    assert_eq!(after.version, shop.read("1").await.version);
}

#[tokio::test]
async fn creates_without_any_unique_value_happen_once_too() {
    let shop = Shop::items().await;
    let call = creating(1, &[("title", Value::text("new"))]);
    let other = connect(&shop.database, json!({}));
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls: vec![call] };
    let (a, b) = tokio::join!(
        shop.side.apply(&shop.collection, &batch),
        other.apply(&shop.collection, &batch),
    );
    let a = landed(&a.expect("it answers").outcomes[0]);
    let b = landed(&b.expect("it answers").outcomes[0]);
    assert_eq!(a, b);
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM items").await, 1);
}

#[tokio::test]
async fn two_creates_of_one_key_in_a_batch_make_one_record() {
    let shop = Shop::captured("CREATE TABLE t (id int PRIMARY KEY, a text)", "t").await;
    let values = |text| [("id", Value::Integer(1)), ("a", Value::text(text))];
    let calls = vec![
        creating(1, &values("first")),
        creating(2, &values("second")),
        creating(3, &[("id", Value::Integer(2)), ("a", Value::text("x"))]),
    ];
    let outcomes = shop.send(Op::Create, calls).await;
    assert_eq!(landed(&outcomes[2]).as_str(), "2");
    let fates: Vec<bool> =
        outcomes[..2].iter().map(|it| matches!(it, Outcome::Landed { .. })).collect();
    assert_eq!(fates.iter().filter(|landed| **landed).count(), 1, "{outcomes:?}");
    let loser = fates.iter().position(|landed| !landed).expect("one lost");
    assert_eq!(refused(&outcomes[loser]).class, FailureClass::Uniqueness);
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM t").await, 2);
}

#[tokio::test]
async fn two_hundred_records_are_one_transaction() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title) SELECT 'x' FROM generate_series(1, 200)").await;
    let ids: Vec<_> = (1..=200).map(|id: u128| id.to_string().as_str().into()).collect();
    let found = shop.side.read(&shop.collection, &ids).await.expect("it can be read");
    let calls = found.into_iter().zip(1..).map(|(record, number)| Call {
        record: Some(record.record),
        expected: record.observation.version,
        ..creating(number, &[("title", Value::text("ours"))])
    });
    let outcomes = shop.send(Op::Update, calls.collect()).await;
    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Landed { after: Some(_), .. })));
    let xids: i64 = shop.ask("SELECT count(DISTINCT xmin::text) FROM items").await;
    assert_eq!(xids, 1);
}

#[tokio::test]
async fn without_a_capture_the_old_values_decide() {
    let mut shop = Shop::bare(crate::rig::ITEMS, "items").await;
    shop.describe().await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'n')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    assert!(call.expected.is_none() && !call.expected_values.is_empty());
    landed(&shop.send(Op::Update, vec![call.clone()]).await[0]);
    assert_eq!(refused(&shop.send(Op::Update, vec![call]).await[0]).class, FailureClass::Stale);
}

#[tokio::test]
async fn an_empty_batch_and_unknown_ids_are_answered() {
    let shop = Shop::items().await;
    assert!(shop.send(Op::Update, Vec::new()).await.is_empty());
    assert!(shop.send(Op::Create, Vec::new()).await.is_empty());
    let nobody = Call { record: Some("x".into()), ..creating(1, &[("title", Value::text("a"))]) };
    assert_eq!(refused(&shop.send(Op::Update, vec![nobody]).await[0]).class, FailureClass::Gone);
    assert_eq!(refused(&shop.send(Op::Create, vec![creating(2, &[])]).await[0]).code, "no_values");
    let nul = creating(3, &[("title", Value::text("nul\0"))]);
    assert_eq!(refused(&shop.send(Op::Create, vec![nul]).await[0]).class, FailureClass::Validation);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_unreachable() {
    let shop = Shop::items().await;
    let nobody = json!({ "url": "postgres://postgres@127.0.0.1:1/nothing" });
    let side = connect(&shop.database, nobody);
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
    let mut shop = Shop::items().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let update = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let name: String = shop.ask("SELECT current_database()::text").await;
    shop.run(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    shop.side = connect(&shop.database, json!({}));
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
    let shop = Shop::items().await;
    let (proxy, url) = proxied(&shop).await;
    let side = connect(&shop.database, json!({ "url": url, "limits": { "timeout": "1s" } }));
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
    let shop = Shop::items().await;
    let hurried = json!({ "limits": { "timeout": "500ms", "connections": 1 } });
    let side = connect(&shop.database, hurried);
    side.ping().await.expect("it answers");
    let mut theirs = shop.pool.begin().await.expect("a transaction");
    theirs.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE").await.expect("it is locked");
    let read = tokio::time::timeout(SOON, side.read(&shop.collection, &["1".into()])).await;
    let refused = read.expect("it ends").expect_err("the table is locked");
    assert_eq!(refused.failure.class, FailureClass::Transient);
    theirs.rollback().await.expect("it is rolled back");
}

#[tokio::test]
async fn a_commit_without_an_answer_is_of_unknown_outcome() {
    let ddl = "CREATE TABLE items (id int PRIMARY KEY, title text);
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON items DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.title = 'ours') EXECUTE FUNCTION die();
        INSERT INTO items VALUES (1, 'a')";
    let shop = Shop::captured(ddl, "items").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let batch = Batch { op: Op::Update, path: WritePath::Guarded, calls: vec![call] };
    let lost = shop.side.apply(&shop.collection, &batch).await.expect_err("the server died");
    assert!(lost.sent);
    assert_eq!(lost.failure.class, FailureClass::UnknownOutcome);
    shop.run("DROP TRIGGER die ON items").await;
    let again = shop.side.apply(&shop.collection, &batch).await.expect("it answers");
    landed(&again.outcomes[0]);
}

/// A proxy before the server, and the database's address through it.
async fn proxied(shop: &Shop) -> (Proxy, String) {
    let target = shop.database.url().rsplit_once('@').expect("the address names a user").1;
    let (server, name) = target.split_once('/').expect("the address names a database");
    let proxy = proxy(server.parse().expect("an address")).await.expect("a port is free");
    let url = format!("postgres://postgres@{}/{name}", proxy.address());
    (proxy, url)
}

/// The answers are cut after ever more bytes, until one passes whole. Whatever was told, the table
/// holds the record at most once, and not at all where it was told that nothing left.
#[tokio::test]
async fn a_connection_cut_at_any_byte_neither_repeats_nor_lies() {
    let shop = Shop::items().await;
    let (proxy, url) = proxied(&shop).await;
    let url = json!({ "url": url });
    let calls = vec![creating(1, &[("title", Value::text("new"))])];
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls };
    let mut unknown = 0;
    for bytes in (400..).step_by(61) {
        let before: i64 = shop.ask("SELECT count(*) FROM items").await;
        proxy.set(Fault::CutAfter(bytes));
        let side = connect(&shop.database, url.clone());
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
