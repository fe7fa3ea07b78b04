//! What the outbox must not miss, and what it must not tell.

use crate::rig::{SOON, Shop, changes, connect, drain, intent, on_both, seen, settle};
use duet_core::intent::Op;
use duet_core::observation::{Absence, ActorClass, Deletion, Presence};
use duet_core::value::Value;
use duet_ports::connector::{Connector, Position};
use duet_sql::Product;
use serde_json::json;
use std::time::Duration;

async fn settling_gives_up_exactly_what_was_read(product: Product) {
    let shop = Shop::items(product).await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b'), ('c')").await;
    let first = detector.detect(2).await.expect("it can be read");
    assert!(first.more);
    shop.run("UPDATE items SET title = 'x' WHERE id = 1").await;
    settle(&mut *detector, &[first]).await;
    assert_eq!(shop.rows(&shop.table("change")).await, 2);
    let foreign = detector.settle(&[Position("h:1".to_owned())]).await;
    assert!(foreign.is_err());
    drop(detector);
    let mut detector = shop.detector().await;
    let told = seen(&mut *detector).await;
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(told["1"].image.get("title"), Some(&Value::text("x")));
}

async fn many_changes_of_one_record_are_told_once_as_it_is_now(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title) VALUES ('0')").await;
    for number in 1..30 {
        shop.run(&format!("UPDATE items SET title = '{number}'")).await;
    }
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    assert_eq!(readings.iter().map(|reading| reading.changes.len()).sum::<usize>(), 1);
    settle(&mut *detector, &readings).await;
    assert_eq!(shop.rows(&shop.table("change")).await, 0);
}

async fn an_announcement_ends_the_wait_at_once(product: Product) {
    let shop = Shop::items(product).await;
    let settings = json!({ "capture": { "poll": "1h" } });
    let side = connect(&shop.ground, settings);
    assert_eq!(side.limits().poll, Duration::from_secs(3600));
    let mut detector = side.detector(&shop.collection, None).await.expect("it is captured");
    for number in 0..3 {
        shop.run(&format!("INSERT INTO items (title) VALUES ('{number}')")).await;
        let waited = tokio::time::timeout(SOON, detector.wait(SOON * 10)).await;
        assert!(waited.is_ok(), "nothing was announced");
        assert_eq!(changes(&mut *detector).await.len(), 1);
    }
}

async fn leaving_the_filter_is_no_deletion_and_softly_deleted_is(product: Product) {
    let mut shop = Shop::items(product).await;
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

async fn our_own_write_is_told_as_ours_and_a_users_after_it_is_not(product: Product) {
    let shop = Shop::items(product).await;
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

async fn a_capture_that_is_taken_away_is_an_error_and_not_silence(product: Product) {
    let shop = Shop::items(product).await;
    let mut detector = shop.detector().await;
    let here = [shop.collection.clone()];
    shop.side.capture_remove(&here).await.expect("it can be removed");
    assert!(detector.detect(10).await.is_err());
}

on_both!(
    settling_gives_up_exactly_what_was_read,
    many_changes_of_one_record_are_told_once_as_it_is_now,
    an_announcement_ends_the_wait_at_once,
    leaving_the_filter_is_no_deletion_and_softly_deleted_is,
    our_own_write_is_told_as_ours_and_a_users_after_it_is_not,
    a_capture_that_is_taken_away_is_an_error_and_not_silence
);
