//! The capture of a file: its tables beside the user's, and what the shop may do with its own.

use crate::rig::{FILE, Shop, changes, collection, connect, drain, items, seen, settle};
use duet_core::observation::{Deletion, Presence};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Connector};
use duet_ports::envelope::WhatV1;
use serde_json::json;

#[tokio::test]
async fn a_deletion_of_all_rows_is_one_of_each() {
    let shop = Shop::items(FILE).await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b'), ('c')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("DELETE FROM items").await;
    let told = seen(&mut *detector).await;
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(told.values().all(|seen| seen.presence == Presence::Deleted(Deletion::Hard)));
}

#[tokio::test]
async fn what_a_reference_takes_along_is_told() {
    let ddl = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
        CREATE TABLE items (id INTEGER PRIMARY KEY,
            parent INT REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO parents VALUES (1), (2); INSERT INTO items VALUES (10, 1), (20, 2)";
    let shop = Shop::captured(FILE, ddl, "items").await;
    let mut detector = shop.detector().await;
    shop.run(
        "PRAGMA foreign_keys = on; DELETE FROM parents WHERE id = 1;
              UPDATE parents SET id = 3 WHERE id = 2",
    )
    .await;
    let told = seen(&mut *detector).await;
    assert_eq!(told["10"].presence, Presence::Deleted(Deletion::Hard));
    assert_eq!(told["20"].image.get("parent"), Some(&Value::Integer(3)));
}

#[tokio::test]
async fn what_a_trigger_of_the_shop_does_is_told() {
    let ddl = "CREATE TABLE items (id INTEGER PRIMARY KEY, title TEXT, changed INT DEFAULT 0);
        CREATE TRIGGER stamp AFTER UPDATE OF title ON items BEGIN
            UPDATE items SET changed = changed + 1 WHERE id = NEW.id; END;
        CREATE TABLE orders (item INT);
        CREATE TRIGGER sold AFTER INSERT ON orders BEGIN
            UPDATE items SET title = 'sold' WHERE id = NEW.item; END;
        INSERT INTO items (title) VALUES ('a'), ('b')";
    let shop = Shop::captured(FILE, ddl, "items").await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO orders VALUES (2)").await;
    let told = seen(&mut *detector).await;
    assert_eq!(told.len(), 1);
    let image = &told["2"].image;
    assert_eq!(image.get("title"), Some(&Value::text("sold")));
    assert_eq!(image.get("changed"), Some(&Value::Integer(1)));
}

#[tokio::test]
async fn case_and_storage_of_a_value_count() {
    let ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, u);
        INSERT INTO t VALUES (1, 'anna', 5), (2, 'bo', 5)";
    let shop = Shop::captured(FILE, ddl, "t").await;
    let mut detector = shop.detector().await;
    shop.run(
        "UPDATE t SET name = 'Anna' WHERE id = 1; UPDATE t SET u = '5' WHERE id = 2;
              UPDATE t SET name = name, u = u",
    )
    .await;
    let columns = "SELECT group_concat(changed_columns, ' ') FROM duet_change";
    assert_eq!(shop.text(columns).await, r#"["name"] ["u"]"#);
    assert_eq!(seen(&mut *detector).await["1"].image.get("name"), Some(&Value::text("Anna")));
}

/// A column made after the install is watched as well, if not timed; the next install times it.
#[tokio::test]
async fn a_column_made_later_is_watched_at_once() {
    let mut shop = Shop::items(FILE).await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    let cursor = detector.cursor().expect("it tells which capture it reads");
    shop.run("ALTER TABLE items ADD color text").await;
    shop.describe().await;
    shop.tick().await;
    shop.run("UPDATE items SET color = 'red'").await;
    let mut detector = shop.detector().await;
    let told = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!(told.image.get("color"), Some(&Value::text("red")));
    assert_eq!(told.column_stamps.get("color").copied(), told.changed_at, "the time of the row");
    assert!(told.column_stamps.get("title").copied() < told.changed_at);
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    let [remark] = about.remarks.as_slice() else { panic!("{:?}", about.remarks) };
    assert!(!remark.fatal && remark.text.contains("(color)"), "{}", remark.text);
    shop.install().await;
    shop.side.detector(&shop.collection, Some(&cursor)).await.expect("nothing was missed");
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    assert!(about.remarks.is_empty(), "{:?}", about.remarks);
    shop.tick().await;
    shop.run("UPDATE items SET title = 'b'").await;
    shop.tick().await;
    shop.run("UPDATE items SET color = 'blue'").await;
    let stamps = shop.read("1").await.column_stamps;
    assert!(stamps.get("color") > stamps.get("title"));
    assert_eq!(shop.rows("duet_change WHERE changed_columns = '[\"color\"]'").await, 1);
}

#[tokio::test]
async fn a_column_renamed_under_the_capture_goes_on_being_watched() {
    let mut shop = Shop::items(FILE).await;
    shop.run("INSERT INTO items (title) VALUES ('a'); ALTER TABLE items RENAME title TO name")
        .await;
    shop.describe().await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("UPDATE items SET name = 'b'").await;
    let told = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!(told.image.get("name"), Some(&Value::text("b")));
    assert_eq!(told.column_stamps.get("name").copied(), told.changed_at);
}

/// SQLite itself refuses, and names the trigger; without the capture the column goes.
#[tokio::test]
async fn a_column_is_dropped_after_the_capture_and_a_scan_closes_the_gap() {
    let shop = Shop::items(FILE).await;
    let here = [shop.collection.clone()];
    let cursor = shop.detector().await.cursor().expect("it tells which capture it reads");
    let refused = shop.outsider().await.attempt("ALTER TABLE items DROP note").await;
    let refused = refused.expect_err("the triggers name it").to_string();
    assert!(refused.contains("duet_capture_"), "{refused}");
    shop.side.capture_remove(&here).await.expect("it can be removed");
    shop.run("ALTER TABLE items DROP note; INSERT INTO items (title) VALUES ('a')").await;
    shop.side.capture_install(&here).await.expect("it can be installed again");
    let lost = shop.side.detector(&shop.collection, Some(&cursor)).await.err();
    assert!(lost.expect("changes in between were told to nobody").is_lost_position());
}

/// How migrations alter what SQLite can't: a new table takes the place of the old one.
#[tokio::test]
async fn a_table_made_anew_with_its_rows_keeps_its_markers_and_is_a_gap() {
    let shop = Shop::items(FILE).await;
    let here = [shop.collection.clone()];
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let call = shop.call(5, "1", &[("title", Value::text("ours"))]).await;
    shop.send(duet_core::intent::Op::Update, vec![call]).await;
    let before = shop.read("1").await;
    let cursor = shop.detector().await.cursor().expect("it tells which capture it reads");
    shop.run(&format!(
        "BEGIN; ALTER TABLE items RENAME TO old; {}; INSERT INTO items SELECT * FROM old;
         DROP TABLE old; COMMIT",
        items(FILE)
    ))
    .await;
    let status = shop.side.capture_status(&here).await.expect("it can be told");
    assert!(!status[0].installed, "the triggers went with the old table");
    shop.side.capture_install(&here).await.expect("it can be mended");
    let lost = shop.side.detector(&shop.collection, Some(&cursor)).await.err();
    assert!(lost.expect("changes may have been missed").is_lost_position());
    let after = shop.read("1").await;
    assert_eq!(after.marker, before.marker);
    assert!(after.version > before.version);
}

#[tokio::test]
async fn two_projects_share_a_file_under_two_prefixes() {
    let shop = Shop::items(FILE).await;
    let other = connect(&shop.ground, json!({ "capture": { "prefix": "other_" } }));
    let theirs = Collection { side: Side::Left, ..collection("items", "items") };
    other.capture_install(std::slice::from_ref(&theirs)).await.expect("it can be installed");
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    assert_eq!(shop.rows("duet_change").await + shop.rows("other_change").await, 2);
    assert!(
        other
            .capture_others(std::slice::from_ref(&theirs))
            .await
            .expect("it can be told")
            .is_empty()
    );
    other.capture_remove(&[theirs]).await.expect("it can be removed");
    shop.run("INSERT INTO items (title) VALUES ('b')").await;
    assert_eq!(shop.rows("duet_change").await, 2);
}

#[tokio::test]
async fn no_number_is_given_twice() {
    let shop = Shop::items(FILE).await;
    let here = [shop.collection.clone()];
    let number = async || shop.number("SELECT n FROM duet_number").await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let first = number().await;
    assert!(first > 1_700_000_000_000_000, "it begins at the time in microseconds");
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    assert_eq!(shop.rows("duet_change").await, 0);
    shop.run("BEGIN; UPDATE items SET title = 'never'; ROLLBACK; UPDATE items SET title = 'b'")
        .await;
    assert_eq!(number().await, first + 1, "what was rolled back was never seen");
    shop.side.capture_remove(&here).await.expect("it can be removed");
    shop.side.capture_install(&here).await.expect("it can be installed");
    assert!(number().await > first + 1);
}

#[tokio::test]
async fn tables_of_every_make_are_watched() {
    let makes = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a text)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a text) STRICT",
        "CREATE TABLE t (id INT PRIMARY KEY, a text)",
        "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a text) WITHOUT ROWID",
        "CREATE TABLE t (id INTEGER PRIMARY KEY DESC, a text)",
        "CREATE TABLE t (id int UNIQUE NOT NULL, a text)",
        "CREATE TABLE t (rowid int PRIMARY KEY, _rowid_ int, oid int, id int UNIQUE, a text)",
    ];
    for make in makes {
        let mut shop = Shop::bare(FILE, make, "t").await;
        shop.collection.key = vec!["id".into()];
        shop.install().await;
        let about = shop.side.describe(&shop.collection).await.expect("the table is there");
        assert!(about.remarks.is_empty(), "{make}: {:?}", about.remarks);
        shop.run(
            "INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y'); UPDATE t SET id = 3 WHERE id = 2",
        )
        .await;
        let mut detector = shop.detector().await;
        let told = changes(&mut *detector).await;
        assert!(told.iter().any(|one| matches!(&one.what, WhatV1::KeyChanged { .. })), "{make}");
        let calls = vec![shop.call(1, "1", &[("a", Value::text("ours"))]).await];
        let outcomes = shop.send(duet_core::intent::Op::Update, calls).await;
        duet_testkit::connector_contract::landed(&outcomes[0]);
        let calls = vec![shop.call(2, "3", &[]).await];
        let outcomes = shop.send(duet_core::intent::Op::Delete, calls).await;
        duet_testkit::connector_contract::landed(&outcomes[0]);
        assert_eq!(shop.text("SELECT group_concat(id || a) FROM t").await, "1ours", "{make}");
    }
}

#[tokio::test]
async fn a_virtual_table_cannot_be_captured() {
    let shop = Shop::bare(FILE, "CREATE TABLE x (id INTEGER PRIMARY KEY)", "x").await;
    shop.run("CREATE VIEW v AS SELECT id FROM x").await;
    let view = Collection { key: vec!["id".into()], ..collection("v", "v") };
    let about = shop.side.describe(&view).await.expect("the view is there");
    assert!(!about.may.create && !about.may.update && !about.may.delete);
    let refused = shop.side.capture_install(&[view]).await.expect_err("a view");
    assert_eq!(refused.failure.class, FailureClass::Permission);
    let refused = shop.side.describe(&collection("y", "y")).await.expect_err("there is none");
    assert!(refused.failure.message.contains("no table y"), "{}", refused.failure.message);
}
