//! Installing, removing and telling about the capture; what it sees, on tables of all kinds.

use crate::rig::{SERVER, Shop, changes, connect, drain, image, seen, settle};
use duet_core::observation::{Deletion, Presence};
use duet_core::retry::FailureClass;
use duet_core::value::Value;
use duet_ports::connector::Connector;
use duet_ports::envelope::WhatV1;
use duet_testkit::connector_contract::landed;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, PgPool};

#[tokio::test]
async fn removing_keeps_what_was_there_before() {
    let shop = Shop::bare(SERVER, crate::rig::items(SERVER), "items").await;
    shop.run("CREATE SCHEMA duet; CREATE TABLE duet.mine (a int)").await;
    let here = [shop.collection.clone()];
    shop.side.capture_install(&here).await.expect("it can be installed");
    shop.side.capture_remove(&here).await.expect("it can be removed");
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.mine").await, 0);
    let later = Shop::items(SERVER).await;
    later.run("CREATE FUNCTION duet.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    let here = [later.collection.clone()];
    later.side.capture_remove(&here).await.expect("it can be removed");
    assert_eq!(later.ask::<i32>("SELECT duet.mine()").await, 1);
}

#[tokio::test]
async fn writers_need_no_rights_on_the_capture() {
    let shop = Shop::items(SERVER).await;
    let clerk = shop.role("clerk").await;
    shop.run(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON items TO {clerk};
         SET ROLE {clerk}; INSERT INTO items (title) VALUES ('a');
         UPDATE items SET title = 'b'; RESET ROLE"
    ))
    .await;
    let mut detector = shop.detector().await;
    assert_eq!(seen(&mut *detector).await["1"].image.get("title"), Some(&Value::text("b")));
    shop.drop_role(&clerk).await;
}

/// The grants of `docs/reference/capture.md`, and no others.
#[tokio::test]
async fn the_documented_rights_are_enough() {
    let shop = Shop::items(SERVER).await;
    let runner = shop.role("runner").await;
    shop.run(&format!(
        "GRANT USAGE ON SCHEMA duet TO {runner};
         GRANT SELECT, UPDATE, DELETE ON duet.duet_change TO {runner};
         GRANT SELECT, INSERT, UPDATE ON duet.duet_row TO {runner};
         GRANT SELECT ON duet.duet_capture TO {runner};
         GRANT SELECT, INSERT, UPDATE, DELETE ON items TO {runner};
         INSERT INTO items (title) VALUES ('a')"
    ))
    .await;
    let mut lesser = Shop { side: shop.as_role(&runner), ..shop };
    let about = lesser.side.describe(&lesser.collection).await.expect("the table is there");
    assert!(about.remarks.is_empty(), "{:?}", about.remarks);
    let mut detector = lesser.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    let call = lesser.call(1, "1", &[("title", Value::text("ours"))]).await;
    let outcomes = lesser.send(duet_core::intent::Op::Update, vec![call]).await;
    landed(&outcomes[0]);
    let create = crate::rig::creating(2, &[("title", Value::text("new"))]);
    landed(&lesser.send(duet_core::intent::Op::Create, vec![create]).await[0]);
    let call = lesser.call(3, "1", &[]).await;
    landed(&lesser.send(duet_core::intent::Op::Delete, vec![call]).await[0]);
    assert_eq!(seen(&mut *detector).await.len(), 2);
    drop(detector);
    lesser.side = connect(&lesser.ground, json!({}));
    lesser.drop_role(&runner).await;
}

#[tokio::test]
async fn a_changed_table_goes_on_being_captured() {
    let shop = Shop::items(SERVER).await;
    let mut detector = shop.detector().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    seen(&mut *detector).await;
    shop.run("ALTER TABLE items ADD color text; ALTER TABLE items ALTER price TYPE text").await;
    shop.run("UPDATE items SET color = 'red', price = 'cheap'").await;
    let changed = changes(&mut *detector).await;
    assert_eq!(changed.len(), 1);
    let columns: Vec<String> =
        shop.ask("SELECT changed_columns FROM duet.duet_change ORDER BY seq DESC LIMIT 1").await;
    assert_eq!(columns, ["color", "price"]);
    shop.run("ALTER TABLE items DROP note; UPDATE items SET title = 'c'").await;
    let refused = detector.detect(10).await.expect_err("a column of the flow is gone");
    assert_eq!(refused.failure.class, FailureClass::Permission);
    let mut shop = shop;
    shop.describe().await;
    let mut detector = shop.detector().await;
    assert_eq!(seen(&mut *detector).await["1"].image.get("title"), Some(&Value::text("c")));
}

#[tokio::test]
async fn missing_rights_are_told_with_what_is_needed() {
    let shop = Shop::bare(SERVER, crate::rig::items(SERVER), "items").await;
    let guest = shop.role("guest").await;
    let side = shop.as_role(&guest);
    let refused = side.capture_install(std::slice::from_ref(&shop.collection)).await;
    let refused = refused.expect_err("no rights");
    assert_eq!(refused.failure.class, FailureClass::Permission);
    assert!(refused.failure.message.contains("CREATE on the database"));
    let about = side.describe(&shop.collection).await.expect("the table is there");
    assert!(!about.may.create && !about.may.update && !about.may.delete);
    assert!(about.remarks.iter().any(|it| it.fatal && it.text.contains("GRANT SELECT")));
    shop.drop_role(&guest).await;
}

#[tokio::test]
async fn exchanged_keys_are_told_in_order_and_rows_are_newer_than_their_key_changes() {
    let shop = Shop::captured(
        SERVER,
        "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, a text)",
        "t",
    )
    .await;
    shop.run("INSERT INTO t VALUES (1, 'one'), (2, 'two')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("UPDATE t SET id = 3 - id").await;
    shop.run("UPDATE t SET id = 9 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2").await;
    let (mut moved, mut latest) = (Vec::new(), None);
    for change in changes(&mut *detector).await {
        match change.what {
            WhatV1::KeyChanged { old, order } => {
                assert!(order > latest, "each after the one before");
                latest = order;
                moved.push(format!("{old}-{}", change.record));
            }
            WhatV1::Seen(seen) => {
                let expected = if change.record.as_str() == "1" { "one" } else { "two" };
                assert_eq!(seen.image.get("a"), Some(&Value::text(expected)));
                let order = seen.version.and_then(|version| version.order);
                assert!(order.is_some() && (change.record.as_str() == "9" || order == latest));
            }
            WhatV1::Gap => panic!("nothing is lost"),
        }
    }
    assert_eq!(moved.join(" "), "1-2 2-1 1-9 2-1");
}

#[tokio::test]
async fn a_truncation_asks_for_every_known_record() {
    let shop = Shop::bare(SERVER, crate::rig::items(SERVER), "items").await;
    shop.run("INSERT INTO items (title) SELECT 'old ' || n FROM generate_series(1, 5) n").await;
    let mut shop = shop;
    shop.install().await;
    shop.run("INSERT INTO items (title) VALUES ('new')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("TRUNCATE items").await;
    let head = detector.head().await.expect("it can be read");
    let mut asked = std::collections::BTreeSet::new();
    let mut positions = Vec::new();
    while !detector.reached(&head).await.expect("it can be read") {
        let reading = detector.detect(2).await.expect("it can be read");
        assert!(reading.changes.len() <= 2);
        for change in &reading.changes {
            assert_eq!(change.what, WhatV1::Gap);
            asked.insert(change.record.as_str().to_owned());
        }
        positions.extend(reading.position);
    }
    assert_eq!(
        asked.iter().map(String::as_str).collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5", "6"]
    );
    assert_eq!(shop.read("3").await.presence, Presence::Deleted(Deletion::Hard));
    assert_ne!(shop.read("3").await.version.expect("it was captured").token, "0");
    let half = &positions[..positions.len() - 1];
    detector.settle(half).await.expect("it can be reached");
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.duet_change").await, 1);
    detector.settle(&positions).await.expect("it can be reached");
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.duet_change").await, 0);
}

#[tokio::test]
async fn replicated_changes_are_seen() {
    let shop = Shop::items(SERVER).await;
    let replica = PgPool::connect(shop.ground.server().url()).await.expect("the database is there");
    let script = "SET session_replication_role = replica; INSERT INTO items (title) VALUES ('a')";
    replica.execute(AssertSqlSafe(script)).await.expect("a superuser may");
    let mut detector = shop.detector().await;
    assert_eq!(seen(&mut *detector).await.len(), 1);
    assert_eq!(image(&[]).len(), 0);
}
