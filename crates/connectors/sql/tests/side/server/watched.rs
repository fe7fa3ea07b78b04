//! What a watched table goes through: writers with settings of their own, values that JSON can't
//! hold, commits out of order, tables that are locked, altered, partitioned, dropped.

use crate::rig::{SERVER, SOON, Shop, changes, connect, drain, renamed_from, seen, settle};
use duet_core::id::Column;
use duet_core::intent::{Op, Outcome};
use duet_core::observation::Presence;
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::connector::{Connector, Detector};
use duet_ports::envelope::WhatV1;
use duet_testkit::connector_contract::landed;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::collections::BTreeSet;

async fn refusal(detector: &mut dyn Detector) -> FailureClass {
    detector.detect(10).await.expect_err("it can't be read").failure.class
}

async fn futures_of(write: impl AsyncFn(usize), writers: usize) {
    // Six by hand: joining a list of borrowing futures needs a library.
    assert_eq!(writers, 6);
    tokio::join!(write(0), write(1), write(2), write(3), write(4), write(5));
}

/// Rows of the transactions that commit.
fn expected(writers: usize, rounds: usize) -> usize {
    let all = (0..writers).flat_map(|writer| (0..rounds).map(move |round| (writer, round)));
    all.filter(|(_, round)| round % 5 != 4).map(|(w, r)| (w + r) % 4 + 1).sum()
}

#[tokio::test]
async fn a_key_has_one_text_whatever_the_writer_has_set() {
    let kinds = [
        ("interval", "'1 day 2 hours'", "P1DT2H"),
        ("bytea", "'\\x00ff41'", "\\x00ff41"),
        ("double precision", "0.1", "0.1"),
        ("real", "16777216.1", "16777216"),
        ("timestamp", "'2026-11-21 10:00'", "2026-11-21T10:00:00"),
        ("text", "'50% – \"it''s\" 💥'", "50% – \"it's\" 💥"),
        ("text", "' '", " "),
    ];
    for (kind, literal, key) in kinds {
        let ddl = format!("CREATE TABLE t (id {kind} PRIMARY KEY, a text)");
        let shop = Shop::captured(SERVER, &ddl, "t").await;
        shop.run(&format!(
            "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY';
             SET IntervalStyle = 'postgres_verbose'; SET bytea_output = 'escape';
             SET extra_float_digits = -15; INSERT INTO t VALUES ({literal}, 'x')"
        ))
        .await;
        let mut detector = shop.detector().await;
        let told = seen(&mut *detector).await;
        let names: Vec<_> = told.keys().map(String::as_str).collect();
        assert_eq!(names, [key], "{kind}");
        assert_eq!(told[key].presence, Presence::Present, "{kind}");
        let call = shop.call(1, key, &[("a", Value::text("ours"))]).await;
        landed(&shop.send(Op::Update, vec![call]).await[0]);
        let page = shop.side.scan(&shop.collection, None, 10).await.expect("it can be scanned");
        assert_eq!(page.records[0].record.as_str(), key, "{kind}");
        assert_eq!(page.records[0].observation.marker, Some(crate::rig::intent(1)), "{kind}");
    }
}

#[tokio::test]
async fn a_difference_in_the_last_digit_is_a_change() {
    let shop = Shop::captured(SERVER, "CREATE TABLE t (id int PRIMARY KEY, f float8)", "t").await;
    shop.run("INSERT INTO t VALUES (1, 0.1)").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("SET extra_float_digits = -5; UPDATE t SET f = f + 1e-16").await;
    assert_eq!(changes(&mut *detector).await.len(), 1);
}

/// `json` takes what `jsonb` doesn't. A table that is watched takes what it took before.
#[tokio::test]
async fn what_json_cannot_hold_is_written_and_told_all_the_same() {
    let ddl = "CREATE TABLE t (id text PRIMARY KEY, doc json, a text)";
    let shop = Shop::captured(SERVER, ddl, "t").await;
    let mut detector = shop.detector().await;
    let odd = [r#"{"a":"\u0000"}"#, r#"{"a":"\ud800"}"#, r#"{"a":1e999999}"#];
    for (number, doc) in odd.iter().enumerate() {
        shop.run(&format!("INSERT INTO t VALUES ('k{number}', '{doc}', 'x')")).await;
    }
    let told = seen(&mut *detector).await;
    assert_eq!(told.len(), odd.len());
    assert_eq!(told["k0"].image.get("doc"), Some(&Value::text(odd[0])));
    let columns = "SELECT array_to_string(changed_columns, ',') FROM duet.duet_change
                   ORDER BY seq DESC LIMIT 1";
    shop.run(r#"UPDATE t SET doc = '{"a":"\u0000 and more"}' WHERE id = 'k0'"#).await;
    assert_eq!(shop.ask::<String>(columns).await, "doc");
    shop.run("UPDATE t SET a = 'y' WHERE id = 'k1'").await;
    assert_eq!(shop.ask::<String>(columns).await, "a");
    shop.run(r#"UPDATE t SET doc = '{"a":1}' WHERE id = 'k2'"#).await;
    assert_eq!(shop.ask::<String>(columns).await, "doc");
    let before: i64 = shop.ask("SELECT max(seq) FROM duet.duet_change").await;
    shop.run("UPDATE t SET doc = doc").await;
    assert_eq!(shop.ask::<i64>("SELECT max(seq) FROM duet.duet_change").await, before);
    assert_eq!(seen(&mut *detector).await.len(), 3);
    let call = shop.call(1, "k1", &[("a", Value::text("ours"))]).await;
    landed(&shop.send(Op::Update, vec![call]).await[0]);
    shop.run("DELETE FROM t WHERE id = 'k0'").await;
    assert_ne!(seen(&mut *detector).await["k0"].presence, Presence::Present);
    shop.run("TRUNCATE t").await;
    let asked: Vec<_> = changes(&mut *detector).await;
    assert!(asked.iter().any(|one| one.record.as_str() == "k1" && one.what == WhatV1::Gap));
}

#[tokio::test]
async fn a_number_written_differently_is_another_key() {
    let shop = Shop::captured(SERVER, "CREATE TABLE t (id numeric PRIMARY KEY, a text)", "t").await;
    shop.run("INSERT INTO t VALUES (1.5, 'x')").await;
    let mut detector = shop.detector().await;
    changes(&mut *detector).await;
    shop.run("UPDATE t SET id = 1.50").await;
    let told = changes(&mut *detector).await;
    assert_eq!(told[0].what, renamed_from("1.5", &told[1]));
    assert_eq!(told[1].record.as_str(), "1.50");
    assert_eq!(shop.read("1.50").await.presence, Presence::Present);
}

#[tokio::test]
async fn a_partitioned_table_is_one_table() {
    let ddl = "CREATE TABLE t (id int, region text, a text, PRIMARY KEY (id, region))
               PARTITION BY LIST (region);
               CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu')";
    let mut shop = Shop::bare(SERVER, ddl, "t").await;
    shop.collection.key = vec![Column::from("id")];
    shop.install().await;
    shop.run("INSERT INTO t VALUES (1, 'eu', 'x'); INSERT INTO t_eu VALUES (2, 'eu', 'direct')")
        .await;
    shop.run("CREATE TABLE t_us PARTITION OF t FOR VALUES IN ('us')").await;
    shop.run("INSERT INTO t VALUES (3, 'us', 'later')").await;
    let mut detector = shop.detector().await;
    let told = seen(&mut *detector).await;
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "2", "3"]);
    // To PostgreSQL this is a deletion and an insertion: to the record it is an edit.
    shop.run("UPDATE t SET region = 'us' WHERE id = 1").await;
    let moved = changes(&mut *detector).await;
    assert_eq!(moved.len(), 1, "{moved:?}");
    let WhatV1::Seen(observation) = &moved[0].what else { panic!("{moved:?}") };
    assert_eq!(observation.presence, Presence::Present);
    assert_eq!(observation.image.get("region"), Some(&Value::text("us")));
    let call = shop.call(1, "1", &[("a", Value::text("ours"))]).await;
    landed(&shop.send(Op::Update, vec![call]).await[0]);
    shop.run("TRUNCATE t").await;
    let asked: BTreeSet<_> = changes(&mut *detector)
        .await
        .into_iter()
        .filter(|one| one.what == WhatV1::Gap)
        .map(|one| one.record.as_str().to_owned())
        .collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
}

/// Sequence numbers are drawn before the commit: rows become visible in another order. Writers of
/// all speeds, some that give up, and a detector that reads and settles little by little beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_in_any_order_are_all_told() {
    const WRITERS: usize = 6;
    const ROUNDS: usize = 15;
    let shop = Shop::captured(SERVER, "CREATE TABLE t (id text PRIMARY KEY, a int)", "t").await;
    let mut detector = shop.detector().await;
    let write = async |writer: usize| {
        let mut connection =
            PgConnection::connect(shop.ground.server().url()).await.expect("a session");
        for round in 0..ROUNDS {
            let mut open = connection.begin().await.expect("a transaction");
            for step in 0..=(writer + round) % 4 {
                let insert = format!("INSERT INTO t VALUES ('{writer}.{round}.{step}', 0)");
                open.execute(AssertSqlSafe(insert)).await.expect("it is inserted");
                // Open for a while, each its own: this is what mixes the order up.
                let pause = format!("SELECT pg_sleep(0.0{:02})", 4 * ((writer * 7 + round) % 5));
                open.execute(AssertSqlSafe(pause)).await.expect("it waits");
            }
            let ended = if round % 5 == 4 { open.rollback().await } else { open.commit().await };
            ended.expect("it ends");
        }
    };
    let writing = futures_of(write, WRITERS);
    let mut told = BTreeSet::new();
    let reading = async {
        loop {
            let reading = detector.detect(3).await.expect("the outbox can be read");
            told.extend(reading.changes.iter().map(|one| one.record.as_str().to_owned()));
            let done = reading.changes.is_empty() && !reading.more;
            settle(&mut *detector, &[reading]).await;
            if done {
                tokio::task::yield_now().await;
            }
            let left = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
            if done && told.len() >= expected(WRITERS, ROUNDS) && shop.ask::<i64>(left).await == 0 {
                break;
            }
        }
    };
    let both = async { tokio::join!(writing, reading) };
    tokio::time::timeout(SOON * 3, Box::pin(both)).await.expect("every commit is told");
    let rows: i64 = shop.ask("SELECT count(*) FROM t").await;
    assert_eq!(told.len(), usize::try_from(rows).expect("a count"));
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.duet_change").await, 0, "all settled");
}

#[tokio::test]
async fn a_locked_table_is_waited_for_and_read_later() {
    let shop = Shop::items(SERVER).await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let mut open = shop.begin().await;
    open.run("ALTER TABLE items ADD COLUMN color text").await;
    assert_eq!(refusal(&mut *detector).await, FailureClass::Transient);
    open.run("UPDATE items SET color = 'red'").await;
    open.run("COMMIT").await;
    let told = seen(&mut *detector).await;
    assert_eq!(told["1"].image.get("title"), Some(&Value::text("a")));
}

#[tokio::test]
async fn rights_that_are_taken_away_stop_it_and_given_back_it_goes_on() {
    let shop = Shop::items(SERVER).await;
    let runner = shop.role("runner").await;
    let grants = format!(
        "GRANT USAGE ON SCHEMA duet TO {runner};
         GRANT SELECT, UPDATE, DELETE ON duet.duet_change TO {runner};
         GRANT SELECT, INSERT, UPDATE ON duet.duet_row TO {runner};
         GRANT SELECT ON duet.duet_capture TO {runner}; GRANT SELECT ON items TO {runner}"
    );
    shop.run(&grants).await;
    let mut lesser = Shop { side: shop.as_role(&runner), ..shop };
    let mut detector = lesser.detector().await;
    lesser.run("INSERT INTO items (title) VALUES ('a')").await;
    for right in ["SELECT ON items", "SELECT ON duet.duet_change", "USAGE ON SCHEMA duet"] {
        lesser.run(&format!("REVOKE {right} FROM {runner}")).await;
        assert_eq!(refusal(&mut *detector).await, FailureClass::Permission, "{right}");
        lesser.run(&grants).await;
    }
    assert_eq!(seen(&mut *detector).await.len(), 1);
    drop(detector);
    lesser.side = connect(&lesser.ground, json!({}));
    lesser.drop_role(&runner).await;
}

/// Their transaction takes the second row, ours the first; then each wants the other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_with_a_user_ends_and_loses_nothing() {
    let shop = Shop::items(SERVER).await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    let mut calls = Vec::new();
    for number in 1..=2_u128 {
        calls.push(shop.call(number, &number.to_string(), &[("note", Value::text("ours"))]).await);
    }
    let mut theirs = shop.begin().await;
    theirs.run("UPDATE items SET title = 'theirs' WHERE id = 2").await;
    let ours = shop.send(Op::Update, calls);
    let crossing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while shop.ask::<i64>(waiting).await == 0 {}
        let crossed = theirs.attempt("UPDATE items SET title = 'theirs' WHERE id = 1").await;
        theirs.run(if crossed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        crossed.is_ok()
    };
    let both = async { tokio::join!(ours, crossing) };
    let (outcomes, committed) = tokio::time::timeout(SOON, both).await.expect("it ends");
    for (outcome, record) in outcomes.iter().zip(["1", "2"]) {
        let read = shop.read(record).await.image;
        let (title, note) = (read.get("title").cloned(), read.get("note").cloned());
        let has_landed = matches!(outcome, Outcome::Landed { .. });
        assert_eq!(note == Some(Value::text("ours")), has_landed, "{record}: {outcome:?}");
        assert_eq!(title == Some(Value::text("theirs")), committed, "{record}");
        if let Outcome::Refused { failure, .. } = outcome {
            let passing = [FailureClass::Transient, FailureClass::Stale];
            assert!(passing.contains(&failure.class), "{failure:?}");
        }
    }
}
