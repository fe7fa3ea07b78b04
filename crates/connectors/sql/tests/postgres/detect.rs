//! What the outbox must not miss, and what it must not tell.

use crate::rig::{SOON, Shop, changes, connect, drain, intent, seen, settle};
use duet_core::intent::Op;
use duet_core::observation::{Absence, ActorClass, Deletion, Presence};
use duet_core::value::Value;
use duet_ports::connector::{Connector, Position};
use serde_json::json;
use sqlx::Executor;
use std::time::Duration;

#[tokio::test]
async fn a_late_commit_with_a_lower_number_is_not_missed() {
    let shop = Shop::items().await;
    let mut detector = shop.detector().await;
    let mut late = shop.pool.begin().await.expect("a transaction");
    late.execute("INSERT INTO items (title) VALUES ('late')").await.expect("it is inserted");
    shop.run("INSERT INTO items (title) VALUES ('early')").await;
    let readings = drain(&mut *detector).await;
    assert_eq!(readings.iter().map(|reading| reading.changes.len()).sum::<usize>(), 1);
    let head = detector.head().await.expect("it can be read");
    assert!(
        detector.reached(&head).await.expect("it can be read"),
        "what is open isn't waited for"
    );
    settle(&mut *detector, &readings).await;
    late.commit().await.expect("it is committed");
    let later = detector.head().await.expect("it can be read");
    assert!(!detector.reached(&later).await.expect("it can be read"));
    let told = seen(&mut *detector).await;
    assert_eq!(told["1"].image.get("title"), Some(&Value::text("late")));
    assert_eq!(told.len(), 1);
    assert!(detector.reached(&later).await.expect("it can be read"));
}

#[tokio::test]
async fn what_is_read_is_not_read_again_while_it_is_in_flight() {
    let shop = Shop::items().await;
    let mut open = shop.pool.begin().await.expect("a transaction");
    open.execute("INSERT INTO items (title) VALUES ('open')").await.expect("it is inserted");
    let mut detector = shop.detector().await;
    for number in 0..5 {
        shop.run(&format!("INSERT INTO items (title) VALUES ('{number}')")).await;
        assert_eq!(changes(&mut *detector).await.len(), 1);
        assert!(changes(&mut *detector).await.is_empty());
    }
    open.rollback().await.expect("it is rolled back");
    assert!(changes(&mut *detector).await.is_empty());
}

#[tokio::test]
async fn settling_gives_up_exactly_what_was_read() {
    let shop = Shop::items().await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b'), ('c')").await;
    let first = detector.detect(2).await.expect("it can be read");
    assert!(first.more);
    shop.run("UPDATE items SET title = 'x' WHERE id = 1").await;
    settle(&mut *detector, &[first]).await;
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.duet_change").await, 2);
    let foreign = detector.settle(&[Position("h:1".to_owned())]).await;
    assert!(foreign.is_err());
    drop(detector);
    let mut detector = shop.detector().await;
    let told = seen(&mut *detector).await;
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(told["1"].image.get("title"), Some(&Value::text("x")));
}

#[tokio::test]
async fn many_changes_of_one_record_are_told_once_as_it_is_now() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title) VALUES ('0')").await;
    for number in 1..30 {
        shop.run(&format!("UPDATE items SET title = '{number}'")).await;
    }
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    assert_eq!(readings.iter().map(|reading| reading.changes.len()).sum::<usize>(), 1);
    settle(&mut *detector, &readings).await;
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.duet_change").await, 0);
}

#[tokio::test]
async fn an_announcement_ends_the_wait_at_once() {
    let shop = Shop::items().await;
    let settings = json!({ "capture": { "poll": "1h" } });
    let side = connect(&shop.database, settings);
    assert_eq!(side.limits().poll, Duration::from_secs(3600));
    let mut detector = side.detector(&shop.collection, None).await.expect("it is captured");
    for number in 0..3 {
        shop.run(&format!("INSERT INTO items (title) VALUES ('{number}')")).await;
        let waited = tokio::time::timeout(SOON, detector.wait(SOON * 10)).await;
        assert!(waited.is_ok(), "nothing was announced");
        assert_eq!(changes(&mut *detector).await.len(), 1);
    }
}

#[tokio::test]
async fn waiting_goes_on_after_the_connection_was_lost() {
    let shop = Shop::items().await;
    let mut detector = shop.detector().await;
    shop.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'",
    )
    .await;
    let lost = tokio::time::timeout(SOON, detector.wait(SOON * 10)).await;
    assert!(lost.is_ok(), "announcements may be lost: it looks at once");
    let editing = async {
        loop {
            shop.run("INSERT INTO items (title) VALUES ('x')").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = detector.wait(SOON * 10) => {}
        () = editing => {}
        () = tokio::time::sleep(SOON) => panic!("nothing is announced any more"),
    }
    assert!(!changes(&mut *detector).await.is_empty());
}

#[tokio::test]
async fn leaving_the_filter_is_no_deletion_and_softly_deleted_is() {
    let mut shop = Shop::items().await;
    shop.collection.filter = Some("items.title <> 'hidden'".to_owned());
    shop.collection.soft = Some(("deleted".into(), Value::Boolean(true)));
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b'), ('c')").await;
    shop.run("UPDATE items SET title = 'hidden' WHERE id = 1").await;
    shop.run("UPDATE items SET deleted = true WHERE id = 2; DELETE FROM items WHERE id = 3").await;
    let mut detector = shop.detector().await;
    let told = seen(&mut *detector).await;
    assert_eq!(told["1"].presence, Presence::OutOfScope(Absence::Filter));
    assert_eq!(told["2"].presence, Presence::Deleted(Deletion::Soft));
    assert_eq!(told["3"].presence, Presence::Deleted(Deletion::Hard));
    let page = shop.side.scan(&shop.collection, None, 10).await.expect("it can be scanned");
    assert_eq!(page.records.len(), 1);
    assert_eq!(shop.read("1").await.presence, Presence::OutOfScope(Absence::Filter));
    shop.run("UPDATE items SET title = NULL WHERE id = 1").await;
    assert_eq!(shop.read("1").await.presence, Presence::OutOfScope(Absence::Filter));
}

#[tokio::test]
async fn our_own_write_is_told_as_ours_and_a_users_after_it_is_not() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let mut detector = shop.detector().await;
    assert_eq!(seen(&mut *detector).await["1"].actor.class, ActorClass::Unknown);
    let call = shop.call(5, "1", &[("title", Value::text("ours"))]).await;
    shop.send(Op::Update, vec![call]).await;
    let ours = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!((ours.actor.class, ours.marker), (ActorClass::Duet, Some(intent(5))));
    shop.run("UPDATE items SET title = 'theirs'").await;
    let theirs = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!((theirs.actor.class, theirs.marker), (ActorClass::Unknown, Some(intent(5))));
    assert!(theirs.version > ours.version);
}

#[tokio::test]
async fn a_capture_that_is_taken_away_is_an_error_and_not_silence() {
    let shop = Shop::items().await;
    let mut detector = shop.detector().await;
    let here = [shop.collection.clone()];
    shop.side.capture_remove(&here).await.expect("it can be removed");
    assert!(detector.detect(10).await.is_err());
}
