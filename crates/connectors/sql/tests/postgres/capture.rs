//! Installing, removing and telling about the capture; what it sees, on tables of all kinds.

use crate::rig::{Shop, changes, collection, connect, drain, image, renamed_from, seen, settle};
use duet_core::id::Column;
use duet_core::intent::Outcome;
use duet_core::observation::{Deletion, Observation, Presence};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Connector};
use duet_ports::envelope::WhatV1;
use duet_testkit::connector_contract::landed;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, PgPool};

/// Everything in the database that isn't PostgreSQL's own, to tell what an install leaves behind.
const INVENTORY: &str = "
SELECT string_agg(what, E'\\n' ORDER BY what) FROM (
    SELECT 'schema ' || nspname AS what FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT relkind::text || ' ' || relnamespace::regnamespace || '.' || relname
        FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
        WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
    UNION ALL SELECT 'trigger ' || tgname || ' ' || tgrelid::regclass FROM pg_trigger) AS a";

#[tokio::test]
async fn installing_twice_is_installing_once_and_removing_leaves_nothing() {
    let shop = Shop::bare(crate::rig::ITEMS, "items").await;
    let before: String = shop.ask(INVENTORY).await;
    let here = [shop.collection.clone()];
    shop.side.capture_install(&here).await.expect("it can be installed");
    let once: String = shop.ask(INVENTORY).await;
    let status = shop.side.capture_install(&here).await.expect("it can be installed again");
    assert_eq!(shop.ask::<String>(INVENTORY).await, once);
    assert!(status[0].installed);
    assert_eq!(status[0].version, Some(status[0].newest));
    shop.side.capture_remove(&here).await.expect("it can be removed");
    assert_eq!(shop.ask::<String>(INVENTORY).await, before);
    shop.side.capture_remove(&here).await.expect("removing nothing is no error");
    let status = shop.side.capture_status(&here).await.expect("it can be told");
    assert!(!status[0].installed && status[0].version.is_none());
    shop.run("INSERT INTO items (title) VALUES ('after')").await;
}

#[tokio::test]
async fn removing_keeps_what_was_there_before() {
    let shop = Shop::bare(crate::rig::ITEMS, "items").await;
    shop.run("CREATE SCHEMA duet; CREATE TABLE duet.mine (a int)").await;
    let here = [shop.collection.clone()];
    shop.side.capture_install(&here).await.expect("it can be installed");
    shop.side.capture_remove(&here).await.expect("it can be removed");
    assert_eq!(shop.ask::<i64>("SELECT count(*) FROM duet.mine").await, 0);
    let later = Shop::items().await;
    later.run("CREATE FUNCTION duet.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    let here = [later.collection.clone()];
    later.side.capture_remove(&here).await.expect("it can be removed");
    assert_eq!(later.ask::<i32>("SELECT duet.mine()").await, 1);
}

#[tokio::test]
async fn several_flows_on_one_table_see_the_same_and_settle_apart() {
    let shop = Shop::items().await;
    let prices = collection("prices", "items");
    let mirrored = Collection { side: Side::Left, ..collection("items", "items") };
    let others = [prices.clone(), mirrored.clone()];
    shop.side.capture_install(&others).await.expect("it can be installed");
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let mut first = shop.detector().await;
    let readings = drain(&mut *first).await;
    settle(&mut *first, &readings).await;
    for other in &others {
        let mut detector = shop.side.detector(other, None).await.expect("it is captured");
        assert!(seen(&mut *detector).await.contains_key("1"));
    }
    let everything = [shop.collection.clone(), prices.clone(), mirrored];
    let status = shop.side.capture_status(&everything).await.expect("it can be told");
    assert_eq!(status.iter().map(|one| one.backlog).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(status[0].oldest.is_none() && status[1].oldest.is_some());
    shop.side.capture_remove(&everything[..1]).await.expect("it can be removed");
    shop.run("INSERT INTO items (title) VALUES ('b')").await;
    let mut detector = shop.side.detector(&prices, None).await.expect("it is captured");
    assert_eq!(seen(&mut *detector).await.len(), 2);
    let refused = shop.side.detector(&shop.collection, None).await;
    let refused = refused.err().expect("it isn't captured any more");
    assert_eq!(refused.failure.class, FailureClass::Permission);
    assert!(refused.failure.message.contains("duet capture install"));
}

#[tokio::test]
async fn odd_names_in_odd_schemas() {
    let ddl = r#"CREATE SCHEMA "Web Shop"; CREATE TABLE "Web Shop"."Order ""Items"""
        ("Order-Id" int, "key" text, "seq" int, "it's" text, PRIMARY KEY ("Order-Id", "key"))"#;
    let mut shop = Shop::bare(ddl, r#""Web Shop"."Order ""Items""""#).await;
    shop.side = connect(&shop.database, json!({ "capture": { "schema": "Our Sync" } }));
    shop.collection.flow = "it's a \\ flow".into();
    shop.collection.filter = Some(r#""seq" < 100 -- the small ones"#.to_owned());
    shop.install().await;
    shop.run(r#"INSERT INTO "Web Shop"."Order ""Items""" VALUES (1, 'a-b%', 5, 'x')"#).await;
    let mut detector = shop.detector().await;
    let seen = seen(&mut *detector).await;
    let record = seen.get("1-a%2Db%25").expect("composite keys are encoded");
    assert_eq!(record.image.get("it's"), Some(&Value::text("x")));
    assert_eq!(record.presence, Presence::Present);
    let read = shop.read("1-a%2Db%25").await;
    assert_eq!(read.image, record.image);
    let call = shop.call(1, "1-a%2Db%25", &[("it's", Value::text("ours"))]).await;
    shop.send(duet_core::intent::Op::Update, vec![call]).await;
    assert_eq!(shop.read("1-a%2Db%25").await.image.get("it's"), Some(&Value::text("ours")));
}

#[tokio::test]
async fn keys_of_all_kinds() {
    let kinds = [
        ("smallint", "'7'", "7"),
        ("bigint", "'-9000000000'", "-9000000000"),
        ("varchar(5)", "'ALFKI'", "ALFKI"),
        ("char(6)", "'AB'", "AB"),
        ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("numeric(8,2)", "'1.50'", "1.50"),
        ("date", "'2026-11-21'", "2026-11-21"),
        ("timestamptz", "'2026-11-21 10:00:00+02'", "2026-11-21T08:00:00+00:00"),
        ("boolean", "'t'", "true"),
    ];
    for (kind, literal, key) in kinds {
        let shop =
            Shop::captured(&format!("CREATE TABLE t (id {kind} PRIMARY KEY, a text)"), "t").await;
        shop.run("SET TimeZone = 'Asia/Tokyo'").await;
        shop.run(&format!("INSERT INTO t VALUES ({literal}, 'x')")).await;
        let mut detector = shop.detector().await;
        let seen = seen(&mut *detector).await;
        let told = seen.get(key).unwrap_or_else(|| panic!("{kind}: {seen:?}"));
        assert_eq!(told.presence, Presence::Present, "{kind}");
        let call = shop.call(1, key, &[("a", Value::text("ours"))]).await;
        let outcomes = shop.send(duet_core::intent::Op::Update, vec![call]).await;
        assert_eq!(landed(&outcomes[0]).as_str(), key);
        let after = shop.read(key).await;
        assert_eq!(after.image.get("a"), Some(&Value::text("ours")), "{kind}");
        assert_eq!(after.marker, Some(crate::rig::intent(1)), "{kind}");
        let page = shop.side.scan(&shop.collection, None, 10).await.expect("it can be scanned");
        assert_eq!(page.records[0].record.as_str(), key, "{kind}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_nobody() {
    let shop = Shop::captured("CREATE TABLE t (id varchar(5) PRIMARY KEY, a text)", "t").await;
    shop.run("INSERT INTO t VALUES ('ALFKI', 'x')").await;
    let other = shop.read("ALFKIS").await;
    assert_eq!(other.presence, Presence::Deleted(Deletion::Hard));
    assert!(other.image.is_empty() || other.image.values().all(Value::is_null));
}

#[tokio::test]
async fn writers_need_no_rights_on_the_capture() {
    let shop = Shop::items().await;
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
    let shop = Shop::items().await;
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
    lesser.side = connect(&lesser.database, json!({}));
    lesser.drop_role(&runner).await;
}

#[tokio::test]
async fn a_changed_table_goes_on_being_captured() {
    let shop = Shop::items().await;
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
async fn nothing_changed_is_no_change() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("UPDATE items SET title = 'a'").await;
    shop.run("BEGIN; UPDATE items SET title = 'b'; ROLLBACK").await;
    assert!(changes(&mut *detector).await.is_empty());
}

#[tokio::test]
async fn a_table_without_a_key_is_told() {
    let shop = Shop::bare("CREATE TABLE t (a int, b text)", "t").await;
    let refused = shop.side.describe(&shop.collection).await.expect_err("it has no key");
    assert!(refused.failure.message.contains("no primary key"), "{}", refused.failure.message);
    let here = [shop.collection.clone()];
    let refused = shop.side.capture_install(&here).await.expect_err("it has no key");
    assert!(refused.failure.message.contains("no primary key"), "{}", refused.failure.message);
    let chosen = Collection { key: vec![Column::from("a")], ..shop.collection.clone() };
    let about = shop.side.describe(&chosen).await.expect("the table is there");
    assert!(about.remarks.iter().any(|it| it.fatal && it.text.contains("not unique")));
    let wrong = Collection { key: vec![Column::from("z")], ..shop.collection.clone() };
    let refused = shop.side.describe(&wrong).await.expect_err("no such column");
    assert!(refused.failure.message.contains("no column z"), "{}", refused.failure.message);
}

#[tokio::test]
async fn a_view_cannot_be_captured() {
    let shop = Shop::bare("CREATE VIEW v AS SELECT 1 AS id", "v").await;
    let chosen = Collection { key: vec![Column::from("id")], ..shop.collection.clone() };
    let refused = shop.side.capture_install(&[chosen]).await.expect_err("a view");
    assert!(refused.failure.message.contains("not a table"), "{}", refused.failure.message);
}

#[tokio::test]
async fn missing_rights_are_told_with_what_is_needed() {
    let shop = Shop::bare(crate::rig::ITEMS, "items").await;
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
async fn a_key_change_is_told_before_the_record_under_its_new_key() {
    let shop = Shop::captured("CREATE TABLE t (id text PRIMARY KEY, a text)", "t").await;
    shop.run("INSERT INTO t VALUES ('a', 'x')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("UPDATE t SET id = 'b' WHERE id = 'a'").await;
    let told = changes(&mut *detector).await;
    assert_eq!(told[0].record.as_str(), "b");
    assert_eq!(told[0].what, renamed_from("a", &told[1]));
    assert_eq!(told[1].record.as_str(), "b");
    assert!(matches!(&told[1].what, WhatV1::Seen(seen) if seen.presence == Presence::Present));
    assert_eq!(told.len(), 2);
    assert_eq!(shop.read("a").await.presence, Presence::Deleted(Deletion::Hard));
}

#[tokio::test]
async fn a_key_of_a_deleted_row_is_told_as_given_up_first() {
    let shop = Shop::captured("CREATE TABLE t (id int PRIMARY KEY, a text)", "t").await;
    shop.run("INSERT INTO t VALUES (5, 'five'), (7, 'seven')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("DELETE FROM t WHERE id = 5; UPDATE t SET id = 5 WHERE id = 7").await;
    let told = changes(&mut *detector).await;
    assert_eq!(told.len(), 3, "{told:?}");
    let WhatV1::Seen(gone) = &told[0].what else { panic!("{told:?}") };
    assert_eq!(
        (told[0].record.as_str(), &gone.presence),
        ("5", &Presence::Deleted(Deletion::Hard))
    );
    assert_eq!(told[1].what, renamed_from("7", &told[2]));
    let order = |seen: &Observation| seen.version.clone().and_then(|version| version.order);
    let WhatV1::Seen(now) = &told[2].what else { panic!("{told:?}") };
    assert!(order(gone) < order(now), "the deletion is older than what is there now");
    assert_eq!(now.image.get("a"), Some(&Value::text("seven")));
}

#[tokio::test]
async fn exchanged_keys_are_told_in_order_and_rows_are_newer_than_their_key_changes() {
    let shop = Shop::captured(
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
    let shop = Shop::bare(crate::rig::ITEMS, "items").await;
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
async fn a_key_that_comes_and_goes_is_a_record_that_comes_and_goes() {
    let mut shop = Shop::bare("CREATE TABLE t (n int, code text UNIQUE, a text)", "t").await;
    shop.collection.key = vec![Column::from("code")];
    shop.install().await;
    shop.run("INSERT INTO t VALUES (1, NULL, 'x')").await;
    let mut detector = shop.detector().await;
    assert!(seen(&mut *detector).await.is_empty());
    shop.run("UPDATE t SET code = 'k'").await;
    assert_eq!(seen(&mut *detector).await["k"].presence, Presence::Present);
    shop.run("UPDATE t SET code = NULL").await;
    assert_eq!(seen(&mut *detector).await["k"].presence, Presence::Deleted(Deletion::Hard));
}

#[tokio::test]
async fn another_key_for_a_flow_begins_anew() {
    let mut shop = Shop::items().await;
    shop.run("INSERT INTO items (code) VALUES ('k')").await;
    shop.collection.key = vec![Column::from("code")];
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    assert!(about.remarks.iter().any(|it| it.fatal && it.text.contains("capture install")));
    shop.install().await;
    let mut detector = shop.detector().await;
    assert!(seen(&mut *detector).await.is_empty(), "ids of the old key mean nothing now");
    shop.run("UPDATE items SET title = 'x'").await;
    assert!(seen(&mut *detector).await.contains_key("k"));
}

#[tokio::test]
async fn a_column_stamp_tells_when_a_column_changed() {
    let shop = Shop::items().await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'b')").await;
    let mut detector = shop.detector().await;
    let first = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!(first.column_stamps.len(), first.image.len(), "an insert sets every column");
    shop.run("UPDATE items SET title = 'c'").await;
    shop.run("UPDATE items SET note = 'd'").await;
    let second = seen(&mut *detector).await.remove("1").expect("it is told");
    let stamp = |name: &str| second.column_stamps.get(name).copied();
    assert!(stamp("title") < stamp("note") && stamp("title") > first.changed_at);
    assert_eq!(stamp("note"), second.changed_at);
    assert_eq!(stamp("price"), first.column_stamps.get("price").copied(), "since it was inserted");
    let read = shop.side.read(&shop.collection, &["1".into()]).await.expect("it is there");
    assert_eq!(read[0].observation.column_stamps, second.column_stamps, "a read tells the same");
    shop.run("UPDATE items SET id = DEFAULT").await;
    let renamed = shop.side.read(&shop.collection, &["2".into()]).await.expect("it is there");
    let renamed = &renamed[0].observation.column_stamps;
    assert_eq!(renamed.get("note").copied(), stamp("note"), "another key, the same record");
    let anew = "INSERT INTO items (id, title) OVERRIDING SYSTEM VALUE VALUES (2, 'c')";
    shop.run(&format!("DELETE FROM items; {anew}")).await;
    let again = shop.side.read(&shop.collection, &["2".into()]).await.expect("it is there");
    let again = &again[0].observation.column_stamps;
    assert!(again.get("note") > renamed.get("note"), "a new record begins anew");
    assert!(second.changed_at > Some(Stamp(0)) && second.read_at > first.read_at);
}

#[tokio::test]
async fn replicated_changes_are_seen() {
    let shop = Shop::items().await;
    let replica = PgPool::connect(shop.database.url()).await.expect("the database is there");
    let script = "SET session_replication_role = replica; INSERT INTO items (title) VALUES ('a')";
    replica.execute(AssertSqlSafe(script)).await.expect("a superuser may");
    let mut detector = shop.detector().await;
    assert_eq!(seen(&mut *detector).await.len(), 1);
    assert_eq!(image(&[]).len(), 0);
}

#[tokio::test]
async fn a_capture_installed_anew_is_a_gap_and_its_versions_go_on() {
    let shop = Shop::items().await;
    let here = [shop.collection.clone()];
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    shop.run("UPDATE items SET title = 'b2' WHERE id = 2").await;
    let mut detector = shop.detector().await;
    let cursor = detector.cursor().expect("it tells which capture it reads");
    let stale = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let order = async |record: &str| shop.read(record).await.version.and_then(|one| one.order);
    let (first, second) = (order("1").await, order("2").await);
    shop.side.capture_install(&here).await.expect("it stands already");
    shop.side.detector(&shop.collection, Some(&cursor)).await.expect("the same capture");
    shop.side.capture_remove(&here).await.expect("it can be removed");
    shop.run("UPDATE items SET title = 'unseen' WHERE id = 1; DELETE FROM items WHERE id = 2")
        .await;
    shop.side.capture_install(&here).await.expect("it can be installed again");
    let lost = detector.detect(10).await.expect_err("changes were told to nobody");
    assert!(lost.is_lost_position(), "{lost}");
    let lost = shop.side.detector(&shop.collection, Some(&cursor)).await.err();
    assert!(lost.expect("of another capture").is_lost_position());
    assert!(order("1").await > first, "a version that was seen is never given again");
    assert!(order("2").await > second);
    assert_eq!(shop.read("2").await.presence, Presence::Deleted(Deletion::Hard));
    let page = shop.side.scan(&shop.collection, None, 10).await.expect("it can be read");
    let scanned = page.records[0].observation.version.clone().and_then(|one| one.order);
    assert_eq!((page.records.len(), scanned), (1, order("1").await));
    let outcome = shop.send(duet_core::intent::Op::Update, vec![stale]).await.remove(0);
    let Outcome::Refused { failure, .. } = outcome else { panic!("it wrote over {outcome:?}") };
    assert_eq!(failure.class, FailureClass::Stale);
    let current = shop.detector().await.cursor().expect("it tells which capture it reads");
    shop.side.detector(&shop.collection, Some(&current)).await.expect("the same capture");
}

#[tokio::test]
async fn triggers_taken_away_and_made_again_are_a_gap() {
    let shop = Shop::items().await;
    let here = [shop.collection.clone()];
    let cursor = shop.detector().await.cursor().expect("it tells which capture it reads");
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let seen = shop.read("1").await.version.and_then(|one| one.order);
    let trigger: String =
        shop.ask("SELECT tgname::text FROM pg_trigger WHERE tgname LIKE '%_row'").await;
    shop.run(&format!("DROP TRIGGER {trigger} ON items")).await;
    shop.run("UPDATE items SET title = 'unseen'").await;
    shop.side.capture_install(&here).await.expect("it can be mended");
    let lost = shop.side.detector(&shop.collection, Some(&cursor)).await.err();
    assert!(lost.expect("changes were told to nobody").is_lost_position());
    assert!(shop.read("1").await.version.and_then(|one| one.order) > seen);
}
