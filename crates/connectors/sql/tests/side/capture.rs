//! Installing, removing and telling about the capture; what it sees, on tables of all kinds.

use crate::rig::{Shop, changes, collection, connect, drain, on_both, renamed_from, seen, settle};
use duet_core::id::Column;
use duet_core::intent::Outcome;
use duet_core::observation::{Deletion, Observation, Presence};
use duet_core::retry::FailureClass;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Connector};
use duet_ports::envelope::WhatV1;
use duet_sql::Product;
use duet_testkit::connector_contract::landed;
use serde_json::json;

/// Everything in the database that is the user's or ours, to tell what an install leaves behind.
async fn inventory(shop: &Shop) -> String {
    let asked = match shop.product {
        Product::Postgres => {
            "SELECT string_agg(what, E'\\n' ORDER BY what) FROM (
                SELECT 'schema ' || nspname AS what FROM pg_namespace WHERE nspname !~ '^pg_'
                UNION ALL SELECT relkind::text || ' ' || relnamespace::regnamespace || '.' || relname
                    FROM pg_class WHERE relnamespace::regnamespace::text
                                        !~ '^(pg_|information_schema)'
                UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
                    WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
                UNION ALL SELECT 'trigger ' || tgname || ' ' || tgrelid::regclass FROM pg_trigger
            ) AS a"
        }
        Product::Sqlite => {
            "SELECT group_concat(what, char(10)) FROM (
                SELECT type || ' ' || name || ' ' || tbl_name || COALESCE(sql, '') AS what
                FROM sqlite_master ORDER BY what)"
        }
    };
    shop.text(asked).await
}

async fn installing_twice_is_installing_once_and_removing_leaves_nothing(product: Product) {
    let shop = Shop::bare(product, crate::rig::items(product), "items").await;
    let before = inventory(&shop).await;
    let here = [shop.collection.clone()];
    shop.side.capture_install(&here).await.expect("it can be installed");
    let once = inventory(&shop).await;
    let status = shop.side.capture_install(&here).await.expect("it can be installed again");
    assert_eq!(inventory(&shop).await, once);
    assert!(status[0].installed);
    assert_eq!(status[0].version, Some(status[0].newest));
    shop.side.capture_remove(&here).await.expect("it can be removed");
    assert_eq!(inventory(&shop).await, before);
    shop.side.capture_remove(&here).await.expect("removing nothing is no error");
    let status = shop.side.capture_status(&here).await.expect("it can be told");
    assert!(!status[0].installed && status[0].version.is_none());
    shop.run("INSERT INTO items (title) VALUES ('after')").await;
}

async fn several_flows_on_one_table_see_the_same_and_settle_apart(product: Product) {
    let shop = Shop::items(product).await;
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

async fn what_a_renamed_flow_left_behind_is_told_and_can_be_taken_away(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title) VALUES ('a'), ('b')").await;
    let renamed = [collection("goods", "items")];
    let told = shop.side.capture_install(&renamed).await.expect("it can be installed");
    let others = shop.side.capture_others(&renamed).await.expect("it can be told");
    let [left] = others.as_slice() else { panic!("one is left: {others:?}") };
    assert_eq!((left.flow.as_str(), left.side), ("items", Side::Right));
    assert_eq!((left.collection.as_str(), left.installed, left.backlog), ("items", true, 2));
    assert!(left.oldest.is_some() && left.base.is_some() && left.base != told[0].base);
    assert!(
        shop.side
            .capture_others(&[renamed[0].clone(), shop.collection.clone()])
            .await
            .expect("it can be told")
            .is_empty()
    );
    for _ in 0..2 {
        shop.side.capture_remove_others(&others).await.expect("it can be removed");
    }
    shop.run("INSERT INTO items (title) VALUES ('c')").await;
    assert_eq!(shop.rows(&shop.table("change")).await, 1);
    let status = shop.side.capture_status(&renamed).await.expect("it can be told");
    assert!(status[0].installed && status[0].base == told[0].base);
    shop.run("DROP TABLE items").await;
    let others = shop.side.capture_others(&[]).await.expect("it can be told");
    assert!(!others[0].installed, "its table is gone");
    shop.side.capture_remove_others(&others).await.expect("it can be removed");
    assert!(!shop.has_capture().await);
    assert!(shop.side.capture_others(&[]).await.expect("it can be told").is_empty());
}

async fn a_busy_table_is_told_as_busy_and_nothing_was_changed(product: Product) {
    let shop = Shop::bare(product, crate::rig::items(product), "items").await;
    let before = inventory(&shop).await;
    let mut theirs = shop.begin().await;
    theirs.run("INSERT INTO items (title) VALUES ('a')").await;
    let here = [shop.collection.clone()];
    let refused = shop.side.capture_install(&here).await.expect_err("somebody writes");
    let code = match product {
        Product::Postgres => "55P03",
        Product::Sqlite => "SQLITE_BUSY",
    };
    assert_eq!((refused.failure.class, &*refused.failure.code), (FailureClass::Transient, code));
    assert_eq!(inventory(&shop).await, before);
    theirs.run("ROLLBACK").await;
    shop.side.capture_install(&here).await.expect("it can be installed");
}

async fn odd_names_in_odd_schemas(product: Product) {
    let name = match product {
        Product::Postgres => r#""Web Shop"."Order ""Items""""#,
        Product::Sqlite => r#""Order ""Items""""#,
    };
    let mut ddl = format!(
        r#"CREATE TABLE {name} ("Order-Id" int, "key" text, "seq" int, "it's" text,
           PRIMARY KEY ("Order-Id", "key"))"#
    );
    let capture = match product {
        Product::Postgres => {
            ddl.insert_str(0, r#"CREATE SCHEMA "Web Shop"; "#);
            json!({ "schema": "Our Sync" })
        }
        Product::Sqlite => json!({ "prefix": "Our Sync " }),
    };
    let mut shop = Shop::bare(product, &ddl, name).await;
    shop.side = connect(&shop.ground, json!({ "capture": capture }));
    shop.collection.flow = "it's a \\ flow".into();
    shop.collection.filter = Some(r#""seq" < 100 -- the small ones"#.to_owned());
    shop.install().await;
    shop.run(&format!("INSERT INTO {name} VALUES (1, 'a-b%', 5, 'x')")).await;
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

const KEYS_OF_A_SERVER: [(&str, &str, &str); 9] = [
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

const KEYS_OF_A_FILE: [(&str, &str, &str); 16] = [
    ("INTEGER", "7", "7"),
    ("int", "'-9000000000'", "-9000000000"),
    ("int", "'no number'", "no number"),
    ("varchar(5)", "'ALFKI'", "ALFKI"),
    ("text COLLATE NOCASE", "'Alfki'", "Alfki"),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
    ("uuid", "x'A0EEBC999C0B4EF8BB6D6BB9BD380A11'", "\\xa0eebc999c0b4ef8bb6d6bb9bd380a11"),
    ("numeric(8,2)", "'1.50'", "1.5"),
    ("real", "0.1 + 0.2", "0.30000000000000004"),
    ("real", "5", "5.0"),
    ("date", "'2026-11-21'", "2026-11-21"),
    ("datetime", "'2026-11-21 10:00:00'", "2026-11-21 10:00:00"),
    ("boolean", "true", "1"),
    ("blob", "x'00ff41'", "\\x00ff41"),
    ("", "5", "5"),
    ("", "'5'", "5"),
];

async fn keys_of_all_kinds(product: Product) {
    let kinds: &[(&str, &str, &str)] = match product {
        Product::Postgres => &KEYS_OF_A_SERVER,
        Product::Sqlite => &KEYS_OF_A_FILE,
    };
    for (kind, literal, key) in kinds.iter().copied() {
        let table = format!("CREATE TABLE t (id {kind} PRIMARY KEY, a text)");
        let shop = Shop::captured(product, &table, "t").await;
        let abroad = match product {
            Product::Postgres => "SET TimeZone = 'Asia/Tokyo';",
            Product::Sqlite => "",
        };
        shop.run(&format!("{abroad} INSERT INTO t VALUES ({literal}, 'x')")).await;
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

async fn a_key_that_is_too_long_is_nobody(product: Product) {
    let shop =
        Shop::captured(product, "CREATE TABLE t (id varchar(5) PRIMARY KEY, a text)", "t").await;
    shop.run("INSERT INTO t VALUES ('ALFKI', 'x')").await;
    let other = shop.read("ALFKIS").await;
    assert_eq!(other.presence, Presence::Deleted(Deletion::Hard));
    assert!(other.image.is_empty() || other.image.values().all(Value::is_null));
}

async fn nothing_changed_is_no_change(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let mut detector = shop.detector().await;
    let readings = drain(&mut *detector).await;
    settle(&mut *detector, &readings).await;
    shop.run("UPDATE items SET title = 'a'").await;
    shop.run("BEGIN; UPDATE items SET title = 'b'; ROLLBACK").await;
    assert!(changes(&mut *detector).await.is_empty());
}

async fn a_table_without_a_key_is_told(product: Product) {
    let shop = Shop::bare(product, "CREATE TABLE t (a int, b text)", "t").await;
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

async fn a_view_cannot_be_captured(product: Product) {
    let shop = Shop::bare(product, "CREATE VIEW v AS SELECT 1 AS id", "v").await;
    let chosen = Collection { key: vec![Column::from("id")], ..shop.collection.clone() };
    let refused = shop.side.capture_install(&[chosen]).await.expect_err("a view");
    assert!(refused.failure.message.contains("not a table"), "{}", refused.failure.message);
}

async fn a_key_change_is_told_before_the_record_under_its_new_key(product: Product) {
    let shop = Shop::captured(product, "CREATE TABLE t (id text PRIMARY KEY, a text)", "t").await;
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

async fn a_key_of_a_deleted_row_is_told_as_given_up_first(product: Product) {
    let shop = Shop::captured(product, "CREATE TABLE t (id int PRIMARY KEY, a text)", "t").await;
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

async fn a_key_that_comes_and_goes_is_a_record_that_comes_and_goes(product: Product) {
    let mut shop =
        Shop::bare(product, "CREATE TABLE t (n int, code text UNIQUE, a text)", "t").await;
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

async fn another_key_for_a_flow_begins_anew(product: Product) {
    let mut shop = Shop::items(product).await;
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

async fn a_column_stamp_tells_when_a_column_changed(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'b')").await;
    let mut detector = shop.detector().await;
    let first = seen(&mut *detector).await.remove("1").expect("it is told");
    assert_eq!(first.column_stamps.len(), first.image.len(), "an insert sets every column");
    shop.tick().await;
    shop.run("UPDATE items SET title = 'c'").await;
    shop.tick().await;
    shop.run("UPDATE items SET note = 'd'").await;
    let second = seen(&mut *detector).await.remove("1").expect("it is told");
    let stamp = |name: &str| second.column_stamps.get(name).copied();
    assert!(stamp("title") < stamp("note") && stamp("title") > first.changed_at);
    assert_eq!(stamp("note"), second.changed_at);
    assert_eq!(stamp("price"), first.column_stamps.get("price").copied(), "since it was inserted");
    let read = shop.side.read(&shop.collection, &["1".into()]).await.expect("it is there");
    assert_eq!(read[0].observation.column_stamps, second.column_stamps, "a read tells the same");
    let rename = match product {
        Product::Postgres => "UPDATE items SET id = DEFAULT",
        Product::Sqlite => "UPDATE items SET id = 2",
    };
    shop.run(rename).await;
    let renamed = shop.side.read(&shop.collection, &["2".into()]).await.expect("it is there");
    let renamed = &renamed[0].observation.column_stamps;
    assert_eq!(renamed.get("note").copied(), stamp("note"), "another key, the same record");
    let anew = match product {
        Product::Postgres => {
            "INSERT INTO items (id, title) OVERRIDING SYSTEM VALUE VALUES (2, 'c')"
        }
        Product::Sqlite => "INSERT INTO items (id, title) VALUES (2, 'c')",
    };
    shop.tick().await;
    shop.run(&format!("DELETE FROM items; {anew}")).await;
    let again = shop.side.read(&shop.collection, &["2".into()]).await.expect("it is there");
    let again = &again[0].observation.column_stamps;
    assert!(again.get("note") > renamed.get("note"), "a new record begins anew");
    assert!(second.changed_at > Some(Stamp(0)) && second.read_at > first.read_at);
}

async fn a_capture_installed_anew_is_a_gap_and_its_versions_go_on(product: Product) {
    let shop = Shop::items(product).await;
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

async fn triggers_taken_away_and_made_again_are_a_gap(product: Product) {
    let shop = Shop::items(product).await;
    let here = [shop.collection.clone()];
    let cursor = shop.detector().await.cursor().expect("it tells which capture it reads");
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let seen = shop.read("1").await.version.and_then(|one| one.order);
    let drop = match product {
        Product::Postgres => {
            "SELECT 'DROP TRIGGER ' || tgname || ' ON items' FROM pg_trigger
             WHERE tgname LIKE '%_row'"
        }
        Product::Sqlite => {
            "SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE name LIKE 'duet%_update'
             AND name NOT LIKE '%_before_%'"
        }
    };
    let drop = shop.text(drop).await;
    shop.run(&drop).await;
    shop.run("UPDATE items SET title = 'unseen'").await;
    shop.side.capture_install(&here).await.expect("it can be mended");
    let lost = shop.side.detector(&shop.collection, Some(&cursor)).await.err();
    assert!(lost.expect("changes were told to nobody").is_lost_position());
    assert!(shop.read("1").await.version.and_then(|one| one.order) > seen);
}

async fn a_capture_of_an_older_version_asks_to_be_installed_again(product: Product) {
    let shop = Shop::items(product).await;
    let here = [shop.collection.clone()];
    let ways: &[&str] = match product {
        Product::Postgres => &[
            "ALTER TABLE duet.duet_row DROP COLUMN column_times",
            "ALTER TABLE duet.duet_capture DROP COLUMN base",
            "UPDATE duet.duet_capture SET version = version - 1",
        ],
        Product::Sqlite => &["UPDATE duet_capture SET version = version - 1"],
    };
    for older in ways.iter().copied() {
        shop.run(older).await;
        let about = shop.side.describe(&shop.collection).await.expect("the table is there");
        let [only] = about.remarks.as_slice() else { panic!("{older}: {:?}", about.remarks) };
        let words = ["older version", "`duet capture install`"];
        assert!(only.fatal && words.iter().all(|word| only.text.contains(word)), "{only:?}");
        let refused = shop.side.detector(&shop.collection, None).await.err().expect(older);
        assert_eq!(refused.failure.code, "capture_older", "{refused}");
        assert_eq!(refused.failure.message, only.text);
        let status = shop.side.capture_status(&here).await.expect("it can be told").remove(0);
        assert!(status.installed && status.older, "{status:?}");
        let status = shop.side.capture_install(&here).await.expect("it can be mended").remove(0);
        assert!(status.installed && !status.older, "{status:?}");
        shop.run("INSERT INTO items (title) VALUES ('a')").await;
        assert!(!seen(&mut *shop.detector().await).await.is_empty(), "{older}");
    }
}

on_both!(
    installing_twice_is_installing_once_and_removing_leaves_nothing,
    several_flows_on_one_table_see_the_same_and_settle_apart,
    what_a_renamed_flow_left_behind_is_told_and_can_be_taken_away,
    a_busy_table_is_told_as_busy_and_nothing_was_changed,
    odd_names_in_odd_schemas,
    keys_of_all_kinds,
    a_key_that_is_too_long_is_nobody,
    nothing_changed_is_no_change,
    a_table_without_a_key_is_told,
    a_view_cannot_be_captured,
    a_key_change_is_told_before_the_record_under_its_new_key,
    a_key_of_a_deleted_row_is_told_as_given_up_first,
    a_key_that_comes_and_goes_is_a_record_that_comes_and_goes,
    another_key_for_a_flow_begins_anew,
    a_column_stamp_tells_when_a_column_changed,
    a_capture_installed_anew_is_a_gap_and_its_versions_go_on,
    triggers_taken_away_and_made_again_are_a_gap,
    a_capture_of_an_older_version_asks_to_be_installed_again
);
