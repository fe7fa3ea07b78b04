//! What somebody did to the file behind duet's back: an older copy put back, parts of the capture
//! taken away, keys of another encoding. It is noticed, and nothing is passed over in silence.

use crate::rig::{FILE, Shop, drain, seen, settle};
use duet_core::observation::Observation;
use duet_core::value::Value;
use duet_ports::connector::{Connector, Detector};
use std::fs;

/// Puts a copy in the place of the file.
fn put_back(shop: &Shop, copy: &std::path::Path) {
    fs::rename(copy, shop.ground.file()).expect("it can be put back");
    for log in ["shop.db-wal", "shop.db-shm"] {
        let _ = fs::remove_file(shop.ground.folder().join(log));
    }
}

fn order(seen: &Observation) -> i64 {
    seen.version.as_ref().and_then(|version| version.order).expect("rows have versions")
}

/// Reads and gives up everything.
async fn read_all(detector: &mut dyn Detector) {
    let readings = drain(detector).await;
    settle(detector, &readings).await;
}

/// What was undone in it is told by no change, and its numbers were given out already.
#[tokio::test]
async fn an_older_copy_put_back_is_noticed_by_whoever_looks_first() {
    older_copy(true).await;
    older_copy(false).await;
}

async fn older_copy(by_whom_it_runs: bool) {
    let shop = Shop::items(FILE).await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    read_all(&mut *detector).await;
    let copy = shop.ground.folder().join("copy.db");
    shop.run(&format!("VACUUM INTO '{}'", copy.display())).await;
    shop.run("UPDATE items SET title = 'after' WHERE id = 1").await;
    let before = order(&shop.read("1").await);
    read_all(&mut *detector).await;
    let left = detector.cursor().expect("an outbox has a position");
    put_back(&shop, &copy);
    // The shop goes on with it before anybody looks, beyond the numbers that were given out.
    shop.run(
        "UPDATE items SET title = 'c' WHERE id = 2; UPDATE items SET title = 'd' WHERE id = 2",
    )
    .await;
    let restarted = async || {
        let opened = shop.side.detector(&shop.collection, Some(&left)).await;
        opened.err().expect("its last change is unknown there")
    };
    let first = match by_whom_it_runs {
        true => detector.detect(10).await.expect_err("its last change is unknown there"),
        false => restarted().await,
    };
    assert!(first.failure.message.contains("older copy"), "{}", first.failure.message);
    let second = detector.detect(10).await.expect_err("it begins anew");
    for lost in [first, second, restarted().await] {
        assert!(lost.is_lost_position(), "{lost}");
    }
    let now = shop.read("1").await;
    assert_eq!(now.image.get("title"), Some(&Value::text("a")));
    assert!(order(&now) > before, "no older than what was known of it");
    let mut anew = shop.detector().await;
    read_all(&mut *anew).await;
    shop.run("UPDATE items SET title = 'e' WHERE id = 1").await;
    let told = seen(&mut *anew).await;
    assert!(order(&told["1"]) > order(&now), "{told:?}");
}

/// The shop can't write its own tables then: the triggers miss what they write into.
#[tokio::test]
async fn a_table_of_the_capture_that_was_taken_away_is_made_again() {
    for table in ["number", "change", "row", "column", "replaced", "capture"] {
        let shop = Shop::items(FILE).await;
        let mut detector = shop.detector().await;
        shop.run("INSERT INTO items (title) VALUES ('a')").await;
        read_all(&mut *detector).await;
        let left = detector.cursor().expect("an outbox has a position");
        shop.run(&format!("DROP TABLE duet_{table}")).await;
        let about = shop.side.describe(&shop.collection).await.expect("the table is there");
        let [remark] = about.remarks.as_slice() else { panic!("{table}: {:?}", about.remarks) };
        assert!(remark.text.contains("`duet capture install`"), "{table}: {}", remark.text);
        let here = std::slice::from_ref(&shop.collection);
        let status = shop.side.capture_status(here).await.expect("it can be told");
        assert!(!status[0].installed || status[0].older, "{table}: {status:?}");
        let others = shop.side.capture_others(here).await.expect("it can be told");
        assert!(others.is_empty(), "{table}: {others:?}");
        shop.side.capture_install(here).await.expect("it can be mended");
        let lost = shop.side.detector(&shop.collection, Some(&left)).await.err();
        let lost = lost.unwrap_or_else(|| panic!("{table}: changes may have been missed"));
        assert!(lost.is_lost_position(), "{table}: {lost}");
        let mut detector = shop.detector().await;
        shop.run("UPDATE items SET title = 'b'").await;
        assert_eq!(seen(&mut *detector).await.len(), 1, "{table}");
    }
}

#[tokio::test]
async fn what_is_left_of_a_capture_is_removed() {
    for table in ["number", "row", "capture"] {
        let shop = Shop::items(FILE).await;
        shop.run(&format!("DROP TABLE duet_{table}")).await;
        let here = std::slice::from_ref(&shop.collection);
        shop.side.capture_remove(here).await.expect("it can be removed");
        assert!(!shop.has_capture().await, "{table}");
        shop.run("INSERT INTO items (title) VALUES ('a')").await;
        shop.side.capture_remove(here).await.expect("nothing is left to remove");
        assert!(!shop.has_capture().await, "{table}");
    }
}

/// They are told, with NUL for what is no text, so that they are reported; their neighbours pass.
#[tokio::test]
async fn keys_that_are_no_text_are_told_apart() {
    let ddl = "CREATE TABLE t (code TEXT PRIMARY KEY, name TEXT);
        INSERT INTO t VALUES ('a', 'A'), (CAST(x'62fc' AS TEXT), 'B'), ('c', 'C')";
    let shop = Shop::captured(FILE, ddl, "t").await;
    for limit in [2, 3, 10] {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = shop.side.scan(&shop.collection, after.as_ref(), limit).await;
            let page = page.expect("it can be scanned");
            ids.extend(page.records.into_iter().map(|one| one.record.as_str().to_owned()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids, ["a", "b\0", "c"], "pages of {limit}");
    }
    let alone = shop.side.scan(&shop.collection, None, 1).await.expect("the first is text");
    let stuck = shop.side.scan(&shop.collection, alone.next.as_ref(), 1).await.err();
    assert_eq!(stuck.expect("a page of the second alone has no end").failure.code, "keys_no_text");
    let mut detector = shop.detector().await;
    shop.run("UPDATE t SET name = name || '!'").await;
    let readings = drain(&mut *detector).await;
    let told = readings.iter().flat_map(|reading| &reading.changes);
    let told: Vec<&str> = told.map(|change| change.record.as_str()).collect();
    assert_eq!(told, ["a", "b\0", "c"]);
    settle(&mut *detector, &readings).await;
    shop.run("DELETE FROM t WHERE name = 'B!'").await;
    read_all(&mut *detector).await;
    assert_eq!(shop.rows("duet_change").await, 0, "a bad key doesn't keep the others");
}
