//! A file that is missing, no database, moved, put back, or not to be written.

use crate::rig::{FILE, Shop, connect, creating, seen};
use duet_core::intent::{Op, WritePath};
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::connector::{Batch, Connector};
use serde_json::json;

fn new_record() -> Batch {
    let calls = vec![creating(1, &[("title", Value::text("new"))])];
    Batch { op: Op::Create, path: WritePath::Guarded, calls }
}

#[tokio::test]
async fn a_missing_file_is_told_with_its_cure_and_not_made() {
    let shop = Shop::items(FILE).await;
    let side = connect(&shop.ground, json!({ "path": "nowhere/shop.db" }));
    let refused = side.ping().await.expect_err("there is none");
    assert_eq!((refused.failure.class, refused.sent), (FailureClass::Unreachable, false));
    assert!(refused.failure.message.contains("check `path`"), "{}", refused.failure.message);
    let refused = side.apply(&shop.collection, &new_record()).await.expect_err("there is none");
    assert_eq!((refused.failure.code.as_str(), refused.sent), ("SQLITE_CANTOPEN", false));
    let side = connect(&shop.ground, json!({ "path": "other.db" }));
    side.ping().await.expect_err("there is none");
    assert!(!shop.ground.folder().join("other.db").exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_with_its_cure() {
    let shop = Shop::items(FILE).await;
    let text = "This is no database, but long enough to look like one. ".repeat(100);
    std::fs::write(shop.ground.folder().join("notes.txt"), text).expect("it can be written");
    let side = connect(&shop.ground, json!({ "path": "notes.txt" }));
    let refused = side.describe(&shop.collection).await.expect_err("it is a text");
    assert_eq!(refused.failure.code, "SQLITE_NOTADB");
    assert_eq!(refused.failure.class, FailureClass::Unreachable);
    assert!(refused.failure.message.contains("check `path`"), "{}", refused.failure.message);
    let side = connect(&shop.ground, json!({ "path": "." }));
    let refused = side.ping().await.expect_err("it is a folder");
    assert_eq!(refused.failure.class, FailureClass::Unreachable);
}

/// A connection holds on to the file that it opened, whatever its name leads to by now.
#[tokio::test]
async fn a_copy_put_back_is_what_is_read_and_written() {
    let shop = Shop::items(FILE).await;
    shop.run("INSERT INTO items (title) VALUES ('before')").await;
    let copy = shop.ground.folder().join("copy.db");
    shop.run(&format!("VACUUM INTO '{}'", copy.display())).await;
    shop.run("UPDATE items SET title = 'after'").await;
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("after")));
    std::fs::rename(copy, shop.ground.file()).expect("it can be put back");
    for log in ["shop.db-wal", "shop.db-shm"] {
        let _ = std::fs::remove_file(shop.ground.folder().join(log));
    }
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("before")));
    let answers = shop.side.apply(&shop.collection, &new_record()).await.expect("it is written");
    duet_testkit::connector_contract::landed(&answers.outcomes[0]);
    assert_eq!(shop.rows("items").await, 2);
}

#[tokio::test]
async fn a_file_that_goes_and_comes_back_is_waited_for() {
    let shop = Shop::items(FILE).await;
    let mut detector = shop.detector().await;
    let away = shop.ground.folder().join("away.db");
    shop.run("INSERT INTO items (title) VALUES ('a'); PRAGMA wal_checkpoint(TRUNCATE)").await;
    std::fs::rename(shop.ground.file(), &away).expect("it can be moved");
    let refused = detector.detect(10).await.expect_err("it isn't there");
    assert_eq!(refused.failure.class, FailureClass::Unreachable);
    std::fs::rename(&away, shop.ground.file()).expect("it can be moved");
    assert_eq!(seen(&mut *detector).await.len(), 1);
}

/// Nobody is blamed for a file that can't be written: the side as a whole waits.
#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_as_unreachable() {
    let mut shop = Shop::bare(FILE, "PRAGMA journal_mode = delete", "items").await;
    shop.run(crate::rig::items(FILE)).await;
    shop.install().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    // Rights don't stop everybody (`root`).
    let side = connect(&shop.ground, json!({}));
    let mut bytes = std::fs::read(shop.ground.file()).expect("it can be read");
    // The version of the format that a writer must know: a higher one makes a file read-only.
    bytes[18] = 9;
    std::fs::write(shop.ground.file(), bytes).expect("it can be written");
    let about = side.describe(&shop.collection).await.expect("it can be read");
    assert!(!about.may.create && !about.may.update && !about.may.delete);
    let [remark] = about.remarks.as_slice() else { panic!("{:?}", about.remarks) };
    assert!(remark.fatal && remark.text.contains("can't be written"), "{}", remark.text);
    let refused = side.apply(&shop.collection, &new_record()).await.expect_err("read-only");
    assert_eq!(refused.failure.code, "SQLITE_READONLY");
    assert_eq!((refused.failure.class, refused.sent), (FailureClass::Unreachable, false));
    let here = [shop.collection.clone()];
    let refused = side.capture_remove(&here).await.expect_err("read-only");
    assert!(refused.failure.message.contains("may not write"), "{}", refused.failure.message);
    let found = side.read(&shop.collection, &["1".into()]).await.expect("it can be read");
    assert_eq!(found[0].observation.image.get("title"), Some(&Value::text("a")));
}
