//! What the outbox must not miss, and what it must not tell.

use crate::rig::{SERVER, SOON, Shop, changes, drain, seen, settle};
use duet_core::value::Value;
use std::time::Duration;

#[tokio::test]
async fn a_late_commit_with_a_lower_number_is_not_missed() {
    let shop = Shop::items(SERVER).await;
    let mut detector = shop.detector().await;
    let mut late = shop.begin().await;
    late.run("INSERT INTO items (title) VALUES ('late')").await;
    shop.run("INSERT INTO items (title) VALUES ('early')").await;
    let readings = drain(&mut *detector).await;
    assert_eq!(readings.iter().map(|reading| reading.changes.len()).sum::<usize>(), 1);
    let head = detector.head().await.expect("it can be read");
    assert!(
        detector.reached(&head).await.expect("it can be read"),
        "what is open isn't waited for"
    );
    settle(&mut *detector, &readings).await;
    late.run("COMMIT").await;
    let later = detector.head().await.expect("it can be read");
    assert!(!detector.reached(&later).await.expect("it can be read"));
    let told = seen(&mut *detector).await;
    assert_eq!(told["1"].image.get("title"), Some(&Value::text("late")));
    assert_eq!(told.len(), 1);
    assert!(detector.reached(&later).await.expect("it can be read"));
}

#[tokio::test]
async fn what_is_read_is_not_read_again_while_it_is_in_flight() {
    let shop = Shop::items(SERVER).await;
    let mut open = shop.begin().await;
    open.run("INSERT INTO items (title) VALUES ('open')").await;
    let mut detector = shop.detector().await;
    for number in 0..5 {
        shop.run(&format!("INSERT INTO items (title) VALUES ('{number}')")).await;
        assert_eq!(changes(&mut *detector).await.len(), 1);
        assert!(changes(&mut *detector).await.is_empty());
    }
    open.run("ROLLBACK").await;
    assert!(changes(&mut *detector).await.is_empty());
}

#[tokio::test]
async fn waiting_goes_on_after_the_connection_was_lost() {
    let shop = Shop::items(SERVER).await;
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
